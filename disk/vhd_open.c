/* SPDX-License-Identifier: MIT */
/* Opening and closing: finds the footer that counts, loads header and table. */
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "disk/vhd.h"

/* How far from the end a fixed disk's footer is looked for, where padding follows it. */
#define SEARCH (64u << 10)

/* --- footers ------------------------------------------------------------------------------------------------------------ */

/* Virtual PC before 2004 wrote footers of 511 bytes ("Hard Disk Footer Format"). */
static uint64_t tail_of(uint64_t file_size)
{
	return file_size % VHD_SECTOR == VHD_SECTOR - 1 ? file_size - (VHD_SECTOR - 1)
							: file_size - VHD_SECTOR;
}

static bool looks_valid(const struct vhd_footer *footer)
{
	uint32_t type = vhd_get32(footer->type);

	return vhd_footer_is(footer) && type >= VHD_TYPE_FIXED && type <= VHD_TYPE_DIFF;
}

static bool valid(const struct vhd_footer *footer)
{
	return looks_valid(footer) && vhd_footer_sum_ok(footer);
}

static bool is_fixed(const struct vhd_footer *footer)
{
	return vhd_get32(footer->type) == VHD_TYPE_FIXED;
}

int vhd_probe(const struct xd_io *io, bool *yes, struct xd_error *err)
{
	struct vhd_footer footer;
	uint64_t size;
	int r = xd_io_size(io, &size, err);

	*yes = false;
	if (r || size < VHD_SECTOR - 1)
		return r;
	if ((r = xd_io_read(io, &footer, sizeof(footer), tail_of(size), err)))
		return r;
	*yes = looks_valid(&footer);
	if (*yes)
		return 0;
	r = xd_io_read(io, &footer, sizeof(footer), 0, err);
	/* A fixed disk has no copy here: it would be a guest's data. */
	*yes = !r && looks_valid(&footer) && !is_fixed(&footer);
	return r;
}

/*
 * A fixed disk's footer with padding behind it: right when it is whole and says that the disk ends where it begins. Leaves footer_at
 * alone where there is none.
 */
static int search_back(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t last = size / VHD_SECTOR * VHD_SECTOR, floor = last > SEARCH ? last - SEARCH : 0;

	while (last >= floor + VHD_SECTOR) {
		struct vhd_footer footer;
		int r;

		last -= VHD_SECTOR;
		if ((r = xd_io_read(&image->io, &footer, sizeof(footer), last, err)))
			return r;
		if (valid(&footer) && is_fixed(&footer) && vhd_get64(footer.current_size) == last) {
			v->footer = footer;
			v->footer_at = last;
			return 0;
		}
	}
	return 0;
}

/* What is left of the footer at the end says that the disk is of the copy's kind. */
static bool backs(const struct vhd_footer *tail, const struct vhd_footer *head)
{
	return looks_valid(tail) && !is_fixed(tail) &&
	       !memcmp(&tail->type, &head->type, sizeof(head->type));
}

/*
 * The end says nothing. Whatever lies at the start may be a fixed disk's guest's, who would choose the parent and with it a file of the
 * host: a check may look at it, no more.
 */
static int choose_copy(struct xd_image *image, const struct vhd_footer *head, uint64_t size,
		       struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	bool copy = looks_valid(head) && !is_fixed(head);

	if (copy && image->flags & XD_OPEN_LENIENT) {
		v->footer = *head;
		v->copy_only = true;
		v->head_bad = !valid(head);
		return 0;
	}
	if (copy)
		return xd_fail(err, XD_E_CORRUPT, size,
			       "no VHD footer at the end of the file, and what looks like its copy "
			       "at the start may be a fixed disk's data: a repair can be told to "
			       "believe it");
	return xd_fail(err, XD_E_FORMAT, size,
		       "no VHD footer at the end of the file, nor a copy of one at its start");
}

/*
 * The footer at the end counts where it is whole. Where it is damaged, but what is left of it says that the disk is dynamic or
 * differencing, the copy at the start counts; of a fixed disk that place is the guest's. A lenient open settles for one whose sum
 * is wrong.
 */
static int choose_footer(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	struct vhd_footer tail, head;
	uint64_t at = tail_of(size);
	int r;

	if ((r = xd_io_read(&image->io, &tail, sizeof(tail), at, err)) ||
	    (r = xd_io_read(&image->io, &head, sizeof(head), 0, err)))
		return r;
	v->footer_at = valid(&tail) ? at : VHD_NOWHERE;
	v->head_bad = !valid(&head) || memcmp(&head, &tail, sizeof(head));
	if (valid(&tail)) {
		v->footer = tail;
	} else if (valid(&head) && backs(&tail, &head)) {
		v->footer = head;
		v->head_bad = false;
	} else if (looks_valid(&tail) && image->flags & XD_OPEN_LENIENT) {
		v->footer = tail;
	} else if (looks_valid(&tail)) {
		return xd_fail(err, XD_E_CORRUPT, at,
			       "the footer's checksum is wrong, and there is no good copy");
	} else if (!(r = search_back(image, size, err)) && v->footer_at == VHD_NOWHERE) {
		return choose_copy(image, &head, size, err);
	}
	return r;
}

