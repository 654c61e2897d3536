/* SPDX-License-Identifier: MIT */
/* CRC-32C (Castagnoli, reflected polynomial 0x82f63b78), with the processor's instruction where it has one. */
#include "disk/vhdx.h"

/* One entry for each value of four bits: small, and every x86-64 processor since 2008 takes the other way. */
static const uint32_t nibble_table[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t vhdx_crc32c_portable(uint32_t crc, const void *data, size_t length)
{
	const uint8_t *byte = data;

	crc = ~crc;
	while (length--) {
		crc ^= *byte++;
		crc = nibble_table[crc & 15] ^ crc >> 4;
		crc = nibble_table[crc & 15] ^ crc >> 4;
	}
	return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t crc32c_sse42(uint32_t crc, const void *data,
							       size_t length)
{
	const uint8_t *byte = data;
	uint64_t wide = (uint32_t)~crc, word;

	for (; length >= 8; length -= 8, byte += 8) {
		memcpy(&word, byte, 8);
		wide = __builtin_ia32_crc32di(wide, word);
	}
	crc = (uint32_t)wide;
	while (length--)
		crc = __builtin_ia32_crc32qi(crc, *byte++);
	return ~crc;
}
#endif

uint32_t vhdx_crc32c(uint32_t crc, const void *data, size_t length)
{
#ifdef __x86_64__
	if (__builtin_cpu_supports("sse4.2"))
		return crc32c_sse42(crc, data, length);
#endif
	return vhdx_crc32c_portable(crc, data, length);
}

uint32_t vhdx_checksum(const void *data, size_t length)
{
	const uint8_t *byte = data;
	uint32_t crc = vhdx_crc32c(0, byte, 4);

	crc = vhdx_crc32c(crc, (const uint8_t[4]){0}, 4);
	return vhdx_crc32c(crc, byte + 8, length - 8);
}
