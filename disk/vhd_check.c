/* SPDX-License-Identifier: MIT */
/* Checking a VHD, and mending what has one right answer. The image is open leniently and quiet. */
#include <stdlib.h>
#include <string.h>

#include "disk/vhd.h"

struct span {
	uint64_t at, end;
	uint32_t block; /* VHD_NO_BLOCK: a structure */
};

struct check {
	struct xd_image *image;
	struct vhd *v;
	struct xd_checker *checker;
	uint64_t file_size;
	bool wrong_entries; /* the table names places that cannot be: no space is given or taken */
};

static enum xd_mend can(const struct check *c)
{
	return c->checker->repair ? XD_MEND_DONE : XD_MEND_CAN;
}

/* --- footers ------------------------------------------------------------------------------------------------------------ */

static int check_footers(struct check *c, struct xd_error *err)
{
	struct vhd *v = c->v;
	bool bad_tail = v->footer_at == VHD_NOWHERE, sparse = c->image->type != XD_TYPE_FIXED;
	bool bad_sum = !vhd_footer_sum_ok(&v->footer);
	int r = 0;

	if (bad_sum)
		xd_found(c->checker, XD_ERROR, can(c), "footer-checksum", 0,
			 "no footer has a right checksum; what the best one says was used");
	if (v->copy_only)
		xd_found(c->checker, XD_ERROR, can(c), "footer-missing", c->file_size - VHD_SECTOR,
			 "no footer at the end of the file; to look, what is at the start was "
			 "taken for its copy, but a fixed disk's guest could have written it%s",
			 c->checker->from_copy ? "" : ": not repaired unless told to believe it");
	else if (bad_tail && !bad_sum)
		xd_found(c->checker, XD_ERROR, can(c), "footer-missing", c->file_size - VHD_SECTOR,
			 "no whole footer at the end of the file; the copy at the start was used");
	if (sparse && v->head_bad && !bad_sum)
		xd_found(c->checker, XD_WARNING, can(c), "footer-copy", 0,
			 "the footer's copy at the start is damaged or differs from the footer");
	if (!(vhd_get32(v->footer.features) & VHD_FEATURE_RESERVED))
		xd_found(c->checker, XD_NOTE, can(c), "footer-features", v->footer_at,
			 "the reserved feature bit is clear");
	if (!c->checker->repair ||
	    !(bad_sum || bad_tail || v->head_bad || v->footer.features.b[3] == 0))
		return 0;
	v->footer.features.b[3] |= VHD_FEATURE_RESERVED;
	vhd_footer_seal(&v->footer);
	v->copy_only = false;
	if (bad_tail)
		v->footer_at =
		    sparse ? xd_align_up(c->file_size > v->data_end ? c->file_size : v->data_end,
					 VHD_SECTOR)
			   : xd_align_up(c->image->virtual_size, VHD_SECTOR);
	if (sparse)
		return vhd_footers_write(c->image, err);
	r = xd_io_write(&c->image->io, &v->footer, sizeof(v->footer), v->footer_at, err);
	return r ? r : xd_io_flush(&c->image->io, err);
}

static void check_sizes(struct check *c)
{
	struct vhd *v = c->v;
	uint64_t current = vhd_get64(v->footer.current_size);

	if (current > VHD_MAX_SIZE)
		xd_found(c->checker, XD_WARNING, XD_MEND_NO, "size-limit", v->footer_at,
			 "a disk of %llu bytes: Hyper-V takes at most 2040 GiB",
			 (unsigned long long)current);
	if (v->size_rule == VHD_SIZE_CHS && current != c->image->virtual_size)
		xd_found(c->checker, XD_NOTE, XD_MEND_NO, "size-rule", v->footer_at,
			 "the creator means the geometry, %llu bytes; software that goes by "
			 "current_size sees %llu",
			 (unsigned long long)c->image->virtual_size, (unsigned long long)current);
	if (c->image->type == XD_TYPE_FIXED && v->footer_at != VHD_NOWHERE &&
	    v->footer_at < current)
		xd_found(c->checker, XD_ERROR, XD_MEND_NO, "fixed-truncated", v->footer_at,
			 "the footer says %llu bytes, but only %llu come before it",
			 (unsigned long long)current, (unsigned long long)v->footer_at);
	if (c->image->type == XD_TYPE_FIXED && v->footer_at != VHD_NOWHERE &&
	    v->footer_at + VHD_SECTOR < c->file_size)
		xd_found(c->checker, XD_WARNING, XD_MEND_NO, "footer-padding", v->footer_at,
			 "%llu bytes follow the footer: most software will not find it",
			 (unsigned long long)(c->file_size - v->footer_at - VHD_SECTOR));
}

