/* SPDX-License-Identifier: MIT */
/* Requests whose descriptors lie on a page of their own. */
#include "tests/guest/pv/block/block.h"

#include "core/fmt.h"

#define OFFERED 64u /* feature-max-indirect-segments */

static struct blkif_request_segment descriptors[512] PAGE_ALIGNED;

union request {
	struct blkif_request_indirect indirect;
	blkif_request_t direct;
};

static union request indirect(uint8_t op, uint64_t sector, uint16_t nr, grant_ref_t ref)
{
	union request r = {.direct = one(BLKIF_OP_INDIRECT, sector, 0, 0, 0)};

	r.indirect.indirect_op = op;
	r.indirect.nr_segments = nr;
	r.indirect.handle = 0;
	memset(r.indirect.indirect_grefs, 0, sizeof(r.indirect.indirect_grefs));
	r.indirect.indirect_grefs[0] = ref;
	return r;
}

static void describe(void)
{
	for (unsigned i = 0; i < 512; i++)
		descriptors[i] = (struct blkif_request_segment){REF_PAGE + 1 + i % 8 * 2, 0, 7};
}

/* The same as one that is not, for the model. */
static void apply_eight(uint8_t op, uint64_t sector)
{
	blkif_request_t r = one(op, sector, 0, 0, 0);

	r.nr_segments = 8;
	memcpy(r.seg, descriptors, 8 * sizeof(descriptors[0]));
	apply(&r);
}

static void good_ones(void)
{
	union request r = indirect(BLKIF_OP_READ, 100, 8, REF_INDIRECT);

	apply_eight(BLKIF_OP_READ, 100);
	answered("a good indirect read", &r, BLKIF_RSP_OKAY);
	r = indirect(BLKIF_OP_WRITE, 30, 8, REF_INDIRECT);
	apply_eight(BLKIF_OP_WRITE, 30);
	answered("a good indirect write", &r, BLKIF_RSP_OKAY);
	grant_frame(REF_INDIRECT, va_to_mfn(descriptors), 0, GTF_permit_access | GTF_readonly);
	apply_eight(BLKIF_OP_READ, 100);
	r = indirect(BLKIF_OP_READ, 100, 8, REF_INDIRECT);
	answered("descriptors that may only be read", &r, BLKIF_RSP_OKAY);
}

static void bad_pages(void)
{
	static const grant_ref_t others[] = {0, REF_PAGE + 2, GRANT_REFS, REF_BEYOND, REF_LAST};
	char name[64];

	for (unsigned i = 0; i < REF_BAD_END - REF_BAD + sizeof(others) / sizeof(others[0]); i++) {
		grant_ref_t ref =
		    i < REF_BAD_END - REF_BAD ? REF_BAD + i : others[i - (REF_BAD_END - REF_BAD)];
		union request r = indirect(BLKIF_OP_READ, 0, 8, ref);

		fmt(name, sizeof(name), "descriptors by reference %#x", ref);
		refused(name, &r);
		/* A good page, and among its descriptors one that is not. */
		descriptors[5].gref = ref;
		r = indirect(BLKIF_OP_READ, 0, 8, REF_INDIRECT);
		refused(name, &r);
		describe();
	}
}

static void bad_counts_and_operations(void)
{
	static const uint16_t counts[] = {0, OFFERED + 1, 512, 513, 4097, 0xffff};
	char name[64];

	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		union request r = indirect(BLKIF_OP_READ, 0, counts[i], REF_INDIRECT);

		fmt(name, sizeof(name), "%u indirect segments", counts[i]);
		refused(name, &r);
	}
	for (unsigned op = 2; op < 256; op++) {
		union request r = indirect((uint8_t)op, 0, 8, REF_INDIRECT);

		fmt(name, sizeof(name), "indirect operation %u", op);
		answered(name, &r,
			 op == BLKIF_OP_WRITE_BARRIER ? BLKIF_RSP_EOPNOTSUPP : BLKIF_RSP_ERROR);
	}
}

void bad_indirect(void)
{
	union request r;

	check_equal(device_read(&a.bus, "feature-max-indirect-segments"), OFFERED);
	describe();
	grant(REF_INDIRECT, descriptors);
	good_ones();
	bad_pages();
	bad_counts_and_operations();
	r = indirect(BLKIF_OP_READ, SECTORS - 63, 8, REF_INDIRECT);
	refused("an indirect read beyond the end", &r);
	descriptors[7] = (struct blkif_request_segment){REF_PAGE + 15, 3, 2};
	r = indirect(BLKIF_OP_READ, 0, 8, REF_INDIRECT);
	refused("an indirect segment that ends before it starts", &r);
}
