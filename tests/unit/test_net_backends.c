/* SPDX-License-Identifier: MIT */
/* What a network adapter is plugged into: how forwards are named, and an interface that goes away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/net.h"

/* A port that was free a moment ago. */
static unsigned free_port(void)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	socklen_t length = sizeof(address);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &length), 0);
	close(fd);
	return ntohs(address.sin_port);
}

static bool forwards(const char *format)
{
	char text[64];
	const char *forward = text;
	struct net_backend *backend;
	struct loop loop;

	snprintf(text, sizeof(text), format, free_port());
	assert_int_equal(loop_init(&loop), 0);
	backend = net_slirp_create(&loop, &forward, 1);
	if (backend) {
		backend->ops->destroy(backend);
	}
	loop_destroy(&loop);
	return backend;
}

#pragma GCC diagnostic ignored "-Wformat-nonliteral"

static void either_address_of_a_forward_may_be_left_out(void **state)
{
	(void)state;
	assert_true(forwards("tcp::%u-:22"));
	assert_true(forwards("udp::%u-:53"));
	assert_true(forwards("tcp:127.0.0.1:%u-:22"));
	assert_true(forwards("tcp::%u-10.0.2.15:22"));
	assert_true(forwards("tcp:127.0.0.1:%u-10.0.2.15:22"));
}

static void a_forward_that_makes_no_sense_is_refused(void **state)
{
	static const char *const wrong[] = {"",
					    "tcp",
					    "tcp:",
					    "tcp::",
					    "icmp::%u-:22",
					    "tcp::0-:22",
					    "tcp::%u-:0",
					    "tcp::%u-:65536",
					    "tcp::%u-:99999999999999999999",
					    "tcp::%u-:22x",
					    "tcp::%u:22",
					    "tcp::%u-22",
					    "tcp:localhost:%u-:22",
					    "tcp:127.0.0:%u-:22",
					    "tcp:1.2.3.4.5.6.7.8.9:%u-:22",
					    "tcp::-%u-:22",
					    "tcp:: %u-:22",
					    "tcp::%u-:+22",
					    "tcpx::%u-:22"};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		assert_false(forwards(wrong[i]));
	}
}

static bool receive(void *adapter, const uint8_t *frame, uint32_t length, bool checked)
{
	(void)adapter, (void)frame, (void)length, (void)checked;
	return true;
}

/* Somebody deletes the interface: the guest has lost its network, not the host's processor. */
static void an_interface_that_is_gone_is_left_alone(void **state)
{
	struct net_backend *backend;
	struct loop loop;
	int ends[2];

	(void)state;
	assert_int_equal(loop_init(&loop), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0, ends), 0);
	backend = net_tap_create(&loop, "gone", ends[0]);
	assert_non_null(backend);
	backend->receive = receive;
	backend->adapter = backend;
	assert_false(loop_turn(&loop, 0));
	shutdown(ends[0], SHUT_RDWR);
	loop_turn(&loop, 0);
	assert_false(loop_turn(&loop, 0));
	backend->ops->resume(backend);
	assert_false(loop_turn(&loop, 0));
	backend->ops->destroy(backend);
	close(ends[0]);
	close(ends[1]);
	loop_destroy(&loop);
}

#define CONVERSATIONS 1100u
#define FIRST_PORT    20000u

static const uint8_t guest_address[4] = {10, 0, 2, 15}, host_address[4] = {10, 0, 2, 2};

struct answers {
	unsigned port; /* of the guest's, that the last packet was for */
};

static bool take_answer(void *adapter, const uint8_t *frame, uint32_t length, bool checked)
{
	struct answers *answers = adapter;

	(void)checked;
	if (length >= 42 && frame[12] == 8 && frame[13] == 0 && frame[23] == 17) {
		answers->port = frame[36] << 8 | frame[37];
	}
	return true;
}

/* Says where the guest is. */
static void announce(struct net_backend *backend)
{
	uint8_t frame[60] = {0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2, 0, 0, 0, 0,
			     1,    8,    6,    0,    1,    8,    0, 6, 4, 0, 1};

	memcpy(frame + 22, frame + 6, 6);
	memcpy(frame + 28, guest_address, 4);
	memcpy(frame + 38, host_address, 4);
	backend->ops->send(backend, frame, sizeof(frame), &(struct net_work){0});
}

static void send_datagram(struct net_backend *backend, unsigned from, unsigned to)
{
	uint8_t frame[60] = {0x52, 0x55, 10, 0, 2, 2, 2, 0, 0, 0, 0, 1, 8, 0, 0x45, 0, 0, 29};

	frame[22] = 64;
	frame[23] = 17;
	memcpy(frame + 26, guest_address, 4);
	memcpy(frame + 30, host_address, 4);
	frame[34] = (uint8_t)(from >> 8);
	frame[35] = (uint8_t)from;
	frame[36] = (uint8_t)(to >> 8);
	frame[37] = (uint8_t)to;
	frame[39] = 9;
	backend->ops->send(backend, frame, sizeof(frame),
			   &(struct net_work){.ip_checksum = true, .udp = true});
}

/* Each has a socket of its own on the host; the first one is the last that libslirp wants looked at. */
static void the_oldest_of_many_conversations_is_still_heard(void **state)
{
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	struct sockaddr_in first, other;
	socklen_t length = sizeof(address);
	const struct timeval patience = {.tv_sec = 5};
	struct answers answers = {0};
	struct net_backend *backend;
	struct rlimit limit;
	struct loop loop;
	uint8_t byte;
	int server = socket(AF_INET, SOCK_DGRAM, 0);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	limit.rlim_cur = limit.rlim_max;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	if (limit.rlim_max < CONVERSATIONS + 64) {
		skip();
	}
	assert_int_equal(bind(server, (struct sockaddr *)&address, length), 0);
	assert_int_equal(getsockname(server, (struct sockaddr *)&address, &length), 0);
	setsockopt(server, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	assert_int_equal(loop_init(&loop), 0);
	backend = net_slirp_create(&loop, NULL, 0);
	assert_non_null(backend);
	backend->receive = take_answer;
	backend->adapter = &answers;
	announce(backend);
	for (unsigned i = 0; i < CONVERSATIONS; i++) {
		send_datagram(backend, FIRST_PORT + i, ntohs(address.sin_port));
		loop_turn(&loop, 0);
		length = sizeof(other);
		assert_int_equal(recvfrom(server, &byte, 1, 0, (struct sockaddr *)&other, &length),
				 1);
		first = i ? first : other;
	}
	assert_int_equal(sendto(server, "x", 1, 0, (struct sockaddr *)&first, sizeof(first)), 1);
	while (answers.port == 0 && loop_turn(&loop, 3000)) {
	}
	assert_int_equal(answers.port, FIRST_PORT);
	backend->ops->destroy(backend);
	loop_destroy(&loop);
	close(server);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(either_address_of_a_forward_may_be_left_out),
	    cmocka_unit_test(a_forward_that_makes_no_sense_is_refused),
	    cmocka_unit_test(an_interface_that_is_gone_is_left_alone),
	    cmocka_unit_test(the_oldest_of_many_conversations_is_still_heard),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
