/* SPDX-License-Identifier: MIT */
/*
 * Using what the guest has granted. The guest may change its entries at any time; what protects a user is that the guest's own
 * kernel does not end an access while the reading and writing bits are set. So these are set before the frame number is read,
 * and by compare-and-exchange with the flags that were judged.
 */
#include "core/gnttab_int.h"

#define TRIES 5 /* as Xen: a guest that keeps changing the entry gets an error */

_Static_assert(sizeof(struct grant_entry_v1) == 8 && sizeof(union grant_entry_v2) == 16,
	       "grant_table.h");

/* Flags in the low half, the domain in the high half. */
static bool granted(uint32_t header, uint16_t mask, domid_t by, bool write)
{
	uint16_t flags = header;

	return (flags & mask) == GTF_permit_access && header >> 16 == by &&
	       !(write && flags & GTF_readonly);
}

static uint16_t use_bits(bool write)
{
	return write ? GTF_reading | GTF_writing : GTF_reading;
}

/* Version 1's flags and domain, and what they must be. */
static inline uint32_t mask_v1(bool write)
{
	return 0xffffu << 16 | GTF_type_mask | (write ? GTF_readonly : 0);
}

static inline uint32_t wanted_v1(domid_t by)
{
	return (uint32_t)by << 16 | GTF_permit_access;
}

