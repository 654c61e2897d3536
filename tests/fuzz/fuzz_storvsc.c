/* SPDX-License-Identifier: MIT */
/*
 * A host that answers storvsc as it likes, or as it should, in any order, and takes channels away at any moment. What stays true: no access
 * outside of the rings and buffers (ASan), every request of the guest ends exactly once, and the client goes on with what is left.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/hv/vmbus.h"
#include "adapter/hv/storvsc.h"
#include "adapter/seam/block.h"
#include "abi/vmbus/storvsp.h"
#include "tests/loop/bad_host.h"
#include "tests/loop/client.h"
#include "tests/loop/client_storvsc.h"
#include "tests/loop/input.h"

#define PAGES    600u /* of the machine; the last few are the guest's */
#define GUEST    560u
#define CHANNELS 6u
#define IOS      96u
#define DISKS    16u

static _Alignas(4096) uint8_t machine[PAGES * 4096];

/* What the Xen side would hold. */
struct io {
	struct block_request request; /* first */
	unsigned begun, ended;
};
static struct io ios[IOS];
static unsigned nr_ios;
static uint64_t next_sector;
static struct block_disk *disks[DISKS];
static bool leaving[DISKS];
static struct block_disk *batch; /* submitted to, and not committed */
static unsigned batch_vp;

static void complete(struct block_request *request, enum block_status status)
{
	(void)status;
	((struct io *)request)->ended++;
}

void xen_block_add(struct block_disk *disk)
{
	disk->complete = complete;
	assert(disk->nr_sectors && disk->sector_size >= 512 && disk->sector_size <= 4096);
	for (unsigned i = 0; i < DISKS; i++) {
		if (!disks[i]) {
			disks[i] = disk;
			leaving[i] = false;
			return;
		}
	}
	block_forgotten(disk);
}

void xen_block_resized(struct block_disk *disk)
{
	(void)disk;
}

void xen_block_remove(struct block_disk *disk)
{
	for (unsigned i = 0; i < DISKS; i++)
		leaving[i] |= disks[i] == disk;
}

/* A batch is one disk's, on one VP, and nothing comes between. */
static void end_batch(void)
{
	if (!batch)
		return;
	client_run_on(batch_vp);
	batch->ops->commit(batch);
	client_run_on(0);
	batch = NULL;
}

static void submit(void)
{
	struct block_disk *disk = disks[byte() % 4];
	struct block_request *request;
	unsigned segments = byte() % (BLOCK_SEGMENTS_MAX + 1);

	if (batch && (disk != batch || byte() & 1))
		end_batch();

	if (!disk || nr_ios == IOS)
		return;
	ios[nr_ios].begun = 1;
	request = &ios[nr_ios++].request;
	request->op = byte() % 4;
	if (request->op == BLOCK_READ || request->op == BLOCK_WRITE) {
		segments = segments ? segments : 1;
		for (unsigned i = 0; i < segments; i++) {
			unsigned first = byte() % 8, count = 1 + byte() % (8 - first);

			request->segment[i] = (struct block_segment){
			    GUEST + byte() % (PAGES - GUEST), (uint16_t)(first * BLOCK_SECTOR),
			    (uint16_t)(count * BLOCK_SECTOR)};
			request->nr_sectors += count;
		}
		request->nr_segments = segments;
	} else if (request->op == BLOCK_DISCARD) {
		request->nr_sectors = 1 + word() % disk->nr_sectors;
	}
	/* As blkback checks it. */
	if (request->nr_sectors > disk->nr_sectors ||
	    request->nr_sectors % (disk->sector_size / BLOCK_SECTOR)) {
		ios[--nr_ios] = (struct io){0};
		return;
	}
	/* Now and then right behind the last one, as blkfront cuts them. */
	request->sector = byte() & 1 ? next_sector : 0;
	if (request->sector > disk->nr_sectors - request->nr_sectors)
		request->sector = (disk->nr_sectors - request->nr_sectors) & ~7ull;
	next_sector = (request->sector + request->nr_sectors + 7) & ~7ull;
	batch_vp = byte() % CLIENT_VPS;
	batch = disk;
	client_run_on(batch_vp);
	disk->ops->submit(disk, request);
	client_run_on(0);
}

/* The host's ends of the rings, made anew when a channel is opened. */
static struct end {
	const void *rings;
	struct vmbus_ring in, out; /* out: to the client */
} ends[CHANNELS];

static struct end *end_of(uint32_t id)
{
	struct hv_channel *channel = client_channel(id);
	struct end *e = &ends[id % CHANNELS];

	if (!channel || !channel->rings)
		return NULL;
	if (e->rings != channel->rings) {
		e->rings = channel->rings;
		vmbus_ring_init(&e->in, channel->rings, channel->out_pages);
		vmbus_ring_init(&e->out, (uint8_t *)channel->rings + channel->out_pages * 4096,
				channel->in_pages);
	}
	return e;
}

