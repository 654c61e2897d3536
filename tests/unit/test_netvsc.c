/* SPDX-License-Identifier: MIT */
/* The adapter's network client against the host's server: frames go through both ways, every packet of the guest's is answered once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "adapter/hv/vmbus.h"
#include "adapter/hv/netvsc.h"
#include "adapter/hv/netvsc_int.h"
#include "adapter/seam/net.h"
#include "tests/hosted/tcp.h"
#include "tests/loop/server_netvsp.h"
#include "tests/loop/client.h"
#include "tests/loop/client_netvsc.h"
#include "tests/loop/partition.h"

#define FRAME   PARTITION_DEVICE_PAGES /* the first of the guest's */
#define PACKETS 400u
#define HEADERS 54u /* Ethernet, IPv4, TCP */
#define FRAMES  256u

static const uint8_t address[6] = {2, 1, 2, 3, 4, 5};
static struct partition part;
static struct netvsp *server;

/* ---- what the Xen side hears ---- */

static struct net_device *device;
static unsigned queues, removals, links;
static bool link_up, no_room;
static unsigned room_after; /* so many questions, where there is no room */
static unsigned room_for;   /* so many packets, and then none; 0: for all */
static unsigned nr_received, large;
static struct {
	unsigned queue;
	uint32_t length;
	bool good;
	struct net_offload offload;
	uint8_t bytes[NET_PACKET_MAX];
} received[FRAMES];

struct sent {
	struct net_packet packet; /* first */
	unsigned answers;
	enum net_status status;
};
static struct sent sent[PACKETS];
static unsigned nr_sent;

static void transmitted(struct net_packet *packet, enum net_status status)
{
	struct sent *s = (struct sent *)packet;

	s->answers++;
	s->status = status;
}

void xen_net_add(struct net_device *new, unsigned max_queues)
{
	device = new;
	device->transmitted = transmitted;
	queues = max_queues;
}

void xen_net_link(struct net_device *which, bool up)
{
	assert_ptr_equal(which, device);
	links++;
	link_up = up;
}

void xen_net_remove(struct net_device *which)
{
	assert_ptr_equal(which, device);
	removals++;
}

enum xen_net_received xen_net_receive(struct net_device *which, unsigned queue,
				      const struct net_offload *offload,
				      const struct net_piece *pieces, unsigned nr_pieces)
{
	uint32_t at = 0;

	assert_ptr_equal(which, device);
	assert_true(queue < queues && nr_received < FRAMES);
	if (no_room && (!room_after || --room_after))
		return XEN_NET_NO_ROOM;
	no_room = false;
	for (unsigned i = 0; i < nr_pieces; i++) {
		assert_true(at + pieces[i].len <= sizeof(received[0].bytes));
		memcpy(received[nr_received].bytes + at, pieces[i].data, pieces[i].len);
		at += pieces[i].len;
	}
	received[nr_received].queue = queue;
	received[nr_received].length = at;
	received[nr_received].offload = *offload;
	received[nr_received++].good = offload->csum_good;
	no_room = room_for && !--room_for;
	return XEN_NET_TAKEN;
}

unsigned xen_net_large(struct net_device *which, unsigned queue)
{
	assert_ptr_equal(which, device);
	assert_true(queue < queues);
	return large;
}

/* ---- what the host's network hears ---- */

static struct net_backend backend;
static unsigned nr_out, resumes;
static struct {
	uint32_t length;
	struct net_work work;
	uint8_t bytes[NET_FRAME_MAX];
} out[FRAMES];

static void backend_send(struct net_backend *b, uint8_t *frame, uint32_t length,
			 const struct net_work *work)
{
	(void)b;
	assert_true(nr_out < FRAMES && length <= NET_FRAME_MAX);
	out[nr_out].length = length;
	out[nr_out].work = *work;
	memcpy(out[nr_out++].bytes, frame, length);
}

static void backend_resume(struct net_backend *b)
{
	(void)b;
	resumes++;
}

static const struct net_backend_ops backend_ops = {.send = backend_send, .resume = backend_resume};

/* ---- the world ---- */

static void create(unsigned vps, unsigned mtu)
{
	device = NULL;
	queues = removals = links = nr_received = nr_sent = nr_out = resumes = 0;
	no_room = false;
	room_after = room_for = 0;
	large = 1u << NET_GSO_TCPV4 | 1u << NET_GSO_TCPV6;
	memset(sent, 0, sizeof(sent));
	backend = (struct net_backend){.ops = &backend_ops};
	partition_create(&part);
	server = netvsp_create(part.bus, 0, CLIENT_VPS, address, &backend);
	client_netvsc_start(vps, mtu);
}

static void start(unsigned vps, unsigned mtu)
{
	create(vps, mtu);
	hv_vmbus_connect();
	partition_run(&part);
	assert_non_null(device);
}

static int setup(void **state)
{
	(void)state;
	start(1, 1500);
	return 0;
}

static int setup_jumbo(void **state)
{
	(void)state;
	start(1, 9000);
	return 0;
}

