/* SPDX-License-Identifier: MIT */
/* What a unit says of itself: INQUIRY and its pages, mode pages, capacities, and a DVD's few own answers. */
#include "host/scsi_internal.h"

#include "core/big_endian.h"

#include <string.h>

#define VENDOR           "Xenolith" /* 8 characters */
#define DISK_PRODUCT     "Virtual Disk    "
#define DVD_PRODUCT      "Virtual DVD-ROM "
#define REVISION         "0.1 "
#define TYPE_DISK        0x00
#define TYPE_DVD         0x05
#define NO_UNIT          0x7f /* peripheral qualifier 3: not capable of having one here */
#define VERSION_SPC4     0x06
#define RESPONSE_FORMAT  0x02
#define COMMAND_QUEUEING 0x02
#define MAX_UNMAP_RANGES 255u
#define PAGE_CACHING     0x08
#define PAGE_ALL         0x3f
#define CACHING_WCE      0x04
#define WRITE_PROTECTED  0x80
#define SUPPORTS_FUA     0x10

static uint32_t page_list(const struct scsi_unit *unit, uint8_t *page)
{
	static const uint8_t pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
	uint32_t count = unit->cdrom ? 3 : sizeof(pages);

	memcpy(page, pages, count);
	return count;
}

static uint32_t page_serial(const struct scsi_unit *unit, uint8_t *page)
{
	uint32_t length = (uint32_t)strlen(unit->serial);

	memcpy(page, unit->serial, length);
	return length;
}

/* One designator: T10 vendor id, then the serial number (SPC-4 7.8.6.5). */
static uint32_t page_identification(const struct scsi_unit *unit, uint8_t *page)
{
	uint32_t length = (uint32_t)strlen(unit->serial);

	page[0] = 0x02; /* ASCII */
	page[1] = 0x01; /* of the unit; T10 vendor id */
	page[3] = (uint8_t)(8 + length);
	memcpy(page + 4, VENDOR, 8);
	memcpy(page + 12, unit->serial, length);
	return 12 + length;
}

/* SBC-3 6.6.3; offsets count from the page's fourth byte. */
static uint32_t page_block_limits(const struct scsi_unit *unit, uint8_t *page)
{
	page[0] = 0x01; /* WSNZ: WRITE SAME of zero blocks is refused */
	put32(page + 16, SCSI_ZERO_BLOCKS);
	put32(page + 20, MAX_UNMAP_RANGES);
	put32(page + 24, unit->physical_block_size / unit->block_size);
	put64(page + 32, SCSI_ZERO_BLOCKS);
	return 0x3c;
}

static uint32_t page_characteristics(const struct scsi_unit *unit, uint8_t *page)
{
	(void)unit;
	put16(page, 1); /* does not rotate */
	return 0x3c;
}

/* SBC-3 6.6.4: UNMAP and both WRITE SAME with UNMAP; unmapped blocks may read as anything they did or zero. */
static uint32_t page_provisioning(const struct scsi_unit *unit, uint8_t *page)
{
	(void)unit;
	page[1] = 0x80 | 0x40 | 0x20;
	page[2] = 0x02; /* thin */
	return 4;
}

static const struct vital_page {
	uint8_t code;
	bool disk_only;
	uint32_t (*write)(const struct scsi_unit *unit, uint8_t *page);
} vital_pages[] = {
    {0x00, false, page_list},           {0x80, false, page_serial},
    {0x83, false, page_identification}, {0xb0, true, page_block_limits},
    {0xb1, true, page_characteristics}, {0xb2, true, page_provisioning},
};

static void vital_page(const struct scsi_unit *unit, const uint8_t *cdb, struct scsi_action *action,
		       uint8_t *reply)
{
	for (size_t i = 0; i < sizeof(vital_pages) / sizeof(vital_pages[0]); i++) {
		const struct vital_page *page = &vital_pages[i];

		if (page->code == cdb[2] && !(page->disk_only && unit->cdrom)) {
			uint32_t length = page->write(unit, reply + 4);

			reply[0] = unit->cdrom ? TYPE_DVD : TYPE_DISK;
			reply[1] = page->code;
			put16(reply + 2, length);
			scsi_reply(action, 4 + length, get16(cdb + 3));
			return;
		}
	}
	scsi_refuse(action, scsi_invalid_field);
}

void scsi_inquiry(const struct scsi_unit *unit, const uint8_t *cdb, struct scsi_action *action,
		  uint8_t *reply)
{
	bool wants_page = cdb[1] & 1;

	if (!unit && wants_page) {
		scsi_refuse(action, scsi_no_lun);
		return;
	}
	if (wants_page) {
		vital_page(unit, cdb, action, reply);
		return;
	}
	if (cdb[2]) {
		scsi_refuse(action, scsi_invalid_field);
		return;
	}
	reply[0] = !unit ? NO_UNIT : unit->cdrom ? TYPE_DVD : TYPE_DISK;
	reply[1] = unit && unit->cdrom ? 0x80 : 0; /* removable */
	reply[2] = VERSION_SPC4;
	reply[3] = RESPONSE_FORMAT;
	reply[4] = 36 - 5;
	reply[7] = COMMAND_QUEUEING;
	memcpy(reply + 8, VENDOR, 8);
	memcpy(reply + 16, unit && unit->cdrom ? DVD_PRODUCT : DISK_PRODUCT, 16);
	memcpy(reply + 32, REVISION, 4);
	scsi_reply(action, 36, get16(cdb + 3));
}

