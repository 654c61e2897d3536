# SPDX-License-Identifier: MIT
#
# The adapter: build/adapter/xenolith.elf, which boot loaders start, and xenolith.dbg, the same with symbols.
# Sources are every .c and .S under adapter/, plus what core/ names in CORE_SRC and CORE_XEN_SRC, plus CORE_LIBS.

ADAPTER := $(BUILD)/adapter/xenolith.elf
ADAPTER_BUILD := $(BUILD)/adapter
ADAPTER_SIZE_MAX := 524288
WRAP_NOTE_SIZE := 20

ADAPTER_CFLAGS = -std=gnu11 $(SPEED) -g -ffreestanding -fPIE -fvisibility=hidden -mno-red-zone -mgeneral-regs-only \
	-fno-stack-protector -fcf-protection=none -fno-asynchronous-unwind-tables -fno-strict-aliasing \
	-ffunction-sections -fdata-sections $(WARN) -I. -I$(ADAPTER_BUILD) -MMD -MP
SPEED := -O2
ADAPTER_ASFLAGS := -g -DWRAP_NOTE_SIZE=$(WRAP_NOTE_SIZE) -I. -I$(ADAPTER_BUILD) -MMD -MP
ADAPTER_LDFLAGS := -m elf_x86_64 -static -nostdlib --no-dynamic-linker -z noexecstack -z max-page-size=4096 \
	--gc-sections --orphan-handling=warn --fatal-warnings

ADAPTER_SRC = $(filter-out adapter/wrap.S adapter/x86/asm-offsets.c,$(wildcard adapter/*.[cS] adapter/*/*.[cS])) \
	$(CORE_SRC) $(CORE_XEN_SRC)
ADAPTER_OBJ = $(addprefix $(ADAPTER_BUILD)/obj/,$(addsuffix .o,$(sort $(ADAPTER_SRC))))

