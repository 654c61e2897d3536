/* SPDX-License-Identifier: MIT */
/* A fuzzer's input as a sequence of small things. */
#ifndef TESTS_FUZZ_INPUT_H
#define TESTS_FUZZ_INPUT_H

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct fuzz_input {
	const uint8_t *at;
	size_t left;
};

static inline uint8_t fuzz_byte(struct fuzz_input *input)
{
	if (!input->left) {
		return 0;
	}
	input->left--;
	return *input->at++;
}

/* Up to `size` bytes, the rest zeros. Returns how many came from the input. */
static inline size_t fuzz_bytes(struct fuzz_input *input, void *to, size_t size)
{
	size_t count = size < input->left ? size : input->left;

	memset(to, 0, size);
	memcpy(to, input->at, count);
	input->at += count;
	input->left -= count;
	return count;
}

/* What must be true of any input. Not assert(): no build may leave it out. */
#define FUZZ_CHECK(condition) ((condition) ? (void)0 : abort())

#endif
