/* SPDX-License-Identifier: MIT */
/* The guest's integration components: against our host's services in one process, and by packets that no such host sends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include <linux/hyperv.h>

#include "core/utf16.h"
#include "host/ic/services.h"
#include "tests/host/fake_hv.h"

#define SECONDS_FROM_1601 11644473600ull

struct world {
	struct fake_guest guest;
	struct ic_services host;
};

static uint64_t reference(void *context)
{
	(void)context;
	return fake_seam.now / 100;
}

static int setup(void **state)
{
	static uint64_t progress;
	struct world *w = calloc(1, sizeof(*w));

	*state = w;
	fake_create(&w->guest);
	w->host.timesync.reference = reference;
	assert_int_equal(ic_services_init(&w->host, w->guest.bus, &w->guest.loop), 0);
	fake_hv_reset();
	fake_seam.progress = ++progress;
	fake_seam.now = 5000000000;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fake_hv_reset();
	ic_services_destroy(&w->host);
	fake_destroy(&w->guest);
	free(w);
	return 0;
}

static int setup_alone(void **state)
{
	(void)state;
	fake_hv_reset();
	return 0;
}

/* Of two sides the newest version that both know. */
static void the_newest_common_versions_are_spoken(void **state)
{
	struct world *w = *state;

	fake_hv_connect(&w->guest);
	assert_int_equal(hv_ic_shutdown.version, IC_VERSION(3, 2));
	assert_int_equal(hv_ic_heartbeat.version, IC_VERSION(3, 0));
	assert_int_equal(hv_ic_timesync.version, IC_VERSION(4, 0));
	assert_int_equal(hv_ic_kvp.version, IC_VERSION(3, 0));
	assert_int_equal(w->host.kvp.ic.message_version, IC_VERSION(3, 0));
}

static void the_host_hears_whether_the_guest_took_its_request(void **state)
{
	struct world *w = *state;

	fake_hv_connect(&w->guest);
	fake_seam.listens = true;
	assert_true(ic_shutdown(&w->host.shutdown, false));
	fake_hv_pump();
	assert_int_equal(fake_seam.asked, 1);
	assert_int_equal(fake_seam.what, CONTROL_POWER_OFF);
	assert_int_equal(w->host.shutdown.ic.state, IC_WAITING);
	control_shutdown_taken(true);
	assert_int_equal(w->host.shutdown.ic.state, IC_READY);
	assert_false(w->host.shutdown.refused);

	assert_true(ic_shutdown(&w->host.shutdown, true));
	fake_hv_pump();
	assert_int_equal(fake_seam.what, CONTROL_REBOOT);
	control_shutdown_taken(false);
	assert_true(w->host.shutdown.refused);
}

static void a_guest_that_does_not_listen_refuses_at_once(void **state)
{
	struct world *w = *state;

	fake_hv_connect(&w->guest);
	assert_true(ic_shutdown(&w->host.shutdown, false));
	fake_hv_pump();
	assert_int_equal(w->host.shutdown.ic.state, IC_READY);
	assert_true(w->host.shutdown.refused);
}

static void the_heart_beats_only_while_the_guest_gets_on(void **state)
{
	struct world *w = *state;
	uint64_t sequence;

	fake_hv_connect(&w->guest);
	sequence = w->host.heartbeat.sequence;
	assert_true(sequence != 0 && w->host.heartbeat.last != 0);
	w->host.heartbeat.last = 0;
	ic_tick(&w->host.heartbeat.ic);
	fake_hv_pump(); /* no progress since */
	assert_int_equal(w->host.heartbeat.last, 0);
	fake_seam.progress++;
	ic_tick(&w->host.heartbeat.ic);
	fake_hv_pump();
	assert_int_not_equal(w->host.heartbeat.last, 0);
}

static void the_hosts_time_becomes_the_wall_clock(void **state)
{
	struct world *w = *state;
	uint64_t now;

	fake_hv_connect(&w->guest);
	now = fake_seam.wall.sec + fake_seam.now / 1000000000;
	assert_in_range(now, (uint64_t)time(NULL) - 2, (uint64_t)time(NULL) + 1);
	assert_int_equal(fake_seam.wall_changes, 1);
}

static const char *item(const struct ic_kvp_service *kvp, const char *key)
{
	for (unsigned i = 0; i < kvp->count; i++)
		if (!strcmp(kvp->item[i].key, key))
			return kvp->item[i].value;
	return NULL;
}

