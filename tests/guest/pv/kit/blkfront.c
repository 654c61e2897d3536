/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/device.h"

#include <xen/io/protocols.h>

_Static_assert(sizeof(blkif_request_t) == 112, "blkif.h");

void blkfront_init(struct blkfront *f, unsigned number, void *page, grant_ref_t ring_ref)
{
	*f = (struct blkfront){.ring = page, .ring_ref = ring_ref};
	device_find(&f->bus, "vbd", number);
}

bool blkfront_connect(struct blkfront *f)
{
	memset(f->ring, 0, PAGE_SIZE);
	f->ring->req_event = f->ring->rsp_event = 1;
	f->prod = f->cons = 0;
	grant(f->ring_ref, f->ring);
	device_write(&f->bus, "ring-ref", f->ring_ref);
	device_channel(&f->bus);
	device_write_text(&f->bus, "protocol", XEN_IO_PROTO_ABI_X86_64);
	device_set_state(&f->bus, XenbusStateInitialised);
	if (!device_wait(&f->bus, XenbusStateConnected))
		return false;
	f->sectors = device_read(&f->bus, "sectors");
	f->read_only = device_read(&f->bus, "info") & VDISK_READONLY;
	device_set_state(&f->bus, XenbusStateConnected);
	return true;
}

void blkfront_put(struct blkfront *f, const void *request)
{
	memcpy(&f->ring->ring[f->prod % BLOCK_RING], request, sizeof(blkif_request_t));
	__atomic_store_n(&f->ring->req_prod, ++f->prod, __ATOMIC_RELEASE);
}

void blkfront_notify(struct blkfront *f)
{
	device_notify(&f->bus);
}

bool blkfront_take(struct blkfront *f, blkif_response_t *response)
{
	for (uint64_t end = system_time() + 20 * SECOND; system_time() < end;) {
		if (__atomic_load_n(&f->ring->rsp_prod, __ATOMIC_ACQUIRE) != f->cons) {
			memcpy(response, &f->ring->ring[f->cons++ % BLOCK_RING], sizeof(*response));
			return true;
		}
		hypercall2(__HYPERVISOR_sched_op, SCHEDOP_yield, 0);
	}
	failure("%s: request %u is not answered", f->bus.back, f->cons);
	return false;
}

int blkfront_do(struct blkfront *f, const void *request)
{
	blkif_response_t response;
	uint64_t id;

	memcpy(&id, (const char *)request + offsetof(blkif_request_t, id), sizeof(id));
	blkfront_put(f, request);
	blkfront_notify(f);
	if (!blkfront_take(f, &response))
		return 99;
	check_equal(response.id, id);
	return response.status;
}
