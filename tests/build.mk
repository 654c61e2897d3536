# SPDX-License-Identifier: MIT
#
# Test programs print TAP; tests/run-tap runs them and adds up.
#
# $(call unit_test,NAME,SOURCES,LIBS)   a cmocka program under ASan and UBSan, run by `make check`
# $(call fuzzer,NAME,SOURCES,LIBS)      a libFuzzer program under ASan and UBSan; `make check` gives it
#                                       FUZZ_RUNS inputs, `make fuzz` FUZZ_RUNS_LONG

SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
FUZZ_RUNS ?= 20000
FUZZ_RUNS_LONG ?= 10000000

HEADERS := $(shell git ls-files '*.h')

define unit_test
$(BUILD)/tests/unit/$(1): $(2) $(HEADERS) | deps-stamp
	@mkdir -p $$(@D)
	$$(CC) $$(HOST_CFLAGS) -O1 $$(SANITIZE) -DXENOLITH_HOSTED -o $$@ $$(filter %.c,$$^) $(3) -lcmocka
CHECK_TAP += $(BUILD)/tests/unit/$(1)
endef

define fuzzer
$(BUILD)/tests/fuzz/$(1): $(2) $(HEADERS) | deps-stamp
	@mkdir -p $$(@D)
	$$(CLANG) $$(HOST_CFLAGS) -O1 -fsanitize=fuzzer $$(SANITIZE) -DXENOLITH_HOSTED -o $$@ $$(filter %.c,$$^) $(3)
FUZZERS += $(BUILD)/tests/fuzz/$(1)
endef

.PHONY: deps-stamp
# Installs the dependencies once where they are missing, so that `make run` and `make check` work on a fresh machine.
deps-stamp:
	@lab/deps --check || lab/deps
