/* SPDX-License-Identifier: MIT */
/* Requests become SCSI commands on the guest's own pages; answers complete them. On any VP. */
#include "adapter/hv/storvsc_int.h"

#include "abi/vmbus/ring.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/log.h"
#include "adapter/x86/mem.h"
#include "core/string.h"

#define COMMAND_PAGES (STORVSC_COMMANDS * sizeof(struct storvsc_command) / PAGE_SIZE)
#define TRIES_MAX     8
#define FRAMES_MAX    BLOCK_SEGMENTS_MAX
#define TIMEOUT_S     60

/* storvsp_request.flags: Windows' srb.h, SRB_FLAGS_*. */
#define SRB_QUEUE_ACTION  0x02u
#define SRB_NO_SYNC_SPEED 0x08u
#define SRB_IN            0x40u
#define SRB_OUT           0x80u
#define SRB_SIMPLE_TAG    0x20u
#define SRB_STATUS_MASK   0x3fu

bool storvsc_queue_init(struct storvsc_queue *queue, struct storvsc *c)
{
	if (queue->commands)
		return true;
	queue->commands = device_pages(COMMAND_PAGES);
	if (!queue->commands)
		return false;
	queue->controller = c;
	queue->waiting_end = &queue->waiting;
	for (unsigned i = 0; i < STORVSC_COMMANDS; i++) {
		struct storvsc_command *command = &queue->commands[i];

		command->queue = queue;
		command->next = queue->free;
		queue->free = command;
	}
	return true;
}

void storvsc_queue_free(struct storvsc_queue *queue)
{
	device_pages_free(queue->commands, COMMAND_PAGES);
	queue->commands = NULL;
}

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
		    .path = c->path,
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

/*
 * The next piece of a transfer: segments as long as they join at page boundaries, since one packet describes one range of memory, which
 * may have no gaps (Hyper-V takes no more than one). command->pending is its length.
 */
static void gather(struct storvsc_command *command, struct storvsc_message *message)
{
	const struct block_request *request = command->request;
	const struct block_segment *segment = &request->segment[command->segment];
	uint32_t room = command->queue->controller->max_transfer, bytes = 0;
	unsigned n = request->nr_segments - command->segment, i;

	for (i = 0; i < n && segment[i].len <= room - bytes; i++) {
		if (i &&
		    (segment[i].offset || segment[i - 1].offset + segment[i - 1].len != PAGE_SIZE))
			break;
		message->frame[i] = segment[i].mfn;
		bytes += segment[i].len;
	}
	message->nr_frames = i;
	message->range = (struct vmbus_gpa_range){bytes, segment->offset};
	command->pending = bytes;
	command->piece = (uint16_t)i;
}

