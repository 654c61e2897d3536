/* SPDX-License-Identifier: MIT */
/* The one object of the AML namespace that we need. Pure; runs hosted too. */
#ifndef XENOLITH_X86_AML_H
#define XENOLITH_X86_AML_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct aml_s5 {
	uint8_t typ_a, typ_b; /* SLP_TYP values for PM1a and PM1b, 0 … 7 */
};

/*
 * Looks for Name (\_S5_, Package (…)) of integer constants in `size` bytes of AML, without interpreting the rest: every
 * firmware states it as such a constant. False where there is none that is well-formed.
 */
bool aml_find_s5(const void *aml, size_t size, struct aml_s5 *s5);

#endif
