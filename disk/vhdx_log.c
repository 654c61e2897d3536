/* SPDX-License-Identifier: MIT */
/*
 * Finding the log's active sequence (§2.3.2, §2.3.3).
 *
 * One pass: an entry is looked at where a sector has the entry signature, its sectors' signatures and sequence numbers are
 * compared before its checksum is computed, and an entry's later sectors can not carry the entry signature. So no sector is read
 * more than twice, whatever the log holds. Entries then are linked to the one that ends where they begin, and the newest whose
 * tail lies in its own chain wins.
 */
#include <stdlib.h>

#include "disk/vhdx.h"

#define NONE UINT32_MAX

struct finder {
	const struct xd_io *io;
	struct vhdx_extent log;
	const struct vhdx_guid *guid;
	struct vhdx_log_place *place;
	size_t count, room;
	uint8_t *sector;
};

int vhdx_log_read(const struct xd_io *io, const struct vhdx_extent *log, uint32_t offset, void *buf,
		  uint32_t length, struct xd_error *err)
{
	uint32_t first = xd_min(length, log->length - offset);
	int ret = xd_io_read(io, buf, first, log->offset + offset, err);

	if (!ret && first < length)
		ret = xd_io_read(io, (uint8_t *)buf + first, length - first, log->offset, err);
	return ret;
}

static uint32_t descriptor_sectors(uint32_t count)
{
	if (count <= VHDX_LOG_FIRST_DESCS)
		return 1;
	return 1 + (count - VHDX_LOG_FIRST_DESCS + VHDX_LOG_DESCS - 1) / VHDX_LOG_DESCS;
}

static bool header_plausible(const struct finder *f, const struct vhdx_log_entry *entry)
{
	return entry->signature == VHDX_LOG_ENTRY_SIGN &&
	       vhdx_guid_equal(&entry->log_guid, f->guid) && entry->sequence &&
	       entry->entry_length && entry->entry_length % VHDX_LOG_SECTOR == 0 &&
	       entry->entry_length <= f->log.length && entry->tail % VHDX_LOG_SECTOR == 0 &&
	       entry->tail < f->log.length &&
	       /* also keeps descriptor_sectors() from wrapping */
	       entry->descriptor_count <= entry->entry_length / sizeof(struct vhdx_log_desc);
}

/* A place that replay may write: whole pages, neither in the headers nor in the log. */
static bool place_allowed(const struct finder *f, uint64_t offset, uint64_t length)
{
	return offset % VHDX_LOG_SECTOR == 0 && length % VHDX_LOG_SECTOR == 0 &&
	       offset >= VHDX_LOG_LOWEST_OFFSET && offset <= VHDX_MAX_FILE &&
	       length <= VHDX_MAX_FILE - offset &&
	       (offset + length <= f->log.offset || offset >= f->log.offset + f->log.length);
}

static bool descriptor_plausible(const struct finder *f, const struct vhdx_log_desc *desc,
				 uint64_t sequence, uint32_t *data_sectors)
{
	if (desc->sequence != sequence)
		return false;
	if (desc->signature == VHDX_LOG_ZERO_SIGN)
		return place_allowed(f, desc->file_offset, desc->leading);
	(*data_sectors)++;
	return desc->signature == VHDX_LOG_DESC_SIGN &&
	       place_allowed(f, desc->file_offset, VHDX_LOG_SECTOR);
}

/* One sector of the entry at a time; *crc goes along. */
static int next_sector(struct finder *f, uint32_t at, uint32_t index, uint32_t *crc,
		       struct xd_error *err)
{
	uint32_t offset = (at + (uint64_t)index * VHDX_LOG_SECTOR) % f->log.length;
	int ret = xd_io_read(f->io, f->sector, VHDX_LOG_SECTOR, f->log.offset + offset, err);

	*crc = vhdx_crc32c(*crc, f->sector, VHDX_LOG_SECTOR);
	return ret;
}

