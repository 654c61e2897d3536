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
