/* SPDX-License-Identifier: MIT */
/* Another vCPU that rewrites requests, descriptors and grants while they are looked at. */
#include "tests/guest/pv/block/block.h"

#include <xen/vcpu.h>

static bool running, stop, stopped;

/* Each is right now and then. */
static void scribble(void)
{
	static const uint16_t flags[] = {GTF_permit_access, 0, GTF_permit_access | GTF_readonly,
					 GTF_accept_transfer};
	uint64_t seed = 2;

	__atomic_store_n(&running, true, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&stop, __ATOMIC_ACQUIRE)) {
		uint64_t n = random64(&seed);
		blkif_request_t *r = &a.ring->ring[n % BLOCK_RING].req;
		struct blkif_request_segment *s = &r->seg[n >> 8 & 1];
		uint64_t sector = n >> 16 & 7 ? SECTORS - 8 : UINT64_MAX - 7;

		memcpy(&r->sector_number, &sector, sizeof(sector));
		s->gref =
		    n >> 20 & 3 ? REF_PAGE + 1 + 2 * (n >> 24 & 7) : REF_PAGE + (n >> 24 & 15);
		s->first_sect = n >> 32 & 7;
		s->last_sect = n >> 36 & 15;
		__atomic_store_n(&grants[REF_PAGE + 1 + 2 * (n >> 40 & 7)].flags,
				 flags[n >> 44 & 3], __ATOMIC_RELEASE);
	}
	__atomic_store_n(&stopped, true, __ATOMIC_RELEASE);
	for (;;)
		hypercall3(__HYPERVISOR_vcpu_op, VCPUOP_down, 1, 0);
}

/* The pages that were never granted, though their neighbours change all the time. */
static void guards_unharmed(uint8_t guards[PAGES][PAGE_SIZE])
{
	for (unsigned i = 0; i < PAGES; i += 2)
		if (memcmp(arena[i], guards[i], PAGE_SIZE))
			failure("page %u, which was never granted, changed", i);
}

void changing_requests(void)
{
	static uint8_t guards[PAGES][PAGE_SIZE];
	unsigned good = 0, bad = 0;

	memcpy(guards, arena, sizeof(guards));
	if (vcpu_start(1, scribble)) {
		say("one vCPU: nobody changes requests");
		return;
	}
	wait_until(__atomic_load_n(&running, __ATOMIC_ACQUIRE));
	for (unsigned round = 0; round < 60; round++) {
		blkif_response_t response;
		unsigned put = 1 + round % BLOCK_RING;

		for (unsigned i = 0; i < put; i++) {
			blkif_request_t r =
			    one(BLKIF_OP_READ, SECTORS - 8, REF_PAGE + 1 + 2 * (i % 8), 0, 3);

			r.nr_segments = 1 + i % 2;
			blkfront_put(&a, &r);
		}
		blkfront_notify(&a);
		for (unsigned i = 0; i < put; i++) {
			if (!blkfront_take(&a, &response))
				return;
			good += response.status == BLKIF_RSP_OKAY;
			bad += response.status == BLKIF_RSP_ERROR;
		}
		others_go_on();
	}
	__atomic_store_n(&stop, true, __ATOMIC_RELEASE);
	wait_until(__atomic_load_n(&stopped, __ATOMIC_ACQUIRE));
	say("%u changing requests were carried out, %u refused", good, bad);
	check(good && bad);
	guards_unharmed(guards);
	others_go_on();
	disk_unharmed();
}
