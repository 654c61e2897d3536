# SPDX-License-Identifier: MIT
#
# What the adapter costs: the same kernel and microbenchmark native, on Xen and on the adapter.

$(BUILD)/bench/ubench: bench/ubench.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $<

.PHONY: bench-boot
bench-boot: all
	bench/run-boot

BENCH += bench-boot

# Our host beside Debian's QEMU on the same KVM.
$(BUILD)/bench/hostbench: bench/hostbench.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $<

$(BUILD)/bench/first: bench/first.S | deps-stamp
	@mkdir -p $(@D)
	$(CC) -static -nostdlib -Wl,-Ttext-segment=0x100000,-e,start,--build-id=none -o $@ $<

.PHONY: bench-host
bench-host: all $(BUILD)/bench/hostbench $(BUILD)/bench/first
	bench/host

BENCH += bench-host

# The PV guest's disk and network beside a native guest's.
.PHONY: bench-io
bench-io: all $(BUILD)/bench/hostbench $(BUILD)/bench/first
	bench/io

BENCH += bench-io
