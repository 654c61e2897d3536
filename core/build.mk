# SPDX-License-Identifier: MIT
#
# CORE_SRC is what the adapter links, freestanding, besides CORE_XEN_SRC; CORE_LIBS go with it.

CORE_SRC :=
CORE_LIBS :=

$(eval $(call unit_test,string,tests/unit/test_string.c))
$(eval $(call unit_test,fmt,tests/unit/test_fmt.c core/fmt.c))

include core/kimage.mk
include core/xen.mk
