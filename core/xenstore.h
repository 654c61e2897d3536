/* SPDX-License-Identifier: MIT */
/*
 * The xenstore of one guest: a tree of small values with permissions, watches and transactions, as xenstored keeps it.
 *
 * The guest talks to it over its ring (core/xs_wire.h); the adapter's back ends use the xs_local_* functions here, with
 * the rights of domain 0. Both see each other's changes and each other's watches fire.
 *
 * Not thread-safe: every function of this header and of xs_wire.h runs under one lock of the caller's. Memory comes from
 * the caller's allocator. What the guest can make the store hold is bounded by struct xs_quota; domain 0 is bounded by the
 * allocator alone. Errors are negative XEN_E* numbers; a call that fails has changed nothing.
 *
 * Source: Xen's docs/misc/xenstore.txt and xenstore-ring.txt, <xen/io/xs_wire.h>, and how xenstored 4.17 behaves where
 * they are silent (error precedence, which watches fire, what conflicts).
 */
#pragma once

#include <stdbool.h>

#include "core/xen_abi.h"
#include <xen/io/xs_wire.h>

/* Where the store's memory comes from. alloc returns NULL when there is none, else 16-byte aligned memory. */
struct xs_mem {
	void *(*alloc)(void *ctx, size_t size);
	void (*free)(void *ctx, void *p);
	void *ctx;
};

/* Limits on the guest, in xenstored's terms. */
struct xs_quota {
	unsigned nodes;      /* that the guest owns */
	unsigned entry_size; /* bytes: 24 + 8 for each permission + value + the children's names */
	unsigned watches;    /* registered at one time */
	unsigned transactions; /* open at one time */
	unsigned tx_nodes;     /* touched in one transaction */
	unsigned perms;        /* for one node, at most XS_PERMS_MAX */
	size_t bytes; /* of the allocator's memory, before the guest's requests are refused */
};

/* xenstored's defaults: 1000, 2048, 128, 10, 1024, 5, and 1 MiB. */
struct xs_quota xs_quota_default(void);

enum {
	XS_PERM_NONE = 0,
	XS_PERM_READ = 1,
	XS_PERM_WRITE = 2,
	XS_PERM_OWNER = 4, /* never stored */
	XS_PERMS_MAX = 5,
};

/* The first of a node's permissions names its owner and what everybody else may do; the others name one domain each. */
struct xs_perm {
	domid_t domid;
	uint16_t bits;
};

struct xs_node;
struct xs_txn;
struct xs_watch;
struct xs_event;
struct xs_peer;

#define XS_BUCKETS 256

struct xs_store {
	struct xs_mem mem;
	struct xs_quota quota;
	size_t bytes; /* allocated now */
	struct xs_node *bucket[XS_BUCKETS];
	uint64_t generation;
	unsigned guest_nodes; /* owned by a domain other than 0 */
	struct xs_peer *peers;
	struct xs_peer *local;                 /* domain 0 */
	struct xs_event *events, **events_end; /* for local watches, until xs_deliver() */
	bool delivering;
	char scratch[XENSTORE_ABS_PATH_MAX + 1]; /* a path in the making: stacks are small */
};

/* Makes the empty store: "/", "/tool", "/local", "/local/domain" and the special nodes. 0 or -XEN_ENOMEM. */
int xs_store_init(struct xs_store *store, const struct xs_mem *mem, const struct xs_quota *quota);
/* Gives all memory back. Connections must be closed before. */
void xs_store_destroy(struct xs_store *store);

/*
 * Domain 0's own access. Paths are absolute, NUL-terminated.
 *
 * write creates the node and its missing parents, which inherit permissions from above. read copies at most `size` bytes
 * and a NUL when there is room, and returns the value's length. rm takes the subtree; a node that is not there is fine.
 * After any of these, xs_service() pushes what became due to the guest.
 */
int xs_local_write(struct xs_store *store, const char *path, const void *value, size_t len);
int xs_local_write_str(struct xs_store *store, const char *path, const char *value);
int xs_local_write_uint(struct xs_store *store, const char *path, uint64_t value);
int xs_local_read(struct xs_store *store, const char *path, void *buf, size_t size);
/* A decimal number; -XEN_EINVAL when it is none or exceeds 64 bits. */
int xs_local_read_uint(struct xs_store *store, const char *path, uint64_t *value);
int xs_local_mkdir(struct xs_store *store, const char *path);
int xs_local_rm(struct xs_store *store, const char *path);
int xs_local_set_perms(struct xs_store *store, const char *path, const struct xs_perm *perms,
		       unsigned nr);
/* Copies the names of the children, each with its NUL, and returns their length; -XEN_E2BIG when `size` is too small. */
int xs_local_directory(struct xs_store *store, const char *path, char *buf, size_t size);
/* The name of the index-th child, cut to `size` - 1 bytes, with its NUL; returns its whole length. -XEN_ENOENT past the last. */
int xs_local_child(struct xs_store *store, const char *path, unsigned index, char *name,
		   size_t size);

/*
 * Called for a change at or below a watched path, and once at registration. Events are delivered after the change, never
 * from within it, so the callback may use every xs_local_* function. When memory for an event is short it is replaced by
 * one for the watched path itself: something below has changed.
 */
typedef void (*xs_watch_fn)(void *ctx, const char *path);
int xs_local_watch(struct xs_store *store, const char *path, xs_watch_fn fn, void *ctx);
/* Removes it, and the events that wait for it. */
int xs_local_unwatch(struct xs_store *store, const char *path, xs_watch_fn fn, void *ctx);
/* Runs the callbacks that are due. xs_service() does this too; back ends call it after their own changes. */
void xs_deliver(struct xs_store *store);

/* Fires @introduceDomain or @releaseDomain. */
void xs_local_special(struct xs_store *store, const char *special);
