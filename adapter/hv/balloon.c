/* SPDX-License-Identifier: MIT */
#include "adapter/hv/balloon.h"

#include "abi/vmbus/balloon.h"
#include "adapter/hv/timer.h"
#include "adapter/hv/vmbus.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/control.h"
#include "adapter/x86/log.h"
#include "core/string.h"

#define RING_PAGES 4
#define MS         1000000ull

#define LOOK_NS   (100 * MS)  /* while the guest gives pages up */
#define STATUS_NS (2000 * MS) /* between reports */
/* A guest that gives up nothing for so long has no more to give, or no balloon driver. */
#define PATIENCE_NS (5000 * MS)
/* However slowly it gives, the host hears what there is after so long, and may have come to want something else. */
#define INFLATE_NS (10000 * MS)

#define KIB_PER_PAGE 4
#define RANGES_MOST  256u /* in one message, which shall fit a page */

/* Newest first. */
static const uint32_t versions[] = {BALLOON_VERSION_WIN10, BALLOON_VERSION_WIN8,
				    BALLOON_VERSION_WIN7};
#define VERSIONS (sizeof(versions) / sizeof(*versions))

enum balloon_state { BALLOON_VERSION_ASKED, BALLOON_CAPABILITIES_TOLD, BALLOON_READY, BALLOON_OFF };

static struct {
	struct hv_channel *channel; /* NULL: none */
	enum balloon_state state;
	unsigned version; /* index of the one asked for, or agreed on */
	uint32_t transaction;
	uint64_t wanted; /* pages that the host still waits for; 0 with `inflating` off */
	bool inflating;
	uint64_t give_up_at, end_at, report_at;
	uint32_t owed; /* bytes of `message` that the ring had no room for */
} balloon;

/* What is being sent; larger than a stack should hold. */
static struct {
	struct balloon_header header;
	union {
		struct balloon_version_request version;
		struct balloon_capabilities capabilities;
		struct balloon_status status;
		struct balloon_hot_add_response hot_add;
		struct {
			struct balloon_inflate_response head;
			uint64_t range[RANGES_MOST];
		} inflate;
	};
} message;

static bool send_message(void)
{
	enum vmbus_ring_result result =
	    hv_channel_send_message(balloon.channel, &message, balloon.owed, 0);

	if (result != VMBUS_RING_FULL)
		balloon.owed = 0;
	return !balloon.owed;
}

/* False where it waits for room; nothing else can be said until then. */
static bool say(enum balloon_message type, size_t body)
{
	balloon.owed = (uint32_t)(sizeof(message.header) + body);
	message.header.type = (uint16_t)type;
	message.header.size = (uint16_t)balloon.owed;
	message.header.transaction = ++balloon.transaction;
	return send_message();
}

static void ask_version(void)
{
	balloon.state = BALLOON_VERSION_ASKED;
	message.version = (struct balloon_version_request){
	    .version = versions[balloon.version],
	    .last = balloon.version == VERSIONS - 1,
	};
	say(BALLOON_VERSION_REQUEST, sizeof(message.version));
}

/* What a Linux of that size needs to live, roughly as its own driver for Hyper-V reckons. */
static uint64_t least_pages(void)
{
	uint64_t all = xen_control_memory_now() / KIB_PER_PAGE;

	return (64 << 10) / KIB_PER_PAGE + all / 8;
}

static void tell_capabilities(void)
{
	balloon.state = BALLOON_CAPABILITIES_TOLD;
	message.capabilities = (struct balloon_capabilities){
	    .flags = BALLOON_CAN_INFLATE,
	    .least_pages = least_pages(),
	    .highest_page = UINT64_MAX,
	};
	say(BALLOON_CAPABILITIES, sizeof(message.capabilities));
}

static void look(void);
static struct hv_alarm alarm = {.ring = look};

static void look_in(uint64_t ns)
{
	hv_alarm_set(&alarm, clock_now() + ns);
}

static void on_version(bool accepted)
{
	if (balloon.state != BALLOON_VERSION_ASKED)
		return;
	if (accepted) {
		tell_capabilities();
	} else if (++balloon.version < VERSIONS) {
		ask_version();
	} else {
		log_warning("dynamic memory: the host knows none of our versions");
		balloon.state = BALLOON_OFF;
	}
}

