/* SPDX-License-Identifier: MIT */
/*
 * A host that answers netvsc as it likes, or as it should, in any order, writes what it likes into the receive buffer, and takes channels away at any
 * moment. What stays true: no access outside of the rings and buffers (ASan), every packet of the guest ends exactly once, what the host is told to read
 * is a packet of the guest's or memory made for it.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "abi/vmbus/netvsp.h"
#include "abi/vmbus/rndis.h"
#include "adapter/hv/vmbus.h"
#include "adapter/seam/net.h"
#include "tests/hosted/tcp.h"
#include "tests/loop/bad_host.h"
#include "tests/loop/client.h"
#include "tests/loop/client_netvsc.h"
#include "tests/loop/input.h"

#define PAGES    520u /* of the machine; the last few are the guest's */
#define GUEST    480u
#define CHANNELS 6u
#define PACKETS  500u
#define DEVICES  4u
#define SECTION  6144u
#define ASKED    16u

static _Alignas(4096) uint8_t machine[PAGES * 4096];

/* ---- the Xen side ---- */

struct sent {
	struct net_packet packet; /* first */
	struct net_device *device;
	unsigned answers;
};
static struct sent sent[PACKETS];
static unsigned nr_sent;
static struct {
	struct net_device *device;
	unsigned queues;
	bool leaving;
} devices[DEVICES];
static uint8_t sink;

static void transmitted(struct net_packet *packet, enum net_status status)
{
	(void)status;
	((struct sent *)packet)->answers++;
}

void xen_net_add(struct net_device *device, unsigned max_queues)
{
	device->transmitted = transmitted;
	assert(max_queues >= 1 && max_queues <= CLIENT_VPS);
	for (unsigned i = 0; i < DEVICES; i++) {
		if (!devices[i].device) {
			devices[i].device = device;
			devices[i].queues = max_queues;
			devices[i].leaving = false;
			return;
		}
	}
	net_forgotten(device);
}

void xen_net_link(struct net_device *device, bool up)
{
	(void)device, (void)up;
}

void xen_net_remove(struct net_device *device)
{
	for (unsigned i = 0; i < DEVICES; i++)
		devices[i].leaving |= devices[i].device == device;
}

enum xen_net_received xen_net_receive(struct net_device *device, unsigned queue,
				      const struct net_offload *offload,
				      const struct net_piece *pieces, unsigned nr_pieces)
{
	(void)device;
	assert(queue < CLIENT_VPS && nr_pieces);
	assert(!offload->gso == !offload->csum_blank && !offload->gso == !offload->gso_size);
	assert(!offload->gso || (!offload->csum_good && nr_pieces > 2));
	for (unsigned i = 0; i < nr_pieces; i++)
		for (uint32_t n = 0; n < pieces[i].len; n++)
			sink ^= ((const uint8_t *)pieces[i].data)[n];
	return byte() % 4 == 0 ? XEN_NET_NO_ROOM : XEN_NET_TAKEN;
}

unsigned xen_net_large(struct net_device *device, unsigned queue)
{
	(void)device;
	assert(queue < CLIENT_VPS);
	return byte() % 8;
}

static void fill_headers(uint8_t *to)
{
	static const uint8_t tcp[] = {2,    1,  2,  3, 4,    5,    2, 9, 9,  9, 9, 9, 8,  0,
				      0x45, 0,  0,  0, 0,    0,    0, 0, 64, 6, 0, 0, 10, 0,
				      2,    15, 10, 0, 2,    2,    1, 2, 3,  4, 0, 0, 0,  0,
				      0,    0,  0,  0, 0x50, 0x19, 0, 0, 0,  0, 0, 0};

	memcpy(to, tcp, sizeof(tcp));
	/* Nearly: a few of them wrong. */
	for (unsigned n = byte() % 3; n; n--)
		to[byte() % 64] = byte();
}

