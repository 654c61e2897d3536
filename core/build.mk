# SPDX-License-Identifier: MIT
#
# CORE_SRC is what the adapter links, freestanding, besides CORE_XEN_SRC; CORE_LIBS go with it.

OPTIONS_SRC := core/options.c core/options_adapter.c
CORE_SRC := core/coalesce.c core/e820.c core/pagepool.c core/utf16.c core/vmbus_ring.c $(OPTIONS_SRC)
CORE_LIBS :=

$(eval $(call unit_test,string,tests/unit/test_string.c))
$(eval $(call unit_test,fmt,tests/unit/test_fmt.c core/fmt.c))
$(eval $(call unit_test,pagepool,tests/unit/test_pagepool.c core/pagepool.c))
$(eval $(call unit_test,utf16,tests/unit/test_utf16.c core/utf16.c))
$(eval $(call unit_test,coalesce,tests/unit/test_coalesce.c core/coalesce.c))
$(eval $(call fuzzer,coalesce,tests/fuzz/fuzz_coalesce.c core/coalesce.c))
$(eval $(call unit_test,e820,tests/unit/test_e820.c core/e820.c))
$(eval $(call fuzzer,e820,tests/fuzz/fuzz_e820.c core/e820.c))
$(eval $(call unit_test,options,tests/unit/test_options.c core/fmt.c $(OPTIONS_SRC)))
$(eval $(call fuzzer,options,tests/fuzz/fuzz_options.c core/fmt.c $(OPTIONS_SRC)))

include core/kimage.mk
include core/xen.mk
