# SPDX-License-Identifier: MIT
"""A repository of one package for apt, as a flat folder: what a guest downloads to show that downloads are whole."""
import hashlib
import os
import subprocess
import tempfile
from pathlib import Path

from .paths import LAB, locked

CONTROL = """\
Package: selfcheck-payload
Version: 1
Architecture: all
Maintainer: nobody <nobody@localhost>
Description: bytes to be downloaded
"""


def folder():
    """The repository, made when first asked for."""
    where = LAB / "repository"
    with locked("repository"):
        if not (where / "Packages").exists():
            where.mkdir(parents=True, exist_ok=True)
            make(where)
    return where


def make(folder, megabytes=8):
    """Writes selfcheck-payload, which holds random bytes, and then the index that names its SHA256."""
    deb = Path(folder) / "selfcheck-payload_1_all.deb"
    with tempfile.TemporaryDirectory() as tree:
        data = Path(tree, "usr/share/selfcheck-payload/data")
        data.parent.mkdir(parents=True)
        data.write_bytes(os.urandom(megabytes << 20))
        control = Path(tree, "DEBIAN")
        control.mkdir()
        (control / "control").write_text(CONTROL)
        (control / "md5sums").write_text("%s  %s\n" % (hashlib.md5(data.read_bytes()).hexdigest(), data.relative_to(tree)))
        subprocess.run(["dpkg-deb", "-Znone", "--root-owner-group", "-b", tree, str(deb)], check=True,
                       stdout=subprocess.DEVNULL)
    (Path(folder) / "Packages").write_text(CONTROL + "Filename: ./%s\nSize: %d\nSHA256: %s\n" % (
        deb.name, deb.stat().st_size, hashlib.sha256(deb.read_bytes()).hexdigest()))
