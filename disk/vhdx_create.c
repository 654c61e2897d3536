/* SPDX-License-Identifier: MIT */
/*
 * Making an empty image: header section, log, metadata and BAT, each at the next MiB, then the blocks of a fixed disk in order.
 * The signature goes in last, after a flush: what was cut short while being made is no VHDX file.
 */
#include <stdlib.h>

#include "disk/vhdx.h"

#define LOG_OFFSET       (1ull * VHDX_MIB)
#define METADATA_OFFSET  (2ull * VHDX_MIB)
#define BAT_OFFSET       (3ull * VHDX_MIB)
#define LOCATOR_OFFSET   (VHDX_METADATA_TABLE_SIZE + 4096u)
#define DYNAMIC_BLOCK    (32u << 20)
#define DIFFERENCE_BLOCK (2u << 20)
#define FILL_BYTES       (64u << 10)

struct plan {
	const struct xd_create *how;
	const struct xd_io *io;
	uint32_t block_size, logical, physical;
	uint64_t blocks, bat_entries, bat_length, file_size;
	uint32_t chunk_shift;
	struct vhdx_guid id;
	uint8_t *locator;
	uint32_t locator_length;
};

static bool power_of_two_in(uint32_t n, uint32_t least, uint32_t most)
{
	return n >= least && n <= most && !(n & (n - 1));
}

static int check_request(const struct plan *p, struct xd_error *err)
{
	const struct xd_create *how = p->how;

	if (!power_of_two_in(p->block_size, VHDX_MIN_BLOCK, VHDX_MAX_BLOCK))
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "a block is a power of two from 1 MiB to 256 MiB, not %u bytes",
			       p->block_size);
	if ((p->logical != 512 && p->logical != 4096) ||
	    (p->physical != 512 && p->physical != 4096))
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "VHDX sectors are 512 or 4096 bytes long");
	if (how->virtual_size > VHDX_MAX_DISK)
		return xd_fail(err, XD_E_LIMIT, XD_NO_OFFSET, "VHDX ends at 64 TiB");
	if (!how->virtual_size || how->virtual_size % p->logical)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "%llu bytes are no whole number of %u-byte sectors",
			       (unsigned long long)how->virtual_size, p->logical);
	if (!how->parent)
		return 0;
	if (how->parent->driver != &xd_vhdx_driver)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "a VHDX child needs a VHDX parent");
	if (how->parent->logical_sector != p->logical)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "the parent's sectors are %u bytes, the child's would be %u",
			       how->parent->logical_sector, p->logical);
	return 0;
}

static int plan(struct plan *p, const struct xd_create *how, const struct xd_io *io,
		struct xd_error *err)
{
	uint32_t usual = how->type == XD_TYPE_DIFF ? DIFFERENCE_BLOCK : DYNAMIC_BLOCK;
	uint32_t usual_sector = how->parent ? how->parent->logical_sector : 512;
	int ret;

	*p = (struct plan){.how = how, .io = io};
	p->block_size = how->block_size ? how->block_size : usual;
	p->logical = how->logical_sector ? how->logical_sector : usual_sector;
	p->physical = how->physical_sector ? how->physical_sector
		      : how->parent        ? how->parent->physical_sector
					   : 4096;
	ret = check_request(p, err);
	if (ret)
		return ret;
	p->blocks = (how->virtual_size + p->block_size - 1) / p->block_size;
	p->chunk_shift = __builtin_ctzll(VHDX_SECTORS_PER_CHUNK * p->logical / p->block_size);
	p->bat_entries = vhdx_bat_entries(p->blocks, p->chunk_shift, how->type == XD_TYPE_DIFF);
	p->bat_length = xd_align_up(p->bat_entries * 8, VHDX_MIB);
	p->file_size = BAT_OFFSET + p->bat_length;
	if (how->type == XD_TYPE_FIXED)
		p->file_size += p->blocks * p->block_size;
	if (how->id)
		memcpy(p->id.b, how->id, sizeof(p->id.b));
	else if (vhdx_guid_new(&p->id))
		return xd_fail(err, XD_E_IO, XD_NO_OFFSET, "no random numbers for a new GUID");
	if (!how->parent)
		return 0;
	return vhdx_locator_build(&((struct vhdx *)how->parent->state)->header.data_write_guid,
				  how->path, how->parent_path, &p->locator, &p->locator_length,
				  err);
}

static int write_metadata(const struct plan *p, struct xd_error *err)
{
	const uint32_t data = VHDX_METADATA_TABLE_SIZE;
	const uint32_t disk = VHDX_META_IS_REQUIRED | VHDX_META_IS_VIRTUAL_DISK;
	const struct vhdx_metadata_entry entries[] = {
	    {VHDX_META_FILE_PARAMETERS, data, 8, VHDX_META_IS_REQUIRED, 0},
	    {VHDX_META_DISK_SIZE, data + 8, 8, disk, 0},
	    {VHDX_META_DISK_ID, data + 16, 16, disk, 0},
	    {VHDX_META_LOGICAL_SECTOR, data + 32, 4, disk, 0},
	    {VHDX_META_PHYSICAL_SECTOR, data + 36, 4, disk, 0},
	    {VHDX_META_PARENT_LOCATOR, LOCATOR_OFFSET, p->locator_length, VHDX_META_IS_REQUIRED, 0},
	};
	const uint32_t count = p->locator ? 6 : 5;
	const struct vhdx_metadata_header header = {.signature = VHDX_METADATA_SIGNATURE,
						    .entry_count = count};
	const struct vhdx_file_parameters parameters = {
	    p->block_size, p->how->type == XD_TYPE_FIXED  ? VHDX_FILE_LEAVE_BLOCKS_ALLOCATED
			   : p->how->type == XD_TYPE_DIFF ? VHDX_FILE_HAS_PARENT
							  : 0};
	uint8_t items[40];
	int ret;

	memcpy(items, &parameters, 8);
	memcpy(items + 8, &p->how->virtual_size, 8);
	memcpy(items + 16, &p->id, 16);
	memcpy(items + 32, &p->logical, 4);
	memcpy(items + 36, &p->physical, 4);
	if ((ret = xd_io_write(p->io, &header, sizeof(header), METADATA_OFFSET, err)) ||
	    (ret = xd_io_write(p->io, entries, count * sizeof(entries[0]),
			       METADATA_OFFSET + sizeof(header), err)) ||
	    (ret = xd_io_write(p->io, items, sizeof(items), METADATA_OFFSET + data, err)) ||
	    !p->locator)
		return ret;
	return xd_io_write(p->io, p->locator, p->locator_length, METADATA_OFFSET + LOCATOR_OFFSET,
			   err);
}

