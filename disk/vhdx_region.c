/* SPDX-License-Identifier: MIT */
/* The region table (§2.2.3): where BAT and metadata are, and what else has a place of its own. */
#include <stdlib.h>

#include "disk/vhdx.h"

static const struct vhdx_guid guid_bat = VHDX_REGION_BAT, guid_metadata = VHDX_REGION_METADATA;
static const uint64_t copy_offset[2] = {VHDX_REGION_TABLE_1, VHDX_REGION_TABLE_2};

static bool table_whole(const uint8_t *table)
{
	const struct vhdx_region_header *header = (const void *)table;

	return header->signature == VHDX_REGION_SIGNATURE &&
	       header->entry_count <= VHDX_REGION_MAX_ENTRIES &&
	       header->checksum == vhdx_checksum(table, VHDX_REGION_TABLE_SIZE);
}

static int by_offset(const void *a, const void *b)
{
	uint64_t x = ((const struct vhdx_extent *)a)->offset,
		 y = ((const struct vhdx_extent *)b)->offset;

	return (x > y) - (x < y);
}

static int add_region(struct vhdx *v, const struct vhdx_region_entry *entry, uint64_t at,
		      struct xd_error *err)
{
	struct vhdx_extent extent = {entry->file_offset, entry->length};
	struct vhdx_extent *known = NULL;

	if (extent.offset % VHDX_MIB || extent.offset < VHDX_HEADER_SECTION ||
	    extent.offset > VHDX_MAX_FILE || !extent.length || extent.length % VHDX_MIB)
		return xd_fail(err, XD_E_CORRUPT, at,
			       "a region at %llu, %llu bytes long: not where a region can be",
			       (unsigned long long)extent.offset,
			       (unsigned long long)extent.length);
	if (extent.offset + extent.length > v->file_end)
		return xd_fail(err, XD_E_CORRUPT, at,
			       "a region ends at %llu, past the end of the file: it was cut short",
			       (unsigned long long)(extent.offset + extent.length));
	if (vhdx_guid_equal(&entry->guid, &guid_bat))
		known = &v->bat;
	else if (vhdx_guid_equal(&entry->guid, &guid_metadata))
		known = &v->metadata;
	else if (entry->flags & VHDX_REGION_FLAG_REQUIRED)
		return xd_fail(err, XD_E_UNSUPPORTED, at,
			       "the image needs a kind of region that is not known here");
	if (known && known->length)
		return xd_fail(err, XD_E_CORRUPT, at, "the region table names a region twice");
	if (known)
		*known = extent;
	v->regions[v->region_count++] = extent;
	return 0;
}

static int check_overlaps(struct vhdx *v, struct xd_error *err)
{
	v->regions[v->region_count++] = v->log;
	qsort(v->regions, v->region_count, sizeof(*v->regions), by_offset);
	for (size_t i = 1; i < v->region_count; i++)
		if (v->regions[i - 1].offset + v->regions[i - 1].length > v->regions[i].offset)
			return xd_fail(err, XD_E_CORRUPT, v->regions[i].offset,
				       "two regions overlap at %llu",
				       (unsigned long long)v->regions[i].offset);
	return 0;
}

static int parse_table(struct vhdx *v, const uint8_t *table, uint64_t at, struct xd_error *err)
{
	const struct vhdx_region_header *header = (const void *)table;
	const struct vhdx_region_entry *entry = (const void *)(header + 1);
	int ret = 0;

	v->regions = calloc(header->entry_count + 1, sizeof(*v->regions));
	if (!v->regions)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the region table");
	for (uint32_t i = 0; i < header->entry_count && !ret; i++)
		ret = add_region(v, &entry[i], at + sizeof(*header) + i * sizeof(*entry), err);
	if (ret)
		return ret;
	if (!v->bat.length || !v->metadata.length)
		return xd_fail(err, XD_E_CORRUPT, at, "the region table names no %s",
			       v->bat.length ? "metadata region" : "BAT");
	return check_overlaps(v, err);
}

/* The copies are equal as a rule; then one sum says it of both. */
static void judge_tables(struct vhdx *v, uint8_t *const tables[2])
{
	v->regions_differ = memcmp(tables[0], tables[1], VHDX_REGION_TABLE_SIZE) != 0;
	v->region_good[0] = table_whole(tables[0]);
	v->region_good[1] = v->regions_differ ? table_whole(tables[1]) : v->region_good[0];
}

static int load_tables(struct vhdx *v, uint8_t *const tables[2], struct xd_error *err)
{
	int good;

	for (int copy = 0; copy < 2; copy++) {
		int ret =
		    xd_io_read(v->io, tables[copy], VHDX_REGION_TABLE_SIZE, copy_offset[copy], err);

		if (ret)
			return ret;
	}
	judge_tables(v, tables);
	if (!v->region_good[0] && !v->region_good[1])
		return xd_fail(err, XD_E_CORRUPT, VHDX_REGION_TABLE_1,
			       "both region tables are damaged");
	good = v->region_good[0] ? 0 : 1;
	return parse_table(v, tables[good], copy_offset[good], err);
}

int vhdx_region_load(struct vhdx *v, struct xd_error *err)
{
	uint8_t *tables[2] = {malloc(VHDX_REGION_TABLE_SIZE), malloc(VHDX_REGION_TABLE_SIZE)};
	int ret = tables[0] && tables[1]
		      ? load_tables(v, tables, err)
		      : xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the region table");

	free(tables[0]);
	free(tables[1]);
	return ret;
}

int vhdx_region_read(struct vhdx *v, uint8_t *table, struct xd_error *err)
{
	return xd_io_read(v->io, table, VHDX_REGION_TABLE_SIZE,
			  copy_offset[v->region_good[0] ? 0 : 1], err);
}

int vhdx_region_stage(struct vhdx *v, uint8_t *table, struct xd_error *err)
{
	struct vhdx_region_header *header = (void *)table;
	struct vhdx_page *page;

	header->checksum = vhdx_checksum(table, VHDX_REGION_TABLE_SIZE);
	for (int copy = 0; copy < 2; copy++)
		for (uint32_t at = 0; at < VHDX_REGION_TABLE_SIZE; at += VHDX_PAGE) {
			int ret = vhdx_page_get(v, copy_offset[copy] + at, &page, err);

			if (ret)
				return ret;
			if (memcmp(page->byte, table + at, VHDX_PAGE) == 0)
				continue;
			memcpy(page->byte, table + at, VHDX_PAGE);
			vhdx_page_dirty(v, page);
		}
	v->region_good[0] = v->region_good[1] = true;
	v->regions_differ = false;
	return 0;
}
