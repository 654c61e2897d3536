/* SPDX-License-Identifier: MIT */
/*
 * Heartbeat: answered by the adapter, so it must not beat for a guest that has stopped. Then the question stays unanswered, as it does with a guest that
 * answers for itself, and the host sees lost contact; it goes on asking, so the heart beats again with the guest.
 */
#include "adapter/hv/ic.h"

#include "adapter/seam/control.h"
#include "core/string.h"

static uint64_t seen;

static enum hv_ic_result ask(struct hv_ic *ic, uint8_t *body, uint32_t length, uint32_t *status)
{
	uint64_t now = xen_control_progress();
	struct ic_heartbeat beat;

	(void)ic;
	memcpy(&beat, body, sizeof(beat));
	if (length < sizeof(beat))
		return HV_IC_ANSWER;
	if (now == seen)
		return HV_IC_SILENT;
	seen = now;
	beat.sequence++;
	memcpy(body, &beat, sizeof(beat));
	*status = IC_STATUS_SUCCESS;
	return HV_IC_ANSWER;
}

static const uint32_t versions[] = {IC_VERSION(3, 0), IC_VERSION(1, 0), 0};

HV_IC_MESSAGE(message);

struct hv_ic hv_ic_heartbeat = {
    HV_IC_DRIVER("heartbeat", IC_HEARTBEAT_TYPE),
    .message_type = IC_HEARTBEAT,
    .versions = versions,
    .ask = ask,
    .message = message,
};
