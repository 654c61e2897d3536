/* SPDX-License-Identifier: MIT */
/* Requests that are wrong in themselves: each gets its error, and nothing is carried out in part. */
#include "tests/guest/pv/block/block.h"

#include "core/fmt.h"

static void with_bad_grant(grant_ref_t ref)
{
	char name[64];

	for (unsigned op = BLKIF_OP_READ; op <= BLKIF_OP_WRITE; op++) {
		blkif_request_t r = one(op, 8, ref, 0, 7);

		fmt(name, sizeof(name), "operation %u by reference %#x", op, ref);
		refused(name, &r);
		/* Behind a good segment, and before one. */
		r = one(op, 8, REF_PAGE + 1, 0, 7);
		r.nr_segments = 3;
		r.seg[1] = (struct blkif_request_segment){ref, 0, 7};
		r.seg[2] = (struct blkif_request_segment){REF_PAGE + 3, 0, 7};
		refused(name, &r);
	}
}

void bad_grants(void)
{
	blkif_request_t r = one(BLKIF_OP_READ, 0, REF_ENDED, 0, 0);

	grant(REF_ENDED, arena[1]);
	apply(&r);
	answered("before it is ended", &r, BLKIF_RSP_OKAY);
	check(grant_end(REF_ENDED));
	for (grant_ref_t ref = REF_BAD; ref < REF_BAD_END; ref++)
		with_bad_grant(ref);
	with_bad_grant(0);
	with_bad_grant(REF_PAGE + 2); /* never granted, between two that are */
	with_bad_grant(GRANT_REFS);
	with_bad_grant(REF_BEYOND);
	with_bad_grant(REF_LAST);
	r = one(BLKIF_OP_READ, 8, REF_READ_ONLY, 0, 7);
	refused("a read into a page granted read-only", &r);
	r = one(BLKIF_OP_WRITE, 8, REF_READ_ONLY, 0, 7);
	apply(&r);
	answered("a write from one", &r, BLKIF_RSP_OKAY);
}

void bad_segments(void)
{
	static const uint8_t counts[] = {0, BLKIF_MAX_SEGMENTS_PER_REQUEST + 1, 64, 255};
	static const uint8_t extents[][2] = {{1, 0},   {7, 0},     {0, 8},   {8, 8},
					     {7, 255}, {255, 255}, {255, 0}, {128, 127}};
	char name[64];

	for (unsigned op = BLKIF_OP_READ; op <= BLKIF_OP_WRITE; op++) {
		for (unsigned i = 0; i < sizeof(counts); i++) {
			blkif_request_t r = one(op, 0, REF_PAGE + 1, 0, 7);

			r.nr_segments = counts[i];
			for (unsigned s = 0; s < BLKIF_MAX_SEGMENTS_PER_REQUEST; s++)
				r.seg[s] = (struct blkif_request_segment){REF_PAGE + 1, 0, 7};
			fmt(name, sizeof(name), "%u segments", counts[i]);
			refused(name, &r);
		}
		for (unsigned i = 0; i < sizeof(extents) / sizeof(extents[0]); i++) {
			blkif_request_t r = one(op, 0, REF_PAGE + 1, extents[i][0], extents[i][1]);

			fmt(name, sizeof(name), "sectors %u to %u of a page", extents[i][0],
			    extents[i][1]);
			refused(name, &r);
		}
	}
}

void bad_sectors(void)
{
	static const uint64_t starts[] = {
	    SECTORS,         SECTORS - 7, SECTORS + 1,    1ull << 31,     1ull << 32, 1ull << 55,
	    UINT64_MAX >> 9, 1ull << 63,  UINT64_MAX - 7, UINT64_MAX - 8, UINT64_MAX};
	char name[64];

	for (unsigned op = BLKIF_OP_READ; op <= BLKIF_OP_WRITE; op++) {
		for (unsigned i = 0; i < sizeof(starts) / sizeof(starts[0]); i++) {
			blkif_request_t r = one(op, starts[i], REF_PAGE + 1, 0, 7);

			fmt(name, sizeof(name), "sector %#lx", starts[i]);
			refused(name, &r);
		}
	}
}

/* Of 256, six mean something; flushes have no segments. */
void unknown_operations(void)
{
	char name[64];

	for (unsigned op = 0; op < 256; op++) {
		blkif_request_t r = one(op, 0, REF_PAGE + 1, 0, 7);
		int status = op == BLKIF_OP_WRITE_BARRIER ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR;

		if (op == BLKIF_OP_READ || op == BLKIF_OP_WRITE || op == BLKIF_OP_DISCARD)
			continue;
		fmt(name, sizeof(name), "operation %u", op);
		answered(name, &r, status);
	}
}

void read_only_disk(void)
{
	blkif_request_t r = one(BLKIF_OP_WRITE, 0, REF_PAGE + 1, 0, 7);

	check(c.read_only && !a.read_only);
	check_equal(blkfront_do(&c, &r), BLKIF_RSP_ERROR);
}

/* Fields from few values, so that about every third request is good. */
static blkif_request_t random_request(uint64_t *seed)
{
	uint64_t n = random64(seed);
	blkif_request_t r =
	    one(n % 3 ? BLKIF_OP_READ : BLKIF_OP_WRITE, random64(seed) % (SECTORS + 8), 0, 0, 0);
	unsigned first = (unsigned)(n >> 32) % 8;

	r.nr_segments = n >> 8 & 15 ? 1 + (n >> 16) % 8 : (n >> 16 & 255);
	for (unsigned i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++) {
		uint64_t m = random64(seed);
		uint8_t from = m % 8, to = from + (m >> 8) % (8 - from);

		/* No page twice: the order in which they are filled is nobody's business. */
		r.seg[i] =
		    (struct blkif_request_segment){REF_PAGE + 1 + 2 * ((first + i) % 8), from, to};
		if (m >> 16 & 15)
			continue;
		if (m >> 20 & 1)
			r.seg[i].gref = REF_READ_ONLY + (m >> 24) % (REF_BAD_END - REF_READ_ONLY);
		else
			r.seg[i].last_sect = (uint8_t)(m >> 24);
	}
	if (!(n >> 40 & 15))
		r.sector_number = random64(seed);
	return r;
}

void random_requests(void)
{
	uint64_t seed = 1;
	unsigned good = 0;

	for (unsigned i = 0; i < 1000; i++) {
		blkif_request_t r = random_request(&seed);
		int status = judge(&r);

		if (status == BLKIF_RSP_OKAY) {
			apply(&r);
			good++;
		}
		answered("a random request", &r, status);
	}
	say("%u random requests of 1000 were good", good);
	check(good > 100 && good < 900);
	disk_unharmed();
}
