/* SPDX-License-Identifier: MIT */
/* The two headers (§2.2.2): choosing the current one, and the update protocol (§2.2.2.1). */
#include "disk/vhdx.h"

int vhdx_guid_new(struct vhdx_guid *guid)
{
	uint8_t version;
	int ret = xd_random_id(guid->b);

	/* The third field is little endian here, and the version is in its upper half. */
	version = guid->b[6];
	guid->b[6] = guid->b[7];
	guid->b[7] = version;
	return ret;
}

static const uint64_t slot_offset[2] = {VHDX_HEADER_OFFSET_1, VHDX_HEADER_OFFSET_2};

static bool header_whole(const struct vhdx_header *header)
{
	return header->signature == VHDX_HEADER_SIGNATURE &&
	       header->checksum == vhdx_checksum(header, sizeof(*header));
}

static int header_validate(const struct vhdx *v, const struct vhdx_header *header, uint64_t at,
			   struct xd_error *err)
{
	if (header->version != VHDX_VERSION)
		return xd_fail(err, XD_E_UNSUPPORTED, at, "VHDX version %u; only 1 is known",
			       header->version);
	if (header->log_version != VHDX_LOG_VERSION && !vhdx_guid_is_zero(&header->log_guid))
		return xd_fail(err, XD_E_UNSUPPORTED, at, "log version %u; only 0 is known",
			       header->log_version);
	if (!header->log_length || header->log_length % VHDX_MIB || header->log_offset % VHDX_MIB ||
	    header->log_offset < VHDX_HEADER_SECTION || header->log_offset > VHDX_MAX_FILE)
		return xd_fail(err, XD_E_CORRUPT, at,
			       "log at %llu, %u bytes long: not where a log can be",
			       (unsigned long long)header->log_offset, header->log_length);
	if (header->log_offset + header->log_length > v->file_end)
		return xd_fail(err, XD_E_CORRUPT, at,
			       "the log ends at %llu, past the end of the file: it was cut short",
			       (unsigned long long)(header->log_offset + header->log_length));
	return 0;
}

int vhdx_header_load(struct vhdx *v, struct xd_error *err)
{
	struct vhdx_header header[2];
	int slot, ret;

	for (slot = 0; slot < 2; slot++) {
		ret =
		    xd_io_read(v->io, &header[slot], sizeof(header[slot]), slot_offset[slot], err);
		if (ret)
			return ret;
		v->header_found[slot] = header_whole(&header[slot]);
	}
	if (!v->header_found[0] && !v->header_found[1])
		return xd_fail(err, XD_E_CORRUPT, VHDX_HEADER_OFFSET_1, "both headers are damaged");
	if (v->header_found[0] && v->header_found[1]) {
		/* Equal numbers say nothing about which is newer. Disk2vhd writes two equal headers, QEMU takes them. */
		if (header[0].sequence == header[1].sequence &&
		    memcmp(&header[0], &header[1], sizeof(header[0])) != 0)
			return xd_fail(err, XD_E_CORRUPT, VHDX_HEADER_OFFSET_1,
				       "both headers have sequence number %llu, and they differ",
				       (unsigned long long)header[0].sequence);
		slot = header[1].sequence > header[0].sequence;
	} else {
		slot = v->header_found[1];
	}
	v->header = header[slot];
	v->header_slot = slot;
	v->log = (struct vhdx_extent){header[slot].log_offset, header[slot].log_length};
	return header_validate(v, &header[slot], slot_offset[slot], err);
}

int vhdx_header_store(struct vhdx *v, struct xd_error *err)
{
	int slot = !v->header_slot, ret;

	if (v->header.sequence == UINT64_MAX)
		return xd_fail(err, XD_E_LIMIT, slot_offset[slot],
			       "the header's sequence number is used up");
	v->header.sequence++;
	v->header.checksum = vhdx_checksum(&v->header, sizeof(v->header));
	ret = xd_io_flush(v->io, err);
	if (!ret)
		ret = xd_io_write(v->io, &v->header, sizeof(v->header), slot_offset[slot], err);
	if (!ret)
		ret = xd_io_flush(v->io, err);
	if (ret)
		return ret;
	v->header_slot = slot;
	return 0;
}

static int begin_locked(struct vhdx *v, bool data, struct xd_error *err)
{
	int ret;

	if (v->poisoned)
		return xd_fail(err, XD_E_IO, XD_NO_OFFSET,
			       "an earlier write of this image's structures failed; open it again");
	if (v->began && !(data && !v->data_began))
		return 0;
	if (vhdx_guid_new(&v->header.file_write_guid) ||
	    (data && vhdx_guid_new(&v->header.data_write_guid)))
		return xd_fail(err, XD_E_IO, XD_NO_OFFSET, "no random numbers for a new GUID");
	ret = vhdx_header_store(v, err);
	/* Twice, so that a later loss of either copy does not bring the old GUIDs back. */
	if (!ret)
		ret = vhdx_header_store(v, err);
	if (ret) {
		v->poisoned = true;
		return ret;
	}
	v->began = true;
	v->data_began = v->data_began || data;
	return 0;
}

int vhdx_begin(struct vhdx *v, bool data, struct xd_error *err)
{
	int ret;

	if (v->data_began && !v->poisoned)
		return 0;
	if (!(v->image->flags & XD_OPEN_WRITE))
		return xd_fail(err, XD_E_READONLY, XD_NO_OFFSET, "the image is open read-only");
	if (data && v->damaged)
		return xd_fail(err, XD_E_CORRUPT, XD_NO_OFFSET,
			       "the image is damaged: repair it before writing to it");
	pthread_mutex_lock(&v->commit_lock);
	ret = begin_locked(v, data, err);
	pthread_mutex_unlock(&v->commit_lock);
	return ret;
}
