# SPDX-License-Identifier: MIT

$(eval $(call unit_test,string,tests/unit/test_string.c))
$(eval $(call unit_test,fmt,tests/unit/test_fmt.c core/fmt.c))

include core/xen.mk
