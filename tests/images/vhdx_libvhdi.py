#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""vhdx_libvhdi.py IMAGE RAW [PARENT...]: exits 0 where libvhdi reads from IMAGE, a child of the first PARENT and so on, what is in RAW."""
import sys

import pyvhdi

STEP = 1 << 20


def open_chain(paths):
    files = []
    for path in paths:
        f = pyvhdi.file()
        f.open(path)
        files.append(f)
    for child, parent in zip(files, files[1:]):
        child.set_parent(parent)
    return files  # all: a child does not keep its parent


def main():
    chain, raw = open_chain([sys.argv[1]] + sys.argv[3:]), open(sys.argv[2], "rb")
    image = chain[0]
    size = image.get_media_size()
    raw.seek(0, 2)
    if raw.tell() != size:
        sys.exit("libvhdi sees %d bytes, should be %d" % (size, raw.tell()))
    raw.seek(0)
    for offset in range(0, size, STEP):
        length = min(STEP, size - offset)
        if image.read_buffer_at_offset(length, offset) != raw.read(length):
            sys.exit("libvhdi reads something else at %d" % offset)


main()
