/* SPDX-License-Identifier: MIT */
#include "host/netvsp.h"

#include "abi/vmbus/netvsp.h"
#include "host/rndis.h"
#include "host/rss.h"
#include "host/say.h"

#include <stdlib.h>
#include <string.h>

#define DEFAULT_MTU 1500u
/* Of the send buffer, as Hyper-V cuts it. */
#define SEND_SECTION 6144u
#define MAX_SECTIONS 65536u
#define MAX_QUEUES   64u
/* What a message may gather: an LSO frame with its headers, or a batch of small ones. */
#define MESSAGE_MAX (NET_FRAME_MAX + 4096u)
#define MAX_IOV     256u
#define NO_SECTION  UINT32_MAX
/* A guest that holds so many sections is at work on them, and gives them back one after the other. */
#define MANY_LENT 8u

/* A buffer that the guest made and we map. */
struct shared {
	uint8_t *view; /* NULL: none */
	size_t pages;
	uint32_t bytes;
};

struct netvsp {
	struct vmbus *bus;
	struct vmbus_offering offering;
	/* The primary channel, then the sub-channels: a queue each. */
	struct vmbus_channel *channel[MAX_QUEUES];
	unsigned subchannels;
	struct net_backend *backend;
	struct rndis_adapter rndis;
	uint32_t version; /* NVSP, 0: not negotiated */
	struct shared receive, send;
	uint16_t receive_id;
	/* The receive buffer is cut into sections; each is ours (in `free`) or the guest's, until it completes the packet. */
	uint32_t section_size, sections, free_count;
	uint32_t *free;
	uint8_t *lent;   /* by which queue, from 1; 0: it is ours */
	bool given_back; /* some, since expects() was last asked */
	bool stalled;    /* the backend waits for a section */
	struct netvsp_counts counts;
	bool link_news;  /* the guest has not heard of the link's state */
	bool table_news; /* nor of the table of queues */
	uint8_t message[MESSAGE_MAX];
};

static void unshare(const struct netvsp *adapter, struct shared *shared)
{
	vmbus_unmap_gpadl(adapter->channel[0], shared->view, shared->pages);
	*shared = (struct shared){0};
}

static void drop_receive(struct netvsp *adapter)
{
	unshare(adapter, &adapter->receive);
	free(adapter->free);
	free(adapter->lent);
	adapter->free = NULL;
	adapter->lent = NULL;
	adapter->sections = adapter->free_count = 0;
}

static bool can_receive(const struct netvsp *adapter, const struct vmbus_channel *channel)
{
	return adapter->free_count && !vmbus_congested(channel);
}

static void resume(struct netvsp *adapter, const struct vmbus_channel *channel)
{
	if (adapter->stalled && can_receive(adapter, channel)) {
		adapter->stalled = false;
		adapter->backend->ops->resume(adapter->backend);
	}
}

/* Lends a section to the guest with `header` and `body` in it. The transaction says which. */
static bool lend(struct netvsp *adapter, unsigned queue, uint32_t kind, struct vmbus_piece header,
		 struct vmbus_piece body)
{
	uint32_t section = adapter->free[--adapter->free_count];
	uint32_t offset = section * adapter->section_size;
	const struct nvsp_message nvsp = {
	    .type = NVSP_SEND_RNDIS_PACKET,
	    .rndis = {.channel = kind, .section = NVSP_NO_SECTION},
	};
	const struct {
		struct vmbus_transfer_pages pages;
		struct vmbus_transfer_range range;
	} extension = {{adapter->receive_id, 0, 1}, {header.length + body.length, offset}};
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_TRANSFER_PAGES,
	    .flags = VMBUS_PACKET_WANTS_COMPLETION,
	    .transaction = section + 1ull,
	    .extension = {&extension, sizeof(extension)},
	    .payload[0] = {&nvsp, sizeof(nvsp)},
	};

	memcpy(adapter->receive.view + offset, header.bytes, header.length);
	if (body.length) {
		memcpy(adapter->receive.view + offset + header.length, body.bytes, body.length);
	}
	adapter->lent[section] = (uint8_t)(queue + 1);
	return vmbus_send(adapter->channel[queue], &packet);
}

