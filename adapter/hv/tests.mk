# SPDX-License-Identifier: MIT
#
# What runs hosted of adapter/hv, and of the firmware tables and clocks in adapter/x86.

$(eval $(call unit_test,hv_features,tests/unit/test_hv_features.c adapter/hv/features.c core/fmt.c))
$(eval $(call unit_test,hv_scale,tests/unit/test_hv_scale.c adapter/hv/scale.c))
$(eval $(call unit_test,hv_words,tests/unit/test_hv_words.c adapter/hv/vpset.c))
$(eval $(call unit_test,acpi,tests/unit/test_acpi.c adapter/x86/aml.c adapter/x86/madt.c))
$(eval $(call unit_test,rtc,tests/unit/test_rtc.c adapter/x86/rtc_decode.c))
$(eval $(call fuzzer,acpi,tests/fuzz/fuzz_acpi.c adapter/x86/aml.c adapter/x86/madt.c))