static int set_size(struct xd_image *image, uint64_t size, struct xd_error *err)
{
	if (size % VHD_SECTOR || size > UINT32_MAX * (uint64_t)VHD_SECTOR)
		return xd_fail(err, XD_E_CORRUPT, vhd_of(image)->footer_at, "a disk of %llu bytes",
			       (unsigned long long)size);
	image->virtual_size = size;
	return 0;
}

/* Where the geometry was to count and cannot be what was meant. */
static int use_current_size(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);

	v->size_rule = VHD_SIZE_CURRENT;
	return set_size(image, vhd_get64(v->footer.current_size), err);
}

static int check_footer(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint32_t version = vhd_get32(v->footer.version);

	if (version >> 16 != VHD_VERSION_1_0 >> 16)
		return xd_fail(err, XD_E_UNSUPPORTED, v->footer_at, "VHD version %u.%u",
			       version >> 16, version & 0xffff);
	v->size_rule = vhd_size_rule(&v->footer);
	return set_size(image, vhd_disk_size(&v->footer), err);
}

/* --- fixed -------------------------------------------------------------------------------------------------------------- */

static int open_fixed(struct xd_image *image, uint64_t file_size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t room = v->footer_at == VHD_NOWHERE ? tail_of(file_size) : v->footer_at;

	image->type = XD_TYPE_FIXED;
	v->head_bad = false;
	if (image->virtual_size <= room)
		return 0;
	if (v->size_rule == VHD_SIZE_CHS && vhd_get64(v->footer.current_size) <= room)
		return use_current_size(image, err);
	if (image->flags & XD_OPEN_LENIENT) {
		image->virtual_size = room;
		return 0;
	}
	return xd_fail(err, XD_E_CORRUPT, v->footer_at,
		       "the footer says %llu bytes, but only %llu come before it: the file has "
		       "been cut or put together wrongly",
		       (unsigned long long)image->virtual_size, (unsigned long long)room);
}

/* --- dynamic and differencing ------------------------------------------------------------------------------------------- */

static int read_header(struct xd_image *image, uint64_t file_size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t at = vhd_get64(v->footer.data_offset);
	int r;

	if (at > file_size || file_size - at < sizeof(v->header))
		return xd_fail(err, XD_E_CORRUPT, v->footer_at,
			       "the footer puts the header at %llu, past the end of the file",
			       (unsigned long long)at);
	if ((r = xd_io_read(&image->io, &v->header, sizeof(v->header), at, err)))
		return r;
	if (memcmp(v->header.cookie, "cxsparse", 8))
		return xd_fail(err, XD_E_CORRUPT, at, "no dynamic header where the footer says");
	if (!vhd_header_sum_ok(&v->header) && !(image->flags & XD_OPEN_LENIENT))
		return xd_fail(err, XD_E_CORRUPT, at, "the dynamic header's checksum is wrong");
	return 0;
}