/* f->sector holds the entry's first sector. */
static int check_descriptors(struct finder *f, uint32_t at, const struct vhdx_log_entry *entry,
			     uint32_t *crc, uint32_t *data_sectors, bool *good,
			     struct xd_error *err)
{
	const struct vhdx_log_desc *desc = (const void *)(f->sector + sizeof(*entry));
	uint32_t in_sector = VHDX_LOG_FIRST_DESCS, left = entry->descriptor_count, index = 0;

	for (;;) {
		uint32_t here = xd_min(left, in_sector);
		int ret;

		for (uint32_t i = 0; i < here; i++)
			if (!descriptor_plausible(f, &desc[i], entry->sequence, data_sectors))
				return 0;
		left -= here;
		if (!left)
			break;
		ret = next_sector(f, at, ++index, crc, err);
		if (ret)
			return ret;
		desc = (const void *)f->sector;
		in_sector = VHDX_LOG_DESCS;
	}
	*good = true;
	return 0;
}

static int check_data(struct finder *f, uint32_t at, const struct vhdx_log_entry *entry,
		      uint32_t first, uint32_t *crc, bool *good, struct xd_error *err)
{
	const struct vhdx_log_data *data = (const void *)f->sector;

	for (uint32_t index = first; index < entry->entry_length / VHDX_LOG_SECTOR; index++) {
		int ret = next_sector(f, at, index, crc, err);

		if (ret)
			return ret;
		if (data->signature != VHDX_LOG_DATA_SIGN ||
		    data->sequence_high != entry->sequence >> 32 ||
		    data->sequence_low != (uint32_t)entry->sequence)
			return 0;
	}
	*good = true;
	return 0;
}

/* Is there a whole entry at `at`? Most often there is not, and 64 bytes tell. */
static int check_entry(struct finder *f, uint32_t at, bool *good, struct vhdx_log_entry *entry,
		       struct xd_error *err)
{
	uint32_t crc, data_sectors = 0, first_data;
	bool fits = false;
	int ret = xd_io_read(f->io, entry, sizeof(*entry), f->log.offset + at, err);

	*good = false;
	if (ret || !header_plausible(f, entry))
		return ret;
	ret = xd_io_read(f->io, f->sector, VHDX_LOG_SECTOR, f->log.offset + at, err);
	if (ret)
		return ret;
	/* The header that was checked is the one that counts. */
	memcpy(f->sector, entry, sizeof(*entry));
	crc = vhdx_crc32c(0, f->sector, 4);
	crc = vhdx_crc32c(crc, (const uint8_t[4]){0}, 4);
	crc = vhdx_crc32c(crc, f->sector + 8, VHDX_LOG_SECTOR - 8);
	first_data = descriptor_sectors(entry->descriptor_count);
	if (first_data > entry->entry_length / VHDX_LOG_SECTOR)
		return 0;
	ret = check_descriptors(f, at, entry, &crc, &data_sectors, &fits, err);
	if (ret || !fits || first_data + data_sectors != entry->entry_length / VHDX_LOG_SECTOR)
		return ret;
	fits = false;
	ret = check_data(f, at, entry, first_data, &crc, &fits, err);
	if (!ret && fits)
		*good = crc == entry->checksum;
	return ret;
}

static int remember(struct finder *f, uint32_t at, const struct vhdx_log_entry *entry,
		    struct xd_error *err)
{
	if (f->count == f->room) {
		size_t room = f->room ? 2 * f->room : 16;
		void *place = realloc(f->place, room * sizeof(*f->place));

		if (!place)
			return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the log");
		f->place = place;
		f->room = room;
	}
	f->place[f->count++] =
	    (struct vhdx_log_place){at, entry->entry_length, entry->tail, entry->sequence};
	return 0;
}

/* A log has hardly been used as a rule. No entry begins in a hole: it would have to begin with its signature. */
static uint64_t skip_hole(const struct finder *f, uint64_t at, uint64_t *known)
{
	while (at >= *known && at < f->log.length) {
		uint64_t length = f->log.length - at;
		bool hole;

		xd_io_extent(f->io, f->log.offset + at, &length, &hole);
		*known = at + length;
		if (hole)
			at += length / VHDX_LOG_SECTOR * VHDX_LOG_SECTOR;
		if (length < VHDX_LOG_SECTOR)
			*known = at + VHDX_LOG_SECTOR;
	}
	return at;
}

