/* SPDX-License-Identifier: MIT */
/* The metadata region (§2.6): the table, and the items that every disk has. */
#include <stdlib.h>

#include "disk/vhdx.h"

enum { ITEM_PARAMETERS, ITEM_SIZE, ITEM_ID, ITEM_LOGICAL, ITEM_PHYSICAL, ITEM_LOCATOR, ITEMS };

static const struct {
	struct vhdx_guid guid;
	uint32_t length; /* 0: any */
	const char *name;
} known[ITEMS] = {
    [ITEM_PARAMETERS] = {VHDX_META_FILE_PARAMETERS, 8, "file parameters"},
    [ITEM_SIZE] = {VHDX_META_DISK_SIZE, 8, "disk size"},
    [ITEM_ID] = {VHDX_META_DISK_ID, 16, "disk id"},
    [ITEM_LOGICAL] = {VHDX_META_LOGICAL_SECTOR, 4, "logical sector size"},
    [ITEM_PHYSICAL] = {VHDX_META_PHYSICAL_SECTOR, 4, "physical sector size"},
    [ITEM_LOCATOR] = {VHDX_META_PARENT_LOCATOR, 0, "parent locator"},
};

static int corrupt(const struct vhdx *v, struct xd_error *err, const char *what)
{
	return xd_fail(err, XD_E_CORRUPT, v->metadata.offset, "metadata table: %s", what);
}

static int by_offset(const void *a, const void *b)
{
	uint32_t x = ((const struct vhdx_metadata_entry *)a)->offset,
		 y = ((const struct vhdx_metadata_entry *)b)->offset;

	return (x > y) - (x < y);
}

static int by_item(const void *a, const void *b)
{
	const struct vhdx_metadata_entry *x = a, *y = b;
	int order = memcmp(&x->item, &y->item, sizeof(x->item));

	return order ? order
		     : (int)(x->flags & VHDX_META_IS_USER) - (int)(y->flags & VHDX_META_IS_USER);
}

static int check_entry(const struct vhdx *v, const struct vhdx_metadata_entry *entry,
		       struct xd_error *err)
{
	if (!entry->length)
		return entry->offset ? corrupt(v, err, "an empty item has a place") : 0;
	if (entry->length > VHDX_METADATA_MAX_ITEM || entry->offset < VHDX_METADATA_TABLE_SIZE ||
	    (uint64_t)entry->offset + entry->length > v->metadata.length)
		return corrupt(v, err, "an item lies outside the region");
	return 0;
}

/* Sorts the entries twice, so that what must not be twice lies side by side. */
static int check_table(const struct vhdx *v, struct vhdx_metadata_entry *entry, uint32_t count,
		       struct xd_error *err)
{
	int ret = 0;

	for (uint32_t i = 0; i < count && !ret; i++)
		ret = check_entry(v, &entry[i], err);
	if (ret)
		return ret;
	qsort(entry, count, sizeof(*entry), by_offset);
	for (uint32_t i = 1; i < count; i++)
		if (entry[i - 1].length &&
		    entry[i].offset - entry[i - 1].offset < entry[i - 1].length)
			return corrupt(v, err, "two items overlap");
	qsort(entry, count, sizeof(*entry), by_item);
	for (uint32_t i = 1; i < count; i++)
		if (by_item(&entry[i - 1], &entry[i]) == 0)
			return corrupt(v, err, "an item is there twice");
	return 0;
}

static int find_known(const struct vhdx *v, const struct vhdx_metadata_entry *entry, uint32_t count,
		      struct vhdx_metadata_entry found[ITEMS], struct xd_error *err)
{
	for (uint32_t i = 0; i < count; i++) {
		int item;

		for (item = 0; item < ITEMS; item++)
			if (!(entry[i].flags & VHDX_META_IS_USER) &&
			    vhdx_guid_equal(&entry[i].item, &known[item].guid))
				break;
		if (item < ITEMS)
			found[item] = entry[i];
		else if (entry[i].flags & VHDX_META_IS_REQUIRED)
			return xd_fail(err, XD_E_UNSUPPORTED, v->metadata.offset,
				       "the image needs a metadata item that is not known here");
	}
	for (int item = 0; item < ITEM_LOCATOR; item++)
		if (found[item].length != known[item].length)
			return xd_fail(err, XD_E_CORRUPT, v->metadata.offset,
				       "metadata item %s: %u bytes, should be %u", known[item].name,
				       found[item].length, known[item].length);
	return 0;
}

