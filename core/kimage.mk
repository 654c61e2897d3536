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

# One kernel in every packing, by the formats' own tools, with the options that Linux's build uses where it has them.
FIXTURES := $(BUILD)/tests/fixtures
FIXTURE_KERNELS := $(addprefix $(FIXTURES)/kernel,.gz .xz .blocks.xz .lzma .legacy.lz4 .lz4 .linked.lz4 .zst \
	.sized.zst .bz2 .lzo $(addsuffix .bzimage,.gz .xz .lzma .legacy.lz4 .zst .bz2 .lzo))

$(FIXTURES)/kernel: tests/fixtures/kernel.S tests/fixtures/kernel.lds | deps-stamp
	@mkdir -p $(@D)
	$(CC) -nostdlib -static -Wl,--build-id=none,--no-warn-rwx-segments,-z,max-page-size=4096,-T,tests/fixtures/kernel.lds -o $@ $<
$(FIXTURES)/%.bzimage: $(FIXTURES)/% $(FIXTURES)/kernel tests/fixtures/bzimage
	tests/fixtures/bzimage $(FIXTURES)/kernel $< >$@
$(FIXTURES)/kernel.gz: $(FIXTURES)/kernel
	gzip -n -9 <$< >$@
$(FIXTURES)/kernel.xz: $(FIXTURES)/kernel
	xz --check=crc32 --x86 --lzma2=,dict=32MiB <$< >$@
$(FIXTURES)/kernel.blocks.xz: $(FIXTURES)/kernel
	xz --check=sha256 --block-size=65536 <$< >$@
$(FIXTURES)/kernel.lzma: $(FIXTURES)/kernel
	xz --format=lzma -9 <$< >$@
$(FIXTURES)/kernel.legacy.lz4: $(FIXTURES)/kernel
	lz4 -q -l -9 <$< >$@
$(FIXTURES)/kernel.lz4: $(FIXTURES)/kernel
	lz4 -q -f -9 --content-size $< $@
$(FIXTURES)/kernel.linked.lz4: $(FIXTURES)/kernel
	lz4 -q -1 -B4 -BD -BX <$< >$@
$(FIXTURES)/kernel.zst: $(FIXTURES)/kernel
	zstd -q -22 --ultra <$< >$@
$(FIXTURES)/kernel.sized.zst: $(FIXTURES)/kernel
	zstd -q -f -3 -o $@ $<
$(FIXTURES)/kernel.bz2: $(FIXTURES)/kernel
	bzip2 -1 <$< >$@
$(FIXTURES)/kernel.lzo: $(FIXTURES)/kernel
	lzop -9 <$< >$@

FIXTURE_OBJ := $(FIXTURES)/kimage.o
$(FIXTURE_OBJ): tests/fixtures/kimage.S tests/fixtures/kimage.list $(FIXTURE_KERNELS)
	$(CC) -c -I. -Wa,-I,$(FIXTURES) -o $@ $<

# The fixtures are linked in besides the sources.
$(BUILD)/tests/unit/kimage_unpack: $(FIXTURE_OBJ) tests/fixtures/kimage.list
$(eval $(call unit_test,kimage_unpack,tests/unit/test_kimage_unpack.c $(KIMAGE_SRC),$(FIXTURE_OBJ) $(KIMAGE_LIBS)))
$(eval $(call unit_test,kimage_elf,tests/unit/test_kimage_elf.c $(KIMAGE_SRC),$(KIMAGE_LIBS)))

$(BUILD)/tests/fuzz/kimage: $(FIXTURE_OBJ) tests/fixtures/kimage.list
$(eval $(call fuzzer,kimage,tests/fuzz/fuzz_kimage.c $(KIMAGE_SRC),$(FIXTURE_OBJ) $(KIMAGE_LIBS)))

# The same sources and libraries without libc, as the adapter links them; it runs as a Linux process.
comma := ,
FREESTANDING_CFLAGS := -std=gnu11 -O2 -g -ffreestanding -fPIE -fvisibility=hidden -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -ffunction-sections -fdata-sections \
	$(WARN) -I.
# Of the adapter's 512 KiB; eh_frame does not count, because the adapter's linker script drops it.
LOADER_SIZE_MAX := 307200
LOADED_BYTES := awk '/^\.(text|rodata|data|got)/ { sum += $$2 } END { print sum }'
FREESTANDING_LOADER := $(BUILD)/tests/freestanding/loader
FREESTANDING_LOADER_SRC := tests/freestanding/loader.c $(KIMAGE_SRC) core/string.c core/libc/shim.c

$(FREESTANDING_LOADER): $(FREESTANDING_LOADER_SRC) $(FIXTURE_OBJ) tests/fixtures/kimage.list $(HEADERS) | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(FREESTANDING_CFLAGS) -nostdlib -static -no-pie -Wl,--gc-sections,--build-id=none -o $@ \
		$(filter %.c %.o,$^) -Wl,--start-group $(addprefix -Wl$(comma),$(CORE_LIBS)) -Wl,--end-group
	@! nm $@ | grep -E ' U ' || { echo "$@: undefined symbols" >&2; rm $@; exit 1; }
	@bytes=$$(( $$(size -A $@ | $(LOADED_BYTES)) - $$(size -A $(FIXTURE_OBJ) | $(LOADED_BYTES)) )); \
		echo "kernel loader with decompressors: $$bytes bytes"; \
		[ $$bytes -le $(LOADER_SIZE_MAX) ] || { echo "$@: more than $(LOADER_SIZE_MAX)" >&2; rm $@; exit 1; }
CHECK_TAP += $(FREESTANDING_LOADER)

$(eval $(call unit_test,lz4_block,tests/unit/test_lz4_block.c core/kimage/lz4_block.c,-llz4))
$(eval $(call fuzzer,lz4_block,tests/fuzz/fuzz_lz4_block.c core/kimage/lz4_block.c,-llz4))
