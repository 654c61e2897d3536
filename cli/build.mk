# SPDX-License-Identifier: MIT
#
# The `xenolith` command. `run` is in where the host is.

CLI_RUN := $(wildcard cli/run.c)
CLI_SOURCES := $(filter-out cli/run.c,$(wildcard cli/*.c))
CLI_OBJECTS := $(CLI_SOURCES:%.c=$(BUILD)/%.o)
CLI_CFLAGS = $(shell pkg-config --cflags json-c libnbd) $(if $(CLI_RUN),-DXENOLITH_WITH_RUN)
CLI_LIBS = $(shell pkg-config --libs json-c) -lm -pthread
XENOLITH := $(BUILD)/xenolith

$(CLI_OBJECTS): $(BUILD)/%.o: %.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) $(CLI_CFLAGS) -pthread -MMD -c -o $@ $<

.SECONDEXPANSION:
$(XENOLITH): $(CLI_OBJECTS) $$(if $$(CLI_RUN),$$(HOST_OBJECTS)) $(BUILD)/disk/libxenolith-disk.a
	$(CC) -g -o $@ $^ $(CLI_LIBS) $(if $(CLI_RUN),$(HOST_LIBS))

ALL += $(XENOLITH)

$(eval $(call unit_test,cli,tests/unit/test_cli.c cli/adapter_path.c cli/cli.c cli/console.c cli/disk_argument.c cli/guest.c cli/guest_args.c \
	host/control_path.c host/say.c $$$$(DISK_ASAN),$$(DISK_ASAN) -ljson-c -lm -pthread))
$(eval $(call unit_test,whole,tests/unit/test_whole.c cli/whole.c cli/cli.c $$$$(DISK_ASAN),$$(DISK_ASAN) $$(CLI_CFLAGS) -lm -pthread))

# The command against qemu-img, libvhdi and file systems.
CHECK_TAP += tests/images/oracle
# What Hyper-V, Virtual PC and Disk2vhd made; fetched.
CHECK_ALL_TAP += tests/images/foreign
# A mounted file system over an image whose server dies: root, loop devices and FUSE.
CHECK_ALL_TAP += tests/images/power

.PHONY: bench-images
bench-images: $(XENOLITH) $(NBDKIT_PLUGIN)
	bench/images --xenolith $(XENOLITH) --plugin $(NBDKIT_PLUGIN)

BENCH += bench-images

MAN := $(wildcard man/*.1 man/*.3)

.PHONY: install-cli
install-cli: $(XENOLITH) $(BUILD)/adapter/xenolith.elf
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man3 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(PREFIX)/lib/xenolith
	install $(XENOLITH) $(DESTDIR)$(PREFIX)/bin
	install -m 644 $(filter %.1,$(MAN)) $(DESTDIR)$(PREFIX)/share/man/man1
	install -m 644 $(filter %.3,$(MAN)) $(DESTDIR)$(PREFIX)/share/man/man3
	install -m 644 $(BUILD)/adapter/xenolith.elf $(DESTDIR)$(PREFIX)/lib/xenolith
	install -m 644 completion/xenolith $(DESTDIR)$(PREFIX)/share/bash-completion/completions

install: install-cli