static void transmit(void)
{
	unsigned d = byte() % DEVICES, kind = byte(), queue = byte() % CLIENT_VPS;
	struct net_device *device = devices[d].device;
	struct sent *s = &sent[nr_sent];
	unsigned segments = kind % 4 ? 1 + kind / 16 % 4 : 1 + byte() % NET_SEGMENTS_MAX;

	if (!device || nr_sent == PACKETS)
		return;
	nr_sent++;
	s->device = device;
	for (unsigned i = 0; i < segments; i++) {
		unsigned frame = GUEST + byte() % (PAGES - GUEST);
		uint16_t offset = i ? 0 : byte() * 8,
			 len = kind & 1 ? 60 + byte() : 3600 / (1 + i % 2);

		len = len < 4096 - offset ? len : (uint16_t)(4096 - offset);
		len = s->packet.len + len > NET_PACKET_MAX ? 1 : len;
		s->packet.segment[i] =
		    (struct net_segment){frame, machine + frame * 4096, offset, len};
		s->packet.len += len;
	}
	s->packet.nr_segments = segments;
	if (kind & 2) {
		fill_headers(machine + s->packet.segment[0].mfn * 4096 +
			     s->packet.segment[0].offset);
		s->packet.offload.csum_blank = true;
		s->packet.offload.gso = kind & 4 ? byte() % 3 : 0;
		s->packet.offload.gso_size = 1 + word() % 9000;
	}
	client_run_on(byte() % CLIENT_VPS);
	client_in_kernel(kind & 0x40);
	device->ops->transmit(device, queue % devices[d].queues, &s->packet);
	if (kind & 8)
		device->ops->commit(device, queue % devices[d].queues);
	if (kind & 0x80)
		hv_channel_speak_and_look();
	client_run_on(0);
}

/* More than rings, slots and sections hold. */
static void burst(void)
{
	const uint8_t kind[] = {byte(), byte(), byte(), byte(), byte(), byte(), byte(), byte()};
	const uint8_t *rest = at, *last = end;

	for (unsigned n = 1 + byte() % 128; n; n--) {
		at = kind;
		end = kind + sizeof(kind);
		transmit();
	}
	at = rest;
	end = last;
}

static void room(void)
{
	unsigned d = byte() % DEVICES;

	if (!devices[d].device)
		return;
	client_run_on(byte() % CLIENT_VPS);
	if (byte() % 8)
		net_room(devices[d].device, byte() % devices[d].queues);
	else
		net_room_later(devices[d].device);
	client_run_on(0);
	client_event(0, 0);
}

static void forget(void)
{
	unsigned d = byte() % DEVICES;

	for (unsigned n = 0; n < nr_sent; n++)
		if (!sent[n].answers)
			return;
	if (devices[d].device && devices[d].leaving) {
		net_forgotten(devices[d].device);
		devices[d].device = NULL;
		client_event(0, 0);
	}
}

/* ---- the host ---- */

/* What the client has asked of the bus and waits for: GPADLs, with where they lie, and channels to open. */
static struct {
	uint32_t number, channel, gpadl, pages;
	uint64_t frame;
} asked[ASKED];
static unsigned nr_asked;

/* The host's ends of the rings, made anew when a channel is opened, and its view of the buffers. */
static struct end {
	uint32_t life;                   /* the GPADL of the rings */
	struct vmbus_ring in, out;       /* out: to the client */
	uint64_t frame, pages;           /* what was shared last, */
	uint64_t receive, receive_pages; /* and the receive buffer */
	uint64_t send_pages;
	uint32_t section;
} ends[CHANNELS];

static bool post(void *context, uint32_t connection, const void *message, uint32_t length)
{
	const struct vmbus_gpadl_header *header = message;
	const struct vmbus_open *open = message;
	unsigned i = nr_asked % ASKED;

	(void)context, (void)connection, (void)length;
	if (header->header.number == VMBUS_GPADL_HEADER) {
		memcpy(&asked[i].frame,
		       (const uint8_t *)message + sizeof(*header) + sizeof(struct vmbus_gpa_range),
		       sizeof(asked[i].frame));
		asked[i].pages = (header->range_bytes - 8u) / 8;
		asked[i].channel = header->channel;
		asked[i].gpadl = header->gpadl;
	} else if (header->header.number == VMBUS_OPEN_CHANNEL) {
		asked[i].channel = open->channel;
	} else {
		return true;
	}
	asked[i].number = header->header.number;
	nr_asked++;
	return true;
}

