/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/pv.h"

static event_handler_t *on_event;

static void dispatch(struct regs *r)
{
	struct vcpu_info *v = &shared_info->vcpu_info[0];
	unsigned long words;

	(void)r;
	v->evtchn_upcall_pending = 0;
	words = __atomic_exchange_n(&v->evtchn_pending_sel, 0, __ATOMIC_ACQ_REL);
	for (; words; words &= words - 1) {
		unsigned w = (unsigned)__builtin_ctzl(words);
		unsigned long bits = shared_info->evtchn_pending[w] & ~shared_info->evtchn_mask[w];

		for (; bits; bits &= bits - 1) {
			unsigned port = w * 64 + (unsigned)__builtin_ctzl(bits);

			__atomic_fetch_and(&shared_info->evtchn_pending[w], ~(1ul << port % 64),
					   __ATOMIC_ACQ_REL);
			on_event(port);
		}
	}
}

void event_init(event_handler_t *handler)
{
	on_event = handler;
	set_trap_handler(VECTOR_EVENT, dispatch);
}

/* An event that came while they were masked needs a hypercall to be delivered. */
void events_allow(void)
{
	struct vcpu_info *v = &shared_info->vcpu_info[0];

	v->evtchn_upcall_mask = 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	if (v->evtchn_upcall_pending)
		hypercall2(__HYPERVISOR_xen_version, 0, 0);
}

void events_mask(void)
{
	shared_info->vcpu_info[0].evtchn_upcall_mask = 1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
}
