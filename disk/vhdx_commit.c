/* SPDX-License-Identifier: MIT */
/*
 * Making changes of BAT, bitmaps and tables durable through the log (§2.3).
 *
 * Each commit is one log entry, and each entry's tail is the entry itself: the flush that a commit begins with has made the places
 * of the entry before durable, so nothing older is ever needed. An entry is at most 127 of at least 256 sectors, so it never
 * lands on the one before, and a torn entry leaves that one to be found.
 */
#include <stdlib.h>

#include "disk/vhdx.h"

#define ENTRY_SECTORS (1 + VHDX_MAX_DIRTY)
_Static_assert(2 * ENTRY_SECTORS * VHDX_LOG_SECTOR <= VHDX_MIB, "two entries fit the smallest log");

struct transaction {
	struct vhdx_page *page[VHDX_MAX_DIRTY];
	uint32_t count;
	size_t freed;
	uint64_t file_end;
};

static struct vhdx_log_desc *descriptor(struct vhdx *v, uint32_t i)
{
	return (struct vhdx_log_desc *)(v->entry + sizeof(struct vhdx_log_entry)) + i;
}

static struct vhdx_log_data *data_sector(struct vhdx *v, uint32_t i)
{
	return (struct vhdx_log_data *)(v->entry + (1 + i) * VHDX_LOG_SECTOR);
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

/* Under lock: all dirty pages, as they are now, become the entry's sectors. */
static void snapshot(struct vhdx *v, struct transaction *t)
{
	struct vhdx_cache *cache = &v->cache;

	memset(v->entry, 0, VHDX_LOG_SECTOR);
	for (uint32_t i = 0; i < cache->dirty_count; i++) {
		struct vhdx_page *page = cache->dirty[i];
		struct vhdx_log_data *data = data_sector(v, i);
		struct vhdx_log_desc *desc = descriptor(v, i);

		*desc = (struct vhdx_log_desc){
		    .signature = VHDX_LOG_DESC_SIGN,
		    .file_offset = page->offset,
		    .sequence = v->log_sequence,
		};
		memcpy(data, page->byte, VHDX_PAGE);
		memcpy(&desc->leading, page->byte, 8);
		memcpy(&desc->trailing, page->byte + VHDX_PAGE - 4, 4);
		data->signature = VHDX_LOG_DATA_SIGN;
		data->sequence_high = v->log_sequence >> 32;
		data->sequence_low = (uint32_t)v->log_sequence;
		page->flags = (page->flags & ~VHDX_PAGE_DIRTY) | VHDX_PAGE_BUSY;
		t->page[i] = page;
	}
	t->count = cache->dirty_count;
	t->freed = v->space.freed_count;
	t->file_end = v->file_end;
	cache->dirty_count = 0;
}

static void seal(struct vhdx *v, const struct transaction *t)
{
	struct vhdx_log_entry *entry = (void *)v->entry;
	uint32_t length = (1 + t->count) * VHDX_LOG_SECTOR;

	*entry = (struct vhdx_log_entry){
	    .signature = VHDX_LOG_ENTRY_SIGN,
	    .entry_length = length,
	    .tail = v->log_head,
	    .sequence = v->log_sequence,
	    .descriptor_count = t->count,
	    .log_guid = v->header.log_guid,
	    /* The flush that precedes the entry has made this length durable. */
	    .flushed_file_offset = t->file_end,
	    .last_file_offset = t->file_end,
	};
	entry->checksum = vhdx_checksum(entry, length);
}

static int write_ring(struct vhdx *v, uint32_t length, struct xd_error *err)
{
	uint32_t first = xd_min(length, v->log.length - v->log_head);
	int ret = xd_io_write(v->io, v->entry, first, v->log.offset + v->log_head, err);

	if (!ret && first < length)
		ret = xd_io_write(v->io, v->entry + first, length - first, v->log.offset, err);
	if (!ret)
		v->log_head = (v->log_head + (uint64_t)length) % v->log.length;
	v->log_sequence++;
	return ret;
}

static int write_entry(struct vhdx *v, const struct transaction *t, struct xd_error *err)
{
	int ret;

	if (!v->log_open && vhdx_guid_new(&v->header.log_guid))
		return xd_fail(err, XD_E_IO, XD_NO_OFFSET, "no random numbers for a new GUID");
	seal(v, t);
	ret = write_ring(v, (1 + t->count) * VHDX_LOG_SECTOR, err);
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
static int write_places(struct vhdx *v, const struct transaction *t, struct xd_error *err)
{
	int ret = 0;

	for (uint32_t i = 0; i < t->count && !ret; i++) {
		struct vhdx_log_data *data = data_sector(v, i);
		const struct vhdx_log_desc *desc = descriptor(v, i);

		memcpy(data, &desc->leading, 8);
		memcpy((uint8_t *)data + VHDX_PAGE - 4, &desc->trailing, 4);
		ret = xd_io_write(v->io, data, VHDX_PAGE, desc->file_offset, err);
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
	/* Payload first: what the entry names must be there when the entry is. */
	ret = xd_io_flush(v->io, err);
	if (!ret && t.count)
		ret = write_entry(v, &t, err);
	if (!ret && t.count)
		ret = write_places(v, &t, err);
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
	while (v->cache.dirty_count + pages > VHDX_MAX_DIRTY) {
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
