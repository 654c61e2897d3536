/* SPDX-License-Identifier: MIT */
/*
 * The life of a back end's queue: who polls it, what is in flight, and when a stopped one has come to rest.
 *
 * Any processor may ask for a poll at any time; one does it, the others leave word. A stopped queue is idle once nobody polls
 * or commits and nothing is in flight; that is reported exactly once. What the queue works on may be gone from then on.
 *
 * A poll ends after BACKQ_BATCH requests even if there are more: other processors could keep it fed for ever. The next
 * completion then resumes it.
 */
#pragma once

#include "core/lock.h"

#define BACKQ_BATCH 64

struct backq {
	struct lock lock;
	unsigned in_flight;
	bool polling, again; /* somebody polls; there may be more */
	bool resume;         /* a completion must poll */
	unsigned taken;      /* in this poll */
	unsigned
	    committing; /* polls that have ended but for telling the device that there is no more */
	bool stopped, idle, broken;
};

/* With the lock: a new life. */
static inline void backq_reset(struct backq *q)
{
	q->in_flight = 0;
	q->stopped = q->idle = q->broken = q->resume = false;
}

/* True when the caller is the one to poll. */
static inline bool backq_enter(struct backq *q)
{
	bool first;

	lock_take(&q->lock);
	first = !q->polling;
	q->polling = true;
	q->again = !first;
	if (first)
		q->taken = 0;
	lock_drop(&q->lock);
	return first;
}

/* With the lock: whether the poll must take a rest. Without anything in flight nobody would resume it. */
static inline bool backq_rests(struct backq *q)
{
	if (q->taken < BACKQ_BATCH || !q->in_flight)
		return false;
	q->resume = true;
	return true;
}

/* With the lock: whether a completion must poll, because the queue rests or has had no slot to go on. */
static inline bool backq_resumes(struct backq *q, bool starved)
{
	bool resumes = q->resume || starved;

	q->resume = false;
	return resumes;
}

/* With the lock: whether to report now that the queue is idle. */
static inline bool backq_becomes_idle(struct backq *q)
{
	bool now = q->stopped && !q->in_flight && !q->polling && !q->committing && !q->idle;

	q->idle |= now;
	return now;
}

/* With the lock: the poll goes on, or ends, with a commit to follow where something was submitted. True when the queue is idle. */
static inline bool backq_next(struct backq *q, bool goes_on, bool submitted)
{
	q->polling = goes_on;
	q->committing += !goes_on && submitted;
	return backq_becomes_idle(q);
}

/* The commit that followed a poll is over. True when the queue is idle, for the caller to report. */
static inline bool backq_committed(struct backq *q)
{
	bool idle;

	lock_take(&q->lock);
	q->committing--;
	idle = backq_becomes_idle(q);
	lock_drop(&q->lock);
	return idle;
}

/* Takes no more requests. True when the queue is idle already, for the caller to report. */
static inline bool backq_stop(struct backq *q)
{
	bool idle;

	lock_take(&q->lock);
	q->stopped = true;
	idle = backq_becomes_idle(q);
	lock_drop(&q->lock);
	return idle;
}
