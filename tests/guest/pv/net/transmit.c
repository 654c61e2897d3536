/* SPDX-License-Identifier: MIT */
/* Packets that are wrong: each slot is answered, with an error. */
#include "tests/guest/pv/net/net.h"

#include "core/fmt.h"

#define SLOTS_MAX 18u

union slot {
	netif_tx_request_t request;
	struct {
		netif_extra_info_t info;
		uint8_t padding[4];
	} extra;
};

_Static_assert(sizeof(union slot) == sizeof(netif_tx_request_t), "a slot");

/* A piece of a packet: the first one's size is the packet's. */
static union slot piece(grant_ref_t ref, uint16_t offset, uint16_t size, uint16_t flags)
{
	static uint16_t id;

	return (union slot){
	    .request = {.gref = ref, .offset = offset, .flags = flags, .id = ++id, .size = size}};
}

/* Sends one packet; `extra` is the number of the slot with extra information, or 0. True where all its slots have the same status. */
static bool sent(const char *name, const union slot *slots, unsigned nr, unsigned extra,
		 int *status)
{
	netif_tx_response_t responses[SLOTS_MAX + 1];

	for (unsigned i = 0; i < nr; i++)
		netfront_put(&x, &slots[i]);
	if (!netfront_answers(&x, responses, nr))
		return false;
	*status = responses[0].status;
	for (unsigned i = 0; i < nr; i++) {
		if (extra && i == extra
			? responses[i].status == NETIF_RSP_NULL
			: responses[i].id == slots[i].request.id && responses[i].status == *status)
			continue;
		failure("%s: slot %u is answered with %d for %u", name, i, responses[i].status,
			responses[i].id);
	}
	unharmed(name);
	return true;
}

static void refused(const char *name, const union slot *slots, unsigned nr, unsigned extra)
{
	int status = 99;

	if (sent(name, slots, nr, extra, &status) && status != NETIF_RSP_ERROR)
		failure("%s: answered with %d", name, status);
}

static void accepted(const char *name, const union slot *slots, unsigned nr)
{
	int status = 99;

	if (sent(name, slots, nr, 0, &status) && status != NETIF_RSP_OKAY)
		failure("%s: answered with %d", name, status);
}

static void with_bad_grant(grant_ref_t ref)
{
	union slot slots[3] = {piece(ref, 0, 100, 0)};
	char name[48];

	fmt(name, sizeof(name), "a packet by reference %#x", ref);
	refused(name, slots, 1, 0);
	slots[0] = piece(REF_PAGE + 1, 0, 300, NETTXF_more_data);
	slots[1] = piece(ref, 0, 100, NETTXF_more_data);
	slots[2] = piece(REF_PAGE + 3, 0, 100, 0);
	refused(name, slots, 3, 0);
}

void bad_grants(void)
{
	union slot good[3] = {piece(REF_READ_ONLY, 0, 300, NETTXF_more_data),
			      piece(REF_PAGE + 5, 4000, 96, NETTXF_more_data),
			      piece(REF_PAGE + 3, 17, 100, 0)};
	union slot ended = piece(REF_ENDED, 0, 64, 0);

	accepted("a packet of three pieces", good, 3);
	grant(REF_ENDED, arena[1]);
	accepted("before it is ended", &ended, 1);
	check(grant_end(REF_ENDED));
	for (grant_ref_t ref = REF_BAD; ref < REF_BAD_END; ref++)
		with_bad_grant(ref);
	with_bad_grant(0);
	with_bad_grant(REF_PAGE + 2);
	with_bad_grant(GRANT_REFS);
	with_bad_grant(REF_LAST);
}

void bad_sizes(void)
{
	static const uint16_t lone[][2] = {{0, 0},     {0, 1},     {0, 13},     {4096, 14},
					   {4095, 14}, {4083, 14}, {65535, 64}, {65535, 65535},
					   {0, 4097},  {1, 4096},  {0, 65535}};
	/* Packet, then piece: the rest is all of it, or more. */
	static const uint16_t pairs[][2] = {{100, 100}, {100, 101},   {100, 65535}, {100, 0},
					    {14, 14},   {65535, 100}, {4200, 50}};
	char name[48];

	for (unsigned i = 0; i < sizeof(lone) / sizeof(lone[0]); i++) {
		union slot s = piece(REF_PAGE + 1, lone[i][0], lone[i][1], 0);

		fmt(name, sizeof(name), "%u bytes at %u", lone[i][1], lone[i][0]);
		refused(name, &s, 1, 0);
	}
	for (unsigned i = 0; i < sizeof(pairs) / sizeof(pairs[0]); i++) {
		union slot s[2] = {piece(REF_PAGE + 1, 0, pairs[i][0], NETTXF_more_data),
				   piece(REF_PAGE + 3, 0, pairs[i][1], 0)};

		fmt(name, sizeof(name), "a piece of %u of %u bytes", pairs[i][1], pairs[i][0]);
		refused(name, s, 2, 0);
	}
}

/* As many pieces as there may be, but one of them is wrong. */
void bad_chains(void)
{
	union slot s[SLOTS_MAX];

	for (unsigned bad = 1; bad < SLOTS_MAX; bad++) {
		for (unsigned i = 0; i < SLOTS_MAX; i++)
			s[i] = piece(REF_PAGE + 1 + i % 8 * 2, 0, i ? 20 : 500,
				     i < SLOTS_MAX - 1 ? NETTXF_more_data : 0);
		if (bad & 1)
			s[bad].request.offset = 4090;
		else
			s[bad].request.gref = REF_NEVER;
		refused("a long chain", s, SLOTS_MAX, 0);
	}
}