/* The queue that the guest's table names for this frame, while it is open. */
static unsigned queue_of(const struct netvsp *adapter, const uint8_t *frame, uint32_t length)
{
	const struct rndis_adapter *rndis = &adapter->rndis;

	if (rndis->rss && adapter->subchannels) {
		uint32_t hash = rss_hash(rndis->rss_key, frame, length);
		unsigned queue = rndis->rss_table[hash % rndis->rss_entries];

		if (queue <= adapter->subchannels && vmbus_is_open(adapter->channel[queue])) {
			return queue;
		}
	}
	return 0;
}

static bool on_frame(void *context, const uint8_t *frame, uint32_t length, bool checked)
{
	struct netvsp *adapter = context;
	struct rndis_rx_header header;
	unsigned queue;

	if (!adapter->rndis.filter || !adapter->rndis.link ||
	    length > adapter->rndis.mtu + NET_HEADER + 4 || !adapter->receive.view) {
		return true; /* nobody listens: dropped */
	}
	queue = queue_of(adapter, frame, length);
	if (!can_receive(adapter, adapter->channel[queue])) {
		adapter->stalled = true;
		return false;
	}
	adapter->counts.received++;
	rndis_write_header(&header, length, checked);
	lend(adapter, queue, NVSP_CHANNEL_DATA, (struct vmbus_piece){&header, sizeof(header)},
	     (struct vmbus_piece){frame, length});
	return true;
}

/* Where there is no room now, or no guest, it is told when there is. */
static void tell_link(struct netvsp *adapter)
{
	uint8_t message[RNDIS_REPLY_MAX];

	if (adapter->link_news && adapter->receive.view &&
	    can_receive(adapter, adapter->channel[0])) {
		uint32_t length = rndis_write_link(&adapter->rndis, message);

		adapter->link_news = false;
		lend(adapter, 0, NVSP_CHANNEL_CONTROL, (struct vmbus_piece){message, length},
		     (struct vmbus_piece){0});
	}
}

/* The guest gives a section back. One that it does not hold changes nothing. */
static void take_back(struct netvsp *adapter, const struct vmbus_channel *channel,
		      uint64_t transaction)
{
	if (transaction == 0 || transaction > adapter->sections ||
	    !adapter->lent[transaction - 1]) {
		return;
	}
	adapter->given_back = true;
	adapter->lent[transaction - 1] = 0;
	adapter->free[adapter->free_count++] = (uint32_t)transaction - 1;
	tell_link(adapter);
	resume(adapter, channel);
}

static bool reply(struct vmbus_channel *channel, const struct vmbus_in_packet *in, uint32_t type,
		  struct nvsp_message *message)
{
	if (!(in->flags & VMBUS_PACKET_WANTS_COMPLETION)) {
		return true;
	}
	message->type = type;
	return vmbus_complete(channel, in->transaction, message, sizeof(*message));
}

static bool on_init(struct netvsp *adapter, struct vmbus_channel *channel,
		    const struct vmbus_in_packet *in, const struct nvsp_message *message)
{
	static const uint32_t versions[] = {NVSP_VERSION_1, NVSP_VERSION_2, NVSP_VERSION_4,
					    NVSP_VERSION_5, NVSP_VERSION_6, NVSP_VERSION_61};
	struct nvsp_message answer = {
	    .init_complete = {.max_mdl_chain = 34, .status = NVSP_STATUS_FAILURE}};

	/* The highest one that both know. */
	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		if (versions[i] >= message->init.lowest && versions[i] <= message->init.highest) {
			adapter->version = versions[i];
			answer.init_complete.version = versions[i];
			answer.init_complete.status = NVSP_STATUS_SUCCESS;
		}
	}
	return reply(channel, in, NVSP_INIT_COMPLETE, &answer);
}

