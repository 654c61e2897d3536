/* SPDX-License-Identifier: MIT */
#include "adapter/xen/domain.h"

#include "adapter/seam/clock.h"
#include "adapter/x86/mem.h"
#include "adapter/xen/events.h"
#include "adapter/xen/grant.h"
#include "adapter/xen/time.h"

struct domain domain;

void domain_init(unsigned nr_vcpus)
{
	uint64_t now = clock_now();

	domain.nr_vcpus = nr_vcpus;
	domain.shared_info = page_alloc(1);
	for (unsigned i = 0; i < nr_vcpus; i++) {
		struct vcpu *v = &domain.vcpus[i];

		v->id = i;
		v->vp = vp_of(i);
		v->vp->vcpu = v;
		v->state = VCPU_DOWN;
		v->runstate.state = RUNSTATE_offline;
		v->runstate.state_entry_time = now;
		if (i < XEN_LEGACY_MAX_VCPUS)
			v->vp->info = &domain.shared_info->vcpu_info[i];
		vp_mask_changed(v->vp);
	}
	events_init();
	grant_init();
	time_set_wallclock();
}
