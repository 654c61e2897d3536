/* SPDX-License-Identifier: MIT */
/*
 * RNDIS as a synthetic network adapter answers it: pure functions of the messages, no channel and no packet moved here.
 * The message given is a private copy.
 */
#ifndef HOST_RNDIS_H
#define HOST_RNDIS_H

#include "abi/vmbus/rndis.h"
#include "host/net.h"

/* The longest answer, header and all. */
#define RNDIS_REPLY_MAX 512u
/* In one message, as the guest is told. */
#define RNDIS_PACKETS_MOST 8u

struct rndis_adapter {
	uint8_t address[6];
	uint32_t mtu;    /* without the Ethernet header */
	uint32_t queues; /* that RSS may use, 1 to 64 */
	bool link;
	/* What the guest has set: */
	uint32_t filter; /* 0: receive nothing */
	bool rss;
	uint8_t rss_table[NDIS_RSS_TABLE_MAX]; /* queue by hash */
	uint32_t rss_entries;
	uint8_t rss_key[NDIS_RSS_KEY_SIZE];
};

/* Answers a control message. Returns the answer's length, 0 where there is none (halt, nonsense). */
uint32_t rndis_control(struct rndis_adapter *adapter, const uint8_t *message, uint32_t length,
		       uint8_t reply[RNDIS_REPLY_MAX]);

/* A frame in a data message. `frame` points into the message. */
struct rndis_frame {
	const uint8_t *frame;
	uint32_t length;
	struct net_work work;
};

/* Reads the RNDIS packet message at the start of `message`. Returns its length, 0 where it is malformed. */
uint32_t rndis_read_packet(const uint8_t *message, uint32_t length, struct rndis_frame *frame);

/* The header that goes before a frame of `length` bytes to the guest; `checked`: its checksums are known to be right. */
struct rndis_rx_header {
	struct rndis_header header;
	struct rndis_packet packet;
	struct rndis_packet_info info;
	uint32_t checksum;
};
_Static_assert(sizeof(struct rndis_rx_header) == 60, "receive header");
void rndis_write_header(struct rndis_rx_header *header, uint32_t length, bool checked);

/* "The link came up" or "went down"; returns its length. */
uint32_t rndis_write_link(const struct rndis_adapter *adapter, uint8_t reply[RNDIS_REPLY_MAX]);

#endif
