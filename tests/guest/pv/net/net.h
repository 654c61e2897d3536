/* SPDX-License-Identifier: MIT */
/*
 * The net test's parts: an interface's two rings, polled. Both interfaces end in networks of the host's in which 10.0.2.2 answers ARP: that is how
 * it is seen that packets come and go.
 */
#ifndef PV_NET_H
#define PV_NET_H

#include "tests/guest/pv/kit/device.h"

#include <xen/io/netif.h>

#define NET_RING 256u
#define PAGES    16u /* of the arena: those of odd numbers are granted, the others never */
#define RX_PAGES 8u  /* kept posted on each interface */

enum {
	REF_RINGS = 8,      /* two for each interface */
	REF_RX = 16,        /* RX_PAGES for each interface */
	REF_OUT = 40,       /* one page to send from for each interface */
	REF_DISK_RING = 48, /* and its page */
	REF_DISK,
	REF_PAGE = 64,
	REF_READ_ONLY = 96, /* of page 1, as all that follow */
	REF_BAD,
	REF_FOREIGN = REF_BAD,
	REF_OWN,
	REF_NEVER,
	REF_ENDED,
	REF_TRANSFER,
	REF_NO_RAM,
	REF_NO_FRAME,
	REF_ADAPTER,
	REF_BAD_END,
};
#define REF_LAST 0xffffffffu

struct netfront {
	struct device bus;
	unsigned number;
	netif_tx_sring_t *tx;
	netif_rx_sring_t *rx;
	uint32_t tx_prod, tx_cons, rx_prod, rx_cons;
	uint8_t mac[6];
};

extern struct netfront x, y; /* x is the one misused */
extern uint8_t arena[PAGES][PAGE_SIZE];

/* netfront.c */
void netfront_init(struct netfront *f, unsigned number);
bool netfront_connect(struct netfront *f);
/* A slot onto the transmit ring, without a notification: a request, or extra information. */
void netfront_put(struct netfront *f, const void *slot);
/* Notifies, and takes as many responses as there were slots; false where they do not come. */
bool netfront_answers(struct netfront *f, netif_tx_response_t *responses, unsigned nr);
void netfront_post(struct netfront *f, uint16_t id, grant_ref_t ref);
/* The next packet's response, if there is one. */
bool netfront_received(struct netfront *f, netif_rx_response_t *response);
/* Asks by ARP who 10.0.2.2 is; the first only puts the packet onto the ring. */
void netfront_put_question(struct netfront *f);
void netfront_ask(struct netfront *f);
/* Asks, and hears the answer, whole. */
bool netfront_alive(struct netfront *f);

/* main.c */
void unharmed(const char *after);
/* Everything but x works: y, and the disk. */
void others_go_on(void);
void connect_again(void);

/* transmit.c, receive.c, connection.c */
void bad_grants(void);
void bad_sizes(void);
void bad_chains(void);
void bad_extras(void);
void random_packets(void);
void replies_never_read(void);
void bad_buffers(void);
void nothing_posted(void);
void receive_index_out_of_range(void);
void endless_packets(void);
void indices_out_of_range(void);
void bad_parameters(void);

#endif
