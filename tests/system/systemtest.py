# SPDX-License-Identifier: MIT
"""Whole Debian systems (lab/rundebian) on our own host, checked by themselves and by the host's commands."""
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "boot")]
from labtest import POWERED_OFF, ROOT, Tap, run, selected  # noqa: E402

# What a system says of itself from its first boot on, and after a second one.
CHECKS = ("the_system_is_up every_processor_is_up the_network_is_up packages_are_downloaded_whole time_is_in_step "
          "the_disk_keeps_what_is_written the_drivers_have_no_complaint").split()
AGAIN = "the_network_is_up_again the_data_of_the_first_boot_is_there".split()


def info(result):
    m = re.search(r"^host: (\{.*\})\s*$", result.out, re.M)
    return json.loads(m.group(1)) if m else {}


def judge(tap, name, words, r):
    said = re.findall(r"check: (good|bad) (\w+)", r.out)
    native = "--native" in words
    for check in CHECKS + (AGAIN if "--then" in words else []) + ([] if native else ["xenstore_names_the_devices"]):
        marks = [mark for mark, which in said if which == check]
        tap.report("%s: %s" % (name, check), bool(marks) and "bad" not in marks, r)
    told = info(r)
    guest = told.get("guest", {})
    tap.report("%s: the host sees the guest's name and address" % name, guest.get("NetworkAddressIPv4") == "10.0.2.15"
               and guest.get("FullyQualifiedDomainName", "").startswith("debian"), r)
    tap.report("%s: the guest's heart beats" % name, told.get("heartbeat") == "ok", r)
    tap.report("%s: a login prompt is shown" % name, r.saw("debian login:"), r)
    tap.report("%s: it goes down at the host's request" % name, r.code == POWERED_OFF and re.search(r"Reached target.*[Pp]ower.?[Oo]ff", r.out), r)


def main(cases):
    """cases: name: words for lab/rundebian."""
    tap = Tap()
    for name in selected(cases):
        words = cases[name].split()
        judge(tap, name, words, run([ROOT / "lab/rundebian", *words]))
    tap.finish()