static int setup_wide(void **state)
{
	(void)state;
	start(CLIENT_VPS, 1500);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	partition_destroy(&part);
	netvsp_destroy(server);
	return 0;
}

/* A frame of `length` bytes in guest pages from `frame` on, `first` bytes of it at the end of the first page. */
static struct sent *make(uint64_t frame, uint32_t length, uint32_t first)
{
	struct sent *s = &sent[nr_sent++];
	struct net_packet *p = &s->packet;
	uint32_t done = 0;

	assert_true(nr_sent < PACKETS);
	while (done < length) {
		uint16_t offset = p->nr_segments || first == 0 ? 0 : (uint16_t)(4096 - first);
		uint32_t n = length - done < 4096u - offset ? length - done : 4096u - offset;
		uint8_t *page = partition_page(&part, frame);

		for (uint32_t i = 0; i < n; i++)
			page[offset + i] = (uint8_t)((done + i) * 7 + nr_sent);
		p->segment[p->nr_segments++] =
		    (struct net_segment){frame++, page, offset, (uint16_t)n};
		done += n;
	}
	p->len = length;
	return s;
}

/* An IPv4 TCP header in front; the rest is payload. */
static void make_tcp(struct sent *s)
{
	uint8_t *at = (uint8_t *)s->packet.segment[0].va + s->packet.segment[0].offset;
	uint32_t total = s->packet.len - 14;
	const uint8_t headers[HEADERS] = {2,
					  1,
					  2,
					  3,
					  4,
					  5,
					  2,
					  9,
					  9,
					  9,
					  9,
					  9,
					  8,
					  0,
					  0x45,
					  0,
					  (uint8_t)(total >> 8),
					  (uint8_t)total,
					  0x12,
					  0x34,
					  0x40,
					  0,
					  64,
					  6,
					  0,
					  0,
					  10,
					  0,
					  2,
					  15,
					  10,
					  0,
					  2,
					  2,
					  0x13,
					  0x89,
					  0x13,
					  0x8a,
					  0,
					  0,
					  0x10,
					  0,
					  0,
					  0,
					  0,
					  0,
					  0x50,
					  0x19,
					  1,
					  0,
					  0,
					  0,
					  0,
					  0};

	memcpy(at, headers, HEADERS);
	s->packet.offload.csum_blank = true;
}

static void transmit(struct sent *s, unsigned queue)
{
	device->ops->transmit(device, queue, &s->packet);
}

static void finish(unsigned queue)
{
	device->ops->commit(device, queue);
	partition_run(&part);
}

static bool arrived(unsigned n, const struct sent *s)
{
	uint32_t at = 0;

	if (n >= nr_out || out[n].length != s->packet.len)
		return false;
	for (unsigned i = 0; i < s->packet.nr_segments; i++) {
		const struct net_segment *g = &s->packet.segment[i];

		if (memcmp(out[n].bytes + at, (uint8_t *)g->va + g->offset, g->len))
			return false;
		at += g->len;
	}
	return true;
}

static bool each_answered_once(enum net_status status)
{
	for (unsigned i = 0; i < nr_sent; i++)
		if (sent[i].answers != 1 || sent[i].status != status)
			return false;
	return client_netvsc_is_at_rest(device);
}

/* ---- tests ---- */

static void the_adapter_is_described(void **state)
{
	(void)state;
	assert_memory_equal(device->mac, address, 6);
	assert_int_equal(device->mtu, 1500);
	assert_true(device->gso_v4 && device->gso_v6);
	assert_int_equal(queues, 1);
	assert_int_equal(links, 0);
}

static void frames_of_every_size_go_out(void **state)
{
	static const uint32_t sizes[] = {14,   60,   61,   1000, 1514, 2047,
					 2048, 2049, 4096, 9014, 65535};
	const unsigned n = sizeof(sizes) / sizeof(sizes[0]);

	(void)state;
	for (unsigned i = 0; i < n; i++)
		transmit(make(FRAME + i * 20, sizes[i], i * 300), 0);
	finish(0);
	assert_int_equal(nr_out, n);
	for (unsigned i = 0; i < n; i++)
		assert_true(arrived(i, &sent[i]));
	assert_true(each_answered_once(NET_OK));
}

static void small_frames_share_a_message(void **state)
{
	unsigned before;

	(void)state;
	before = part.interrupts;
	for (unsigned i = 0; i < 8; i++)
		transmit(make(FRAME + i, 60, 0), 0);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(sent[i].answers, 1); /* their pages are free at once */
	finish(0);
	assert_int_equal(nr_out, 8);
	assert_true(part.interrupts - before <= 1);
	assert_true(client_netvsc_is_at_rest(device));
}

/* More than ring, slots and sections hold. */
static void what_has_no_room_waits_in_order(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 180; i++)
		transmit(make(FRAME + i * 2, i % 3 ? 3000 : 100, 0), 0);
	finish(0);
	assert_int_equal(nr_out, 180);
	for (unsigned i = 0; i < 180; i++)
		assert_true(arrived(i, &sent[i]));
	assert_true(each_answered_once(NET_OK));
}

