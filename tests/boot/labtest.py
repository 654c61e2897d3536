# SPDX-License-Identifier: MIT
"""What the boot tests share: they start partitions with lab/run and print TAP."""
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
INITRD = BUILD / "tests/guest/userland.cpio"
POWERED_OFF, REBOOTED, CRASHED, REFUSED, TIMED_OUT = 0, 10, 20, 30, 124
# The lab's own failure: the machine beneath it may be overloaded, so one is tried again.
LAB_FAILED = 3
# lab/run says so on its standard error where the processor that the guest runs on is one in software.
NESTED = "lab: nested: "
# What shortens a Linux guest's start where many are started.
QUICK = ("quiet loglevel=3 mitigations=off nokaslr no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=on audit=0 "
         "8250.nr_uarts=1 init_on_alloc=0")


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out.replace("\r", ""), err

    def saw(self, text):
        return text in self.out

    def triple_fault(self):
        """Where a processor was that faulted three times, as L1's KVM says it; None where none did."""
        m = re.search(r"kvm_exit: .*reason shutdown.*", self.err)
        return m.group(0) if m else None

    def last_words(self):
        """Where a kernel crashed, as it says itself; else where it was, and the last line there was."""
        m = re.search(r"RIP: .*", self.out)
        if m:
            return m.group(0).strip()
        last = re.search(r".*\S.*\s*\Z", self.out)
        return ": ".join(w.strip() for w in (self.triple_fault(), last and last.group(0)) if w) or "without a word"

    def failures(self):
        """The checks of the guest's userland that failed; None where it did not run them to the end."""
        if not re.search(r"^1\.\.\d+$", self.out, re.M):
            return None
        return re.findall(r"^not ok .*$", self.out, re.M)


def lab(*args, initrd=INITRD, append="", seconds=180, idle=False):
    """Boots the userland, or what `args` say, and returns a Result. `idle`: it is to do nothing until its time is up."""
    command = [str(ROOT / "lab/run"), "--timeout", str(seconds), "--append", ("quiet " + append).strip()]
    if initrd:
        command += ["--initrd", str(initrd)]
    return run(command + [str(a) for a in args], idle)


def lost(result, native):
    """
    What may have been the lab's own fault (docs/lab.md): a native guest that crashed, because the nested processor may deliver an interrupt twice, any that
    hung, because it may lose its way altogether, and a Xen guest whose processor faulted three times: the adapter tells of every other end.
    """
    if NESTED not in result.err or result.saw("sysrq triggered crash") or result.saw("guest: crashes on purpose"):
        return None
    if result.code == TIMED_OUT:
        return "hung"
    return "crashed" if result.code == CRASHED and (native or result.triple_fault()) else None


def run(command, idle=False):
    """Runs lab/run, or what ends as it does, and returns a Result. What the lab's own faults may have ended is done again, once and aloud."""
    native = "--native" in command
    for _ in range(2):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        how = None if idle else lost(result, native)
        if how:
            print("# again: a %s guest %s on the nested processor: %s" % ("native" if native else "Xen", how, result.last_words()), flush=True)
        elif result.code != LAB_FAILED:
            break
    return result


class Tap:
    """Counts and prints. `run` takes functions whose names say what stays true; they return (good, result)."""

    def __init__(self):
        self.number = self.failed = 0
        # Leaving by an exception takes the running partition along.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))

    def report(self, name, good, result=None):
        self.number += 1
        self.failed += not good
        print("%sok %d - %s" % ("" if good else "not ", self.number, name), flush=True)
        if not good and result:
            lines = ["exit status %d" % result.code] + result.out.splitlines()[-60:] + result.err.splitlines()[-30:]
            print("\n".join("# " + line.rstrip() for line in lines), flush=True)

    def skip(self, name, why):
        self.number += 1
        print("ok %d - %s # SKIP %s" % (self.number, name, why), flush=True)

    def finish(self):
        print("1..%d" % self.number)
        sys.exit(1 if self.failed else 0)


def selected(names):
    """Names given on the command line pick scenarios; none means all."""
    wanted = sys.argv[1:]
    return [n for n in names if not wanted or any(w in n for w in wanted)]


def scratch():
    return tempfile.TemporaryDirectory(prefix="xenolith-boot.")
