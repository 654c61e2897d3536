/* SPDX-License-Identifier: MIT */
/* The grant table's shape: frames, version, queries. */
#include "core/gnttab_int.h"

#define RESERVED GNTTAB_NR_RESERVED_ENTRIES

void gnttab_lock_all(struct gnttab *table)
{
	for (unsigned i = 0; i < GNTTAB_LOCKS; i++)
		lock_take(&table->locks[i]);
}

void gnttab_unlock_all(struct gnttab *table)
{
	for (unsigned i = GNTTAB_LOCKS; i-- > 0;)
		lock_drop(&table->locks[i]);
}

/* Status frames for so many frames of version 2 entries. */
static bool grow_status(struct gnttab *table, unsigned nr_frames)
{
	unsigned want = (nr_frames * 256 + 2047) / 2048;

	for (; table->nr_status_frames < want; table->nr_status_frames++) {
		unsigned i = table->nr_status_frames;

		table->status[i] = table->c.env->alloc(table->c.ctx, &table->status_mfn[i]);
		if (!table->status[i])
			return false;
	}
	return true;
}

static bool grow(struct gnttab *table, unsigned nr_frames)
{
	if (table->version == 2 && !grow_status(table, nr_frames))
		return false;
	for (; table->nr_frames < nr_frames; table->nr_frames++) {
		unsigned i = table->nr_frames;

		table->frame[i] = table->c.env->alloc(table->c.ctx, &table->mfn[i]);
		if (!table->frame[i])
			return false;
	}
	return true;
}

int gnttab_init(struct gnttab *table, const struct gnttab_config *c)
{
	if (!c->max_frames || c->max_frames > GNTTAB_MAX_FRAMES)
		return -XEN_EINVAL;
	memset(table, 0, sizeof(*table));
	memset(c->pins, 0, c->max_frames * GNTTAB_REFS_PER_FRAME * sizeof(*c->pins));
	table->c = *c;
	table->version = 1;
	return grow(table, 1) ? 0 : -XEN_ENOMEM;
}

/* GNTST_okay for the guest itself. */
static int check_domain(const struct gnttab *table, domid_t dom)
{
	if (dom == DOMID_SELF || dom == table->c.domid)
		return GNTST_okay;
	return dom == 0 ? GNTST_permission_denied : GNTST_bad_domain;
}

static int run_setup_table(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_setup_table *op = arg;

	op->status = check_domain(table, op->dom);
	if (op->status)
		return 0;
	gnttab_lock_all(table);
	if (op->nr_frames > table->c.max_frames || !grow(table, op->nr_frames))
		op->status = GNTST_general_error;
	gnttab_unlock_all(table);
	if (!op->status)
		*list = (struct gnttab_list){table->mfn, op->nr_frames};
	return 0;
}

static int run_get_status_frames(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_get_status_frames *op = arg;

	op->status = check_domain(table, op->dom);
	if (!op->status && (table->version != 2 || op->nr_frames > table->nr_status_frames))
		op->status = GNTST_general_error;
	if (!op->status)
		*list = (struct gnttab_list){table->status_mfn, op->nr_frames};
	return 0;
}

static int run_query_size(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_query_size *op = arg;

	(void)list;
	op->status = check_domain(table, op->dom);
	if (op->status)
		return 0;
	op->nr_frames = table->nr_frames;
	op->max_nr_frames = table->c.max_frames;
	return 0;
}

static int run_get_version(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_get_version *op = arg;

	(void)list;
	if (check_domain(table, op->dom))
		return op->dom == 0 ? -XEN_EPERM : -XEN_ESRCH;
	op->version = table->version;
	return 0;
}

static bool in_use(const struct gnttab *table)
{
	for (unsigned i = 0; i < gnttab_nr_refs(table); i++)
		if (table->c.pins[i].users)
			return true;
	return false;
}

/* The first entries belong to the toolstack and are carried over; all others start anew. */
static void convert(struct gnttab *table, unsigned version)
{
	struct grant_entry_v1 old[RESERVED];

	for (unsigned i = 0; i < RESERVED; i++) {
		union grant_entry_v2 *v2 = gnttab_entry_v2(table, i);

		if (table->version == 1)
			old[i] = *gnttab_entry_v1(table, i);
		else
			old[i] = (struct grant_entry_v1){v2->hdr.flags, v2->hdr.domid,
							 v2->full_page.frame};
		if ((old[i].flags & (GTF_type_mask | GTF_sub_page)) != GTF_permit_access)
			old[i] = (struct grant_entry_v1){0};
	}
	for (unsigned i = 0; i < table->nr_frames; i++)
		memset(table->frame[i], 0, GNTTAB_PAGE);
	for (unsigned i = 0; i < table->nr_status_frames; i++)
		memset(table->status[i], 0, GNTTAB_PAGE);
	table->version = version;
	for (unsigned i = 0; i < RESERVED; i++) {
		if (version == 1)
			*gnttab_entry_v1(table, i) = old[i];
		else
			gnttab_entry_v2(table, i)->full_page =
			    (__typeof__(gnttab_entry_v2(table, i)->full_page)){
				.hdr = {old[i].flags, old[i].domid}, .frame = old[i].frame};
	}
}

