/* SPDX-License-Identifier: MIT */
/* The hypercall's control and result words, put together and taken apart; see abi/hv/hypercall.h. */
#ifndef XENOLITH_HV_CONTROL_H
#define XENOLITH_HV_CONTROL_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/hv/hypercall.h"

static inline uint64_t hv_control(uint16_t code, unsigned varhead, unsigned reps, unsigned start)
{
	return code | (varhead & HV_CONTROL_VARHEAD_MAX) << HV_CONTROL_VARHEAD_SHIFT |
	       (reps & HV_CONTROL_REP_MAX) << HV_CONTROL_REP_COUNT_SHIFT |
	       (start & HV_CONTROL_REP_MAX) << HV_CONTROL_REP_START_SHIFT;
}

static inline enum hv_status hv_result_status(uint64_t result)
{
	return (enum hv_status)(result & HV_RESULT_STATUS);
}

/*
 * Whether HvPostMessage, refused so, may be taken a little later. Hyper-V says that there is no such connection, too, to a guest that posts fast (Linux's
 * vmbus_post_msg); only of one that has not been used yet is that to be believed.
 */
static inline bool hv_post_again(enum hv_status status, bool used)
{
	return status == HV_STATUS_INSUFFICIENT_BUFFERS ||
	       status == HV_STATUS_INSUFFICIENT_MEMORY ||
	       (status == HV_STATUS_INVALID_CONNECTION_ID && used);
}

static inline unsigned hv_result_reps_done(uint64_t result)
{
	return result >> HV_RESULT_REP_DONE_SHIFT & HV_CONTROL_REP_MAX;
}

#endif
