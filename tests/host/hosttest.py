# SPDX-License-Identifier: MIT
"""What the tests of our host share: a guest of busybox and Debian's own drivers, and what it reports."""
import re
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent / "boot"), str(HERE.parents[1] / "lab")]
from labtest import BUILD, CRASHED, POWERED_OFF, REBOOTED, ROOT, Tap, lab, selected  # noqa: E402,F401
from kit import debian  # noqa: E402

MODULES = ("hv_vmbus scsi_common scsi_mod scsi_transport_fc crc-t10dif t10-pi sd_mod hv_storvsc hv_netvsc pps_core ptp hv_utils "
           "hv_balloon cdrom sr_mod isofs").split()
PV_MODULES = ("xen-blkfront", "xen-netfront")
XENOLITH = ("--host", "xenolith", "--kernel", "bookworm/cloud-amd64")
KILLED = 130


def initrd(folder, init, suite="bookworm", modules=MODULES, more=()):
    """busybox, the guest's init, the drivers as the kernel's package has them, and more NAME=FILEs."""
    package = debian.kernel_package(suite, "cloud-amd64")
    found = {m: next(iter(package.glob("lib/modules/*/kernel/**/%s.ko" % m)), None) for m in modules}
    order = folder / "order"
    order.write_text("\n".join(m for m in modules if found[m]))
    out = folder / (init + ".cpio")
    subprocess.run([ROOT / "lab/mkinitrd", out, "/init=%s" % (HERE / init), "/lib.sh=%s" % (HERE / "guest-lib"),
                    "/modules/order=%s" % order, *more] + ["/modules/%s=%s" % (f.name, f) for f in found.values() if f],
                   check=True)
    return out


def module(name):
    """One of the kernel's that the lab's own machine runs."""
    return next(debian.kernel_package("bookworm", "cloud-amd64").glob("lib/modules/*/kernel/**/%s.ko" % name))


def files(**named):
    """Arguments that bring files to where the host runs."""
    return [a for name, path in named.items() for a in ("--file", "%s=%s" % (name, path))]


def before(folder, script):
    """A script for where the host runs, with $XENOLITH in it."""
    path = folder / "before.sh"
    path.write_text("export XENOLITH=%s\n%s" % (BUILD / "xenolith", script))
    return ["--before", path]


def report_checks(tap, name, result, expected, code=POWERED_OFF):
    """The guest's own checks, of which there must be `expected`, and how it ended."""
    checks = re.findall(r"^(good|bad) (\w+)", result.out, re.M)
    for good, check in checks:
        tap.report("%s: %s" % (name, check), good == "good", result)
    tap.report("%s: all %d checks ran, and the guest ended" % (name, expected),
               len(checks) == expected and result.code == code and result.saw("guest: done"), result)
