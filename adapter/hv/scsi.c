/* SPDX-License-Identifier: MIT */
#include "adapter/hv/scsi.h"

#include "core/big_endian.h"
#include "core/string.h"

#define BOOT_IMAGE_LABEL "XENOLITH" /* lab/bootimage gives it */

#define INQUIRY_ROOM 36
#define PAGE_ROOM    255
#define PAGES_MAX    (PAGE_ROOM - 4)

uint8_t scsi_cdb_transfer(uint8_t cdb[SCSI_CDB_MAX], bool write, uint64_t lba, uint32_t blocks)
{
	memset(cdb, 0, SCSI_CDB_MAX);
	if (lba <= UINT32_MAX && blocks <= UINT16_MAX) {
		cdb[0] = write ? SCSI_WRITE_10 : SCSI_READ_10;
		put32(cdb + 2, (uint32_t)lba);
		put16(cdb + 7, (uint16_t)blocks);
		return 10;
	}
	cdb[0] = write ? SCSI_WRITE_16 : SCSI_READ_16;
	put64(cdb + 2, lba);
	put32(cdb + 10, blocks);
	return 16;
}

uint8_t scsi_cdb_flush(uint8_t cdb[SCSI_CDB_MAX])
{
	memset(cdb, 0, SCSI_CDB_MAX);
	cdb[0] = SCSI_SYNCHRONIZE_CACHE_10;
	return 10;
}

uint8_t scsi_cdb_unmap(uint8_t cdb[SCSI_CDB_MAX])
{
	memset(cdb, 0, SCSI_CDB_MAX);
	cdb[0] = SCSI_UNMAP;
	put16(cdb + 7, SCSI_UNMAP_LIST_BYTES);
	return 10;
}

void scsi_unmap_list(uint8_t list[SCSI_UNMAP_LIST_BYTES], uint64_t lba, uint32_t blocks)
{
	memset(list, 0, SCSI_UNMAP_LIST_BYTES);
	put16(list, SCSI_UNMAP_LIST_BYTES - 2);
	put16(list + 2, SCSI_UNMAP_LIST_BYTES - 8);
	put64(list + 8, lba);
	put32(list + 16, blocks);
}

/* Fixed format is 70h or 71h, descriptor format 72h or 73h; SPC-4 4.5. */
struct scsi_sense scsi_sense_read(const uint8_t *sense, uint32_t length)
{
	uint8_t format = length ? sense[0] & 0x7f : 0;

	if ((format == 0x70 || format == 0x71) && length >= 14)
		return (struct scsi_sense){sense[2] & 0xf, (uint16_t)(sense[12] << 8 | sense[13])};
	if ((format == 0x72 || format == 0x73) && length >= 4)
		return (struct scsi_sense){sense[1] & 0xf, (uint16_t)(sense[2] << 8 | sense[3])};
	return (struct scsi_sense){0};
}

static uint8_t cdb_inquiry(uint8_t *cdb, int page, uint16_t room)
{
	cdb[0] = SCSI_INQUIRY;
	cdb[1] = page >= 0;
	cdb[2] = page >= 0 ? (uint8_t)page : 0;
	put16(cdb + 3, room);
	return 6;
}

/*
 * ECMA-119 8.4: a volume's first descriptor is its 17th sector of 2048 bytes, and has the volume's name from its 40th byte on. The boot image is a CD's on
 * whatever it lies.
 */
#define LABEL_AT   32768u
#define LABEL_SIZE 2048u

static uint8_t cdb_label(uint8_t *cdb, uint32_t block_size, uint32_t *room)
{
	*room = block_size > LABEL_SIZE ? block_size : LABEL_SIZE;
	return scsi_cdb_transfer(cdb, false, LABEL_AT / block_size, *room / block_size);
}

static bool is_boot_image(const uint8_t *a, uint32_t length)
{
	return length >= LABEL_SIZE && !memcmp(a, "\1CD001\1", 7) &&
	       !memcmp(a + 40, BOOT_IMAGE_LABEL " ", sizeof(BOOT_IMAGE_LABEL));
}

uint8_t scsi_probe_command(enum scsi_probe step, const struct scsi_unit *unit,
			   uint8_t cdb[SCSI_CDB_MAX], uint32_t *room)
{
	memset(cdb, 0, SCSI_CDB_MAX);
	*room = PAGE_ROOM;
	switch (step) {
	case SCSI_PROBE_INQUIRY: *room = INQUIRY_ROOM; return cdb_inquiry(cdb, -1, INQUIRY_ROOM);
	case SCSI_PROBE_PAGES: return cdb_inquiry(cdb, SCSI_VPD_PAGES, PAGE_ROOM);
	case SCSI_PROBE_LIMITS: return cdb_inquiry(cdb, SCSI_VPD_LIMITS, PAGE_ROOM);
	case SCSI_PROBE_PROVISIONING: return cdb_inquiry(cdb, SCSI_VPD_PROVISIONING, PAGE_ROOM);
	case SCSI_PROBE_CAPACITY_16:
		cdb[0] = SCSI_SERVICE_ACTION_IN_16;
		cdb[1] = SCSI_ACTION_READ_CAPACITY_16;
		put32(cdb + 10, *room = 32);
		return 16;
	case SCSI_PROBE_CAPACITY_10:
		cdb[0] = SCSI_READ_CAPACITY_10;
		*room = 8;
		return 10;
	case SCSI_PROBE_MODE:
		cdb[0] = SCSI_MODE_SENSE_6;
		cdb[2] = 0x3f; /* all pages */
		cdb[4] = (uint8_t)*room;
		return 6;
	case SCSI_PROBE_LABEL: return cdb_label(cdb, unit->block_size, room);
	case SCSI_PROBE_DONE:
	case SCSI_PROBE_NO_UNIT: break;
	}
	return 0;
}

