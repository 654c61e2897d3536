/* SPDX-License-Identifier: MIT */
/* The requests of the protocol: arguments decoded, answers encoded. */
#include "core/fmt.h"
#include "core/xs_wire_int.h"

struct req {
	struct xs_conn *conn;
	struct xs_txn *txn;
	const char *in;
	uint32_t len;
	char *out;        /* XENSTORE_PAYLOAD_MAX bytes */
	uint32_t out_len; /* set by the handler */
	struct xs_watch *watch;
};

/* The strings that the protocol calls its errors by. */
static const char *error_name(int error)
{
	static const struct {
		int number;
		const char *name;
	} errors[] = {
	    {XEN_EINVAL, "EINVAL"}, {XEN_EACCES, "EACCES"}, {XEN_EEXIST, "EEXIST"},
	    {XEN_ENOENT, "ENOENT"}, {XEN_ENOMEM, "ENOMEM"}, {XEN_ENOSPC, "ENOSPC"},
	    {XEN_ENOSYS, "ENOSYS"}, {XEN_EBUSY, "EBUSY"},   {XEN_EAGAIN, "EAGAIN"},
	    {XEN_E2BIG, "E2BIG"},   {XEN_EPERM, "EPERM"},
	};

	for (unsigned i = 0; i < sizeof(errors) / sizeof(errors[0]); i++)
		if (errors[i].number == error)
			return errors[i].name;
	return "EIO";
}

static int reply(struct req *req, const void *data, uint32_t len)
{
	if (len > XENSTORE_PAYLOAD_MAX)
		return -XEN_E2BIG;
	memcpy(req->out, data, len);
	req->out_len = len;
	return 0;
}

static int ack(struct req *req)
{
	return reply(req, "OK", 3);
}

/* The string at `at`, or NULL when the payload does not hold a whole one there. */
static const char *string_at(const struct req *req, uint32_t at)
{
	return at < req->len && memchr(req->in + at, '\0', req->len - at) ? req->in + at : NULL;
}

/* The only string of the payload, or NULL. */
static const char *only_string(const struct req *req)
{
	const char *s = string_at(req, 0);

	return s && strlen(s) + 1 == req->len ? s : NULL;
}

/* The string after `s`, or NULL. */
static const char *string_after(const struct req *req, const char *s)
{
	return string_at(req, s - req->in + strlen(s) + 1);
}

static unsigned count_strings(const struct req *req)
{
	unsigned n = 0;

	for (uint32_t i = 0; i < req->len; i++)
		n += req->in[i] == '\0';
	return n;
}

/* Up to five decimal digits and nothing else. */
static int parse_domid(const char *s, domid_t *domid)
{
	unsigned n = 0, sum = 0;

	for (; s[n] >= '0' && s[n] <= '9' && n < 5; n++)
		sum = sum * 10 + (s[n] - '0');
	if (!n || s[n] || sum > 0xffff)
		return -XEN_EINVAL;
	*domid = sum;
	return 0;
}

/* Makes the path absolute; a relative one starts at the guest's home. Special ones ("@...") only where they make sense. */
static int absolute(struct req *req, const char *s, bool special, struct xs_path *path)
{
	struct xs_conn *conn = req->conn;
	size_t n = s ? strlen(s) : 0;

	if (!n || n > XENSTORE_ABS_PATH_MAX || (s[0] == '@' && !special))
		return -XEN_EINVAL;
	path->s = conn->path;
	path->len = 0;
	if (s[0] != '/' && s[0] != '@') {
		path->len = xs_home(conn->peer.domid, conn->path);
		conn->path[path->len++] = '/';
	}
	memcpy(conn->path + path->len, s, n + 1);
	path->len += n;
	return xs_path_valid(*path) ? 0 : -XEN_EINVAL;
}

/* The node that the only argument names, when the guest may read it. */
static int readable(struct req *req, const char *s, const struct xs_node **node)
{
	struct xs_path path;
	int rc = absolute(req, s, false, &path);

	return rc ? rc : xs_access(req->txn, path, XS_PERM_READ, node);
}

static int do_directory(struct req *req)
{
	const struct xs_node *node;
	int rc = readable(req, only_string(req), &node);

	return rc ? rc : reply(req, xs_node_children(node), node->children_len);
}