/* Sections are cut for it, so that it cannot change any more once they are. */
static void on_config(struct netvsp *adapter, const struct nvsp_message *message)
{
	uint32_t mtu = message->ndis_config.mtu - NET_HEADER;

	if (!adapter->receive.view && mtu >= NET_MTU_LEAST && mtu <= NET_MTU_MOST) {
		adapter->rndis.mtu = mtu;
	}
}

static bool share(struct vmbus_channel *channel, struct shared *shared, uint32_t gpadl)
{
	if (shared->view) {
		return false; /* one at a time: revoke it first */
	}
	shared->view = vmbus_map_gpadl(channel, gpadl, &shared->bytes, &shared->pages);
	return shared->view;
}

static bool cut_receive(struct netvsp *adapter)
{
	uint32_t size =
	    adapter->rndis.mtu + NET_HEADER + 4 + (uint32_t)sizeof(struct rndis_rx_header);

	adapter->section_size = (size > RNDIS_REPLY_MAX ? size + 63 : RNDIS_REPLY_MAX) & ~63u;
	adapter->sections = adapter->receive.bytes / adapter->section_size;
	adapter->sections = adapter->sections < MAX_SECTIONS ? adapter->sections : MAX_SECTIONS;
	adapter->free = calloc(adapter->sections, sizeof(*adapter->free));
	adapter->lent = calloc(adapter->sections, sizeof(*adapter->lent));
	if (!adapter->sections || !adapter->free || !adapter->lent) {
		return false;
	}
	for (adapter->free_count = 0; adapter->free_count < adapter->sections;
	     adapter->free_count++) {
		adapter->free[adapter->free_count] = adapter->sections - 1 - adapter->free_count;
	}
	return true;
}

static bool on_receive_buffer(struct netvsp *adapter, struct vmbus_channel *channel,
			      const struct vmbus_in_packet *in, const struct nvsp_message *message)
{
	struct nvsp_message answer = {.receive_buffer_complete.status = NVSP_STATUS_FAILURE};

	if (!adapter->receive.view && share(channel, &adapter->receive, message->buffer.gpadl)) {
		if (cut_receive(adapter)) {
			adapter->receive_id = message->buffer.id;
			answer.receive_buffer_complete.status = NVSP_STATUS_SUCCESS;
			answer.receive_buffer_complete.sections = 1;
			answer.receive_buffer_complete.section.size = adapter->section_size;
			answer.receive_buffer_complete.section.count = adapter->sections;
			answer.receive_buffer_complete.section.end =
			    adapter->section_size * adapter->sections;
		} else {
			drop_receive(adapter);
		}
	}
	return reply(channel, in, NVSP_SEND_RECEIVE_BUFFER_COMPLETE, &answer);
}

static bool on_send_buffer(struct netvsp *adapter, struct vmbus_channel *channel,
			   const struct vmbus_in_packet *in, const struct nvsp_message *message)
{
	struct nvsp_message answer = {.send_buffer_complete.status = NVSP_STATUS_FAILURE};

	if (share(channel, &adapter->send, message->buffer.gpadl)) {
		answer.send_buffer_complete.status = NVSP_STATUS_SUCCESS;
		answer.send_buffer_complete.section_size = SEND_SECTION;
	}
	return reply(channel, in, NVSP_SEND_SEND_BUFFER_COMPLETE, &answer);
}

/* Copies the section of the send buffer that a message names. False where it is not in the buffer. */
static bool gather_section(struct netvsp *adapter, const struct nvsp_message *message,
			   uint32_t *length)
{
	uint64_t offset = (uint64_t)message->rndis.section * SEND_SECTION;
	uint32_t bytes = message->rndis.section_bytes;

	if (message->rndis.section == NVSP_NO_SECTION || bytes == 0) {
		return true; /* there may be no send buffer either */
	}
	if (bytes > SEND_SECTION || offset + bytes > adapter->send.bytes) {
		return false;
	}
	memcpy(adapter->message, adapter->send.view + offset, bytes);
	*length = bytes;
	return true;
}

