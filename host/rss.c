/* SPDX-License-Identifier: MIT */
#include "host/rss.h"

#include "core/big_endian.h"

#include <string.h>

#define ETHERNET      14u
#define IPV4          0x0800u
#define IPV6          0x86ddu
#define IPV6_HEADER   40u
#define PROTOCOL_TCP  6
#define IPV4_FRAGMENT 0x3fffu /* more fragments, or an offset */
#define MAX_INPUT     36u     /* two IPv6 addresses and two ports */

/* For every bit of the input that is set, the 32 bits of the key that begin at that bit. */
static uint32_t toeplitz(const uint8_t *key, const uint8_t *input, uint32_t length)
{
	uint32_t window = get16(key) << 16 | get16(key + 2), hash = 0;

	for (uint32_t i = 0; i < length; i++) {
		for (unsigned bit = 0; bit < 8; bit++) {
			if (input[i] & 0x80 >> bit) {
				hash ^= window;
			}
			window = window << 1 | ((key[i + 4] >> (7 - bit)) & 1);
		}
	}
	return hash;
}

uint32_t rss_hash(const uint8_t key[RSS_KEY_SIZE], const uint8_t *frame, uint32_t length)
{
	const uint8_t *ip = frame + ETHERNET;
	uint8_t input[MAX_INPUT];
	uint32_t used, header, type = length >= ETHERNET + 20 ? get16(frame + 12) : 0;
	uint8_t protocol;

	if (type == IPV4) {
		used = 8;
		memcpy(input, ip + 12, used);
		header = (ip[0] & 0xf) * 4u;
		protocol = get16(ip + 6) & IPV4_FRAGMENT ? 0 : ip[9];
	} else if (type == IPV6 && length >= ETHERNET + IPV6_HEADER) {
		used = 32;
		memcpy(input, ip + 8, used);
		header = IPV6_HEADER;
		protocol = ip[6];
	} else {
		return 0;
	}
	if (protocol == PROTOCOL_TCP && length >= ETHERNET + header + 4) {
		memcpy(input + used, ip + header, 4);
		used += 4;
	}
	return toeplitz(key, input, used);
}
