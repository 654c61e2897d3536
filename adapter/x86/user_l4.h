/* SPDX-License-Identifier: MIT */
/*
 * Processes on an L4 of their own, for processors that are vulnerable to Meltdown: the guest's user L4 (MMUEXT_NEW_USER_BASEPTR), with as
 * little of the adapter in it as the ways in and out need: text, read-only data, the IDT and the VPs' windows. No global pages then, because
 * they would outlive the change of L4.
 */
#ifndef XENOLITH_X86_USER_L4_H
#define XENOLITH_X86_USER_L4_H

#include <stdbool.h>
#include <stdint.h>

enum user_l4_policy { USER_L4_AUTO, USER_L4_ON, USER_L4_OFF };

/* Decides, once, before paging_init and vp_create. */
void user_l4_decide(enum user_l4_policy policy);
extern bool user_l4_on;
static inline bool user_l4_used(void)
{
	return user_l4_on;
}

/* Switches the entry paths over and builds the mappings; after paging_init and all vp_create. */
void user_l4_init(void);

/* Puts the adapter's least into a user L4 of the guest. */
void user_l4_install(uint64_t *l4);

#endif
