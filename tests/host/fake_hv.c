/* SPDX-License-Identifier: MIT */
#include "tests/host/fake_hv.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "adapter/hv/balloon.h"
#include "adapter/hv/discover.h"
#include "adapter/x86/log.h"

struct fake_seam fake_seam;
struct fake_answer fake_answer;

/* A channel as the services see it; `wire` where it leads to a host. */
struct client {
	struct hv_channel channel; /* first */
	struct fake_channel *wire;
	bool stalled, look;
	uint32_t length;
	uint64_t transaction;
	_Alignas(8) uint8_t bytes[HV_CHANNEL_PACKET_MAX];
};

static const struct hv_driver *drivers[FAKE_DRIVERS];
static unsigned nr_drivers;
static struct client clients[FAKE_DRIVERS];
static unsigned nr_clients;

enum log_level log_threshold;

void log_line(enum log_level level, const char *format, ...)
{
	char line[256];
	va_list ap;

	(void)level;
	va_start(ap, format);
	vsnprintf(line, sizeof(line), format, ap);
	va_end(ap);
}

bool hv_has(enum hv_feature feature)
{
	return feature == HV_F_TIME_REF_COUNT;
}

/* Where no test needs balloons, none are linked. */
__attribute__((weak)) void balloon_init(void)
{
}

void hv_vmbus_register(const struct hv_driver *driver)
{
	assert(nr_drivers < FAKE_DRIVERS);
	drivers[nr_drivers++] = driver;
}

void fake_hv_reset(void)
{
	if (fake_seam.alarm)
		fake_seam.alarm->at = 0;
	for (unsigned i = 0; i < nr_clients; i++) {
		clients[i].channel.driver->rescinded(&clients[i].channel);
		free(clients[i].wire);
	}
	nr_drivers = nr_clients = 0;
	memset(&fake_seam, 0, sizeof(fake_seam));
	memset(&fake_answer, 0, sizeof(fake_answer));
	ic_init();
	balloon_init();
}

static struct client *client_of(struct hv_channel *channel)
{
	return (struct client *)channel;
}

static struct client *add_client(const struct hv_driver *driver)
{
	struct client *c = &clients[nr_clients++];

	assert(nr_clients <= FAKE_DRIVERS);
	memset(c, 0, sizeof(*c));
	c->channel.driver = driver;
	return c;
}

bool hv_channel_open(struct hv_channel *channel, uint16_t out_pages, uint16_t in_pages, unsigned vp)
{
	struct client *c = client_of(channel);

	assert(out_pages == in_pages && vp == 0);
	if (c->wire && !fake_open(c->wire, c->wire->guest, &channel->offer, out_pages))
		return false;
	channel->driver->opened(channel, true);
	return true;
}

struct hv_channel *fake_hv_open(struct hv_ic *ic)
{
	struct client *c = add_client(&ic->driver);

	c->channel.driver->offered(&c->channel);
	return &c->channel;
}

struct hv_channel *fake_hv_open_named(const char *name)
{
	struct client *c = NULL;

	for (unsigned i = 0; i < nr_drivers; i++)
		if (!strcmp(drivers[i]->name, name))
			c = add_client(drivers[i]);
	assert(c);
	c->channel.driver->offered(&c->channel);
	return &c->channel;
}

void fake_hv_rescind(struct hv_channel *channel)
{
	channel->driver->rescinded(channel);
}

void hv_channel_release(struct hv_channel *channel)
{
	client_of(channel)->stalled = false;
}

static enum vmbus_ring_result keep_answer(const struct vmbus_out_packet *packet)
{
	const struct vmbus_piece *piece = &packet->payload[0];

	if (fake_answer.full)
		return VMBUS_RING_FULL;
	assert(piece->length <= sizeof(fake_answer.bytes));
	memcpy(fake_answer.bytes, piece->bytes, piece->length);
	fake_answer.length = piece->length;
	fake_answer.transaction = packet->transaction;
	fake_answer.count++;
	return VMBUS_RING_OK;
}