static bool power_of_two_in(uint32_t n, uint32_t least, uint32_t most)
{
	return n >= least && n <= most && !(n & (n - 1));
}

static int read_item(struct vhdx *v, const struct vhdx_metadata_entry *entry, void *to,
		     struct xd_error *err)
{
	return xd_io_read(v->io, to, entry->length, v->metadata.offset + entry->offset, err);
}

static int read_locator(struct vhdx *v, const struct vhdx_metadata_entry *entry,
			struct xd_error *err)
{
	int ret;

	if (!entry->length)
		return corrupt(v, err, "a differencing disk without a parent locator");
	v->locator = malloc(entry->length);
	if (!v->locator)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the parent locator");
	v->locator_length = entry->length;
	ret = read_item(v, entry, v->locator, err);
	return ret ? ret : vhdx_locator_validate(v->locator, v->locator_length, err);
}

static int read_items(struct vhdx *v, const struct vhdx_metadata_entry found[ITEMS],
		      struct xd_error *err)
{
	struct vhdx_file_parameters parameters;
	uint32_t logical, physical;
	int ret;

	if ((ret = read_item(v, &found[ITEM_PARAMETERS], &parameters, err)) ||
	    (ret = read_item(v, &found[ITEM_SIZE], &v->disk_size, err)) ||
	    (ret = read_item(v, &found[ITEM_ID], &v->disk_id, err)) ||
	    (ret = read_item(v, &found[ITEM_LOGICAL], &logical, err)) ||
	    (ret = read_item(v, &found[ITEM_PHYSICAL], &physical, err)))
		return ret;
	if (!power_of_two_in(parameters.block_size, VHDX_MIN_BLOCK, VHDX_MAX_BLOCK))
		return corrupt(v, err, "the block size is no power of two from 1 to 256 MiB");
	if ((logical != 512 && logical != 4096) || (physical != 512 && physical != 4096))
		return corrupt(v, err, "a sector size that is neither 512 nor 4096");
	if (!v->disk_size || v->disk_size > VHDX_MAX_DISK || v->disk_size % logical)
		return corrupt(v, err, "a disk size of zero, above 64 TiB, or with half a sector");
	v->image->logical_sector = logical;
	v->image->physical_sector = physical;
	v->block_size = parameters.block_size;
	v->block_shift = __builtin_ctz(parameters.block_size);
	v->sector_shift = __builtin_ctz(logical);
	v->chunk_shift = __builtin_ctzll(VHDX_SECTORS_PER_CHUNK) + v->sector_shift - v->block_shift;
	v->blocks = (v->disk_size + v->block_size - 1) >> v->block_shift;
	v->has_parent = parameters.flags & VHDX_FILE_HAS_PARENT;
	v->fixed = !v->has_parent && parameters.flags & VHDX_FILE_LEAVE_BLOCKS_ALLOCATED;
	return v->has_parent ? read_locator(v, &found[ITEM_LOCATOR], err) : 0;
}

/* The header, checked, and the entries that it counts; free() it. */
static int read_table(struct vhdx *v, uint8_t **out, struct xd_error *err)
{
	struct vhdx_metadata_header header;
	int ret = xd_io_read(v->io, &header, sizeof(header), v->metadata.offset, err);
	size_t length = sizeof(struct vhdx_metadata_entry);
	uint8_t *table;

	if (ret)
		return ret;
	if (header.signature != VHDX_METADATA_SIGNATURE)
		return corrupt(v, err, "no signature");
	if (header.entry_count > VHDX_METADATA_MAX_ENTRIES)
		return corrupt(v, err, "more than 2047 entries");
	length *= header.entry_count;
	table = malloc(sizeof(header) + length);
	if (!table)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the metadata table");
	memcpy(table, &header, sizeof(header));
	ret = xd_io_read(v->io, table + sizeof(header), length, v->metadata.offset + sizeof(header),
			 err);
	if (ret)
		free(table);
	else
		*out = table;
	return ret;
}

