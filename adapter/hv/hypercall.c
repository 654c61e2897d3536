/* SPDX-License-Identifier: MIT */
#include "adapter/hv/hypercall.h"

#include <stdbool.h>
#include <stddef.h>

#include "abi/hv/msr.h"
#include "adapter/hv/control.h"
#include "adapter/hv/vp.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"

/* Not one of the registered types (Linux 1, FreeBSD 2, Xen 3, Illumos 4): we are none of these. */
#define GUEST_OS_TYPE    0x58ull
#define GUEST_OS_VERSION 1ull

static uint64_t do_call(uint64_t control, uint64_t input, uint64_t output)
{
	register uint64_t r8 asm("r8") = output;
	uint64_t result;

	asm volatile("call hv_hypercall_page"
		     : "=a"(result), "+c"(control), "+d"(input), "+r"(r8)
		     :
		     : "r9", "r10", "r11", "cc", "memory");
	return result;
}

void hv_hypercall_init(void)
{
	uint64_t gpa = virt_to_ma(hv_hypercall_page);
	uint64_t value;

	wrmsr(HV_MSR_GUEST_OS_ID, HV_GUEST_OS_OPEN_SOURCE |
				      GUEST_OS_TYPE << HV_GUEST_OS_TYPE_SHIFT |
				      GUEST_OS_VERSION << 16);
	value = rdmsr(HV_MSR_HYPERCALL);
	if (value & HV_HYPERCALL_MSR_LOCKED)
		panic("the hypercall page is locked at 0x%llx", (unsigned long long)value);
	wrmsr(HV_MSR_HYPERCALL, gpa | (value & ~HV_PAGE_MSR_GPA) | HV_PAGE_MSR_ENABLE);
	value = rdmsr(HV_MSR_HYPERCALL);
	if (!(value & HV_PAGE_MSR_ENABLE) || (value & HV_PAGE_MSR_GPA) != gpa)
		panic("the hypervisor did not take the hypercall page: 0x%llx",
		      (unsigned long long)value);
}

enum hv_status hv_call_fast(uint16_t code, uint64_t input0, uint64_t input1)
{
	return hv_result_status(
	    do_call(hv_control(code, 0, 0, 0) | HV_CONTROL_FAST, input0, input1));
}

void *hv_input_page(void)
{
	return hv_vp_self()->input;
}

enum hv_status hv_call(uint16_t code, unsigned varhead)
{
	return hv_result_status(
	    do_call(hv_control(code, varhead, 0, 0), va_to_ma(hv_input_page()), 0));
}

enum hv_status hv_call_rep(uint16_t code, unsigned varhead, unsigned reps)
{
	uint64_t input = va_to_ma(hv_input_page());
	unsigned done = 0;

	/* The hypervisor bounds the time of one call by returning early with success; it always gets on. */
	while (done < reps) {
		uint64_t result = do_call(hv_control(code, varhead, reps, done), input, 0);
		enum hv_status status = hv_result_status(result);

		if (status != HV_STATUS_SUCCESS)
			return status;
		if (hv_result_reps_done(result) <= done)
			return HV_STATUS_INVALID_PARAMETER;
		done = hv_result_reps_done(result);
	}
	return HV_STATUS_SUCCESS;
}
