/* SPDX-License-Identifier: MIT */
/* Requests become SCSI commands on the guest's own pages; answers complete them. On any VP. */
#include "adapter/hv/storvsc_int.h"

#include "adapter/seam/clock.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/mem.h"

#define COMMAND_PAGES   (STORVSC_COMMANDS * sizeof(struct storvsc_command) / PAGE_SIZE)
#define TRIES_MAX       8 /* at once */
#define SRB_STATUS_MASK 0x3fu

/* A busy host is then asked so often, and for a minute in all: Linux's SCSI layer waits for three. */
#define REST_NS   100000000ull
#define RESTS_MAX 600

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
	request->link = NULL;
	command->request = command->last = request;
	command->part = request;
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

/* With the lock: all that wait, by `link`. */
static struct block_request *pop_all(struct storvsc_queue *queue)
{
	struct block_request *requests = queue->waiting;

	queue->waiting = NULL;
	queue->waiting_end = &queue->waiting;
	return requests;
}

/* With the lock. */
static void release(struct storvsc_command *command)
{
	struct storvsc_queue *queue = command->queue;

	command->state = COMMAND_FREE;
	command->next = queue->free;
	queue->free = command;
}

/* With the lock: the command is the next waiting request's, or free. Returns it in the former case. */
static struct storvsc_command *reuse(struct storvsc_command *command)
{
	struct block_request *next = pop(command->queue);

	if (!next) {
		release(command);
		return NULL;
	}
	occupy(command, next);
	return command;
}

static void complete_all(struct block_request *request, enum block_status status)
{
	while (request) {
		struct storvsc_disk *disk = request->disk_private;
		struct block_request *next = request->link;

		block_complete(&disk->block, request, status);
		request = next;
	}
}

/* Ends the command's requests. Returns the command with the next request that has waited for one, or NULL. */
static struct storvsc_command *finish(struct storvsc_command *command, enum block_status status)
{
	struct storvsc_queue *queue = command->queue;
	struct block_request *requests = command->request;
	struct storvsc_command *next;

	lock_take(&queue->lock);
	next = reuse(command);
	lock_drop(&queue->lock);
	complete_all(requests, status);
	return next;
}

/* An error that may be one request's among several: each is to be tried for itself. */
static struct storvsc_command *take_apart(struct storvsc_command *command)
{
	struct storvsc_queue *queue = command->queue;

	lock_take(&queue->lock);
	command->last->link = queue->waiting;
	if (!queue->waiting)
		queue->waiting_end = &command->last->link;
	queue->waiting = command->request;
	command = reuse(command);
	lock_drop(&queue->lock);
	return command;
}

static struct storvsc_command *fail(struct storvsc_command *command, enum block_status status)
{
	return command->request == command->last ? finish(command, status) : take_apart(command);
}

/* Puts requests on queue 0's list; where the controller will not come back they fail. */
static void wait_for_channel(struct storvsc *c, struct block_request *request)
{
	struct storvsc_queue *first = &c->queues[0];

	while (request) {
		struct block_request *next = request->link;
		bool waits;

		lock_take(&first->lock);
		waits = !c->lost;
		request->link = NULL;
		if (waits)
			append(first, request);
		lock_drop(&first->lock);
		if (!waits)
			complete_all(request, BLOCK_ERROR);
		request = next;
	}
}

/* What waits on queue 0 goes out, where that is open. */
static void pump_first(struct storvsc *c)
{
	struct hv_channel *channel;

	storvsc_queue_pump(&c->queues[0]);
	channel = __atomic_load_n(&c->queues[0].channel, __ATOMIC_ACQUIRE);
	if (channel)
		hv_channel_flush(channel);
}

/* There is no channel for it now. Begun anew later: what was done of it is done again, which changes nothing. */
static void park(struct storvsc_command *command)
{
	struct storvsc_queue *queue = command->queue;
	struct storvsc *c = queue->controller;
	struct block_request *requests = command->request, *waiting = NULL;

	lock_take(&queue->lock);
	release(command);
	if (!queue->channel && queue != &c->queues[0])
		waiting = pop_all(queue);
	lock_drop(&queue->lock);
	wait_for_channel(c, requests);
	wait_for_channel(c, waiting);
	/* storvsc_queue_end(), which does the same, may have been here already. */
	if (queue != &c->queues[0])
		pump_first(c);
}

/* Sends a command that is ours, or parks it. False where it has failed, and is ours still. */
static bool send_piece(struct storvsc_command *command)
{
	struct storvsc_queue *queue = command->queue;
	struct storvsc_message message;
	struct hv_channel *channel;
	uint64_t transaction;

	if (command->disk->gone || !storvsc_build(command, &message))
		return false;
	channel = hand_over(command, &transaction);
	if (channel && (storvsc_send(channel, queue->controller, &message, transaction, true) ||
			!take_back(queue, transaction)))
		return true;
	park(command);
	return true;
}