enum vmbus_ring_result hv_channel_send(struct hv_channel *channel,
				       const struct vmbus_out_packet *packet, bool more)
{
	struct vmbus_pipe_header pipe = {VMBUS_PIPE_DATA, packet->payload[0].length};
	struct vmbus_out_packet wrapped = *packet;
	struct client *c = client_of(channel);

	(void)more;
	if (!c->wire)
		return keep_answer(packet);
	wrapped.payload[1] = packet->payload[0];
	wrapped.payload[0] = (struct vmbus_piece){&pipe, sizeof(pipe)};
	return fake_send(c->wire, &wrapped) ? VMBUS_RING_OK : VMBUS_RING_FULL;
}

enum vmbus_ring_result hv_channel_send_message(struct hv_channel *channel, const void *message,
					       uint32_t length, uint64_t transaction)
{
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .transaction = transaction,
	    .payload[0] = {message, length},
	};

	return hv_channel_send(channel, &packet, false);
}

void hv_alarm_set(struct hv_alarm *alarm, uint64_t at)
{
	fake_seam.alarm = alarm;
	alarm->at = at ? at : 1;
}

void fake_hv_ring(void)
{
	struct hv_alarm *alarm = fake_seam.alarm;

	if (!alarm || !alarm->at)
		return;
	if (fake_seam.now < alarm->at)
		fake_seam.now = alarm->at;
	alarm->at = 0;
	alarm->ring();
}

/* Offers the packet in hand, as long as somebody asks for it. */
static void offer_packet(struct client *c)
{
	const struct vmbus_in_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .transaction = c->transaction,
	    .payload = c->bytes,
	    .payload_length = c->length,
	};

	do {
		c->look = false;
		c->stalled = !c->channel.driver->packet(&c->channel, &packet);
	} while (c->stalled && c->look);
}

void hv_channel_resume(struct hv_channel *channel)
{
	struct client *c = client_of(channel);

	c->look = true;
	if (c->stalled)
		offer_packet(c);
}

void fake_hv_packet(struct hv_channel *channel, const void *payload, uint32_t length,
		    uint64_t transaction)
{
	struct client *c = client_of(channel);

	assert(length <= sizeof(c->bytes));
	if (c->stalled)
		return; /* it would wait in the ring */
	memcpy(c->bytes, payload, length);
	c->length = length;
	c->transaction = transaction;
	offer_packet(c);
}

void fake_hv_drained(struct hv_channel *channel)
{
	struct client *c = client_of(channel);

	if (c->stalled)
		offer_packet(c);
	channel->driver->drained(channel);
}

static bool pump_one(struct client *c)
{
	struct vmbus_in_packet in;
	struct vmbus_pipe_header pipe;

	if (!c->wire || c->stalled || !fake_receive(c->wire, &in))
		return false;
	assert(in.payload_length >= sizeof(pipe));
	memcpy(&pipe, in.payload, sizeof(pipe));
	assert(pipe.bytes <= in.payload_length - sizeof(pipe));
	fake_hv_packet(&c->channel, in.payload + sizeof(pipe), pipe.bytes, in.transaction);
	return true;
}

void fake_hv_pump(void)
{
	bool busy = true;

	while (busy) {
		busy = false;
		for (unsigned i = 0; i < nr_clients; i++)
			busy |= pump_one(&clients[i]);
	}
}

static const struct hv_driver *driver_for(const struct vmbus_offer *offer)
{
	for (unsigned i = 0; i < nr_drivers; i++)
		if (!memcmp(&drivers[i]->type, &offer->type, sizeof(offer->type)))
			return drivers[i];
	return NULL;
}

void fake_hv_connect(struct fake_guest *guest)
{
	struct vmbus_offer offers[FAKE_DRIVERS];
	unsigned count = 0;

	assert(fake_connect(guest, VMBUS_VERSION_WIN10_V5_3));
	while (count < FAKE_DRIVERS && fake_offer(guest, &offers[count]))
		count++;
	for (unsigned i = 0; i < count; i++) {
		const struct hv_driver *driver = driver_for(&offers[i]);
		struct client *c;

		if (!driver)
			continue;
		c = add_client(driver);
		c->channel.offer = offers[i];
		c->wire = calloc(1, sizeof(*c->wire));
		assert(c->wire);
		c->wire->guest = guest;
		driver->offered(&c->channel);
	}
	fake_hv_pump();
}

