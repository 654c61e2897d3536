/* SPDX-License-Identifier: MIT */
/* The guest's memory and the machine's are two arrays here; what lies in neither faults. */
#ifndef XENOLITH_X86_GUEST_ACCESS_H
#define XENOLITH_X86_GUEST_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

bool world_load(uint64_t *to, uint64_t from);
bool world_store(uint64_t to, uint64_t value);

#define GUEST_LOAD(to, from, fault)                       \
	do {                                              \
		if (!world_load(&(to), (uint64_t)(from))) \
			goto fault;                       \
	} while (0)

#define GUEST_STORE(to, value, fault)                      \
	do {                                               \
		if (!world_store((uint64_t)(to), (value))) \
			goto fault;                        \
	} while (0)

#endif
