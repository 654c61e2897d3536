/* SPDX-License-Identifier: MIT */
/* Replaying a dirty log at open (§2.3.3): into the file, or into a view of it. */
#include <stdlib.h>

#include "disk/vhdx.h"

struct replay {
	struct vhdx *v;
	struct vhdx_overlay *overlay; /* NULL: into the file */
	uint64_t size;                /* of the file, as it grows */
};

static int replay_data(struct replay *r, const struct vhdx_log_desc *desc, uint64_t where,
		       struct xd_error *err)
{
	uint8_t sector[VHDX_LOG_SECTOR];
	int ret;

	if (r->overlay) {
		ret = vhdx_overlay_data(r->overlay, desc->file_offset, desc, where);
		return ret ? xd_fail(err, ret, where, "too much in the log to replay in memory")
			   : 0;
	}
	ret = xd_io_read(r->v->io, sector, sizeof(sector), where, err);
	if (ret)
		return ret;
	memcpy(sector, &desc->leading, 8);
	memcpy(sector + VHDX_LOG_SECTOR - 4, &desc->trailing, 4);
	if (desc->file_offset + sizeof(sector) > r->size)
		r->size = desc->file_offset + sizeof(sector);
	return xd_io_write(r->v->io, sector, sizeof(sector), desc->file_offset, err);
}

static int replay_zero(struct replay *r, const struct vhdx_log_desc *desc, struct xd_error *err)
{
	uint64_t length = desc->leading;
	int ret;

	if (r->overlay) {
		ret = vhdx_overlay_zero(r->overlay, desc->file_offset, length);
		return ret ? xd_fail(err, ret, desc->file_offset,
				     "too much in the log to replay in memory")
			   : 0;
	}
	/* Behind its end the file reads as zero already. */
	if (desc->file_offset >= r->size || !length)
		return 0;
	return xd_io_zero(r->v->io, desc->file_offset, xd_min(length, r->size - desc->file_offset),
			  err);
}

static int replay_entry(struct replay *r, const struct vhdx_log_place *place, struct xd_error *err)
{
	const struct vhdx_extent *log = &r->v->log;
	uint8_t sector[VHDX_LOG_SECTOR];
	const struct vhdx_log_entry *entry = (const void *)sector;
	uint32_t count, at = sizeof(*entry), data = 0, descriptors = 1;
	int ret = vhdx_log_read(r->v->io, log, place->offset, sector, sizeof(sector), err);

	if (ret)
		return ret;
	count = entry->descriptor_count;
	if (count > VHDX_LOG_FIRST_DESCS)
		descriptors += (count - VHDX_LOG_FIRST_DESCS + VHDX_LOG_DESCS - 1) / VHDX_LOG_DESCS;
	for (uint32_t i = 0, index = 0; i < count && !ret;
	     i++, at += sizeof(struct vhdx_log_desc)) {
		struct vhdx_log_desc desc;

		if (at == sizeof(sector)) {
			uint64_t next = place->offset + ++index * (uint64_t)VHDX_LOG_SECTOR;

			ret = vhdx_log_read(r->v->io, log, next % log->length, sector,
					    sizeof(sector), err);
			at = 0;
			if (ret)
				break;
		}
		memcpy(&desc, sector + at, sizeof(desc));
		if (desc.signature == VHDX_LOG_ZERO_SIGN) {
			ret = replay_zero(r, &desc, err);
		} else {
			uint64_t where =
			    place->offset + (descriptors + data++) * (uint64_t)VHDX_LOG_SECTOR;

			ret = replay_data(r, &desc, log->offset + where % log->length, err);
		}
	}
	return ret;
}

/*
 * How long the file must become. The head entry's word counts (§2.3.1.1, §2.3.3): before a writer makes the file shorter it says so
 * in an entry, and those before it knew a longer one.
 */
static int sequence_size(const struct vhdx *v, const struct vhdx_log_sequence *sequence,
			 uint64_t *last, struct xd_error *err)
{
	struct vhdx_log_entry head = {0};
	int ret = 0;

	if (sequence->count)
		ret = vhdx_log_read(v->io, &v->log, sequence->entries[sequence->count - 1].offset,
				    &head, sizeof(head), err);
	if (ret)
		return ret;
	if (head.flushed_file_offset > v->file_end)
		return xd_fail(
		    err, XD_E_CORRUPT, v->log.offset,
		    "the log knows a file of %llu bytes, here are %llu: it was cut short",
		    (unsigned long long)head.flushed_file_offset, (unsigned long long)v->file_end);
	*last = head.last_file_offset;
	if (*last > VHDX_MAX_FILE)
		return xd_fail(err, XD_E_CORRUPT, v->log.offset,
			       "the log wants a file of %llu bytes", (unsigned long long)*last);
	return 0;
}

static int replay_all(struct replay *r, const struct vhdx_log_sequence *sequence,
		      struct xd_error *err)
{
	int ret = 0;

	for (size_t i = 0; i < sequence->count && !ret; i++)
		ret = replay_entry(r, &sequence->entries[i], err);
	return ret;
}

static int replay_to_memory(struct vhdx *v, const struct vhdx_log_sequence *sequence, uint64_t last,
			    struct xd_error *err)
{
	struct replay r = {v, vhdx_overlay_new(v->io), v->file_end};
	int ret;

	if (!r.overlay)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the log");
	ret = replay_all(&r, sequence, err);
	if (ret) {
		vhdx_overlay_free(r.overlay);
		return ret;
	}
	vhdx_overlay_extend(r.overlay, last);
	v->overlay = r.overlay;
	v->image->io = vhdx_overlay_io(r.overlay);
	return 0;
}

static int replay_to_file(struct vhdx *v, const struct vhdx_log_sequence *sequence, uint64_t last,
			  struct xd_error *err)
{
	struct replay r = {v, NULL, v->file_end};
	int ret = 0;

	/* §2.2.2: before anything changes. The log stays in force until all of it is in its place. */
	if (vhdx_guid_new(&v->header.file_write_guid))
		return xd_fail(err, XD_E_IO, XD_NO_OFFSET, "no random numbers for a new GUID");
	if ((ret = vhdx_header_store(v, err)))
		return ret;
	v->began = true;
	if (last > r.size) {
		ret = xd_io_truncate(v->io, last, err);
		r.size = last;
	}
	if (!ret)
		ret = replay_all(&r, sequence, err);
	if (ret)
		return ret;
	memset(&v->header.log_guid, 0, sizeof(v->header.log_guid));
	ret = vhdx_header_store(v, err);
	return ret ? ret : vhdx_header_store(v, err);
}

/*
 * A log_guid without a whole entry is an empty log: a writer sets it before its first entry, and touches no place before that
 * entry is whole. (QEMU reads it so too; OpenVMM refuses such a file.)
 */
int vhdx_replay(struct vhdx *v, struct xd_error *err)
{
	struct vhdx_log_sequence sequence;
	uint64_t last = 0, size;
	int ret;

	if (vhdx_guid_is_zero(&v->header.log_guid))
		return 0;
	ret = vhdx_log_find(v->io, &v->log, &v->header.log_guid, &sequence, err);
	if (ret)
		return ret;
	ret = sequence_size(v, &sequence, &last, err);
	if (!ret && v->image->flags & XD_OPEN_WRITE)
		ret = replay_to_file(v, &sequence, last, err);
	else if (!ret && sequence.count)
		ret = replay_to_memory(v, &sequence, last, err);
	free(sequence.entries);
	if (ret)
		return ret;
	v->replayed = true;
	ret = xd_io_size(v->io, &size, err);
	v->file_end = size;
	return ret;
}
