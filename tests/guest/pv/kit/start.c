/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/pv.h"

#include <xen/sched.h>

struct start_info *start_info;
struct shared_info *shared_info;

static uint8_t shared_info_page[PAGE_SIZE] PAGE_ALIGNED;

_Noreturn void finish(void); /* report.c */
_Noreturn void start(struct start_info *si);

bool is_hardware_domain(void)
{
	return start_info->flags & SIF_INITDOMAIN;
}

_Noreturn void shutdown(unsigned reason)
{
	struct sched_shutdown s = {.reason = reason};

	/* Xen cannot power a machine off without a dom0 that knows its ACPI tables; it can reset it. */
	if (reason == SHUTDOWN_poweroff && is_hardware_domain())
		s.reason = SHUTDOWN_reboot;
	for (;;)
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_shutdown, &s);
}

uint64_t random64(uint64_t *state)
{
	/* splitmix64 */
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

_Noreturn void start(struct start_info *si)
{
	start_info = si;
	if (set_l1_entry(shared_info_page, si->shared_info | PTE_P | PTE_W, UVMF_INVLPG))
		shutdown(SHUTDOWN_crash);
	shared_info = (struct shared_info *)shared_info_page;
	console_init();
	trap_init_vcpu();
	test_main();
	finish();
}
