# SPDX-License-Identifier: MIT
"""What the tests of images share. They print TAP; what a tool is not there for is skipped. XENOLITH names the command under test."""
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile

XENOLITH = os.environ.get("XENOLITH", "build/xenolith")
PLUGIN = os.environ.get("XENOLITH_PLUGIN", "build/disk/nbdkit-xenolith-plugin.so")
KIB, MIB = 1 << 10, 1 << 20
QEMU = {"raw": "raw", "vhd": "vpc", "vhdx": "vhdx"}
tests = []


class Skip(Exception):
    pass


def test(fn):
    tests.append(fn)
    return fn


def run(*argv, ok=(0,), **kw):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.PIPE, **kw)
    if ok is not None and done.returncode not in ok:
        raise AssertionError("%s: status %d\n%s%s" % (" ".join(map(str, argv)), done.returncode,
                                                      done.stdout.decode(errors="replace"),
                                                      done.stderr.decode(errors="replace")))
    return done


def x(*argv, **kw):
    return run(XENOLITH, "image", *argv, **kw)


def clean(path):
    x("check", path)


def need(tool):
    if not shutil.which(tool):
        raise Skip("no " + tool)


def pattern(path, size, seed):
    """Random data in random places; now and then a stretch of written zeros. Returns nothing: the file is the truth."""
    rng = random.Random(seed)
    with open(path, "wb") as f:
        f.truncate(size)
        for _ in range(rng.randrange(3, 40)):
            at = rng.randrange(size)
            n = min(size - at, rng.choice([1, 511, 512, 4096, 70000, 300000]))
            f.seek(at)
            f.write(bytes(n) if rng.random() < 0.2 else rng.randbytes(n))


def content(path, size=None):
    with open(path, "rb") as f:
        data = f.read() if size is None else f.read(size)
    return data


def same(raw, other):
    """Equal, but for zeros that fill up the last sector."""
    a, b = content(raw), content(other)
    longer = max(len(a), len(b))
    assert longer - min(len(a), len(b)) < MIB, "sizes %d and %d" % (len(a), len(b))
    assert a.ljust(longer, b"\0") == b.ljust(longer, b"\0"), "content differs"


def main():
    """Runs all tests, or those that are named. Exits with 1 where one failed."""
    only, failed = sys.argv[1:], False
    chosen = [t for t in tests if not only or t.__name__ in only]
    unknown = set(only) - {t.__name__ for t in tests}
    if unknown:
        sys.exit("no test has the name " + ", ".join(sorted(unknown)))
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # leaving by an exception takes the folder along
    print("1..%d" % len(chosen))
    for number, fn in enumerate(chosen, 1):
        folder = tempfile.mkdtemp(prefix="xenolith-images.")
        try:
            fn(folder)
            print("ok %d - %s" % (number, fn.__name__))
        except Skip as e:
            print("ok %d - %s # skip %s" % (number, fn.__name__, e))
        except Exception as e:
            failed = True
            print("not ok %d - %s" % (number, fn.__name__))
            for line in ("%s: %s" % (type(e).__name__, e)).splitlines():
                print("# " + line)
        finally:
            shutil.rmtree(folder)
        sys.stdout.flush()
    sys.exit(failed)
