/* SPDX-License-Identifier: MIT */
/* A front end that does not keep to the ring's rules, or to xenbus's: its device closes, and can be had again. */
#include "tests/guest/pv/block/block.h"

#include "core/fmt.h"

static void works(void)
{
	blkif_request_t r = one(BLKIF_OP_READ, 40, REF_PAGE + 5, 2, 5);

	apply(&r);
	answered("a good read", &r, BLKIF_RSP_OKAY);
	others_go_on();
}

static void connect_again(void)
{
	device_restart(&a.bus);
	check(!grant_in_use(a.ring_ref));
	if (!blkfront_connect(&a))
		error("disk A does not come back");
}

void replies_never_read(void)
{
	for (unsigned round = 0; round < 20; round++) {
		for (unsigned i = 0; i < BLOCK_RING; i++) {
			blkif_request_t r = one(BLKIF_OP_READ, round, REF_PAGE + 7, 0, 0);

			if (i == 0)
				apply(&r);
			blkfront_put(&a, &r);
		}
		blkfront_notify(&a);
		wait_until(__atomic_load_n(&a.ring->rsp_prod, __ATOMIC_ACQUIRE) == a.prod);
		if (round % 8 == 0)
			others_go_on();
	}
	unharmed("replies that nobody reads");
	a.cons = a.prod;
	works();
}

void indices_out_of_range(void)
{
	static const uint32_t jumps[] = {BLOCK_RING + 1, 1000, 1u << 31, UINT32_MAX,
					 UINT32_MAX - BLOCK_RING};
	char name[64];

	for (unsigned i = 0; i < sizeof(jumps) / sizeof(jumps[0]); i++) {
		/* Good requests lie in every slot: were they carried out, they would be seen. */
		for (unsigned s = 0; s < BLOCK_RING; s++) {
			blkif_request_t r = one(BLKIF_OP_READ, 300, REF_PAGE + 9, 0, 7);

			memcpy(&a.ring->ring[s], &r, sizeof(r));
		}
		__atomic_store_n(&a.ring->req_prod, a.prod + jumps[i], __ATOMIC_RELEASE);
		blkfront_notify(&a);
		device_wait(&a.bus, XenbusStateClosing);
		fmt(name, sizeof(name), "an index %#x ahead", jumps[i]);
		unharmed(name);
		others_go_on();
		connect_again();
		works();
	}
}

/* Says something senseless, and sees the device close. */
static void connect_wrongly(const char *key, const char *value, const char *right)
{
	grant(a.ring_ref, a.ring);
	device_write(&a.bus, "ring-ref", a.ring_ref);
	device_channel(&a.bus);
	device_write_text(&a.bus, key, value);
	device_set_state(&a.bus, XenbusStateInitialised);
	if (!device_wait(&a.bus, XenbusStateClosing))
		say("%s = %s", key, value);
	others_go_on();
	device_write_text(&a.bus, key, right);
	device_restart(&a.bus);
}

void bad_parameters(void)
{
	static const grant_ref_t others[] = {0, REF_PAGE + 2, GRANT_REFS, REF_BEYOND, REF_LAST};
	char text[16];

	device_restart(&a.bus);
	for (grant_ref_t ref = REF_READ_ONLY; ref < REF_BAD_END; ref++) {
		fmt(text, sizeof(text), "%u", ref);
		connect_wrongly("ring-ref", text, "8");
	}
	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		fmt(text, sizeof(text), "%u", others[i]);
		connect_wrongly("ring-ref", text, "8");
	}
	connect_wrongly("ring-ref", "eight", "8");
	connect_wrongly("ring-ref", "99999999999999999999", "8");
	connect_wrongly("event-channel", "0", "0");
	connect_wrongly("event-channel", "4000", "0");
	connect_wrongly("event-channel", "4294967295", "0");
	connect_wrongly("protocol", "sparc-abi", "x86_64-abi");
	connect_wrongly("ring-page-order", "9", "0");
	connect_wrongly("multi-queue-num-queues", "0", "1");
	connect_wrongly("multi-queue-num-queues", "1000", "1");
	unharmed("senseless parameters");
	if (!blkfront_connect(&a))
		error("disk A does not come back");
	works();
}

/* It closes with a full ring in flight; what was granted is then free again, each page old or new. */
void leaving_in_flight(void)
{
	for (unsigned i = 0; i < BLOCK_RING; i++) {
		blkif_request_t r = one(BLKIF_OP_READ, 100, REF_PAGE + 1 + 2 * (i % 8), 0, 7);

		if (i < 8)
			apply(&r);
		blkfront_put(&a, &r);
	}
	blkfront_notify(&a);
	connect_again();
	for (unsigned i = 1; i < PAGES; i += 2)
		check(!grant_in_use(REF_PAGE + i));
	/* Whether all of them had been taken is a matter of time: read them again. */
	for (unsigned i = 1; i < PAGES; i += 2) {
		blkif_request_t r = one(BLKIF_OP_READ, 100, REF_PAGE + i, 0, 7);

		check_equal(blkfront_do(&a, &r), BLKIF_RSP_OKAY);
	}
	unharmed("leaving in flight");
}
