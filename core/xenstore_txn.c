/* SPDX-License-Identifier: MIT */
/*
 * Transactions. As in xenstored, a transaction conflicts when any node that it read or wrote, or found missing, is no longer
 * what it was when the transaction first looked.
 */
#include "core/xenstore_int.h"

/* Bookkeeping may exceed the guest's share by this much, so that a guest at its limit can still remove nodes. */
#define SLACK (128 * 1024)

void xs_txn_begin(struct xs_txn *txn, struct xs_peer *peer, uint32_t id)
{
	*txn = (struct xs_txn){.peer = peer, .id = id};
	txn->end = &txn->changes;
}

static bool over(const struct xs_txn *txn, size_t slack)
{
	const struct xs_store *store = txn->peer->store;

	return !xs_privileged(txn->peer) && store->bytes > store->quota.bytes + slack;
}

static struct xs_change *find(struct xs_txn *txn, struct xs_path path)
{
	uint32_t hash = xs_hash(path);
	struct xs_change *change = txn->changes;

	while (change && !(change->now->hash == hash && change->now->path_len == path.len &&
			   !memcmp(change->now->path, path.s, path.len)))
		change = change->next;
	return change;
}

/* The transaction's view of one path: the record that it found there first. */
static int touch(struct xs_txn *txn, struct xs_path path, struct xs_change **out)
{
	struct xs_store *store = txn->peer->store;
	struct xs_change *change = find(txn, path);

	*out = change;
	if (change)
		return 0;
	if (txn->id && !xs_privileged(txn->peer) && txn->nr_changes >= store->quota.tx_nodes)
		return -XEN_ENOSPC;
	change = over(txn, SLACK) ? NULL : xs_alloc(store, sizeof(*change));
	if (!change)
		return -XEN_ENOMEM;
	*change = (struct xs_change){.base = xs_node_get(xs_table_find(store, path))};
	change->now = change->base ? xs_node_get(change->base) : xs_node_absent(store, path);
	if (!change->now) {
		xs_free(store, change);
		return -XEN_ENOMEM;
	}
	*txn->end = change;
	txn->end = &change->next;
	txn->nr_changes++;
	*out = change;
	return 0;
}

int xs_txn_get(struct xs_txn *txn, struct xs_path path, const struct xs_node **node)
{
	struct xs_change *change = find(txn, path);
	int rc;

	/* A request's own transaction cannot conflict: what it only reads need not be remembered. */
	if (!change && !txn->id) {
		*node = xs_table_find(txn->peer->store, path);
		return 0;
	}
	rc = touch(txn, path, &change);
	if (rc)
		return rc;
	*node = change->now->absent ? NULL : change->now;
	return 0;
}

static void replace(struct xs_txn *txn, struct xs_change *change, struct xs_node *node)
{
	txn->guest_nodes += xs_guest_owned(node) - xs_guest_owned(change->now);
	xs_node_put(txn->peer->store, change->now);
	change->now = node;
	change->modified = true;
}

static bool too_many(const struct xs_txn *txn, const struct xs_change *change,
		     const struct xs_node *node)
{
	const struct xs_store *store = txn->peer->store;

	return xs_guest_owned(node) > xs_guest_owned(change->now) &&
	       (int)store->guest_nodes + txn->guest_nodes >= (int)store->quota.nodes;
}

static uint32_t entry_size(const struct xs_node *node)
{
	return 24 + 8 * node->nr_perms + node->value_len + node->children_len;
}

/* The guest's limits bind where it adds, so that it can always remove. */
static int limits(const struct xs_txn *txn, const struct xs_change *change,
		  const struct xs_node *node)
{
	bool grows = change->now->absent || entry_size(node) > entry_size(change->now);

	if (xs_privileged(txn->peer))
		return 0;
	if (grows && entry_size(node) >= txn->peer->store->quota.entry_size)
		return -XEN_ENOSPC;
	if (too_many(txn, change, node))
		return -XEN_ENOSPC;
	return over(txn, grows ? 0 : SLACK) ? -XEN_ENOMEM : 0;
}

int xs_txn_put(struct xs_txn *txn, struct xs_node *node)
{
	struct xs_path path = {node->path, node->path_len};
	struct xs_change *change;
	int rc = touch(txn, path, &change);

	if (!rc)
		rc = limits(txn, change, node);
	if (rc)
		xs_node_put(txn->peer->store, node);
	else
		replace(txn, change, node);
	return rc;
}

