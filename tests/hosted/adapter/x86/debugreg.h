/* SPDX-License-Identifier: MIT */
/* Debug registers that watch nothing. */
#ifndef XENOLITH_X86_DEBUGREG_H
#define XENOLITH_X86_DEBUGREG_H

#include <stdint.h>

static inline uint64_t read_dr6(void)
{
	return 0;
}

static inline void write_debugreg(unsigned reg, uint64_t v)
{
	(void)reg;
	(void)v;
}

#endif