static int check_header(struct xd_image *image, uint64_t file_size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	uint64_t at = vhd_get64(v->footer.data_offset), blocks;
	int r;

	v->block_size = vhd_get32(v->header.block_size);
	v->room = vhd_get32(v->header.max_table_entries);
	v->bat_offset = vhd_get64(v->header.table_offset);
	if (v->block_size < VHD_MIN_BLOCK || v->block_size > VHD_MAX_BLOCK ||
	    v->block_size & (v->block_size - 1))
		return xd_fail(err, XD_E_CORRUPT, at, "a block size of %u", v->block_size);
	v->block_shift = __builtin_ctz(v->block_size);
	v->bitmap_size = vhd_bitmap_bytes(v->block_size);
	if (v->size_rule == VHD_SIZE_CHS &&
	    image->virtual_size > (uint64_t)v->room << v->block_shift &&
	    (r = use_current_size(image, err)))
		return r;
	blocks = (image->virtual_size + v->block_size - 1) >> v->block_shift;
	if (blocks > v->room)
		return xd_fail(err, XD_E_CORRUPT, at,
			       "a table of %u blocks of %u bytes for a disk of %llu", v->room,
			       v->block_size, (unsigned long long)image->virtual_size);
	if (v->bat_offset > file_size || (uint64_t)v->room * 4 > file_size - v->bat_offset)
		return xd_fail(err, XD_E_CORRUPT, at,
			       "the table of %u entries at %llu goes past the end of the file",
			       v->room, (unsigned long long)v->bat_offset);
	if (at < sizeof(v->footer) || v->bat_offset < sizeof(v->footer) ||
	    (v->bat_offset < at + sizeof(v->header) && at < v->bat_offset + (uint64_t)v->room * 4))
		return xd_fail(
		    err, XD_E_CORRUPT, at,
		    "the header at %llu, the table at %llu and the footer's copy overlap",
		    (unsigned long long)at, (unsigned long long)v->bat_offset);
	if (v->footer_at != VHD_NOWHERE && (v->footer_at < at + sizeof(v->header) ||
					    v->footer_at < v->bat_offset + (uint64_t)v->room * 4))
		return xd_fail(err, XD_E_CORRUPT, v->footer_at,
			       "the footer lies on the header or the table");
	if (blocks > XD_MAX_TABLE_BYTES / 8)
		return xd_fail(err, XD_E_UNSUPPORTED, at, "a table of %llu blocks",
			       (unsigned long long)blocks);
	if (!memcmp(v->footer.creator_app, "tap", 4) && vhd_get32(v->footer.creator_version) == 1)
		return xd_fail(err, XD_E_UNSUPPORTED, v->footer_at,
			       "a disk of tapdisk 0.1, whose bitmaps run the other way");
	image->block_size = v->block_size;
	return vhd_table_resize(v, blocks, err);
}

static int open_sparse(struct xd_image *image, uint64_t file_size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);
	int r;

	image->type = vhd_get32(v->footer.type) == VHD_TYPE_DIFF ? XD_TYPE_DIFF : XD_TYPE_DYNAMIC;
	if ((r = read_header(image, file_size, err)) || (r = check_header(image, file_size, err)) ||
	    (r = vhd_cache_init(v, err)))
		return r;
	return vhd_table_load(image, file_size, err);
}

/* A writable image begins with both footers good and nothing unknown said about the space behind the data. */
static int settle(struct xd_image *image, uint64_t file_size, struct xd_error *err)
{
	struct vhd *v = vhd_of(image);

	if (!(image->flags & XD_OPEN_WRITE) || (image->flags & XD_OPEN_LENIENT) ||
	    image->type == XD_TYPE_FIXED)
		return 0;
	v->tail_unknown = file_size != v->data_end + sizeof(v->footer);
	if (!v->head_bad && v->footer_at != VHD_NOWHERE)
		return 0;
	if (v->footer_at == VHD_NOWHERE)
		v->footer_at =
		    xd_align_up(file_size > v->data_end ? file_size : v->data_end, VHD_SECTOR);
	v->tail_unknown = true;
	return vhd_footers_write(image, err);
}

static bool is_block_device(struct xd_image *image)
{
	struct stat st;

	return !fstat(xd_get_fd(image), &st) && S_ISBLK(st.st_mode);
}

static void free_state(struct xd_image *image)
{
	struct vhd *v = vhd_of(image);

	if (v->cache.buckets)
		vhd_cache_free(v);
	vhd_table_free(v);
	pthread_mutex_destroy(&v->lock);
	free(v);
}

int vhd_open(struct xd_image *image, struct xd_error *err)
{
	struct vhd *v = calloc(1, sizeof(*v));
	uint64_t size = 0;
	int r;

	if (!v)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "out of memory");
	pthread_mutex_init(&v->lock, NULL);
	image->state = v;
	v->fixed_store = is_block_device(image);
	r = xd_io_size(&image->io, &size, err);
	v->file_size = size;
	if (!r && size < VHD_SECTOR - 1)
		r = xd_fail(err, XD_E_FORMAT, 0, "too short for a VHD");
	if (!r)
		r = choose_footer(image, size, err);
	if (!r)
		r = check_footer(image, err);
	if (!r)
		r = is_fixed(&v->footer) ? open_fixed(image, size, err)
					 : open_sparse(image, size, err);
	if (!r)
		r = settle(image, size, err);
	if (r)
		free_state(image);
	return r;
}

int vhd_close(struct xd_image *image, struct xd_error *err)
{
	int r = 0;

	if ((image->flags & XD_OPEN_WRITE) && image->type != XD_TYPE_FIXED &&
	    !(image->flags & XD_OPEN_LENIENT)) {
		r = vhd_flush_locked(image, err);
		if (!r)
			r = vhd_batmap_write(image, err);
		if (!r)
			r = vhd_trim(image, err);
	} else if (image->flags & XD_OPEN_WRITE) {
		r = xd_io_flush(&image->io, err);
	}
	free_state(image);
	return r;
}
