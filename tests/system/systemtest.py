# SPDX-License-Identifier: MIT
"""Whole Debian systems (lab/mkdebian) on our own host, checked by themselves and by the host's commands."""
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "boot"), str(HERE.parents[1] / "lab")]
from labtest import POWERED_OFF, Tap, lab, scratch, selected  # noqa: E402,F401
from kit import repository, system  # noqa: E402

# Longer than any of these takes on a machine that does little else.
SECONDS = 900


class Case:
    """One system and how it is run. `then` is what follows the first boot: None, reboot or kexec."""

    def __init__(self, suite="bookworm", flavour="cloud-amd64", layout="plain", kind="vhd", cpus=2, then=None,
                 native=False, memory=768):
        self.__dict__.update({k: v for k, v in locals().items() if k != "self"})

    def root(self):
        if self.native:
            return "LABEL=root"
        return "/dev/xvda" if self.layout == "plain" else "/dev/xvda1"

    def run(self, *more):
        made = system.System(self.suite, self.flavour)
        options = ["root=" + self.root(), "selfcheck", "selfcheck.cpus=%d" % self.cpus, "selfcheck.url={serve}"]
        if self.then:
            options.append("selfcheck.then=" + self.then)
        with scratch() as served:
            repository.make(served)
            # What the guest tells of itself by KVP, then the request to end.
            done = "check: done=sleep 5; xenolith info --json $GUEST; xenolith shutdown $GUEST"
            args = ["--host", "xenolith", "--restarts", "--cpus", self.cpus, "--memory", self.memory, "--kernel", made.kernel,
                    "--disk", made.image(self.layout, self.kind), "--serve", served, "--on", done, *more]
            return lab(*args, *(["--native"] if self.native else []), initrd=made.initrd, append=" ".join(options),
                       seconds=SECONDS)


def info(result):
    m = re.search(r"^host: (\{.*\})$", result.out, re.M)
    return json.loads(m.group(1)) if m else {}


# What a system says of itself from its first boot on, and after a second one.
CHECKS = ("the_system_is_up every_processor_is_up the_network_is_up packages_are_downloaded_whole time_is_in_step "
          "the_disk_keeps_what_is_written the_drivers_have_no_complaint").split()
AGAIN = "the_network_is_up_again the_data_of_the_first_boot_is_there".split()


def expected(case):
    names = CHECKS + (AGAIN if case.then else []) + ([] if case.native else ["xenstore_names_the_devices"])
    return names


def judge(tap, name, case, r):
    said = re.findall(r"check: (good|bad) (\w+)", r.out)
    for check in expected(case):
        marks = [mark for mark, which in said if which == check]
        tap.report("%s: %s" % (name, check), bool(marks) and "bad" not in marks, r)
    told = info(r)
    tap.report("%s: the host sees the guest's name and address" % name,
               told.get("guest", {}).get("NetworkAddressIPv4") == "10.0.2.15"
               and told["guest"].get("FullyQualifiedDomainName", "").startswith("debian"), r)
    tap.report("%s: the guest's heart beats" % name, told.get("heartbeat") == "ok", r)
    tap.report("%s: a login prompt is shown" % name, re.search(r"^debian login:", r.out, re.M), r)
    tap.report("%s: it goes down at the host's request" % name,
               r.code == POWERED_OFF and r.saw("Power down"), r)


def main(cases):
    tap = Tap()
    for name in selected(cases):
        judge(tap, name, cases[name], cases[name].run())
    tap.finish()
