# SPDX-License-Identifier: MIT
"""The two hosts of a partition, as command lines: Debian's QEMU and our own `xenolith run`."""
import shutil
from pathlib import Path

from .paths import BUILD, LabError

FEATURES = ("relaxed vapic time vpindex runtime synic stimer stimer-direct tlbflush ipi frequencies reset crash").split()


def guest_console(mode):
    return "ttyS0" if mode == "native" else "hvc0"


def kernel_command_line(spec):
    if "console=" in spec.append:
        return spec.append
    return ("console=%s %s" % (guest_console(spec.mode), spec.append)).strip()


class Qemu:
    """Debian's QEMU on KVM: the Viridian side that nobody here wrote."""

    def __init__(self):
        self.binary = Path(shutil.which("qemu-system-x86_64") or "/usr/bin/qemu-system-x86_64")
        if not self.binary.exists():
            raise LabError("no qemu-system-x86_64 here: make deps")
        self.has_qmp = True

    def programs(self):
        return [self.binary]

    def data(self):
        """Firmware and option ROMs that a PC starts with."""
        ours = ("bios-256k.bin", "kvmvapic.bin", "linuxboot.bin", "linuxboot_dma.bin", "multiboot.bin",
                "multiboot_dma.bin", "pvh.bin")
        places = (Path("/usr/share/qemu"), Path("/usr/share/seabios"))
        return [p / n for n in ours for p in places if (p / n).exists()]

    def argv(self, spec, path, console, qmp):
        """`path` gives a file's name as the host sees it; console and qmp are QEMU character devices."""
        off = spec.hv_off
        features = [] if "all" in off else ["hv-" + f for f in FEATURES if f not in off]
        cpu = ["host", "kvm=off"] + features + spec.cpu_extra + (["-smap"] if spec.mode == "xen" else [])
        argv = [str(self.binary), "-nodefaults", "-no-user-config", "-display", "none", "-vga", "none", "-S",
                "-no-reboot", "-no-shutdown", "-machine", "pc,accel=kvm", "-cpu", ",".join(cpu),
                "-smp", str(spec.cpus), "-m", "%dM" % spec.memory,
                "-chardev", console + ",id=console", "-serial", "chardev:console",
                "-chardev", qmp + ",id=qmp", "-mon", "chardev=qmp,mode=control"]
        return argv + self.boot(spec, path) + spec.host_extra

    def boot(self, spec, path):
        if spec.iso:
            return ["-boot", "d", "-cdrom", path(spec.iso)]
        line = kernel_command_line(spec)
        if spec.mode == "native":
            argv = ["-kernel", path(spec.kernel), "-append", line]
            return argv + (["-initrd", path(spec.initrd)] if spec.initrd else [])
        argv = ["-kernel", path(spec.loader)]
        if spec.loader_append:
            argv += ["-append", spec.loader_append]
        # Multiboot modules are separated by commas; a comma of the command line is doubled.
        modules = []
        if spec.kernel:
            modules.append("%s %s" % (path(spec.kernel), line.replace(",", ",,")))
        if spec.initrd:
            modules.append(path(spec.initrd))
        return argv + (["-initrd", ",".join(modules)] if modules else [])


class Xenolith:
    """Our own host. It ends with lab/run's exit status, and its console is its standard input and output."""

    def __init__(self):
        self.binary = BUILD / "xenolith"
        if not self.binary.exists():
            raise LabError("no %s: make" % self.binary)
        self.has_qmp = False

    def programs(self):
        return [self.binary]

    def data(self):
        return []

    def argv(self, spec, path, console, qmp):
        if spec.instead:
            files = [path(f) if f else "" for f in (spec.kernel, spec.initrd, spec.loader)]
            return ["sh", path("instead"), *files, *(d.argument(spec.disk_folder) for d in spec.disks)]
        argv = [str(self.binary), "run", "--kernel", path(spec.kernel), "--cpus", str(spec.cpus),
                "--memory", "%dM" % spec.memory, "--name", spec.guest_name, "--append", kernel_command_line(spec)]
        if not spec.restarts:
            argv.append("--no-reboot")
        for d in spec.disks:
            argv += ["--disk", d.argument(spec.disk_folder)]
        if spec.serve:
            argv += ["--net", "user"]
        if spec.initrd:
            argv += ["--initrd", path(spec.initrd)]
        if spec.mode == "native":
            argv.append("--native")
        elif spec.mode == "adapter":
            argv += ["--adapter", path(spec.loader)]
            if spec.loader_append:
                argv += ["--adapter-append", spec.loader_append]
        return argv + spec.host_extra


def make(name):
    return {"qemu": Qemu, "xenolith": Xenolith}[name]()