/* Where a command cannot be sent its request has failed, and the next one's turn comes. */
static void run(struct storvsc_command *command)
{
	while (command && !send_piece(command))
		command = fail(command, BLOCK_ERROR);
}

/* With the lock: whether a command can go out. By a broken channel each would come back and be tried again, until VP 0 takes it away. */
static bool can_send(const struct storvsc_queue *queue)
{
	return queue->free && queue->channel && queue->channel->state == HV_CHANNEL_OPEN;
}

void storvsc_queue_pump(struct storvsc_queue *queue)
{
	for (;;) {
		struct storvsc_command *command = NULL;
		struct block_request *request = NULL;
		bool lost = queue->controller->lost;

		lock_take(&queue->lock);
		if (lost || can_send(queue))
			request = pop(queue);
		if (request)
			request->link = NULL;
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
			complete_all(request, BLOCK_ERROR);
	}
}

static struct storvsc_queue *queue_here(struct storvsc *c)
{
	unsigned vp = vps_self();

	if (vp < STORVSC_QUEUES_MAX && __atomic_load_n(&c->queues[vp].channel, __ATOMIC_ACQUIRE))
		return &c->queues[vp];
	return &c->queues[0];
}

static bool is_transfer(const struct block_request *request)
{
	return request->op == BLOCK_READ || request->op == BLOCK_WRITE;
}

/*
 * What follows the held command without a gap, on the disk and in memory, joins it: blkfront cuts long transfers into requests of
 * 128 KiB, and each that the host need not see saves it a command, an interrupt and what they bring along.
 */
static bool joins(const struct storvsc_command *held, const struct block_request *request)
{
	const struct block_request *last = held->last;
	const struct block_segment *end;

	if (request->disk_private != held->disk || request->op != last->op ||
	    !is_transfer(request) || request->sector != last->sector + last->nr_sectors ||
	    held->frames + request->nr_segments > STORVSC_FRAMES_MAX)
		return false;
	end = &last->segment[last->nr_segments - 1];
	return end->offset + end->len == PAGE_SIZE && !request->segment[0].offset;
}

/*
 * Takes the request: it joins the held command, or is the new one, or waits for a command. Returns the command that is not held any more, for
 * the caller to run.
 */
static struct storvsc_command *claim(struct storvsc_queue *queue, struct block_request *request)
{
	struct storvsc_command *held, *command = NULL;

	lock_take(&queue->lock);
	held = queue->held;
	if (held && joins(held, request)) {
		request->link = NULL;
		held->last->link = request;
		held->last = request;
		held->frames += request->nr_segments;
		held = NULL;
	} else {
		command = queue->free;
		if (command) {
			queue->free = command->next;
			occupy(command, request);
			command->frames = request->nr_segments;
		} else {
			append(queue, request);
		}
		queue->held = command;
	}
	lock_drop(&queue->lock);
	return held;
}

static void run_held(struct storvsc_queue *queue)
{
	struct storvsc_command *held;

	lock_take(&queue->lock);
	held = queue->held;
	queue->held = NULL;
	lock_drop(&queue->lock);
	run(held);
}

static void submit(struct block_disk *block, struct block_request *request)
{
	struct storvsc_disk *disk = (struct storvsc_disk *)block;
	struct storvsc_queue *queue = queue_here(disk->controller);

	if (disk->gone) {
		block_complete(block, request, BLOCK_ERROR);
		return;
	}
	if (request->op == BLOCK_FLUSH && block->read_only) {
		block_complete(block, request, BLOCK_OK);
		return;
	}
	request->disk_private = disk;
	run(claim(queue, request));
	if (!is_transfer(request))
		run_held(queue);
}

static void end_batch(struct storvsc_queue *queue)
{
	struct hv_channel *channel;

	run_held(queue);
	channel = __atomic_load_n(&queue->channel, __ATOMIC_ACQUIRE);
	if (channel)
		hv_channel_flush_and_look(channel);
}

/* Since the batch began VP 0 may have given this VP's queue its channel, or taken it away: then the last command is held on the other queue. */
static void commit(struct block_disk *block)
{
	struct storvsc *c = ((struct storvsc_disk *)block)->controller;
	struct storvsc_queue *queue = queue_here(c), *first = &c->queues[0], *other = first;
	unsigned vp = vps_self();

	if (queue == first && vp < STORVSC_QUEUES_MAX)
		other = &c->queues[vp];
	end_batch(queue);
	if (other != queue && __atomic_load_n(&other->held, __ATOMIC_RELAXED))
		end_batch(other);
}

const struct block_disk_ops storvsc_disk_ops = {submit, commit};

/* By itself. */
static bool will_be_ready(uint16_t code)
{
	return code == SCSI_ASC_BECOMING_READY || code == SCSI_ASC_IN_PROGRESS ||
	       code == SCSI_ASC_ACCESS_CHANGING;
}

enum storvsc_outcome storvsc_judge(struct storvsc *c, const struct storvsp_packet *packet)
{
	const struct storvsp_request *request = &packet->request;
	uint8_t status = request->srb_status & SRB_STATUS_MASK;
	struct scsi_sense sense;

