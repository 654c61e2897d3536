/* SPDX-License-Identifier: MIT */
/* The block allocation table. */
#include <stdlib.h>
#include <string.h>

#include "disk/vhd.h"

#define ENTRIES_A_SECTOR (VHD_SECTOR / 4)

uint64_t vhd_table_bytes(uint32_t entries)
{
	return xd_align_up((uint64_t)entries * 4, VHD_SECTOR);
}

void vhd_table_free(struct vhd *v)
{
	free(v->bat);
	free(v->full);
	free(v->bat_dirty);
}

int vhd_table_resize(struct vhd *v, uint32_t blocks, struct xd_error *err)
{
	uint32_t old = v->bat ? v->blocks : 0, old_bytes = (old + 7) / 8, bytes = (blocks + 7) / 8;
	uint32_t sectors = vhd_table_bytes(blocks) / VHD_SECTOR, keep = xd_min(old_bytes, bytes);
	_Atomic uint32_t *bat = malloc(blocks * sizeof(*bat) + 1);
	_Atomic uint8_t *full = calloc(1, bytes + 1);
	uint8_t *dirty = calloc(1, sectors / 8 + 1);

	if (!bat || !full || !dirty) {
		free(bat);
		free(full);
		free(dirty);
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	}
	for (uint32_t i = 0; i < blocks; i++)
		atomic_init(&bat[i], i < old ? vhd_entry(v, i) : VHD_NO_BLOCK);
	if (keep)
		memcpy((void *)full, (void *)v->full, keep);
	if (blocks < old && blocks % 8)
		full[bytes - 1] &= 0xff00 >> blocks % 8;
	vhd_table_free(v);
	v->bat = bat;
	v->full = full;
	v->bat_dirty = dirty;
	v->blocks = blocks;
	return 0;
}

void vhd_set_entry(struct vhd *v, uint32_t block, uint32_t entry)
{
	atomic_store_explicit(&v->bat[block], entry, memory_order_release);
	vhd_set_bit(v->bat_dirty, block / ENTRIES_A_SECTOR);
	atomic_store(&v->dirty, true);
}

void vhd_set_full(struct vhd *v, uint32_t block, bool full)
{
	uint8_t mask = 0x80 >> block % 8;

	if (full)
		atomic_fetch_or_explicit(&v->full[block / 8], mask, memory_order_release);
	else
		atomic_fetch_and_explicit(&v->full[block / 8], (uint8_t)~mask,
					  memory_order_release);
	v->batmap_stale = true;
}

/* One sector of the table. Entries past the disk's end are absent. */
static void encode_sector(const struct vhd *v, uint32_t sector, struct be32 *out)
{
	for (uint32_t i = 0; i < ENTRIES_A_SECTOR; i++) {
		uint32_t block = sector * ENTRIES_A_SECTOR + i;

		out[i] = vhd_put32(block < v->blocks ? vhd_entry(v, block) : VHD_NO_BLOCK);
	}
}

int vhd_table_write(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint32_t sectors = vhd_table_bytes(v->blocks) / VHD_SECTOR;

	for (uint32_t s = 0; s < sectors; s++) {
		struct be32 out[ENTRIES_A_SECTOR];
		/* A table need not fill its last sector, and something else may follow it there. */
		uint32_t entries = xd_min(ENTRIES_A_SECTOR, v->blocks - s * ENTRIES_A_SECTOR);
		int r;

		if (!v->bat_dirty[s / 8]) {
			s |= 7;
			continue;
		}
		if (!vhd_bit(v->bat_dirty, s))
			continue;
		encode_sector(v, s, out);
		r = xd_io_write(&image->io, out, entries * 4,
				v->bat_offset + s * (uint64_t)VHD_SECTOR, err);
		if (r)
			return r;
		v->bat_dirty[s / 8] &= ~(0x80 >> s % 8);
	}
	return 0;
}

static uint64_t locators_end(const struct vhd *v)
{
	uint64_t end = 0;

	for (int i = 0; i < VHD_LOCATORS; i++) {
		const struct vhd_locator *l = &v->header.locator[i];
		uint64_t at = vhd_get64(l->data_offset), space = vhd_locator_space(l);

		/* One that lies outside of the file takes no space in it. */
		if (vhd_get32(l->platform) && at <= v->file_size && space <= v->file_size - at &&
		    at + space > end)
			end = at + space;
	}
	return end;
}

