/* SPDX-License-Identifier: MIT */
/* Watches: who is told about which change. */
#include "core/fmt.h"
#include "core/xenstore_int.h"

uint32_t xs_home(domid_t domid, char *buf)
{
	return fmt(buf, XS_HOME_MAX, "/local/domain/%u", domid);
}

static bool is_watch(const struct xs_watch *watch, struct xs_path path, const char *token)
{
	return watch->path_len == path.len && !memcmp(watch->path, path.s, path.len) &&
	       !strcmp(watch->token, token);
}

int xs_watch_add(struct xs_peer *peer, struct xs_path path, bool relative, const char *token,
		 struct xs_watch **out)
{
	struct xs_store *store = peer->store;
	size_t token_size = strlen(token) + 1;
	struct xs_watch *watch, **end = &peer->watches;
	bool guest = !xs_privileged(peer);

	for (; *end; end = &(*end)->next)
		if (guest && is_watch(*end, path, token))
			return -XEN_EEXIST;
	if (guest && peer->nr_watches >= store->quota.watches)
		return -XEN_E2BIG;
	watch = guest && store->bytes > store->quota.bytes
		    ? NULL
		    : xs_alloc(store, sizeof(*watch) + path.len + 1 + token_size);
	if (!watch)
		return -XEN_ENOMEM;
	*watch = (struct xs_watch){.peer = peer, .relative = relative, .path_len = path.len};
	memcpy(watch->path, path.s, path.len);
	watch->path[path.len] = '\0';
	watch->token = memcpy(watch->path + path.len + 1, token, token_size);
	*end = watch;
	peer->nr_watches++;
	*out = watch;
	return 0;
}

void xs_watch_drop(struct xs_watch *watch)
{
	struct xs_watch **link = &watch->peer->watches;

	while (*link != watch)
		link = &(*link)->next;
	*link = watch->next;
	watch->peer->nr_watches--;
	xs_free(watch->peer->store, watch);
}

int xs_watch_remove(struct xs_peer *peer, struct xs_path path, const char *token)
{
	for (struct xs_watch *watch = peer->watches; watch; watch = watch->next) {
		if (is_watch(watch, path, token)) {
			xs_watch_drop(watch);
			return 0;
		}
	}
	return -XEN_ENOENT;
}

void xs_watch_remove_all(struct xs_peer *peer)
{
	while (peer->watches)
		xs_watch_drop(peer->watches);
}

bool xs_watch_event(struct xs_watch *watch, struct xs_path path)
{
	return watch->peer->event(watch->peer, watch, path);
}

static bool at_or_below(struct xs_path path, const struct xs_watch *watch)
{
	uint32_t n = watch->path_len == 1 ? 0 : watch->path_len;

	if (path.len < n || memcmp(path.s, watch->path, n))
		return false;
	return path.len == n || path.s[n] == '/';
}

static bool readable(const struct xs_peer *peer, const struct xs_node *node)
{
	return node && !node->absent && (xs_rights(peer, node) & XS_PERM_READ);
}

/* Who may read the node, before or after the change, or its parent is told. */
static bool permitted(const struct xs_peer *peer, const struct xs_change *change,
		      struct xs_path path)
{
	struct xs_path up = xs_parent(path);

	return readable(peer, change->base) || readable(peer, change->now) ||
	       (up.len && readable(peer, xs_table_find(peer->store, up)));
}

void xs_watch_fire(struct xs_store *store, struct xs_change *change)
{
	struct xs_path path = {change->now->path, change->now->path_len};

	for (struct xs_peer *peer = store->peers; peer; peer = peer->next) {
		if (!permitted(peer, change, path))
			continue;
		for (struct xs_watch *watch = peer->watches; watch; watch = watch->next) {
			bool exact = watch->path_len == path.len;

			if (at_or_below(path, watch) && (exact || change->fire == XS_FIRE_SUBTREE))
				xs_watch_event(watch, path);
		}
	}
}
