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

from . import cpio, debian, disks, script, vmlinux
from .paths import LAB, LabError, replacing

KVM_MODULES = ("virt/lib/irqbypass.ko", "arch/x86/kvm/kvm.ko", "arch/x86/kvm/kvm-amd.ko")
MODULES = KVM_MODULES + disks.MODULES
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
# Where L1 has the disks that the host opens.
DISKS = "/tmp/disks"
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


def built(name):
    """A program of the lab's own."""
    program = LAB / name
    if not program.exists():
        raise LabError("no %s: make" % program)
    return program


def command_line(spec):
    """L1's. It is told its TSC's frequency, which is this machine's; where instructions are counted it measures it, and rightly."""
    if spec.icount:
        return COMMAND_LINE
    khz = subprocess.run([built("tsckhz")], stdout=subprocess.PIPE, check=True, text=True).stdout.strip()
    return "%s tsc_early_khz=%s" % (COMMAND_LINE, khz)


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
    files["/bin/once"] = built("once")
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
    """(argv so far) of the QEMU that is L1's machine: "new" from trixie's backports, "stock", or a path."""
    if choice == "new":
        home = debian.program("trixie-backports", "qemu-system-x86")
        firmware = [a for folder in ("qemu", "seabios") for a in ("-L", "%s/usr/share/%s" % (home, folder))]
        return debian.loaded(home, "usr/bin/qemu-system-x86_64") + firmware
    binary = shutil.which("qemu-system-x86_64" if choice == "stock" else choice)
    if not binary:
        raise LabError("no such QEMU: %s" % choice)
    return [binary]


# Slices of 50 us. A processor that waits for a lock whose holder has given way spins to its slice's end, and every turn of that counts.
SHORT_SLICES = """mount -t debugfs debug /sys/kernel/debug
cd /sys/kernel/debug/sched
echo HRTICK >features
echo 100000 >latency_ns
echo 50000 >min_granularity_ns
echo 50000 >wakeup_granularity_ns
cd /
"""


# A processor that faults three times is in its reset state by the time its host hears of it. KVM's exit still says where it was, and L1's log tells.
TRIPLE_FAULTS = """mount -t tracefs trace /sys/kernel/tracing
cd /sys/kernel/tracing
echo 'exit_reason == 0x7f' >events/kvm/kvm_exit/filter
echo 1 >events/kvm/kvm_exit/enable
cat trace_pipe >/dev/ttyS0 &
cd /
"""


# L0's QEMU has a processor that restores its FPU write a word of the *first* processor's state, without a lock (cpu_clear_ignne): what says there
# whether nested paging is on and interrupts are held back is undone now and then. So nothing of the partition runs on that one.
def spare(spec):
    """How many processors L1 has beside those that the host runs on, which come behind them. One thread runs all of a counted L1's."""
    return 0 if spec.icount else 1


def on_its_processors(spec):
    """What begins the host's command line so that it stays off the first."""
    return "busybox taskset %x " % (((1 << spec.l1_cpus) - 1) << 1) if spare(spec) else ""


def prepare(spec, host):
    """Shell lines for what one run has beside its host: disks, a web server, a shell for commands."""
    lines = "/bin/busybox --install -s /bin\nexport PATH=%s:/bin GUEST=%s\n" % (host.binary.parent, spec.guest_name)
    if spec.disks:
        lines += "".join("insmod /modules/%s\n" % Path(m).name for m in disks.MODULES) + "mkdir -p %s\n" % DISKS
        lines += "".join(d.prepare(DISKS, True) for d in spec.disks)
    if spec.serve:
        lines += "ip link set lo up\nhttpd -p 127.0.0.1:%d -h /guest/served\n" % spec.serve_port
    if spec.on:
        lines += "stty -F /dev/ttyS2 raw -echo\nsh -c %s </dev/ttyS2 >/dev/ttyS2 &\n" % shlex.quote(script.SHELL)
    return lines


def job(spec, host, argv):
    """The shell script that L1 runs. Our own host's console is its standard input and output, COM2 here. What --before
    prints goes there too."""
    line = " ".join(shlex.quote(a) for a in argv)
    first = "" if spec.twice else "once || echo 'lab: once does not run'\n"
    first += "" if spec.icount or spec.twice else TRIPLE_FAULTS
    first += SHORT_SLICES if spec.icount and spec.cpus > spec.l1_cpus else ""
    first += prepare(spec, host) if spec.disks or spec.serve or spec.on or spec.instead else ""
    if spec.before or not host.has_qmp:
        first += "stty -F /dev/ttyS1 raw -echo\n"
    if spec.before:
        first += "sh %s >/dev/ttyS1 2>&1\n" % shlex.quote(spec.inside("before"))
    return first + "exec %s%s%s\n" % (on_its_processors(spec), line, "" if host.has_qmp else " </dev/ttyS1 >/dev/ttyS1")


def write_initrd(path, base, files, job):
    """L1's initramfs for one run: `base`, then the run's files under /guest and its job."""
    with open(path, "wb") as f:
        f.write(base.read_bytes())
        a = cpio.Archive(f)
        for name, source in files.items():
            a.copy("/guest/" + name, source)
        a.file("/job", job.encode())
        a.close()


def argv(spec, initrd, log, console, qmp):
    """L0's command line; log, console and qmp are character devices for L1's COM1 to COM3."""
    if spec.icount:
        accel = ["-accel", "tcg", "-icount", "shift=0,sleep=off"]
    else:
        accel = ["-accel", "tcg,thread=multi"]
    return l0_qemu(spec.l0_qemu) + accel + [
        "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-no-reboot",
        "-M", "q35", "-cpu", "EPYC,+svm,+npt", "-smp", str(spare(spec) + spec.l1_cpus), "-m", "%dM" % (spec.memory + OVERHEAD_MIB),
        "-kernel", str(kernel()), "-initrd", str(initrd), "-append", command_line(spec),
        "-chardev", log + ",id=log", "-serial", "chardev:log",
        "-chardev", console + ",id=console", "-serial", "chardev:console",
        "-chardev", qmp + ",id=qmp", "-serial", "chardev:qmp",
    ] + [a for d in spec.disks for a in d.l0()] + spec.l0_extra
