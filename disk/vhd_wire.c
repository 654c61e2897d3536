/* SPDX-License-Identifier: MIT */
/* VHD's numbers: checksums, geometry, and which field tells the size. */
#include <string.h>

#include "disk/vhd.h"

struct be64 vhd_put64(uint64_t n)
{
	struct be64 out;

	for (int i = 7; i >= 0; i--, n >>= 8)
		out.b[i] = n;
	return out;
}

uint32_t vhd_checksum(const void *data, size_t length, size_t skip)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += p[i];
	for (size_t i = skip; i < skip + 4; i++)
		sum -= p[i];
	return ~sum;
}

static uint32_t footer_sum(const struct vhd_footer *footer)
{
	return vhd_checksum(footer, sizeof(*footer), offsetof(struct vhd_footer, checksum));
}

static uint32_t header_sum(const struct vhd_header *header)
{
	return vhd_checksum(header, sizeof(*header), offsetof(struct vhd_header, checksum));
}

bool vhd_footer_is(const struct vhd_footer *footer)
{
	return !memcmp(footer->cookie, "conectix", 8);
}

/* Early versions of tapdisk's tools marked a disk hidden and left the checksum as it was (blktap, vhd_validate_footer). */
bool vhd_footer_sum_ok(const struct vhd_footer *footer)
{
	uint32_t sum = footer_sum(footer), said = vhd_get32(footer->checksum);

	return sum == said || (footer->hidden && !memcmp(footer->creator_app, "tap", 3) &&
			       sum + footer->hidden == said);
}

bool vhd_header_sum_ok(const struct vhd_header *header)
{
	return header_sum(header) == vhd_get32(header->checksum);
}

void vhd_footer_seal(struct vhd_footer *footer)
{
	footer->checksum = vhd_put32(footer_sum(footer));
}

void vhd_header_seal(struct vhd_header *header)
{
	header->checksum = vhd_put32(header_sum(header));
}

struct geometry {
	uint32_t cylinders, heads, spt;
};

/* The specification's appendix, "CHS Calculation". */
static struct geometry geometry_for(uint64_t sectors)
{
	struct geometry g = {0, 16, VHD_MAX_SPT};
	uint32_t cylinders_heads;

	sectors = xd_min(sectors, VHD_MAX_CYLINDERS * 16ull * VHD_MAX_SPT);
	if (sectors >= 65535ull * 16 * 63) {
		cylinders_heads = sectors / g.spt;
	} else {
		g.spt = 17;
		cylinders_heads = sectors / g.spt;
		g.heads = (cylinders_heads + 1023) / 1024;
		if (g.heads < 4)
			g.heads = 4;
		if (cylinders_heads >= g.heads * 1024 || g.heads > 16) {
			g.spt = 31;
			g.heads = 16;
			cylinders_heads = sectors / g.spt;
		}
		if (cylinders_heads >= g.heads * 1024) {
			g.spt = 63;
			g.heads = 16;
			cylinders_heads = sectors / g.spt;
		}
	}
	g.cylinders = cylinders_heads / g.heads;
	return g;
}

void vhd_footer_set_size(struct vhd_footer *footer, uint64_t size)
{
	struct geometry g = geometry_for(size / VHD_SECTOR);

	footer->current_size = vhd_put64(size);
	footer->cylinders = vhd_put16(g.cylinders);
	footer->heads = g.heads;
	footer->sectors_per_track = g.spt;
}

uint64_t vhd_chs_size(const struct vhd_footer *footer)
{
	return (uint64_t)vhd_get16(footer->cylinders) * footer->heads * footer->sectors_per_track *
	       VHD_SECTOR;
}

/*
 * The specification has current_size and says nothing of the geometry. Virtual PC sizes the disk by the geometry, and so did QEMU in the
 * images it labelled "qemu"; every other creator means current_size. The largest geometry always means current_size.
 * So QEMU settled it in 2025 (block/vpc.c, "Read images exported from Azure correctly"); before, it knew a list of creators.
 */
enum vhd_size_rule vhd_size_rule(const struct vhd_footer *footer)
{
	uint64_t chs = vhd_chs_size(footer);
	bool old =
	    !memcmp(footer->creator_app, "vpc ", 4) || !memcmp(footer->creator_app, "qemu", 4);

	return old && chs &&
		       chs != (uint64_t)VHD_MAX_CYLINDERS * VHD_MAX_HEADS * VHD_MAX_SPT * VHD_SECTOR
		   ? VHD_SIZE_CHS
		   : VHD_SIZE_CURRENT;
}

uint64_t vhd_disk_size(const struct vhd_footer *footer)
{
	return vhd_size_rule(footer) == VHD_SIZE_CHS ? vhd_chs_size(footer)
						     : vhd_get64(footer->current_size);
}

uint32_t vhd_bitmap_bytes(uint32_t block_size)
{
	return xd_align_up((block_size / VHD_SECTOR + 7) / 8, VHD_SECTOR);
}

/* Sectors by the specification, bytes as Microsoft's and XenServer's writers have it: no locator is 512 sectors long. */
uint64_t vhd_locator_space(const struct vhd_locator *locator)
{
	uint64_t space = vhd_get32(locator->data_space), length = vhd_get32(locator->data_length);

	if (space < VHD_SECTOR)
		space *= VHD_SECTOR;
	return space < length ? length : space;
}

uint32_t vhd_time(int64_t unix_seconds)
{
	return unix_seconds < VHD_EPOCH ? 0 : unix_seconds - VHD_EPOCH;
}
