/* SPDX-License-Identifier: MIT */
#include "adapter/hv/synic.h"

#include "abi/hv/msr.h"
#include "abi/vmbus/message.h"
#include "adapter/hv/control.h"
#include "adapter/hv/discover.h"
#include "adapter/hv/hypercall.h"
#include "adapter/hv/ipi.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/control.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/irq.h"
#include "core/lock.h"
#include "core/string.h"

#define POST_FOR_NS 1000000000ull
#define POST_PAUSE_NS \
	1000000ull /* the longest between two attempts; the first is a thousandth of it */

/* The payload is copied before the slot is given back, and only then looked at. */
static bool take_message(struct hv_message *slot)
{
	_Alignas(8) uint8_t payload[HV_MESSAGE_PAYLOAD];
	uint32_t type = __atomic_load_n(&slot->type, __ATOMIC_ACQUIRE);
	uint32_t length = slot->payload_size;

	if (type == HV_MESSAGE_NONE)
		return false;
	length = length < sizeof(payload) ? length : sizeof(payload);
	memcpy(payload, slot->payload, length);
	__atomic_store_n(&slot->type, HV_MESSAGE_NONE, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&slot->flags, __ATOMIC_SEQ_CST) & HV_MESSAGE_FLAG_PENDING)
		wrmsr(HV_MSR_EOM, 0);
	if (type == VMBUS_MESSAGE_TYPE)
		hv_vmbus_message(payload, length);
	return true;
}

void hv_synic_poll(void)
{
	struct hv_vp *vp = hv_vp_self();

	if (!vp->messages)
		return;
	while (take_message(&vp->messages->slot[HV_SINT_VMBUS]))
		;
}

static void interrupt(void)
{
	struct hv_vp *vp = hv_vp_self();

	hv_synic_poll();
	hv_vmbus_events(vp->events->flags[HV_SINT_VMBUS]);
	apic_eoi();
	if (vps_self() == 0)
		hv_vmbus_work();
	xen_control_interrupt_done();
}

void hv_synic_init(void)
{
	irq_register(VECTOR_SINT_VMBUS, interrupt);
}

void hv_synic_vp_init(void)
{
	wrmsr(HV_MSR_SINT(HV_SINT_VMBUS), VECTOR_SINT_VMBUS);
}

uint32_t hv_synic_vp_index(unsigned vp)
{
	return hv_vp(vp)->index;
}

static void pause(uint64_t ns)
{
	uint64_t end = clock_now() + ns;

	while (clock_now() < end)
		cpu_relax();
}

enum hv_status hv_synic_post(uint32_t connection, bool used, const void *message, uint32_t length)
{
	uint64_t deadline = clock_now() + POST_FOR_NS, wait = POST_PAUSE_NS / 1000;
	enum hv_status status;

	for (;;) {
		struct hv_post_message *input = hv_input_page();

		*input = (struct hv_post_message){
		    .connection = connection,
		    .type = VMBUS_MESSAGE_TYPE,
		    .payload_size = length,
		};
		memcpy(input->payload, message, length);
		status = hv_call(HV_CALL_POST_MESSAGE, 0);
		if (!hv_post_again(status, used) || clock_now() >= deadline)
			return status;
		pause(wait);
		wait = wait < POST_PAUSE_NS / 2 ? wait * 2 : POST_PAUSE_NS;
	}
}

void hv_synic_signal(uint32_t connection)
{
	hv_call_fast(HV_CALL_SIGNAL_EVENT, connection, 0);
}

void hv_synic_wait(void)
{
	irq_window();
	cpu_relax();
}

void hv_synic_poke(void)
{
	hv_send_ipi(cpumask_of(0), VECTOR_SINT_VMBUS);
}