uint64_t clock_now(void)
{
	return fake_seam.now;
}

struct clock_wall clock_wall(void)
{
	return fake_seam.wall;
}

void clock_set_wall(struct clock_wall wall)
{
	assert(wall.nsec < 1000000000);
	fake_seam.wall = wall;
}

void xen_control_wall_changed(void)
{
	fake_seam.wall_changes++;
}

bool xen_control_shutdown(enum control_shutdown what)
{
	if (!fake_seam.listens)
		return false;
	fake_seam.asked++;
	fake_seam.what = what;
	return true;
}

uint64_t xen_control_progress(void)
{
	return fake_seam.progress;
}

uint64_t xen_control_memory_now(void)
{
	return fake_seam.pages * 4;
}

void xen_control_memory(uint64_t kib)
{
	fake_seam.target_kib = kib;
}

uint64_t xen_control_pages_waiting(void)
{
	return fake_seam.waiting;
}

void fake_hv_give_up(uint64_t frame)
{
	assert(frame < FAKE_PAGES && fake_seam.waiting < FAKE_PAGES && fake_seam.pages);
	fake_seam.pages--;
	fake_seam.wait[fake_seam.waiting++] = frame;
}

bool xen_control_page_take(uint64_t *frame)
{
	if (!fake_seam.waiting)
		return false;
	*frame = fake_seam.wait[--fake_seam.waiting];
	assert(!fake_seam.taken[*frame]);
	fake_seam.taken[*frame] = true;
	return true;
}

bool xen_control_page_give(uint64_t frame)
{
	if (frame >= FAKE_PAGES || !fake_seam.taken[frame])
		return false;
	fake_seam.taken[frame] = false;
	fake_seam.wait[fake_seam.waiting++] = frame;
	return true;
}

static struct fake_node *find(const char *path)
{
	for (unsigned i = 0; i < fake_seam.nodes; i++)
		if (!strcmp(fake_seam.node[i].path, path))
			return &fake_seam.node[i];
	return NULL;
}

int xen_control_read(const char *path, char *value, size_t size)
{
	const struct fake_node *node = find(path);

	if (!node)
		return -1;
	snprintf(value, size, "%s", node->value);
	return (int)strlen(value);
}

bool xen_control_write(const char *path, const char *value)
{
	struct fake_node *node = find(path);

	if (!value) {
		if (node)
			*node = fake_seam.node[--fake_seam.nodes];
		return true;
	}
	if (!node && fake_seam.nodes == FAKE_NODES)
		return false;
	if (!node)
		node = &fake_seam.node[fake_seam.nodes++];
	assert(strlen(path) < sizeof(node->path) && strlen(value) < sizeof(node->value));
	strcpy(node->path, path);
	strcpy(node->value, value);
	return true;
}

/* Whether node i is the first one below that child of the folder. */
static bool names_child(unsigned i, const char *folder, const char **name, size_t *length)
{
	size_t depth = strlen(folder);
	const char *path = fake_seam.node[i].path;

	if (strncmp(path, folder, depth) || path[depth] != '/')
		return false;
	*name = path + depth + 1;
	*length = strcspn(*name, "/");
	for (unsigned k = 0; k < i; k++) {
		const char *other = fake_seam.node[k].path;

		if (!strncmp(other, path, depth + 1 + *length) &&
		    (!other[depth + 1 + *length] || other[depth + 1 + *length] == '/'))
			return false;
	}
	return true;
}

bool xen_control_child(const char *path, unsigned index, char *name, size_t size)
{
	const char *child;
	size_t length;

	for (unsigned i = 0; i < fake_seam.nodes; i++) {
		if (!names_child(i, path, &child, &length) || index--)
			continue;
		snprintf(name, size, "%.*s", (int)length, child);
		return true;
	}
	return false;
}
