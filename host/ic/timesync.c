/* SPDX-License-Identifier: MIT */
/* The host's UTC to the guest: set once the guest is ready, then a sample every few seconds. */
#include "host/ic/services.h"

#include <time.h>

#define SAMPLE_SECONDS     5u
#define SECONDS_FROM_1601  11644473600ull /* to 1970 */
#define HNS_A_SECOND       10000000ull    /* units of 100 ns */
#define VERSION_WITH_CLOCK IC_VERSION(4, 0)

static uint64_t host_time(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return ((uint64_t)now.tv_sec + SECONDS_FROM_1601) * HNS_A_SECOND +
	       (uint64_t)now.tv_nsec / 100;
}

static void tell(struct ic_timesync_service *service, uint8_t flags)
{
	if (service->ic.message_version == VERSION_WITH_CLOCK) {
		const struct ic_timesync4 time = {
		    .parent = host_time(),
		    .reference = service->reference(service->context),
		    .flags = flags,
		};

		ic_ask(&service->ic, &time, sizeof(time));
	} else {
		const struct ic_timesync time = {.parent = host_time(), .flags = flags};

		ic_ask(&service->ic, &time, sizeof(time));
	}
	service->countdown = SAMPLE_SECONDS;
}

static void ready(struct ic *ic)
{
	tell((struct ic_timesync_service *)ic, IC_TIMESYNC_SYNC);
}

static void tick(struct ic *ic)
{
	struct ic_timesync_service *service = (struct ic_timesync_service *)ic;

	if (service->countdown && --service->countdown) {
		return;
	}
	tell(service, IC_TIMESYNC_SAMPLE);
}

static void answer(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t length)
{
	(void)ic, (void)status, (void)body, (void)length;
}

const struct ic_service ic_timesync_ops = {
    .name = "time synchronisation",
    .type = IC_TIMESYNC_TYPE,
    .instance = IC_TIMESYNC_INSTANCE,
    .message_type = IC_TIMESYNC,
    .versions = {IC_VERSION(4, 0), IC_VERSION(3, 0), IC_VERSION(1, 0)},
    .ready = ready,
    .answer = answer,
    .tick = tick,
};
