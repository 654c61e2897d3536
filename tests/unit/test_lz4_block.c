/* SPDX-License-Identifier: MIT */
/* The block decoder agrees with liblz4. Every span is a heap block of its own size, for the sanitizer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <lz4.h>
#include <lz4hc.h>
#include <cmocka.h>

#include "core/kimage/lz4_block.h"

#define SIZE 100000

static unsigned char plain[SIZE];

/* Runs, text-like repetition at every distance, and noise. */
static int make_plain(void **state)
{
	uint32_t x = 1;

	(void)state;
	for (int i = 0; i < SIZE; i++) {
		x = x * 1103515245 + 12345;
		if (i % 20000 < 4000) {
			plain[i] = 0;
		} else if (i % 20000 < 16000) {
			plain[i] = i > 100 && x >> 28 != 0 ? plain[i - 1 - i / 1000] : x >> 16;
		} else {
			plain[i] = x >> 16;
		}
	}
	return 0;
}

static void *copy_of(const void *data, size_t size)
{
	void *copy = malloc(size);

	memcpy(copy, data, size);
	return copy;
}

/* Unpacks copies; the caller frees b->out. */
static enum kimage_error unpack(struct lz4_block *b, const void *in, size_t in_size, size_t room)
{
	void *copy = copy_of(in, in_size);
	enum kimage_error error;

	b->in = copy;
	b->in_size = in_size;
	b->out = malloc(room);
	b->room = room;
	error = lz4_block_unpack(b);
	free(copy);
	return error;
}

static int compress(unsigned char **packed, int size, int level)
{
	int bound = LZ4_compressBound(size);

	*packed = malloc(bound);
	return level == 0 ? LZ4_compress_default((char *)plain, (char *)*packed, size, bound)
			  : LZ4_compress_HC((char *)plain, (char *)*packed, size, bound, level);
}

static void what_liblz4_packs_unpacks(void **state)
{
	(void)state;
	for (int level = 0; level <= 12; level += 4) {
		for (int size = 0; size <= SIZE; size += 1 + size / 2) {
			struct lz4_block b = {0};
			unsigned char *packed;
			int len = compress(&packed, size, level);

			assert_int_equal(unpack(&b, packed, len, size), KIMAGE_OK);
			assert_int_equal(b.out_len, size);
			assert_memory_equal(b.out, plain, size);
			free(b.out);
			free(packed);
		}
	}
}

static void a_dictionary_may_lie_anywhere(void **state)
{
	char packed[LZ4_COMPRESSBOUND(SIZE)];
	LZ4_stream_t *stream = LZ4_createStream();

	(void)state;
	for (int dict = 1; dict < 60000; dict *= 3) {
		struct lz4_block b = {.dict = copy_of(plain, dict), .dict_size = dict};
		unsigned char *joined = copy_of(plain, SIZE);
		int len;

		LZ4_resetStream_fast(stream);
		LZ4_loadDict(stream, (char *)plain, dict);
		len = LZ4_compress_fast_continue(stream, (char *)plain + dict, packed, SIZE - dict,
						 sizeof(packed), 1);
		assert_true(len > 0);
		assert_int_equal(unpack(&b, packed, len, SIZE - dict), KIMAGE_OK);
		assert_memory_equal(b.out, plain + dict, SIZE - dict);
		free(b.out);
		free((void *)b.dict);

		/* Just before the output. */
		memset(joined + dict, 0xee, SIZE - dict);
		b = (struct lz4_block){.in = (void *)packed,
				       .in_size = len,
				       .out = joined + dict,
				       .room = SIZE - dict,
				       .dict = joined,
				       .dict_size = dict};
		assert_int_equal(lz4_block_unpack(&b), KIMAGE_OK);
		assert_memory_equal(joined, plain, SIZE);
		free(joined);
	}
	LZ4_freeStream(stream);
}

static void a_small_buffer_is_an_error(void **state)
{
	unsigned char *packed;
	int len = compress(&packed, SIZE, 0);

	(void)state;
	for (int room = 0; room < SIZE; room += 1 + room / 3) {
		struct lz4_block b = {0};

		assert_int_equal(unpack(&b, packed, len, room), KIMAGE_E_BUFFER);
		assert_memory_equal(b.out, plain, b.out_len);
		free(b.out);
	}
	free(packed);
}

static void malformed_blocks_are_corrupt(void **state)
{
	static const struct {
		unsigned char in[8];
		size_t len;
	} bad[] = {
	    {{0}, 0},                          /* nothing at all */
	    {{0x10}, 1},                       /* a literal that is not there */
	    {{0xf0}, 1},                       /* a length that goes on */
	    {{0xf0, 255, 255}, 3},             /* and on */
	    {{0x10, 'a', 1}, 3},               /* half an offset */
	    {{0x10, 'a', 0, 0}, 4},            /* offset 0 */
	    {{0x10, 'a', 2, 0}, 4},            /* offset before the start */
	    {{0x1f, 'a', 1, 0}, 4},            /* a match length that goes on */
	    {{0x1f, 'a', 1, 0, 255}, 5},       /* and on */
	    {{0x10, 'a', 1, 0, 0x20, 'b'}, 6}, /* one literal of two */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct lz4_block b = {0};

		assert_int_equal(unpack(&b, bad[i].in, bad[i].len, 1000), KIMAGE_E_CORRUPT);
		free(b.out);
	}
}

static void an_empty_block_is_one_token(void **state)
{
	struct lz4_block b = {0};

	(void)state;
	assert_int_equal(unpack(&b, "", 1, 0), KIMAGE_OK);
	assert_int_equal(b.out_len, 0);
	free(b.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_liblz4_packs_unpacks),
	    cmocka_unit_test(a_dictionary_may_lie_anywhere),
	    cmocka_unit_test(a_small_buffer_is_an_error),
	    cmocka_unit_test(malformed_blocks_are_corrupt),
	    cmocka_unit_test(an_empty_block_is_one_token),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_plain, NULL);
}