int vhdx_meta_load(struct vhdx *v, struct xd_error *err)
{
	struct vhdx_metadata_entry found[ITEMS] = {0}, *entry;
	uint32_t count;
	uint8_t *table;
	int ret = read_table(v, &table, err);

	if (ret)
		return ret;
	count = ((struct vhdx_metadata_header *)table)->entry_count;
	entry = (void *)(table + sizeof(struct vhdx_metadata_header));
	if (!(ret = check_table(v, entry, count, err)) &&
	    !(ret = find_known(v, entry, count, found, err)))
		ret = read_items(v, found, err);
	free(table);
	return ret;
}

static struct vhdx_metadata_entry *find_entry(uint8_t *table, const struct vhdx_guid *item)
{
	struct vhdx_metadata_header *header = (void *)table;
	struct vhdx_metadata_entry *entry = (void *)(header + 1);

	for (uint32_t i = 0; i < header->entry_count; i++)
		if (!(entry[i].flags & VHDX_META_IS_USER) && vhdx_guid_equal(&entry[i].item, item))
			return &entry[i];
	return NULL;
}

static int stage_bytes(struct vhdx *v, uint64_t offset, const void *bytes, uint32_t length,
		       struct xd_error *err)
{
	const uint8_t *from = bytes;

	while (length) {
		uint32_t in_page = offset % VHDX_PAGE;
		uint32_t part = xd_min(length, VHDX_PAGE - in_page);
		struct vhdx_page *page;
		int ret = vhdx_page_get(v, offset - in_page, &page, err);

		if (ret)
			return ret;
		memcpy(page->byte + in_page, from, part);
		vhdx_page_dirty(v, page);
		offset += part;
		from += part;
		length -= part;
	}
	return 0;
}

int vhdx_meta_stage(struct vhdx *v, const struct vhdx_guid *item, const void *value,
		    uint32_t length, struct xd_error *err)
{
	struct vhdx_metadata_entry *entry;
	uint8_t *table;
	int ret = read_table(v, &table, err);

	if (ret)
		return ret;
	entry = find_entry(table, item);
	if (!entry || entry->length != length)
		ret = corrupt(v, err, "an item is not there, or not as long as it was");
	else
		ret = stage_bytes(v, v->metadata.offset + entry->offset, value, length, err);
	free(table);
	return ret;
}

/* The lowest place of that length, a multiple of a page, that no item holds; 0 where there is none. */
static uint32_t free_place(const struct vhdx *v, const uint8_t *table, uint32_t length)
{
	const struct vhdx_metadata_header *header = (const void *)table;
	const struct vhdx_metadata_entry *entry = (const void *)(header + 1);
	uint64_t place = VHDX_METADATA_TABLE_SIZE;
	uint32_t i = 0;

	while (i < header->entry_count && place + length <= v->metadata.length) {
		uint64_t end = (uint64_t)entry[i].offset + entry[i].length;

		if (entry[i].length && place < end && entry[i].offset < place + length) {
			place = xd_align_up(end, VHDX_PAGE);
			i = 0;
		} else {
			i++;
		}
	}
	return place + length <= v->metadata.length ? place : 0;
}

int vhdx_meta_move(struct vhdx *v, const struct vhdx_guid *item, const void *value, uint32_t length,
		   struct xd_error *err)
{
	struct vhdx_metadata_entry *entry;
	uint8_t *table;
	int ret = read_table(v, &table, err);
	uint32_t place;

	if (ret)
		return ret;
	entry = find_entry(table, item);
	place = free_place(v, table, length);
	if (!entry)
		ret = corrupt(v, err, "an item that should be there is not");
	else if (!place)
		ret = xd_fail(err, XD_E_LIMIT, v->metadata.offset,
			      "no room in the metadata region for %u bytes", length);
	/* The new place is nobody's until the table says so, hence no log for the value itself. */
	if (!ret)
		ret = xd_io_write(v->io, value, length, v->metadata.offset + place, err);
	if (!ret) {
		entry->offset = place;
		entry->length = length;
		ret = stage_bytes(v, v->metadata.offset + ((uint8_t *)entry - table), entry,
				  sizeof(*entry), err);
	}
	free(table);
	return ret;
}
