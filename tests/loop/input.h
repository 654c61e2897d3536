/* SPDX-License-Identifier: MIT */
/* The input of a fuzzer whose callbacks, too, take from it: fuzz_input.h's, as one for all of the program. Zeros once it has ended. */
#ifndef TESTS_LOOP_INPUT_H
#define TESTS_LOOP_INPUT_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

static const uint8_t *at, *end;

static inline uint8_t byte(void)
{
	return at < end ? *at++ : 0;
}

static inline uint32_t word(void)
{
	return byte() | (uint32_t)byte() << 8 | (uint32_t)byte() << 16 | (uint32_t)byte() << 24;
}

static inline void bytes(void *to, size_t n)
{
	size_t have = (size_t)(end - at) < n ? (size_t)(end - at) : n;

	memset(to, 0, n);
	memcpy(to, at, have);
	at += have;
}

#endif