static struct end *end_of(uint32_t id)
{
	struct hv_channel *channel = client_channel(id);
	struct end *e = &ends[id % CHANNELS];

	if (!channel || !channel->rings)
		return NULL;
	if (e->life != channel->gpadl) {
		*e = (struct end){.life = channel->gpadl};
		vmbus_ring_init(&e->in, channel->rings, channel->out_pages);
		vmbus_ring_init(&e->out, (uint8_t *)channel->rings + channel->out_pages * 4096,
				channel->in_pages);
	}
	return e;
}

/* Answers the oldest thing that the bus was asked for. */
static void grant(void)
{
	struct vmbus_gpadl_created created = {{VMBUS_GPADL_CREATED, 0}, 0, 0, byte() % 32 == 31};
	struct vmbus_open_result opened = {{VMBUS_OPEN_RESULT, 0}, 0, 0, byte() % 32 == 31};

	for (unsigned i = 0; i < ASKED; i++) {
		struct end *e = &ends[asked[i].channel % CHANNELS];

		if (!asked[i].number)
			continue;
		created.channel = opened.channel = opened.open_id = asked[i].channel;
		created.gpadl = asked[i].gpadl;
		if (asked[i].number == VMBUS_OPEN_CHANNEL) {
			asked[i].number = 0;
			client_message(&opened, sizeof(opened));
		} else {
			asked[i].number = 0;
			end_of(asked[i].channel);
			e->frame = asked[i].frame;
			e->pages = asked[i].pages;
			client_message(&created, sizeof(created));
		}
		return;
	}
}

static void send(struct end *e, const struct vmbus_out_packet *packet)
{
	bool signal;

	vmbus_ring_send(&e->out, packet, &signal);
}

static void complete(struct end *e, uint64_t transaction, const struct nvsp_message *message)
{
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_COMPLETION,
	    .transaction = transaction,
	    .payload[0] = {message, sizeof(*message)},
	};

	send(e, &packet);
}

/* Transfer pages, with up to three ranges of the receive buffer, mostly in it. */
static void deliver(struct end *e, uint32_t offset, uint32_t length)
{
	struct {
		struct vmbus_transfer_pages pages;
		struct vmbus_transfer_range range[3];
	} extension = {{0xcafe, 0, 1 + byte() % 3}, {{length, offset}, {0, 0}, {0, 0}}};
	const struct nvsp_message message = {.type = NVSP_SEND_RNDIS_PACKET};
	struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_TRANSFER_PAGES,
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .transaction = 1 + byte(),
	    .extension = {&extension, sizeof(extension)},
	    .payload[0] = {&message, sizeof(message)},
	};

	for (unsigned i = 1; i < 3; i++)
		extension.range[i] = byte() & 1 ? (struct vmbus_transfer_range){word(), word()}
						: (struct vmbus_transfer_range){length, offset};
	if (byte() % 16 == 0)
		extension.pages.set = byte();
	if (byte() % 16 == 0)
		extension.pages.count = word();
	if (byte() % 16 == 0)
		packet.extension.length = 8 * (byte() % 5);
	send(e, &packet);
}

/* Where in the receive buffer something of `length` bytes goes: often at its very end. */
static uint8_t *place(struct end *e, uint32_t length, uint32_t *offset)
{
	uint32_t whole = (uint32_t)e->receive_pages * 4096;

	if (!e->receive_pages)
		return NULL;
	*offset = byte() & 1 ? whole - length : byte() * 64u;
	return machine + e->receive * 4096 + *offset;
}

