/* SPDX-License-Identifier: MIT */
/* The store's memory, its node records and the table of current ones. */
#include "core/xenstore_int.h"

/* Each block carries its size in front, so that the store knows how much it holds. */
#define HEAD 16

void *xs_alloc(struct xs_store *store, size_t size)
{
	size_t *block = store->mem.alloc(store->mem.ctx, HEAD + size);

	if (!block)
		return NULL;
	*block = HEAD + size;
	store->bytes += HEAD + size;
	return (char *)block + HEAD;
}

void xs_free(struct xs_store *store, void *p)
{
	size_t *block;

	if (!p)
		return;
	block = (size_t *)((char *)p - HEAD);
	store->bytes -= *block;
	store->mem.free(store->mem.ctx, block);
}

/* FNV-1a. */
uint32_t xs_hash(struct xs_path path)
{
	uint32_t hash = 2166136261u;

	for (uint32_t i = 0; i < path.len; i++)
		hash = (hash ^ (uint8_t)path.s[i]) * 16777619u;
	return hash;
}

struct xs_path xs_parent(struct xs_path path)
{
	if (path.len <= 1 || path.s[0] != '/')
		return (struct xs_path){path.s, 0};
	while (path.s[path.len - 1] != '/')
		path.len--;
	if (path.len > 1)
		path.len--;
	return path;
}

static bool path_char(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       c == '-' || c == '/' || c == '_' || c == '@';
}

/* How much of the path is "/local/domain/<number>/", which does not count against the limit on relative paths. */
static uint32_t home_prefix(struct xs_path path)
{
	static const char prefix[] = "/local/domain/";
	uint32_t n = sizeof(prefix) - 1, digits = 0;

	if (path.len < n || memcmp(path.s, prefix, n))
		return 0;
	while (n + digits < path.len && digits < 5 && path.s[n + digits] >= '0' &&
	       path.s[n + digits] <= '9')
		digits++;
	n += digits;
	return digits && n < path.len && path.s[n] == '/' ? n + 1 : 0;
}

bool xs_path_valid(struct xs_path path)
{
	if (!path.len || (path.s[0] != '/' && path.s[0] != '@') || path.len > XENSTORE_ABS_PATH_MAX)
		return false;
	if (path.len - home_prefix(path) > XENSTORE_REL_PATH_MAX)
		return false;
	for (uint32_t i = 0; i < path.len; i++) {
		if (!path_char(path.s[i]) || (i && path.s[i] == '/' && path.s[i - 1] == '/'))
			return false;
	}
	return path.len == 1 ? path.s[0] == '/' : path.s[path.len - 1] != '/';
}

struct xs_node *xs_node_get(struct xs_node *node)
{
	if (node)
		node->refs++;
	return node;
}

void xs_node_put(struct xs_store *store, struct xs_node *node)
{
	if (node && --node->refs == 0)
		xs_free(store, node);
}

struct xs_node *xs_node_make(struct xs_store *store, struct xs_path path,
			     const struct xs_perm *perms, unsigned nr_perms, uint32_t value_len,
			     uint32_t children_len)
{
	struct xs_node *node =
	    xs_alloc(store, sizeof(*node) + path.len + 1 + value_len + children_len);

	if (!node)
		return NULL;
	memset(node, 0, sizeof(*node));
	node->refs = 1;
	node->hash = xs_hash(path);
	node->path_len = path.len;
	node->value_len = value_len;
	node->children_len = children_len;
	node->nr_perms = nr_perms;
	if (nr_perms)
		memcpy(node->perms, perms, nr_perms * sizeof(*perms));
	memcpy(node->path, path.s, path.len);
	node->path[path.len] = '\0';
	return node;
}

struct xs_node *xs_node_absent(struct xs_store *store, struct xs_path path)
{
	struct xs_node *node = xs_node_make(store, path, NULL, 0, 0, 0);

	if (node)
		node->absent = true;
	return node;
}

struct xs_node *xs_table_find(struct xs_store *store, struct xs_path path)
{
	uint32_t hash = xs_hash(path);
	struct xs_node *node = store->bucket[hash % XS_BUCKETS];

	while (node && !(node->hash == hash && node->path_len == path.len &&
			 !memcmp(node->path, path.s, path.len)))
		node = node->next;
	return node;
}

/* Replaces `old` (in the table, or NULL) by `new` (NULL to remove); the table drops and takes a reference. */
void xs_table_set(struct xs_store *store, struct xs_node *old, struct xs_node *new)
{
	struct xs_node **link = &store->bucket[(old ? old : new)->hash % XS_BUCKETS];

	store->guest_nodes += xs_guest_owned(new) - xs_guest_owned(old);
	if (old) {
		while (*link != old)
			link = &(*link)->next;
		*link = old->next;
	}
	if (new) {
		new->generation = ++store->generation;
		new->next = *link;
		*link = xs_node_get(new);
	}
	xs_node_put(store, old);
}
