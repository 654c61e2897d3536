/* SPDX-License-Identifier: MIT */
/* The store's set-up, and domain 0's own access to it. */
#include "core/fmt.h"
#include "core/xenstore_int.h"

struct xs_quota xs_quota_default(void)
{
	return (struct xs_quota){
	    .nodes = 1000,
	    .entry_size = 2048,
	    .watches = 128,
	    .transactions = 10,
	    .tx_nodes = 1024,
	    .perms = XS_PERMS_MAX,
	    .bytes = 1024 * 1024,
	};
}

static struct xs_path path_of(const char *s)
{
	return (struct xs_path){s, strlen(s)};
}

static bool queue_local(struct xs_peer *peer, struct xs_watch *watch, struct xs_path path)
{
	struct xs_store *store = peer->store;
	struct xs_event *event = xs_alloc(store, sizeof(*event) + path.len + 1);

	if (!event) {
		watch->overflow = true;
		return false;
	}
	event->next = NULL;
	event->watch = watch;
	memcpy(event->path, path.s, path.len);
	event->path[path.len] = '\0';
	*store->events_end = event;
	store->events_end = &event->next;
	return true;
}

/* Nodes that exist without a parent having made them. */
static int make_root(struct xs_store *store, const char *path)
{
	struct xs_perm nobody = {.domid = 0, .bits = XS_PERM_NONE};
	struct xs_node *node = xs_node_make(store, path_of(path), &nobody, 1, 0, 0);

	if (!node)
		return -XEN_ENOMEM;
	xs_table_set(store, NULL, node);
	xs_node_put(store, node);
	return 0;
}

int xs_store_init(struct xs_store *store, const struct xs_mem *mem, const struct xs_quota *quota)
{
	static const char *const roots[] = {"/", "@introduceDomain", "@releaseDomain"};
	int rc = 0;

	memset(store, 0, sizeof(*store));
	store->mem = *mem;
	store->quota = *quota;
	store->events_end = &store->events;
	store->local = xs_alloc(store, sizeof(*store->local));
	if (!store->local)
		return -XEN_ENOMEM;
	*store->local = (struct xs_peer){.store = store, .domid = 0, .event = queue_local};
	store->peers = store->local;
	for (unsigned i = 0; !rc && i < sizeof(roots) / sizeof(roots[0]); i++)
		rc = make_root(store, roots[i]);
	rc = rc ? rc : xs_local_mkdir(store, "/tool");
	rc = rc ? rc : xs_local_mkdir(store, "/local/domain");
	if (rc)
		xs_store_destroy(store);
	return rc;
}

static void drop_events(struct xs_store *store, const struct xs_watch *watch)
{
	struct xs_event **link = &store->events;

	while (*link) {
		struct xs_event *event = *link;

		if (watch && event->watch != watch) {
			link = &event->next;
			continue;
		}
		*link = event->next;
		xs_free(store, event);
	}
	store->events_end = link;
}

void xs_store_destroy(struct xs_store *store)
{
	drop_events(store, NULL);
	if (store->local)
		xs_watch_remove_all(store->local);
	for (unsigned i = 0; i < XS_BUCKETS; i++) {
		while (store->bucket[i]) {
			struct xs_node *node = store->bucket[i];

			store->bucket[i] = node->next;
			xs_node_put(store, node);
		}
	}
	xs_free(store, store->local);
	store->local = store->peers = NULL;
}

static int end(struct xs_txn *txn, int rc)
{
	if (!rc)
		return xs_txn_commit(txn);
	xs_txn_abort(txn);
	return rc;
}

int xs_local_write(struct xs_store *store, const char *path, const void *value, size_t len)
{
	struct xs_txn txn;

	if (!xs_path_valid(path_of(path)) || len > XENSTORE_PAYLOAD_MAX)
		return -XEN_EINVAL;
	xs_txn_begin(&txn, store->local, 0);
	return end(&txn, xs_write(&txn, path_of(path), value, len));
}

int xs_local_write_str(struct xs_store *store, const char *path, const char *value)
{
	return xs_local_write(store, path, value, strlen(value));
}

int xs_local_write_uint(struct xs_store *store, const char *path, uint64_t value)
{
	char text[24];

	return xs_local_write(store, path, text,
			      fmt(text, sizeof(text), "%llu", (unsigned long long)value));
}

int xs_local_mkdir(struct xs_store *store, const char *path)
{
	struct xs_txn txn;

	if (!xs_path_valid(path_of(path)))
		return -XEN_EINVAL;
	xs_txn_begin(&txn, store->local, 0);
	return end(&txn, xs_mkdir(&txn, path_of(path)));
}