/* The RNDIS message into adapter->message, once and for all: first its section, then its pages. 0: not readable. */
static uint32_t gather(struct netvsp *adapter, struct vmbus_channel *channel,
		       const struct vmbus_in_packet *in, const struct nvsp_message *message)
{
	struct iovec iov[MAX_IOV];
	uint32_t length = 0;
	uint64_t bytes;
	int count = vmbus_packet_memory(channel, in, iov, MAX_IOV, &bytes);

	if (count < 0 || !gather_section(adapter, message, &length) ||
	    bytes > MESSAGE_MAX - length) {
		return 0;
	}
	for (int i = 0; i < count; i++) {
		memcpy(adapter->message + length, iov[i].iov_base, iov[i].iov_len);
		length += (uint32_t)iov[i].iov_len;
	}
	return length;
}

static uint32_t do_control(struct netvsp *adapter, uint32_t length)
{
	uint8_t answer[RNDIS_REPLY_MAX];
	uint32_t answer_length = rndis_control(&adapter->rndis, adapter->message, length, answer);

	if (answer_length) {
		if (!adapter->free_count) {
			return NVSP_STATUS_BUSY;
		}
		lend(adapter, 0, NVSP_CHANNEL_CONTROL, (struct vmbus_piece){answer, answer_length},
		     (struct vmbus_piece){0});
	}
	return NVSP_STATUS_SUCCESS;
}

/* A data message holds one frame or several, one after the other. */
static uint32_t do_data(struct netvsp *adapter, uint32_t length)
{
	struct net_backend *backend = adapter->backend;
	struct rndis_frame frame;
	unsigned count = 0;

	for (uint32_t at = 0; at < length;) {
		uint32_t took = rndis_read_packet(adapter->message + at, length - at, &frame);

		if (!took || ++count > RNDIS_PACKETS_MOST) {
			return NVSP_STATUS_INVALID_RNDIS;
		}
		if (frame.length <= NET_FRAME_MAX && adapter->rndis.link) {
			adapter->counts.sent++;
			adapter->counts.large += frame.work.mss != 0;
			backend->ops->send(backend, (uint8_t *)(uintptr_t)frame.frame, frame.length,
					   &frame.work);
		}
		at += took;
	}
	return NVSP_STATUS_SUCCESS;
}

static bool on_rndis(struct netvsp *adapter, struct vmbus_channel *channel,
		     const struct vmbus_in_packet *in, const struct nvsp_message *message)
{
	struct nvsp_message answer = {.rndis_complete.status = NVSP_STATUS_FAILURE};
	uint32_t length = gather(adapter, channel, in, message);

	adapter->counts.messages++;
	if (length && adapter->receive.view) {
		answer.rndis_complete.status = message->rndis.channel == NVSP_CHANNEL_CONTROL
						   ? do_control(adapter, length)
						   : do_data(adapter, length);
	}
	return reply(channel, in, NVSP_SEND_RNDIS_PACKET_COMPLETE, &answer);
}

static bool on_subchannel(struct netvsp *adapter, struct vmbus_channel *channel,
			  const struct vmbus_in_packet *in, const struct nvsp_message *message)
{
	struct nvsp_message answer = {.subchannel_complete = {.status = NVSP_STATUS_FAILURE}};
	struct vmbus_offering offering = adapter->offering;
	unsigned wanted = message->subchannel.count;

	if (message->subchannel.operation == NVSP_SUBCHANNEL_ALLOCATE && !adapter->subchannels &&
	    wanted < adapter->rndis.queues) {
		while (adapter->subchannels < wanted) {
			offering.subchannel = (uint16_t)(adapter->subchannels + 1);
			adapter->channel[offering.subchannel] =
			    vmbus_offer(adapter->bus, &offering);
			if (!adapter->channel[offering.subchannel]) {
				break;
			}
			adapter->subchannels++;
		}
		answer.subchannel_complete.status = NVSP_STATUS_SUCCESS;
		answer.subchannel_complete.count = adapter->subchannels;
	}
	return reply(channel, in, NVSP_SUBCHANNEL, &answer);
}

