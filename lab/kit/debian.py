# SPDX-License-Identifier: MIT
"""Debian packages of any suite, unpacked under build/cache without root.

apt does the work, with a private state directory for each suite, so that the machine's own apt is
never touched. The mirror and the keyring are those that the machine's apt already uses.
"""
import re
import shutil
import subprocess
from pathlib import Path

from .paths import CACHE, LabError, locked

# What to list beside a suite so that the newest kernels of a stable release are found, and that
# a backport's dependencies resolve.
COMPANIONS = {
    "bullseye": ["bullseye-security"],
    "bookworm": ["bookworm-updates", "bookworm-security"],
    "trixie": ["trixie-updates", "trixie-security"],
    "bookworm-backports": ["bookworm"],
    "trixie-backports": ["trixie"],
}


def run(argv, **kw):
    done = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **kw)
    if done.returncode:
        raise LabError("%s %s: %s" % (argv[0], argv[-1], (done.stderr or done.stdout).strip()))
    return done.stdout


def mirrors():
    """The archive and the security archive that the machine's own apt uses."""
    uris = run(["apt-get", "update", "--print-uris"])
    found = re.findall(r"^'(\S+)/dists/(\S+?)/InRelease'", uris, re.M)
    main = next((u for u, s in found if re.fullmatch(r"[a-z]+", s) and u.endswith("/debian")), None)
    security = next((u for u, s in found if s.endswith("-security")), None)
    if not main:
        raise LabError("the machine's apt sources name no Debian archive")
    return main, security or re.sub(r"debian$", "debian-security", main)


def sources(suite):
    """The lines of a sources.list for `suite` and its companions."""
    main, security = mirrors()
    return ["deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main"
            % (security if s.endswith("-security") else main, s)
            for s in [suite] + COMPANIONS.get(suite, [])]


def apt(suite):
    """The options that make apt see `suite` (and its companions) alone, and those suites."""
    state = CACHE / "apt" / suite
    (state / "lists/partial").mkdir(parents=True, exist_ok=True)
    (state / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
    (state / "sources.list").write_text("".join(line + "\n" for line in sources(suite)))
    options = private_options(state)
    if suite.endswith("-backports"):
        options += ["-o", "APT::Default-Release=" + suite]
    return options


def private_options(state):
    """The options that keep apt's state in a directory of its own."""
    (state / "status").touch()
    options = {
        "Dir::State": state, "Dir::State::Lists": state / "lists", "Dir::State::status": state / "status",
        "Dir::Cache": state / "cache", "Dir::Etc::sourcelist": state / "sources.list",
        "Dir::Etc::sourceparts": "/dev/null", "Dir::Etc::preferencesparts": "/dev/null",
        "Dir::Etc::preferences": "/dev/null", "Acquire::Languages": "none",
        "Acquire::IndexTargets::deb::DEP-11::DefaultEnabled": "false",
        "APT::Sandbox::User": "root",
    }
    return [x for k, v in options.items() for x in ("-o", "%s=%s" % (k, v))]


def source_options():
    """apt's options for the sources of the machine's own suite; indexes of its own, as few need them."""
    state = CACHE / "apt" / "source"
    main, _ = mirrors()
    suite = re.search(r"^VERSION_CODENAME=(\S+)", Path("/etc/os-release").read_text(), re.M).group(1)
    (state / "lists/partial").mkdir(parents=True, exist_ok=True)
    (state / "sources.list").write_text(
        "deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n" % (main, suite))
    options = private_options(state)
    if not (state / "updated").exists():
        run(["apt-get", *options, "-q", "update"])
        (state / "updated").touch()
    return options


def filled(home, lock, fill):
    """The directory `home`, which `fill` fills the first time, anew where it did not get to the end before."""
    complete = home / ".complete"
    if complete.exists():
        return home
    with locked(lock):
        if not complete.exists():
            shutil.rmtree(home, ignore_errors=True)
            home.mkdir(parents=True)
            fill()
            complete.touch()
    return home


def source(name, *patterns):
    """A directory with those files of Debian's source package `name` that match a pattern of tar's; the archive is not kept."""
    home = CACHE / "src" / name

    def fill():
        run(["apt-get", *source_options(), "-q", "source", "--download-only", name], cwd=home)
        (archive,) = home.glob("*.orig.tar.*[!c]")
        run(["tar", "-xf", archive.name, "--wildcards", *patterns], cwd=home)
        for f in home.glob(name + "_*"):
            f.unlink()

    return filled(home, "src." + name, fill)


def refreshed(suite):
    """apt's options for `suite`, its index downloaded at most once (remove build/cache/apt to renew)."""
    options = apt(suite)
    stamp = CACHE / "apt" / suite / "updated"
    if not stamp.exists():
        run(["apt-get", *options, "-q", "update"])
        stamp.touch()
    return options


def package(suite, name):
    """The directory that `name` of `suite` is unpacked in; downloads it the first time."""
    home = CACHE / "pkg" / suite / name

    def fill():
        run(["apt-get", *refreshed(suite), "-q", "download", name], cwd=home)
        (deb,) = home.glob("*.deb")
        run(["dpkg-deb", "-x", str(deb), str(home)])
        deb.unlink()

    return filled(home, "pkg." + suite, fill)


def program(suite, name):
    """The directory that `name` of `suite` and all it depends on are unpacked in, beside each other: a program of another release needs that
    release's libraries. `loaded` starts it."""
    home = CACHE / "root" / suite / name

    def fill():
        archives = home / "archives"
        (archives / "partial").mkdir(parents=True)
        run(["apt-get", *refreshed(suite), "-o", "Dir::Cache::archives=%s" % archives, "-q", "-y", "--no-install-recommends",
             "--download-only", "install", name])
        for deb in archives.glob("*.deb"):
            run(["dpkg-deb", "-x", str(deb), str(home)])
        shutil.rmtree(archives)

    return filled(home, "pkg." + suite, fill)


def loaded(home, binary):
    """What starts the program `binary` of such a directory, by its own loader and libraries."""
    libraries = home / "usr/lib/x86_64-linux-gnu"
    return [str(libraries / "ld-linux-x86-64.so.2"), "--library-path", str(libraries), str(home / binary)]


def kernel_package(suite, flavour):
    """The directory of the kernel that linux-image-FLAVOUR of `suite` stands for."""
    name = CACHE / "pkg" / suite / ("linux-image-%s.name" % flavour)
    if not name.exists():
        with locked("pkg." + suite):
            depends = run(["apt-cache", *refreshed(suite), "depends", "linux-image-" + flavour])
        m = re.search(r"Depends: (linux-image-\d\S+)", depends)
        if not m:
            raise LabError("%s has no linux-image-%s" % (suite, flavour))
        name.parent.mkdir(parents=True, exist_ok=True)
        name.write_text(m.group(1))
    return package(suite, name.read_text())


def kernel(suite, flavour):
    """The vmlinuz of linux-image-FLAVOUR of `suite`."""
    home = kernel_package(suite, flavour)
    found = list((home / "boot").glob("vmlinuz-*"))
    if not found:
        # Since 7.x the image's package is but a name for a package of the kernel and one of its modules.
        home = package(suite, home.name.replace("linux-image-", "linux-binary-"))
        found = [*home.glob("boot/vmlinuz-*"), *home.glob("usr/lib/modules/*/vmlinuz")]
    if len(found) != 1:
        raise LabError("no kernel in %s of %s" % (home.name, suite))
    return found[0]
