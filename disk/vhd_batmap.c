/* SPDX-License-Identifier: MIT */
/* XenServer's batmap: which blocks are full, so that their bitmaps need not be read. */
#include <stdlib.h>
#include <string.h>

#include "disk/vhd.h"

uint32_t vhd_batmap_sectors(uint32_t entries)
{
	uint32_t sectors = ((uint64_t)entries + VHD_SECTOR * 8 - 1) / (VHD_SECTOR * 8);

	return sectors ? sectors : 1;
}

uint64_t vhd_batmap_end(const struct vhd *v)
{
	return v->batmap_offset + sizeof(struct vhd_batmap_header) +
	       (uint64_t)v->batmap_sectors * VHD_SECTOR;
}

/*
 * The sum covers as many bytes as tapdisk sums: what the disk's size needs, counted in blocks of 2 MiB whatever the block size
 * (blktap, vhd_checksum_batmap).
 */
static uint32_t batmap_sum(const uint8_t *map, uint64_t bytes, uint64_t disk_size, uint32_t version)
{
	uint64_t covered = xd_align_up(disk_size >> 24, VHD_SECTOR);
	uint32_t sum = 0;

	if (!covered)
		covered = VHD_SECTOR;
	for (uint64_t i = 0; i < xd_min(bytes, covered); i++)
		sum += version == VHD_BATMAP_1_1 ? (uint32_t)(int8_t)map[i] : map[i];
	return ~sum;
}

static bool writes_batmap(const struct vhd_footer *footer)
{
	return !memcmp(footer->creator_app, "tap", 4) && vhd_get32(footer->creator_version) > 1;
}

/* A map where one belongs, big enough for the disk and not bigger than the table asks for. */
static bool plausible(const struct vhd *v, const struct vhd_batmap_header *h, uint64_t at,
		      uint64_t file_size)
{
	uint32_t sectors = vhd_get32(h->map_sectors), version = vhd_get32(h->version);

	return !memcmp(h->cookie, "tdbatmap", 8) &&
	       (version == VHD_BATMAP_1_1 || version == VHD_BATMAP_1_2) &&
	       vhd_get64(h->map_offset) == at + sizeof(*h) &&
	       sectors >= vhd_batmap_sectors(v->blocks) && sectors <= vhd_batmap_sectors(v->room) &&
	       at + sizeof(*h) + (uint64_t)sectors * VHD_SECTOR <= file_size;
}

static void take(struct vhd *v, const uint8_t *map)
{
	for (uint32_t i = 0; i < v->blocks; i++)
		if (vhd_bit(map, i) && vhd_entry(v, i) != VHD_NO_BLOCK)
			vhd_set_full(v, i, true);
	v->batmap_stale = false;
}

int vhd_batmap_load(struct xd_image *image, uint64_t file_size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t at = v->bat_offset + vhd_table_bytes(v->room), bytes;
	struct vhd_batmap_header h;
	uint8_t *map;
	int r;

	if (!writes_batmap(&v->footer) || at + sizeof(h) > file_size)
		return 0;
	if ((r = xd_io_read(&image->io, &h, sizeof(h), at, err)))
		return r;
	if (!plausible(v, &h, at, file_size))
		return 0;
	v->batmap_offset = at;
	v->batmap_sectors = vhd_get32(h.map_sectors);
	v->batmap_stale = v->batmap_damaged = true;
	bytes = (uint64_t)v->batmap_sectors * VHD_SECTOR;
	map = malloc(bytes);
	if (!map)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	r = xd_io_read(&image->io, map, bytes, at + sizeof(h), err);
	if (!r && batmap_sum(map, bytes, image->virtual_size, vhd_get32(h.version)) ==
		      vhd_get32(h.checksum)) {
		take(v, map);
		v->batmap_damaged = false;
	}
	free(map);
	return r;
}

int vhd_batmap_create(const struct xd_io *io, uint64_t offset, uint32_t sectors, uint64_t disk_size,
		      const void *map, size_t map_bytes, struct xd_error *err)
{
	uint64_t bytes = (uint64_t)sectors * VHD_SECTOR;
	struct vhd_batmap_header *h = calloc(1, sizeof(*h) + bytes);
	uint8_t *out = (uint8_t *)(h + 1);
	int r;

	if (!h)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	memcpy(h->cookie, "tdbatmap", 8);
	h->map_offset = vhd_put64(offset + sizeof(*h));
	h->map_sectors = vhd_put32(sectors);
	h->version = vhd_put32(VHD_BATMAP_1_2);
	if (map)
		memcpy(out, map, xd_min(map_bytes, bytes));
	h->checksum = vhd_put32(batmap_sum(out, bytes, disk_size, VHD_BATMAP_1_2));
	r = xd_io_write(io, h, sizeof(*h) + bytes, offset, err);
	free(h);
	return r;
}

int vhd_batmap_write(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r;

	if (!v->batmap_offset || !v->batmap_stale)
		return 0;
	r = vhd_batmap_create(&image->io, v->batmap_offset, v->batmap_sectors, image->virtual_size,
			      (const void *)v->full, (v->blocks + 7) / 8, err);
	if (!r)
		v->batmap_stale = false;
	return r;
}