static int scan(struct finder *f, struct xd_error *err)
{
	struct vhdx_log_entry entry;
	uint64_t known = 0; /* up to here it is data */
	bool good;

	for (uint64_t at = skip_hole(f, 0, &known); at < f->log.length;
	     at = skip_hole(f, at + VHDX_LOG_SECTOR, &known)) {
		int ret = check_entry(f, at, &good, &entry, err);

		if (!ret && good)
			ret = remember(f, at, &entry, err);
		if (ret)
			return ret;
	}
	return 0;
}

/* The entry that begins at `offset`; places are sorted by it. */
static uint32_t place_at(const struct finder *f, uint32_t offset)
{
	size_t low = 0, high = f->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (f->place[middle].offset < offset)
			low = middle + 1;
		else
			high = middle;
	}
	return low < f->count && f->place[low].offset == offset ? low : NONE;
}

struct link {
	uint32_t next;  /* the entry that follows, or NONE */
	uint32_t chain; /* the first of the run it is in */
	uint32_t depth; /* how many of the run come before it */
	bool follows;
};

/* Entries do not overlap, so each has at most one before it; numbers rise along a chain, so it has an end. */
static void link_entries(const struct finder *f, struct link *link)
{
	for (uint32_t i = 0; i < f->count; i++) {
		const struct vhdx_log_place *place = &f->place[i];
		uint32_t next =
		    place_at(f, ((uint64_t)place->offset + place->length) % f->log.length);

		if (next != NONE && f->place[next].sequence != place->sequence + 1)
			next = NONE;
		link[i].next = next;
		if (next != NONE)
			link[next].follows = true;
	}
	for (uint32_t start = 0; start < f->count; start++) {
		uint32_t depth = 0;

		if (link[start].follows)
			continue;
		for (uint32_t i = start; i != NONE; i = link[i].next) {
			link[i].chain = start;
			link[i].depth = depth++;
		}
	}
}

static uint32_t find_head(const struct finder *f, const struct link *link)
{
	uint32_t head = NONE;

	for (uint32_t i = 0; i < f->count; i++) {
		uint32_t tail = place_at(f, f->place[i].tail);

		if (tail != NONE && link[tail].chain == link[i].chain &&
		    link[tail].depth <= link[i].depth &&
		    (head == NONE || f->place[i].sequence > f->place[head].sequence))
			head = i;
	}
	return head;
}

static int choose(const struct finder *f, struct vhdx_log_sequence *sequence, struct xd_error *err)
{
	struct link *link = calloc(f->count, sizeof(*link));
	uint32_t head, i;

	if (!link)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the log");
	link_entries(f, link);
	head = find_head(f, link);
	if (head != NONE) {
		i = place_at(f, f->place[head].tail);
		sequence->entries =
		    calloc(link[head].depth - link[i].depth + 1, sizeof(*sequence->entries));
		if (!sequence->entries) {
			free(link);
			return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the log");
		}
		for (; i != link[head].next; i = link[i].next)
			sequence->entries[sequence->count++] = f->place[i];
	}
	free(link);
	return 0;
}

int vhdx_log_find(const struct xd_io *io, const struct vhdx_extent *log,
		  const struct vhdx_guid *guid, struct vhdx_log_sequence *sequence,
		  struct xd_error *err)
{
	struct finder f = {.io = io, .log = *log, .guid = guid, .sector = malloc(VHDX_LOG_SECTOR)};
	int ret;

	*sequence = (struct vhdx_log_sequence){0};
	if (!f.sector)
		return xd_fail(err, XD_E_NOMEM, XD_NO_OFFSET, "no memory for the log");
	ret = scan(&f, err);
	if (!ret && f.count)
		ret = choose(&f, sequence, err);
	free(f.place);
	free(f.sector);
	return ret;
}
