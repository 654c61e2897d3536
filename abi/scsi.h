/* SPDX-License-Identifier: MIT */
/*
 * SCSI as an initiator meets it: operation codes, statuses, sense. Fields are big-endian. Sources: SPC-4, SBC-3, MMC-6; the section stands beside.
 */
#ifndef ABI_SCSI_H
#define ABI_SCSI_H

#include <stdint.h>

enum scsi_operation {
	SCSI_TEST_UNIT_READY = 0x00,
	SCSI_INQUIRY = 0x12,
	SCSI_MODE_SENSE_6 = 0x1a,
	SCSI_READ_CAPACITY_10 = 0x25,
	SCSI_READ_10 = 0x28,
	SCSI_WRITE_10 = 0x2a,
	SCSI_SYNCHRONIZE_CACHE_10 = 0x35,
	SCSI_UNMAP = 0x42,
	SCSI_READ_16 = 0x88,
	SCSI_WRITE_16 = 0x8a,
	SCSI_SERVICE_ACTION_IN_16 = 0x9e, /* READ CAPACITY (16) is action 10h of it, SBC-3 5.16 */
	SCSI_REPORT_LUNS = 0xa0,
};
#define SCSI_ACTION_READ_CAPACITY_16 0x10

/* SAM-5 5.3.1 */
#define SCSI_GOOD            0x00
#define SCSI_CHECK_CONDITION 0x02
#define SCSI_BUSY            0x08
#define SCSI_TASK_SET_FULL   0x28

/* SPC-4 4.5.6 */
enum scsi_sense_key {
	SCSI_KEY_NO_SENSE = 0x0,
	SCSI_KEY_RECOVERED = 0x1,
	SCSI_KEY_NOT_READY = 0x2,
	SCSI_KEY_ILLEGAL_REQUEST = 0x5,
	SCSI_KEY_UNIT_ATTENTION = 0x6,
	SCSI_KEY_ABORTED_COMMAND = 0xb,
};
/* Additional code and qualifier. */
#define SCSI_ASC_BECOMING_READY   0x0401
#define SCSI_ASC_IN_PROGRESS      0x0407
#define SCSI_ASC_ACCESS_CHANGING  0x040a /* of asymmetric logical units */
#define SCSI_ASC_CAPACITY_CHANGED 0x2a09
#define SCSI_ASC_LUNS_CHANGED     0x3f0e

/* SPC-4 6.4.2: peripheral qualifier in 7:5, device type in 4:0. */
#define SCSI_QUALIFIER_SHIFT 5
#define SCSI_TYPE_MASK       0x1f
#define SCSI_TYPE_DISK       0x00
#define SCSI_TYPE_CDROM      0x05

/* Vital product data, SPC-4 7.8 and SBC-3 6.5. */
#define SCSI_VPD_PAGES        0x00
#define SCSI_VPD_LIMITS       0xb0
#define SCSI_VPD_PROVISIONING 0xb2

#endif
