/* SPDX-License-Identifier: MIT */
#include "adapter/hv/vpset.h"

unsigned hv_vpset(const uint32_t *indices, unsigned n, uint64_t *valid_banks, uint64_t *banks)
{
	unsigned used = 0;

	*valid_banks = 0;
	for (unsigned i = 0; i < n; i++) {
		if (indices[i] / 64 >= HV_VP_SET_BANKS)
			return 0;
		*valid_banks |= 1ull << indices[i] / 64;
	}
	for (uint64_t rest = *valid_banks; rest; rest &= rest - 1) {
		unsigned bank = (unsigned)__builtin_ctzll(rest);

		banks[used] = 0;
		for (unsigned i = 0; i < n; i++)
			if (indices[i] / 64 == bank)
				banks[used] |= 1ull << indices[i] % 64;
		used++;
	}
	return used;
}
