/* SPDX-License-Identifier: MIT */
/* What goes to the host: SCSI requests, and the guest's memory that goes with them. */
#include "adapter/hv/storvsc_int.h"
#include "adapter/x86/mem.h"
#include "core/string.h"

#define TIMEOUT_S 60

/* storvsp_request.flags: Windows' srb.h, SRB_FLAGS_*. */
#define SRB_QUEUE_ACTION  0x02u
#define SRB_NO_SYNC_SPEED 0x08u
#define SRB_IN            0x40u
#define SRB_OUT           0x80u
#define SRB_SIMPLE_TAG    0x20u

void storvsc_request(const struct storvsc *c, struct storvsp_packet *packet, uint8_t lun,
		     const uint8_t *cdb, uint8_t cdb_length, uint32_t bytes, bool in)
{
	*packet = (struct storvsp_packet){
	    .operation = STORVSP_EXECUTE_SRB,
	    .flags = STORVSP_FLAG_COMPLETION,
	    .request =
		{
		    .length =
			(uint16_t)(c->packet_length - offsetof(struct storvsp_packet, request)),
		    .target = c->target,
		    .lun = lun,
		    .cdb_length = cdb_length,
		    .sense_length = STORVSP_SENSE_LENGTH,
		    .data_in = in ? STORVSP_DATA_IN : STORVSP_DATA_OUT,
		    .transfer_length = bytes,
		    .queue_action = SRB_SIMPLE_TAG,
		    .flags = SRB_QUEUE_ACTION | SRB_NO_SYNC_SPEED |
			     (!bytes ? 0
			      : in   ? SRB_IN
				     : SRB_OUT),
		    .timeout = TIMEOUT_S,
		},
	};
	memcpy(packet->request.cdb, cdb, cdb_length);
}

bool storvsc_send(struct hv_channel *channel, const struct storvsc *c,
		  struct storvsc_message *message, uint64_t transaction, bool more)
{
	struct vmbus_out_packet out = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .transaction = transaction,
	    .payload[0] = {&message->packet, c->packet_length},
	};

	if (message->nr_frames) {
		message->direct = (struct vmbus_gpa_direct){.count = 1};
		out.type = VMBUS_PACKET_GPA_DIRECT;
		out.extension = (struct vmbus_piece){
		    &message->direct, (uint32_t)(sizeof(message->direct) + sizeof(message->range) +
						 message->nr_frames * sizeof(*message->frame))};
	}
	return hv_channel_send(channel, &out, more) == VMBUS_RING_OK;
}

/* Where a piece is being put together. */
struct piece {
	uint64_t *frame;
	uint32_t frames, room; /* left */
	uint32_t at;           /* in its page, where the next segment must begin */
};

/* Adds segments as far as they fit and join. Returns the first that does not. */
static const struct block_segment *add_segments(struct piece *piece,
						const struct block_segment *segment,
						const struct block_segment *end)
{
	struct piece p = *piece;

	for (; segment < end && p.frames && segment->offset == p.at && segment->len <= p.room;
	     segment++) {
		*p.frame++ = segment->mfn;
		p.frames--;
		p.room -= segment->len;
		/* Behind a segment that does not end its page nothing fits. */
		p.at = (segment->offset + segment->len) ^ PAGE_SIZE;
	}
	*piece = p;
	return segment;
}

/*
 * The next piece of a transfer: segments as long as they join at page boundaries, since one packet describes one range of memory, which
 * may have no gaps (Hyper-V takes no more than one). command->pending is its length.
 */
static void gather(struct storvsc_command *command, struct storvsc_message *message)
{
	const uint32_t most = command->queue->controller->max_transfer;
	const struct block_request *part = command->part;
	const struct block_segment *segment = &part->segment[command->segment], *end;
	struct piece piece = {message->frame, STORVSC_FRAMES_MAX, most, segment->offset};

	message->range.offset = segment->offset;
	for (;;) {
		end = &part->segment[part->nr_segments];
		segment = add_segments(&piece, segment, end);
		if (segment < end || !part->link)
			break;
		part = part->link;
		segment = part->segment;
	}
	message->nr_frames = STORVSC_FRAMES_MAX - piece.frames;
	message->range.bytes = command->pending = most - piece.room;
	command->next_part = segment < end ? part : NULL;
	command->next_segment = (uint16_t)(segment - part->segment);
}

/* False where a piece cannot be had: a gap lies inside a sector of the disk. */
static bool build_transfer(struct storvsc_command *command, struct storvsc_message *message)
{
	const struct storvsc_disk *disk = command->disk;
	const uint32_t unit = disk->unit.block_size;
	const bool write = command->request->op == BLOCK_WRITE;
	uint8_t cdb[SCSI_CDB_MAX], length;

	gather(command, message);
	if (!command->pending || command->pending % unit)
		return false;
	length = scsi_cdb_transfer(cdb, write, command->sector * BLOCK_SECTOR / unit,
				   command->pending / unit);
	storvsc_request(disk->controller, &message->packet, disk->lun, cdb, length,
			command->pending, !write);
	return true;
}

static bool build_flush(struct storvsc_command *command, struct storvsc_message *message)
{
	const struct storvsc_disk *disk = command->disk;
	uint8_t cdb[SCSI_CDB_MAX];

	message->nr_frames = 0;
	storvsc_request(disk->controller, &message->packet, disk->lun, cdb, scsi_cdb_flush(cdb), 0,
			false);
	return true;
}

static bool build_discard(struct storvsc_command *command, struct storvsc_message *message)
{
	const struct storvsc_disk *disk = command->disk;
	const struct block_request *request = command->request;
	const uint32_t per_block = disk->unit.block_size / BLOCK_SECTOR;
	uint64_t blocks = (request->sector + request->nr_sectors - command->sector) / per_block;
	uint64_t address = virt_to_ma(command->unmap);
	uint8_t cdb[SCSI_CDB_MAX];

	if (blocks > disk->unit.unmap_max)
		blocks = disk->unit.unmap_max;
	if (blocks > UINT32_MAX / per_block)
		blocks = UINT32_MAX / per_block;
	command->pending = (uint32_t)(blocks * per_block);
	scsi_unmap_list(command->unmap, command->sector / per_block, (uint32_t)blocks);
	message->nr_frames = 1;
	message->frame[0] = address >> PAGE_SHIFT;
	message->range =
	    (struct vmbus_gpa_range){SCSI_UNMAP_LIST_BYTES, (uint32_t)(address % PAGE_SIZE)};
	storvsc_request(disk->controller, &message->packet, disk->lun, cdb, scsi_cdb_unmap(cdb),
			SCSI_UNMAP_LIST_BYTES, false);
	return true;
}

bool storvsc_build(struct storvsc_command *command, struct storvsc_message *message)
{
	switch (command->request->op) {
	case BLOCK_READ:
	case BLOCK_WRITE: return build_transfer(command, message);
	case BLOCK_FLUSH: return build_flush(command, message);
	case BLOCK_DISCARD: return build_discard(command, message);
	}
	return false;
}
