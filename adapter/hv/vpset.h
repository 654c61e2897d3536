/* SPDX-License-Identifier: MIT */
/* HV_VP_SET, the sparse form (abi/hv/hypercall.h). Pure; runs hosted too. */
#ifndef XENOLITH_HV_VPSET_H
#define XENOLITH_HV_VPSET_H

#include <stdint.h>

#include "abi/hv/hypercall.h"

/*
 * Writes the set of `n` VP indices: the mask of banks in use and those banks in order. Returns how many banks it wrote,
 * at most HV_VP_SET_BANKS and at most n; 0 where an index is beyond what the form can say.
 */
unsigned hv_vpset(const uint32_t *indices, unsigned n, uint64_t *valid_banks, uint64_t *banks);

#endif