static void on_capabilities(bool accepted)
{
	if (balloon.state != BALLOON_CAPABILITIES_TOLD)
		return;
	balloon.state = accepted ? BALLOON_READY : BALLOON_OFF;
	if (!accepted)
		return;
	log_info("dynamic memory: version %u.%u", versions[balloon.version] >> 16,
		 versions[balloon.version] & 0xffff);
	balloon.report_at = clock_now();
	look_in(0);
}

/* KiB that the guest's agent says are free, if there is one. */
static uint64_t free_kib(void)
{
	char text[24];
	uint64_t kib = 0;

	if (xen_control_read("data/meminfo_free", text, sizeof(text)) <= 0)
		return 0;
	for (const char *c = text; *c >= '0' && *c <= '9' && kib < 1ull << 50; c++)
		kib = 10 * kib + (uint64_t)(*c - '0');
	return kib;
}

/* Without an agent all that the guest has counts as needed. */
static void report(void)
{
	uint64_t have = xen_control_memory_now(), available = free_kib();

	if (available > have)
		available = have;
	message.status = (struct balloon_status){
	    .available = available / KIB_PER_PAGE,
	    .committed = (have - available) / KIB_PER_PAGE,
	};
	say(BALLOON_STATUS, sizeof(message.status));
	balloon.report_at = clock_now() + STATUS_NS;
}

/* Pages that the guest has given up, as ranges, as many as the host wants and a message holds. Neighbours come one after the other, up or down. */
static uint32_t take_ranges(uint64_t *range, uint64_t *taken)
{
	uint64_t first = 0, count = 0, frame;
	uint32_t ranges = 0;

	for (*taken = 0; *taken < balloon.wanted && xen_control_page_take(&frame); (*taken)++) {
		bool above = count && frame == first + count, below = count && frame + 1 == first;

		if ((above || below) && count < BALLOON_RANGE_MOST) {
			first -= below;
			count++;
			range[ranges - 1] = BALLOON_RANGE(first, count);
			continue;
		}
		if (ranges == RANGES_MOST) {
			xen_control_page_give(frame);
			break;
		}
		first = frame;
		count = 1;
		range[ranges++] = BALLOON_RANGE(first, count);
	}
	return ranges;
}

static void end_inflating(void)
{
	balloon.inflating = false;
	/* The guest shall not go on giving, nor take pages that it has not got back. */
	if (balloon.wanted)
		xen_control_memory(xen_control_memory_now());
	balloon.wanted = 0;
}

/* One response, the last one or not; false where the rest has to wait. */
static bool hand_over(void)
{
	uint64_t taken, now = clock_now();
	uint32_t ranges = take_ranges(message.inflate.range, &taken);
	bool last;

	balloon.wanted -= taken;
	if (taken)
		balloon.give_up_at = now + PATIENCE_NS;
	last = !balloon.wanted || now >= balloon.give_up_at || now >= balloon.end_at;
	if (!taken && !last)
		return false;
	message.inflate.head =
	    (struct balloon_inflate_response){.count_and_more = ranges << 1 | !last};
	if (last)
		end_inflating();
	return say(BALLOON_INFLATE_RESPONSE,
		   sizeof(message.inflate.head) + ranges * sizeof(uint64_t)) &&
	       !last;
}

static void on_inflate(const struct balloon_inflate *request)
{
	uint64_t now = xen_control_memory_now() / KIB_PER_PAGE, least = least_pages();
	uint64_t waiting = xen_control_pages_waiting(), target;

	balloon.inflating = true;
	balloon.wanted = request->pages;
	balloon.give_up_at = clock_now() + PATIENCE_NS;
	balloon.end_at = clock_now() + INFLATE_NS;
	/* What waits already the guest need not give. */
	target = balloon.wanted > waiting ? balloon.wanted - waiting : 0;
	target = now > target + least ? now - target : now < least ? now : least;
	if (target < now)
		xen_control_memory(target * KIB_PER_PAGE);
	else if (!waiting)
		balloon.give_up_at = 0;
	look_in(0);
}

