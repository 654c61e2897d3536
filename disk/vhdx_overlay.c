/* SPDX-License-Identifier: MIT */
/*
 * A read-only store that shows another one as it would be after its log was replayed: what a dirty image looks like to somebody
 * who may not touch the file.
 */
#include <errno.h>
#include <stdlib.h>

#include "disk/vhdx.h"

#define MAX_RECORDS \
	(1u << 20) /* 40 MiB of them; a log of the usual 1 MiB has room for 255 sectors */

struct sector {
	uint64_t offset; /* in the file */
	uint64_t where;  /* the file offset of its middle, in the log */
	uint64_t leading;
	uint32_t trailing;
	uint32_t order;
};

struct zeros {
	uint64_t offset, length;
	uint32_t order;
};

struct vhdx_overlay {
	struct xd_io under;
	uint64_t size;      /* at least so long */
	uint64_t low, high; /* nothing is changed outside */
	uint32_t order;
	struct sector *sector; /* by offset and order, once in use */
	size_t sectors, sector_room;
	struct zeros *zero; /* by order */
	size_t zeros, zero_room;
};

struct vhdx_overlay *vhdx_overlay_new(const struct xd_io *under)
{
	struct vhdx_overlay *o = calloc(1, sizeof(*o));

	if (o) {
		o->under = *under;
		o->low = UINT64_MAX;
	}
	return o;
}

void vhdx_overlay_free(struct vhdx_overlay *o)
{
	if (!o)
		return;
	free(o->sector);
	free(o->zero);
	free(o);
}

static int grow(void **array, size_t count, size_t *room, size_t each)
{
	size_t more = *room ? 2 * *room : 64;
	void *grown;

	if (count < *room)
		return 0;
	if (count >= MAX_RECORDS)
		return XD_E_LIMIT;
	grown = realloc(*array, more * each);
	if (!grown)
		return XD_E_NOMEM;
	*array = grown;
	*room = more;
	return 0;
}

static void widen(struct vhdx_overlay *o, uint64_t offset, uint64_t length)
{
	if (offset < o->low)
		o->low = offset;
	if (offset + length > o->high)
		o->high = offset + length;
}

int vhdx_overlay_data(struct vhdx_overlay *o, uint64_t offset, const struct vhdx_log_desc *desc,
		      uint64_t where)
{
	int ret = grow((void **)&o->sector, o->sectors, &o->sector_room, sizeof(*o->sector));

	if (ret)
		return ret;
	o->sector[o->sectors++] =
	    (struct sector){offset, where, desc->leading, desc->trailing, o->order++};
	widen(o, offset, VHDX_LOG_SECTOR);
	vhdx_overlay_extend(o, offset + VHDX_LOG_SECTOR);
	return 0;
}

int vhdx_overlay_zero(struct vhdx_overlay *o, uint64_t offset, uint64_t length)
{
	int ret = grow((void **)&o->zero, o->zeros, &o->zero_room, sizeof(*o->zero));

	if (ret)
		return ret;
	o->zero[o->zeros++] = (struct zeros){offset, length, o->order++};
	widen(o, offset, length);
	return 0;
}

void vhdx_overlay_extend(struct vhdx_overlay *o, uint64_t size)
{
	if (size > o->size)
		o->size = size;
}

static int by_offset(const void *a, const void *b)
{
	const struct sector *x = a, *y = b;

	if (x->offset != y->offset)
		return x->offset < y->offset ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* The newest record of the sector, or NULL. */
static const struct sector *newest_sector(const struct vhdx_overlay *o, uint64_t offset)
{
	size_t low = 0, high = o->sectors;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (o->sector[middle].offset <= offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low && o->sector[low - 1].offset == offset ? &o->sector[low - 1] : NULL;
}

static bool zeroed_since(const struct vhdx_overlay *o, uint64_t offset, const struct sector *sector)
{
	for (size_t i = o->zeros; i-- && (!sector || o->zero[i].order > sector->order);)
		if (offset >= o->zero[i].offset && offset - o->zero[i].offset < o->zero[i].length)
			return true;
	return false;
}

/* Puts into buf what the log says about [offset, offset + length), which lies in one sector. */
static int patch(const struct vhdx_overlay *o, uint8_t *buf, uint32_t length, uint64_t offset)
{
	uint64_t start = offset - offset % VHDX_LOG_SECTOR;
	const struct sector *sector = newest_sector(o, start);
	uint8_t whole[VHDX_LOG_SECTOR];
	int ret;

	if (zeroed_since(o, start, sector)) {
		memset(buf, 0, length);
		return 0;
	}
	if (!sector)
		return 0;
	ret = o->under.ops->pread(o->under.ctx, whole, sizeof(whole), sector->where);
	if (ret)
		return ret;
	memcpy(whole, &sector->leading, 8);
	memcpy(whole + VHDX_LOG_SECTOR - 4, &sector->trailing, 4);
	memcpy(buf, whole + (offset - start), length);
	return 0;
}

static int overlay_pread(void *ctx, void *buf, size_t length, uint64_t offset)
{
	const struct vhdx_overlay *o = ctx;
	int ret = o->under.ops->pread(o->under.ctx, buf, length, offset);
	uint64_t end = xd_min(offset + length, o->high);
	uint64_t at = offset > o->low ? offset : o->low;

	while (!ret && at < end) {
		uint32_t part = xd_min(VHDX_LOG_SECTOR - at % VHDX_LOG_SECTOR, end - at);

		ret = patch(o, (uint8_t *)buf + (at - offset), part, at);
		at += part;
	}
	return ret;
}

static int overlay_pwrite(void *ctx, const void *buf, size_t length, uint64_t offset)
{
	(void)ctx, (void)buf, (void)length, (void)offset;
	return -EROFS;
}

static int overlay_flush(void *ctx)
{
	(void)ctx;
	return 0;
}

static int64_t overlay_size(void *ctx)
{
	const struct vhdx_overlay *o = ctx;
	int64_t size = o->under.ops->size(o->under.ctx);

	return size < 0 || (uint64_t)size >= o->size ? size : (int64_t)o->size;
}

static int overlay_truncate(void *ctx, uint64_t size)
{
	(void)ctx, (void)size;
	return -EROFS;
}

struct xd_io vhdx_overlay_io(struct vhdx_overlay *o)
{
	/* No close: the image puts the store under it back first. */
	static const struct xd_io_ops ops = {
	    .pread = overlay_pread,
	    .pwrite = overlay_pwrite,
	    .flush = overlay_flush,
	    .size = overlay_size,
	    .truncate = overlay_truncate,
	};

	if (o->sectors)
		qsort(o->sector, o->sectors, sizeof(*o->sector), by_offset);
	return (struct xd_io){&ops, o};
}
