/* SPDX-License-Identifier: MIT */
/*
 * The initiator's half of SCSI: commands built, answers read. Pure functions of their arguments; run hosted too.
 */
#ifndef XENOLITH_HV_SCSI_H
#define XENOLITH_HV_SCSI_H

#include <stdbool.h>
#include <stdint.h>

#include "abi/scsi.h"

#define SCSI_CDB_MAX          16
#define SCSI_UNMAP_LIST_BYTES 24 /* header and one descriptor, SBC-3 5.28.2 */

/* What is known of a unit. Sizes in bytes. */
struct scsi_unit {
	uint8_t type; /* SCSI_TYPE_* */
	bool removable, read_only, unmap;
	bool boot_image; /* the one that starts the adapter, by its label */
	uint64_t blocks;
	uint32_t block_size, physical_block_size;
	uint32_t unmap_max; /* blocks of one descriptor; 0: UNMAP is of no use */
	uint32_t unmap_granularity, unmap_alignment; /* blocks */
};

/* CDBs; each returns its length. READ and WRITE: the short form wherever it can say it. */
uint8_t scsi_cdb_transfer(uint8_t cdb[SCSI_CDB_MAX], bool write, uint64_t lba, uint32_t blocks);
uint8_t scsi_cdb_flush(uint8_t cdb[SCSI_CDB_MAX]); /* all blocks */
uint8_t scsi_cdb_unmap(uint8_t cdb[SCSI_CDB_MAX]);
void scsi_unmap_list(uint8_t list[SCSI_UNMAP_LIST_BYTES], uint64_t lba, uint32_t blocks);

struct scsi_sense {
	uint8_t key;
	uint16_t code; /* additional code and qualifier */
};
/* Of either format; zeros where the bytes are no sense data. */
struct scsi_sense scsi_sense_read(const uint8_t *sense, uint32_t length);

/*
 * Getting to know a unit: one command after the other. scsi_probe_command() gives the CDB of a step, its length, and how many bytes of answer to make
 * room for (≤ 4096); scsi_probe_answer() takes what came (`good` false: the command failed) and says what is next.
 */
enum scsi_probe {
	SCSI_PROBE_INQUIRY,
	SCSI_PROBE_PAGES,
	SCSI_PROBE_LIMITS,
	SCSI_PROBE_PROVISIONING,
	SCSI_PROBE_CAPACITY_16,
	SCSI_PROBE_CAPACITY_10,
	SCSI_PROBE_MODE,
	SCSI_PROBE_LABEL,
	SCSI_PROBE_DONE, /* the unit is a disk or CD-ROM with a medium of a size that makes sense */
	SCSI_PROBE_NO_UNIT, /* there is none, or nothing of use */
};
uint8_t scsi_probe_command(enum scsi_probe step, const struct scsi_unit *unit,
			   uint8_t cdb[SCSI_CDB_MAX], uint32_t *room);
enum scsi_probe scsi_probe_answer(enum scsi_probe step, struct scsi_unit *unit, bool good,
				  const uint8_t *answer, uint32_t length);

#define SCSI_LUNS       64
#define SCSI_LUNS_BYTES (8 + 8 * SCSI_LUNS)
/* REPORT LUNS, and its answer as a set: bit n for LUN n. False where the answer is none. */
uint8_t scsi_cdb_report_luns(uint8_t cdb[SCSI_CDB_MAX]);
bool scsi_luns(const uint8_t *answer, uint32_t length, uint64_t *luns);

#endif
