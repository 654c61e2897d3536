/* SPDX-License-Identifier: MIT */
#include "host/hypercall.h"

#include "abi/hv/hypercall.h"
#include "host/vcpu.h"

/* Bit 31 marks the hypervisor's own messages, which a guest may not forge (TLFS, HvCallPostMessage). */
#define HYPERVISOR_MESSAGE (1u << 31)

static uint16_t post_message(struct vcpu *vcpu, uint64_t control, uint64_t input)
{
	struct hv_post_message message;

	if (control & HV_CONTROL_FAST) {
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	}
	if (input % 8 || input % GMEM_PAGE_SIZE > GMEM_PAGE_SIZE - sizeof(message)) {
		return HV_STATUS_INVALID_ALIGNMENT;
	}
	if (!gmem_read(vcpu->memory, gpa(input), &message, sizeof(message))) {
		return HV_STATUS_INVALID_HYPERCALL_INPUT;
	}
	if (message.payload_size > sizeof(message.payload) || (message.type & HYPERVISOR_MESSAGE)) {
		return HV_STATUS_INVALID_PARAMETER;
	}
	return vcpu->post_message(vcpu->context, message.connection, message.type, message.payload,
				  message.payload_size);
}

uint64_t hypercall(struct vcpu *vcpu, uint64_t control, uint64_t input)
{
	switch (control & HV_CONTROL_CODE) {
	case HV_CALL_POST_MESSAGE: return post_message(vcpu, control, input);
	case HV_CALL_SIGNAL_EVENT: return HV_STATUS_INVALID_CONNECTION_ID;
	default: return HV_STATUS_INVALID_HYPERCALL_CODE;
	}
}