static void what_waits_too_long_is_dropped(void **state)
{
	unsigned dropped = 0, good = 0;

	(void)state;
	for (unsigned i = 0; i < 250; i++)
		transmit(make(FRAME + i, 3000, 0), 0);
	finish(0);
	for (unsigned i = 0; i < 250; i++) {
		assert_int_equal(sent[i].answers, 1);
		dropped += sent[i].status == NET_DROPPED;
		good += sent[i].status == NET_OK;
	}
	assert_int_equal(good, nr_out);
	assert_int_equal(good + dropped, 250);
	assert_true(dropped > 0 && good > 100);
}

static void checksums_are_asked_for(void **state)
{
	struct sent *small, *large;

	(void)state;
	small = make(FRAME, 100, 0);
	make_tcp(small);
	transmit(small, 0);
	large = make(FRAME + 2, 4000, 0);
	make_tcp(large);
	transmit(large, 0);
	transmit(make(FRAME + 4, 100, 0), 0);
	finish(0);
	assert_int_equal(nr_out, 3);
	assert_true(out[0].work.tcp && out[1].work.tcp && !out[2].work.tcp);
	assert_true(arrived(0, small) && arrived(1, large));
}

/* What nobody can find a checksum in is not sent with a wrong one. */
static void a_checksum_that_cannot_be_placed_is_an_error(void **state)
{
	struct sent *s;

	(void)state;
	s = make(FRAME, 100, 0);
	s->packet.offload.csum_blank = true;
	transmit(s, 0);
	finish(0);
	assert_int_equal(nr_out, 0);
	assert_true(each_answered_once(NET_ERROR));
}

static uint32_t get32(const uint8_t *at)
{
	return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

/* The host takes 65280 bytes of payload at once, 8 segments of 8000: a large send beyond that goes in two parts, neither of one segment. */
static void a_large_send_goes_in_parts(void **state)
{
	struct sent *s;
	uint32_t all = 65000 - HEADERS, first = 5 * 8000, second = all - first;
	const uint8_t *payload;

	(void)state;
	s = make(FRAME, 65000, 100);
	make_tcp(s);
	s->packet.offload.gso = NET_GSO_TCPV4;
	s->packet.offload.gso_size = 8000;
	transmit(s, 0);
	finish(0);
	assert_int_equal(nr_out, 2);
	assert_int_equal(out[0].work.mss, 8000);
	assert_int_equal(out[0].length, HEADERS + first);
	assert_int_equal(out[1].length, HEADERS + second);
	assert_int_equal(get32(out[0].bytes + 38), 0x1000);
	assert_int_equal(get32(out[1].bytes + 38), 0x1000 + first);
	assert_int_equal(out[0].bytes[47], 0x10); /* ACK; FIN and PSH belong to the end, 0x19 */
	assert_int_equal(out[1].bytes[47], 0x19);
	assert_int_equal(out[1].bytes[19] - out[0].bytes[19], 5); /* identification */
	payload = (uint8_t *)s->packet.segment[0].va + s->packet.segment[0].offset + HEADERS;
	assert_memory_equal(out[0].bytes + HEADERS, payload, 40);
	assert_memory_equal(out[0].bytes + HEADERS + 46, s->packet.segment[1].va, 4096);
	assert_memory_equal(out[1].bytes + out[1].length - 100,
			    (uint8_t *)s->packet.segment[s->packet.nr_segments - 1].va +
				s->packet.segment[s->packet.nr_segments - 1].len - 100,
			    100);
	assert_true(each_answered_once(NET_OK));
}

/* The same over IPv6: 74 bytes of headers, the length in them gone, and none in the TCP checksum. */
static void a_large_send_over_ipv6_goes_in_parts(void **state)
{
	uint32_t all = 65000 - 74, first = 5 * 8000, pseudo = 6;
	struct sent *s;
	uint8_t *at;

	(void)state;
	s = make(FRAME, 65000, 0);
	at = s->packet.segment[0].va;
	memset(at + 12, 0, 62);
	memcpy(at + 12, "\x86\xdd\x60", 3);
	at[18] = (uint8_t)((all + 20) >> 8);
	at[19] = (uint8_t)(all + 20);
	at[20] = 6;
	for (unsigned i = 22; i < 54; i++)
		at[i] = (uint8_t)(i * 3);
	at[66] = 0x50;
	s->packet.offload =
	    (struct net_offload){.csum_blank = true, .gso = NET_GSO_TCPV6, .gso_size = 8000};
	transmit(s, 0);
	finish(0);
	assert_int_equal(nr_out, 2);
	assert_int_equal(out[0].length, 74 + first);
	assert_int_equal(out[1].length, 74 + all - first);
	for (unsigned i = 22; i < 54; i += 2)
		pseudo += (uint32_t)out[0].bytes[i] << 8 | out[0].bytes[i + 1];
	pseudo = (pseudo & 0xffff) + (pseudo >> 16);
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(out[i].work.mss, 8000);
		assert_int_equal(out[i].bytes[18] << 8 | out[i].bytes[19], 0);
		assert_int_equal(out[i].bytes[70] << 8 | out[i].bytes[71], pseudo);
	}
	assert_int_equal(get32(out[1].bytes + 58), first);
	assert_true(each_answered_once(NET_OK));
}

