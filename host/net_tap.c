/* SPDX-License-Identifier: MIT */
/* A tap interface of the host's kernel. */
#include "host/net.h"

#include "host/say.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Frames read before other devices get their turn. */
#define BURST 64u

struct tap {
	struct net_backend backend;
	struct loop *loop;
	struct loop_watch watch;
	/* A frame that found no room. */
	uint32_t kept;
	uint8_t frame[NET_FRAME_MAX];
};

static void emit(void *context, const uint8_t *frame, uint32_t length)
{
	const struct tap *tap = context;

	/* A full queue drops, as a wire does. */
	if (write(tap->watch.fd, frame, length) < 0 && errno != EAGAIN && errno != EIO) {
		say_detail("tap: %s", strerror(errno));
	}
}

static void backend_send(struct net_backend *backend, uint8_t *frame, uint32_t length,
			 const struct net_work *work)
{
	net_finish(frame, length, work, emit, backend);
}

/* False where it has to wait. */
static bool hand_over(struct tap *tap, uint32_t length)
{
	if (!tap->backend.adapter ||
	    tap->backend.receive(tap->backend.adapter, tap->frame, length, false)) {
		return true;
	}
	tap->kept = length;
	loop_change(tap->loop, &tap->watch, 0);
	return false;
}

static void ready(void *context, uint32_t events)
{
	struct tap *tap = context;

	(void)events;
	for (unsigned i = 0; i < BURST; i++) {
		ssize_t length = read(tap->watch.fd, tap->frame, sizeof(tap->frame));

		if (length < (ssize_t)NET_HEADER || !hand_over(tap, (uint32_t)length)) {
			return;
		}
	}
}

static void backend_resume(struct net_backend *backend)
{
	struct tap *tap = (struct tap *)backend;
	uint32_t length = tap->kept;

	tap->kept = 0;
	if (!length || hand_over(tap, length)) {
		loop_change(tap->loop, &tap->watch, EPOLLIN);
	}
}

static void backend_destroy(struct net_backend *backend)
{
	struct tap *tap = (struct tap *)backend;

	loop_remove(tap->loop, &tap->watch);
	close(tap->watch.fd);
	free(tap);
}

static const struct net_backend_ops ops = {backend_send, backend_resume, backend_destroy};

static int open_tap(const char *interface)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (strlen(interface) >= IFNAMSIZ) {
		errno = ENAMETOOLONG;
	} else if (fd >= 0) {
		memcpy(request.ifr_name, interface, strlen(interface));
		if (ioctl(fd, TUNSETIFF, &request) == 0) {
			return fd;
		}
	}
	say_error("--net tap=%s: %s: create it with ip tuntap add, owned by you", interface,
		  strerror(errno));
	if (fd >= 0) {
		close(fd);
	}
	return -1;
}

struct net_backend *net_tap_create(struct loop *loop, const char *interface)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int fd = open_tap(interface);

	if (!tap || fd < 0) {
		free(tap);
		return NULL;
	}
	tap->backend.ops = &ops;
	tap->loop = loop;
	tap->watch = (struct loop_watch){fd, ready, tap};
	loop_add(loop, &tap->watch, EPOLLIN);
	return &tap->backend;
}
