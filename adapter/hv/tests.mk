# SPDX-License-Identifier: MIT
#
# What runs hosted of adapter/hv, and of the firmware tables and clocks in adapter/x86.

$(eval $(call unit_test,hv_features,tests/unit/test_hv_features.c adapter/hv/features.c core/fmt.c))
$(eval $(call unit_test,hv_scale,tests/unit/test_hv_scale.c adapter/hv/scale.c))
$(eval $(call unit_test,hv_words,tests/unit/test_hv_words.c adapter/hv/vpset.c))
$(eval $(call unit_test,acpi,tests/unit/test_acpi.c adapter/x86/aml.c adapter/x86/madt.c))
$(eval $(call unit_test,rtc,tests/unit/test_rtc.c adapter/x86/rtc_decode.c))
$(eval $(call fuzzer,acpi,tests/fuzz/fuzz_acpi.c adapter/x86/aml.c adapter/x86/madt.c))

# The self-test image: the adapter with another adapter_main, started in partitions with more and fewer features.
SELFTEST := $(BUILD)/adapter/selftest.elf
SELFTEST_OBJ = $(filter-out %/adapter/boot/main.c.o,$(ADAPTER_OBJ)) $(ADAPTER_BUILD)/obj/tests/viridian/selftest.c.o
selftest_symbol = 0x$$(nm $(ADAPTER_BUILD)/selftest.dbg | sed -n 's/ . $(1)$$//p')

$(ADAPTER_BUILD)/selftest.dbg: $$(SELFTEST_OBJ) $(ADAPTER_BUILD)/adapter.lds
	$(LD) $(ADAPTER_LDFLAGS) --wrap=xen_timer_expired --wrap=xen_console_input -T $(ADAPTER_BUILD)/adapter.lds \
		-o $@ $(filter %.o,$^) --start-group $(CORE_LIBS) --end-group

$(SELFTEST): $(ADAPTER_BUILD)/selftest.dbg adapter/wrap.S $(ADAPTER_BUILD)/wrap.lds
	objcopy -O binary -R .bss $< $(ADAPTER_BUILD)/selftest.bin
	$(CC) -m32 -c -o $(ADAPTER_BUILD)/selftest-wrap.o adapter/wrap.S -DFLAT_IMAGE='"$(ADAPTER_BUILD)/selftest.bin"' \
		-DWRAP_NOTE_SIZE=$(WRAP_NOTE_SIZE) -DBSS_SIZE=$(call selftest_symbol,wrap_bss_size)
	$(LD) -m elf_i386 -z noexecstack -z max-page-size=4096 --no-warn-rwx-segments -T $(ADAPTER_BUILD)/wrap.lds \
		-e $(call selftest_symbol,wrap_entry) -o $@ $(ADAPTER_BUILD)/selftest-wrap.o

tests/viridian/run tests/viridian/run-rest: $(SELFTEST)
CHECK_TAP += tests/viridian/run
CHECK_ALL_TAP += tests/viridian/run-rest