static enum scsi_probe take_inquiry(struct scsi_unit *unit, const uint8_t *a, uint32_t length)
{
	memset(unit, 0, sizeof(*unit));
	if (length < 5 || a[0] >> SCSI_QUALIFIER_SHIFT)
		return SCSI_PROBE_NO_UNIT;
	unit->type = a[0] & SCSI_TYPE_MASK;
	unit->removable = a[1] & 0x80;
	if (unit->type == SCSI_TYPE_DISK)
		return SCSI_PROBE_PAGES;
	unit->read_only = true;
	return unit->type == SCSI_TYPE_CDROM ? SCSI_PROBE_CAPACITY_10 : SCSI_PROBE_NO_UNIT;
}

static bool lists(const uint8_t *a, uint32_t length, uint8_t page)
{
	uint32_t n = length < 4 ? 0 : a[3];

	for (uint32_t i = 0; i < n && 4 + i < length && i < PAGES_MAX; i++)
		if (a[4 + i] == page)
			return true;
	return false;
}

/* SBC-3 6.5.3 */
static void take_limits(struct scsi_unit *unit, const uint8_t *a, uint32_t length)
{
	if (length < 36)
		return;
	unit->unmap_max = get32(a + 24) ? get32(a + 20) : 0;
	unit->unmap_granularity = get32(a + 28);
	if (a[32] & 0x80) /* UGAVALID */
		unit->unmap_alignment = get32(a + 32) & 0x7fffffff;
}

static bool sensible(const struct scsi_unit *unit)
{
	uint32_t size = unit->block_size;

	return size >= 512 && size <= 4096 && !(size & (size - 1)) && unit->blocks &&
	       unit->blocks <= INT64_MAX / size;
}

static enum scsi_probe with_capacity(struct scsi_unit *unit)
{
	if (!sensible(unit))
		return SCSI_PROBE_NO_UNIT;
	return unit->type == SCSI_TYPE_DISK ? SCSI_PROBE_MODE : SCSI_PROBE_LABEL;
}

/* SBC-3 5.16.2: the last block, the block's size, how many of them a physical block holds, as a power of two. */
static enum scsi_probe take_capacity_16(struct scsi_unit *unit, const uint8_t *a, uint32_t length)
{
	if (length < 14)
		return SCSI_PROBE_CAPACITY_10;
	unit->blocks = get64(a) + 1;
	unit->block_size = get32(a + 8);
	unit->physical_block_size = unit->block_size;
	if ((a[13] & 0xf) <= 7)
		unit->physical_block_size <<= a[13] & 0xf;
	return with_capacity(unit);
}

static enum scsi_probe take_capacity_10(struct scsi_unit *unit, const uint8_t *a, uint32_t length)
{
	if (length < 8)
		return SCSI_PROBE_NO_UNIT;
	unit->blocks = get32(a) + 1ull;
	unit->block_size = get32(a + 4);
	unit->physical_block_size = unit->block_size;
	return with_capacity(unit);
}

enum scsi_probe scsi_probe_answer(enum scsi_probe step, struct scsi_unit *unit, bool good,
				  const uint8_t *a, uint32_t length)
{
	length = good ? length : 0;
	switch (step) {
	case SCSI_PROBE_INQUIRY: return take_inquiry(unit, a, length);
	case SCSI_PROBE_PAGES:
		return lists(a, length, SCSI_VPD_LIMITS) && lists(a, length, SCSI_VPD_PROVISIONING)
			   ? SCSI_PROBE_LIMITS
			   : SCSI_PROBE_CAPACITY_16;
	case SCSI_PROBE_LIMITS: take_limits(unit, a, length); return SCSI_PROBE_PROVISIONING;
	case SCSI_PROBE_PROVISIONING:
		unit->unmap = length >= 6 && a[5] & 0x80 && unit->unmap_max; /* LBPU */
		return SCSI_PROBE_CAPACITY_16;
	case SCSI_PROBE_CAPACITY_16: return take_capacity_16(unit, a, length);
	case SCSI_PROBE_CAPACITY_10: return take_capacity_10(unit, a, length);
	case SCSI_PROBE_MODE:
		unit->read_only = length >= 4 && a[2] & 0x80; /* WP, SBC-3 6.4.1 */
		return SCSI_PROBE_LABEL;
	case SCSI_PROBE_LABEL: unit->boot_image = is_boot_image(a, length); return SCSI_PROBE_DONE;
	case SCSI_PROBE_DONE:
	case SCSI_PROBE_NO_UNIT: break;
	}
	return step;
}

uint8_t scsi_cdb_report_luns(uint8_t cdb[SCSI_CDB_MAX])
{
	memset(cdb, 0, SCSI_CDB_MAX);
	cdb[0] = SCSI_REPORT_LUNS;
	put32(cdb + 6, SCSI_LUNS_BYTES);
	return 12;
}

/* Single-level LUNs below 256, peripheral device addressing (SAM-5 4.7.7.2): the second byte. */
bool scsi_luns(const uint8_t *answer, uint32_t length, uint64_t *luns)
{
	uint32_t bytes;

	*luns = 0;
	if (length < 8)
		return false;
	bytes = get32(answer);
	for (uint32_t at = 8; at + 8 <= length && at + 8 <= 8 + (uint64_t)bytes; at += 8)
		if (answer[at] == 0 && answer[at + 1] < SCSI_LUNS)
			*luns |= 1ull << answer[at + 1];
	return true;
}
