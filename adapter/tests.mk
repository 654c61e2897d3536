# SPDX-License-Identifier: MIT
#
# The hosted tests of the adapter's parts; each part lists its own.

include $(wildcard adapter/*/tests.mk)