static void the_host_reads_what_the_guests_agent_wrote(void **state)
{
	struct world *w = *state;
	const struct ic_kvp_service *kvp = &w->host.kvp;

	xen_control_write("data/host_name", "b\xc3\xa4r.example");
	xen_control_write("data/os_name", "Debian GNU/Linux 12 (bookworm)");
	xen_control_write("attr/vif/0/ipv4/0", "10.0.2.15");
	xen_control_write("attr/vif/0/ipv6/0", "fe80::1");
	xen_control_write("attr/vif/1/ipv4/0", "10.0.3.1");
	xen_control_write("attr/vif/1/ipv4/1", "10.0.3.2");
	fake_hv_connect(&w->guest);
	assert_string_equal(item(kvp, "FullyQualifiedDomainName"), "b\xc3\xa4r.example");
	assert_string_equal(item(kvp, "OSName"), "Debian GNU/Linux 12 (bookworm)");
	assert_string_equal(item(kvp, "NetworkAddressIPv4"), "10.0.2.15;10.0.3.1;10.0.3.2");
	assert_string_equal(item(kvp, "NetworkAddressIPv6"), "fe80::1");
	assert_string_equal(item(kvp, "ProcessorArchitecture"), "x86_64");
	assert_null(item(kvp, "OSMajorVersion"));
}

static void a_guest_without_an_agent_still_has_a_pool(void **state)
{
	struct world *w = *state;

	fake_hv_connect(&w->guest);
	assert_int_equal(w->host.kvp.count, 2);
}

/* From here on without the host. */
struct message {
	struct ic_header header;
	uint8_t body[2600];
} __attribute__((packed));

static struct message message;

static void ask(struct hv_channel *channel, uint16_t type, const void *body, uint32_t length)
{
	static uint8_t transaction;

	memset(&message, 0, sizeof(message));
	message.header = (struct ic_header){
	    .framework_version = IC_VERSION(3, 0),
	    .type = type,
	    .size = (uint16_t)length,
	    .transaction = ++transaction,
	    .flags = IC_FLAG_TRANSACTION | IC_FLAG_REQUEST,
	};
	memcpy(message.body, body, length);
	fake_hv_packet(channel, &message, sizeof(message.header) + length, 1000 + transaction);
}

/* The answer to the question asked last. */
static const struct message *answer(void)
{
	const struct message *a = (const struct message *)fake_answer.bytes;

	assert_int_equal(fake_answer.transaction, 1000 + message.header.transaction);
	assert_int_equal(a->header.transaction, message.header.transaction);
	assert_int_equal(a->header.flags, IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE);
	assert_int_equal(a->header.type, message.header.type);
	return a;
}

static uint32_t status_of(struct hv_channel *channel, uint16_t type, const void *body,
			  uint32_t length)
{
	unsigned before = fake_answer.count;

	ask(channel, type, body, length);
	assert_int_equal(fake_answer.count, before + 1);
	return answer()->header.status;
}

static uint32_t offer_versions(struct hv_channel *channel, uint32_t framework, uint32_t version)
{
	const struct {
		struct ic_negotiate head;
		uint32_t framework[2], message[2];
	} __attribute__((packed))
	body = {{2, 2, 0}, {IC_VERSION(9, 0), framework}, {IC_VERSION(9, 9), version}};

	return status_of(channel, IC_NEGOTIATE, &body, sizeof(body));
}

static struct hv_channel *open_with(struct hv_ic *ic, uint32_t version)
{
	struct hv_channel *channel = fake_hv_open(ic);

	assert_int_equal(offer_versions(channel, IC_VERSION(3, 0), version), IC_STATUS_SUCCESS);
	assert_int_equal(ic->version, version);
	return channel;
}

static void versions_that_nobody_knows_are_told_so(void **state)
{
	struct hv_channel *channel = fake_hv_open(&hv_ic_heartbeat);
	const struct ic_negotiate many = {60000, 60000, 0};
	struct ic_negotiate head;

	(void)state;
	offer_versions(channel, IC_VERSION(3, 0), IC_VERSION(7, 0));
	memcpy(&head, answer()->body, sizeof(head));
	assert_int_equal(head.framework_count + head.message_count, 0);
	offer_versions(channel, IC_VERSION(2, 0), IC_VERSION(3, 0));
	memcpy(&head, answer()->body, sizeof(head));
	assert_int_equal(head.framework_count + head.message_count, 0);
	assert_int_equal(status_of(channel, IC_NEGOTIATE, &many, sizeof(many)), IC_STATUS_FAIL);
	assert_int_equal(status_of(channel, IC_NEGOTIATE, "abc", 3), IC_STATUS_FAIL);
	/* Nothing is served before. */
	assert_int_equal(status_of(channel, IC_HEARTBEAT, &many, 0), IC_STATUS_NOT_SUPPORTED);
}

