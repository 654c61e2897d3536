/* SPDX-License-Identifier: MIT */
/* A tap interface of the host's kernel. */
#include "host/net.h"

#include "host/say.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <linux/virtio_net.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/uio.h>
#include <unistd.h>

/* Frames read before other devices get their turn. */
#define BURST 64u

struct tap {
	struct net_backend backend;
	struct loop *loop;
	struct loop_watch watch;
	/* A frame that found no room. */
	uint32_t kept;
	bool kept_checked;
	uint8_t frame[NET_FRAME_MAX];
};

static uint8_t gso_type(const struct net_prepared *offload)
{
	if (!offload->mss) {
		return VIRTIO_NET_HDR_GSO_NONE;
	}
	return offload->ipv6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
}

/* The kernel finishes the frame, and only where it leaves the machine. A full queue drops, as a wire does. */
static void backend_send(struct net_backend *backend, uint8_t *frame, uint32_t length,
			 const struct net_work *work)
{
	const struct tap *tap = (const struct tap *)backend;
	struct net_prepared offload;
	struct virtio_net_hdr header;
	struct iovec iov[] = {{&header, sizeof(header)}, {frame, length}};

	net_prepare(frame, length, work, &offload);
	header = (struct virtio_net_hdr){
	    .flags = offload.checksum ? VIRTIO_NET_HDR_F_NEEDS_CSUM : 0,
	    .gso_type = gso_type(&offload),
	    .hdr_len = offload.headers,
	    .gso_size = offload.mss,
	    .csum_start = offload.checksum ? offload.start : 0,
	    .csum_offset = offload.checksum ? offload.offset : 0,
	};
	if (writev(tap->watch.fd, iov, 2) < 0 && errno != EAGAIN && errno != EIO) {
		say_detail("tap: %s", strerror(errno));
	}
}

/* False where it has to wait. */
static bool hand_over(struct tap *tap, uint32_t length, bool checked)
{
	if (!tap->backend.adapter ||
	    tap->backend.receive(tap->backend.adapter, tap->frame, length, checked)) {
		return true;
	}
	tap->kept = length;
	tap->kept_checked = checked;
	loop_change(tap->loop, &tap->watch, 0);
	return false;
}

/* What comes from this machine itself has no checksum yet, as it was never on a wire. */
static ssize_t read_frame(struct tap *tap, bool *checked)
{
	struct virtio_net_hdr header;
	struct iovec iov[] = {{&header, sizeof(header)}, {tap->frame, sizeof(tap->frame)}};
	ssize_t length = readv(tap->watch.fd, iov, 2) - (ssize_t)sizeof(header);

	if (length < 0) {
		return length;
	}
	if (header.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM) {
		net_finish_checksum(tap->frame, (uint32_t)length);
	}
	*checked = header.flags & (VIRTIO_NET_HDR_F_NEEDS_CSUM | VIRTIO_NET_HDR_F_DATA_VALID);
	return length;
}

static void ready(void *context, uint32_t events)
{
	struct tap *tap = context;

	/* Somebody deleted the interface: that would be news in each turn. */
	if (events & (EPOLLERR | EPOLLHUP)) {
		say_warning("a tap interface of the guest is gone");
		loop_remove(tap->loop, &tap->watch);
		return;
	}
	for (unsigned i = 0; i < BURST; i++) {
		bool checked;
		ssize_t length = read_frame(tap, &checked);

		if (length < (ssize_t)NET_HEADER || !hand_over(tap, (uint32_t)length, checked)) {
			return;
		}
	}
}

static void backend_resume(struct net_backend *backend)
{
	struct tap *tap = (struct tap *)backend;
	uint32_t length = tap->kept;

	tap->kept = 0;
	if (!length || hand_over(tap, length, tap->kept_checked)) {
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

int net_tap_open(const char *interface)
{
	struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC | O_NONBLOCK);

	if (strlen(interface) >= IFNAMSIZ) {
		errno = ENAMETOOLONG;
	} else if (fd >= 0) {
		memcpy(request.ifr_name, interface, strlen(interface));
		if (ioctl(fd, TUNSETIFF, &request) == 0) {
			/* Without it the kernel fills in checksums that we then cannot vouch for. */
			ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM);
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

struct net_backend *net_tap_create(struct loop *loop, const char *interface, int opened)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	int fd = opened < 0 ? net_tap_open(interface) : fcntl(opened, F_DUPFD_CLOEXEC, 0);

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