/* False where a piece cannot be had: a gap lies inside a sector of the disk. */
static bool build_transfer(struct storvsc_command *command, struct storvsc_message *message)
{
	const struct storvsc_disk *disk = command->disk;
	const uint32_t unit = disk->unit.block_size;
	const bool write = command->request->op == BLOCK_WRITE;
	uint8_t cdb[SCSI_CDB_MAX], length;

	gather(command, message);
	if (!command->piece || command->pending % unit)
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

static bool build(struct storvsc_command *command, struct storvsc_message *message)
{
	switch (command->request->op) {
	case BLOCK_READ:
	case BLOCK_WRITE: return build_transfer(command, message);
	case BLOCK_FLUSH: return build_flush(command, message);
	case BLOCK_DISCARD: return build_discard(command, message);
	}
	return false;
}

/* From here on the answer, or the channel's end, may end the command. NULL where there is no channel. */
static struct hv_channel *hand_over(struct storvsc_command *command, uint64_t *transaction)
{
	struct storvsc_queue *queue = command->queue;
	struct hv_channel *channel;

	lock_take(&queue->lock);
	channel = queue->channel;
	if (channel) {
		command->state = COMMAND_HOST;
		command->generation++;
	}
	*transaction = (uint64_t)command->generation << 32 | (uint64_t)(command - queue->commands);
	lock_drop(&queue->lock);
	return channel;
}

/* The command that a transaction names, ours again; NULL where it is with nobody, or somebody else was quicker. */
static struct storvsc_command *take_back(struct storvsc_queue *queue, uint64_t transaction)
{
	uint32_t index = (uint32_t)transaction;
	struct storvsc_command *command = &queue->commands[index];
	bool ours;

	if (index >= STORVSC_COMMANDS)
		return NULL;
	lock_take(&queue->lock);
	ours = command->state == COMMAND_HOST && command->generation == transaction >> 32;
	if (ours)
		command->state = COMMAND_OURS;
	lock_drop(&queue->lock);
	return ours ? command : NULL;
}

/* With the lock. */
static void occupy(struct storvsc_command *command, struct block_request *request)
{
	command->request = request;
	command->disk = request->disk_private;
	command->sector = request->sector;
	command->segment = 0;
	command->tries = 0;
	command->state = COMMAND_OURS;
}

/* With the lock. */
static void append(struct storvsc_queue *queue, struct block_request *request)
{
	request->link = NULL;
	*queue->waiting_end = request;
	queue->waiting_end = &request->link;
}

/* With the lock: the request that has waited longest, or NULL. */
static struct block_request *pop(struct storvsc_queue *queue)
{
	struct block_request *request = queue->waiting;

	if (request)
		queue->waiting = request->link;
	if (!queue->waiting)
		queue->waiting_end = &queue->waiting;
	return request;
}

/* With the lock. */
static void release(struct storvsc_command *command)
{
	struct storvsc_queue *queue = command->queue;

	command->state = COMMAND_FREE;
	command->next = queue->free;
	queue->free = command;
}

/* Ends the command's request. Returns the command with the next request that has waited for one, or NULL. */
static struct storvsc_command *finish(struct storvsc_command *command, enum block_status status)
{
	struct storvsc_queue *queue = command->queue;
	struct block_request *request = command->request, *next;
	struct storvsc_disk *disk = command->disk;

	lock_take(&queue->lock);
	next = pop(queue);
	if (next)
		occupy(command, next);
	else
		release(command);
	lock_drop(&queue->lock);
	block_complete(&disk->block, request, status);
	return next ? command : NULL;
}

/* Puts a request on queue 0's list; false where the controller will not come back. */
static bool wait_for_channel(struct storvsc *c, struct block_request *request)
{
	struct storvsc_queue *first = &c->queues[0];
	bool waits;

	lock_take(&first->lock);
	waits = !c->lost;
	if (waits)
		append(first, request);
	lock_drop(&first->lock);
	return waits;
}

/* There is no channel for it now. Begun anew later: what was done of it is done again, which changes nothing. */
static bool park(struct storvsc_command *command)
{
	struct storvsc_queue *queue = command->queue;

	if (!wait_for_channel(queue->controller, command->request))
		return false;
	lock_take(&queue->lock);
	release(command);
	lock_drop(&queue->lock);
	return true;
}

/* Sends a command that is ours, or puts its request back. False where it has failed, and is ours still. */
static bool send_piece(struct storvsc_command *command)
{
	struct storvsc_queue *queue = command->queue;
	struct storvsc_message message;
	struct hv_channel *channel;
	uint64_t transaction;

	if (command->disk->gone || !build(command, &message))
		return false;
	channel = hand_over(command, &transaction);
	if (channel && (storvsc_send(channel, queue->controller, &message, transaction, true) ||
			!take_back(queue, transaction)))
		return true;
	return park(command);
}

/* Where a command cannot be sent its request has failed, and the next one's turn comes. */
static void run(struct storvsc_command *command)
{
	while (command && !send_piece(command))
		command = finish(command, BLOCK_ERROR);
}

void storvsc_queue_pump(struct storvsc_queue *queue)
{
	for (;;) {
		struct storvsc_command *command = NULL;
		struct block_request *request = NULL;
		bool lost = queue->controller->lost;

		lock_take(&queue->lock);
		if (lost || (queue->channel && queue->free))
			request = pop(queue);
		if (request && !lost) {
			command = queue->free;
			queue->free = command->next;
			occupy(command, request);
		}
		lock_drop(&queue->lock);
		if (!request)
			return;
		if (command)
			run(command);
		else
			block_complete(&((struct storvsc_disk *)request->disk_private)->block,
				       request, BLOCK_ERROR);
	}
}

static struct storvsc_queue *queue_here(struct storvsc *c)
{
	unsigned vp = vps_self();

	if (vp < STORVSC_QUEUES_MAX && __atomic_load_n(&c->queues[vp].channel, __ATOMIC_ACQUIRE))
		return &c->queues[vp];
	return &c->queues[0];
}

/* A command for the request, or NULL: it waits. */
static struct storvsc_command *claim(struct storvsc_queue *queue, struct block_request *request)
{
	struct storvsc_command *command;

	lock_take(&queue->lock);
	command = queue->free;
	if (command) {
		queue->free = command->next;
		occupy(command, request);
	} else {
		append(queue, request);
	}
	lock_drop(&queue->lock);
	return command;
}

static void submit(struct block_disk *block, struct block_request *request)
{
	struct storvsc_disk *disk = (struct storvsc_disk *)block;

	if (disk->gone) {
		block_complete(block, request, BLOCK_ERROR);
		return;
	}
	if (request->op == BLOCK_FLUSH && block->read_only) {
		block_complete(block, request, BLOCK_OK);
		return;
	}
	request->disk_private = disk;
	run(claim(queue_here(disk->controller), request));
}

static void commit(struct block_disk *block)
{
	struct storvsc_queue *queue = queue_here(((struct storvsc_disk *)block)->controller);
	struct hv_channel *channel = __atomic_load_n(&queue->channel, __ATOMIC_ACQUIRE);

	if (channel)
		hv_channel_flush(channel);
}

const struct block_disk_ops storvsc_disk_ops = {submit, commit};

enum storvsc_outcome storvsc_judge(struct storvsc *c, const struct storvsp_packet *packet)
{
	const struct storvsp_request *request = &packet->request;
	uint8_t status = request->srb_status & SRB_STATUS_MASK;
	struct scsi_sense sense;

	if (packet->status != STORVSP_SUCCESS && status == STORVSP_SRB_SUCCESS)
		return STORVSC_FAILED;
	if (status == STORVSP_SRB_BUSY || request->scsi_status == SCSI_BUSY ||
	    request->scsi_status == SCSI_TASK_SET_FULL)
		return STORVSC_AGAIN;
	if (request->scsi_status != SCSI_CHECK_CONDITION)
		return status == STORVSP_SRB_SUCCESS || status == STORVSP_SRB_DATA_OVERRUN
			   ? STORVSC_GOOD
			   : STORVSC_FAILED;
	sense = scsi_sense_read(request->sense, request->sense_length < STORVSP_SENSE_LENGTH
						    ? request->sense_length
						    : STORVSP_SENSE_LENGTH);
	switch (sense.key) {
	case SCSI_KEY_RECOVERED: return STORVSC_GOOD;
	case SCSI_KEY_ILLEGAL_REQUEST: return STORVSC_REFUSED;
	case SCSI_KEY_UNIT_ATTENTION:
		if (sense.code == SCSI_ASC_CAPACITY_CHANGED ||
		    sense.code == SCSI_ASC_LUNS_CHANGED) {
			c->rescan = true;
			hv_vmbus_work_later();
		}
		return STORVSC_AGAIN;
	default: return STORVSC_FAILED;
	}
}

/* The piece is done: goes on with what is left of the request. */
static void advance(struct storvsc_command *command, uint32_t transferred)
{
	const struct block_request *request = command->request;
	bool data = request->op == BLOCK_READ || request->op == BLOCK_WRITE;

	if (data && transferred != command->pending) {
		run(finish(command, BLOCK_ERROR));
		return;
	}
	command->sector += data ? command->pending / BLOCK_SECTOR : command->pending;
	command->segment += command->piece;
	if (request->op == BLOCK_FLUSH || command->sector >= request->sector + request->nr_sectors)
		run(finish(command, BLOCK_OK));
	else
		run(command);
}

void storvsc_completed(struct storvsc_queue *queue, uint64_t transaction,
		       const struct storvsp_packet *packet)
{
	struct storvsc_command *command = take_back(queue, transaction);
	enum storvsc_outcome outcome;

	if (!command)
		return;
	outcome = storvsc_judge(queue->controller, packet);
	if (outcome == STORVSC_AGAIN && ++command->tries < TRIES_MAX) {
		run(command);
	} else if (outcome == STORVSC_GOOD) {
		command->tries = 0;
		advance(command, packet->request.transfer_length);
	} else {
		bool cannot = outcome == STORVSC_REFUSED && (command->request->op == BLOCK_FLUSH ||
							     command->request->op == BLOCK_DISCARD);

		run(finish(command, cannot ? BLOCK_UNSUPPORTED : BLOCK_ERROR));
	}
}

void storvsc_queue_start(struct storvsc_queue *queue)
{
	if (!queue->opened)
		return;
	lock_take(&queue->lock);
	queue->channel = queue->opened;
	lock_drop(&queue->lock);
	storvsc_queue_pump(queue);
	hv_channel_flush(queue->opened);
}

void storvsc_queue_end(struct storvsc_queue *queue)
{
	struct storvsc *c = queue->controller;
	struct block_request *request;

	queue->opened = NULL;
	if (!queue->commands)
		return;
	lock_take(&queue->lock);
	queue->channel = NULL;
	lock_drop(&queue->lock);
	for (uint64_t i = 0; i < STORVSC_COMMANDS; i++) {
		uint64_t generation = queue->commands[i].generation;
		struct storvsc_command *command = take_back(queue, generation << 32 | i);

		if (command && !park(command))
			run(finish(command, BLOCK_ERROR));
	}
	while (queue != &c->queues[0]) {
		lock_take(&queue->lock);
		request = pop(queue);
		lock_drop(&queue->lock);
		if (!request)
			break;
		if (!wait_for_channel(c, request))
			block_complete(&((struct storvsc_disk *)request->disk_private)->block,
				       request, BLOCK_ERROR);
	}
	storvsc_queue_pump(&c->queues[0]);
}