int xs_local_rm(struct xs_store *store, const char *path)
{
	struct xs_txn txn;
	int rc;

	if (!xs_path_valid(path_of(path)))
		return -XEN_EINVAL;
	xs_txn_begin(&txn, store->local, 0);
	rc = end(&txn, xs_rm(&txn, path_of(path)));
	return rc == -XEN_ENOENT ? 0 : rc;
}

int xs_local_set_perms(struct xs_store *store, const char *path, const struct xs_perm *perms,
		       unsigned nr)
{
	struct xs_txn txn;

	if (!xs_path_valid(path_of(path)) || !nr || nr > XS_PERMS_MAX)
		return -XEN_EINVAL;
	xs_txn_begin(&txn, store->local, 0);
	return end(&txn, xs_set_perms(&txn, path_of(path), perms, nr));
}

int xs_local_read(struct xs_store *store, const char *path, void *buf, size_t size)
{
	const struct xs_node *node = xs_table_find(store, path_of(path));
	size_t n;

	if (!node)
		return -XEN_ENOENT;
	n = node->value_len < size ? node->value_len : size;
	if (n)
		memcpy(buf, xs_node_value(node), n);
	if (n < size)
		((char *)buf)[n] = '\0';
	return node->value_len;
}

int xs_local_read_uint(struct xs_store *store, const char *path, uint64_t *value)
{
	char text[24];
	int n = xs_local_read(store, path, text, sizeof(text));
	uint64_t sum = 0;

	if (n < 0)
		return n;
	if (n == 0 || n > 20)
		return -XEN_EINVAL;
	for (int i = 0; i < n; i++) {
		if (text[i] < '0' || text[i] > '9' || __builtin_mul_overflow(sum, 10, &sum) ||
		    __builtin_add_overflow(sum, text[i] - '0', &sum))
			return -XEN_EINVAL;
	}
	*value = sum;
	return 0;
}

int xs_local_directory(struct xs_store *store, const char *path, char *buf, size_t size)
{
	const struct xs_node *node = xs_table_find(store, path_of(path));

	if (!node)
		return -XEN_ENOENT;
	if (node->children_len > size)
		return -XEN_E2BIG;
	memcpy(buf, xs_node_children(node), node->children_len);
	return node->children_len;
}

int xs_local_child(struct xs_store *store, const char *path, unsigned index, char *name,
		   size_t size)
{
	const struct xs_node *node = xs_table_find(store, path_of(path));
	const char *at = node ? xs_node_children(node) : NULL,
		   *end = node ? at + node->children_len : NULL;

	while (at < end && index--)
		at += strlen(at) + 1;
	if (at == end)
		return -XEN_ENOENT;
	return (int)fmt(name, size, "%s", at);
}

int xs_local_watch(struct xs_store *store, const char *path, xs_watch_fn fn, void *ctx)
{
	struct xs_watch *watch;
	int rc;

	if (!xs_path_valid(path_of(path)))
		return -XEN_EINVAL;
	rc = xs_watch_add(store->local, path_of(path), false, "", &watch);
	if (rc)
		return rc;
	watch->fn = fn;
	watch->ctx = ctx;
	xs_watch_event(watch, path_of(path));
	return 0;
}

int xs_local_unwatch(struct xs_store *store, const char *path, xs_watch_fn fn, void *ctx)
{
	for (struct xs_watch *watch = store->local->watches; watch; watch = watch->next) {
		if (!strcmp(watch->path, path) && watch->fn == fn && watch->ctx == ctx) {
			drop_events(store, watch);
			xs_watch_drop(watch);
			return 0;
		}
	}
	return -XEN_ENOENT;
}

/* Turns one lost event into one for the watched path; false when there is none. */
static bool recover(struct xs_store *store)
{
	for (struct xs_watch *watch = store->local->watches; watch; watch = watch->next) {
		if (watch->overflow) {
			watch->overflow = false;
			return queue_local(store->local, watch,
					   (struct xs_path){watch->path, watch->path_len});
		}
	}
	return false;
}

void xs_deliver(struct xs_store *store)
{
	if (store->delivering)
		return; /* called from a callback: the outer call goes on */
	store->delivering = true;
	while (store->events || recover(store)) {
		struct xs_event *event = store->events;

		store->events = event->next;
		if (!store->events)
			store->events_end = &store->events;
		event->watch->fn(event->watch->ctx, event->path);
		xs_free(store, event);
	}
	store->delivering = false;
}

void xs_local_special(struct xs_store *store, const char *special)
{
	struct xs_node *node = xs_table_find(store, path_of(special));
	struct xs_change change = {.base = node, .now = node, .fire = XS_FIRE_EXACT};

	if (node)
		xs_watch_fire(store, &change);
}