/* --- the header and its locators ---------------------------------------------------------------------------------------- */

static void check_header(struct check *c)
{
	struct vhd *v = c->v;
	uint64_t at = vhd_get64(v->footer.data_offset);

	if (!vhd_header_sum_ok(&v->header))
		xd_found(c->checker, XD_ERROR, XD_MEND_NO, "header-checksum", at,
			 "the dynamic header's checksum is wrong");
	for (int i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator *l = &v->header.locator[i];
		uint64_t data = vhd_get64(l->data_offset);

		if (vhd_get32(l->platform) &&
		    (data > c->file_size || vhd_get32(l->data_length) > c->file_size - data))
			xd_found(c->checker, XD_ERROR, XD_MEND_NO, "locator-outside", data,
				 "parent locator %d lies past the end of the file", i);
	}
	if (v->batmap_damaged)
		xd_found(c->checker, XD_WARNING, can(c), "batmap", v->batmap_offset,
			 "the batmap is damaged or out of date; it was not used");
}

static void check_parent(struct check *c)
{
	struct xd_image *parent = c->image->parent;
	uint32_t said = vhd_get32(c->v->header.parent_timestamp);

	if (parent && vhd_parent_time(parent) && vhd_parent_time(parent) != said)
		xd_found(c->checker, XD_WARNING, XD_MEND_NO, "parent-time",
			 vhd_get64(c->v->footer.data_offset) +
			     offsetof(struct vhd_header, parent_timestamp),
			 "the parent's file was touched after this child was made: harmless if it "
			 "was moved or copied, "
			 "data loss if it was written to");
}

/* --- the table ---------------------------------------------------------------------------------------------------------- */

static int by_place(const void *a, const void *b)
{
	const struct span *x = a, *y = b;

	return x->at < y->at ? -1 : x->at > y->at;
}

/* A block that begins past the file's end holds nothing: forgetting it loses nothing. One that is cut is made whole with zeros. */
static void check_entry(struct check *c, uint32_t block)
{
	struct vhd *v = c->v;
	uint64_t at = vhd_block_at(vhd_entry(v, block)), end = at + vhd_block_bytes(v);
	uint64_t where = v->bat_offset + 4ull * block;

	if (at >= c->file_size) {
		xd_found(c->checker, XD_ERROR, can(c), "bat-outside", where,
			 "block %u begins at %llu, past the end of the file", block,
			 (unsigned long long)at);
		if (c->checker->repair) {
			vhd_set_full(v, block, false);
			vhd_set_entry(v, block, VHD_NO_BLOCK);
		}
	} else if (end > c->file_size) {
		xd_found(c->checker, XD_ERROR, can(c), "bat-cut", where,
			 "block %u at %llu is cut by the end of the file", block,
			 (unsigned long long)at);
	} else if (v->footer_at != VHD_NOWHERE && end > v->footer_at && !c->checker->repair) {
		xd_found(c->checker, XD_ERROR, XD_MEND_NO, "bat-footer", where,
			 "block %u at %llu lies on the footer", block, (unsigned long long)at);
	}
}

static uint32_t add_spans(struct check *c, struct span *spans)
{
	struct vhd *v = c->v;
	uint64_t header = vhd_get64(v->footer.data_offset);
	uint32_t n = 0;

	spans[n++] = (struct span){0, sizeof(v->footer), VHD_NO_BLOCK};
	spans[n++] = (struct span){header, header + sizeof(v->header), VHD_NO_BLOCK};
	spans[n++] = (struct span){v->bat_offset, v->bat_offset + 4ull * v->room, VHD_NO_BLOCK};
	if (v->batmap_offset)
		spans[n++] = (struct span){v->batmap_offset, vhd_batmap_end(v), VHD_NO_BLOCK};
	for (uint32_t i = 0; i < v->blocks; i++)
		if (vhd_entry(v, i) != VHD_NO_BLOCK) {
			uint64_t at = vhd_block_at(vhd_entry(v, i));

			spans[n++] = (struct span){at, at + vhd_block_bytes(v), i};
		}
	qsort(spans, n, sizeof(*spans), by_place);
	return n;
}

static void report_overlap(struct check *c, const struct span *a, const struct span *b)
{
	if (a->block == VHD_NO_BLOCK || b->block == VHD_NO_BLOCK)
		xd_found(c->checker, XD_ERROR, XD_MEND_NO, "bat-on-structure", b->at,
			 "block %u lies on the image's own structures",
			 a->block == VHD_NO_BLOCK ? b->block : a->block);
	else
		xd_found(c->checker, XD_ERROR, XD_MEND_NO, "bat-overlap", b->at,
			 "blocks %u and %u overlap", a->block, b->block);
	c->wrong_entries = true;
}