/* Only a fixed disk's BAT holds anything. */
static int write_bat(const struct plan *p, struct xd_error *err)
{
	uint64_t ratio = 1ull << p->chunk_shift, next = BAT_OFFSET + p->bat_length, *piece;
	int ret = 0;

	if (p->how->type != XD_TYPE_FIXED)
		return 0;
	piece = malloc(FILL_BYTES);
	if (!piece)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory to write the BAT");
	for (uint64_t index = 0; index < p->bat_entries && !ret; index += FILL_BYTES / 8) {
		uint64_t here = xd_min(FILL_BYTES / 8, p->bat_entries - index);

		for (uint64_t i = 0; i < here; i++) {
			bool bitmap = (index + i) % (ratio + 1) == ratio;

			piece[i] = bitmap ? VHDX_SB_NOT_PRESENT : next | VHDX_BLOCK_FULLY_PRESENT;
			next += bitmap ? 0 : p->block_size;
		}
		ret = xd_io_write(p->io, piece, here * 8, BAT_OFFSET + index * 8, err);
	}
	free(piece);
	return ret;
}

static int write_regions(const struct plan *p, struct xd_error *err)
{
	const struct vhdx_region_entry entries[] = {
	    {VHDX_REGION_BAT, BAT_OFFSET, p->bat_length, VHDX_REGION_FLAG_REQUIRED},
	    {VHDX_REGION_METADATA, METADATA_OFFSET, VHDX_MIB, VHDX_REGION_FLAG_REQUIRED},
	};
	struct vhdx_region_header header = {.signature = VHDX_REGION_SIGNATURE, .entry_count = 2};
	uint8_t *table = calloc(1, VHDX_REGION_TABLE_SIZE);
	int ret;

	if (!table)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the region table");
	memcpy(table, &header, sizeof(header));
	memcpy(table + sizeof(header), entries, sizeof(entries));
	header.checksum = vhdx_checksum(table, VHDX_REGION_TABLE_SIZE);
	memcpy(table, &header, sizeof(header));
	ret = xd_io_write(p->io, table, VHDX_REGION_TABLE_SIZE, VHDX_REGION_TABLE_1, err);
	if (!ret)
		ret = xd_io_write(p->io, table, VHDX_REGION_TABLE_SIZE, VHDX_REGION_TABLE_2, err);
	free(table);
	return ret;
}

static int write_headers(const struct plan *p, struct xd_error *err)
{
	static const uint64_t offset[2] = {VHDX_HEADER_OFFSET_1, VHDX_HEADER_OFFSET_2};
	struct vhdx_header header = {
	    .signature = VHDX_HEADER_SIGNATURE,
	    .file_write_guid = p->id,
	    .data_write_guid = p->id,
	    .log_version = VHDX_LOG_VERSION,
	    .version = VHDX_VERSION,
	    .log_length = VHDX_MIB,
	    .log_offset = LOG_OFFSET,
	};
	int ret = 0;

	for (int slot = 0; slot < 2 && !ret; slot++) {
		header.sequence = slot + 1;
		header.checksum = vhdx_checksum(&header, sizeof(header));
		ret = xd_io_write(p->io, &header, sizeof(header), offset[slot], err);
	}
	return ret;
}

static int write_signature(const struct plan *p, struct xd_error *err)
{
	const char *creator = p->how->profile == XD_PROFILE_HYPERV
				  ? "Microsoft Windows 10.0.20348.0"
				  : "Xenolith " XD_VERSION;
	struct vhdx_file_id id = {.signature = VHDX_FILE_ID_SIGNATURE};
	uint8_t text[sizeof(id.creator)] = {0};
	int ret = xd_io_flush(p->io, err);

	xd_utf8_to_utf16(creator, false, text, sizeof(text));
	memcpy(id.creator, text, sizeof(text));
	if (!ret)
		ret = xd_io_write(p->io, &id, sizeof(id), VHDX_FILE_ID_OFFSET, err);
	return ret ? ret : xd_io_flush(p->io, err);
}

int vhdx_create(const struct xd_create *how, const struct xd_io *io, struct xd_error *err)
{
	struct plan p;
	int ret = plan(&p, how, io, err);

	if (!ret)
		ret = xd_io_truncate(io, p.file_size, err);
	if (ret || (ret = write_metadata(&p, err)) || (ret = write_bat(&p, err)) ||
	    (ret = write_regions(&p, err)) || (ret = write_headers(&p, err)))
		goto out;
	ret = write_signature(&p, err);
out:
	free(p.locator);
	return ret;
}