	if (packet->status != STORVSP_SUCCESS && status == STORVSP_SRB_SUCCESS)
		return STORVSC_FAILED;
	if (status == STORVSP_SRB_SUCCESS && !request->scsi_status)
		return STORVSC_GOOD;
	if (status == STORVSP_SRB_BUSY || request->scsi_status == SCSI_BUSY ||
	    request->scsi_status == SCSI_TASK_SET_FULL)
		return STORVSC_BUSY;
	if (request->scsi_status != SCSI_CHECK_CONDITION)
		return status == STORVSP_SRB_DATA_OVERRUN && !request->scsi_status ? STORVSC_GOOD
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
	case SCSI_KEY_ABORTED_COMMAND: return STORVSC_AGAIN;
	case SCSI_KEY_NOT_READY: return will_be_ready(sense.code) ? STORVSC_BUSY : STORVSC_FAILED;
	default: return STORVSC_FAILED;
	}
}

/* The piece is done: goes on with what is left of the command. */
static void advance(struct storvsc_command *command, uint32_t transferred)
{
	const struct block_request *request = command->request;
	bool data = is_transfer(request), done;

	if (data && transferred != command->pending) {
		run(fail(command, BLOCK_ERROR));
		return;
	}
	command->sector += data ? command->pending / BLOCK_SECTOR : command->pending;
	command->part = command->next_part;
	command->segment = command->next_segment;
	done = data ? !command->part
		    : request->op == BLOCK_FLUSH ||
			  command->sector >= request->sector + request->nr_sectors;
	run(done ? finish(command, BLOCK_OK) : command);
}

/* VP 0 sends it again: it has the alarm. */
static void rest(struct storvsc_command *command)
{
	struct storvsc_queue *queue = command->queue;
	struct storvsc *c = queue->controller;
	uint64_t none = 0;

	lock_take(&queue->lock);
	command->state = COMMAND_RESTING;
	lock_drop(&queue->lock);
	if (atomic_compare_exchange_strong(&c->rest_until, &none, clock_now() + REST_NS))
		hv_vmbus_work_later();
}

/* The command, ours again; NULL where it does not rest. */
static struct storvsc_command *wake(struct storvsc_queue *queue, unsigned i)
{
	struct storvsc_command *command = &queue->commands[i];
	bool rests;

	lock_take(&queue->lock);
	rests = command->state == COMMAND_RESTING;
	if (rests)
		command->state = COMMAND_OURS;
	lock_drop(&queue->lock);
	return rests ? command : NULL;
}

static void wake_queue(struct storvsc_queue *queue)
{
	struct hv_channel *channel;

	for (unsigned i = 0; i < STORVSC_COMMANDS; i++)
		run(wake(queue, i));
	channel = __atomic_load_n(&queue->channel, __ATOMIC_ACQUIRE);
	if (channel)
		hv_channel_flush(channel);
}

void storvsc_wake(struct storvsc *c)
{
	for (unsigned i = 0; i < STORVSC_QUEUES_MAX; i++)
		if (c->queues[i].commands)
			wake_queue(&c->queues[i]);
}

void storvsc_completed(struct storvsc_queue *queue, uint64_t transaction,
		       const struct storvsp_packet *packet)
{
	struct storvsc_command *command = take_back(queue, transaction);
	enum storvsc_outcome outcome;

	if (!command)
		return;
	outcome = storvsc_judge(queue->controller, packet);
	if (outcome == STORVSC_GOOD) {
		command->tries = 0;
		advance(command, packet->request.transfer_length);
	} else if ((outcome == STORVSC_AGAIN || outcome == STORVSC_BUSY) &&
		   ++command->tries < TRIES_MAX) {
		run(command);
	} else if (outcome == STORVSC_BUSY && command->tries < TRIES_MAX + RESTS_MAX) {
		rest(command);
	} else {
		bool cannot = outcome == STORVSC_REFUSED && (command->request->op == BLOCK_FLUSH ||
							     command->request->op == BLOCK_DISCARD);

		run(fail(command, cannot ? BLOCK_UNSUPPORTED : BLOCK_ERROR));
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
	struct block_request *waiting = NULL;

	queue->opened = NULL;
	if (!queue->commands)
		return;
	lock_take(&queue->lock);
	queue->channel = NULL;
	lock_drop(&queue->lock);
	for (uint64_t i = 0; i < STORVSC_COMMANDS; i++) {
		uint64_t generation = queue->commands[i].generation;
		struct storvsc_command *command = take_back(queue, generation << 32 | i);

		command = command ? command : wake(queue, (unsigned)i);
		if (command)
			park(command);
	}
	if (queue != &c->queues[0]) {
		lock_take(&queue->lock);
		waiting = pop_all(queue);
		lock_drop(&queue->lock);
		wait_for_channel(c, waiting);
	}
	pump_first(c);
}