/* Removes one node and leaves its record on the doomed list, for the caller to remove the children. */
static int doom(struct xs_txn *txn, struct xs_path path, struct xs_change **doomed)
{
	struct xs_change *change;
	struct xs_node *absent;
	int rc = touch(txn, path, &change);

	if (rc || change->now->absent)
		return rc;
	absent = xs_node_absent(txn->peer->store, path);
	if (!absent)
		return -XEN_ENOMEM;
	change->doomed = xs_node_get(change->now);
	change->doomed_next = *doomed;
	*doomed = change;
	replace(txn, change, absent);
	if (change->fire == XS_FIRE_NONE)
		change->fire = XS_FIRE_EXACT;
	return 0;
}

static int doom_children(struct xs_txn *txn, const struct xs_node *node, struct xs_change **doomed)
{
	const char *name = xs_node_children(node), *end = name + node->children_len;
	char *path = txn->peer->store->scratch;
	uint32_t len = node->path_len == 1 ? 0 : node->path_len;
	int rc = 0;

	memcpy(path, node->path, len);
	path[len++] = '/';
	for (; !rc && name < end; name += strlen(name) + 1) {
		uint32_t n = strlen(name);

		memcpy(path + len, name, n);
		rc = doom(txn, (struct xs_path){path, len + n}, doomed);
	}
	return rc;
}

int xs_txn_remove(struct xs_txn *txn, struct xs_path path)
{
	struct xs_change *doomed = NULL;
	int rc = doom(txn, path, &doomed);

	while (doomed) {
		struct xs_change *change = doomed;
		struct xs_node *node = change->doomed;

		doomed = change->doomed_next;
		change->doomed = NULL;
		if (!rc)
			rc = doom_children(txn, node, &doomed);
		xs_node_put(txn->peer->store, node);
	}
	return rc;
}

void xs_txn_fire(struct xs_txn *txn, struct xs_path path, enum xs_fire fire)
{
	struct xs_change *change = find(txn, path);

	if (change)
		change->fire = fire;
}

static void release(struct xs_txn *txn)
{
	struct xs_store *store = txn->peer->store;

	while (txn->changes) {
		struct xs_change *change = txn->changes;

		txn->changes = change->next;
		xs_node_put(store, change->base);
		xs_node_put(store, change->now);
		xs_free(store, change);
	}
}

void xs_txn_abort(struct xs_txn *txn)
{
	release(txn);
}

static int check(const struct xs_txn *txn)
{
	struct xs_store *store = txn->peer->store;

	if (txn->failed)
		return -XEN_ENOMEM;
	for (struct xs_change *change = txn->changes; change; change = change->next) {
		struct xs_path path = {change->now->path, change->now->path_len};

		if (xs_table_find(store, path) != change->base)
			return -XEN_EAGAIN;
	}
	if (!xs_privileged(txn->peer) && txn->guest_nodes > 0 &&
	    (int)store->guest_nodes + txn->guest_nodes > (int)store->quota.nodes)
		return -XEN_ENOSPC;
	return 0;
}

int xs_txn_commit(struct xs_txn *txn)
{
	struct xs_store *store = txn->peer->store;
	int rc = check(txn);

	for (struct xs_change *change = rc ? NULL : txn->changes; change; change = change->next) {
		struct xs_node *now = change->now->absent ? NULL : change->now;

		if (!change->modified || change->base == now)
			continue;
		xs_table_set(store, change->base, now);
	}
	for (struct xs_change *change = rc ? NULL : txn->changes; change; change = change->next)
		if (change->fire != XS_FIRE_NONE)
			xs_watch_fire(store, change);
	release(txn);
	return rc;
}

struct xs_txn *xs_txn_lookup(struct xs_peer *peer, uint32_t id)
{
	struct xs_txn *txn = peer->txns;

	while (txn && txn->id != id)
		txn = txn->next;
	return txn;
}

int xs_txn_open(struct xs_peer *peer, uint32_t *id)
{
	struct xs_store *store = peer->store;
	struct xs_txn *txn;

	if (!xs_privileged(peer) && peer->nr_txns >= store->quota.transactions)
		return -XEN_ENOSPC;
	txn = xs_alloc(store, sizeof(*txn));
	if (!txn)
		return -XEN_ENOMEM;
	do
		peer->last_txn_id++;
	while (!peer->last_txn_id || xs_txn_lookup(peer, peer->last_txn_id));
	xs_txn_begin(txn, peer, peer->last_txn_id);
	txn->next = peer->txns;
	peer->txns = txn;
	peer->nr_txns++;
	*id = txn->id;
	return 0;
}

int xs_txn_close(struct xs_peer *peer, struct xs_txn *txn, bool commit)
{
	struct xs_txn **link = &peer->txns;
	int rc = 0;

	while (*link != txn)
		link = &(*link)->next;
	*link = txn->next;
	peer->nr_txns--;
	if (commit)
		rc = xs_txn_commit(txn);
	else
		xs_txn_abort(txn);
	xs_free(peer->store, txn);
	return rc;
}
