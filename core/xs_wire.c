/* SPDX-License-Identifier: MIT */
/* The ring: bytes in, bytes out. */
#include "core/xs_wire_int.h"

/* Requests carried out in one call of xs_service(). */
#define BATCH 64

static uint32_t out_free(const struct xs_conn *conn)
{
	return XS_OUT_SIZE - (conn->out_tail - conn->out_head);
}

static void out_add(struct xs_conn *conn, const void *data, uint32_t len)
{
	uint32_t at = conn->out_tail % XS_OUT_SIZE;
	uint32_t first = len < XS_OUT_SIZE - at ? len : XS_OUT_SIZE - at;

	memcpy(conn->out + at, data, first);
	memcpy(conn->out, (const char *)data + first, len - first);
	conn->out_tail += len;
}

/* What the guest calls a path when it watched it by a relative name. */
static struct xs_path as_watched(const struct xs_watch *watch, struct xs_path path)
{
	char home[XS_HOME_MAX];
	uint32_t n = xs_home(watch->peer->domid, home);

	if (!watch->relative || path.len < n)
		return path;
	if (path.len > n)
		n++; /* the slash */
	return (struct xs_path){path.s + n, path.len - n};
}

static bool queue_event(struct xs_peer *peer, struct xs_watch *watch, struct xs_path path)
{
	struct xs_conn *conn = (struct xs_conn *)peer;
	struct xs_path name = as_watched(watch, path);
	uint32_t token_size = strlen(watch->token) + 1;
	struct xsd_sockmsg hdr = {.type = XS_WATCH_EVENT, .len = name.len + 1 + token_size};

	if (hdr.len > XENSTORE_PAYLOAD_MAX)
		return true; /* xenstored drops these too */
	/* The reply to the request being carried out must still fit. */
	if (out_free(conn) < sizeof(hdr) + hdr.len + XS_MSG_MAX) {
		watch->overflow = true;
		return false;
	}
	out_add(conn, &hdr, sizeof(hdr));
	out_add(conn, name.s, name.len);
	out_add(conn, "", 1);
	out_add(conn, watch->token, token_size);
	return true;
}

static void queue_lost_events(struct xs_conn *conn)
{
	for (struct xs_watch *watch = conn->peer.watches; watch; watch = watch->next) {
		if (!watch->overflow)
			continue;
		watch->overflow = false;
		if (!queue_event(&conn->peer, watch,
				 (struct xs_path){watch->path, watch->path_len}))
			return;
	}
}

static unsigned fail(struct xs_conn *conn, uint32_t error)
{
	conn->dead = true;
	__atomic_store_n(&conn->ring->error, error, __ATOMIC_RELEASE);
	return XS_NOTIFY;
}

/* Moves as much of the queue to the ring as there is room for. */
static unsigned push(struct xs_conn *conn)
{
	struct xenstore_domain_interface *ring = conn->ring;
	uint32_t used = conn->rsp_prod - __atomic_load_n(&ring->rsp_cons, __ATOMIC_ACQUIRE);
	uint32_t left = conn->out_tail - conn->out_head, n;

	if (used > XENSTORE_RING_SIZE)
		return fail(conn, XENSTORE_ERROR_RINGIDX);
	n = left < XENSTORE_RING_SIZE - used ? left : XENSTORE_RING_SIZE - used;
	if (!n)
		return 0;
	for (uint32_t i = 0; i < n; i++)
		ring->rsp[MASK_XENSTORE_IDX(conn->rsp_prod + i)] =
		    conn->out[(conn->out_head + i) % XS_OUT_SIZE];
	conn->out_head += n;
	conn->rsp_prod += n;
	__atomic_store_n(&ring->rsp_prod, conn->rsp_prod, __ATOMIC_RELEASE);
	return XS_NOTIFY;
}

/* Takes up to `want` more bytes of the request from the ring. */
static unsigned pull(struct xs_conn *conn, uint32_t want)
{
	struct xenstore_domain_interface *ring = conn->ring;
	uint32_t there = __atomic_load_n(&ring->req_prod, __ATOMIC_ACQUIRE) - conn->req_cons;
	char *to = (char *)&conn->in + conn->in_len;

	if (there > XENSTORE_RING_SIZE)
		return fail(conn, XENSTORE_ERROR_RINGIDX);
	want = want < there ? want : there;
	if (!want)
		return 0;
	for (uint32_t i = 0; i < want; i++)
		to[i] = ring->req[MASK_XENSTORE_IDX(conn->req_cons + i)];
	conn->in_len += want;
	conn->req_cons += want;
	__atomic_store_n(&ring->req_cons, conn->req_cons, __ATOMIC_RELEASE);
	return XS_NOTIFY;
}

