# SPDX-License-Identifier: MIT
#
# `xenolith run`: the host.

HOST_SOURCES := $(sort $(wildcard host/*.c host/*/*.c)) core/vmbus_ring.c cli/run.c
HOST_OBJECTS := $(HOST_SOURCES:%.c=$(BUILD)/hosted/%.o)
HOST_LIBS := -lslirp -ljson-c -lpthread

$(BUILD)/hosted/host/acpi.o: $(BUILD)/hosted/host/dsdt.hex
$(BUILD)/hosted/host/acpi.o: HOST_CFLAGS += -I$(BUILD)/hosted/host

$(BUILD)/hosted/host/dsdt.hex: host/dsdt.dsl | deps-stamp
	@mkdir -p $(@D)
	iasl -p $(@:.hex=) -tc $< > $(@:.hex=.log)

$(HOST_OBJECTS): $(BUILD)/hosted/%.o: %.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -DXENOLITH_HOSTED -MMD -MP -c -o $@ $<
