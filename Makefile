# SPDX-License-Identifier: MIT
#
# make            build everything
# make run        boot a stock Xen PV Linux on the adapter, in a Viridian partition
# make check      run the tests; ends with "N passed, N failed, N skipped"
#
# Each component describes itself in its own build.mk, which adds to the lists below:
#   ALL         what `make` builds
#   CHECK_TAP   executables that print TAP and that `make check` runs
#   CHECK_ALL_TAP  the long ones, that only `make check-all` runs
#   BENCH       targets that `make bench` runs
#   FUZZERS     libFuzzer programs (see tests/build.mk)

# No rules but ours: the built-in ones would make tests/host/fio out of tests/host/fio.sh, where a checkout has written that one later.
MAKEFLAGS += -j$(shell nproc) --no-builtin-rules
.SUFFIXES:
BUILD ?= build
CC := gcc
CLANG ?= clang
WARN := -Wall -Wextra -Werror
# Hosted code: library, host, CLI, tests.
HOST_CFLAGS := -std=gnu11 -O2 -g $(WARN) -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I.

# What these goals need is installed before anything is read, because the rules look for it.
ifneq ($(filter run check check-all bench fuzz,$(MAKECMDGOALS)),)
ifneq ($(shell lab/deps --check >/dev/null 2>&1 || lab/deps >&2 || echo failed),)
$(error The packages of lab/packages could not be installed)
endif
endif

ALL :=
CHECK_TAP := tests/layers
CHECK_ALL_TAP :=
BENCH :=
FUZZERS :=

.DEFAULT_GOAL := all
.PHONY: all help deps run check check-all bench fuzz format format-check clean install
.DELETE_ON_ERROR:

include tests/build.mk
include $(filter-out tests/build.mk,$(wildcard */build.mk))

# Below the includes: the lists are complete only here.
all: $(ALL)

check: all format-check $(CHECK_TAP) $(FUZZERS) ## run the tests
	tests/run-tap $(CHECK_TAP) $(foreach f,$(FUZZERS),--fuzz $(f)) --fuzz-runs $(FUZZ_RUNS)

check-all: all format-check $(CHECK_TAP) $(CHECK_ALL_TAP) $(FUZZERS) ## run every test, hours of them
	tests/run-tap $(CHECK_TAP) $(CHECK_ALL_TAP) $(foreach f,$(FUZZERS),--fuzz $(f)) --fuzz-runs $(FUZZ_RUNS_LONG)

fuzz: $(FUZZERS) ## ten million inputs for each fuzzer
	tests/run-tap $(foreach f,$(FUZZERS),--fuzz $(f)) --fuzz-runs $(FUZZ_RUNS_LONG)

bench: all $(BENCH) ## measure, beside what there is to compare with

help: ## list the targets
	@grep -hE '^[a-z][a-z-]*:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

deps: ## install the Debian packages that building, running and testing need
	lab/deps

format: ## rewrite the C sources in the committed format
	clang-format -i $$(git ls-files '*.c' '*.h')

format-check: ## fail where a C source is not in the committed format
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')

clean: ## remove everything built (downloads in build/cache stay)
	@find $(BUILD) -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} + 2>/dev/null || true

-include $(shell find $(BUILD) \( -path $(BUILD)/lab -o -path $(BUILD)/cache \) -prune -o -name '*.d' -type f -print 2>/dev/null)
