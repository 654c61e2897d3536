# SPDX-License-Identifier: MIT
"""Initramfs archives ("newc"), written without root and without a staging directory.

The kernel's Documentation/driver-api/early-userspace/buffer-format.rst is the format.
"""
import os
import stat
from pathlib import Path


class Archive:
    """Entries are written as they come; a file's parent directories are added by themselves."""

    def __init__(self, out):
        self.out = out
        self.ino = 0
        self.seen = set()

    def _entry(self, name, mode, data=b"", size=None, rdev=(0, 0)):
        self.ino += 1
        encoded = name.encode() + b"\0"
        fields = (self.ino, mode, 0, 0, 1, 0, len(data) if size is None else size, 0, 0, *rdev, len(encoded), 0)
        self.out.write(b"070701" + b"".join(b"%08x" % f for f in fields) + encoded)
        self._pad(6 + 8 * len(fields) + len(encoded))
        self.out.write(data)
        self._pad(len(data))

    def _pad(self, length):
        self.out.write(b"\0" * (-length % 4))

    def dirs(self, name):
        """Adds the directory `name` and those above it."""
        parts = Path(name.strip("/")).parts
        for i in range(1, len(parts) + 1):
            d = "/".join(parts[:i])
            if d not in self.seen:
                self.seen.add(d)
                self._entry(d, stat.S_IFDIR | 0o755)

    def _parent(self, name):
        name = name.strip("/")
        self.dirs(os.path.dirname(name))
        return name

    def file(self, name, data, mode=0o644):
        self._entry(self._parent(name), stat.S_IFREG | mode, data)

    def copy(self, name, source):
        """Adds the file `source`, with its mode, as `name`."""
        self.file(name, Path(source).read_bytes(), stat.S_IMODE(os.stat(source).st_mode))

    def link(self, name, target):
        self._entry(self._parent(name), stat.S_IFLNK | 0o777, target.encode())

    def char(self, name, major, minor, mode=0o600):
        self._entry(self._parent(name), stat.S_IFCHR | mode, rdev=(major, minor))

    def close(self):
        self._entry("TRAILER!!!", 0)