/* <gen>|<child>|...|, with an empty child after the last one: in pieces, for directories beyond one message. */
static int do_directory_part(struct req *req)
{
	const char *s = count_strings(req) == 2 ? string_at(req, 0) : NULL, *list, *offset;
	const struct xs_node *node;
	uint32_t at = 0, len;
	int rc = readable(req, s, &node);

	if (rc)
		return rc;
	for (offset = string_after(req, s);
	     offset && *offset >= '0' && *offset <= '9' && at < node->children_len; offset++)
		at = at * 10 + (*offset - '0');
	req->out_len = 1 + fmt(req->out, 24, "%llu", (unsigned long long)node->generation);
	list = xs_node_children(node);
	for (; at < node->children_len; at += len) {
		len = strnlen(list + at, node->children_len - at) + 1;
		if (len > node->children_len - at || req->out_len + len >= XENSTORE_PAYLOAD_MAX)
			return 0;
		memcpy(req->out + req->out_len, list + at, len);
		req->out_len += len;
	}
	req->out[req->out_len++] = '\0';
	return 0;
}

static int do_read(struct req *req)
{
	const struct xs_node *node;
	int rc = readable(req, only_string(req), &node);

	return rc ? rc : reply(req, xs_node_value(node), node->value_len);
}

static int do_get_perms(struct req *req)
{
	static const char letter[] = {'n', 'r', 'w', 'b'};
	const struct xs_node *node;
	int rc = readable(req, only_string(req), &node);

	for (unsigned i = 0; !rc && i < node->nr_perms; i++) {
		const struct xs_perm *perm = &node->perms[i];

		req->out_len += 1 + fmt(req->out + req->out_len, 8, "%c%u", letter[perm->bits & 3],
					perm->domid);
	}
	return rc;
}

static int parse_perm(const char *s, struct xs_perm *perm)
{
	static const char letter[] = "nrwb";
	const char *at = *s ? strchr(letter, *s) : NULL;

	if (!at)
		return -XEN_EINVAL;
	perm->bits = at - letter;
	return parse_domid(s + 1, &perm->domid);
}

static int do_set_perms(struct req *req)
{
	struct xs_perm perms[XS_PERMS_MAX];
	unsigned nr = count_strings(req);
	const char *s = string_at(req, 0);
	struct xs_path path;
	int rc;

	if (nr < 2)
		return -XEN_EINVAL;
	nr--;
	if (nr > XS_PERMS_MAX || nr > req->conn->peer.store->quota.perms)
		return -XEN_ENOSPC;
	rc = absolute(req, s, true, &path);
	for (unsigned i = 0; !rc && i < nr; i++) {
		s = string_after(req, s);
		rc = parse_perm(s, &perms[i]);
	}
	if (!rc)
		rc = xs_set_perms(req->txn, path, perms, nr);
	return rc ? rc : ack(req);
}

static int do_write(struct req *req)
{
	const char *s = string_at(req, 0);
	struct xs_path path;
	uint32_t skip;
	int rc = absolute(req, s, false, &path);

	if (rc)
		return rc;
	skip = strlen(s) + 1;
	rc = xs_write(req->txn, path, req->in + skip, req->len - skip);
	return rc ? rc : ack(req);
}

static int do_mkdir(struct req *req)
{
	struct xs_path path;
	int rc = absolute(req, only_string(req), false, &path);

	if (!rc)
		rc = xs_mkdir(req->txn, path);
	return rc ? rc : ack(req);
}

static int do_rm(struct req *req)
{
	struct xs_path path;
	int rc = absolute(req, only_string(req), false, &path);

	if (!rc)
		rc = xs_rm(req->txn, path);
	return rc ? rc : ack(req);
}

/* <path>|<token>|; both strings of the payload and no more. */
static int watch_args(struct req *req, struct xs_path *path, const char **token)
{
	const char *s = count_strings(req) == 2 ? string_at(req, 0) : NULL;

	*token = s ? string_after(req, s) : NULL;
	return *token ? absolute(req, s, true, path) : -XEN_EINVAL;
}

static int do_watch(struct req *req)
{
	bool relative = req->len && req->in[0] != '/' && req->in[0] != '@';
	struct xs_path path;
	const char *token;
	int rc = watch_args(req, &path, &token);

	if (!rc)
		rc = xs_watch_add(&req->conn->peer, path, relative, token, &req->watch);
	return rc ? rc : ack(req);
}

static int do_unwatch(struct req *req)
{
	struct xs_path path;
	const char *token;
	int rc = watch_args(req, &path, &token);

	if (!rc)
		rc = xs_watch_remove(&req->conn->peer, path, token);
	return rc ? rc : ack(req);
}