static void answer_control(struct end *e, uint64_t frame)
{
	const uint8_t *message = machine + frame * 4096;
	struct rndis_request request;
	struct rndis_header header;
	struct {
		struct rndis_header header;
		union {
			struct rndis_initialize_complete init;
			struct rndis_query_complete query;
			uint8_t bytes[200];
		};
	} reply = {.bytes = {0}};
	uint32_t offset, body = sizeof(reply.query);
	uint8_t *to;

	memcpy(&header, message, sizeof(header));
	reply.header = (struct rndis_header){header.type | RNDIS_COMPLETE, sizeof(reply)};
	memcpy(&request, message + sizeof(header), sizeof(request));
	reply.query.request = request.request;
	if (header.type == RNDIS_INITIALIZE) {
		reply.init.max_packets = byte() % 12;
		reply.init.alignment = byte() % 9;
	} else if (header.type == RNDIS_QUERY) {
		struct ndis_offload *offload = (void *)(reply.bytes + body);

		reply.query.offset = byte() % 16 ? body : word();
		reply.query.length = byte() % 16 ? sizeof(*offload) : word();
		bytes(reply.bytes + body, byte() % 24);
		if (request.oid == OID_GEN_RECEIVE_SCALE_CAPABILITIES) {
			((struct ndis_rss_capabilities *)(void *)offload)->queues = 1 + byte() % 8;
		} else if (byte() & 1) {
			offload->header.type = NDIS_TYPE_OFFLOAD;
			offload->tx4_checksum = offload->tx6_checksum = byte() & 1 ? 0x155 : 0x115;
			offload->lso4_encapsulation = offload->lso6_encapsulation = 2;
			offload->lso4_max_size = byte() & 1 ? 62780 : word();
			offload->lso6_max_size = word();
		}
	}
	if (byte() % 16 == 0)
		reply.query.status = word();
	to = place(e, sizeof(reply), &offset);
	if (!to)
		return;
	memcpy(to, &reply, sizeof(reply));
	deliver(e, offset, byte() % 16 ? sizeof(reply) : byte());
}

/* Everything that is named is a packet of the guest's, or device memory where the client has put headers. */
static uint64_t check_ranges(const struct vmbus_in_packet *packet)
{
	struct vmbus_gpa_direct direct;
	struct vmbus_gpa_range range;
	uint64_t frame, first = 0;

	memcpy(&direct, packet->extension, sizeof(direct));
	assert(direct.count && direct.count <= 1 + NET_SEGMENTS_MAX);
	assert(packet->extension_length == sizeof(direct) + direct.count * 16);
	for (uint32_t i = 0; i < direct.count; i++) {
		memcpy(&range, packet->extension + 8 + i * 16, sizeof(range));
		memcpy(&frame, packet->extension + 16 + i * 16, sizeof(frame));
		assert(range.bytes && range.offset + range.bytes <= 4096 && frame < PAGES);
		assert(i ? frame >= GUEST : frame > 0 && frame < GUEST);
		first = i ? first : frame;
	}
	return first;
}

static void answer_message(struct end *e, struct nvsp_message *m)
{
	switch (m->type) {
	case NVSP_INIT:
		m->init_complete.status = byte() % 4 ? NVSP_STATUS_SUCCESS : NVSP_STATUS_FAILURE;
		break;
	case NVSP_SEND_RECEIVE_BUFFER:
		e->receive = e->frame;
		e->receive_pages = e->pages;
		m->receive_buffer_complete.status = NVSP_STATUS_SUCCESS;
		break;
	case NVSP_SEND_SEND_BUFFER:
		e->send_pages = e->pages;
		m->send_buffer_complete.status = NVSP_STATUS_SUCCESS;
		m->send_buffer_complete.section_size = byte() % 8 ? SECTION : word();
		break;
	case NVSP_SUBCHANNEL:
		m->subchannel_complete.status = NVSP_STATUS_SUCCESS;
		m->subchannel_complete.count = byte() % 8;
		break;
	case NVSP_SEND_RNDIS_PACKET:
		if (m->rndis.section != NVSP_NO_SECTION && e->section)
			assert(m->rndis.section_bytes && m->rndis.section_bytes <= e->section &&
			       (m->rndis.section + 1ull) * e->section <= e->send_pages * 4096);
		m->rndis_complete.status = byte() % 16 ? NVSP_STATUS_SUCCESS : byte();
		break;
	default: break;
	}
	m->type++;
}