static void send(struct end *e, uint16_t type, uint64_t transaction, const void *payload,
		 uint32_t length)
{
	const struct vmbus_out_packet packet = {
	    .type = type,
	    .flags = byte() & 1,
	    .transaction = transaction,
	    .payload[0] = {payload, length},
	};
	bool signal;

	vmbus_ring_send(&e->out, &packet, &signal);
}

/* Takes the client's next packet and answers it, well or nearly. */
static void answer(uint32_t id)
{
	static uint8_t buffer[8192];
	struct end *e = end_of(id);
	struct vmbus_in_packet packet;
	struct storvsp_packet reply = {0};
	struct vmbus_gpa_range range;

	if (!e || vmbus_ring_receive(&e->in, buffer, sizeof(buffer), &packet) != VMBUS_RING_OK)
		return;
	vmbus_ring_release(&e->in);
	memcpy(&reply, packet.payload,
	       packet.payload_length < sizeof(reply) ? packet.payload_length : sizeof(reply));
	if (packet.type == VMBUS_PACKET_GPA_DIRECT && packet.extension_length >= 24) {
		uint64_t frame;

		memcpy(&range, packet.extension + 8, sizeof(range));
		for (uint32_t i = 0; i * 8 + 24 <= packet.extension_length; i++) {
			memcpy(&frame, packet.extension + 16 + i * 8, sizeof(frame));
			assert(frame > 0 && frame < PAGES);
			/* Data goes into the guest's pages or the control page only. */
			assert(frame >= GUEST || packet.extension_length == 24);
		}
		assert(range.offset + range.bytes <= (packet.extension_length - 16) / 8 * 4096);
		if (reply.request.data_in && frame < GUEST)
			bytes(machine + frame * 4096 + range.offset,
			      range.bytes < 255 ? range.bytes : 255);
	}
	if (reply.operation == STORVSP_EXECUTE_SRB) {
		reply.request.srb_status = STORVSP_SRB_SUCCESS;
		reply.request.scsi_status = 0;
	} else if (reply.operation == STORVSP_QUERY_PROPERTIES) {
		reply.properties = (struct storvsp_properties){
		    .max_subchannels = byte(), .flags = byte(), .max_transfer = word()};
	}
	if (byte() % 8 == 0)
		bytes(&reply.status, 20);
	if (byte() % 16 == 0)
		bytes(&reply.request, sizeof(reply.request));
	reply.operation = STORVSP_COMPLETE_IO;
	send(e, VMBUS_PACKET_COMPLETION, packet.transaction, &reply, packet.payload_length);
	client_event(byte() % CLIENT_VPS, id);
}

static void invent(uint32_t id)
{
	struct end *e = end_of(id);
	uint8_t payload[96];

	if (!e)
		return;
	bytes(payload, sizeof(payload));
	send(e, byte() % 12, byte() | (uint64_t)byte() << 32, payload, byte() % sizeof(payload));
	client_event(byte() % CLIENT_VPS, id);
}

static void scribble(uint32_t id)
{
	struct end *e = end_of(id);
	uint32_t *control;

	if (!e)
		return;
	control = (void *)(byte() & 1 ? e->in.control : e->out.control);
	control[byte() % 4] = byte() & 1 ? word() : byte() * 8u;
	client_event(byte() % CLIENT_VPS, id);
}

static void offer(void)
{
	struct vmbus_offer message = {
	    .header.number = VMBUS_OFFER_CHANNEL,
	    .type = STORVSP_SCSI_TYPE,
	    .instance.a = byte() % 2,
	    .subchannel = byte() % 3,
	    .channel = 1 + byte() % (CHANNELS - 1),
	    .dedicated_interrupt = 1,
	    .connection = 7,
	};
	static const struct vmbus_guid ide = STORVSP_IDE_TYPE;

	if (byte() % 4 == 0)
		message.type = ide;
	client_message(&message, sizeof(message));
}

/* What the bus itself answers: to GPADLs, openings, or whatever. */
static void message(uint32_t id)
{
	struct hv_channel *channel = client_channel(id);
	uint32_t gpadl = channel ? channel->gpadl : byte();
	struct vmbus_gpadl_created created = {{VMBUS_GPADL_CREATED, 0}, id, gpadl, byte() % 8 == 7};
	struct vmbus_open_result opened = {{VMBUS_OPEN_RESULT, 0}, id, id, byte() % 8 == 7};
	uint8_t any[VMBUS_MESSAGE_MAX];

	switch (byte() % 3) {
	case 0: client_message(&created, sizeof(created)); break;
	case 1: client_message(&opened, sizeof(opened)); break;
	default:
		bytes(any, 24);
		memset(any + 24, 0, sizeof(any) - 24);
		any[0] %= 32;
		any[1] = any[2] = any[3] = 0;
		client_message(any, byte() % (VMBUS_MESSAGE_MAX + 1));
	}
}

