/* SPDX-License-Identifier: MIT */
#include "host/scsi.h"

#include "core/big_endian.h"

#include "host/scsi_internal.h"

#include <string.h>

const struct scsi_sense scsi_capacity_changed = {6, 0x2a, 9}, scsi_no_lun = {5, 0x25, 0},
			scsi_invalid_field = {5, 0x24, 0}, scsi_read_error = {3, 0x11, 0},
			scsi_write_error = {3, 0x0c, 0}, scsi_out_of_range = {5, 0x21, 0};
static const struct scsi_sense invalid_opcode = {5, 0x20, 0}, write_protected = {7, 0x27, 0};

/* Operation codes. */
enum {
	TEST_UNIT_READY = 0x00,
	REQUEST_SENSE = 0x03,
	READ_6 = 0x08,
	WRITE_6 = 0x0a,
	INQUIRY = 0x12,
	MODE_SENSE_6 = 0x1a,
	START_STOP_UNIT = 0x1b,
	PREVENT_ALLOW = 0x1e,
	READ_CAPACITY_10 = 0x25,
	READ_10 = 0x28,
	WRITE_10 = 0x2a,
	VERIFY_10 = 0x2f,
	SYNCHRONIZE_CACHE_10 = 0x35,
	WRITE_SAME_10 = 0x41,
	UNMAP = 0x42,
	READ_TOC = 0x43,
	GET_CONFIGURATION = 0x46,
	GET_EVENT_STATUS = 0x4a,
	MODE_SENSE_10 = 0x5a,
	READ_16 = 0x88,
	WRITE_16 = 0x8a,
	VERIFY_16 = 0x8f,
	SYNCHRONIZE_CACHE_16 = 0x91,
	WRITE_SAME_16 = 0x93,
	SERVICE_ACTION_IN_16 = 0x9e,
	REPORT_LUNS = 0xa0,
	READ_12 = 0xa8,
	WRITE_12 = 0xaa,
};

#define SERVICE_READ_CAPACITY_16 0x10
#define FUA                      0x08
#define BYTCHK                   0x06
#define WRITE_SAME_NO_DATA       0x01

void scsi_refuse(struct scsi_action *action, struct scsi_sense sense)
{
	*action = (struct scsi_action){.verb = SCSI_REFUSE, .sense = sense};
}

void scsi_reply(struct scsi_action *action, uint32_t length, uint32_t allowed)
{
	*action = (struct scsi_action){.verb = SCSI_REPLY,
				       .reply_length = length < allowed ? length : allowed};
}

/* LBA and count, by the length that the operation code's group says (SPC-4 4.2.5). */
static void read_range(const uint8_t *cdb, uint64_t *lba, uint64_t *blocks)
{
	switch (cdb[0] >> 5) {
	case 0:
		*lba = get32(cdb) & 0x1fffff;
		*blocks = cdb[4] ? cdb[4] : 256;
		break;
	case 4:
		*lba = get64(cdb + 2);
		*blocks = get32(cdb + 10);
		break;
	case 5:
		*lba = get32(cdb + 2);
		*blocks = get32(cdb + 6);
		break;
	default:
		*lba = get32(cdb + 2);
		*blocks = get16(cdb + 7);
		break;
	}
}

static bool on_disk(const struct scsi_unit *unit, uint64_t lba, uint64_t blocks)
{
	return lba <= unit->blocks && blocks <= unit->blocks - lba;
}

/* Fills the range; false (and a refusal) where it is not on the disk. */
static bool range(const struct scsi_unit *unit, const uint8_t *cdb, struct scsi_action *action)
{
	uint64_t lba, blocks;

	read_range(cdb, &lba, &blocks);
	if (!on_disk(unit, lba, blocks)) {
		scsi_refuse(action, scsi_out_of_range);
		return false;
	}
	action->lba = lba;
	action->blocks = blocks;
	return true;
}

static bool writable(const struct scsi_unit *unit, struct scsi_action *action)
{
	if (unit->read_only || unit->cdrom) {
		scsi_refuse(action, write_protected);
		return false;
	}
	return true;
}

static void decide_read(const struct scsi_unit *unit, const uint8_t *cdb,
			struct scsi_action *action)
{
	if (range(unit, cdb, action)) {
		action->verb = action->blocks ? SCSI_READ : SCSI_DONE;
	}
}

static void decide_write(const struct scsi_unit *unit, const uint8_t *cdb,
			 struct scsi_action *action)
{
	if (range(unit, cdb, action) && writable(unit, action)) {
		action->verb = action->blocks ? SCSI_WRITE : SCSI_DONE;
		action->durable = cdb[0] != WRITE_6 && (cdb[1] & FUA);
	}
}

/* Only "is it readable" is offered, not "does it equal this data". */
static void decide_verify(const struct scsi_unit *unit, const uint8_t *cdb,
			  struct scsi_action *action)
{
	if (cdb[1] & BYTCHK) {
		scsi_refuse(action, scsi_invalid_field);
	} else if (range(unit, cdb, action)) {
		action->verb = SCSI_DONE;
	}
}

static void decide_write_same(const struct scsi_unit *unit, const uint8_t *cdb,
			      struct scsi_action *action)
{
	if (!range(unit, cdb, action) || !writable(unit, action)) {
		return;
	}
	/* 0 is "to the end of the disk", SBC-3 5.45; the block limits page says that it is not offered (WSNZ), and what is the most. */
	if (action->blocks == 0 || action->blocks > SCSI_ZERO_BLOCKS) {
		scsi_refuse(action, scsi_invalid_field);
		return;
	}
	action->verb = SCSI_ZERO;
	action->no_data = cdb[0] == WRITE_SAME_16 && (cdb[1] & WRITE_SAME_NO_DATA);
}