/* Once every queue is open, and where there is room: the guest may send on all of them, evenly. */
static void send_table(struct netvsp *adapter)
{
	struct nvsp_message message = {
	    .type = NVSP_SEND_INDIRECTION_TABLE,
	    .table = {NVSP_SEND_TABLE_SIZE, sizeof(message)},
	};
	uint32_t table[NVSP_SEND_TABLE_SIZE];
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .payload = {{&message, sizeof(message)}, {table, sizeof(table)}},
	};

	for (unsigned i = 0; i <= adapter->subchannels; i++) {
		if (!vmbus_is_open(adapter->channel[i])) {
			return;
		}
	}
	adapter->table_news = vmbus_congested(adapter->channel[0]);
	if (adapter->table_news) {
		return;
	}
	for (uint32_t i = 0; i < NVSP_SEND_TABLE_SIZE; i++) {
		table[i] = i % (adapter->subchannels + 1);
	}
	vmbus_send(adapter->channel[0], &packet);
}

static bool on_message(struct netvsp *adapter, struct vmbus_channel *channel,
		       const struct vmbus_in_packet *in, const struct nvsp_message *message)
{
	struct nvsp_message answer = {0};

	if (message->type == NVSP_INIT) {
		return on_init(adapter, channel, in, message);
	}
	if (!adapter->version) {
		return reply(channel, in, message->type, &answer);
	}
	switch (message->type) {
	case NVSP_SEND_NDIS_CONFIG: on_config(adapter, message); return true;
	case NVSP_SEND_RECEIVE_BUFFER: return on_receive_buffer(adapter, channel, in, message);
	case NVSP_REVOKE_RECEIVE_BUFFER: drop_receive(adapter); return true;
	case NVSP_SEND_SEND_BUFFER: return on_send_buffer(adapter, channel, in, message);
	case NVSP_REVOKE_SEND_BUFFER: unshare(adapter, &adapter->send); return true;
	case NVSP_SEND_RNDIS_PACKET: return on_rndis(adapter, channel, in, message);
	case NVSP_SUBCHANNEL: return on_subchannel(adapter, channel, in, message);
	default: return reply(channel, in, message->type, &answer);
	}
}

static bool on_packet(void *device, struct vmbus_channel *channel, const struct vmbus_in_packet *in)
{
	struct netvsp *adapter = device;
	struct nvsp_message message = {0};

	if (in->type == VMBUS_PACKET_COMPLETION) {
		take_back(adapter, channel, in->transaction);
		return true;
	}
	if (in->payload_length < NVSP_MESSAGE_LEAST) {
		return reply(channel, in, NVSP_SEND_RNDIS_PACKET_COMPLETE, &message);
	}
	memcpy(&message, in->payload,
	       in->payload_length < sizeof(message) ? in->payload_length : sizeof(message));
	return on_message(adapter, channel, in, &message);
}

static bool on_open(void *device, struct vmbus_channel *channel)
{
	struct netvsp *adapter = device;

	if (channel != adapter->channel[0]) {
		send_table(adapter);
		return true;
	}
	adapter->version = 0;
	adapter->link_news = false; /* it will ask */
	adapter->table_news = false;
	adapter->rndis.mtu = DEFAULT_MTU;
	adapter->rndis.filter = 0;
	adapter->rndis.rss = false;
	return true;
}

/* Nobody gives back any more what a queue that closes has been lent; frames may be waiting for it. */
static void queue_closed(struct netvsp *adapter, const struct vmbus_channel *channel)
{
	unsigned queue = 1;

	while (adapter->channel[queue] != channel) {
		queue++;
	}
	for (uint32_t i = 0; i < adapter->sections; i++) {
		if (adapter->lent[i] == queue + 1) {
			adapter->lent[i] = 0;
			adapter->free[adapter->free_count++] = i;
		}
	}
	tell_link(adapter);
	resume(adapter, adapter->channel[0]);
}

