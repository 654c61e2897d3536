/* SPDX-License-Identifier: MIT */
/* Source: doc/lz4_Block_format.md of LZ4. */
#include "core/kimage/lz4_block.h"

#include "core/string.h"

#define MATCH_MIN  4
#define LENGTH_MAX 15 /* in a token; then bytes follow that add to it */

struct cursor {
	const unsigned char *in, *in_end;
	unsigned char *out, *out_end;
};

/* Upwards, so that a match may reach into what it produces; by words where that makes no difference. */
static void copy_up(unsigned char *to, const unsigned char *from, size_t n)
{
	uint64_t word;

	if ((uintptr_t)to - (uintptr_t)from >= sizeof(word)) { /* also where from lies above */
		for (; n >= sizeof(word);
		     to += sizeof(word), from += sizeof(word), n -= sizeof(word)) {
			__builtin_memcpy(&word, from, sizeof(word));
			__builtin_memcpy(to, &word, sizeof(word));
		}
	}
	for (; n > 0; n--) {
		*to++ = *from++;
	}
}

/* A token's length and the bytes that add to it. False: the block ends among them. */
static bool read_length(struct cursor *c, size_t *len)
{
	unsigned char more = 255;

	if (*len != LENGTH_MAX) {
		return true;
	}
	while (more == 255) {
		if (c->in == c->in_end) {
			return false;
		}
		more = *c->in++;
		*len += more;
	}
	return true;
}

static enum kimage_error copy_literals(struct cursor *c, size_t len)
{
	if (!read_length(c, &len) || len > (size_t)(c->in_end - c->in)) {
		return KIMAGE_E_CORRUPT;
	}
	if (len > (size_t)(c->out_end - c->out)) {
		return KIMAGE_E_BUFFER;
	}
	copy_up(c->out, c->in, len);
	c->in += len;
	c->out += len;
	return KIMAGE_OK;
}

/* The part of a match that lies in the dictionary, if any. Returns its length; SIZE_MAX: it lies before that. */
static size_t copy_from_dict(const struct lz4_block *b, struct cursor *c, size_t offset, size_t len)
{
	size_t made = c->out - b->out, back = offset - made;

	if (offset <= made) {
		return 0;
	}
	if (back > b->dict_size) {
		return SIZE_MAX;
	}
	if (len > back) {
		len = back;
	}
	copy_up(c->out, b->dict + b->dict_size - back, len);
	c->out += len;
	return len;
}

static enum kimage_error copy_match(const struct lz4_block *b, struct cursor *c, size_t len)
{
	size_t offset, done;

	if (c->in_end - c->in < 2) {
		return KIMAGE_E_CORRUPT;
	}
	offset = c->in[0] | c->in[1] << 8;
	c->in += 2;
	if (offset == 0 || !read_length(c, &len)) {
		return KIMAGE_E_CORRUPT;
	}
	len += MATCH_MIN;
	if (len > (size_t)(c->out_end - c->out)) {
		return KIMAGE_E_BUFFER;
	}
	done = copy_from_dict(b, c, offset, len);
	if (done == SIZE_MAX) {
		return KIMAGE_E_CORRUPT;
	}
	len -= done;
	if (len == 0) {
		return KIMAGE_OK;
	}
	if (offset == 1) { /* zeroes, mostly */
		memset(c->out, c->out[-1], len);
	} else {
		copy_up(c->out, c->out - offset, len);
	}
	c->out += len;
	return KIMAGE_OK;
}

/* Sequences of literals and match; the last has no match. */
enum kimage_error lz4_block_unpack(struct lz4_block *b)
{
	struct cursor c = {b->in, b->in + b->in_size, b->out, b->out + b->room};
	enum kimage_error error = KIMAGE_OK;

	while (error == KIMAGE_OK && c.in != c.in_end) {
		unsigned int token = *c.in++;

		error = copy_literals(&c, token >> 4);
		if (error == KIMAGE_OK && c.in != c.in_end) {
			error = copy_match(b, &c, token & 15);
		}
	}
	b->out_len = c.out - b->out;
	return b->in_size == 0 ? KIMAGE_E_CORRUPT : error;
}
