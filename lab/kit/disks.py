# SPDX-License-Identifier: MIT
"""The disks of a partition under our own host. What the guest writes is thrown away: it goes to a differencing child of
the image, or, where the disk is raw, to a copy or a snapshot. Images reach L1 as its own virtio disks, not by its
initramfs, so they may be large.
"""
from pathlib import Path

from .paths import LabError

# For L1, in the order in which they must be loaded.
MODULES = tuple("drivers/%s.ko" % m for m in (
    "virtio/virtio_ring", "virtio/virtio", "virtio/virtio_pci_legacy_dev", "virtio/virtio_pci_modern_dev",
    "virtio/virtio_pci", "block/virtio_blk"))
FORMATS = {".vhd": "vhd", ".vhdx": "vhdx"}


class Disk:
    """One --disk FILE[,ro]; `number` is its place among them."""

    def __init__(self, text, number):
        name, _, option = text.partition(",")
        self.source = Path(name).resolve()
        if not self.source.is_file():
            raise LabError("no such file: %s" % name)
        if option not in ("", "ro"):
            raise LabError("--disk %s: only ro may follow the file" % text)
        self.read_only = option == "ro"
        self.format = FORMATS.get(self.source.suffix, "raw")
        self.name = "disk%d.%s" % (number, self.format)
        self.letter = "abcdefghijklmnopqrstuvwxyz"[number]

    def l0(self):
        """L0's arguments that give it to L1 as /dev/vdX."""
        kept = "snapshot=on" if self.format == "raw" and not self.read_only else "readonly=on"
        node = "disk" + self.letter
        return ["-drive", "if=none,id=%s,format=raw,file=%s,%s" % (node, str(self.source).replace(",", ",,"), kept),
                "-device", "virtio-blk-pci,drive=%s,serial=%s" % (node, node)]

    def prepare(self, folder, nested):
        """Shell lines that make `folder`/NAME what the host opens."""
        mine = "%s/%s" % (folder, self.name)
        source = "/dev/vd" + self.letter if nested else self.source
        if self.read_only or (nested and self.format == "raw"):
            return "ln -s '%s' %s\n" % (source, mine)
        if self.format == "raw":
            return "cp --sparse=always '%s' %s\n" % (source, mine)
        parent = "%s/parent-%s" % (folder, self.name)
        return "ln -s '%s' %s\nxenolith image diff %s %s\n" % (source, parent, parent, mine)

    def argument(self, folder):
        return "%s/%s,format=%s%s" % (folder, self.name, self.format, ",ro" if self.read_only else "")
