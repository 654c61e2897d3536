/* SPDX-License-Identifier: MIT */
/*
 * A whole conversation from bytes: requests of every kind, raw ring bytes, hostile indices, replies left unread, domain 0's
 * own changes. The store must neither crash, leak, nor exceed its memory bound.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/xenstore.h"
#include "core/xs_wire.h"

struct input {
	const uint8_t *p, *end;
};

static uint8_t byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static void *fuzz_alloc(void *ctx, size_t size)
{
	unsigned *calls = ctx;

	++*calls;
	return *calls % 61 == 60 ? NULL : malloc(size);
}

static void fuzz_free(void *ctx, void *p)
{
	(void)ctx;
	free(p);
}

static const char *const paths[] = {
    "a",    "a/b", "a/b/c", "d", "/local/domain/1/a", "/", "@releaseDomain", "/local/domain/1",
    "/tool"};

static void put(struct xenstore_domain_interface *ring, const void *data, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		ring->req[MASK_XENSTORE_IDX(ring->req_prod++)] = ((const char *)data)[i];
}

/* A request that is mostly well-formed, so that the fuzzer gets beyond the decoder at once. */
static void request(struct xenstore_domain_interface *ring, struct input *in)
{
	struct xsd_sockmsg hdr = {.type = byte(in) % 24, .req_id = 1, .tx_id = byte(in) % 4};
	const char *path = paths[byte(in) % (sizeof(paths) / sizeof(paths[0]))];
	uint8_t extra = byte(in) % 64;
	char payload[128];

	strcpy(payload, path);
	hdr.len = strlen(path) + 1;
	for (uint8_t i = 0; i < extra; i++)
		payload[hdr.len++] = byte(in);
	put(ring, &hdr, sizeof(hdr));
	put(ring, payload, hdr.len);
}

static void raw(struct xenstore_domain_interface *ring, struct input *in)
{
	uint8_t n = byte(in);

	while (n--) {
		uint8_t b = byte(in);

		put(ring, &b, 1);
	}
}

static void on_change(void *ctx, const char *path)
{
	char buf[8];

	xs_local_read(ctx, path, buf, sizeof(buf));
}

static void local(struct xs_store *store, struct input *in)
{
	const char *path = paths[4 + byte(in) % 5];
	struct xs_perm perm = {byte(in) % 3, byte(in) % 4};

	switch (byte(in) % 6) {
	case 0: xs_local_write_uint(store, path, byte(in)); break;
	case 1: xs_local_rm(store, path); break;
	case 2: xs_local_watch(store, path, on_change, store); break;
	case 3: xs_local_unwatch(store, path, on_change, store); break;
	case 4: xs_local_set_perms(store, path, &perm, 1); break;
	default: xs_local_special(store, path);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct xenstore_domain_interface ring;
	struct input in = {data, data + size};
	struct xs_quota quota = xs_quota_default();
	struct xs_store store;
	struct xs_conn *conn;
	unsigned calls = 0;
	struct xs_mem mem = {fuzz_alloc, fuzz_free, &calls};

	memset(&ring, 0, sizeof(ring));
	quota.bytes = 64 * 1024;
	quota.nodes = 32;
	if (xs_store_init(&store, &mem, &quota))
		return 0;
	xs_local_mkdir(&store, "/local/domain/1");
	xs_local_set_perms(&store, "/local/domain/1", &(struct xs_perm){1, 0}, 1);
	conn = xs_conn_open(&store, 1, &ring);
	while (conn && in.p < in.end) {
		switch (byte(&in) % 16) {
		case 0: raw(&ring, &in); break;
		case 1: ring.rsp_cons = byte(&in) | (uint32_t)byte(&in) << 24; break;
		case 2: ring.req_prod += byte(&in); break;
		case 3: ring.connection = byte(&in); break;
		case 4:
		case 5: local(&store, &in); break;
		case 6:
		case 7: ring.rsp_cons = ring.rsp_prod; break;
		default:
			request(&ring, &in);
			if (byte(&in) & 1)
				ring.rsp_cons = ring.rsp_prod;
		}
		xs_service(conn);
		if (store.guest_nodes > 33 || store.bytes > 512 * 1024)
			abort();
	}
	if (conn)
		xs_conn_close(conn);
	xs_store_destroy(&store);
	if (store.bytes)
		abort();
	return 0;
}
