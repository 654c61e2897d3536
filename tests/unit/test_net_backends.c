/* SPDX-License-Identifier: MIT */
/* What a network adapter is plugged into: how forwards are named, and an interface that goes away. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <arpa/inet.h>
#include <stdio.h>
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

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(either_address_of_a_forward_may_be_left_out),
	    cmocka_unit_test(a_forward_that_makes_no_sense_is_refused),
	    cmocka_unit_test(an_interface_that_is_gone_is_left_alone),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
