/* SPDX-License-Identifier: MIT */
/*
 * What a SCSI command asks of a disk or a DVD: decided here, carried out by the caller. Pure functions of their arguments.
 * Sources: SPC-4 (primary commands), SBC-3 (disks), MMC-6 (DVDs); the section is named where it matters.
 */
#ifndef HOST_SCSI_H
#define HOST_SCSI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCSI_CDB_LENGTH   16u
#define SCSI_SENSE_LENGTH 18u
#define SCSI_REPLY_MAX    1024u
#define SCSI_MAX_LUNS     64u
#define SCSI_DVD_SECTOR   2048u /* bytes */

#define SCSI_STATUS_GOOD            0x00u
#define SCSI_STATUS_CHECK_CONDITION 0x02u
#define SCSI_STATUS_BUSY            0x08u

struct scsi_unit {
	bool cdrom;
	bool read_only;
	uint64_t blocks;
	uint32_t block_size;          /* bytes */
	uint32_t physical_block_size; /* bytes */
	char serial[21];
};

/* The unit attention and sense that a command ends with; key 0 is none. */
struct scsi_sense {
	uint8_t key;
	uint8_t asc;
	uint8_t ascq;
};

enum scsi_verb {
	SCSI_DONE,  /* nothing to do */
	SCSI_REPLY, /* hand over the first `reply_length` bytes of the reply */
	SCSI_READ,
	SCSI_WRITE,
	SCSI_FLUSH,
	SCSI_ZERO, /* WRITE SAME of zeros, once the caller has seen that the block it got is zero */
	SCSI_UNMAP,  /* the parameter list is the command's data: scsi_unmap_next() */
	SCSI_REFUSE, /* with `sense` */
};

struct scsi_action {
	enum scsi_verb verb;
	bool durable; /* FUA */
	bool no_data; /* WRITE SAME without a block of data: it is zeros */
	uint64_t lba;
	uint64_t blocks; /* inside the disk */
	uint32_t reply_length;
	struct scsi_sense sense;
};

/* `luns`: bit n set where there is a unit n. `unit` is NULL for a LUN without one. */
void scsi_decide(const struct scsi_unit *unit, uint64_t luns, const uint8_t cdb[SCSI_CDB_LENGTH],
		 struct scsi_action *action, uint8_t reply[SCSI_REPLY_MAX]);

/*
 * The next range of an UNMAP parameter list of `length` bytes; *at starts at 0. False at the end, or with *bad set where a
 * range is not on the disk, or all of them come to more than the block limits page says.
 */
bool scsi_unmap_next(const struct scsi_unit *unit, const uint8_t *list, uint32_t length,
		     uint32_t *at, uint64_t *lba, uint64_t *blocks, bool *bad);

/* Fixed-format sense data, SPC-4 4.5.3. */
void scsi_write_sense(uint8_t to[SCSI_SENSE_LENGTH], struct scsi_sense sense);

/* INQUIRY, REPORT LUNS and REQUEST SENSE are carried out whatever the unit has to tell. */
bool scsi_ignores_attention(uint8_t operation);
/* Whether it asks which units there are. */
bool scsi_lists_luns(uint8_t operation);

extern const struct scsi_sense scsi_capacity_changed, scsi_no_lun, scsi_invalid_field,
    scsi_read_error, scsi_write_error, scsi_out_of_range;

#endif