/* Takes the client's next packet and answers it, well or nearly. */
static void answer(uint32_t id)
{
	static uint8_t buffer[8192];
	struct end *e = end_of(id);
	struct vmbus_in_packet packet;
	struct nvsp_message message = {0};
	uint64_t frame = 0;

	if (!e || vmbus_ring_receive(&e->in, buffer, sizeof(buffer), &packet) != VMBUS_RING_OK)
		return;
	vmbus_ring_release(&e->in);
	memcpy(&message, packet.payload,
	       packet.payload_length < sizeof(message) ? packet.payload_length : sizeof(message));
	if (packet.type == VMBUS_PACKET_GPA_DIRECT)
		frame = check_ranges(&packet);
	if (frame && message.rndis.channel == NVSP_CHANNEL_CONTROL && byte() % 16)
		answer_control(e, frame);
	if (!(packet.flags & VMBUS_PACKET_WANTS_COMPLETION))
		return;
	answer_message(e, &message);
	if (byte() % 32 == 0)
		bytes(&message, sizeof(message));
	if (message.type == NVSP_SEND_SEND_BUFFER_COMPLETE)
		e->section = message.send_buffer_complete.section_size;
	complete(e, packet.transaction, &message);
	if (byte() % 16 == 0)
		complete(e, packet.transaction + byte() % 3, &message);
	client_event(byte() % CLIENT_VPS, id);
}

/* Segments of one flow, which may become one packet; sometimes one of another, or with another byte. */
static void stream(uint32_t id)
{
	static uint32_t seq;
	struct end *e = end_of(id), *first = end_of(1);
	unsigned n = 1 + byte() % 24;
	uint8_t *to;

	for (unsigned i = 1; (!first || !first->receive_pages) && i < CHANNELS; i++)
		first = end_of(i);
	if (!e || !first || !first->receive_pages)
		return;
	for (; n; n--) {
		struct {
			struct rndis_header header;
			struct rndis_packet packet;
			struct rndis_packet_info info;
			uint32_t value;
			uint8_t frame[200];
		} message = {
		    .header = {RNDIS_PACKET, sizeof(message)},
		    .packet = {.data_offset = sizeof(message) - 8 - 200,
			       .info_offset = sizeof(message.packet),
			       .info_length = 16},
		    .info = {16, RNDIS_INFO_CHECKSUM, 12},
		    .value = RNDIS_RX_TCP_GOOD,
		};
		uint8_t how = byte();
		const struct tcp_frame what = {
		    .ipv6 = id % 2,
		    .options = 12,
		    .seq = seq,
		    .payload = how & 15 ? 80 : 1 + byte() % 80,
		    .flags = how & 0x30 ? 0 : TCP_FLAG_ACK | TCP_FLAG_PSH,
		};
		uint32_t offset;

		message.packet.data_length = tcp_make(message.frame, &what);
		seq += what.payload;
		if ((how & 0xc0) == 0xc0)
			((uint8_t *)&message)[byte()] ^= byte();
		to = place(first, sizeof(message), &offset);
		memcpy(to, &message, sizeof(message));
		deliver(e, offset, sizeof(message));
	}
	client_event(byte() % CLIENT_VPS, id);
}

