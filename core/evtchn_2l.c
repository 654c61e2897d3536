/* SPDX-License-Identifier: MIT */
/*
 * The 2-level ABI: a pending bit and a mask bit for each port in shared_info, and in each vcpu_info a selector with one bit
 * for each word of pending bits. The guest's word is 64 or 32 bits wide; on a little-endian machine only the places differ,
 * so everything here works on 32-bit words.
 */
#include "core/evtchn_int.h"

/* arch-x86/xen.h: 32 vcpu_info of 64 bytes come first in both widths; 64 or 32 words of pending bits, then the mask. */
#define PENDING_OFFSET offsetof(struct shared_info, evtchn_pending)

unsigned evtchn_2l_ports(const struct evtchn *ev)
{
	return ev->c.guest_bits * ev->c.guest_bits;
}

static uint32_t *pending_word(struct evtchn *ev, evtchn_port_t port)
{
	return (uint32_t *)((char *)ev->c.shared_info + PENDING_OFFSET) + port / 32;
}

static uint32_t *mask_word(struct evtchn *ev, evtchn_port_t port)
{
	return pending_word(ev, port) + evtchn_2l_ports(ev) / 32;
}

/* vcpu_info: two bytes, padding, then the selector, one guest word. */
static void select_word(struct evtchn *ev, unsigned vcpu, evtchn_port_t port)
{
	char *info = atomic_load(&ev->c.vcpus[vcpu].info);
	unsigned bit = port / ev->c.guest_bits;
	uint32_t *sel;

	if (!info)
		return; /* evtchn_set_vcpu_info() makes up for it */
	sel = (uint32_t *)(info + ev->c.guest_bits / 8) + bit / 32;
	if (!(__atomic_fetch_or(sel, 1u << bit % 32, __ATOMIC_SEQ_CST) & 1u << bit % 32))
		evtchn_mark_upcall(ev, vcpu);
}

bool evtchn_2l_raise(struct evtchn *ev, evtchn_port_t port, unsigned vcpu)
{
	uint32_t bit = 1u << port % 32;

	if (__atomic_fetch_or(pending_word(ev, port), bit, __ATOMIC_SEQ_CST) & bit)
		return false;
	if (!(__atomic_load_n(mask_word(ev, port), __ATOMIC_SEQ_CST) & bit))
		select_word(ev, vcpu, port);
	return true;
}

void evtchn_2l_unmask(struct evtchn *ev, evtchn_port_t port, unsigned vcpu)
{
	uint32_t bit = 1u << port % 32;

	if (!(__atomic_fetch_and(mask_word(ev, port), ~bit, __ATOMIC_SEQ_CST) & bit))
		return;
	if (evtchn_2l_is_pending(ev, port))
		select_word(ev, vcpu, port);
}

bool evtchn_2l_is_pending(struct evtchn *ev, evtchn_port_t port)
{
	return __atomic_load_n(pending_word(ev, port), __ATOMIC_SEQ_CST) & 1u << port % 32;
}

void evtchn_2l_clear(struct evtchn *ev, evtchn_port_t port)
{
	__atomic_fetch_and(pending_word(ev, port), ~(1u << port % 32), __ATOMIC_SEQ_CST);
}
