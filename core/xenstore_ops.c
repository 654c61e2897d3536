/* SPDX-License-Identifier: MIT */
/* What the requests mean for the tree: rights, creation, writing, removal. */
#include "core/xenstore_int.h"

unsigned xs_rights(const struct xs_peer *peer, const struct xs_node *node)
{
	if (xs_privileged(peer) || node->perms[0].domid == peer->domid)
		return XS_PERM_READ | XS_PERM_WRITE | XS_PERM_OWNER;
	for (unsigned i = 1; i < node->nr_perms; i++)
		if (node->perms[i].domid == peer->domid)
			return node->perms[i].bits;
	return node->perms[0].bits;
}

/* Who may not use the nearest existing parent is not told whether the node exists. */
static int access_error(struct xs_txn *txn, struct xs_path path, unsigned need, int error)
{
	const struct xs_node *node = NULL;
	int rc = 0;

	do {
		path = xs_parent(path);
		if (path.len)
			rc = xs_txn_get(txn, path, &node);
	} while (!rc && path.len && !node);
	if (rc)
		return rc;
	return node && (xs_rights(txn->peer, node) & need) ? error : -XEN_EACCES;
}

/* The node when it is there and all of `need` is granted; -XEN_ENOENT or -XEN_EACCES as xenstored chooses between them. */
int xs_access(struct xs_txn *txn, struct xs_path path, unsigned need, const struct xs_node **node)
{
	int rc = xs_txn_get(txn, path, node);

	if (rc)
		return rc;
	if (*node && (xs_rights(txn->peer, *node) & need) == need)
		return 0;
	return access_error(txn, path, need, *node ? -XEN_EACCES : -XEN_ENOENT);
}

/* A copy of `node` with room for other lengths; the caller fills in what differs. */
static struct xs_node *copy(struct xs_store *store, const struct xs_node *node, uint32_t value_len,
			    uint32_t children_len)
{
	struct xs_path path = {node->path, node->path_len};

	return xs_node_make(store, path, node->perms, node->nr_perms, value_len, children_len);
}

static char *value_of(struct xs_node *node)
{
	return (char *)xs_node_value(node);
}

static char *children_of(struct xs_node *node)
{
	return (char *)xs_node_children(node);
}

static struct xs_path leaf(struct xs_path path)
{
	uint32_t start = path.len;

	while (start && path.s[start - 1] != '/')
		start--;
	return (struct xs_path){path.s + start, path.len - start};
}

static int add_child(struct xs_txn *txn, const struct xs_node *parent, struct xs_path name)
{
	struct xs_node *node =
	    copy(txn->peer->store, parent, parent->value_len, parent->children_len + name.len + 1);

	if (!node)
		return -XEN_ENOMEM;
	memcpy(value_of(node), xs_node_value(parent), parent->value_len + parent->children_len);
	memcpy(children_of(node) + parent->children_len, name.s, name.len);
	children_of(node)[parent->children_len + name.len] = '\0';
	return xs_txn_put(txn, node);
}

/*
 * A transaction may remember the parent from before the child came. It cannot be committed then: what it sees need not make sense, only
 * do no harm.
 */
static int drop_child(struct xs_txn *txn, const struct xs_node *parent, struct xs_path name)
{
	const char *list = xs_node_children(parent), *at = list;
	const char *end = list + parent->children_len;
	struct xs_node *node;
	uint32_t before, after;

	while (at < end && (strlen(at) != name.len || memcmp(at, name.s, name.len)))
		at += strlen(at) + 1;
	if (at == end)
		return -XEN_EAGAIN;
	before = at - list;
	after = parent->children_len - before - name.len - 1;
	node = copy(txn->peer->store, parent, parent->value_len, before + after);
	if (!node)
		return -XEN_ENOMEM;
	memcpy(value_of(node), xs_node_value(parent), parent->value_len + before);
	memcpy(children_of(node) + before, at + name.len + 1, after);
	return xs_txn_put(txn, node);
}

/* Creates one node below an existing parent, whose permissions it inherits; but a guest owns what it creates. */
static int create_one(struct xs_txn *txn, struct xs_path path, const void *value, uint32_t len)
{
	struct xs_perm perms[XS_PERMS_MAX];
	const struct xs_node *parent;
	struct xs_node *node;
	unsigned nr;
	int rc = xs_txn_get(txn, xs_parent(path), &parent);

	if (rc)
		return rc;
	nr = parent->nr_perms;
	memcpy(perms, parent->perms, sizeof(perms));
	if (!xs_privileged(txn->peer))
		perms[0].domid = txn->peer->domid;
	node = xs_node_make(txn->peer->store, path, perms, nr, len, 0);
	if (!node)
		return -XEN_ENOMEM;
	if (len)
		memcpy(value_of(node), value, len);
	/* The node first: the parent's record may go away with the next change. */
	rc = xs_txn_put(txn, node);
	return rc ? rc : add_child(txn, parent, leaf(path));
}

