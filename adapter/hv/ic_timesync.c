/* SPDX-License-Identifier: MIT */
/*
 * Time synchronisation: the host's UTC becomes the guest's wall clock. With version 4 the host says at which reference time it was that late,
 * so it does not matter how long the message took; before, it is taken for now.
 */
#include "adapter/hv/ic.h"

#include "adapter/hv/discover.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/control.h"
#include "adapter/x86/log.h"
#include "core/string.h"

#define NS_PER_SEC    1000000000ull
#define NS_PER_TICK   100ull /* of the host's times */
#define TICKS_PER_SEC (NS_PER_SEC / NS_PER_TICK)
#define FROM_1601     (11644473600ull * TICKS_PER_SEC) /* to 1970 */
#define AFTER_2400        \
	(25225689600ull * \
	 TICKS_PER_SEC) /* 1601 to 2400 and a little: no clock of a host's says that */

/* A sample steers: what is less wrong than this is left to the guest's own means, which a step would disturb. */
#define TOLERANCE (TICKS_PER_SEC / 2)
/* A message that has been longer on its way than this bears another reference time than the one that we know. */
#define UNDERWAY_MAX (60 * TICKS_PER_SEC)

struct sample {
	uint64_t utc; /* 100 ns since 1601 */
	uint64_t at;  /* 100 ns of clock_now() */
	uint8_t flags;
};

static bool read4(struct sample *s, const uint8_t *body, uint32_t length)
{
	struct ic_timesync4 t;

	memcpy(&t, body, sizeof(t));
	s->utc = t.parent;
	s->flags = t.flags;
	/* Only where our clock is the reference time. The difference, taken without a sign, is large for one that lies in the future. */
	if (hv_has(HV_F_TIME_REF_COUNT) && s->at - t.reference < UNDERWAY_MAX)
		s->at = t.reference;
	return length >= sizeof(t);
}

static bool read_old(struct sample *s, const uint8_t *body, uint32_t length)
{
	struct ic_timesync t;

	memcpy(&t, body, sizeof(t));
	s->utc = t.parent;
	s->flags = t.flags;
	return length >= sizeof(t);
}

/* UTC at clock_now() == 0, in 100 ns since 1970. */
static uint64_t wall_ticks(void)
{
	struct clock_wall wall = clock_wall();

	return wall.sec * TICKS_PER_SEC + wall.nsec / NS_PER_TICK;
}

static void set(const struct sample *s)
{
	uint64_t zero = s->utc - FROM_1601 - s->at, before = wall_ticks();
	uint64_t off = zero > before ? zero - before : before - zero;
	struct clock_wall wall = {zero / TICKS_PER_SEC,
				  (uint32_t)(zero % TICKS_PER_SEC * NS_PER_TICK)};

	if (!(s->flags & IC_TIMESYNC_SYNC) && off < TOLERANCE)
		return;
	clock_set_wall(wall);
	xen_control_wall_changed();
	if (off >= TOLERANCE)
		log_info("the host sets the clock by %s%llu.%03llu s", zero < before ? "-" : "",
			 (unsigned long long)(off / TICKS_PER_SEC),
			 (unsigned long long)(off % TICKS_PER_SEC / (TICKS_PER_SEC / 1000)));
}

static enum hv_ic_result ask(struct hv_ic *ic, uint8_t *body, uint32_t length, uint32_t *status)
{
	struct sample s = {.at = clock_now() / NS_PER_TICK};
	bool whole =
	    ic->version == IC_VERSION(4, 0) ? read4(&s, body, length) : read_old(&s, body, length);

	if (!whole || s.utc < FROM_1601 + s.at || s.utc > AFTER_2400)
		return HV_IC_ANSWER;
	if (s.flags & (IC_TIMESYNC_SYNC | IC_TIMESYNC_SAMPLE))
		set(&s);
	*status = IC_STATUS_SUCCESS;
	return HV_IC_ANSWER;
}

bool hv_ic_time_comes(void)
{
	return hv_ic_timesync.channel && !hv_ic_timesync.heard;
}

static const uint32_t versions[] = {IC_VERSION(4, 0), IC_VERSION(3, 0), IC_VERSION(1, 0), 0};

HV_IC_MESSAGE(message);

struct hv_ic hv_ic_timesync = {
    HV_IC_DRIVER("time synchronisation", IC_TIMESYNC_TYPE),
    .message_type = IC_TIMESYNC,
    .versions = versions,
    .ask = ask,
    .message = message,
};
