/* SPDX-License-Identifier: MIT */
/*
 * Inside the store: what xenstore*.c and xs_wire.c share.
 *
 * Nodes are immutable records with a reference count. The store's table holds the current record of each path; a change
 * builds a new record. Every operation works in a transaction, an ordered list of changes over the table: a request without a
 * transaction id gets one of its own, committed at once. So nothing is ever half done, and a commit allocates nothing.
 */
#pragma once

#include "core/string.h"
#include "core/xenstore.h"

struct xs_node {
	struct xs_node *next; /* in the store's bucket */
	uint32_t refs;
	uint32_t hash;
	uint64_t generation; /* counts changes of the whole store; fixed at commit */
	uint32_t path_len;
	uint32_t value_len;
	uint32_t children_len;
	uint16_t nr_perms;
	bool absent; /* "nothing is there", recorded by a transaction */
	struct xs_perm perms[XS_PERMS_MAX];
	char path
	    []; /* NUL-terminated; then the value, then the children's names, each NUL-terminated */
};

static inline const char *xs_node_value(const struct xs_node *node)
{
	return node->path + node->path_len + 1;
}

static inline const char *xs_node_children(const struct xs_node *node)
{
	return xs_node_value(node) + node->value_len;
}

/* 1 when the node counts against the guest's quota, else 0. */
static inline int xs_guest_owned(const struct xs_node *node)
{
	return node && !node->absent && node->perms[0].domid != 0;
}

/* A path that need not be NUL-terminated. */
struct xs_path {
	const char *s;
	uint32_t len;
};

enum xs_fire { XS_FIRE_NONE, XS_FIRE_EXACT, XS_FIRE_SUBTREE };

struct xs_change {
	struct xs_change *next;
	struct xs_node *base; /* what the table held when the transaction first looked */
	struct xs_node *now;  /* what the transaction sees */
	struct xs_change *doomed_next;
	struct xs_node *doomed; /* a removed node whose children are still to be removed */
	bool modified;
	enum xs_fire fire;
};

struct xs_txn {
	struct xs_txn *next;
	struct xs_peer *peer;
	uint32_t id; /* 0: a request's own */
	struct xs_change *changes, **end;
	unsigned nr_changes;
	int guest_nodes; /* how many more than the table has */
	bool failed; /* an operation in it broke half-way for lack of memory: it cannot commit */
};

struct xs_watch {
	struct xs_watch *next;
	struct xs_peer *peer;
	bool relative;
	bool overflow; /* an event was lost: one for the watched path is due */
	xs_watch_fn fn;
	void *ctx;
	uint32_t path_len;
	const char *token;
	char path[];
};

/* An event for a local watch. */
struct xs_event {
	struct xs_event *next;
	struct xs_watch *watch;
	char path[];
};

/* One who uses the store: the guest's connection or domain 0. */
struct xs_peer {
	struct xs_peer *next;
	struct xs_store *store;
	domid_t domid;
	struct xs_watch *watches;
	unsigned nr_watches;
	struct xs_txn *txns;
	unsigned nr_txns;
	uint32_t last_txn_id;
	/* Queues an event; false when there is no room, and watch->overflow is then set. `path` is absolute. */
	bool (*event)(struct xs_peer *peer, struct xs_watch *watch, struct xs_path path);
};

static inline bool xs_privileged(const struct xs_peer *peer)
{
	return peer->domid == 0;
}

/* xenstore_node.c: memory, records and the table. */
void *xs_alloc(struct xs_store *store, size_t size);
void xs_free(struct xs_store *store, void *p);
uint32_t xs_hash(struct xs_path path);
struct xs_path xs_parent(struct xs_path path); /* of "/" and of a special node: empty */
bool xs_path_valid(struct xs_path path);
struct xs_node *xs_node_get(struct xs_node *node); /* takes a reference */
void xs_node_put(struct xs_store *store, struct xs_node *node);
struct xs_node *xs_node_make(struct xs_store *store, struct xs_path path,
			     const struct xs_perm *perms, unsigned nr_perms, uint32_t value_len,
			     uint32_t children_len);
struct xs_node *xs_node_absent(struct xs_store *store, struct xs_path path);
struct xs_node *xs_table_find(struct xs_store *store, struct xs_path path);
void xs_table_set(struct xs_store *store, struct xs_node *old, struct xs_node *new);

/* xenstore_txn.c: get gives NULL for a path that holds nothing. put consumes the record, whatever the result. */
void xs_txn_begin(struct xs_txn *txn, struct xs_peer *peer, uint32_t id);
int xs_txn_get(struct xs_txn *txn, struct xs_path path, const struct xs_node **node);
int xs_txn_put(struct xs_txn *txn, struct xs_node *node);
int xs_txn_remove(struct xs_txn *txn, struct xs_path path);
void xs_txn_fire(struct xs_txn *txn, struct xs_path path, enum xs_fire fire);
int xs_txn_commit(struct xs_txn *txn); /* ends it, whatever the result */
void xs_txn_abort(struct xs_txn *txn);
int xs_txn_open(struct xs_peer *peer, uint32_t *id);
struct xs_txn *xs_txn_lookup(struct xs_peer *peer, uint32_t id);
int xs_txn_close(struct xs_peer *peer, struct xs_txn *txn, bool commit);

/* xenstore_ops.c: what the requests mean. Paths are absolute and valid. */
int xs_access(struct xs_txn *txn, struct xs_path path, unsigned need, const struct xs_node **node);
unsigned xs_rights(const struct xs_peer *peer, const struct xs_node *node);
int xs_write(struct xs_txn *txn, struct xs_path path, const void *value, uint32_t len);
int xs_mkdir(struct xs_txn *txn, struct xs_path path);
int xs_rm(struct xs_txn *txn, struct xs_path path);
int xs_set_perms(struct xs_txn *txn, struct xs_path path, const struct xs_perm *perms, unsigned nr);

/* xenstore_watch.c */
int xs_watch_add(struct xs_peer *peer, struct xs_path path, bool relative, const char *token,
		 struct xs_watch **watch);
int xs_watch_remove(struct xs_peer *peer, struct xs_path path, const char *token);
void xs_watch_drop(struct xs_watch *watch);
void xs_watch_remove_all(struct xs_peer *peer);
void xs_watch_fire(struct xs_store *store, struct xs_change *change);
bool xs_watch_event(struct xs_watch *watch, struct xs_path path);
/* "/local/domain/<domid>", into buf of XS_HOME_MAX bytes; returns its length. */
#define XS_HOME_MAX 32
uint32_t xs_home(domid_t domid, char *buf);
