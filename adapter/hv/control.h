/* SPDX-License-Identifier: MIT */
/* The hypercall's control and result words, put together and taken apart; see abi/hv/hypercall.h. */
#ifndef XENOLITH_HV_CONTROL_H
#define XENOLITH_HV_CONTROL_H

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

static inline unsigned hv_result_reps_done(uint64_t result)
{
	return result >> HV_RESULT_REP_DONE_SHIFT & HV_CONTROL_REP_MAX;
}

#endif
