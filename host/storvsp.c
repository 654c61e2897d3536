/* SPDX-License-Identifier: MIT */
#include "host/storvsp.h"

#include "abi/vmbus/storvsp.h"
#include "host/say.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* 2 MiB of scattered pages, the first one not aligned. */
#define MAX_TRANSFER (2u << 20)
#define MAX_IOV      (MAX_TRANSFER / GMEM_PAGE_SIZE + 1)
/* Commands in flight, on all channels; more get BUSY, which makes the guest come again. */
#define MAX_JOBS        1024u
#define MAX_SUBCHANNELS 63u
#define UNMAP_LIST_MAX  (8u + 255u * 16u)

struct unit {
	struct block *block; /* NULL: nobody there */
	struct scsi_unit scsi;
	struct scsi_sense attention; /* what the next command hears; key 0: nothing */
	unsigned times;              /* that a disk was put there */
};

/* One command on its way. The first field is what the block layer hands back. */
struct job {
	struct block_request block;
	struct storvsp *controller;
	struct unit *unit;
	struct vmbus_channel *channel;
	uint64_t transaction;
	uint32_t packet_length;
	struct storvsp_packet packet;
	uint64_t data; /* bytes of memory that came with the command */
	uint8_t *unmap_list;
	uint32_t unmap_length, unmap_at;
	struct job *next_free;
	struct iovec iov[MAX_IOV];
};

struct storvsp {
	struct vmbus *bus;
	struct vmbus_offering offering;
	bool ide;
	uint8_t target; /* of all its units */
	char name[8];   /* in their serial numbers */
	struct vmbus_channel *channel[1 + MAX_SUBCHANNELS];
	unsigned subchannels, max_subchannels;
	bool ready; /* the guest has finished its initialisation */
	struct unit unit[SCSI_MAX_LUNS];
	uint64_t luns;
	uint64_t missed; /* LUNs whose disk was taken away, and the guest has not noticed */
	unsigned jobs;
	struct job *free_jobs;
};

static struct job *new_job(struct storvsp *controller)
{
	struct job *job = controller->free_jobs;

	if (job) {
		controller->free_jobs = job->next_free;
	} else if (controller->jobs < MAX_JOBS) {
		job = malloc(sizeof(*job));
		controller->jobs += job != NULL;
	}
	return job;
}

static void free_job(struct job *job)
{
	job->next_free = job->controller->free_jobs;
	job->controller->free_jobs = job;
}

static bool answer(struct vmbus_channel *channel, uint64_t transaction,
		   struct storvsp_packet *packet, uint32_t length)
{
	packet->operation = STORVSP_COMPLETE_IO;
	return vmbus_complete(channel, transaction, packet, length);
}

static void answer_job(struct job *job)
{
	answer(job->channel, job->transaction, &job->packet, job->packet_length);
}

static void finish(struct job *job)
{
	answer_job(job);
	free_job(job);
}

static void set_success(struct job *job, uint32_t transferred)
{
	struct storvsp_request *request = &job->packet.request;

	request->srb_status = STORVSP_SRB_SUCCESS;
	request->scsi_status = SCSI_STATUS_GOOD;
	request->sense_length = 0;
	request->transfer_length = transferred;
}

static void succeed(struct job *job, uint32_t transferred)
{
	set_success(job, transferred);
	finish(job);
}

static void fail_srb(struct job *job, uint8_t srb_status, uint8_t scsi_status)
{
	struct storvsp_request *request = &job->packet.request;

	request->srb_status = srb_status;
	request->scsi_status = scsi_status;
	request->sense_length = 0;
	request->transfer_length = 0;
	finish(job);
}

/* Clients take a unit that is gone from the SRB's status, not from its sense (Linux: storvsc_handle_error()). */
static uint8_t srb_status_of(struct scsi_sense sense)
{
	bool gone = sense.key == scsi_no_lun.key && sense.asc == scsi_no_lun.asc;

	return STORVSP_SRB_SENSE_VALID | (gone ? STORVSP_SRB_INVALID_LUN : STORVSP_SRB_ERROR);
}

static void fail_sense(struct job *job, struct scsi_sense sense)
{
	struct storvsp_request *request = &job->packet.request;

	request->srb_status = srb_status_of(sense);
	request->scsi_status = SCSI_STATUS_CHECK_CONDITION;
	request->sense_length = SCSI_SENSE_LENGTH;
	request->transfer_length = 0;
	memset(request->sense, 0, sizeof(request->sense));
	scsi_write_sense(request->sense, sense);
	finish(job);
}