static int check_spans(struct check *c, struct xd_error *err)
{
	struct vhd *v = c->v;
	struct span *spans = malloc((v->blocks + 4) * sizeof(*spans));
	uint64_t reach = 0, gaps = 0;
	uint32_t n, widest = 0;

	if (!spans)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	n = add_spans(c, spans);
	for (uint32_t i = 0; i < n; i++) {
		if (i && spans[i].at < reach)
			report_overlap(c, &spans[widest], &spans[i]);
		else if (spans[i].at > reach)
			gaps += (spans[i].at - reach) / vhd_block_bytes(v) * vhd_block_bytes(v);
		if (spans[i].end > reach) {
			reach = spans[i].end;
			widest = i;
		}
	}
	free(spans);
	c->checker->report->unused_bytes = gaps;
	return 0;
}

/* tapdisk goes by the batmap, the specification by the bitmap: where they differ two readers see two disks. */
static int check_batmap(struct check *c, uint32_t block, struct xd_error *err)
{
	struct vhd *v = c->v;
	uint64_t at = vhd_block_at(vhd_entry(v, block));
	uint32_t sectors = v->block_size / VHD_SECTOR;
	uint8_t *bits;
	bool set = true;
	int r;

	if (!v->batmap_offset || v->batmap_damaged || !vhd_is_full(v, block))
		return 0;
	bits = malloc(v->bitmap_size);
	if (!bits)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	r = xd_io_read(&c->image->io, bits, v->bitmap_size, at, err);
	if (!r && (vhd_bitmap_run(bits, 0, sectors, &set) != sectors || !set))
		xd_found(c->checker, XD_ERROR, XD_MEND_NO, "batmap-bitmap", at,
			 "the batmap calls block %u full, its bitmap does not", block);
	free(bits);
	return r;
}

static int check_table(struct check *c, struct xd_error *err)
{
	struct vhd *v = c->v;
	struct xd_check_report *report = c->checker->report;
	int r;

	report->blocks = v->blocks;
	for (uint32_t i = 0; i < v->blocks; i++)
		if (vhd_entry(v, i) != VHD_NO_BLOCK) {
			report->blocks_allocated++;
			check_entry(c, i);
			if ((r = check_batmap(c, i, err)))
				return r;
		}
	return check_spans(c, err);
}

static void check_tail(struct check *c)
{
	struct vhd *v = c->v;
	uint64_t end = v->data_end + sizeof(v->footer);

	if (c->file_size <= end || v->fixed_store)
		return;
	xd_found(c->checker, XD_NOTE, can(c), "unused-tail", v->data_end,
		 "%llu bytes between the last block and the footer",
		 (unsigned long long)(c->file_size - end));
	c->checker->report->unused_bytes += c->file_size - end;
}

/* --- all ---------------------------------------------------------------------------------------------------------------- */

/* After the table has been mended: the data's end is known, and what lies behind it is not. */
static int tidy(struct check *c, struct xd_error *err)
{
	struct vhd *v = c->v;
	int r;

	v->data_end = vhd_structures_end(v);
	for (uint32_t i = 0; i < v->blocks; i++)
		if (vhd_entry(v, i) != VHD_NO_BLOCK &&
		    vhd_block_at(vhd_entry(v, i)) + vhd_block_bytes(v) > v->data_end)
			v->data_end = vhd_block_at(vhd_entry(v, i)) + vhd_block_bytes(v);
	v->tail_unknown = true;
	if ((r = vhd_flush_locked(c->image, err)) ||
	    (v->batmap_damaged && (r = vhd_batmap_write(c->image, err))))
		return r;
	v->batmap_damaged = false;
	return vhd_trim(c->image, err);
}

int vhd_check(struct xd_image *image, struct xd_checker *checker, struct xd_error *err)
{
	struct xd_checker own = *checker;
	struct check c = {image, vhd_of(image), &own, 0, false};
	int r = xd_io_size(&image->io, &c.file_size, err);

	if (r)
		return r;
	/* What may be a fixed disk's data is not mended like structures. */
	own.repair &= !c.v->copy_only || own.from_copy;
	check_sizes(&c);
	if (image->type == XD_TYPE_FIXED)
		return check_footers(&c, err);
	check_header(&c);
	check_parent(&c);
	if ((r = check_table(&c, err)))
		return r;
	check_tail(&c);
	if ((r = check_footers(&c, err)))
		return r;
	return own.repair && !c.wrong_entries ? tidy(&c, err) : 0;
}