static void one_segment_is_not_a_large_send(void **state)
{
	struct sent *s;

	(void)state;
	s = make(FRAME, HEADERS + 1000, 0);
	make_tcp(s);
	s->packet.offload.gso = NET_GSO_TCPV4;
	s->packet.offload.gso_size = 1448;
	transmit(s, 0);
	finish(0);
	assert_int_equal(nr_out, 1);
	assert_int_equal(out[0].work.mss, 0);
	assert_true(out[0].work.tcp && arrived(0, s));
}

static bool arrive(uint8_t fill, uint32_t length, bool checked)
{
	uint8_t frame[9216];

	memset(frame, fill, sizeof(frame));
	return backend.receive(backend.adapter, frame, length, checked);
}

static void frames_come_in(void **state)
{
	(void)state;
	assert_true(arrive(1, 60, true));
	assert_true(arrive(2, 1514, false));
	partition_run(&part);
	assert_int_equal(nr_received, 2);
	assert_int_equal(received[0].length, 60);
	assert_true(received[0].good && !received[1].good);
	assert_int_equal(received[1].length, 1514);
	assert_int_equal(received[1].bytes[1513], 2);
}

static void large_frames_are_carried_where_both_want_it(void **state)
{
	(void)state;
	assert_int_equal(device->mtu, 9000);
	assert_true(arrive(5, 9014, true));
	partition_run(&part);
	assert_int_equal(nr_received, 1);
	assert_int_equal(received[0].length, 9014);
	assert_int_equal(received[0].bytes[9013], 5);
	transmit(make(FRAME, 9014, 0), 0);
	finish(0);
	assert_true(nr_out == 1 && arrived(0, &sent[0]));
}

/* Waking the host only for that costs more than the frame: it hears with the next packet, or when the VP rests. */
static void buffers_are_given_back_in_silence(void **state)
{
	unsigned before = part.signals;

	(void)state;
	/* Since it was last told there have been some already. */
	while (part.signals == before) {
		assert_true(nr_received < 9 && arrive(0, 60, true));
		partition_run(&part);
	}
	before = part.signals;
	nr_received = 0;
	assert_true(arrive(1, 60, true));
	partition_run(&part);
	assert_int_equal(part.signals, before);
	transmit(make(FRAME, 60, 0), 0);
	finish(0);
	assert_int_equal(part.signals, before + 1);
	assert_int_equal(nr_out, 1);
	assert_true(arrive(2, 60, true));
	partition_run(&part);
	assert_int_equal(part.signals, before + 1);
	hv_channel_speak();
	hv_channel_speak();
	assert_int_equal(part.signals, before + 2);
	/* Nor is too much held back. */
	for (unsigned i = 0; i < 16; i++) {
		assert_true(arrive(3, 60, true));
		partition_run(&part);
	}
	assert_int_equal(nr_received, 18);
	assert_true(part.signals >= before + 4);
}

/* A completion that waits in the ring does not keep the answer from being looked for: that would cost an interrupt. */
static void a_prompt_answer_is_taken_at_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(sent[i].answers, 0);
		transmit(make(FRAME, 4096, 0), 0);
		part.prompt = true;
		device->ops->commit(device, 0);
		part.prompt = false;
		assert_int_equal(sent[i].answers, 1);
		assert_true(arrive(1, 60, true));
		partition_run(&part);
	}
	assert_true(each_answered_once(NET_OK));
}

/* As long as the guest's kernel may send more in the same go the host is not told; but it is when that is much, or the guest leaves. */
static void the_host_is_told_of_what_belongs_together_at_once(void **state)
{
	unsigned before = part.signals;

	(void)state;
	client_in_kernel(true);
	for (unsigned i = 0; i < 3; i++) {
		transmit(make(FRAME, 60, 0), 0);
		finish(0);
	}
	assert_int_equal(part.signals, before);
	assert_int_equal(nr_out, 0);
	assert_true(hv_channel_speak_and_look());
	partition_run(&part);
	assert_int_equal(part.signals, before + 1);
	assert_int_equal(nr_out, 3);
	assert_false(hv_channel_speak_and_look());
	/* Many. */
	for (unsigned i = 0; i < 8; i++) {
		assert_int_equal(nr_out, 3);
		transmit(make(FRAME, 60, 0), 0);
		finish(0);
	}
	assert_int_equal(part.signals, before + 2);
	assert_int_equal(nr_out, 11);
	/* Large ones. */
	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(nr_out, 11);
		transmit(make(FRAME, NET_PACKET_MAX, 0), 0);
		finish(0);
	}
	transmit(make(FRAME, 60, 0), 0);
	finish(0);
	assert_int_equal(nr_out, 14);
	assert_int_equal(part.signals, before + 3);
	/* What another VP sends is known at once, and all before it. */
	transmit(make(FRAME, 60, 0), 0);
	finish(0);
	client_run_on(1);
	transmit(make(FRAME, 60, 0), 0);
	finish(0);
	client_run_on(0);
	assert_int_equal(nr_out, 16);
	assert_true(each_answered_once(NET_OK));
}

