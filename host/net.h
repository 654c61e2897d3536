/* SPDX-License-Identifier: MIT */
/* Between the synthetic network adapter and what it is plugged into (slirp, tap). Everything runs on the device thread. */
#ifndef HOST_NET_H
#define HOST_NET_H

#include "host/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_HEADER    14u
#define NET_MTU_LEAST 68u
#define NET_MTU_MOST  9000u
/* The longest frame that a guest may hand over: an LSO one of 64 KiB. */
#define NET_FRAME_MAX (65536u + NET_HEADER + 4u)

/* What a frame from the guest still lacks. */
struct net_work {
	bool ip_checksum; /* of the IPv4 header */
	bool tcp, udp;    /* checksum of that */
	uint16_t mss;     /* not 0: cut the TCP payload into segments of this size */
};

struct net_backend;

struct net_backend_ops {
	/* Takes a frame, or drops it. The bytes are the caller's again afterwards; they may be changed. */
	void (*send)(struct net_backend *backend, uint8_t *frame, uint32_t length,
		     const struct net_work *work);
	/* The adapter has room again after `receive` said false. */
	void (*resume)(struct net_backend *backend);
	void (*destroy)(struct net_backend *backend);
};

struct net_backend {
	const struct net_backend_ops *ops;
	/*
	 * For the adapter; `checked` says that the checksums are known to be right. False: no room; keep the frame and wait
	 * for `resume`.
	 */
	bool (*receive)(void *adapter, const uint8_t *frame, uint32_t length, bool checked);
	void *adapter;
};

/* User-mode networking by libslirp: 10.0.2.0/24, the host at .2, DNS at .3. Forwards: "tcp:ADDRESS:PORT-GUEST:PORT". NULL: told. */
struct net_backend *net_slirp_create(struct loop *loop, const char *const *forwards,
				     unsigned count);
/* Opens an existing or new tap interface. -1: told. */
int net_tap_open(const char *interface);
/* On `opened`, which stays the caller's, or where that is -1 on one that it opens. NULL: told. */
struct net_backend *net_tap_create(struct loop *loop, const char *interface, int opened);

/* Finishes a frame in software: `emit` gets one or more frames that lack nothing. They may lie in `frame`. */
void net_finish(uint8_t *frame, uint32_t length, const struct net_work *work,
		void (*emit)(void *context, const uint8_t *frame, uint32_t length), void *context);
/*
 * For a kernel that finishes frames by itself, told by a struct virtio_net_hdr (virtio 1.2, 5.1.6): fills in what the headers need
 * for that. All zeros where the frame lacks nothing.
 */
struct net_prepared {
	bool checksum; /* from `start` to the end, at `start` + `offset` */
	uint16_t start, offset;
	bool ipv6;
	uint16_t mss;     /* not 0: a large TCP send */
	uint16_t headers; /* its length up to the payload */
};
void net_prepare(uint8_t *frame, uint32_t length, const struct net_work *work,
		 struct net_prepared *offload);
/* Writes the TCP or UDP checksum of a frame that has everything else. */
void net_finish_checksum(uint8_t *frame, uint32_t length);

/* As net_finish(), for a receiver that takes IP packets of any length: a large send stays one frame. */
void net_finish_whole(uint8_t *frame, uint32_t length, const struct net_work *work,
		      void (*emit)(void *context, const uint8_t *frame, uint32_t length),
		      void *context);

#endif
