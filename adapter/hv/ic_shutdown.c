/* SPDX-License-Identifier: MIT */
/*
 * Shutdown and restart. The host is answered when the guest has taken the request, or has not: a guest that does not listen (GRUB, a
 * kernel that hangs) is a failure at once, or after the time that xen_control_shutdown() gives it, and will not end by surprise later. That
 * the guest, having taken it, really ends is the host's to see.
 */
#include "adapter/hv/ic.h"

#include "adapter/seam/control.h"
#include "adapter/x86/log.h"
#include "core/string.h"

static enum hv_ic_result ask(struct hv_ic *ic, uint8_t *body, uint32_t length, uint32_t *status)
{
	struct ic_shutdown question;
	bool restart;

	(void)ic;
	memcpy(&question, body, sizeof(question));
	restart = question.flags & IC_SHUTDOWN_RESTART;
	/* To force means to end programs that do not want to end, which is how the guest's init does it anyway. */
	if (length < sizeof(question) ||
	    question.flags & ~(uint32_t)(IC_SHUTDOWN_FORCE | IC_SHUTDOWN_RESTART)) {
		*status = IC_STATUS_NOT_SUPPORTED;
		return HV_IC_ANSWER;
	}
	if (!xen_control_shutdown(restart ? CONTROL_REBOOT : CONTROL_POWER_OFF)) {
		log_info("the host asks the guest to %s, which does not listen",
			 restart ? "restart" : "shut down");
		*status = IC_STATUS_FAIL;
		return HV_IC_ANSWER;
	}
	log_info("the host asks the guest to %s", restart ? "restart" : "shut down");
	return HV_IC_LATER;
}

void control_shutdown_taken(bool taken)
{
	if (!taken)
		log_warning("the guest has not taken the host's request to end: taken back");
	hv_ic_answer(&hv_ic_shutdown, taken ? IC_STATUS_SUCCESS : IC_STATUS_FAIL);
}

static const uint32_t versions[] = {IC_VERSION(3, 2), IC_VERSION(3, 1), IC_VERSION(3, 0),
				    IC_VERSION(1, 0), 0};

HV_IC_MESSAGE(message);

struct hv_ic hv_ic_shutdown = {
    HV_IC_DRIVER("shutdown", IC_SHUTDOWN_TYPE),
    .message_type = IC_SHUTDOWN,
    .versions = versions,
    .ask = ask,
    .message = message,
};