static void questions_of_another_service_are_declined(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_heartbeat, IC_VERSION(3, 0));
	const struct ic_heartbeat beat = {0};

	(void)state;
	assert_int_equal(status_of(channel, IC_SHUTDOWN, &beat, sizeof(beat)),
			 IC_STATUS_NOT_SUPPORTED);
	assert_int_equal(status_of(channel, IC_HEARTBEAT, &beat, sizeof(beat) - 1), IC_STATUS_FAIL);
	fake_hv_packet(channel, &message, sizeof(message.header) - 1, 1); /* no question */
}

static void one_request_to_end_at_a_time(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_shutdown, IC_VERSION(3, 2));
	const struct ic_shutdown off = {0}, restart = {.flags = IC_SHUTDOWN_RESTART};
	unsigned before = fake_answer.count;

	(void)state;
	fake_seam.listens = true;
	ask(channel, IC_SHUTDOWN, &off, sizeof(off));
	ask(channel, IC_SHUTDOWN, &restart, sizeof(restart));
	assert_int_equal(fake_answer.count, before);
	assert_int_equal(fake_seam.asked, 1);
	control_shutdown_taken(false);
	assert_int_equal(fake_answer.count, before + 1);
	assert_int_equal(fake_seam.asked, 2);
	assert_int_equal(fake_seam.what, CONTROL_REBOOT);
	control_shutdown_taken(true);
	assert_int_equal(answer()->header.status, IC_STATUS_SUCCESS);
	assert_int_equal(fake_answer.count, before + 2);
}

static void hibernation_is_declined(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_shutdown, IC_VERSION(3, 2));
	const struct ic_shutdown sleep = {.flags = IC_SHUTDOWN_SLEEP};

	(void)state;
	fake_seam.listens = true;
	assert_int_equal(status_of(channel, IC_SHUTDOWN, &sleep, sizeof(sleep)),
			 IC_STATUS_NOT_SUPPORTED);
	assert_int_equal(fake_seam.asked, 0);
}

static void a_channel_taken_away_owes_nothing(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_shutdown, IC_VERSION(3, 2)), *again;
	const struct ic_shutdown off = {0};
	unsigned before;

	(void)state;
	fake_seam.listens = true;
	ask(channel, IC_SHUTDOWN, &off, sizeof(off));
	before = fake_answer.count;
	fake_hv_rescind(channel);
	control_shutdown_taken(true);
	assert_int_equal(fake_answer.count, before);
	again = open_with(&hv_ic_shutdown, IC_VERSION(3, 1));
	ask(again, IC_SHUTDOWN, &off, sizeof(off));
	control_shutdown_taken(true);
	assert_int_equal(answer()->header.status, IC_STATUS_SUCCESS);
}

static void an_answer_waits_for_room(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_heartbeat, IC_VERSION(3, 0));
	const struct ic_heartbeat beat = {.sequence = 7};
	struct ic_heartbeat got;
	unsigned before = fake_answer.count;

	(void)state;
	fake_seam.progress = 99;
	fake_answer.full = true;
	ask(channel, IC_HEARTBEAT, &beat, sizeof(beat));
	fake_hv_drained(channel);
	assert_int_equal(fake_answer.count, before);
	fake_answer.full = false;
	fake_hv_drained(channel);
	assert_int_equal(fake_answer.count, before + 1);
	memcpy(&got, answer()->body, sizeof(got));
	assert_int_equal(got.sequence, 8);
}

/* Room that comes between the question, which waits behind the answer, and the second attempt: nobody else would take the question up. */
static void a_question_behind_an_answer_that_waited_is_heard(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_heartbeat, IC_VERSION(3, 0));
	const struct ic_heartbeat beat = {.sequence = 7}, next = {.sequence = 17};
	struct ic_heartbeat got;
	unsigned before = fake_answer.count;

	(void)state;
	fake_seam.progress = 199;
	fake_answer.full = true;
	ask(channel, IC_HEARTBEAT, &beat, sizeof(beat));
	fake_seam.progress++;
	ask(channel, IC_HEARTBEAT, &next, sizeof(next));
	fake_answer.full = false;
	channel->driver->drained(channel);
	assert_int_equal(fake_answer.count, before + 2);
	memcpy(&got, answer()->body, sizeof(got));
	assert_int_equal(got.sequence, 18);
}