# What runs at boot, when a device comes or goes, or when xenstore is asked is built for size: the image has a limit, and nothing waits for it.
ADAPTER_COLD := $(wildcard adapter/boot/*.c core/xenstore*.c core/xs_*.c core/options*.c adapter/hv/ic*.c adapter/hv/balloon*.c) \
	$(filter-out %/lz4_block.c,$(wildcard core/kimage/*.c)) \
	$(addprefix core/,arena.c e820.c fmt.c gnttab.c pagepool.c vbd.c vif.c xenbus.c) \
	$(addprefix adapter/hv/,devices.c discover.c features.c netvsc.c netvsc_setup.c scsi.c storvsc.c storvsc_begin.c storvsc_order.c storvsc_scan.c vmbus.c vmbus_gpadl.c) \
	$(addprefix adapter/x86/,acpi.c aml.c log.c madt.c paging.c power.c rtc.c rtc_decode.c smpboot.c) \
	$(addprefix adapter/xen/,blkdev.c control.c netdev.c store.c version.c)
$(patsubst %,$(ADAPTER_BUILD)/obj/%.o,$(ADAPTER_COLD)): SPEED := -Os

ALL += $(ADAPTER)
CHECK_TAP += tests/boot/clang tests/boot/entry tests/boot/grub tests/boot/grub-pv

# The variables above are complete only when every build.mk has been read.
.SECONDEXPANSION:

$(ADAPTER_BUILD)/obj/%.c.o: %.c
	@mkdir -p $(@D)
	$(CC) $(ADAPTER_CFLAGS) -c -o $@ $<

$(ADAPTER_BUILD)/obj/%.S.o: %.S $(ADAPTER_BUILD)/asm-offsets.h
	@mkdir -p $(@D)
	$(CC) $(ADAPTER_ASFLAGS) -c -o $@ $<

# asm-offsets.c yields lines "->NAME VALUE", which become #defines for assembly.
$(ADAPTER_BUILD)/asm-offsets.h: adapter/x86/asm-offsets.c
	@mkdir -p $(@D)
	$(CC) $(ADAPTER_CFLAGS) -MT $@ -MF $(ADAPTER_BUILD)/asm-offsets.d -S -o $(ADAPTER_BUILD)/asm-offsets.s $<
	sed -n 's/^[^-]*->\([A-Z0-9_]*\) [$$#]*\([-0-9x]*\).*/#define \1 \2/p' $(ADAPTER_BUILD)/asm-offsets.s >$@

$(ADAPTER_BUILD)/%.lds: adapter/%.lds adapter/x86/layout.h
	@mkdir -p $(@D)
	$(CC) -E -P -x c -I. -o $@ $<

$(ADAPTER_BUILD)/xenolith.dbg: $$(ADAPTER_OBJ) $(ADAPTER_BUILD)/adapter.lds
	$(LD) $(ADAPTER_LDFLAGS) -T $(ADAPTER_BUILD)/adapter.lds -o $@ $(filter %.o,$^) \
		--start-group $(CORE_LIBS) --end-group

$(ADAPTER_BUILD)/xenolith.bin: $(ADAPTER_BUILD)/xenolith.dbg
	objcopy -O binary -R .bss $< $@

# The value of a symbol that adapter.lds defines for the wrapper.
adapter_symbol = 0x$$(nm $(ADAPTER_BUILD)/xenolith.dbg | sed -n 's/ . $(1)$$//p')

$(ADAPTER): $(ADAPTER_BUILD)/xenolith.bin adapter/wrap.S $(ADAPTER_BUILD)/wrap.lds
	$(CC) -m32 -c -o $(ADAPTER_BUILD)/wrap.o adapter/wrap.S -DFLAT_IMAGE='"$<"' \
		-DWRAP_NOTE_SIZE=$(WRAP_NOTE_SIZE) -DBSS_SIZE=$(call adapter_symbol,wrap_bss_size)
	$(LD) -m elf_i386 -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments -T $(ADAPTER_BUILD)/wrap.lds \
		-e $(call adapter_symbol,wrap_entry) -o $@ $(ADAPTER_BUILD)/wrap.o
	@size=$$(stat -c %s $@); [ $$size -le $(ADAPTER_SIZE_MAX) ] || \
		{ echo "$@: $$size bytes, more than $(ADAPTER_SIZE_MAX)" >&2; rm $@; exit 1; }

# The other compiler's adapter, for its test.
.PHONY: clang-adapter
clang-adapter: $(ADAPTER)
	+$(MAKE) --no-print-directory CC=$(CLANG) BUILD=$(BUILD)/clang $(BUILD)/clang/adapter/xenolith.elf
tests/boot/clang: clang-adapter

-include adapter/tests.mk

# Hosted tests of what decides.
BOOT_SRC := $(addprefix adapter/boot/,parse.c multiboot1.c multiboot2.c pvh.c) core/options.c core/fmt.c
PRIVOP_SRC := $(addprefix adapter/x86/,privop.c privop_decode.c privop_io.c privop_iret.c privop_msr.c cpuid_policy.c)

$(eval $(call unit_test,bootinfo,tests/unit/test_bootinfo.c $(BOOT_SRC)))
$(eval $(call fuzzer,bootinfo,tests/fuzz/fuzz_bootinfo.c $(BOOT_SRC)))
$(eval $(call unit_test,steal,tests/unit/test_steal.c))
$(eval $(call unit_test,boot_layout,tests/unit/test_boot_layout.c adapter/boot/layout.c))
$(eval $(call unit_test,boot_cmdline,tests/unit/test_boot_cmdline.c adapter/boot/cmdline.c core/fmt.c))
$(eval $(call unit_test,boot_memory,tests/unit/test_boot_memory.c adapter/boot/memory.c adapter/x86/device_memory.c core/e820.c core/pagepool.c))
$(eval $(call unit_test,privop,tests/unit/test_privop.c $(PRIVOP_SRC)))
$(eval $(call unit_test,privop_decode,tests/unit/test_privop_decode.c adapter/x86/privop_decode.c))
$(eval $(call unit_test,cpuid_policy,tests/unit/test_cpuid_policy.c adapter/x86/cpuid_policy.c))
comma := ,
# The hypercalls hosted: tests/hosted has the headers that stand in the place of those with privileged instructions.
HYPERCALL_SRC := $(addprefix adapter/xen/,hypercall.c mmu.c memory.c segments.c callbacks.c debugreg.c version.c sched.c vcpu.c physdev.c \
	watchdog.c console.c) $(addprefix core/,pvconsole.c evtchn.c evtchn_ops.c evtchn_internal.c evtchn_2l.c evtchn_fifo.c)
$(eval $(call fuzzer,hypercalls,tests/fuzz/fuzz_hypercalls.c $(HYPERCALL_SRC),-iquote tests/hosted -fno-sanitize=alignment$(comma)pointer-overflow$(comma)null))
$(eval $(call fuzzer,privop,tests/fuzz/fuzz_privop.c adapter/x86/privop_decode.c,-lcapstone))
$(eval $(call fuzzer,privop_emulate,tests/fuzz/fuzz_privop_emulate.c $(PRIVOP_SRC)))

include tests/guest/pv/pv.mk
