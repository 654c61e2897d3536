# SPDX-License-Identifier: MIT
#
# What runs hosted of adapter/hv, and of the firmware tables and clocks in adapter/x86.

$(eval $(call unit_test,hv_features,tests/unit/test_hv_features.c adapter/hv/features.c core/fmt.c))
$(eval $(call unit_test,hv_scale,tests/unit/test_hv_scale.c adapter/hv/scale.c))
$(eval $(call unit_test,hv_clock,tests/unit/test_hv_clock.c adapter/hv/scale.c))
$(eval $(call unit_test,storvsc_order,tests/unit/test_storvsc_order.c adapter/hv/storvsc_order.c core/fmt.c))
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

# The VMBus client, hosted: against our own host in one process, and against hosts that misbehave. What host/ and disk/ name is known only once
# their build.mk has been read, hence the four dollars.
LOOP_CLIENT_SRC := tests/loop/client.c adapter/hv/status.c adapter/hv/vmbus_channel.c core/vmbus_ring.c core/pagepool.c
LOOP_STORVSC_SRC := tests/loop/client_storvsc.c adapter/hv/storvsc_build.c adapter/hv/storvsc_io.c \
	adapter/hv/storvsc_scan.c adapter/hv/storvsc_begin.c adapter/hv/storvsc_order.c adapter/hv/scsi.c core/fmt.c
LOOP_BLOCK_SRC = $(filter-out $(HOST_VMBUS_SRC) host/storvsp.c,$(HOST_STORVSP_SRC))
LOOP_SERVER_SRC = tests/loop/partition.c $(filter-out core/vmbus_ring.c tests/host/fake_guest.c,$(HOST_VMBUS_SRC))

$(eval $(call unit_test,storvsc,tests/unit/test_storvsc.c $(LOOP_CLIENT_SRC) $(LOOP_STORVSC_SRC) $$$$(LOOP_SERVER_SRC) \
	tests/loop/server_storvsp.c $$$$(LOOP_BLOCK_SRC) $$$$(DISK_ASAN),$$(DISK_ASAN) -pthread -luring))
$(eval $(call fuzzer,storvsc,tests/fuzz/fuzz_storvsc.c $(LOOP_CLIENT_SRC) $(LOOP_STORVSC_SRC)))

LOOP_NETVSC_SRC := tests/loop/client_netvsc.c $(addprefix adapter/hv/netvsc_,setup.c rndis.c tx.c rx.c frame.c) core/coalesce.c
LOOP_NETVSP_SRC = $(filter-out $(HOST_VMBUS_SRC) host/netvsp.c,$(HOST_NETVSP_SRC))

$(eval $(call unit_test,netvsc,tests/unit/test_netvsc.c $(LOOP_CLIENT_SRC) $(LOOP_NETVSC_SRC) $$$$(LOOP_SERVER_SRC) \
	tests/loop/server_netvsp.c $$$$(LOOP_NETVSP_SRC)))
$(eval $(call unit_test,netvsc_frame,tests/unit/test_netvsc_frame.c adapter/hv/netvsc_frame.c host/net_finish.c))
$(eval $(call fuzzer,netvsc,tests/fuzz/fuzz_netvsc.c $(LOOP_CLIENT_SRC) $(LOOP_NETVSC_SRC)))