static void on_close(void *device, struct vmbus_channel *channel)
{
	struct netvsp *adapter = device;

	if (channel != adapter->channel[0]) {
		queue_closed(adapter, channel);
		return;
	}
	adapter->rndis.filter = 0;
	for (; adapter->subchannels; adapter->subchannels--) {
		vmbus_rescind(adapter->channel[adapter->subchannels]);
	}
	drop_receive(adapter);
	unshare(adapter, &adapter->send);
	if (adapter->stalled) {
		adapter->stalled = false;
		adapter->backend->ops->resume(adapter->backend);
	}
}

static void on_idle(void *device, struct vmbus_channel *channel)
{
	struct netvsp *adapter = device;

	tell_link(adapter);
	if (adapter->table_news) {
		send_table(adapter);
	}
	resume(adapter, channel);
}

static bool expects(void *device, struct vmbus_channel *channel)
{
	struct netvsp *adapter = device;
	bool given_back = adapter->given_back;

	(void)channel;
	adapter->given_back = false;
	return given_back && adapter->sections - adapter->free_count >= MANY_LENT;
}

static const struct vmbus_device_ops ops = {
    .open = on_open, .close = on_close, .packet = on_packet, .idle = on_idle, .expects = expects};

struct netvsp *netvsp_create(struct vmbus *bus, unsigned index, unsigned cpus,
			     const uint8_t address[6], struct net_backend *backend)
{
	struct netvsp *adapter = calloc(1, sizeof(*adapter));

	if (!adapter) {
		return NULL;
	}
	adapter->bus = bus;
	adapter->backend = backend;
	adapter->offering = (struct vmbus_offering){
	    .type = NETVSP_TYPE,
	    .instance = {0x6e657477,
			 (uint16_t)index,
			 0x4d58,
			 {0x80, 'x', 'e', 'n', 'o', 'l', 'i', 't'}},
	    .ops = &ops,
	    .device = adapter,
	};
	adapter->rndis = (struct rndis_adapter){
	    .mtu = DEFAULT_MTU, .queues = cpus < MAX_QUEUES ? cpus : MAX_QUEUES, .link = true};
	memcpy(adapter->rndis.address, address, sizeof(adapter->rndis.address));
	adapter->channel[0] = vmbus_offer(bus, &adapter->offering);
	if (!adapter->channel[0]) {
		free(adapter);
		return NULL;
	}
	backend->receive = on_frame;
	backend->adapter = adapter;
	return adapter;
}

static void send_nowhere(struct net_backend *backend, uint8_t *frame, uint32_t length,
			 const struct net_work *work)
{
	(void)backend, (void)frame, (void)length, (void)work;
}

static void nothing_waits(struct net_backend *backend)
{
	(void)backend;
}

void netvsp_unplug(struct netvsp *adapter)
{
	static const struct net_backend_ops nowhere = {.send = send_nowhere,
						       .resume = nothing_waits};
	static struct net_backend backend = {.ops = &nowhere};

	netvsp_set_link(adapter, false);
	adapter->backend = &backend;
}

void netvsp_remove(struct netvsp *adapter)
{
	struct vmbus_channel *primary = adapter->channel[0];

	/* A guest keeps an adapter, and its lock of all of them, until every send is answered. */
	for (unsigned i = 0; i <= adapter->subchannels; i++) {
		vmbus_catch_up(adapter->channel[i]);
	}
	/* Closing it takes back the sub-channels' offers. */
	vmbus_rescind(primary);
	netvsp_destroy(adapter);
}

void netvsp_destroy(struct netvsp *adapter)
{
	free(adapter);
}

void netvsp_set_link(struct netvsp *adapter, bool up)
{
	if (adapter->rndis.link != up) {
		adapter->rndis.link = up;
		adapter->link_news = true;
		tell_link(adapter);
	}
}

struct netvsp_counts netvsp_counts(const struct netvsp *adapter)
{
	return adapter->counts;
}

bool netvsp_link(const struct netvsp *adapter)
{
	return adapter->rndis.link;
}