/* The body is the host's: ranges beyond the message's end are not looked at. */
static void on_deflate(const uint8_t *body, uint32_t length)
{
	struct balloon_deflate request;
	uint64_t given = 0, range;
	uint32_t most = (length - sizeof(request)) / sizeof(range);

	memcpy(&request, body, sizeof(request));
	for (uint32_t i = 0; i < request.ranges && i < most; i++) {
		memcpy(&range, body + sizeof(request) + i * sizeof(range), sizeof(range));
		for (uint64_t k = 0; k < BALLOON_RANGE_COUNT(range); k++, given++)
			if (!xen_control_page_give(BALLOON_RANGE_FIRST(range) + k))
				break;
	}
	if (given)
		xen_control_memory(xen_control_memory_now() +
				   xen_control_pages_waiting() * KIB_PER_PAGE);
	if (!(request.more & 1))
		say(BALLOON_DEFLATE_RESPONSE, 0);
}

/* It was never offered; but whoever asks is answered. */
static void on_hot_add(void)
{
	message.hot_add = (struct balloon_hot_add_response){0};
	say(BALLOON_HOT_ADD_RESPONSE, sizeof(message.hot_add));
}

static bool accepted(const uint8_t *body, uint32_t length)
{
	struct balloon_accept answer;

	if (length < sizeof(answer))
		return false;
	memcpy(&answer, body, sizeof(answer));
	return answer.accepted & 1;
}

static void handle(uint16_t type, const uint8_t *body, uint32_t length)
{
	switch (type) {
	case BALLOON_VERSION_RESPONSE: on_version(accepted(body, length)); return;
	case BALLOON_CAPABILITIES_RESPONSE: on_capabilities(accepted(body, length)); return;
	case BALLOON_HOT_ADD: on_hot_add(); return;
	default: break;
	}
	if (balloon.state != BALLOON_READY)
		return;
	if (type == BALLOON_INFLATE && length >= sizeof(struct balloon_inflate))
		on_inflate((const struct balloon_inflate *)body);
	else if (type == BALLOON_DEFLATE && length >= sizeof(struct balloon_deflate))
		on_deflate(body, length);
}

/* One request at a time, and none before the last answer is on its way. */
static bool packet(struct hv_channel *channel, const struct vmbus_in_packet *in)
{
	struct balloon_header header;

	if (channel != balloon.channel || in->type != VMBUS_PACKET_IN_BAND ||
	    in->payload_length < sizeof(header))
		return true;
	if (balloon.inflating || (balloon.owed && !send_message()))
		return false;
	memcpy(&header, in->payload, sizeof(header));
	if (header.size >= sizeof(header) && header.size <= in->payload_length)
		handle(header.type, in->payload + sizeof(header),
		       (uint32_t)(header.size - sizeof(header)));
	return true;
}

/* What the ring had no room for; the next request may have been put off for its sake. */
static void send_late(void)
{
	if (send_message())
		hv_channel_resume(balloon.channel);
}

static void drained(struct hv_channel *channel)
{
	if (channel == balloon.channel && balloon.owed)
		send_late();
}

/* The alarm. */
static void look(void)
{
	if (!balloon.channel || balloon.state != BALLOON_READY)
		return;
	look_in(balloon.inflating ? LOOK_NS : STATUS_NS);
	if (balloon.owed) {
		send_late();
		return;
	}
	if (balloon.inflating) {
		while (hand_over())
			;
		if (!balloon.inflating)
			hv_channel_resume(balloon.channel);
	} else if (clock_now() >= balloon.report_at) {
		report();
	}
}

static void forget(void)
{
	balloon.channel = NULL;
	balloon.owed = 0;
	if (balloon.inflating)
		end_inflating();
}

static void offered(struct hv_channel *channel)
{
	if (balloon.channel)
		return;
	balloon.channel = channel;
	if (!hv_channel_open(channel, RING_PAGES, RING_PAGES, 0))
		forget();
}

static void opened(struct hv_channel *channel, bool good)
{
	(void)channel;
	if (!good) {
		forget();
		return;
	}
	balloon.version = 0;
	ask_version();
}

static void rescinded(struct hv_channel *channel)
{
	if (channel == balloon.channel)
		forget();
	hv_channel_release(channel);
}

void balloon_init(void)
{
	static const struct hv_driver driver = {
	    .name = "dynamic memory",
	    .type = BALLOON_TYPE,
	    .offered = offered,
	    .opened = opened,
	    .packet = packet,
	    .drained = drained,
	    .rescinded = rescinded,
	};

	hv_vmbus_register(&driver);
}