static uint64_t hns(uint64_t seconds)
{
	return (seconds + SECONDS_FROM_1601) * 10000000;
}

static void samples_step_the_clock_only_when_it_is_far_off(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_timesync, IC_VERSION(4, 0));
	struct ic_timesync4 t = {.flags = IC_TIMESYNC_SAMPLE};

	(void)state;
	fake_seam.now = 100 * 1000000000ull;
	fake_seam.wall = (struct clock_wall){1000, 0};
	t.reference = fake_seam.now / 100 - 20000000; /* two seconds on its way */
	t.parent = hns(1000 + 98) + 4000000;          /* 0.4 s */
	assert_int_equal(status_of(channel, IC_TIMESYNC, &t, sizeof(t)), IC_STATUS_SUCCESS);
	assert_int_equal(fake_seam.wall_changes, 0);
	t.flags = IC_TIMESYNC_PROBE;
	t.parent = hns(5000 + 98);
	assert_int_equal(status_of(channel, IC_TIMESYNC, &t, sizeof(t)), IC_STATUS_SUCCESS);
	assert_int_equal(fake_seam.wall_changes, 0);
	t.flags = IC_TIMESYNC_SAMPLE;
	t.parent = hns(900 + 98) + 5000;
	assert_int_equal(status_of(channel, IC_TIMESYNC, &t, sizeof(t)), IC_STATUS_SUCCESS);
	assert_int_equal(fake_seam.wall_changes, 1);
	assert_int_equal(fake_seam.wall.sec, 900);
	assert_int_equal(fake_seam.wall.nsec, 500000);
	t.flags = IC_TIMESYNC_SYNC;
	t.parent += 100000; /* 10 ms */
	assert_int_equal(status_of(channel, IC_TIMESYNC, &t, sizeof(t)), IC_STATUS_SUCCESS);
	assert_int_equal(fake_seam.wall.nsec, 10500000);
}

/* The adapter waits for the time before it starts the guest, but only where it may come. */
static void the_time_comes_until_it_is_told(void **state)
{
	const struct ic_timesync4 t = {.parent = hns(5000), .flags = IC_TIMESYNC_SYNC};
	struct hv_channel *channel;

	(void)state;
	assert_false(hv_ic_time_comes());
	channel = open_with(&hv_ic_timesync, IC_VERSION(4, 0));
	assert_true(hv_ic_time_comes());
	status_of(channel, IC_TIMESYNC, &t, sizeof(t));
	assert_false(hv_ic_time_comes());
	fake_hv_rescind(channel);
	assert_false(hv_ic_time_comes());
	open_with(&hv_ic_timesync, IC_VERSION(4, 0));
	assert_true(hv_ic_time_comes());
}

/* Before 1970 was, after 2400, a reference time that is not the partition's. */
static void times_that_make_no_sense_are_not_taken(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_timesync, IC_VERSION(4, 0));
	struct ic_timesync4 t = {.flags = IC_TIMESYNC_SYNC};

	(void)state;
	fake_seam.now = 100 * 1000000000ull;
	assert_int_equal(status_of(channel, IC_TIMESYNC, &t, sizeof(t)), IC_STATUS_FAIL);
	t.parent = UINT64_MAX;
	assert_int_equal(status_of(channel, IC_TIMESYNC, &t, sizeof(t)), IC_STATUS_FAIL);
	assert_int_equal(fake_seam.wall_changes, 0);
	t.parent = hns(5000);
	t.reference = UINT64_MAX;
	assert_int_equal(status_of(channel, IC_TIMESYNC, &t, sizeof(t)), IC_STATUS_SUCCESS);
	assert_int_equal(fake_seam.wall.sec, 4900);
}

static void an_old_host_tells_the_time_too(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_timesync, IC_VERSION(3, 0));
	const struct ic_timesync t = {.parent = hns(5000), .flags = IC_TIMESYNC_SYNC};

	(void)state;
	fake_seam.now = 10 * 1000000000ull;
	assert_int_equal(status_of(channel, IC_TIMESYNC, &t, sizeof(t)), IC_STATUS_SUCCESS);
	assert_int_equal(fake_seam.wall.sec, 4990);
}

