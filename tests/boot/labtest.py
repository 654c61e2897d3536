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
# The lab's own failure.
LAB_FAILED = 3
# What shortens a Linux guest's start where many are started.
QUICK = ("quiet loglevel=3 mitigations=off nokaslr no_timer_check tsc=reliable cryptomgr.notests random.trust_cpu=on audit=0 "
         "8250.nr_uarts=1 init_on_alloc=0")


class Result:
    def __init__(self, code, out, err):
        self.code, self.out, self.err = code, out.replace("\r", ""), err

    def saw(self, text):
        return text in self.out

    def overloaded(self):
        """The lab's own word where its machine did not come up or went away; None where it was anything else."""
        m = self.code == LAB_FAILED and re.search(r"^lab: (.*did not start within.*|L1's machine ended by itself.*)", self.err, re.M)
        return m and m.group(1)

    def failures(self):
        """The checks of the guest's userland that failed; None where it did not run them to the end."""
        if not re.search(r"^1\.\.\d+$", self.out, re.M):
            return None
        return re.findall(r"^not ok .*$", self.out, re.M)


def lab(*args, initrd=INITRD, append="", seconds=180):
    """Boots the userland, or what `args` say, and returns a Result."""
    command = [str(ROOT / "lab/run"), "--timeout", str(seconds), "--append", ("quiet " + append).strip()]
    if initrd:
        command += ["--initrd", str(initrd)]
    return run(command + [str(a) for a in args])


def run(command):
    """Runs lab/run, or what ends as it does, and returns a Result. Where the machine beneath it was overloaded, once more and aloud; what a guest
    does is never tried again."""
    for again in False, True:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        result = Result(done.returncode, done.stdout.decode(errors="replace"), done.stderr.decode(errors="replace"))
        if again or not result.overloaded():
            return result
        print("# again: the lab: %s" % result.overloaded(), flush=True)


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
    for w in wanted:
        if not any(w in n for n in names):
            sys.exit("no scenario's name has %s in it" % w)
    return [n for n in names if not wanted or any(w in n for w in wanted)]


def scratch():
    return tempfile.TemporaryDirectory(prefix="xenolith-boot.")