static bool complete(const struct xs_conn *conn)
{
	return conn->in_len >= sizeof(conn->in.hdr) &&
	       conn->in_len == sizeof(conn->in.hdr) + conn->in.hdr.len;
}

/* Receives what there is of the request in the making. */
static unsigned receive(struct xs_conn *conn)
{
	unsigned did = 0;

	if (conn->in_len < sizeof(conn->in.hdr))
		did |= pull(conn, sizeof(conn->in.hdr) - conn->in_len);
	if (conn->dead || conn->in_len < sizeof(conn->in.hdr))
		return did;
	if (conn->in.hdr.len > XENSTORE_PAYLOAD_MAX)
		return did | fail(conn, XENSTORE_ERROR_PROTO);
	return did | pull(conn, sizeof(conn->in.hdr) + conn->in.hdr.len - conn->in_len);
}

static void answer(struct xs_conn *conn)
{
	struct xs_watch *watch = xs_request(conn);

	out_add(conn, &conn->reply, sizeof(conn->reply.hdr) + conn->reply.hdr.len);
	conn->in_len = 0;
	if (watch)
		xs_watch_event(watch, (struct xs_path){watch->path, watch->path_len});
}

static void forget(struct xs_conn *conn)
{
	while (conn->peer.txns)
		xs_txn_close(&conn->peer, conn->peer.txns, false);
	xs_watch_remove_all(&conn->peer);
	conn->in_len = 0;
	conn->out_head = conn->out_tail = 0;
	conn->req_cons = conn->rsp_prod = 0;
	conn->dead = false;
}

/* xenstore-ring.txt: the guest sets "connection" to 1, the server starts afresh and sets it to 0. */
static unsigned reconnect(struct xs_conn *conn)
{
	struct xenstore_domain_interface *ring = conn->ring;

	forget(conn);
	ring->req_cons = ring->req_prod = ring->rsp_cons = ring->rsp_prod = 0;
	ring->error = XENSTORE_ERROR_NONE;
	__atomic_store_n(&ring->connection, XENSTORE_CONNECTED, __ATOMIC_RELEASE);
	return XS_NOTIFY;
}

unsigned xs_service(struct xs_conn *conn)
{
	unsigned did = 0, n = 0;

	if (__atomic_load_n(&conn->ring->connection, __ATOMIC_ACQUIRE) == XENSTORE_RECONNECT)
		did |= reconnect(conn);
	for (; !conn->dead && n < BATCH; n++) {
		did |= push(conn);
		if (conn->dead || out_free(conn) < XS_MSG_MAX)
			break;
		did |= receive(conn);
		if (conn->dead || !complete(conn))
			break;
		answer(conn);
	}
	xs_deliver(conn->peer.store);
	if (conn->dead)
		return did;
	queue_lost_events(conn);
	did |= push(conn);
	return n == BATCH ? did | XS_MORE : did;
}

struct xs_conn *xs_conn_open(struct xs_store *store, domid_t domid,
			     struct xenstore_domain_interface *ring)
{
	struct xs_conn *conn = xs_alloc(store, sizeof(*conn));

	if (!conn)
		return NULL;
	memset(conn, 0, sizeof(*conn));
	conn->peer = (struct xs_peer){
	    .store = store, .domid = domid, .event = queue_event, .next = store->peers};
	store->peers = &conn->peer;
	conn->ring = ring;
	ring->server_features =
	    XENSTORE_SERVER_FEATURE_RECONNECTION | XENSTORE_SERVER_FEATURE_ERROR;
	return conn;
}

void xs_conn_close(struct xs_conn *conn)
{
	struct xs_store *store = conn->peer.store;
	struct xs_peer **link = &store->peers;

	forget(conn);
	while (*link != &conn->peer)
		link = &(*link)->next;
	*link = conn->peer.next;
	xs_free(store, conn);
}
