/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/store.h"

#include <xen/event_channel.h>

struct xenstore_domain_interface *store_ring;
struct store_reply store_reply;

void store_init(void)
{
	store_ring = mfn_to_va(start_info->store_mfn);
}

void store_notify(void)
{
	struct evtchn_send s = {.port = start_info->store_evtchn};

	check_equal(hypercall2(__HYPERVISOR_event_channel_op, EVTCHNOP_send, &s), 0);
}

bool store_put(const void *data, uint32_t length)
{
	const char *from = data;
	unsigned tries = 0;

	for (uint32_t i = 0; i < length; i++) {
		while (store_ring->req_prod -
			   __atomic_load_n(&store_ring->req_cons, __ATOMIC_ACQUIRE) ==
		       XENSTORE_RING_SIZE) {
			store_notify();
			if (++tries == 1000)
				return false;
		}
		store_ring->req[MASK_XENSTORE_IDX(store_ring->req_prod)] = from[i];
		__atomic_store_n(&store_ring->req_prod, store_ring->req_prod + 1, __ATOMIC_RELEASE);
	}
	return true;
}

static bool readable(void)
{
	return __atomic_load_n(&store_ring->rsp_prod, __ATOMIC_ACQUIRE) != store_ring->rsp_cons;
}

/* The adapter serves within the notification, unless another vCPU is doing so: then a moment later. */
static void take(void *to, uint32_t length)
{
	for (uint32_t i = 0; i < length; i++) {
		if (!readable()) {
			store_notify();
			wait_until(readable());
		}
		if (!readable())
			error("no reply from xenstore");
		((char *)to)[i] = store_ring->rsp[MASK_XENSTORE_IDX(store_ring->rsp_cons)];
		__atomic_store_n(&store_ring->rsp_cons, store_ring->rsp_cons + 1, __ATOMIC_RELEASE);
	}
}

void store_receive(void)
{
	do {
		take(&store_reply.head, sizeof(store_reply.head));
		if (store_reply.head.len > XENSTORE_PAYLOAD_MAX)
			error("a reply of %u bytes", store_reply.head.len);
		take(store_reply.payload, store_reply.head.len);
		store_reply.payload[store_reply.head.len] = '\0';
	} while (store_reply.head.type == XS_WATCH_EVENT);
}

bool store_request(uint32_t type, uint32_t transaction, const void *payload, uint32_t length)
{
	static uint32_t id;
	const struct xsd_sockmsg head = {type, ++id, transaction, length};

	return store_put(&head, sizeof(head)) && store_put(payload, length);
}

const char *store_call(uint32_t type, uint32_t transaction, const void *payload, uint32_t length)
{
	if (!store_request(type, transaction, payload, length))
		error("xenstore takes no requests");
	store_notify();
	store_receive();
	return store_reply.head.type == XS_ERROR ? store_reply.payload : NULL;
}

const char *store_read(const char *path)
{
	return store_call(XS_READ, 0, path, (uint32_t)strlen(path) + 1) ? NULL
									: store_reply.payload;
}

void store_write(const char *path, const char *value)
{
	char text[256];
	size_t n = strlen(path) + 1, m = strlen(value);
	const char *wrong;

	if (n + m > sizeof(text))
		error("a long value for %s", path);
	memcpy(text, path, n);
	memcpy(text + n, value, m);
	wrong = store_call(XS_WRITE, 0, text, (uint32_t)(n + m));
	if (wrong)
		error("%s cannot be written: %s", path, wrong);
}