/* Copies up to `length` bytes out of the guest's memory; they may change there afterwards. */
static uint32_t copy_in(const struct job *job, uint8_t *to, uint32_t length)
{
	uint32_t done = 0;

	for (int i = 0; i < job->block.iov_count && done < length; i++) {
		size_t part =
		    job->iov[i].iov_len < length - done ? job->iov[i].iov_len : length - done;

		memcpy(to + done, job->iov[i].iov_base, part);
		done += (uint32_t)part;
	}
	return done;
}

static uint32_t copy_out(const struct job *job, const uint8_t *from, uint32_t length)
{
	uint32_t done = 0;

	for (int i = 0; i < job->block.iov_count && done < length; i++) {
		size_t part =
		    job->iov[i].iov_len < length - done ? job->iov[i].iov_len : length - done;

		memcpy(job->iov[i].iov_base, from + done, part);
		done += (uint32_t)part;
	}
	return done;
}

static uint32_t moved(const struct block_request *block)
{
	return block->iov_count ? (uint32_t)block->length : 0;
}

/* On the thread that has done it. The channel stays open: on_close() drains the disks. */
static void answer_early(struct block_request *block)
{
	struct job *job = (struct job *)block;

	set_success(job, moved(block));
	answer_job(job);
}

static void done(struct block_request *block, int error)
{
	struct job *job = (struct job *)block;

	if (block->answered) {
		free_job(job);
	} else if (error) {
		fail_sense(job,
			   block->operation == BLOCK_READ ? scsi_read_error : scsi_write_error);
	} else {
		succeed(job, moved(block));
	}
}

static void set_done(struct job *job)
{
	job->block.complete = done;
	job->block.answer = vmbus_threads(job->controller->bus) ? answer_early : NULL;
}

static void submit(struct job *job, enum block_operation operation, uint64_t offset,
		   uint64_t length)
{
	job->block.block = job->unit->block;
	job->block.operation = operation;
	job->block.offset = offset;
	job->block.length = length;
	block_submit(&job->block);
}

/* Cuts the memory of the command down to what the disk moves. */
static void trim(struct job *job, uint64_t length)
{
	int i;

	for (i = 0; i < job->block.iov_count && length; i++) {
		if (job->iov[i].iov_len > length) {
			job->iov[i].iov_len = length;
		}
		length -= job->iov[i].iov_len;
	}
	job->block.iov_count = i;
}

static void do_transfer(struct job *job, const struct scsi_action *action)
{
	uint64_t length = action->blocks * job->unit->scsi.block_size;

	if (length > job->data) {
		fail_srb(job, STORVSP_SRB_INVALID_REQUEST, SCSI_STATUS_GOOD);
		return;
	}
	trim(job, length);
	job->block.durable = action->durable;
	set_done(job);
	submit(job, action->verb == SCSI_READ ? BLOCK_READ : BLOCK_WRITE,
	       action->lba * job->unit->scsi.block_size, length);
}

static bool is_zero(const uint8_t *bytes, uint32_t length)
{
	while (length && *bytes == 0) {
		bytes++;
		length--;
	}
	return length == 0;
}

static void do_zero(struct job *job, const struct scsi_action *action)
{
	uint32_t size = job->unit->scsi.block_size;
	uint8_t pattern[4096];

	if (!action->no_data && (size > sizeof(pattern) || copy_in(job, pattern, size) != size ||
				 !is_zero(pattern, size))) {
		fail_sense(job, scsi_invalid_field);
		return;
	}
	job->block.iov_count = 0;
	job->block.complete = done;
	submit(job, BLOCK_ZERO, action->lba * size, action->blocks * size);
}

/* One range of the list after the other; an error or a bad range ends the command. */
static void unmap_next(struct block_request *block, int error)
{
	struct job *job = (struct job *)block;
	const struct scsi_unit *unit = &job->unit->scsi;
	uint64_t lba, blocks;
	bool bad = false;

	if (!error && scsi_unmap_next(unit, job->unmap_list, job->unmap_length, &job->unmap_at,
				      &lba, &blocks, &bad)) {
		submit(job, BLOCK_DISCARD, lba * unit->block_size, blocks * unit->block_size);
		return;
	}
	free(job->unmap_list);
	if (error || bad) {
		fail_sense(job, bad ? scsi_out_of_range : scsi_write_error);
	} else {
		succeed(job, job->unmap_length);
	}
}

