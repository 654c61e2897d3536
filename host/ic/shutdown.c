/* SPDX-License-Identifier: MIT */
#include "host/ic/services.h"

#include "host/say.h"

#define REASON_PLANNED 0x80000000u /* SHTDN_REASON_FLAG_PLANNED of the Windows SDK */

static void answer(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t length)
{
	struct ic_shutdown_service *service = (struct ic_shutdown_service *)ic;

	(void)body, (void)length;
	service->refused = status != IC_STATUS_SUCCESS;
	if (service->refused) {
		say_warning("the guest refuses to shut down (%#x)", status);
	}
}

bool ic_shutdown(struct ic_shutdown_service *service, bool restart)
{
	/* Restart came with message version 3.2; older guests would take it for a power off. */
	bool can_restart = service->ic.message_version == IC_VERSION(3, 2);
	struct ic_shutdown question = {.reason = REASON_PLANNED};

	if (restart && !can_restart) {
		return false;
	}
	question.flags = restart ? IC_SHUTDOWN_RESTART : 0;
	return ic_ask(&service->ic, &question, sizeof(question));
}

const struct ic_service ic_shutdown_ops = {
    .name = "shutdown",
    .type = IC_SHUTDOWN_TYPE,
    .instance = IC_SHUTDOWN_INSTANCE,
    .message_type = IC_SHUTDOWN,
    .versions = {IC_VERSION(3, 2), IC_VERSION(3, 1), IC_VERSION(3, 0), IC_VERSION(1, 0)},
    .answer = answer,
};
