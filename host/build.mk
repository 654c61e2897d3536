# SPDX-License-Identifier: MIT
#
# `xenolith run`: the host.

HOST_SOURCES := $(sort $(wildcard host/*.c host/*/*.c)) core/vmbus_ring.c core/utf16.c cli/run.c
HOST_OBJECTS := $(HOST_SOURCES:%.c=$(BUILD)/hosted/%.o)
HOST_LIBS := -luring -lslirp -ljson-c -lseccomp -lpthread

$(BUILD)/hosted/host/acpi.o: $(BUILD)/hosted/host/dsdt.hex
$(BUILD)/hosted/host/acpi.o: HOST_CFLAGS += -I$(BUILD)/hosted/host

$(BUILD)/hosted/host/dsdt.hex: host/dsdt.dsl | deps-stamp
	@mkdir -p $(@D)
	iasl -p $(@:.hex=) -tc $< > $(@:.hex=.log)

$(HOST_OBJECTS): $(BUILD)/hosted/%.o: %.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -DXENOLITH_HOSTED -MMD -MP -c -o $@ $<

# Tests: a guest made of test code (tests/host/fake_guest.h) against the servers.
HOST_VMBUS_SRC := core/vmbus_ring.c host/gmem.c host/loop.c host/say.c $(filter-out host/vmbus/inbox.c,$(wildcard host/vmbus/*.c)) \
	tests/host/fake_guest.c

$(eval $(call unit_test,vmbus_ring,tests/unit/test_vmbus_ring.c core/vmbus_ring.c))
$(eval $(call unit_test,vmbus,tests/unit/test_vmbus.c host/vmbus/inbox.c $(HOST_VMBUS_SRC)))

HOST_BLOCK_SRC := host/say.c host/loop.c $(wildcard host/block*.c) host/disk_files.c host/extents.c host/ring.c
$(eval $(call unit_test,block,tests/unit/test_block.c $(HOST_BLOCK_SRC) $$(DISK_ASAN),$$(DISK_ASAN) -pthread -luring -lseccomp))

HOST_STORVSP_SRC := $(HOST_VMBUS_SRC) host/storvsp.c host/scsi.c host/scsi_replies.c $(filter-out $(HOST_VMBUS_SRC),$(HOST_BLOCK_SRC))
HOST_NETVSP_SRC := $(HOST_VMBUS_SRC) host/netvsp.c host/rndis.c host/rss.c host/net_finish.c

$(eval $(call fuzzer,vmbus,tests/fuzz/fuzz_vmbus.c $(HOST_VMBUS_SRC)))
$(eval $(call fuzzer,storvsp,tests/fuzz/fuzz_storvsp.c $(HOST_STORVSP_SRC) $$(DISK_FUZZ),$$(DISK_FUZZ) -pthread -luring))
$(eval $(call fuzzer,scsi,tests/fuzz/fuzz_scsi.c host/scsi.c host/scsi_replies.c))
$(eval $(call fuzzer,rndis,tests/fuzz/fuzz_rndis.c host/rndis.c host/net_finish.c))
$(eval $(call fuzzer,netvsp,tests/fuzz/fuzz_netvsp.c $(HOST_NETVSP_SRC)))
$(eval $(call unit_test,storvsp,tests/unit/test_storvsp.c $(HOST_STORVSP_SRC) $$(DISK_ASAN),$$(DISK_ASAN) -pthread -luring))
$(eval $(call unit_test,storvsp_threads,tests/unit/test_storvsp_threads.c $(HOST_STORVSP_SRC) $$(DISK_TSAN),$$(DISK_TSAN) -pthread -luring))
$(BUILD)/tests/unit/storvsp_threads: SANITIZE := -fsanitize=thread
$(eval $(call unit_test,netvsp,tests/unit/test_netvsp.c $(HOST_NETVSP_SRC)))
$(eval $(call unit_test,rss,tests/unit/test_rss.c host/rss.c))
$(eval $(call unit_test,net_finish,tests/unit/test_net_finish.c host/net_finish.c))

# Each takes partitions of our own host, nested where need be.
CHECK_TAP += tests/host/devices tests/host/control tests/host/ide tests/host/network tests/host/pv-disks tests/host/pv-net tests/host/services \
	tests/host/fio
CHECK_ALL_TAP += tests/host/pv-disks-all tests/host/pv-net-all tests/host/fio-all tests/host/transfers tests/host/pv-files

HOST_IC_SRC := $(HOST_VMBUS_SRC) $(wildcard host/ic/*.c) core/utf16.c
$(eval $(call unit_test,ic,tests/unit/test_ic.c $(HOST_IC_SRC)))
$(eval $(call fuzzer,ic,tests/fuzz/fuzz_ic.c $(HOST_IC_SRC)))

# The guest's integration components against the host's, in one process.
HV_IC_SRC := $(sort $(wildcard adapter/hv/ic*.c)) core/fmt.c
$(eval $(call unit_test,hv_ic,tests/unit/test_hv_ic.c tests/host/fake_hv.c $(HV_IC_SRC) $(HOST_IC_SRC)))
$(eval $(call unit_test,hv_balloon,tests/unit/test_hv_balloon.c adapter/hv/balloon.c tests/host/fake_hv.c $(HV_IC_SRC) $(HOST_IC_SRC)))
$(eval $(call fuzzer,hv_balloon,tests/fuzz/fuzz_hv_balloon.c adapter/hv/balloon.c tests/host/fake_hv.c $(HV_IC_SRC) $(HOST_IC_SRC)))
$(eval $(call fuzzer,hv_ic,tests/fuzz/fuzz_hv_ic.c tests/host/fake_hv.c $(HV_IC_SRC) $(HOST_IC_SRC)))
$(eval $(call unit_test,balloon,tests/unit/test_balloon.c host/balloon.c $(HOST_VMBUS_SRC)))
$(eval $(call fuzzer,balloon,tests/fuzz/fuzz_balloon.c host/balloon.c $(HOST_VMBUS_SRC)))
$(eval $(call unit_test,control,tests/unit/test_control.c host/control.c host/control_path.c host/loop.c host/say.c,-ljson-c))
$(eval $(call unit_test,uart,tests/unit/test_uart.c host/uart.c host/bus.c,-pthread))
$(eval $(call unit_test,console,tests/unit/test_console.c host/console.c host/uart.c host/bus.c host/loop.c host/say.c,-pthread))
$(eval $(call unit_test,sandbox,tests/unit/test_sandbox.c host/sandbox.c host/say.c,-lseccomp -pthread))
$(eval $(call unit_test,net_backends,tests/unit/test_net_backends.c host/net_slirp.c host/net_tap.c host/net_finish.c host/loop.c host/say.c,-lslirp -pthread))
