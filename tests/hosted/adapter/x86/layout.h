/* SPDX-License-Identifier: MIT */
/* The adapter's address space, with the direct map and the machine-to-phys table where a process may have them. */
#include_next "adapter/x86/layout.h"

#undef M2P_VIRT
#undef DIRECT_VIRT
#define M2P_VIRT    0x210000000000
#define DIRECT_VIRT 0x200000000000