void scsi_report_luns(uint64_t luns, const uint8_t *cdb, struct scsi_action *action, uint8_t *reply)
{
	uint32_t count = 0;

	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++) {
		if (luns >> lun & 1) {
			reply[8 + count * 8 + 1] = (uint8_t)lun; /* peripheral device addressing */
			count++;
		}
	}
	put32(reply, count * 8);
	scsi_reply(action, 8 + count * 8, get32(cdb + 6));
}

/* The caching page is all there is. Returns its length, 0 where another one was asked for. */
static uint32_t mode_pages(const struct scsi_unit *unit, const uint8_t *cdb, uint8_t *at)
{
	uint8_t page = cdb[2] & 0x3f, control = cdb[2] >> 6;

	if (page != PAGE_CACHING && page != PAGE_ALL) {
		return 0;
	}
	at[0] = PAGE_CACHING;
	at[1] = 18;
	/* Control 1 asks what may be changed: nothing. */
	at[2] = control == 1 || unit->cdrom ? 0 : CACHING_WCE;
	return 20;
}

static uint8_t device_parameter(const struct scsi_unit *unit)
{
	return unit->cdrom ? 0 : (unit->read_only ? WRITE_PROTECTED : 0) | SUPPORTS_FUA;
}

void scsi_mode_sense_6(const struct scsi_unit *unit, const uint8_t *cdb, struct scsi_action *action,
		       uint8_t *reply)
{
	uint32_t length = mode_pages(unit, cdb, reply + 4);

	if (!length) {
		scsi_refuse(action, scsi_invalid_field);
		return;
	}
	reply[0] = (uint8_t)(3 + length);
	reply[2] = device_parameter(unit);
	scsi_reply(action, 4 + length, cdb[4]);
}

void scsi_mode_sense_10(const struct scsi_unit *unit, const uint8_t *cdb,
			struct scsi_action *action, uint8_t *reply)
{
	uint32_t length = mode_pages(unit, cdb, reply + 8);

	if (!length) {
		scsi_refuse(action, scsi_invalid_field);
		return;
	}
	put16(reply, 6 + length);
	reply[3] = device_parameter(unit);
	scsi_reply(action, 8 + length, get16(cdb + 7));
}

void scsi_read_capacity_10(const struct scsi_unit *unit, struct scsi_action *action, uint8_t *reply)
{
	uint64_t last = unit->blocks - 1;

	put32(reply, last > UINT32_MAX ? UINT32_MAX : (uint32_t)last);
	put32(reply + 4, unit->block_size);
	scsi_reply(action, 8, 8);
}

void scsi_read_capacity_16(const struct scsi_unit *unit, const uint8_t *cdb,
			   struct scsi_action *action, uint8_t *reply)
{
	put64(reply, unit->blocks - 1);
	put32(reply + 8, unit->block_size);
	for (uint32_t size = unit->block_size; size < unit->physical_block_size; size *= 2) {
		reply[13]++;
	}
	/* LBPME alone: whether an unmapped block reads as zero is up to the image, SBC-3 5.16.2. */
	reply[14] = unit->cdrom ? 0 : 0x80;
	scsi_reply(action, 32, get32(cdb + 10));
}

/* One data track and the lead-out, MMC-6 6.25. */
void scsi_read_toc(const struct scsi_unit *unit, const uint8_t *cdb, struct scsi_action *action,
		   uint8_t *reply)
{
	if (!unit->cdrom || (cdb[2] & 0x0f) > 1) {
		scsi_refuse(action, scsi_invalid_field);
		return;
	}
	reply[2] = reply[3] = 1;
	reply[5] = 0x14; /* data track */
	reply[6] = 1;
	reply[13] = 0x14;
	reply[14] = 0xaa;
	put32(reply + 16, (uint32_t)unit->blocks);
	put16(reply, 18);
	scsi_reply(action, 20, get16(cdb + 7));
}

/* The current profile, DVD-ROM, and no features, MMC-6 6.5. */
void scsi_get_configuration(const struct scsi_unit *unit, const uint8_t *cdb,
			    struct scsi_action *action, uint8_t *reply)
{
	if (!unit->cdrom) {
		scsi_refuse(action, scsi_invalid_field);
		return;
	}
	put32(reply, 4);
	put16(reply + 6, 0x10);
	scsi_reply(action, 8, get16(cdb + 7));
}

/* No event class is supported, MMC-6 6.6. */
void scsi_get_event_status(const struct scsi_unit *unit, const uint8_t *cdb,
			   struct scsi_action *action, uint8_t *reply)
{
	if (!unit->cdrom || !(cdb[1] & 1)) {
		scsi_refuse(action, scsi_invalid_field);
		return;
	}
	put16(reply, 2);
	reply[2] = 0x80;
	scsi_reply(action, 4, get16(cdb + 7));
}