static struct ic_kvp_access access_to(uint8_t operation, uint8_t pool, const char *key,
				      const char *value)
{
	struct ic_kvp_access m = {.head = {.operation = operation, .pool = pool},
				  .data.type = IC_KVP_STRING};

	m.data.key_size = (uint32_t)utf8_to_utf16(m.data.key, sizeof(m.data.key), key);
	m.data.value_size = (uint32_t)utf8_to_utf16(m.data.value, sizeof(m.data.value), value);
	return m;
}

static uint32_t do_access(struct hv_channel *channel, uint8_t operation, uint8_t pool,
			  const char *key, const char *value)
{
	struct ic_kvp_access m = access_to(operation, pool, key, value);

	return status_of(channel, IC_KVP, &m, sizeof(m));
}

static void assert_got(const char *value)
{
	char text[3072];
	struct ic_kvp_access m;

	memcpy(&m, answer()->body, sizeof(m));
	assert_int_equal(m.data.type, IC_KVP_STRING);
	utf16_to_utf8(text, sizeof(text), m.data.value, m.data.value_size);
	assert_string_equal(text, value);
}

static void the_hosts_pairs_reach_the_guest_and_go(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_kvp, IC_VERSION(3, 0));
	struct ic_kvp_access number = access_to(IC_KVP_SET, IC_KVP_AUTO_EXTERNAL, "n", "");
	struct ic_kvp list = {.operation = IC_KVP_ENUMERATE, .pool = IC_KVP_EXTERNAL};
	char value[64];

	(void)state;
	assert_int_equal(do_access(channel, IC_KVP_SET, IC_KVP_EXTERNAL, "colour", "gr\xc3\xbcn"),
			 IC_STATUS_SUCCESS);
	assert_int_equal(xen_control_read("vm-data/colour", value, sizeof(value)), 5);
	assert_string_equal(value, "gr\xc3\xbcn");
	assert_int_equal(do_access(channel, IC_KVP_GET, IC_KVP_EXTERNAL, "colour", ""),
			 IC_STATUS_SUCCESS);
	assert_got("gr\xc3\xbcn");
	assert_int_equal(status_of(channel, IC_KVP, &list, sizeof(list)), IC_STATUS_SUCCESS);
	list.index = 1;
	assert_int_equal(status_of(channel, IC_KVP, &list, sizeof(list)), IC_STATUS_NO_MORE_ITEMS);
	number.data.type = IC_KVP_U32;
	memcpy(number.data.value, &(uint32_t){4000000000}, 4);
	assert_int_equal(status_of(channel, IC_KVP, &number, sizeof(number)), IC_STATUS_SUCCESS);
	xen_control_read("host/n", value, sizeof(value));
	assert_string_equal(value, "4000000000");
	/* A deletion is laid out otherwise. */
	struct ic_kvp_delete gone = {.head = {.operation = IC_KVP_DELETE}};
	gone.key_size = (uint32_t)utf8_to_utf16(gone.key, sizeof(gone.key), "colour");
	assert_int_equal(status_of(channel, IC_KVP, &gone, sizeof(gone)), IC_STATUS_SUCCESS);
	assert_int_equal(status_of(channel, IC_KVP, &gone, sizeof(gone)), IC_STATUS_NO_MORE_ITEMS);
	assert_int_equal(xen_control_read("vm-data/colour", value, sizeof(value)), -1);
}

static void what_is_the_guests_the_host_cannot_write(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_kvp, IC_VERSION(3, 0));
	struct ic_kvp_head other = {.operation = 4};
	struct ic_kvp_access m;

	(void)state;
	xen_control_write("data/k", "v");
	assert_int_equal(do_access(channel, IC_KVP_SET, IC_KVP_GUEST, "k", "w"), IC_STATUS_FAIL);
	assert_int_equal(do_access(channel, IC_KVP_SET, IC_KVP_AUTO, "OSName", "w"),
			 IC_STATUS_FAIL);
	assert_int_equal(do_access(channel, IC_KVP_SET, 9, "k", "w"), IC_STATUS_FAIL);
	assert_int_equal(do_access(channel, IC_KVP_SET, IC_KVP_EXTERNAL, "../k", "w"),
			 IC_STATUS_FAIL);
	assert_int_equal(do_access(channel, IC_KVP_SET, IC_KVP_EXTERNAL, "", "w"), IC_STATUS_FAIL);
	assert_int_equal(do_access(channel, IC_KVP_GET, IC_KVP_GUEST, "k", ""), IC_STATUS_SUCCESS);
	assert_got("v");
	assert_int_equal(do_access(channel, IC_KVP_GET, IC_KVP_GUEST, "l", ""),
			 IC_STATUS_NO_MORE_ITEMS);
	assert_int_equal(status_of(channel, IC_KVP, &other, sizeof(other)),
			 IC_STATUS_NOT_SUPPORTED);
	m = access_to(IC_KVP_SET, IC_KVP_EXTERNAL, "k", "w");
	m.data.key_size = UINT32_MAX;
	assert_int_equal(status_of(channel, IC_KVP, &m, sizeof(m)), IC_STATUS_FAIL);
	m = access_to(IC_KVP_SET, IC_KVP_EXTERNAL, "k", "w");
	assert_int_equal(status_of(channel, IC_KVP, &m, sizeof(m) - 1), IC_STATUS_FAIL);
}

