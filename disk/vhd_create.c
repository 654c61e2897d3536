/* SPDX-License-Identifier: MIT */
/* New VHD images. Dynamic: footer copy, header, table, batmap, locators, footer. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "disk/vhd.h"

struct creator {
	char app[4], os[4];
	uint32_t version;
};

/*
 * "win " is what Hyper-V writes. Readers decide by the creator whether to trust current_size (vhd_size_rule), older QEMUs from a short
 * list: a name of our own would make them use the geometry.
 */
static const struct creator hyperv = {"win ", "Wi2k", 0x000a0000};
static const struct creator tapdisk = {"tap", "", 0x00010003};

static int make_footer(const struct xd_create *how, struct vhd_footer *footer, struct xd_error *err)
{
	const struct creator *creator = how->profile == XD_PROFILE_XENSERVER ? &tapdisk : &hyperv;
	uint32_t type = how->type == XD_TYPE_FIXED     ? VHD_TYPE_FIXED
			: how->type == XD_TYPE_DYNAMIC ? VHD_TYPE_DYNAMIC
						       : VHD_TYPE_DIFF;

	*footer = (struct vhd_footer){
	    .features = vhd_put32(VHD_FEATURE_RESERVED),
	    .version = vhd_put32(VHD_VERSION_1_0),
	    .data_offset = vhd_put64(how->type == XD_TYPE_FIXED ? VHD_NO_NEXT : sizeof(*footer)),
	    .timestamp = vhd_put32(vhd_time(how->time ? how->time : time(NULL))),
	    .creator_version = vhd_put32(creator->version),
	    .original_size = vhd_put64(how->virtual_size),
	    .type = vhd_put32(type),
	};
	memcpy(footer->cookie, "conectix", 8);
	memcpy(footer->creator_app, creator->app, 4);
	memcpy(footer->creator_os, creator->os, 4);
	vhd_footer_set_size(footer, how->virtual_size);
	if (how->id)
		memcpy(footer->id, how->id, 16);
	else if (xd_random_id(footer->id))
		return xd_fail(err, XD_E_IO, XD_NO_OFFSET, "no random numbers");
	vhd_footer_seal(footer);
	return 0;
}

static int create_fixed(const struct xd_create *how, const struct xd_io *io,
			const struct vhd_footer *footer, struct xd_error *err)
{
	int r = xd_io_write(io, footer, sizeof(*footer), how->virtual_size, err);

	return r ? r : xd_io_flush(io, err);
}

static int write_table(const struct xd_io *io, uint64_t at, uint64_t bytes, struct xd_error *err)
{
	uint8_t absent[4096];
	int r = 0;

	memset(absent, 0xff, sizeof(absent));
	for (uint64_t n; !r && bytes; at += n, bytes -= n) {
		n = xd_min(bytes, sizeof(absent));
		r = xd_io_write(io, absent, n, at, err);
	}
	return r;
}

static int write_locators(const struct xd_create *how, const struct xd_io *io,
			  struct vhd_header *header, uint64_t *at, struct xd_error *err)
{
	uint8_t *data;
	size_t length;
	int r = vhd_parent_record(header, how->parent, how->parent_path, how->path, *at, &data,
				  &length, err);

	if (r)
		return r;
	r = xd_io_write(io, data, length, *at, err);
	free(data);
	*at += length;
	return r;
}

static int create_sparse(const struct xd_create *how, const struct xd_io *io,
			 const struct vhd_footer *footer, struct xd_error *err)
{
	uint32_t block_size = how->block_size ? how->block_size : VHD_DEFAULT_BLOCK;
	uint32_t blocks = (how->virtual_size + block_size - 1) / block_size;
	uint64_t table = sizeof(*footer) + sizeof(struct vhd_header),
		 at = table + vhd_table_bytes(blocks);
	struct vhd_header header = {
	    .data_offset = vhd_put64(VHD_NO_NEXT),
	    .table_offset = vhd_put64(table),
	    .version = vhd_put32(VHD_VERSION_1_0),
	    .max_table_entries = vhd_put32(blocks),
	    .block_size = vhd_put32(block_size),
	};
	int r = write_table(io, table, at - table, err);

	memcpy(header.cookie, "cxsparse", 8);
	vhd_header_seal(&header);
	if (!r && how->profile == XD_PROFILE_XENSERVER) {
		uint32_t sectors = vhd_batmap_sectors(blocks);

		r = vhd_batmap_create(io, at, sectors, how->virtual_size, NULL, 0, err);
		at += sizeof(struct vhd_batmap_header) + (uint64_t)sectors * VHD_SECTOR;
	}
	if (!r && how->parent)
		r = write_locators(how, io, &header, &at, err);
	if (!r)
		r = xd_io_write(io, &header, sizeof(header), sizeof(*footer), err);
	if (!r)
		r = xd_io_write(io, footer, sizeof(*footer), at, err);
	/* Last: before this the file is no image. */
	if (!r)
		r = xd_io_write(io, footer, sizeof(*footer), 0, err);
	return r ? r : xd_io_flush(io, err);
}

static int check_request(const struct xd_create *how, struct xd_error *err)
{
	uint32_t bs = how->block_size;

	if (how->virtual_size > VHD_MAX_SIZE)
		return xd_fail(err, XD_E_LIMIT, XD_NO_OFFSET,
			       "VHD holds at most 2040 GiB; VHDX holds 64 TiB");
	if (how->virtual_size < VHD_SECTOR)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "an empty disk");
	if (how->logical_sector > VHD_SECTOR)
		return xd_fail(err, XD_E_UNSUPPORTED, XD_NO_OFFSET,
			       "VHD has sectors of 512 bytes only");
	if (bs && (bs < VHD_ALIGN || bs > VHD_MAX_BLOCK || bs & (bs - 1)))
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "block size: a power of two from 4 KiB to 256 MiB");
	if (bs && how->virtual_size / bs > XD_MAX_TABLE_BYTES / 8)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET,
			       "blocks too small for a disk of this size");
	if (how->parent && how->parent->driver->format == XD_FORMAT_VHDX)
		return xd_fail(err, XD_E_INVAL, XD_NO_OFFSET, "a VHD's parent is a VHD");
	return 0;
}

int vhd_create(const struct xd_create *asked, const struct xd_io *io, struct xd_error *err)
{
	struct xd_create how = *asked;
	struct vhd_footer footer;
	int r;

	how.virtual_size = xd_align_up(how.virtual_size, VHD_SECTOR);
	if ((r = check_request(&how, err)) || (r = make_footer(&how, &footer, err)))
		return r;
	return how.type == XD_TYPE_FIXED ? create_fixed(&how, io, &footer, err)
					 : create_sparse(&how, io, &footer, err);
}
