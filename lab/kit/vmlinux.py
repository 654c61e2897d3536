# SPDX-License-Identifier: MIT
"""The ELF inside a bzImage: what starts at once by PVH, without a decompressor running on a slow CPU."""
import struct
import subprocess

from .paths import LabError

UNPACKERS = {
    b"\x1f\x8b": ("gzip", "-dc"), b"\xfd7zXZ": ("xz", "-dc"), b"\x28\xb5\x2f\xfd": ("zstd", "-dc"),
    b"\x02\x21\x4c\x18": ("lz4", "-dc"),
}


def extract(vmlinuz):
    """The uncompressed kernel of a bzImage (Linux, Documentation/arch/x86/boot.rst, payload_offset)."""
    image = vmlinuz.read_bytes()
    if image[0x202:0x206] != b"HdrS":
        raise LabError("%s is not a bzImage" % vmlinuz)
    setup = ((image[0x1f1] or 4) + 1) * 512
    offset, length = struct.unpack_from("<II", image, 0x248)
    # The last four bytes are the unpacked size, not part of the stream.
    payload = image[setup + offset:setup + offset + length - 4]
    for magic, command in UNPACKERS.items():
        if payload.startswith(magic):
            done = subprocess.run(command, input=payload, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
            if done.returncode == 0 and done.stdout.startswith(b"\x7fELF"):
                return done.stdout
            raise LabError("%s: %s: %s" % (vmlinuz, command[0], done.stderr.decode().strip()))
    raise LabError("%s: packed in an unknown way" % vmlinuz)
