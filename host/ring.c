/* SPDX-License-Identifier: MIT */
#include "host/ring.h"

#include "host/say.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define SUBMISSIONS 256u
#define FLAGS       (IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE)
/* Linux 6.0: no interrupt to the device thread when something is done, and no lock against other submitters. */
#define FLAGS_NEWER (FLAGS | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_SINGLE_ISSUER)

/* Debian's liburing 2.3 has functions for both uses, and does not export them. */
static int ring_register(const struct io_uring *uring, unsigned what, void *argument,
			 unsigned count)
{
	return syscall(SYS_io_uring_register, uring->ring_fd, what, argument, count) < 0 ? -errno
											 : 0;
}

static int restrict_to_files(struct io_uring *uring)
{
	static const uint8_t allowed[] = {IORING_OP_READ, IORING_OP_WRITE, IORING_OP_READV,
					  IORING_OP_WRITEV};
	struct io_uring_restriction rules[sizeof(allowed)] = {0};
	int result;

	for (size_t i = 0; i < sizeof(allowed); i++) {
		rules[i].opcode = IORING_RESTRICTION_SQE_OP;
		rules[i].sqe_op = allowed[i];
	}
	result = ring_register(uring, IORING_REGISTER_RESTRICTIONS, rules, sizeof(allowed));
	return result < 0 ? result : ring_register(uring, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
}

static int init(struct ring *ring, unsigned flags)
{
	struct io_uring_params params = {.flags = flags, .cq_entries = RING_MOST};

	return io_uring_queue_init_params(SUBMISSIONS, &ring->uring, &params);
}

struct ring *ring_create(void)
{
	struct ring *ring = calloc(1, sizeof(*ring));
	int result = -ENOMEM;

	if (ring) {
		result = init(ring, FLAGS_NEWER);
	}
	if (result == -EINVAL) {
		result = init(ring, FLAGS);
	}
	if (result < 0) {
		say_detail("no io_uring (%s): threads do the disks' work", strerror(-result));
		free(ring);
		return NULL;
	}
	result = restrict_to_files(&ring->uring);
	if (result < 0) {
		say_detail("io_uring cannot be restricted (%s): threads do the disks' work",
			   strerror(-result));
		ring_destroy(ring);
		return NULL;
	}
	return ring;
}

void ring_destroy(struct ring *ring)
{
	if (ring) {
		io_uring_queue_exit(&ring->uring);
		free(ring);
	}
}