/* ---- segments that become one packet ---- */

/* The n-th of a flow's, all of 1000 bytes and the last with PSH. */
static bool arrive_segment(bool ipv6, unsigned n, bool last, bool checked)
{
	const struct tcp_frame what = {
	    .ipv6 = ipv6,
	    .flags = last ? TCP_FLAG_ACK | TCP_FLAG_PSH : TCP_FLAG_ACK,
	    .seq = n * 1000,
	    .payload = 1000,
	    .fill = (uint8_t)n,
	};
	uint8_t frame[1200];
	uint32_t length = tcp_make(frame, &what);

	return backend.receive(backend.adapter, frame, length, checked);
}

/* What the guest got from its `from`-th packet on is segments `first` to `end` - 1, in order, each once. */
static void check_segments(bool ipv6, unsigned from, unsigned first, unsigned end)
{
	unsigned n = first;

	for (unsigned i = from; i < nr_received && n < end; i++) {
		const uint32_t headers = ipv6 ? 74 : 54;

		if (received[i].offload.gso) {
			assert_int_equal(received[i].offload.gso,
					 ipv6 ? NET_GSO_TCPV6 : NET_GSO_TCPV4);
			assert_int_equal(received[i].offload.gso_size, 1000);
			assert_true(tcp_is_to_be_completed(received[i].bytes, received[i].length));
		}
		assert_int_equal(get32(received[i].bytes + headers - 16), n * 1000);
		assert_int_equal((received[i].length - headers) % 1000, 0);
		for (uint32_t at = headers; at < received[i].length; at += 1000)
			assert_int_equal(received[i].bytes[at], (uint8_t)n++);
	}
	assert_int_equal(n, end);
}

static void segments_come_in_as_one_packet(void **state)
{
	(void)state;
	for (unsigned ipv6 = 0; ipv6 < 2; ipv6++) {
		nr_received = 0;
		for (unsigned i = 0; i < 20; i++)
			assert_true(arrive_segment(ipv6, i, false, true));
		partition_run(&part);
		check_segments(ipv6, 0, 0, 20);
		assert_int_equal(nr_received, 1);
		assert_true(client_netvsc_is_at_rest(device));
	}
}

static void a_segment_alone_comes_as_it_is(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		assert_true(arrive_segment(false, i, false, true));
		partition_run(&part);
	}
	assert_int_equal(nr_received, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_true(received[i].good && !received[i].offload.gso &&
			    !received[i].offload.csum_blank);
	check_segments(false, 0, 0, 3);
}

static void segments_stay_apart_where_they_must(void **state)
{
	(void)state;
	/* The front end takes none, */
	large = 0;
	for (unsigned i = 0; i < 4; i++)
		assert_true(arrive_segment(false, i, false, true));
	partition_run(&part);
	assert_int_equal(nr_received, 4);
	/* or none of these, */
	large = 1u << NET_GSO_TCPV4;
	for (unsigned i = 4; i < 8; i++)
		assert_true(arrive_segment(true, i, false, true));
	partition_run(&part);
	assert_int_equal(nr_received, 8);
	/* or nobody has looked at their checksums. */
	for (unsigned i = 8; i < 12; i++)
		assert_true(arrive_segment(false, i, false, false));
	partition_run(&part);
	assert_int_equal(nr_received, 12);
	check_segments(false, 0, 0, 4);
	check_segments(true, 4, 4, 8);
	check_segments(false, 8, 8, 12);
	assert_true(!received[11].good && received[7].good);
}

static void other_frames_keep_their_place(void **state)
{
	(void)state;
	for (unsigned i = 0; i < 3; i++)
		assert_true(arrive_segment(false, i, false, true));
	assert_true(arrive(9, 60, true));
	for (unsigned i = 3; i < 6; i++)
		assert_true(arrive_segment(false, i, i == 4, true));
	partition_run(&part);
	/* 0 to 2, the other one, 3 to 4, which ends with PSH, 5 */
	assert_int_equal(nr_received, 4);
	assert_int_equal(received[1].bytes[20], 9);
	check_segments(false, 0, 0, 3);
	check_segments(false, 2, 3, 6);
}

/* More than fit into one, more completions than can be owed, and no room for any of it until the end. */
static void segments_wait_for_the_guest(void **state)
{
	unsigned sent_in = 0;

	(void)state;
	no_room = true;
	while (sent_in < 150 && arrive_segment(false, sent_in, false, true)) {
		sent_in++;
		/* Sometimes they come one by one. */
		if (sent_in % 5 == 0 || sent_in < 20)
			partition_run(&part);
	}
	partition_run(&part);
	assert_int_equal(nr_received, 0);
	assert_true(sent_in > 100);
	no_room = false;
	client_run_on(2);
	net_room(device, 0);
	client_run_on(0);
	partition_run(&part);
	check_segments(false, 0, 0, sent_in);
	assert_true(nr_received <= 5);
	assert_true(client_netvsc_is_at_rest(device));
}

