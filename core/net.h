/* SPDX-License-Identifier: MIT */
/*
 * Packets as back ends and network adapters hand them to each other: between netback (Xen side) and whatever carries them
 * (NetVSC in the adapter). Neither side's wire formats appear here.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NET_SEGMENTS_MAX 18 /* netif.h, XEN_NETIF_NR_SLOTS_MIN: 64 KiB in any alignment */
#define NET_PACKET_MAX   65535
#define NET_HEADER_MIN   14 /* an Ethernet header */

enum net_gso { NET_GSO_NONE, NET_GSO_TCPV4, NET_GSO_TCPV6 };

enum net_status { NET_OK, NET_ERROR, NET_DROPPED };

struct net_offload {
	bool csum_blank; /* the TCP or UDP checksum holds the pseudo-header's only: complete it */
	bool csum_good;  /* it has been checked */
	enum net_gso gso;
	uint16_t gso_size; /* bytes of payload in each segment, when gso is not NONE */
};

/* Part of one guest page; va is where it starts. The guest can change it at any time. */
struct net_segment {
	uint64_t mfn;
	void *va;
	uint16_t offset, len;
};

/* From the guest. */
struct net_packet {
	struct net_offload offload;
	uint32_t len; /* of all segments, NET_HEADER_MIN to NET_PACKET_MAX */
	unsigned nr_segments;
	struct net_segment segment[NET_SEGMENTS_MAX];
	void *device_private; /* for the device, while the packet is its */
};

/* To the guest: pieces of memory that nobody changes meanwhile. */
struct net_piece {
	const void *data;
	uint32_t len;
};

struct net_device;

struct net_device_ops {
	/* Takes the packet, and later, or from within, calls net_transmitted() on it exactly once. On any processor. */
	void (*transmit)(struct net_device *device, unsigned queue, struct net_packet *packet);
	/* A batch has ended: tell the host now. May be NULL. */
	void (*commit)(struct net_device *device, unsigned queue);
};

/* The submitter fills in `transmitted` before the first packet. */
struct net_device {
	const struct net_device_ops *ops;
	uint8_t mac[6];
	uint16_t mtu;
	bool gso_v4, gso_v6; /* whether it takes large packets to be segmented */
	void (*transmitted)(struct net_packet *packet, enum net_status status);
	void *submitter; /* likewise its */
};

static inline void net_transmitted(struct net_device *device, struct net_packet *packet,
				   enum net_status status)
{
	device->transmitted(packet, status);
}