void bad_extras(void)
{
	static const struct {
		const char *name;
		uint8_t type, gso;
		uint16_t size, flags;
	} rows[] = {
	    {"extra information of no type", 0, 0, 0, 0},
	    {"extra information of type 77", 77, 0, 0, 0},
	    {"segments of no size", XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_GSO_TYPE_TCPV4, 0,
	     NETTXF_csum_blank},
	    {"segments of type 9", XEN_NETIF_EXTRA_TYPE_GSO, 9, 1400, NETTXF_csum_blank},
	    {"segments with a checksum", XEN_NETIF_EXTRA_TYPE_GSO, XEN_NETIF_GSO_TYPE_TCPV4, 1400,
	     0},
	};

	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		union slot s[2] = {piece(REF_PAGE + 1, 0, 2000, NETTXF_extra_info | rows[i].flags)};

		memset(&s[1], 0, sizeof(s[1]));
		s[1].extra.info.type = rows[i].type;
		s[1].extra.info.u.gso.type = rows[i].gso;
		s[1].extra.info.u.gso.size = rows[i].size;
		refused(rows[i].name, s, 2, 1);
	}
}

static bool usable(grant_ref_t ref)
{
	return ref == REF_READ_ONLY || (ref >= REF_PAGE && ref < REF_PAGE + PAGES && ref & 1);
}

/* As netif.h has it. */
static bool makes_sense(const union slot *s, unsigned nr)
{
	uint32_t rest = 0;

	for (unsigned i = 1; i < nr; i++) {
		rest += s[i].request.size;
		if (!s[i].request.size || s[i].request.offset + s[i].request.size > PAGE_SIZE ||
		    !usable(s[i].request.gref))
			return false;
	}
	return s[0].request.size >= 14 && rest < s[0].request.size && usable(s[0].request.gref) &&
	       s[0].request.offset + s[0].request.size - rest <= PAGE_SIZE;
}

/* What becomes of one that makes sense is the network's business. */
void random_packets(void)
{
	uint64_t seed = 3;
	unsigned good = 0;

	for (unsigned round = 0; round < 1000; round++) {
		unsigned nr = 1 + random64(&seed) % (round & 1 ? 3 : SLOTS_MAX);
		union slot s[SLOTS_MAX];
		int status = 99;

		for (unsigned i = 0; i < nr; i++) {
			uint64_t n = random64(&seed);
			grant_ref_t ref =
			    n & 31 ? REF_PAGE + 1 + (n >> 8 & 7) * 2
				   : REF_READ_ONLY + (n >> 8) % (REF_BAD_END - REF_READ_ONLY);

			s[i] = piece(ref, n >> 16 & 31 ? n >> 32 & 2047 : n >> 32,
				     n >> 21 & 31 ? 1 + (n >> 48 & 127) : n >> 48,
				     i < nr - 1 ? NETTXF_more_data : 0);
		}
		s[0].request.size += (nr - 1) * 128;
		if (!sent("a random packet", s, nr, 0, &status))
			return;
		good += makes_sense(s, nr);
		check(makes_sense(s, nr) || status == NETIF_RSP_ERROR);
	}
	say("%u random packets of 1000 made sense", good);
	check(good > 100 && good < 900);
}

void replies_never_read(void)
{
	for (unsigned i = 0; i < 3 * NET_RING; i += 32) {
		for (unsigned j = 0; j < 32; j++) {
			union slot s = piece(REF_PAGE + 1, 0, 64, 0);

			netfront_put(&x, &s);
		}
		device_notify(&x.bus);
		wait_until(__atomic_load_n(&x.tx->rsp_prod, __ATOMIC_ACQUIRE) == x.tx_prod);
	}
	others_go_on();
	x.tx_cons = x.tx_prod;
}

/* The queue cannot tell where such a packet ends: the device closes. */
static void closes(const char *name, const union slot *slots, unsigned nr)
{
	for (unsigned i = 0; i < nr; i++)
		netfront_put(&x, &slots[i]);
	device_notify(&x.bus);
	if (!device_wait(&x.bus, XenbusStateClosing))
		say("%s", name);
	unharmed(name);
	others_go_on();
	connect_again();
}

void endless_packets(void)
{
	union slot s[NET_RING];

	s[0] = piece(REF_PAGE + 1, 0, 100, NETTXF_more_data);
	closes("a packet that does not end", s, 1);
	s[0] = piece(REF_PAGE + 1, 0, 100, NETTXF_extra_info);
	closes("extra information that does not come", s, 1);
	for (unsigned i = 0; i < SLOTS_MAX + 1; i++)
		s[i] = piece(REF_PAGE + 1 + i % 8 * 2, 0, i ? 20 : 500,
			     i < SLOTS_MAX ? NETTXF_more_data : 0);
	closes("a packet of 19 slots", s, SLOTS_MAX + 1);
	s[0] = piece(REF_PAGE + 1, 0, 100, NETTXF_extra_info);
	for (unsigned i = 1; i < NET_RING; i++) {
		memset(&s[i], 0, sizeof(s[i]));
		s[i].extra.info.type = XEN_NETIF_EXTRA_TYPE_GSO;
		s[i].extra.info.flags = XEN_NETIF_EXTRA_FLAG_MORE;
	}
	closes("extra information without end", s, NET_RING);
}