static void the_host_cannot_fill_the_store(void **state)
{
	struct hv_channel *channel = open_with(&hv_ic_kvp, IC_VERSION(3, 0));
	char key[8];

	(void)state;
	for (unsigned i = 0; i < 64; i++) {
		snprintf(key, sizeof(key), "k%u", i);
		assert_int_equal(do_access(channel, IC_KVP_SET, IC_KVP_EXTERNAL, key, "v"),
				 IC_STATUS_SUCCESS);
	}
	assert_int_equal(do_access(channel, IC_KVP_SET, IC_KVP_EXTERNAL, "more", "v"),
			 IC_STATUS_FAIL);
	assert_int_equal(do_access(channel, IC_KVP_SET, IC_KVP_EXTERNAL, "k1", "w"),
			 IC_STATUS_SUCCESS);
}

static void the_layouts_are_those_of_linux(void **state)
{
	(void)state;
	assert_int_equal(offsetof(struct ic_kvp_access, data),
			 offsetof(struct hv_kvp_msg, body.kvp_get.data));
	assert_int_equal(offsetof(struct ic_kvp_access, data),
			 offsetof(struct hv_kvp_msg, body.kvp_set.data));
	assert_int_equal(offsetof(struct ic_kvp_delete, key_size),
			 offsetof(struct hv_kvp_msg, body.kvp_delete.key_size));
	assert_int_equal(offsetof(struct ic_kvp_delete, key),
			 offsetof(struct hv_kvp_msg, body.kvp_delete.key));
	assert_int_equal(sizeof(struct ic_kvp_head), sizeof(struct hv_kvp_hdr));
	assert_int_equal(IC_KVP_U32, REG_U32);
	assert_int_equal(IC_KVP_U64, REG_U64);
	assert_int_equal(IC_KVP_DELETE, KVP_OP_DELETE);
	assert_int_equal(IC_KVP_AUTO_EXTERNAL, KVP_POOL_AUTO_EXTERNAL);
}

#define HOSTED(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
#define ALONE(f)  cmocka_unit_test_setup_teardown(f, setup_alone, setup_alone)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    HOSTED(the_newest_common_versions_are_spoken),
	    HOSTED(the_host_hears_whether_the_guest_took_its_request),
	    HOSTED(a_guest_that_does_not_listen_refuses_at_once),
	    HOSTED(the_heart_beats_only_while_the_guest_gets_on),
	    HOSTED(the_hosts_time_becomes_the_wall_clock),
	    HOSTED(the_host_reads_what_the_guests_agent_wrote),
	    HOSTED(a_guest_without_an_agent_still_has_a_pool),
	    ALONE(versions_that_nobody_knows_are_told_so),
	    ALONE(questions_of_another_service_are_declined),
	    ALONE(one_request_to_end_at_a_time),
	    ALONE(hibernation_is_declined),
	    ALONE(a_channel_taken_away_owes_nothing),
	    ALONE(an_answer_waits_for_room),
	    ALONE(a_question_behind_an_answer_that_waited_is_heard),
	    ALONE(samples_step_the_clock_only_when_it_is_far_off),
	    ALONE(the_time_comes_until_it_is_told),
	    ALONE(times_that_make_no_sense_are_not_taken),
	    ALONE(an_old_host_tells_the_time_too),
	    ALONE(the_hosts_pairs_reach_the_guest_and_go),
	    ALONE(what_is_the_guests_the_host_cannot_write),
	    ALONE(the_host_cannot_fill_the_store),
	    cmocka_unit_test(the_layouts_are_those_of_linux),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