static void do_unmap(struct job *job)
{
	job->unmap_list = malloc(UNMAP_LIST_MAX);
	if (!job->unmap_list) {
		fail_srb(job, STORVSP_SRB_BUSY, SCSI_STATUS_BUSY);
		return;
	}
	job->unmap_length = copy_in(job, job->unmap_list, UNMAP_LIST_MAX);
	job->unmap_at = 0;
	job->block.iov_count = 0;
	job->block.complete = unmap_next;
	unmap_next(&job->block, 0);
}

static void do_flush(struct job *job)
{
	job->block.iov_count = 0;
	set_done(job);
	submit(job, BLOCK_FLUSH, 0, 0);
}

/* SAM-5 5.14: once, to the first command that is not one of those that answer under all conditions. */
static bool take_attention(struct job *job, struct scsi_action *action)
{
	struct unit *unit = job->unit;

	if (!unit || !unit->block || !unit->attention.key ||
	    scsi_ignores_attention(job->packet.request.cdb[0])) {
		return false;
	}
	*action = (struct scsi_action){.verb = SCSI_REFUSE, .sense = unit->attention};
	unit->attention = (struct scsi_sense){0};
	return true;
}

/* A guest learns that a disk is gone by asking it for something, or by asking which there are. */
static void notices(struct storvsp *controller, bool here, unsigned lun, uint8_t operation)
{
	if (scsi_lists_luns(operation)) {
		controller->missed = 0;
	} else if (here) {
		controller->missed &= ~(1ull << lun);
	}
}

static void execute(struct job *job)
{
	struct storvsp *controller = job->controller;
	const struct storvsp_request *request = &job->packet.request;
	/* Linux says path 0 to the disks of the secondary IDE controller too (hv_storvsc: the channel of its own host), and Hyper-V takes it. */
	bool here = (request->path == 0 || controller->ide) &&
		    request->target == controller->target && request->lun < SCSI_MAX_LUNS;
	uint8_t cdb[SCSI_CDB_LENGTH] = {0}, reply[SCSI_REPLY_MAX];
	struct scsi_action action;

	job->unit = here ? &controller->unit[request->lun] : NULL;
	notices(controller, here, request->lun, request->cdb[0]);
	memcpy(cdb, request->cdb,
	       request->cdb_length < SCSI_CDB_LENGTH ? request->cdb_length : SCSI_CDB_LENGTH);
	if (!take_attention(job, &action)) {
		scsi_decide(job->unit && job->unit->block ? &job->unit->scsi : NULL,
			    controller->luns, cdb, &action, reply);
	}
	switch (action.verb) {
	case SCSI_DONE: succeed(job, 0); break;
	case SCSI_REPLY: succeed(job, copy_out(job, reply, action.reply_length)); break;
	case SCSI_READ:
	case SCSI_WRITE: do_transfer(job, &action); break;
	case SCSI_FLUSH: do_flush(job); break;
	case SCSI_ZERO: do_zero(job, &action); break;
	case SCSI_UNMAP: do_unmap(job); break;
	case SCSI_REFUSE: fail_sense(job, action.sense); break;
	}
}

static bool execute_packet(struct storvsp *controller, struct vmbus_channel *channel,
			   const struct vmbus_in_packet *in, struct storvsp_packet *packet,
			   uint32_t length)
{
	struct job *job = new_job(controller);
	int count;

	if (!job) {
		packet->request.srb_status = STORVSP_SRB_BUSY;
		packet->request.scsi_status = SCSI_STATUS_BUSY;
		packet->request.transfer_length = 0;
		return answer(channel, in->transaction, packet, length);
	}
	memset(job, 0, offsetof(struct job, iov));
	job->controller = controller;
	job->channel = channel;
	job->transaction = in->transaction;
	job->packet = *packet;
	job->packet.status = STORVSP_SUCCESS;
	job->packet_length = length;
	count = vmbus_packet_memory(channel, in, job->iov, MAX_IOV, &job->data);
	if (count < 0) {
		fail_srb(job, STORVSP_SRB_INVALID_REQUEST, SCSI_STATUS_GOOD);
		return true;
	}
	job->block.iov = job->iov;
	job->block.iov_count = count;
	execute(job);
	return true;
}

