/* SPDX-License-Identifier: MIT */
/* Between scsi.c, which reads commands, and scsi_replies.c, which writes what a unit says of itself. */
#ifndef HOST_SCSI_INTERNAL_H
#define HOST_SCSI_INTERNAL_H

#include "host/scsi.h"

/* The most that one WRITE SAME or UNMAP takes: the block limits page. */
#define SCSI_ZERO_BLOCKS (1u << 22)

void scsi_refuse(struct scsi_action *action, struct scsi_sense sense);
/* `length` bytes are in the reply, the initiator takes at most `allowed`. */
void scsi_reply(struct scsi_action *action, uint32_t length, uint32_t allowed);

void scsi_inquiry(const struct scsi_unit *unit, const uint8_t *cdb, struct scsi_action *action,
		  uint8_t *reply);
void scsi_report_luns(uint64_t luns, const uint8_t *cdb, struct scsi_action *action,
		      uint8_t *reply);
void scsi_mode_sense_6(const struct scsi_unit *unit, const uint8_t *cdb, struct scsi_action *action,
		       uint8_t *reply);
void scsi_mode_sense_10(const struct scsi_unit *unit, const uint8_t *cdb,
			struct scsi_action *action, uint8_t *reply);
void scsi_read_capacity_10(const struct scsi_unit *unit, struct scsi_action *action,
			   uint8_t *reply);
void scsi_read_capacity_16(const struct scsi_unit *unit, const uint8_t *cdb,
			   struct scsi_action *action, uint8_t *reply);
void scsi_read_toc(const struct scsi_unit *unit, const uint8_t *cdb, struct scsi_action *action,
		   uint8_t *reply);
void scsi_get_configuration(const struct scsi_unit *unit, const uint8_t *cdb,
			    struct scsi_action *action, uint8_t *reply);
void scsi_get_event_status(const struct scsi_unit *unit, const uint8_t *cdb,
			   struct scsi_action *action, uint8_t *reply);

#endif
