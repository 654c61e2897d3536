/* SPDX-License-Identifier: MIT */
#include "adapter/hv/crash.h"

#include "abi/hv/msr.h"
#include "adapter/hv/discover.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/mem.h"
#include "core/string.h"

static _Alignas(PAGE_SIZE) char text[HV_CRASH_MESSAGE_MAX];

void hv_crash(const uint64_t params[5], const char *message, size_t length)
{
	uint64_t may, p[HV_CRASH_PARAMS];

	if (!hv_has(HV_F_CRASH))
		return;
	memcpy(p, params, sizeof(p));
	/* Reading the control register says what the hypervisor takes. */
	may = rdmsr(HV_MSR_CRASH_CTL) & (HV_CRASH_NOTIFY | HV_CRASH_MESSAGE);
	if (may & HV_CRASH_MESSAGE) {
		if (length > sizeof(text))
			length = sizeof(text);
		memcpy(text, message, length);
		p[3] = virt_to_ma(text);
		p[4] = length;
	}
	for (unsigned i = 0; i < HV_CRASH_PARAMS; i++)
		wrmsr(HV_MSR_CRASH_P0 + i, p[i]);
	wrmsr(HV_MSR_CRASH_CTL, may | HV_CRASH_NOTIFY);
}

void hv_reset(void)
{
	if (hv_has(HV_F_RESET))
		wrmsr(HV_MSR_RESET, HV_RESET_MSR_RESET);
}