static uint32_t query_version(const struct storvsp_packet *packet)
{
	static const uint16_t versions[] = {STORVSP_VERSION_WIN6, STORVSP_VERSION_WIN7,
					    STORVSP_VERSION_WIN8, STORVSP_VERSION_WIN8_1,
					    STORVSP_VERSION_WIN10};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (packet->version == versions[i]) {
			return STORVSP_SUCCESS;
		}
	}
	return STORVSP_REVISION_MISMATCH;
}

static uint32_t query_properties(const struct storvsp *controller, struct storvsp_packet *packet)
{
	packet->properties = (struct storvsp_properties){
	    .max_subchannels = (uint16_t)controller->max_subchannels,
	    .flags = controller->max_subchannels ? STORVSP_PROPERTY_MULTI_CHANNEL : 0,
	    .max_transfer = MAX_TRANSFER,
	};
	return STORVSP_SUCCESS;
}

static uint32_t create_subchannels(struct storvsp *controller, const struct storvsp_packet *packet)
{
	struct vmbus_offering offering = controller->offering;
	unsigned wanted = packet->subchannels;

	if (wanted > controller->max_subchannels || controller->subchannels) {
		return STORVSP_INVALID_PARAMETER;
	}
	while (controller->subchannels < wanted) {
		offering.subchannel = (uint16_t)(controller->subchannels + 1);
		controller->channel[offering.subchannel] = vmbus_offer(controller->bus, &offering);
		if (!controller->channel[offering.subchannel]) {
			break;
		}
		controller->subchannels++;
	}
	return STORVSP_SUCCESS;
}

static uint32_t control(struct storvsp *controller, struct storvsp_packet *packet)
{
	switch (packet->operation) {
	case STORVSP_BEGIN_INITIALIZATION: controller->ready = false; return STORVSP_SUCCESS;
	case STORVSP_QUERY_VERSION: return query_version(packet);
	case STORVSP_QUERY_PROPERTIES: return query_properties(controller, packet);
	case STORVSP_CREATE_SUBCHANNELS: return create_subchannels(controller, packet);
	case STORVSP_END_INITIALIZATION: controller->ready = true; return STORVSP_SUCCESS;
	case STORVSP_RESET_LUN:
	case STORVSP_RESET_ADAPTER:
	case STORVSP_RESET_BUS:
		return STORVSP_SUCCESS; /* nothing of a command outlives its answer */
	default: return STORVSP_INVALID_REQUEST;
	}
}

static bool on_packet(void *device, struct vmbus_channel *channel, const struct vmbus_in_packet *in)
{
	struct storvsp *controller = device;
	struct storvsp_packet packet = {0};
	uint32_t length = in->payload_length < sizeof(packet) ? in->payload_length : sizeof(packet);

	if (in->type == VMBUS_PACKET_COMPLETION) {
		return true; /* of a notification, which wants none */
	}
	if (length < STORVSP_PACKET_LEAST) {
		packet.status = STORVSP_INVALID_PARAMETER;
		return answer(channel, in->transaction, &packet, sizeof(packet));
	}
	memcpy(&packet, in->payload, length);
	if (packet.operation == STORVSP_EXECUTE_SRB && controller->ready) {
		return execute_packet(controller, channel, in, &packet, length);
	}
	packet.status = packet.operation == STORVSP_EXECUTE_SRB ? STORVSP_INVALID_STATE
								: control(controller, &packet);
	return answer(channel, in->transaction, &packet, length);
}

static bool on_open(void *device, struct vmbus_channel *channel)
{
	(void)device, (void)channel;
	return true;
}

static void drain(struct storvsp *controller)
{
	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++) {
		if (controller->unit[lun].block) {
			block_drain(controller->unit[lun].block);
		}
	}
}

/* What is in flight moves guest memory, which the guest is about to use for something else. */
static void on_close(void *device, struct vmbus_channel *channel)
{
	struct storvsp *controller = device;

	drain(controller);
	if (channel != controller->channel[0]) {
		return;
	}
	controller->ready = false;
	controller->missed = 0; /* whoever opens it anew finds what there is */
	for (; controller->subchannels; controller->subchannels--) {
		vmbus_rescind(controller->channel[controller->subchannels]);
	}
}

static const struct vmbus_device_ops ops = {
    .open = on_open, .close = on_close, .packet = on_packet};

static struct storvsp *create(struct vmbus *bus, struct vmbus_guid type, struct vmbus_guid instance)
{
	struct storvsp *controller = calloc(1, sizeof(*controller));

