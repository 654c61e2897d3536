/* SPDX-License-Identifier: MIT */
/*
 * The hot paths' way to the guest's memory: single loads and stores whose faults have an address to go to. Sources need no
 * range check, because a guest's kernel can read whatever it names; what is stored to must be checked by guest_range.
 */
#ifndef XENOLITH_X86_GUEST_ACCESS_H
#define XENOLITH_X86_GUEST_ACCESS_H

#include <stdint.h>

/* clang-format off */
#define EXTABLE_GOTO(fault, label)                                                                 \
	".pushsection .extable, \"a\"\n\t"                                                         \
	".quad " fault ", %l[" label "]\n\t"                                                       \
	".popsection"

/* Loads 8 bytes from `from` into the local variable `to`; goes to `fault` where they are not mapped. */
#define GUEST_LOAD(to, from, fault)                                                                \
	asm goto("1: mov %1, %0\n\t" EXTABLE_GOTO("1b", #fault)                                    \
		 : "=r"(to)                                                                        \
		 : "m"(*(const uint64_t *)(from))                                                  \
		 :                                                                                 \
		 : fault)

/* Stores 8 bytes; goes to `fault` where it cannot. */
#define GUEST_STORE(to, value, fault)                                                              \
	asm goto("1: movq %1, %0\n\t" EXTABLE_GOTO("1b", #fault)                                   \
		 :                                                                                 \
		 : "m"(*(uint64_t *)(to)), "r"((uint64_t)(value))                                  \
		 : "memory"                                                                        \
		 : fault)
/* clang-format on */

#endif