/* What came before them is the host's again, and it puts other frames there, while they wait. */
static void segments_that_wait_stay_as_they_are(void **state)
{
	(void)state;
	room_for = 4;
	for (unsigned i = 0; i < 4; i++)
		assert_true(arrive(1, 60, true));
	for (unsigned i = 0; i < 30; i++) {
		for (unsigned n = 0; n < 2; n++)
			assert_true(arrive_segment(false, 2 * i + n, false, true));
		partition_run(&part);
	}
	assert_int_equal(nr_received, 4);
	no_room = false;
	net_room(device, 0);
	partition_run(&part);
	assert_int_equal(nr_received, 5);
	check_segments(false, 4, 0, 60);
	assert_true(client_netvsc_is_at_rest(device));
}

/* Room comes between two questions, and nobody says so afterwards, because nobody was waiting: what is behind must not stay. */
static void room_that_nobody_waited_for_is_used_for_all(void **state)
{
	(void)state;
	for (unsigned asked = 1; asked < 12; asked++) {
		unsigned before = nr_received;

		for (unsigned i = 0; i < 3; i++)
			assert_true(arrive_segment(false, i, false, true));
		assert_true(arrive((uint8_t)asked, 60, true));
		assert_true(arrive((uint8_t)asked, 61, true));
		no_room = true;
		room_after = asked;
		partition_run(&part);
		if (no_room) {
			room_after = 0;
			no_room = false;
			net_room(device, 0);
			partition_run(&part);
		}
		assert_int_equal(nr_received, before + 3);
		check_segments(false, before, 0, 3);
		assert_int_equal(received[before + 1].length, 60);
		assert_int_equal(received[before + 2].length, 61);
		assert_true(client_netvsc_is_at_rest(device));
	}
}

/* What waits for its room is the host's again when the adapter goes; the guest gets none of it. */
static void an_adapter_that_goes_takes_segments_along(void **state)
{
	size_t all = *(size_t *)*state;

	no_room = true;
	for (unsigned i = 0; i < 10; i++)
		assert_true(arrive_segment(false, i, false, true));
	partition_run(&part);
	no_room = false;
	server_netvsp_rescind(server);
	partition_run(&part);
	net_room(device, 0);
	assert_int_equal(nr_received, 0);
	net_forgotten(device);
	client_event(0, 0);
	assert_true(client_free_pages() > all);
}

/* The guest posts nothing: the host is held back, nothing is lost, nothing comes twice. */
static void frames_wait_for_the_guest(void **state)
{
	(void)state;
	no_room = true;
	for (unsigned i = 0; i < 100; i++)
		assert_true(arrive((uint8_t)i, 100 + i, true));
	partition_run(&part);
	assert_int_equal(nr_received, 0);
	no_room = false;
	client_run_on(2);
	net_room(device, 0);
	client_run_on(0);
	partition_run(&part);
	assert_int_equal(nr_received, 100);
	for (unsigned i = 0; i < 100; i++)
		assert_true(received[i].length == 100 + i && received[i].bytes[50] == i);
	assert_true(client_netvsc_is_at_rest(device));
}

/* Another VP makes room, and behind the frames is news of the link, which is VP 0's business. */
static void news_behind_frames_reaches_vp_0(void **state)
{
	(void)state;
	no_room = true;
	assert_true(arrive(1, 100, true));
	partition_run(&part);
	netvsp_set_link(server, false);
	partition_run(&part);
	assert_int_equal(links, 0);
	no_room = false;
	client_run_on(3);
	net_room(device, 0);
	assert_int_equal(nr_received, 1);
	assert_int_equal(links, 0);
	client_run_on(0);
	client_event(0, 0); /* VP 0 is interrupted, and does what was put off */
	partition_run(&part);
	assert_int_equal(links, 1);
	assert_false(link_up);
}

static void a_front_end_that_leaves_lets_frames_go(void **state)
{
	(void)state;
	no_room = true;
	assert_true(arrive(1, 100, true));
	partition_run(&part);
	no_room = false;
	net_room_later(device);
	client_event(0, 0);
	partition_run(&part);
	assert_int_equal(nr_received, 1);
}

static void the_link_is_told(void **state)
{
	(void)state;
	netvsp_set_link(server, false);
	partition_run(&part);
	assert_int_equal(links, 1);
	assert_false(link_up);
	netvsp_set_link(server, true);
	partition_run(&part);
	assert_int_equal(links, 2);
	assert_true(link_up);
}

static void every_vp_has_a_queue(void **state)
{
	unsigned used = 0;
	uint8_t frame[64] = {2, 1, 2,    3, 4, 5,  2, 9, 9, 9, 9,  9,
			     8, 0, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 6};

	(void)state;
	assert_int_equal(queues, CLIENT_VPS);
	for (unsigned i = 0; i < CLIENT_VPS; i++) {
		transmit(make(FRAME + i * 2, 3000, 0), i);
		transmit(make(FRAME + 100 + i, 60, 0), i);
		finish(i);
	}
	assert_int_equal(nr_out, 2 * CLIENT_VPS);
	assert_true(each_answered_once(NET_OK));
	/* Flows spread, and each stays where it is. */
	for (unsigned i = 0; i < 64; i++) {
		frame[37] = (uint8_t)(i / 2);
		assert_true(backend.receive(backend.adapter, frame, sizeof(frame), true));
		partition_run(&part);
		used |= 1u << received[i].queue;
		assert_true(i % 2 == 0 || received[i].queue == received[i - 1].queue);
	}
	assert_int_equal(nr_received, 64);
	assert_int_equal(used, (1u << CLIENT_VPS) - 1);
}

