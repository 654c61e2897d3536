# SPDX-License-Identifier: MIT
#
# Kernel images, and the distribution's decompressors that read them.

KIMAGE_SRC := core/bump.c core/fmt.c $(sort $(wildcard core/kimage/*.c))
# Freestanding, there are string.c and libc/ in libc's place.
CORE_SRC += $(KIMAGE_SRC) core/string.c core/libc/shim.c

# By path, because a linker script of one's own has no search path. --no-relax: the libraries reach each other through
# the GOT, and GNU ld cannot shorten that where addresses do not fit 32 bits.
CORE_LIBS += --no-relax $(shell for l in z lzma lz4 zstd bz2 lzo2; do $(CC) -print-file-name=lib$$l.a; done)
# Hosted. liblz4.so has no custom memory.
KIMAGE_LIBS := -lz -llzma -l:liblz4.a -lzstd -lbz2 -llzo2
