# SPDX-License-Identifier: MIT
#
# The library again for its tests: under ASan and UBSan with gcc for the unit tests, under TSan for those of threads, with clang and
# coverage for the fuzzers. Built once each, linked by every test: $(eval $(call unit_test,NAME,tests/unit/test_NAME.c $(DISK_ASAN),$(DISK_ASAN) -pthread)).

DISK_ASAN := $(BUILD)/disk-asan/libxenolith-disk.a
DISK_TSAN := $(BUILD)/disk-tsan/libxenolith-disk.a
DISK_FUZZ := $(BUILD)/disk-fuzz/libxenolith-disk.a
DISK_FUZZ_COVERAGE := -fsanitize=fuzzer-no-link
DISK_ASAN_OBJECTS := $(DISK_SOURCES:disk/%.c=$(BUILD)/disk-asan/%.o)
DISK_TSAN_OBJECTS := $(DISK_SOURCES:disk/%.c=$(BUILD)/disk-tsan/%.o)
DISK_FUZZ_OBJECTS := $(DISK_SOURCES:disk/%.c=$(BUILD)/disk-fuzz/%.o)

$(DISK_ASAN_OBJECTS): $(BUILD)/disk-asan/%.o: disk/%.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -O1 $(SANITIZE) -pthread -MMD -c -o $@ $<

$(DISK_TSAN_OBJECTS): $(BUILD)/disk-tsan/%.o: disk/%.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -O1 -fsanitize=thread -pthread -MMD -c -o $@ $<

$(DISK_FUZZ_OBJECTS): $(BUILD)/disk-fuzz/%.o: disk/%.c | deps-stamp
	@mkdir -p $(@D)
	$(CLANG) $(HOST_CFLAGS) $(SANITIZE) $(DISK_FUZZ_COVERAGE) -pthread -MMD -c -o $@ $<

# Checksums without coverage: most of an input's time would go into counting the turns of their loops.
DISK_FUZZ_SUMS := $(BUILD)/disk-fuzz/vhdx_crc32c.o $(BUILD)/disk-fuzz/vhd_wire.o
$(DISK_FUZZ_SUMS): DISK_FUZZ_COVERAGE :=

$(DISK_ASAN): $(DISK_ASAN_OBJECTS)
$(DISK_TSAN): $(DISK_TSAN_OBJECTS)
$(DISK_FUZZ): $(DISK_FUZZ_OBJECTS)
$(DISK_ASAN) $(DISK_TSAN) $(DISK_FUZZ):
	@rm -f $@
	$(AR) rcs $@ $^
