# SPDX-License-Identifier: MIT
"""Whole Debian systems as disk images: bootstrapped from packages by mmdebstrap, with the suite's own kernel and the
initramfs that its own update-initramfs makes. No loop device is needed; no root where user namespaces may be used.

A system is made in steps, each kept under build/lab/debian: the file system as bootstrapped (root.ext4), then what
lab/system adds to it, then the disk around it, then the image.
"""
import hashlib
import os
import re
import stat
import subprocess

from . import debian
from .paths import BUILD, LAB, ROOT, LabError, locked, replacing

PACKAGES = ("initramfs-tools zstd systemd-sysv udev dbus e2fsprogs iproute2 xenstore-utils hyperv-daemons "
            "kexec-tools grub2-common").split()
# Kept out of the image: it is read and written many times.
LEFT_OUT = ("/usr/share/doc/*", "/usr/share/locale/*", "/usr/share/man/*", "/usr/share/info/*")
SIZE = "1536M"
# The same for every system, because the menu of GRUB, which is made before the file system, names it.
UUID = "6f5f2d5c-7a06-4e0c-9d0b-78656e6f6c69"
# The partition begins where a partitioning tool would let it begin.
PARTITION_AT = 1 << 20
# Files of lab/system and where they go, with their modes; and links.
ADDED = (
    ("selfcheck", "/usr/local/sbin/selfcheck", 0o755),
    ("selfcheck.service", "/etc/systemd/system/selfcheck.service", 0o644),
    ("dhcp.network", "/etc/systemd/network/dhcp.network", 0o644),
    ("fstab", "/etc/fstab", 0o644),
    ("hosts", "/etc/hosts", 0o644),
)
LINKS = (
    ("/etc/systemd/system/multi-user.target.wants/selfcheck.service", "/etc/systemd/system/selfcheck.service"),
    # They would wake up at the first boot and work on what is not there.
    ("/etc/systemd/system/apt-daily.timer", "/dev/null"),
    ("/etc/systemd/system/apt-daily-upgrade.timer", "/dev/null"),
)
# Inside the new root, as its last step.
CUSTOMIZE = """
echo debian >"$1/etc/hostname"
chroot "$1" passwd -q -d root
chroot "$1" systemctl -q enable systemd-networkd
# GRUB's menu, made by the system's own update-grub. There is no disk to probe yet, so what it would find is told.
cat >"$1/etc/default/grub" <<'X'
GRUB_TIMEOUT=2
GRUB_DISTRIBUTOR=Debian
GRUB_CMDLINE_LINUX="console=ttyS0 console=hvc0 selfcheck selfcheck.url=http://10.0.2.2:8080"
X
mv "$1/usr/sbin/grub-probe" "$1/usr/sbin/grub-probe.real"
cat >"$1/usr/sbin/grub-probe" <<'X'
#!/bin/sh
case "$*" in
*target=device*) echo /dev/xvda ;;
*target=fs_uuid*) echo %(uuid)s ;;
*target=fs*) echo ext2 ;;
esac
X
chmod +x "$1/usr/sbin/grub-probe"
mkdir -p "$1/dev/disk/by-uuid" "$1/boot/grub"
touch "$1/dev/disk/by-uuid/%(uuid)s"
chroot "$1" update-grub
rm -r "$1/dev/disk"
mv "$1/usr/sbin/grub-probe.real" "$1/usr/sbin/grub-probe"
""" % {"uuid": UUID}


def run(argv, **kw):
    done = subprocess.run([str(a) for a in argv], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          errors="replace", **kw)
    if done.returncode:
        raise LabError("%s: %s" % (argv[0], "\n  ".join(done.stdout.strip().splitlines()[-40:])))
    return done.stdout


def home(suite, flavour, more):
    """Where a system's steps are kept: by what it is made from."""
    recipe = repr((suite, flavour, PACKAGES, more, LEFT_OUT, SIZE, CUSTOMIZE))
    return LAB / "debian" / ("%s-%s-%s" % (suite, flavour, hashlib.sha256(recipe.encode()).hexdigest()[:8]))


def as_root(argv):
    """How to run a command that sees the bootstrapped files' owners as they are."""
    return argv if os.geteuid() == 0 else ["mmdebstrap", "--unshare-helper", *argv]


def bootstrap(suite, flavour, more, tree):
    argv = ["mmdebstrap", "--mode=" + ("root" if os.geteuid() == 0 else "unshare"), "--variant=apt",
            "--format=directory", "--include=" + ",".join(["linux-image-" + flavour, *PACKAGES, *more])]
    argv += ["--dpkgopt=path-exclude=" + pattern for pattern in LEFT_OUT]
    argv += ["--aptopt=Acquire::Languages \"none\"", "--customize-hook=" + CUSTOMIZE]
    # The archive of bullseye's security updates names packages that it no longer has.
    sources = debian.sources(suite)
    run(argv + [suite, str(tree)] + (sources[:1] if suite == "bullseye" else sources))