/* A new kernel's first request: what the one before left behind goes, transactions too. */
static int do_reset_watches(struct req *req)
{
	struct xs_peer *peer = &req->conn->peer;

	if (req->txn->id)
		req->txn = NULL;
	while (peer->txns)
		xs_txn_close(peer, peer->txns, false);
	xs_watch_remove_all(peer);
	return ack(req);
}

static int do_transaction_start(struct req *req)
{
	uint32_t id;
	int rc = req->txn->id ? -XEN_EBUSY : xs_txn_open(&req->conn->peer, &id);

	if (rc)
		return rc;
	req->out_len = 1 + fmt(req->out, 16, "%u", id);
	return 0;
}

static int do_transaction_end(struct req *req)
{
	const char *s = only_string(req);
	struct xs_txn *txn = req->txn;
	int rc;

	if (!s || (strcmp(s, "T") && strcmp(s, "F")))
		return -XEN_EINVAL;
	if (!txn->id)
		return -XEN_ENOENT;
	req->txn = NULL;
	rc = xs_txn_close(&req->conn->peer, txn, s[0] == 'T');
	return rc ? rc : ack(req);
}

static int do_get_domain_path(struct req *req)
{
	const char *s = only_string(req);
	domid_t domid;
	int rc = s ? parse_domid(s, &domid) : -XEN_EINVAL;

	if (rc)
		return rc;
	req->out_len = 1 + xs_home(domid, req->out);
	return 0;
}

/* Without a handler: what xenstored refuses a domain that is not privileged, with EACCES. */
static const struct {
	const char *name;
	int (*run)(struct req *req);
	bool no_transaction; /* the transaction id is ignored */
} requests[XS_TYPE_COUNT] = {
    [XS_CONTROL] = {"CONTROL", NULL, false},
    [XS_DIRECTORY] = {"DIRECTORY", do_directory, false},
    [XS_READ] = {"READ", do_read, false},
    [XS_GET_PERMS] = {"GET_PERMS", do_get_perms, false},
    [XS_WATCH] = {"WATCH", do_watch, true},
    [XS_UNWATCH] = {"UNWATCH", do_unwatch, true},
    [XS_TRANSACTION_START] = {"TRANSACTION_START", do_transaction_start, false},
    [XS_TRANSACTION_END] = {"TRANSACTION_END", do_transaction_end, false},
    [XS_INTRODUCE] = {"INTRODUCE", NULL, false},
    [XS_RELEASE] = {"RELEASE", NULL, false},
    [XS_GET_DOMAIN_PATH] = {"GET_DOMAIN_PATH", do_get_domain_path, false},
    [XS_WRITE] = {"WRITE", do_write, false},
    [XS_MKDIR] = {"MKDIR", do_mkdir, false},
    [XS_RM] = {"RM", do_rm, false},
    [XS_SET_PERMS] = {"SET_PERMS", do_set_perms, false},
    [XS_IS_DOMAIN_INTRODUCED] = {"IS_DOMAIN_INTRODUCED", NULL, false},
    [XS_RESUME] = {"RESUME", NULL, false},
    [XS_SET_TARGET] = {"SET_TARGET", NULL, false},
    [XS_RESET_WATCHES] = {"RESET_WATCHES", do_reset_watches, false},
    [XS_DIRECTORY_PART] = {"DIRECTORY_PART", do_directory_part, false},
};

static int run(struct req *req)
{
	uint32_t type = req->conn->in.hdr.type, id = req->conn->in.hdr.tx_id;
	struct xs_txn own;
	int rc;

	if (type >= XS_TYPE_COUNT || !requests[type].name)
		return -XEN_ENOSYS;
	if (!requests[type].run)
		return -XEN_EACCES;
	if (requests[type].no_transaction)
		id = 0;
	xs_txn_begin(&own, &req->conn->peer, 0);
	req->txn = id ? xs_txn_lookup(&req->conn->peer, id) : &own;
	if (!req->txn)
		return -XEN_ENOENT;
	rc = requests[type].run(req);
	if (req->txn != &own)
		return rc;
	if (!rc)
		return xs_txn_commit(&own);
	xs_txn_abort(&own);
	return rc;
}

struct xs_watch *xs_request(struct xs_conn *conn)
{
	struct req req = {.conn = conn,
			  .in = conn->in.payload,
			  .len = conn->in.hdr.len,
			  .out = conn->reply.payload};
	int rc = run(&req);

	conn->reply.hdr = conn->in.hdr;
	if (rc) {
		conn->reply.hdr.type = XS_ERROR;
		req.out_len = 1 + fmt(req.out, 16, "%s", error_name(-rc));
	}
	conn->reply.hdr.len = req.out_len;
	return req.watch;
}