/* A frame, or a few, or something like it. */
static void arrive(uint32_t id)
{
	struct end *e = end_of(id), *first = end_of(1);
	struct {
		struct rndis_header header;
		struct rndis_packet packet;
		struct rndis_packet_info info;
		uint32_t value;
		uint8_t bytes[120];
	} message = {
	    .header = {RNDIS_PACKET, sizeof(message)},
	    .packet = {.data_offset = sizeof(message) - 8 - 120,
		       .data_length = 120,
		       .info_offset = sizeof(message.packet),
		       .info_length = 16},
	    .info = {16, byte() & 1 ? RNDIS_INFO_CHECKSUM : RNDIS_INFO_VLAN, 12},
	    .value = word(),
	};
	uint32_t offset, length = sizeof(message);
	uint8_t *to;

	for (unsigned i = 1; (!first || !first->receive_pages) && i < CHANNELS; i++)
		first = end_of(i);
	if (!e || !first || !(to = place(first, 2 * sizeof(message), &offset)))
		return;
	for (unsigned n = byte() % 4; n; n--)
		((uint32_t *)(void *)&message)[byte() % 15] = byte() & 1 ? word() : byte();
	if (byte() % 8 == 0)
		message.header.type = byte() & 1 ? RNDIS_INDICATE_STATUS : byte();
	if (byte() % 8 == 0) /* RNDIS_STATUS_MEDIA_* */
		message.packet.data_offset = 0x4001000b + byte() % 2;
	memcpy(to, &message, sizeof(message));
	if (byte() & 1) {
		memcpy(to + length, &message, sizeof(message));
		length += sizeof(message);
	}
	for (unsigned n = byte() % 8 ? 1 : byte(); n; n--)
		deliver(e, offset, length);
	client_event(byte() % CLIENT_VPS, id);
}

static void invent(uint32_t id)
{
	struct end *e = end_of(id);
	uint8_t payload[96];
	const struct vmbus_out_packet packet = {
	    .type = byte() % 12,
	    .flags = byte() & 1,
	    .transaction = byte() | (uint64_t)byte() << 16,
	    .payload[0] = {payload, byte() % sizeof(payload)},
	};

	if (!e)
		return;
	bytes(payload, sizeof(payload));
	send(e, &packet);
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

static void offer(uint32_t id)
{
	const struct vmbus_offer message = {
	    .header.number = VMBUS_OFFER_CHANNEL,
	    .type = NETVSP_TYPE,
	    .instance.a = byte() % 8 == 7,
	    .subchannel = id == 1 ? 0 : byte() % 5,
	    .channel = id,
	    .dedicated_interrupt = 1,
	    .connection = 7,
	};

	client_message(&message, sizeof(message));
}

static void start(void)
{
	static const struct client_host host = {post, signal_host, turn, NULL};

	memset(sent, 0, nr_sent * sizeof(sent[0]));
	memset(devices, 0, sizeof(devices));
	memset(ends, 0, sizeof(ends));
	memset(asked, 0, sizeof(asked));
	nr_sent = nr_asked = 0;
	client_start(&host, machine, 1, GUEST - 1);
	client_netvsc_start(CLIENT_VPS, 1500);
	connect_client();
}

/* A host that does as it should, until the adapter is there: most of what can go wrong comes after. */
static void set_up(void)
{
	const uint8_t *rest = at, *last = end;
	static uint8_t good[4096];

	if (!good[0])
		memset(good, 1, sizeof(good));
	offer(1);
	for (unsigned i = 0; i < 60 && !devices[0].device; i++) {
		at = good;
		end = good + sizeof(good);
		grant();
		answer(1);
	}
	assert(devices[0].device);
	offer(2);
	for (unsigned i = 0; i < 8; i++) {
		at = good;
		end = good + sizeof(good);
		grant();
		answer(1);
	}
	at = rest;
	end = last;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	at = data;
	end = data + size;
	start();
	if (byte() & 1)
		set_up();
	while (at < end) {
		uint8_t what = byte();
		uint32_t id = 1 + (what >> 4) % (CHANNELS - 1);

		switch (what & 15) {
		case 0: offer(id); break;
		case 1:
		case 2: grant(); break;
		case 3: invent(id); break;
		case 4: scribble(id); break;
		case 5: rescind(id); break;
		case 6: forget(); break;
		case 7:
		case 8:
		case 9: transmit(); break;
		case 10:
			if (byte() & 1)
				room();
			else
				burst();
			break;
		case 11:
		case 12:
			if (byte() & 1)
				stream(id);
			else
				arrive(id);
			break;
		default: answer(id); break;
		}
		for (unsigned i = 0; i < nr_sent; i++)
			assert(sent[i].answers <= 1);
	}
	for (uint32_t id = 1; id < CHANNELS; id++)
		rescind(id);
	for (unsigned i = 0; i < nr_sent; i++)
		assert(sent[i].answers == 1);
	return 0;
}