def make_root(suite, flavour, more, where):
    """root.ext4, and the kernel and initrd beside it."""
    tree = where / "tree"
    try:
        bootstrap(suite, flavour, more, tree)
        for name in ("vmlinuz", "initrd.img"):
            # The links in / lead to /boot.
            (where / name).write_bytes((tree / os.readlink(tree / name)).read_bytes())
        with replacing(where / "root.ext4") as tmp:
            run(as_root(["mke2fs", "-q", "-t", "ext4", "-L", "root", "-U", UUID, "-J", "size=16", "-d", tree, tmp, SIZE]))
    finally:
        if tree.exists():
            run(as_root(["rm", "-rf", "--one-file-system", tree]))


def debugfs(image, script):
    """Runs debugfs commands, and fails where one says something; its exit status says nothing."""
    done = subprocess.run(["debugfs", "-w", "-f", "/dev/stdin", str(image)], input=script, text=True,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    said = [line for line in done.stdout.splitlines() if line and not re.match(r"debugfs|Allocated inode", line)]
    if done.returncode or said:
        raise LabError("debugfs: " + "; ".join(said))


def add_files(image):
    """What lab/system adds, written into the file system from outside."""
    script = ["rm /etc/fstab"]  # the bootstrapped one is a comment
    for name, path, mode in ADDED:
        folder, base = os.path.split(path)
        script += ["cd " + folder, 'write "%s" %s' % (ROOT / "lab/system" / name, base)]
        script += ["sif %s %s" % (base, field) for field in ("mode 0%o" % (stat.S_IFREG | mode), "uid 0", "gid 0")]
    script += ["symlink %s %s" % link for link in LINKS]
    debugfs(image, "\n".join(script) + "\n")


def partition(disk, layout):
    """Moves a file system that is a whole disk into the disk's first partition."""
    size = disk.stat().st_size
    bare = disk.with_name(disk.name + ".bare")
    disk.rename(bare)
    try:
        with open(disk, "wb") as f:
            f.truncate(PARTITION_AT * 2 + size)  # GPT has a copy at the end
        kind = {"gpt": "0FC63DAF-8483-4772-8E79-3D69D8477DE4", "mbr": "83"}[layout]
        table = "label: %s\nstart=%d, size=%d, type=%s\n" % ({"gpt": "gpt", "mbr": "dos"}[layout], PARTITION_AT // 512,
                                                             size // 512, kind)
        done = subprocess.run(["sfdisk", "-q", str(disk)], input=table, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        if done.returncode:
            raise LabError("sfdisk: " + done.stdout.strip())
        run(["dd", "if=%s" % bare, "of=%s" % disk, "bs=1M", "seek=%d" % (PARTITION_AT >> 20), "conv=notrunc,sparse"])
    finally:
        bare.unlink()


def make_disk(root, layout, out):
    with replacing(out) as tmp:
        run(["cp", "--sparse=always", root, tmp])
        add_files(tmp)
        if layout != "plain":
            partition(tmp, layout)


def convert(disk, out):
    if not (BUILD / "xenolith").exists():
        raise LabError("no %s: make" % (BUILD / "xenolith"))
    with replacing(out) as tmp:
        run([BUILD / "xenolith", "image", "convert", "-f", "raw", "-O", out.suffix[1:], disk, tmp])


def newest(files):
    return max(f.stat().st_mtime for f in files)


class System:
    """A suite's system: .kernel, .initrd and .image(layout, format), all made when first asked for."""

    def __init__(self, suite, flavour="amd64", more=()):
        self.where = home(suite, flavour, sorted(more))
        self.kernel, self.initrd = self.where / "vmlinuz", self.where / "initrd.img"
        root = self.where / "root.ext4"
        with locked("debian." + self.where.name):
            if not root.exists():
                self.where.mkdir(parents=True, exist_ok=True)
                make_root(suite, flavour, sorted(more), self.where)
        self.root = root

    def image(self, layout="plain", kind="vhd"):
        """layout: plain (the file system is the whole disk), gpt or mbr. kind: raw, vhd or vhdx."""
        out = self.where / ("%s.%s" % (layout, kind))
        with locked("debian." + self.where.name):
            disk = self.where / (layout + ".raw")
            if not disk.exists() or disk.stat().st_mtime < newest([self.root, *(ROOT / "lab/system").iterdir()]):
                make_disk(self.root, layout, disk)
            if kind != "raw" and (not out.exists() or out.stat().st_mtime < disk.stat().st_mtime):
                convert(disk, out)
        return out
