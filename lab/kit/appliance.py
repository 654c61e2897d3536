# SPDX-License-Identifier: MIT
"""The nested way: a small Linux (L1) on QEMU's software CPU, whose SVM makes KVM real inside it.

L1 is Debian's cloud kernel, started by PVH, and an initramfs with busybox, the KVM modules and the
partition's host. A second archive behind it carries one run's files and its job, a shell script.
"""
import hashlib
import re
import shlex
import shutil
import subprocess
from pathlib import Path

from . import cpio, debian, vmlinux
from .paths import LAB, LabError, replacing

MODULES = ("virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-amd.ko")
COMMAND_LINE = ("console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr tsc=reliable no_timer_check "
                "8250.nr_uarts=4 random.trust_cpu=on audit=0")
INIT = """#!/bin/sh
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
for m in irqbypass kvm kvm-amd; do insmod /modules/$m.ko || echo "lab: no $m"; done
echo 1 >/proc/sys/vm/overcommit_memory
sh /job </dev/null
echo "lab: host-exit $?"
poweroff -f
"""
# L1's own memory: its kernel, the initramfs and the host with its page tables.
OVERHEAD_MIB = 640


def kernel():
    out = LAB / "l1-vmlinux"
    if not out.exists():
        with replacing(out) as tmp:
            tmp.write_bytes(vmlinux.extract(debian.kernel("bookworm", "cloud-amd64")))
    return out


def libraries(binary):
    """The shared libraries that `binary` names, as ldd finds them."""
    done = subprocess.run(["ldd", str(binary)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if "not found" in done.stdout:
        raise LabError("%s: %s" % (binary, done.stdout.strip()))
    return [Path(p) for p in re.findall(r"(/\S+) \(0x", done.stdout)]


def initramfs(host):
    """The archive of L1 with `host` in it, made again whenever one of its files changes."""
    busybox = shutil.which("busybox")
    if not busybox:
        raise LabError("no busybox here: make deps")
    home = debian.kernel_package("bookworm", "cloud-amd64")
    (modules,) = (home / "lib/modules").iterdir()
    files = {"/bin/busybox": Path(busybox)}
    files.update({"/modules/" + Path(m).name: modules / "kernel" / m for m in MODULES})
    files.update({str(p): p for p in host.data() + host.programs()})
    for program in host.programs():
        files.update({str(p): p for p in libraries(program)})
    key = hashlib.sha256(INIT.encode())
    for name, p in sorted(files.items()):
        key.update(("%s %d %d\n" % (name, p.stat().st_size, p.stat().st_mtime_ns)).encode())
    out = LAB / ("l1-%s.cpio" % key.hexdigest()[:16])
    if not out.exists():
        with replacing(out) as tmp, open(tmp, "wb") as f:
            a = cpio.Archive(f)
            for d in ("/proc", "/sys", "/dev", "/tmp", "/guest"):
                a.dirs(d)
            for name, p in files.items():
                a.copy(name, p)
            for applet in ("sh", "mount", "insmod", "poweroff", "stty", "cat"):
                a.link("/bin/" + applet, "busybox")
            a.file("/init", INIT.encode(), 0o755)
            a.close()
    return out


def l0_qemu(choice):
    """(argv so far) of the QEMU that is L1's machine: "new" from backports, "stock", or a path."""
    if choice == "new":
        home = [debian.package("bookworm-backports", "qemu-system-" + p) for p in ("x86", "data", "common")]
        firmware = "-L %s/usr/share/qemu -L /usr/share/seabios -L /usr/share/qemu" % home[1]
        return [str(home[0] / "usr/bin/qemu-system-x86_64"), *firmware.split()]
    binary = shutil.which("qemu-system-x86_64" if choice == "stock" else choice)
    if not binary:
        raise LabError("no such QEMU: %s" % choice)
    return [binary]


def job(argv, stdio, before):
    """What L1 runs. `before`: a file of L1's, run first, whose output joins the guest's on the console."""
    line = " ".join(shlex.quote(a) for a in argv)
    first = "stty -F /dev/ttyS1 raw -echo\n" if stdio or before else ""
    if before:
        first += "sh %s >/dev/ttyS1 2>&1\n" % shlex.quote(before)
    if stdio:
        return first + "exec %s </dev/ttyS1 >/dev/ttyS1\n" % line
    return first + "exec %s\n" % line


def write_initrd(path, base, files, script):
    """L1's initramfs for one run: `base`, then the run's files under /guest and its job."""
    with open(path, "wb") as f:
        f.write(base.read_bytes())
        a = cpio.Archive(f)
        for name, source in files.items():
            a.copy("/guest/" + name, source)
        a.file("/job", script.encode())
        a.close()


def argv(spec, initrd, log, console, qmp):
    """L0's command line; log, console and qmp are character devices for L1's COM1 to COM3."""
    if spec.icount:
        accel = ["-accel", "tcg", "-icount", "shift=0,sleep=off"]
    else:
        accel = ["-accel", "tcg,thread=multi"]
    return l0_qemu(spec.l0_qemu) + accel + [
        "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-reboot",
        "-M", "q35", "-cpu", "EPYC,+svm,+npt", "-smp", str(spec.l1_cpus), "-m", "%dM" % (spec.memory + OVERHEAD_MIB),
        "-kernel", str(kernel()), "-initrd", str(initrd), "-append", COMMAND_LINE,
        "-chardev", log + ",id=log", "-serial", "chardev:log",
        "-chardev", console + ",id=console", "-serial", "chardev:console",
        "-chardev", qmp + ",id=qmp", "-serial", "chardev:qmp",
    ] + spec.l0_extra
