/* SPDX-License-Identifier: MIT */
/*
 * Making changes of BAT, bitmaps and tables durable through the log (§2.3).
 *
 * A commit is one log entry, or several, one round after the other. Each entry's tail is the entry itself: the flush that a round begins
 * with has made the places of the entry before durable, so nothing older is ever needed. An entry is at most 127 of at least 256
 * sectors, so it never lands on the one before, and a torn entry leaves that one to be found.
 */
#include <stdlib.h>

#include "disk/vhdx.h"

#define ENTRY_SECTORS (1 + VHDX_ENTRY_PAGES)
_Static_assert(2 * ENTRY_SECTORS * VHDX_LOG_SECTOR <= VHDX_MIB, "two entries fit the smallest log");

struct transaction {
	struct vhdx_page *page[VHDX_MAX_DIRTY];
	uint32_t count;
	size_t freed;
	uint64_t file_end;
};

/* Some of its pages, as one entry. They lie behind one another in v->entry; where the page before them was, the header goes. */
struct round {
	uint8_t *entry;
	struct vhdx_page **page;
	uint32_t count;
};

static struct vhdx_log_desc *descriptor(const struct round *r, uint32_t i)
{
	return (struct vhdx_log_desc *)(r->entry + sizeof(struct vhdx_log_entry)) + i;
}

static struct vhdx_log_data *data_sector(const struct round *r, uint32_t i)
{
	return (struct vhdx_log_data *)(r->entry + (1 + i) * VHDX_LOG_SECTOR);
}

/* Most commits are of a page or two. */
static int make_room(struct vhdx *v, uint32_t sectors, struct xd_error *err)
{
	uint32_t room = v->entry_sectors ? v->entry_sectors : 4;
	void *grown;

	if (sectors <= v->entry_sectors)
		return 0;
	while (room < sectors)
		room *= 2;
	grown = realloc(v->entry, room * VHDX_LOG_SECTOR);
	if (!grown)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for a log entry");
	v->entry = grown;
	v->entry_sectors = room;
	return 0;
}

/* A bitmap counts where the BAT says so: the BAT's pages come last, and all of them in one entry. */
static void bat_last(const struct vhdx *v, struct vhdx_page **page, uint32_t count)
{
	for (uint32_t i = 0, others = 0; i < count; i++)
		if (!vhdx_in_bat(v, page[i]->offset)) {
			struct vhdx_page *other = page[i];

			page[i] = page[others];
			page[others++] = other;
		}
}

/* Under lock: all dirty pages, as they are now. */
static void snapshot(struct vhdx *v, struct transaction *t)
{
	struct vhdx_cache *cache = &v->cache;

	bat_last(v, cache->dirty, cache->dirty_count);
	for (uint32_t i = 0; i < cache->dirty_count; i++) {
		struct vhdx_page *page = cache->dirty[i];

		memcpy(v->entry + (1 + i) * VHDX_PAGE, page->byte, VHDX_PAGE);
		page->flags = (page->flags & ~VHDX_PAGE_DIRTY) | VHDX_PAGE_BUSY;
		t->page[i] = page;
	}
	t->count = cache->dirty_count;
	t->freed = v->space.freed_count;
	t->file_end = v->file_end;
	cache->dirty_count = cache->dirty_bat = 0;
}

/* Pages become data sectors, and what has no room there goes into their descriptors. */
static void describe(const struct vhdx *v, const struct round *r)
{
	memset(r->entry, 0, VHDX_LOG_SECTOR);
	for (uint32_t i = 0; i < r->count; i++) {
		struct vhdx_log_data *data = data_sector(r, i);
		struct vhdx_log_desc *desc = descriptor(r, i);

		*desc = (struct vhdx_log_desc){
		    .signature = VHDX_LOG_DESC_SIGN,
		    .file_offset = r->page[i]->offset,
		    .sequence = v->log_sequence,
		};
		memcpy(&desc->leading, data, 8);
		memcpy(&desc->trailing, (uint8_t *)data + VHDX_PAGE - 4, 4);
		data->signature = VHDX_LOG_DATA_SIGN;
		data->sequence_high = v->log_sequence >> 32;
		data->sequence_low = (uint32_t)v->log_sequence;
	}
}

static void seal(const struct vhdx *v, const struct round *r, uint64_t file_end)
{
	struct vhdx_log_entry *entry = (void *)r->entry;
	uint32_t length = (1 + r->count) * VHDX_LOG_SECTOR;

	*entry = (struct vhdx_log_entry){
	    .signature = VHDX_LOG_ENTRY_SIGN,
	    .entry_length = length,
	    .tail = v->log_head,
	    .sequence = v->log_sequence,
	    .descriptor_count = r->count,
	    .log_guid = v->header.log_guid,
	    /* The flush that precedes the entry has made this length durable. */
	    .flushed_file_offset = file_end,
	    .last_file_offset = file_end,
	};
	entry->checksum = vhdx_checksum(entry, length);
}