/* The shortest prefix of `path`, below the prefix of length `from`, that is one component longer. */
static struct xs_path next_component(struct xs_path path, uint32_t from)
{
	uint32_t n = from == 1 ? 1 : from + 1;

	while (n < path.len && path.s[n] != '/')
		n++;
	return (struct xs_path){path.s, n};
}

static int create(struct xs_txn *txn, struct xs_path path, const void *value, uint32_t len)
{
	const struct xs_node *node = NULL;
	struct xs_path at = path;
	int rc = 0;

	if (path.s[0] != '/')
		return -XEN_ENOENT; /* special nodes are there or are not */
	while (!node) {
		at = xs_parent(at);
		rc = xs_txn_get(txn, at, &node);
		if (rc)
			return rc;
	}
	while (!rc && at.len < path.len) {
		at = next_component(path, at.len);
		if (at.len == path.len)
			rc = create_one(txn, at, value, len);
		else
			rc = create_one(txn, at, NULL, 0);
	}
	return rc;
}

/* An operation that stopped half-way must not be committed with the rest of a long transaction. */
static int finish(struct xs_txn *txn, struct xs_path path, int rc)
{
	if (rc)
		txn->failed = true;
	else
		xs_txn_fire(txn, path, XS_FIRE_SUBTREE);
	return rc;
}

int xs_write(struct xs_txn *txn, struct xs_path path, const void *value, uint32_t len)
{
	const struct xs_node *old;
	struct xs_node *node;
	int rc = xs_access(txn, path, XS_PERM_WRITE, &old);

	if (rc == -XEN_ENOENT)
		return finish(txn, path, create(txn, path, value, len));
	if (rc)
		return rc;
	node = copy(txn->peer->store, old, len, old->children_len);
	if (!node)
		return -XEN_ENOMEM;
	if (len)
		memcpy(value_of(node), value, len);
	memcpy(children_of(node), xs_node_children(old), old->children_len);
	rc = xs_txn_put(txn, node);
	if (!rc)
		xs_txn_fire(txn, path, XS_FIRE_SUBTREE);
	return rc;
}

int xs_mkdir(struct xs_txn *txn, struct xs_path path)
{
	const struct xs_node *old;
	int rc = xs_access(txn, path, XS_PERM_WRITE, &old);

	if (rc != -XEN_ENOENT)
		return rc;
	return finish(txn, path, create(txn, path, NULL, 0));
}

/* Removing what is not there is fine where its parent is. */
static int rm_absent(struct xs_txn *txn, struct xs_path path)
{
	const struct xs_node *parent = NULL;
	struct xs_path up = xs_parent(path);
	int rc = up.len ? xs_txn_get(txn, up, &parent) : 0;

	if (rc)
		return rc;
	return parent ? 0 : -XEN_ENOENT;
}

int xs_rm(struct xs_txn *txn, struct xs_path path)
{
	const struct xs_node *node;
	int rc = xs_access(txn, path, XS_PERM_WRITE, &node);

	if (rc == -XEN_ENOENT)
		return rm_absent(txn, path);
	if (rc)
		return rc;
	if (path.len == 1 || path.s[0] != '/')
		return -XEN_EINVAL;
	rc = xs_txn_get(txn, xs_parent(path), &node);
	if (!rc)
		rc = node ? drop_child(txn, node, leaf(path)) : -XEN_EAGAIN;
	/* Nothing has been done yet, and the commit is to say the same. */
	if (rc == -XEN_EAGAIN)
		return rc;
	if (!rc)
		rc = xs_txn_remove(txn, path);
	return finish(txn, path, rc);
}

int xs_set_perms(struct xs_txn *txn, struct xs_path path, const struct xs_perm *perms, unsigned nr)
{
	const struct xs_node *old;
	struct xs_path name;
	struct xs_node *node;
	int rc = xs_access(txn, path, XS_PERM_WRITE | XS_PERM_OWNER, &old);

	if (rc)
		return rc;
	if (!xs_privileged(txn->peer) && perms[0].domid != old->perms[0].domid)
		return -XEN_EPERM;
	name = (struct xs_path){old->path, old->path_len};
	node = xs_node_make(txn->peer->store, name, perms, nr, old->value_len, old->children_len);
	if (!node)
		return -XEN_ENOMEM;
	memcpy(value_of(node), xs_node_value(old), old->value_len + old->children_len);
	rc = xs_txn_put(txn, node);
	if (!rc)
		xs_txn_fire(txn, path, XS_FIRE_SUBTREE);
	return rc;
}
