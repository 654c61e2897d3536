# SPDX-License-Identifier: MIT
#
# libxenolith-disk: static and shared, a header, a pkg-config file.

DISK_SOURCES := $(wildcard disk/*.c)
DISK_OBJECTS := $(DISK_SOURCES:%.c=$(BUILD)/%.o)
DISK_STATIC := $(BUILD)/disk/libxenolith-disk.a
DISK_SONAME := libxenolith-disk.so.0
DISK_SHARED := $(BUILD)/disk/$(DISK_SONAME)

$(DISK_OBJECTS): $(BUILD)/%.o: %.c | deps-stamp
	@mkdir -p $(@D)
	$(CC) $(HOST_CFLAGS) -fPIC -pthread -MMD -c -o $@ $<

$(DISK_STATIC): $(DISK_OBJECTS)
	@rm -f $@
	$(AR) rcs $@ $^

# Only what the public header names is visible.
$(DISK_SHARED): $(DISK_OBJECTS) disk/exports.map
	$(CC) -shared -pthread -Wl,-soname,$(DISK_SONAME) -Wl,--version-script=disk/exports.map -o $@ $(filter %.o,$^)

NBDKIT_PLUGIN := $(BUILD)/disk/nbdkit-xenolith-plugin.so

# The library inside, its names kept to itself.
$(NBDKIT_PLUGIN): disk/nbdkit/plugin.c disk/xdisk.h $(DISK_STATIC)
	$(CC) $(HOST_CFLAGS) -fPIC -shared -pthread -Wl,--exclude-libs,ALL -o $@ $(filter %.c %.a,$^)

ALL += $(DISK_STATIC) $(DISK_SHARED) $(NBDKIT_PLUGIN)

include disk/sanitized.mk
-include $(filter-out disk/build.mk disk/sanitized.mk,$(wildcard disk/*.mk))

$(eval $(call unit_test,vhd,tests/unit/test_vhd.c $(DISK_ASAN),$(DISK_ASAN) -pthread))
$(eval $(call unit_test,vhd_parents,tests/unit/test_vhd_parents.c $(DISK_ASAN),$(DISK_ASAN) -pthread))
$(eval $(call unit_test,vhd_crash,tests/unit/test_vhd_crash.c tests/unit/crash_io.c $(DISK_ASAN),$(DISK_ASAN) -pthread))
$(eval $(call unit_test,disk_threads,tests/unit/test_disk_threads.c $(DISK_ASAN),$(DISK_ASAN) -pthread))
$(eval $(call unit_test,disk_threads_tsan,tests/unit/test_disk_threads.c $(DISK_TSAN),$(DISK_TSAN) -pthread))
$(BUILD)/tests/unit/disk_threads_tsan: SANITIZE := -fsanitize=thread
$(eval $(call unit_test,disk_faults,tests/unit/test_disk_faults.c $(DISK_ASAN),$(DISK_ASAN) -pthread))
$(eval $(call unit_test,disk_hold,tests/unit/test_disk_hold.c $(DISK_ASAN),$(DISK_ASAN) -pthread))
$(eval $(call unit_test,disk_flush,tests/unit/test_disk_flush.c $(DISK_ASAN),$(DISK_ASAN) -pthread))
$(eval $(call fuzzer,vhd,tests/fuzz/fuzz_vhd.c tests/fuzz/fuzz_vhdx_store.c $(DISK_FUZZ),$(DISK_FUZZ) -pthread))

# --- installing -----------------------------------------------------------------------------------------------------------

PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
NBDKIT_PLUGINS ?= $(LIBDIR)/nbdkit/plugins
DISK_VERSION := $(shell sed -n 's/.*XD_VERSION *"\(.*\)"/\1/p' disk/xdisk.h)

.PHONY: install-disk
install-disk: $(DISK_STATIC) $(DISK_SHARED) $(NBDKIT_PLUGIN)
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(PREFIX)/include/xenolith $(DESTDIR)$(NBDKIT_PLUGINS)
	install -m 644 $(DISK_STATIC) $(DESTDIR)$(LIBDIR)
	install -m 644 $(DISK_SHARED) $(DESTDIR)$(LIBDIR)
	ln -sf $(DISK_SONAME) $(DESTDIR)$(LIBDIR)/libxenolith-disk.so
	install -m 644 disk/xdisk.h $(DESTDIR)$(PREFIX)/include/xenolith
	install -m 644 $(NBDKIT_PLUGIN) $(DESTDIR)$(NBDKIT_PLUGINS)
	sed -e 's|@PREFIX@|$(PREFIX)|; s|@LIBDIR@|$(LIBDIR)|; s|@VERSION@|$(DISK_VERSION)|' disk/xenolith-disk.pc.in \
		> $(DESTDIR)$(LIBDIR)/pkgconfig/xenolith-disk.pc

install: install-disk ## install into PREFIX, under DESTDIR
