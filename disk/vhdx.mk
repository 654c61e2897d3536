# SPDX-License-Identifier: MIT
#
# The VHDX driver's own tests.

VHDX_TEST_LIBS := $(DISK_ASAN) -pthread
VHDX_TEST_COMMON := tests/unit/test_vhdx_tool.c $(DISK_ASAN)

$(eval $(call unit_test,vhdx_crc32c,tests/unit/test_vhdx_crc32c.c $(VHDX_TEST_COMMON),$(VHDX_TEST_LIBS)))
$(eval $(call unit_test,vhdx_io,tests/unit/test_vhdx_io.c $(VHDX_TEST_COMMON),$(VHDX_TEST_LIBS)))
$(eval $(call unit_test,vhdx_crash,tests/unit/test_vhdx_crash.c tests/unit/crash_io.c $(VHDX_TEST_COMMON),$(VHDX_TEST_LIBS)))
$(eval $(call unit_test,vhdx_log,tests/unit/test_vhdx_log.c $(VHDX_TEST_COMMON),$(VHDX_TEST_LIBS)))
$(eval $(call unit_test,vhdx_bad,tests/unit/test_vhdx_bad.c $(VHDX_TEST_COMMON),$(VHDX_TEST_LIBS)))
$(eval $(call unit_test,vhdx_care,tests/unit/test_vhdx_care.c $(VHDX_TEST_COMMON),$(VHDX_TEST_LIBS)))
$(eval $(call unit_test,vhdx_threads,tests/unit/test_vhdx_threads.c $(VHDX_TEST_COMMON),$(VHDX_TEST_LIBS)))
$(eval $(call unit_test,vhdx_oracle,tests/unit/test_vhdx_oracle.c $(VHDX_TEST_COMMON),$(VHDX_TEST_LIBS)))
$(eval $(call fuzzer,vhdx_open,tests/fuzz/fuzz_vhdx_open.c tests/fuzz/fuzz_vhdx_store.c $(DISK_FUZZ),$(DISK_FUZZ) -pthread))
$(eval $(call fuzzer,vhdx_log,tests/fuzz/fuzz_vhdx_log.c tests/fuzz/fuzz_vhdx_store.c $(DISK_FUZZ),$(DISK_FUZZ) -pthread))
