# SPDX-License-Identifier: MIT
#
# CORE_SRC is what the adapter links, freestanding, besides CORE_XEN_SRC; CORE_LIBS go with it.

CORE_SRC := core/e820.c
CORE_LIBS :=

$(eval $(call unit_test,string,tests/unit/test_string.c))
$(eval $(call unit_test,fmt,tests/unit/test_fmt.c core/fmt.c))
$(eval $(call unit_test,e820,tests/unit/test_e820.c core/e820.c))
$(eval $(call fuzzer,e820,tests/fuzz/fuzz_e820.c core/e820.c))

include core/kimage.mk
include core/xen.mk