static int set_version(struct gnttab *table, uint32_t version)
{
	if (version != 1 && version != 2)
		return -XEN_EINVAL;
	if (version == table->version)
		return 0;
	if (in_use(table))
		return -XEN_EBUSY;
	if (version == 2 && !grow_status(table, table->nr_frames))
		return -XEN_ENOMEM;
	convert(table, version);
	return 0;
}

static int run_set_version(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_set_version *op = arg;
	int rc;

	(void)list;
	gnttab_lock_all(table);
	rc = set_version(table, op->version);
	op->version = table->version;
	gnttab_unlock_all(table);
	return rc;
}

static int swap(struct gnttab *table, grant_ref_t a, grant_ref_t b)
{
	if (a >= gnttab_nr_refs(table) || b >= gnttab_nr_refs(table))
		return GNTST_bad_gntref;
	if (table->c.pins[a].users || table->c.pins[b].users)
		return GNTST_eagain;
	if (table->version == 1) {
		struct grant_entry_v1 entry = *gnttab_entry_v1(table, a);

		*gnttab_entry_v1(table, a) = *gnttab_entry_v1(table, b);
		*gnttab_entry_v1(table, b) = entry;
	} else {
		union grant_entry_v2 entry = *gnttab_entry_v2(table, a);
		grant_status_t status = *gnttab_status_of(table, a);

		*gnttab_entry_v2(table, a) = *gnttab_entry_v2(table, b);
		*gnttab_entry_v2(table, b) = entry;
		*gnttab_status_of(table, a) = *gnttab_status_of(table, b);
		*gnttab_status_of(table, b) = status;
	}
	return GNTST_okay;
}

static int run_swap_grant_ref(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_swap_grant_ref *op = arg;

	(void)list;
	gnttab_lock_all(table);
	op->status = swap(table, op->ref_a, op->ref_b);
	gnttab_unlock_all(table);
	return 0;
}

/* Nothing is granted to this guest. */
static int run_map_grant_ref(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_map_grant_ref *op = arg;

	(void)list;
	if (op->dom == 0 || !check_domain(table, op->dom))
		op->status = GNTST_bad_gntref;
	else
		op->status = GNTST_bad_domain;
	return 0;
}

static int run_unmap_grant_ref(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	(void)table;
	(void)list;
	((struct gnttab_unmap_grant_ref *)arg)->status = GNTST_bad_handle;
	return 0;
}

static int run_unmap_and_replace(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	(void)table;
	(void)list;
	((struct gnttab_unmap_and_replace *)arg)->status = GNTST_bad_handle;
	return 0;
}

static int run_transfer(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_transfer *op = arg;

	(void)list;
	if (!table->c.env->page(table->c.ctx, op->mfn))
		op->status = GNTST_bad_page;
	else if (op->domid == 0)
		op->status = GNTST_permission_denied;
	else
		op->status = GNTST_bad_domain;
	return 0;
}

/* Caches are coherent on x86: Xen, too, only checks. */
static int run_cache_flush(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_cache_flush *op = arg;

	(void)table;
	(void)list;
	if (op->offset >= GNTTAB_PAGE || op->offset + (unsigned)op->length > GNTTAB_PAGE ||
	    op->op & ~(GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN))
		return -XEN_EINVAL;
	return op->length && op->op ? -XEN_EOPNOTSUPP : 0;
}

#define ROW(op, single) [GNTTABOP_##op] = {#op, sizeof(struct gnttab_##op), single, run_##op}

static const struct gnttab_op_row rows[GNTTAB_OP_COUNT] = {
    ROW(map_grant_ref, false),
    ROW(unmap_grant_ref, false),
    ROW(setup_table, true),
    ROW(transfer, false),
    [GNTTABOP_copy] = {"copy", sizeof(struct gnttab_copy), false, gnttab_run_copy},
    ROW(query_size, true),
    ROW(unmap_and_replace, false),
    ROW(set_version, false),
    ROW(get_status_frames, true),
    ROW(get_version, false),
    ROW(swap_grant_ref, false),
    ROW(cache_flush, false),
};

const struct gnttab_op_row *gnttab_op_row(unsigned cmd)
{
	return cmd < GNTTAB_OP_COUNT && rows[cmd].run ? &rows[cmd] : NULL;
}