uint64_t vhd_structures_end(const struct vhd *v)
{
	const uint64_t ends[] = {
	    sizeof(struct vhd_footer),
	    vhd_get64(v->footer.data_offset) + sizeof(v->header),
	    v->bat_offset + vhd_table_bytes(v->room),
	    v->batmap_offset ? vhd_batmap_end(v) : 0,
	    locators_end(v),
	};
	uint64_t end = 0;

	for (size_t i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		end = ends[i] > end ? ends[i] : end;
	return xd_align_up(end, VHD_SECTOR);
}

/* --- loading ------------------------------------------------------------------------------------------------------------ */

static int read_table(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	struct be32 chunk[4096];
	uint32_t n;

	for (uint32_t block = 0; block < v->blocks; block += n) {
		int r;

		n = xd_min(4096, v->blocks - block);
		r = xd_io_read(&image->io, chunk, n * 4, v->bat_offset + (uint64_t)block * 4, err);
		if (r)
			return r;
		for (uint32_t i = 0; i < n; i++)
			atomic_init(&v->bat[block + i], vhd_get32(chunk[i]));
	}
	return 0;
}

/* Whether [at, at + length) touches a structure. */
static bool hits_structure(const struct vhd *v, uint64_t at, uint64_t length)
{
	const struct {
		uint64_t at, length;
	} parts[] = {
	    {0, sizeof(struct vhd_footer)},
	    {vhd_get64(v->footer.data_offset), sizeof(v->header)},
	    {v->bat_offset, (uint64_t)v->room * 4},
	};

	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
		if (parts[i].length && at < parts[i].at + parts[i].length &&
		    parts[i].at < at + length)
			return true;
	return false;
}

static int check_block(const struct vhd *v, uint32_t block, uint64_t file_size,
		       struct xd_error *err)
{
	uint64_t at = vhd_block_at(vhd_entry(v, block)), length = vhd_block_bytes(v);
	uint64_t entry_at = v->bat_offset + 4ull * block;

	if (at + length > file_size)
		return xd_fail(err, XD_E_CORRUPT, entry_at,
			       "block %u lies at %llu, past the end of the file: it has been cut "
			       "off, or the table is damaged",
			       block, (unsigned long long)at);
	if (v->footer_at != VHD_NOWHERE && at + length > v->footer_at)
		return xd_fail(err, XD_E_CORRUPT, entry_at, "block %u at %llu lies on the footer",
			       block, (unsigned long long)at);
	if (hits_structure(v, at, length))
		return xd_fail(err, XD_E_CORRUPT, entry_at,
			       "block %u at %llu lies on the image's own structures", block,
			       (unsigned long long)at);
	return 0;
}

static int by_number(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;

	return x < y ? -1 : x > y;
}

/* Two blocks in one place: reading might pass, writing would destroy. */
static int check_overlap(const struct vhd *v, struct xd_error *err)
{
	uint32_t *sorted = malloc(v->blocks * sizeof(*sorted) + 1), n = 0;
	int r = 0;

	if (!sorted)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	for (uint32_t i = 0; i < v->blocks; i++)
		if (vhd_entry(v, i) != VHD_NO_BLOCK)
			sorted[n++] = vhd_entry(v, i);
	qsort(sorted, n, sizeof(*sorted), by_number);
	for (uint32_t i = 1; i < n && !r; i++)
		if (vhd_block_at(sorted[i]) < vhd_block_at(sorted[i - 1]) + vhd_block_bytes(v))
			r = xd_fail(err, XD_E_CORRUPT, vhd_block_at(sorted[i]),
				    "two blocks overlap here: not opened for writing");
	free(sorted);
	return r;
}

int vhd_table_load(struct xd_image *image, uint64_t file_size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	bool lenient = image->flags & XD_OPEN_LENIENT;
	int r;

	if ((r = read_table(image, err)) || (r = vhd_batmap_load(image, file_size, err)))
		return r;
	v->data_end = vhd_structures_end(v);
	for (uint32_t i = 0; i < v->blocks; i++) {
		uint64_t end;

		if (vhd_entry(v, i) == VHD_NO_BLOCK)
			continue;
		if (!lenient && (r = check_block(v, i, file_size, err)))
			return r;
		end = vhd_block_at(vhd_entry(v, i)) + vhd_block_bytes(v);
		if (end > v->data_end)
			v->data_end = end;
	}
	return (image->flags & XD_OPEN_WRITE) && !lenient ? check_overlap(v, err) : 0;
}