static struct hv_channel *primary(void)
{
	for (uint32_t id = 1; id < 256; id++) {
		struct hv_channel *channel = client_channel(id);

		if (channel && !channel->offer.subchannel)
			return channel;
	}
	return NULL;
}

static struct hv_channel *queue_being_opened(void)
{
	for (uint32_t id = 1; id < 256; id++) {
		struct hv_channel *channel = client_channel(id);

		if (channel && channel->offer.subchannel && channel->state == HV_CHANNEL_SHARING)
			return channel;
	}
	return NULL;
}

/* One message at a time, so that it can be seen. */
static struct hv_channel *until_a_queue_is_being_opened(void)
{
	struct hv_channel *channel = NULL;

	while (!channel) {
		loop_turn(&part.loop, 0);
		if (part.tail == part.head) {
			client_event(0, primary()->offer.channel);
			continue;
		}
		client_message(part.message[part.tail % PARTITION_MESSAGES].bytes,
			       part.message[part.tail % PARTITION_MESSAGES].length);
		part.tail++;
		channel = queue_being_opened();
	}
	return channel;
}

/* Then it will not be, and the others are waited for no longer than they take. */
static void a_queue_that_goes_while_it_opens_holds_nobody_up(void **state)
{
	uint8_t frame[64] = {2, 1, 2,    3, 4, 5,  2, 9, 9, 9, 9,  9,
			     8, 0, 0x45, 0, 0, 50, 0, 0, 0, 0, 64, 6};
	struct hv_channel *channel;
	unsigned used = 0, gone;

	(void)state;
	create(CLIENT_VPS, 1500);
	hv_vmbus_connect();
	channel = until_a_queue_is_being_opened();
	gone = channel->queue;
	hv_channel_give_up(channel);
	partition_run(&part);
	assert_non_null(device);
	assert_int_equal(netvsc_of(device)->queues_settled, CLIENT_VPS - 1);
	for (unsigned i = 0; i < 64; i++) {
		frame[37] = (uint8_t)i;
		assert_true(backend.receive(backend.adapter, frame, sizeof(frame), true));
		partition_run(&part);
		used |= 1u << received[nr_received - 1].queue;
	}
	assert_int_equal(used, ((1u << CLIENT_VPS) - 1) & ~(1u << gone));
}

/* The first queue stands in for one that is not open; that one may be by the time its packets are committed. */
static void what_came_while_its_queue_opened_is_sent(void **state)
{
	struct netvsc_queue *queue = &netvsc_of(device)->queue[1];

	(void)state;
	netvsc_tx_close(queue);
	transmit(make(FRAME, 60, 0), 1);
	netvsc_tx_open(queue);
	finish(1);
	assert_int_equal(nr_out, 1);
}

/* Packets are under way and waiting when the host takes the adapter away. */
static void an_adapter_that_goes_answers_everything(void **state)
{
	size_t all = *(size_t *)*state;

	for (unsigned i = 0; i < 150; i++)
		transmit(make(FRAME + i, 3000, 0), i % CLIENT_VPS);
	server_netvsp_rescind(server);
	partition_run(&part);
	assert_int_equal(removals, 1);
	for (unsigned i = 0; i < nr_sent; i++)
		assert_int_equal(sent[i].answers, 1);
	transmit(make(FRAME, 60, 0), 0);
	device->ops->commit(device, 0);
	assert_int_equal(sent[nr_sent - 1].answers, 1);
	assert_int_not_equal(sent[nr_sent - 1].status, NET_OK);
	net_forgotten(device);
	client_event(0, 0);
	assert_true(client_free_pages() > all);
}

/* The host says nothing of the sub-channels then: they end with it. */
static void a_broken_primary_channel_ends_the_others(void **state)
{
	size_t all = *(size_t *)*state;

	for (unsigned i = 0; i < 150; i++)
		transmit(make(FRAME + i, 3000, 0), i % CLIENT_VPS);
	primary()->in.control->write = UINT32_MAX;
	client_event(0, primary()->offer.channel);
	assert_int_equal(removals, 1);
	for (unsigned i = 0; i < nr_sent; i++)
		assert_int_equal(sent[i].answers, 1);
	net_forgotten(device);
	client_event(0, 0);
	partition_run(&part);
	assert_true(client_free_pages() > all);
}