static int mark_v1(struct gnttab *table, domid_t by, grant_ref_t ref, bool write)
{
	uint32_t *header = (uint32_t *)gnttab_entry_v1(table, ref);
	uint32_t old = __atomic_load_n(header, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < TRIES && (old & mask_v1(write)) == wanted_v1(by); i++)
		if (__atomic_compare_exchange_n(header, &old, old | use_bits(write), false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return GNTST_okay;
	return GNTST_general_error;
}

static __attribute__((noinline)) void unmark(struct gnttab *table, grant_ref_t ref, uint16_t bits)
{
	uint16_t *flags = table->version == 1 ? &gnttab_entry_v1(table, ref)->flags
					      : gnttab_status_of(table, ref);

	if (bits)
		__atomic_fetch_and(flags, (uint16_t)~bits, __ATOMIC_SEQ_CST);
}

/* The bits that nobody needs any more. */
static uint16_t idle_bits(const struct gnttab_pin *pin)
{
	return (pin->users ? 0 : GTF_reading) | (pin->writers ? 0 : GTF_writing);
}

/* Version 2 keeps flags and status apart: set the status, then judge the flags again. */
static int mark_v2(struct gnttab *table, domid_t by, grant_ref_t ref, bool write)
{
	uint32_t *header = (uint32_t *)gnttab_entry_v2(table, ref);

	if (!granted(__atomic_load_n(header, __ATOMIC_ACQUIRE), GTF_type_mask, by, write))
		return GNTST_general_error;
	__atomic_fetch_or(gnttab_status_of(table, ref), use_bits(write), __ATOMIC_SEQ_CST);
	if (granted(__atomic_load_n(header, __ATOMIC_SEQ_CST), GTF_type_mask, by, write))
		return GNTST_okay;
	unmark(table, ref, idle_bits(&table->c.pins[ref]));
	return GNTST_general_error;
}

/* What the entry grants; false when it reaches beyond the page. */
static bool extent(struct gnttab *table, grant_ref_t ref, struct gnttab_page *page)
{
	union grant_entry_v2 *v2;

	page->offset = 0;
	page->len = GNTTAB_PAGE;
	if (table->version == 1) {
		page->mfn = __atomic_load_n(&gnttab_entry_v1(table, ref)->frame, __ATOMIC_RELAXED);
		return true;
	}
	v2 = gnttab_entry_v2(table, ref);
	page->mfn = __atomic_load_n(&v2->full_page.frame, __ATOMIC_RELAXED);
	if (!(__atomic_load_n(&v2->hdr.flags, __ATOMIC_RELAXED) & GTF_sub_page))
		return true;
	page->offset = __atomic_load_n(&v2->sub_page.page_off, __ATOMIC_RELAXED);
	page->len = __atomic_load_n(&v2->sub_page.length, __ATOMIC_RELAXED);
	return page->offset + (unsigned)page->len <= GNTTAB_PAGE;
}

static __attribute__((noinline)) int acquire(struct gnttab *table, domid_t by, grant_ref_t ref,
					     bool write, struct gnttab_page *page)
{
	struct gnttab_pin *pin;
	int rc;

	if (ref >= gnttab_nr_refs(table))
		return GNTST_bad_gntref;
	pin = &table->c.pins[ref];
	if (pin->users == UINT16_MAX)
		return GNTST_no_space;
	rc = table->version == 1 ? mark_v1(table, by, ref, write) : mark_v2(table, by, ref, write);
	if (rc)
		return rc;
	if (!extent(table, ref, page))
		rc = GNTST_general_error;
	page->va = rc ? NULL : table->c.env->page(table->c.ctx, page->mfn);
	if (!page->va) {
		unmark(table, ref, idle_bits(pin));
		return rc ? rc : GNTST_bad_page;
	}
	pin->users++;
	pin->writers += write;
	return GNTST_okay;
}

/*
 * What nearly every reference is: of version 1, and all right. False says only that it must go the long way, which may find the
 * entry marked already.
 */
static inline __attribute__((always_inline)) bool acquire_plain(struct gnttab *table, domid_t by,
								grant_ref_t ref, bool write,
								struct gnttab_page *page)
{
	struct grant_entry_v1 *entry;
	struct gnttab_pin *pin;
	uint32_t old;

	if (table->version != 1 || ref >= table->nr_frames * GNTTAB_REFS_PER_FRAME)
		return false;
	pin = &table->c.pins[ref];
	entry = gnttab_entry_v1(table, ref);
	old = __atomic_load_n((uint32_t *)entry, __ATOMIC_ACQUIRE);
	if ((old & mask_v1(write)) != wanted_v1(by) || pin->users == UINT16_MAX ||
	    !__atomic_compare_exchange_n((uint32_t *)entry, &old, old | use_bits(write), false,
					 __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		return false;
	page->mfn = __atomic_load_n(&entry->frame, __ATOMIC_RELAXED);
	page->va = table->c.env->page(table->c.ctx, page->mfn);
	if (!page->va)
		return false;
	page->offset = 0;
	page->len = GNTTAB_PAGE;
	pin->users++;
	pin->writers += write;
	return true;
}

static inline __attribute__((always_inline)) int acquire_locked(struct gnttab *table, domid_t by,
								grant_ref_t ref, bool write,
								struct gnttab_page *page)
{
	struct lock *lock = gnttab_lock_of(table, ref);
	int rc = GNTST_okay;

	lock_take(lock);
	if (!acquire_plain(table, by, ref, write, page))
		rc = acquire(table, by, ref, write, page);
	lock_drop(lock);
	return rc;
}

int gnttab_acquire(struct gnttab *table, domid_t by, grant_ref_t ref, bool write,
		   struct gnttab_page *page)
{
	return write ? acquire_locked(table, by, ref, true, page)
		     : acquire_locked(table, by, ref, false, page);
}

unsigned gnttab_acquire_all(struct gnttab *table, domid_t by, const grant_ref_t *ref, unsigned nr,
			    bool write, struct gnttab_page *page)
{
	unsigned i = 0;

	/* Two loops, so that each knows what it compares with. */
	if (write)
		for (; i < nr && !acquire_locked(table, by, ref[i], true, &page[i]); i++)
			;
	else
		for (; i < nr && !acquire_locked(table, by, ref[i], false, &page[i]); i++)
			;
	return i;
}

static inline void release(struct gnttab *table, grant_ref_t ref, bool write)
{
	struct lock *lock = gnttab_lock_of(table, ref);
	struct gnttab_pin *pin = &table->c.pins[ref];

	lock_take(lock);
	pin->writers -= write;
	if (--pin->users == 0 && table->version == 1)
		__atomic_fetch_and(&gnttab_entry_v1(table, ref)->flags, (uint16_t)~use_bits(true),
				   __ATOMIC_SEQ_CST);
	else
		unmark(table, ref, idle_bits(pin));
	lock_drop(lock);
}

void gnttab_release(struct gnttab *table, grant_ref_t ref, bool write)
{
	release(table, ref, write);
}

void gnttab_release_all(struct gnttab *table, const grant_ref_t *ref, unsigned nr, bool write)
{
	for (unsigned i = 0; i < nr; i++)
		release(table, ref[i], write);
}

/* One side of a copy. */
struct side {
	struct gnttab_page page;
	bool pinned;
};

static int open_side(struct gnttab *table, const struct gnttab_copy_ptr *ptr, bool by_ref,
		     bool write, struct side *side)
{
	bool own = ptr->domid == DOMID_SELF || ptr->domid == table->c.domid;
	int rc;

	if (!by_ref) {
		if (ptr->domid != DOMID_SELF)
			return own ? GNTST_permission_denied : GNTST_bad_domain;
		side->page = (struct gnttab_page){.mfn = ptr->u.gmfn, .len = GNTTAB_PAGE};
		side->page.va = table->c.env->page(table->c.ctx, ptr->u.gmfn);
		return side->page.va ? GNTST_okay : GNTST_bad_page;
	}
	if (!own) /* domain 0 grants this guest nothing */
		return ptr->domid == 0 ? GNTST_bad_gntref : GNTST_bad_domain;
	rc = gnttab_acquire(table, table->c.domid, ptr->u.ref, write, &side->page);
	side->pinned = rc == GNTST_okay;
	return rc;
}

static bool within(const struct side *side, unsigned offset, unsigned len)
{
	return offset >= side->page.offset &&
	       offset + len <= (unsigned)side->page.offset + side->page.len;
}

static int copy(struct gnttab *table, const struct gnttab_copy *op, struct side *from,
		struct side *to)
{
	int rc;

	if (op->source.offset + (unsigned)op->len > GNTTAB_PAGE ||
	    op->dest.offset + (unsigned)op->len > GNTTAB_PAGE)
		return GNTST_bad_copy_arg;
	rc = open_side(table, &op->source, op->flags & GNTCOPY_source_gref, false, from);
	if (!rc)
		rc = open_side(table, &op->dest, op->flags & GNTCOPY_dest_gref, true, to);
	if (rc)
		return rc;
	if (!within(from, op->source.offset, op->len) || !within(to, op->dest.offset, op->len))
		return GNTST_general_error;
	memmove((char *)to->page.va + op->dest.offset, (char *)from->page.va + op->source.offset,
		op->len);
	return GNTST_okay;
}

int gnttab_run_copy(struct gnttab *table, void *arg, struct gnttab_list *list)
{
	struct gnttab_copy *op = arg;
	struct side from = {.pinned = false}, to = {.pinned = false};

	(void)list;
	op->status = copy(table, op, &from, &to);
	if (from.pinned)
		gnttab_release(table, op->source.u.ref, false);
	if (to.pinned)
		gnttab_release(table, op->dest.u.ref, true);
	return 0;
}