static void decide_unmap(const struct scsi_unit *unit, const uint8_t *cdb,
			 struct scsi_action *action)
{
	if (writable(unit, action)) {
		*action = (struct scsi_action){.verb = get16(cdb + 7) ? SCSI_UNMAP : SCSI_DONE};
	}
}

/* All ranges of a list that ends at `end`: SBC-3 6.6.3 counts what a command unmaps. */
static bool within_limit(const uint8_t *list, uint32_t end)
{
	uint64_t blocks = 0;

	for (uint32_t at = 8; at + 16 <= end; at += 16) {
		blocks += get32(list + at + 8);
	}
	return blocks <= SCSI_ZERO_BLOCKS;
}

bool scsi_unmap_next(const struct scsi_unit *unit, const uint8_t *list, uint32_t length,
		     uint32_t *at, uint64_t *lba, uint64_t *blocks, bool *bad)
{
	uint32_t end;

	*bad = false;
	if (length < 8) {
		return false;
	}
	/* SBC-3 5.28: an 8-byte header with the descriptors' length, then 16 bytes each. */
	end = 8 + get16(list + 2);
	end = end < length ? end : length;
	if (*at == 0 && !within_limit(list, end)) {
		*bad = true;
		return false;
	}
	*at = *at ? *at : 8;
	if (end < 16 || *at > end - 16) {
		return false;
	}
	*lba = get64(list + *at);
	*blocks = get32(list + *at + 8);
	*at += 16;
	*bad = !on_disk(unit, *lba, *blocks);
	return !*bad;
}

static void decide_present(const struct scsi_unit *unit, const uint8_t *cdb,
			   struct scsi_action *action, uint8_t *reply)
{
	switch (cdb[0]) {
	case TEST_UNIT_READY:
	case START_STOP_UNIT:
	case PREVENT_ALLOW: break;
	case READ_6:
	case READ_10:
	case READ_12:
	case READ_16: decide_read(unit, cdb, action); break;
	case WRITE_6:
	case WRITE_10:
	case WRITE_12:
	case WRITE_16: decide_write(unit, cdb, action); break;
	case VERIFY_10:
	case VERIFY_16: decide_verify(unit, cdb, action); break;
	case SYNCHRONIZE_CACHE_10:
	case SYNCHRONIZE_CACHE_16: action->verb = SCSI_FLUSH; break;
	case WRITE_SAME_10:
	case WRITE_SAME_16: decide_write_same(unit, cdb, action); break;
	case UNMAP: decide_unmap(unit, cdb, action); break;
	case MODE_SENSE_6: scsi_mode_sense_6(unit, cdb, action, reply); break;
	case MODE_SENSE_10: scsi_mode_sense_10(unit, cdb, action, reply); break;
	case READ_CAPACITY_10: scsi_read_capacity_10(unit, action, reply); break;
	case SERVICE_ACTION_IN_16:
		if ((cdb[1] & 0x1f) == SERVICE_READ_CAPACITY_16) {
			scsi_read_capacity_16(unit, cdb, action, reply);
		} else {
			scsi_refuse(action, invalid_opcode);
		}
		break;
	case READ_TOC: scsi_read_toc(unit, cdb, action, reply); break;
	case GET_CONFIGURATION: scsi_get_configuration(unit, cdb, action, reply); break;
	case GET_EVENT_STATUS: scsi_get_event_status(unit, cdb, action, reply); break;
	default: scsi_refuse(action, invalid_opcode); break;
	}
}

void scsi_decide(const struct scsi_unit *unit, uint64_t luns, const uint8_t cdb[SCSI_CDB_LENGTH],
		 struct scsi_action *action, uint8_t reply[SCSI_REPLY_MAX])
{
	*action = (struct scsi_action){.verb = SCSI_DONE};
	memset(reply, 0, SCSI_REPLY_MAX);
	/* Three commands that every LUN number answers, SPC-4 4.6.4. */
	switch (cdb[0]) {
	case INQUIRY: scsi_inquiry(unit, cdb, action, reply); return;
	case REPORT_LUNS: scsi_report_luns(luns, cdb, action, reply); return;
	case REQUEST_SENSE:
		scsi_write_sense(reply, unit ? (struct scsi_sense){0} : scsi_no_lun);
		scsi_reply(action, SCSI_SENSE_LENGTH, cdb[4]);
		return;
	default: break;
	}
	if (!unit) {
		scsi_refuse(action, scsi_no_lun);
		return;
	}
	decide_present(unit, cdb, action, reply);
}

bool scsi_lists_luns(uint8_t operation)
{
	return operation == REPORT_LUNS;
}

bool scsi_ignores_attention(uint8_t operation)
{
	return operation == INQUIRY || operation == REPORT_LUNS || operation == REQUEST_SENSE;
}

void scsi_write_sense(uint8_t to[SCSI_SENSE_LENGTH], struct scsi_sense sense)
{
	memset(to, 0, SCSI_SENSE_LENGTH);
	to[0] = 0x70; /* current, fixed format */
	to[2] = sense.key;
	to[7] = SCSI_SENSE_LENGTH - 8;
	to[12] = sense.asc;
	to[13] = sense.ascq;
}
