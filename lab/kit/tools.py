# SPDX-License-Identifier: MIT
"""A disk with programs of this machine's Debian and the libraries they need, for guests that have but busybox. A guest mounts it
(ext2, its label is "tools") and links its /usr, /lib and /lib64 into it; only what is used is ever read."""
import hashlib
import shutil
import tempfile
from pathlib import Path

from .appliance import libraries
from .paths import LAB, LabError, locked, replacing
from .system import run


def found(program):
    where = shutil.which(program)
    if not where:
        raise LabError("no %s here: make deps" % program)
    return Path(where)


def image(*programs):
    """The disk, made when first asked for."""
    files = sorted({p for program in map(found, programs) for p in [program, *libraries(program)]})
    key = hashlib.sha256("".join("%s %d\n" % (p, p.stat().st_mtime_ns) for p in files).encode()).hexdigest()[:16]
    out = LAB / ("tools-%s.raw" % key)
    with locked("tools"):
        if not out.exists():
            make(files, out)
    return out


def make(files, out):
    with tempfile.TemporaryDirectory() as tree, replacing(out) as tmp:
        for p in files:
            # /lib is a link to /usr/lib where Debian's /usr is merged; ldd names both.
            at = Path(tree + ("" if str(p).startswith("/usr/") else "/usr") + str(p))
            at.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(p, at)
        size = sum(p.stat().st_size for p in files)
        run(["mke2fs", "-q", "-t", "ext2", "-m", "0", "-L", "tools", "-d", tree, tmp, "%dM" % (size * 5 // 4 // (1 << 20) + 4)])
