# SPDX-License-Identifier: MIT
#
# The lab and the guests that it boots.

USERLAND := $(BUILD)/tests/guest/userland
USERLAND_SOURCES := $(filter-out %/compat.c %/exit.c,$(wildcard tests/guest/userland/*.c))
GUEST_CFLAGS := -std=gnu11 -O2 $(WARN) -D_GNU_SOURCE -static -pthread
INITRD := $(BUILD)/tests/guest/userland.cpio

$(USERLAND)/init: $(USERLAND_SOURCES) tests/guest/userland/check.h | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $(USERLAND_SOURCES)

$(USERLAND)/compat: tests/guest/userland/compat.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) -m32 $(GUEST_CFLAGS) -o $@ $<

$(USERLAND)/exit: tests/guest/userland/exit.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $<

NETTEST := $(BUILD)/tests/guest/net/nettest

$(NETTEST): tests/guest/net/nettest.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $<

# Runs in L1.
$(BUILD)/lab/once: lab/once.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $<

# Runs on this machine.
$(BUILD)/lab/tsckhz: lab/tsckhz.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -o $@ $<

ALL += $(BUILD)/lab/once $(BUILD)/lab/tsckhz

# For tests/host: xenstore from a guest's shell.
$(BUILD)/tests/guest/xenstore: tests/host/xenstore.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $<

# A file against its copy in memory.
$(BUILD)/tests/guest/fsx: tests/guest/fsx.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $<

# For tests/boot/lab: runs in L1.
$(BUILD)/tests/guest/restorefpu: tests/guest/restorefpu.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $<

ALL += $(BUILD)/tests/guest/xenstore $(BUILD)/tests/guest/fsx $(BUILD)/tests/guest/restorefpu

INITRD_FILES := /init=$(USERLAND)/init /bin/compat=$(USERLAND)/compat /bin/exit=$(USERLAND)/exit \
	/bin/ubench=$(BUILD)/bench/ubench
$(INITRD): $(foreach f,$(INITRD_FILES),$(lastword $(subst =, ,$(f)))) lab/mkinitrd lab/kit/cpio.py
	lab/mkinitrd $@ $(INITRD_FILES)

ALL += $(INITRD) $(NETTEST)

run: all ## boot a whole Debian on the adapter from its disk; it checks itself and goes down at the host's request
	lab/rundebian

# Each takes a partition, so they need the guest's userland.
CHECK_TAP += $(addprefix tests/boot/,lab linux memory steal refusals fallbacks power console-input console-input-smp)
CHECK_ALL_TAP += $(addprefix tests/boot/,console-flood linux-matrix fallbacks-all stress)

# The init of a guest whose host is killed.
$(BUILD)/tests/guest/flusher: tests/system/flusher.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(GUEST_CFLAGS) -o $@ $<

ALL += $(BUILD)/tests/guest/flusher

# Whole Debian systems on our own host; the first run bootstraps them.
CHECK_TAP += tests/system/native tests/system/pv tests/system/power-cut
CHECK_ALL_TAP += tests/system/native-all tests/system/pv-all tests/system/power-cut-all tests/system/power-cut-pv
