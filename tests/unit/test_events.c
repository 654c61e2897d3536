/* SPDX-License-Identifier: MIT */
/* adapter/xen/events.c: there are channels enough for whatever the guest's devices may have. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/seam/vps.h"
#include "adapter/xen/blkdev.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/events.h"
#include "adapter/xen/netdev.h"
#include "adapter/xen/store.h"
#include "core/vbd.h"
#include "core/vif.h"

struct domain domain;

static void *allocated[8];
static unsigned nr_allocated;

void *page_alloc(size_t pages)
{
	void *memory = aligned_alloc(PAGE_SIZE, pages * PAGE_SIZE);

	assert_true(memory && nr_allocated < 8);
	allocated[nr_allocated++] = memory;
	return memset(memory, 0, pages * PAGE_SIZE);
}

unsigned vps_self(void)
{
	return 0;
}

void kick(cpumask_t vps)
{
	(void)vps;
}

void store_work(void)
{
}

struct vp *world_vp;

long guest_copy(void *to, const void *from, size_t bytes)
{
	memcpy(to, from, bytes);
	return 0;
}

static void nothing(void *ctx, evtchn_port_t port)
{
	(void)ctx, (void)port;
}

static void connect(unsigned nr)
{
	for (unsigned i = 0; i < nr; i++) {
		struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF};

		assert_int_equal(evtchn_alloc_unbound(&domain.evtchn, &unbound), 0);
		assert_true(evtchn_internal_bind(&domain.evtchn, unbound.port, nothing, NULL) >= 0);
	}
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Each disk and each interface with a queue for every vCPU, as Linux opens them, and two channels for a queue of the network's. */
static void every_queue_of_every_device_has_its_channels(void **state)
{
	static const unsigned vcpus[] = {1, 2, 8, 16, 17, 64};
	struct shared_info *shared = page_alloc(1);

	(void)state;
	for (unsigned i = 0; i < sizeof(vcpus) / sizeof(*vcpus); i++) {
		evtchn_port_t port;

		nr_allocated = 1;
		memset(shared, 0, PAGE_SIZE);
		domain = (struct domain){.shared_info = shared, .nr_vcpus = vcpus[i]};
		events_init();
		/* xenstore's and the console's. */
		assert_true(evtchn_internal_alloc(&domain.evtchn, nothing, NULL, &port) >= 0);
		assert_true(evtchn_internal_alloc(&domain.evtchn, nothing, NULL, &port) >= 0);
		connect(BLKDEVS_MAX * least(vcpus[i], VBD_QUEUES_MAX));
		connect(2 * NETDEVS_MAX * least(vcpus[i], VIF_QUEUES_MAX));
		while (nr_allocated > 1)
			free(allocated[--nr_allocated]);
	}
	free(shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_queue_of_every_device_has_its_channels),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