/* The guest starts without the adapter after a while; an answer that comes late is as good. */
static void a_host_that_does_not_answer_holds_nobody_up(void **state)
{
	(void)state;
	create(CLIENT_VPS, 1500);
	part.stuck = true;
	hv_vmbus_connect();
	assert_false(hv_vmbus_settle(10000000000));
	assert_null(device);
	part.stuck = false;
	assert_true(hv_vmbus_settle(10000000000));
	assert_non_null(device);
	partition_run(&part);
	transmit(make(FRAME, 60, 0), 0);
	finish(0);
	assert_true(nr_out == 1 && each_answered_once(NET_OK));
}

static void an_adapter_that_is_ready_waits_for_the_guests_start(void **state)
{
	(void)state;
	create(CLIENT_VPS, 1500);
	client_netvsc_hold();
	hv_vmbus_connect();
	assert_true(hv_vmbus_settle(10000000000));
	assert_null(device);
	netvsc_begin();
	assert_non_null(device);
	partition_run(&part);
	transmit(make(FRAME, 60, 0), 0);
	finish(0);
	assert_true(nr_out == 1 && each_answered_once(NET_OK));
}

static void an_adapter_that_goes_before_the_guests_start_is_never_seen(void **state)
{
	(void)state;
	create(CLIENT_VPS, 1500);
	client_netvsc_hold();
	hv_vmbus_connect();
	assert_true(hv_vmbus_settle(10000000000));
	primary()->in.control->write = UINT32_MAX;
	client_event(0, primary()->offer.channel);
	netvsc_begin();
	assert_true(hv_vmbus_settle(10000000000));
	assert_null(device);
	assert_int_equal(removals, 0);
}

/* The host has not taken it away, so it may still look at what it was given, until it says that it does not. */
static void a_broken_adapters_memory_is_the_hosts_until_it_lets_go(void **state)
{
	size_t all = *(size_t *)*state, before;
	struct hv_channel *channel = primary();

	channel->in.control->write = UINT32_MAX;
	client_event(0, channel->offer.channel);
	assert_int_equal(removals, 1);
	before = client_free_pages();
	net_forgotten(device);
	client_event(0, 0);
	assert_true(client_free_pages() < before + 128); /* the receive buffer is not among it */
	partition_run(&part);
	assert_true(client_free_pages() > all);
}

static int setup_alone(void **state)
{
	static size_t free_pages;

	start(1, 1500);
	free_pages = client_free_pages() + 400;
	*state = &free_pages;
	return 0;
}

static int setup_going(void **state)
{
	static size_t free_pages;

	start(CLIENT_VPS, 1500);
	free_pages = client_free_pages() + 500;
	*state = &free_pages;
	return 0;
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
	    TEST(the_adapter_is_described),
	    TEST(frames_of_every_size_go_out),
	    TEST(small_frames_share_a_message),
	    TEST(what_has_no_room_waits_in_order),
	    TEST(what_waits_too_long_is_dropped),
	    TEST(checksums_are_asked_for),
	    TEST(a_checksum_that_cannot_be_placed_is_an_error),
	    TEST(a_large_send_goes_in_parts),
	    TEST(a_large_send_over_ipv6_goes_in_parts),
	    TEST(one_segment_is_not_a_large_send),
	    TEST(frames_come_in),
	    TEST(buffers_are_given_back_in_silence),
	    TEST(a_prompt_answer_is_taken_at_once),
	    TEST(the_host_is_told_of_what_belongs_together_at_once),
	    TEST(segments_come_in_as_one_packet),
	    TEST(a_segment_alone_comes_as_it_is),
	    TEST(segments_stay_apart_where_they_must),
	    TEST(other_frames_keep_their_place),
	    TEST(segments_wait_for_the_guest),
	    TEST(segments_that_wait_stay_as_they_are),
	    TEST(room_that_nobody_waited_for_is_used_for_all),
	    cmocka_unit_test_setup_teardown(an_adapter_that_goes_takes_segments_along, setup_alone,
					    teardown),
	    TEST(frames_wait_for_the_guest),
	    TEST(news_behind_frames_reaches_vp_0),
	    TEST(a_front_end_that_leaves_lets_frames_go),
	    TEST(the_link_is_told),
	    cmocka_unit_test_teardown(a_host_that_does_not_answer_holds_nobody_up, teardown),
	    cmocka_unit_test_teardown(an_adapter_that_is_ready_waits_for_the_guests_start,
				      teardown),
	    cmocka_unit_test_teardown(an_adapter_that_goes_before_the_guests_start_is_never_seen,
				      teardown),
	    cmocka_unit_test_setup_teardown(large_frames_are_carried_where_both_want_it,
					    setup_jumbo, teardown),
	    cmocka_unit_test_setup_teardown(every_vp_has_a_queue, setup_wide, teardown),
	    cmocka_unit_test_teardown(a_queue_that_goes_while_it_opens_holds_nobody_up, teardown),
	    cmocka_unit_test_setup_teardown(what_came_while_its_queue_opened_is_sent, setup_wide,
					    teardown),
	    cmocka_unit_test_setup_teardown(an_adapter_that_goes_answers_everything, setup_going,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_broken_primary_channel_ends_the_others, setup_going,
					    teardown),
	    cmocka_unit_test_setup_teardown(a_broken_adapters_memory_is_the_hosts_until_it_lets_go,
					    setup_alone, teardown),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
