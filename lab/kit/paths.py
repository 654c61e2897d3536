# SPDX-License-Identifier: MIT
"""Where the lab keeps things. Downloads stay in build/cache; what is made from them is in build/lab."""
import fcntl
import os
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = ROOT / os.environ.get("BUILD", "build")
CACHE = BUILD / "cache"
LAB = BUILD / "lab"


class LabError(Exception):
    """The lab itself failed, not the guest."""


@contextmanager
def locked(name):
    """One process at a time makes what `name` stands for; the others wait and then find it made."""
    CACHE.mkdir(parents=True, exist_ok=True)
    with open(CACHE / (name.replace("/", "_") + ".lock"), "w") as f:
        fcntl.flock(f, fcntl.LOCK_EX)
        yield


@contextmanager
def replacing(path):
    """Gives a temporary name to write; it takes `path`'s place only when all went well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    tmp = path.with_name(".%s.%d" % (path.name, os.getpid()))
    try:
        yield tmp
        os.replace(tmp, path)
    finally:
        if tmp.is_file():
            tmp.unlink()
