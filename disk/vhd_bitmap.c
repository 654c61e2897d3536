/* SPDX-License-Identifier: MIT */
/* Block bitmaps: kept for blocks that are partly filled, in a bounded cache. */
#include <stdlib.h>
#include <string.h>

#include "disk/vhd.h"

#define BUCKETS     1024u
#define CACHE_BYTES (8u << 20)

struct vhd_bitmap {
	struct vhd_bitmap *next; /* in the bucket */
	struct vhd_bitmap *newer, *older;
	uint32_t block;
	bool dirty;
	uint8_t bits[];
};

int vhd_cache_init(struct vhd *v, struct xd_error *err)
{
	struct vhd_cache *c = &v->cache;

	c->limit = CACHE_BYTES / v->bitmap_size;
	c->buckets = calloc(BUCKETS, sizeof(*c->buckets));
	return c->buckets ? 0 : xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
}

static struct vhd_bitmap **bucket(struct vhd_cache *c, uint32_t block)
{
	return &c->buckets[block % BUCKETS];
}

static void unlink_age(struct vhd_cache *c, struct vhd_bitmap *b)
{
	*(b->newer ? &b->newer->older : &c->newest) = b->older;
	*(b->older ? &b->older->newer : &c->oldest) = b->newer;
}

static void link_newest(struct vhd_cache *c, struct vhd_bitmap *b)
{
	b->newer = NULL;
	b->older = c->newest;
	*(c->newest ? &c->newest->newer : &c->oldest) = b;
	c->newest = b;
}

static void drop(struct vhd_cache *c, struct vhd_bitmap *b)
{
	struct vhd_bitmap **p = bucket(c, b->block);

	while (*p != b)
		p = &(*p)->next;
	*p = b->next;
	unlink_age(c, b);
	c->count--;
	c->dirty -= b->dirty;
	free(b);
}

static struct vhd_bitmap *find(struct vhd_cache *c, uint32_t block)
{
	struct vhd_bitmap *b = *bucket(c, block);

	while (b && b->block != block)
		b = b->next;
	return b;
}

void vhd_cache_drop(struct vhd *v, uint32_t block)
{
	struct vhd_bitmap *b = find(&v->cache, block);

	if (b && !b->dirty)
		drop(&v->cache, b);
}

void vhd_cache_free(struct vhd *v)
{
	while (v->cache.newest)
		drop(&v->cache, v->cache.newest);
	free(v->cache.buckets);
}

/* Makes room for one more. Where all are dirty they are written out first: that is a flush. */
static int make_room(struct xd_image *image, struct xd_error *err)
{
	struct vhd_cache *c = &vhd_of(image)->cache;
	struct vhd_bitmap *b;
	int r;

	if (c->count < c->limit)
		return 0;
	if (c->dirty == c->count && (r = vhd_flush_locked(image, err)))
		return r;
	for (b = c->oldest; b && b->dirty; b = b->newer)
		;
	drop(c, b);
	return 0;
}

int vhd_bitmap_get(struct xd_image *image, uint32_t block, bool fresh, struct vhd_bitmap **out,
		   struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	struct vhd_cache *c = &v->cache;
	struct vhd_bitmap *b = find(c, block);
	int r = 0;

	if (b) {
		unlink_age(c, b);
		link_newest(c, b);
		*out = b;
		return 0;
	}
	if ((r = make_room(image, err)))
		return r;
	b = calloc(1, sizeof(*b) + v->bitmap_size);
	if (!b)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	if (!fresh)
		r = xd_io_read(&image->io, b->bits, v->bitmap_size,
			       vhd_block_at(vhd_entry(v, block)), err);
	if (r) {
		free(b);
		return r;
	}
	b->block = block;
	b->next = *bucket(c, block);
	*bucket(c, block) = b;
	link_newest(c, b);
	c->count++;
	*out = b;
	return 0;
}

const uint8_t *vhd_bitmap_bits(const struct vhd_bitmap *bitmap)
{
	return bitmap->bits;
}

uint32_t vhd_bitmap_run(const uint8_t *bits, uint32_t first, uint32_t limit, bool *set)
{
	uint32_t n = 1;

	*set = vhd_bit(bits, first);
	while (n < limit) {
		uint32_t at = first + n;

		/* Whole bytes at once where they can be. */
		if (at % 8 == 0 && limit - n >= 8 && bits[at / 8] == (*set ? 0xff : 0))
			n += 8;
		else if (vhd_bit(bits, at) == *set)
			n++;
		else
			break;
	}
	return n;
}

static bool all_set(const struct vhd *v, const struct vhd_bitmap *b)
{
	bool set;
	uint32_t sectors = v->block_size / VHD_SECTOR;

	return vhd_bitmap_run(b->bits, 0, sectors, &set) == sectors && set;
}

void vhd_bitmap_set(struct vhd *v, struct vhd_bitmap *b, uint32_t first, uint32_t count)
{
	bool set;

	if (vhd_bitmap_run(b->bits, first, count, &set) == count && set)
		return;
	for (uint32_t i = 0; i < count; i++)
		vhd_set_bit(b->bits, first + i);
	v->cache.dirty += !b->dirty;
	b->dirty = true;
	atomic_store(&v->dirty, true);
	if (all_set(v, b))
		vhd_set_full(v, b->block, true);
}

int vhd_bitmaps_write(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r = 0;

	for (struct vhd_bitmap *b = v->cache.newest; !r && b && v->cache.dirty; b = b->older) {
		if (!b->dirty)
			continue;
		r = xd_io_write(&image->io, b->bits, v->bitmap_size,
				vhd_block_at(vhd_entry(v, b->block)), err);
		if (!r) {
			b->dirty = false;
			v->cache.dirty--;
		}
	}
	return r;
}