static void forget(void)
{
	unsigned i = byte() % DISKS;

	/* As the Xen side does it: only once nothing of the disk is in flight. Here that is when all requests have ended. */
	for (unsigned n = 0; n < nr_ios; n++)
		if (!ios[n].ended)
			return;
	if (disks[i] && leaving[i]) {
		block_forgotten(disks[i]);
		disks[i] = NULL;
		client_event(0, 0);
	}
}

static bool post(void *context, uint32_t connection, const void *message, uint32_t length)
{
	(void)context, (void)connection, (void)message, (void)length;
	return true;
}

static void start(void)
{
	static const struct client_host host = {post, signal_host, turn, NULL};

	memset(ios, 0, sizeof(ios));
	memset(disks, 0, sizeof(disks));
	memset(ends, 0, sizeof(ends));
	nr_ios = 0;
	next_sector = 0;
	batch = NULL;
	client_start(&host, machine, 1, GUEST - 1);
	client_storvsc_start();
	connect_client();
}

/* One turn, as the input says. */
static void turn_once(void)
{
	uint8_t what = byte();
	uint32_t id = 1 + (what >> 4) % (CHANNELS - 1);

	if ((what & 15) < 7 || (what & 15) > 9)
		end_batch();
	switch (what & 15) {
	case 0: offer(); break;
	case 1:
	case 2: message(id); break;
	case 3: invent(id); break;
	case 4: scribble(id); break;
	case 5: rescind(id); break;
	case 6:
		forget();
		storvsc_begin();
		client_pass(byte() * 1000000000ull);
		break;
	case 7:
	case 8:
	case 9: submit(); break;
	default: answer(id); break;
	}
}

/* An answer as it should be: `n` bytes of data, then what a properties packet needs, then nothing that is wrong. */
static uint8_t *good_answer(uint8_t *to, const uint8_t *data, size_t length, size_t n)
{
	*to++ = 10;
	memset(to, 0, n);
	if (length)
		memcpy(to, data, length);
	to += n;
	memcpy(to, (const uint8_t[]){1, 1, 0, 0}, 4);
	return to + 4;
}

/* Most inputs begin where a controller with one disk is there already, and the guest about to start: few would get so far. */
static void bring_up(void)
{
	static const uint8_t offered[] = {0, 0, 0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 1};
	static const uint8_t properties[] = {3, 1, 0, 0, 16, 0}, luns[] = {0, 0, 0, 8};
	static const uint8_t pages[] = {0, 0, 0, 2, 0xb0, 0xb2}, thin[] = {0, 0, 0, 0, 0, 0x80};
	static const uint8_t capacity[] = {0, 0, 0, 0, 0, 0, 0x1f, 0xff, 0, 0, 2, 0};
	static uint8_t script[2048];
	uint8_t *to = script, limits[28] = {[23] = 255, [27] = 1};

	memcpy(to, offered, sizeof(offered));
	to = good_answer(to + sizeof(offered), NULL, 0, 0);
	to = good_answer(to, NULL, 0, 0);
	to = good_answer(to, properties, sizeof(properties), sizeof(properties));
	to = good_answer(to, NULL, 0, 0); /* the end of initialisation */
	to = good_answer(to, NULL, 0, 0); /* sub-channels */
	to = good_answer(to, luns, sizeof(luns), 255);
	to = good_answer(to, NULL, 0, 36);
	to = good_answer(to, pages, sizeof(pages), 255);
	to = good_answer(to, limits, sizeof(limits), 255);
	to = good_answer(to, thin, sizeof(thin), 255);
	to = good_answer(to, capacity, sizeof(capacity), 32);
	to = good_answer(to, NULL, 0, 255); /* mode sense, and the label */
	to = good_answer(to, NULL, 0, 255);
	at = script;
	end = to;
	while (at < end)
		turn_once();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	start();
	if (size && data[0] & 7)
		bring_up();
	/* Few start before their disks are known. */
	if (size && data[0] & 0x78) {
		storvsc_begin();
		assert(disks[0] || !(data[0] & 7));
	}
	at = data;
	end = data + size;
	while (at < end) {
		turn_once();
		for (unsigned i = 0; i < nr_ios; i++)
			assert(ios[i].ended <= 1);
	}
	end_batch();
	for (uint32_t id = 1; id < CHANNELS; id++)
		rescind(id);
	/* Nobody comes back. */
	client_pass(61000000000);
	for (unsigned i = 0; i < nr_ios; i++)
		assert(ios[i].ended == 1);
	return 0;
}
