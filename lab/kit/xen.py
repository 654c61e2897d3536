# SPDX-License-Identifier: MIT
"""Debian's Xen: the oracle for the PV ABI, started in the adapter's place."""
import gzip

from . import debian
from .paths import LAB, replacing


def hypervisor():
    """Xen 4.17 as the ELF that a multiboot loader takes."""
    out = LAB / "xen-4.17"
    if not out.exists():
        (packed,) = (debian.package("bookworm", "xen-hypervisor-4.17-amd64") / "boot").glob("xen-4.17*.gz")
        with replacing(out) as tmp:
            tmp.write_bytes(gzip.decompress(packed.read_bytes()))
    return out