	if (!controller) {
		return NULL;
	}
	controller->bus = bus;
	controller->offering = (struct vmbus_offering){
	    .type = type, .instance = instance, .ops = &ops, .device = controller};
	controller->channel[0] = vmbus_offer(bus, &controller->offering);
	if (!controller->channel[0]) {
		free(controller);
		return NULL;
	}
	return controller;
}

struct storvsp *storvsp_create(struct vmbus *bus, unsigned index, unsigned cpus)
{
	const struct vmbus_guid instance = {
	    0x73637369, (uint16_t)index, 0x4d58, {0x80, 'x', 'e', 'n', 'o', 'l', 'i', 't'}};
	struct storvsp *controller = create(bus, (struct vmbus_guid)STORVSP_SCSI_TYPE, instance);

	if (controller) {
		snprintf(controller->name, sizeof(controller->name), "%u", index);
		controller->max_subchannels =
		    cpus - 1 < MAX_SUBCHANNELS ? cpus - 1 : MAX_SUBCHANNELS;
	}
	return controller;
}

struct storvsp *storvsp_create_ide(struct vmbus *bus, unsigned place)
{
	const uint8_t target = place % 2;
	/* The path in the first 32 bits, the target in the next 16, and what Hyper-V's have behind them. */
	const struct vmbus_guid instance = {place / 2, target, 0x8899, {0}};
	struct storvsp *controller = create(bus, (struct vmbus_guid)STORVSP_IDE_TYPE, instance);

	if (controller) {
		snprintf(controller->name, sizeof(controller->name), "ide%u", place);
		controller->ide = true;
		controller->target = target;
	}
	return controller;
}

void storvsp_destroy(struct storvsp *controller)
{
	if (!controller) {
		return;
	}
	drain(controller);
	while (controller->free_jobs) {
		struct job *job = controller->free_jobs;

		controller->free_jobs = job->next_free;
		free(job);
	}
	free(controller);
}

/* Tells a running guest to look again. */
static void notify(struct storvsp *controller)
{
	const struct storvsp_packet packet = {.operation = STORVSP_ENUMERATE_BUS};
	const struct vmbus_out_packet out = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .payload[0] = {&packet, sizeof(packet)},
	};

	if (controller->ready) {
		vmbus_send(controller->channel[0], &out);
	}
}

bool storvsp_insert(struct storvsp *controller, unsigned lun, struct block *block, bool cdrom)
{
	struct unit *unit;

	if (lun >= SCSI_MAX_LUNS || controller->unit[lun].block) {
		return false;
	}
	unit = &controller->unit[lun];
	unit->block = block;
	unit->attention = (struct scsi_sense){0};
	/* A DVD's sectors are 2048 bytes long whatever file holds them. */
	unit->scsi = (struct scsi_unit){
	    .cdrom = cdrom,
	    .read_only = block->read_only,
	    .block_size = cdrom ? SCSI_DVD_SECTOR : block->sector,
	    .physical_block_size = cdrom ? SCSI_DVD_SECTOR : block->physical_sector,
	};
	unit->scsi.blocks = block->size / unit->scsi.block_size;
	/* Another disk in the same place is another disk. */
	snprintf(unit->scsi.serial, sizeof(unit->scsi.serial),
		 unit->times ? "xenolith-%s-%u.%u" : "xenolith-%s-%u", controller->name, lun,
		 unit->times % 1000);
	unit->times++;
	controller->luns |= 1ull << lun;
	notify(controller);
	return true;
}

bool storvsp_is_free(const struct storvsp *controller, unsigned lun)
{
	return !((controller->luns | controller->missed) >> lun & 1);
}

void storvsp_remove(struct storvsp *controller, unsigned lun)
{
	struct unit *unit = &controller->unit[lun];

	if (lun >= SCSI_MAX_LUNS || !unit->block) {
		return;
	}
	block_drain(unit->block);
	unit->block = NULL;
	controller->missed |= (uint64_t)controller->ready << lun;
	controller->luns &= ~(1ull << lun);
	notify(controller);
}

void storvsp_resized(struct storvsp *controller, unsigned lun)
{
	struct unit *unit = &controller->unit[lun];

	unit->scsi.blocks = unit->block->size / unit->scsi.block_size;
	unit->attention = scsi_capacity_changed;
	notify(controller);
}