static int write_ring(struct vhdx *v, const struct round *r, struct xd_error *err)
{
	uint32_t length = (1 + r->count) * VHDX_LOG_SECTOR;
	uint32_t first = xd_min(length, v->log.length - v->log_head);
	int ret = xd_io_write(v->io, r->entry, first, v->log.offset + v->log_head, err);

	if (!ret && first < length)
		ret = xd_io_write(v->io, r->entry + first, length - first, v->log.offset, err);
	if (!ret)
		v->log_head = (v->log_head + (uint64_t)length) % v->log.length;
	v->log_sequence++;
	return ret;
}

static int write_entry(struct vhdx *v, const struct round *r, uint64_t file_end,
		       struct xd_error *err)
{
	int ret;

	if (!v->log_open && vhdx_guid_new(&v->header.log_guid))
		return xd_fail(err, XD_E_IO, XD_NO_OFFSET, "no random numbers for a new GUID");
	describe(v, r);
	seal(v, r, file_end);
	ret = write_ring(v, r, err);
	if (ret)
		return ret;
	if (v->log_open)
		return xd_io_flush(v->io, err);
	/* Only now, so that log_guid never names a log without an entry; twice, so that both headers do. */
	ret = vhdx_header_store(v, err);
	if (!ret)
		ret = vhdx_header_store(v, err);
	v->log_open = !ret;
	return ret;
}

/* From the snapshot, not from the pages: these may have changed again. */
static int write_places(struct vhdx *v, const struct round *r, struct xd_error *err)
{
	int ret = 0;

	for (uint32_t i = 0; i < r->count && !ret; i++) {
		struct vhdx_log_data *data = data_sector(r, i);
		const struct vhdx_log_desc *desc = descriptor(r, i);

		memcpy(data, &desc->leading, 8);
		memcpy((uint8_t *)data + VHDX_PAGE - 4, &desc->trailing, 4);
		ret = xd_io_write(v->io, data, VHDX_PAGE, desc->file_offset, err);
	}
	return ret;
}

/* The last round is a full one, so that it takes in all BAT pages. */
static int write_rounds(struct vhdx *v, struct transaction *t, struct xd_error *err)
{
	uint32_t done = 0, more = t->count % VHDX_ENTRY_PAGES;
	/* Payload first: what an entry names must be there when the entry is. */
	int ret = xd_io_flush(v->io, err);

	while (!ret && done < t->count) {
		struct round r = {v->entry + done * VHDX_LOG_SECTOR, t->page + done,
				  more ? more : VHDX_ENTRY_PAGES};

		if (done)
			ret = xd_io_flush(v->io, err);
		if (!ret)
			ret = write_entry(v, &r, t->file_end, err);
		if (!ret)
			ret = write_places(v, &r, err);
		done += r.count;
		more = 0;
	}
	return ret;
}

static void finish(struct vhdx *v, const struct transaction *t)
{
	pthread_mutex_lock(&v->lock);
	for (uint32_t i = 0; i < t->count; i++)
		t->page[i]->flags &= ~VHDX_PAGE_BUSY;
	vhdx_space_release(v, t->freed);
	pthread_mutex_unlock(&v->lock);
}

/* Under commit_lock. */
static int commit(struct vhdx *v, struct xd_error *err)
{
	struct transaction t;
	int ret;

	if (v->poisoned)
		return xd_fail(err, XD_E_IO, XD_NO_OFFSET,
			       "an earlier write of this image's structures failed; open it again");
	pthread_mutex_lock(&v->lock);
	ret = make_room(v, 1 + v->cache.dirty_count, err);
	if (!ret)
		snapshot(v, &t);
	pthread_mutex_unlock(&v->lock);
	if (ret)
		return ret;
	ret = write_rounds(v, &t, err);
	if (ret)
		v->poisoned = true;
	else
		finish(v, &t);
	return ret;
}

int vhdx_commit(struct vhdx *v, struct xd_error *err)
{
	int ret;

	pthread_mutex_lock(&v->commit_lock);
	ret = commit(v, err);
	pthread_mutex_unlock(&v->commit_lock);
	return ret;
}

int vhdx_reserve(struct vhdx *v, uint32_t pages, bool *dropped, struct xd_error *err)
{
	*dropped = false;
	while (v->cache.dirty_count + pages > VHDX_MAX_DIRTY ||
	       v->cache.dirty_bat + pages > VHDX_ENTRY_PAGES) {
		int ret;

		*dropped = true;
		pthread_mutex_unlock(&v->lock);
		ret = vhdx_commit(v, err);
		pthread_mutex_lock(&v->lock);
		if (ret)
			return ret;
	}
	return 0;
}

int vhdx_log_close(struct vhdx *v, struct xd_error *err)
{
	int ret = vhdx_commit(v, err);

	if (ret || !v->log_open)
		return ret;
	pthread_mutex_lock(&v->commit_lock);
	memset(&v->header.log_guid, 0, sizeof(v->header.log_guid));
	/* The first of these begins with the flush that makes the last entry's places durable. */
	ret = vhdx_header_store(v, err);
	if (!ret)
		ret = vhdx_header_store(v, err);
	v->log_open = false;
	if (ret)
		v->poisoned = true;
	pthread_mutex_unlock(&v->commit_lock);
	return ret;
}
