/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/block/block.h"

struct blkfront a, b, c;

uint8_t arena[PAGES][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t expected[PAGES][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t on_disk[SECTORS][SECTOR] PAGE_ALIGNED;
static uint8_t calm[PAGE_SIZE] PAGE_ALIGNED;

/* As tests/boot/pvtests fills them. */
static uint64_t word_of(unsigned disk, uint64_t sector, unsigned word)
{
	return (uint64_t)(disk + 1) << 56 | sector << 8 | word;
}

static void fill(uint8_t *to, uint64_t seed)
{
	for (unsigned i = 0; i < PAGE_SIZE; i += 8) {
		uint64_t value = random64(&seed);

		memcpy(to + i, &value, 8);
	}
}

void model_init(void)
{
	for (unsigned i = 0; i < PAGES; i++) {
		fill(arena[i], i + 1);
		memcpy(expected[i], arena[i], PAGE_SIZE);
		if (i & 1)
			grant(REF_PAGE + i, arena[i]);
	}
	for (unsigned s = 0; s < SECTORS; s++) {
		for (unsigned w = 0; w < SECTOR / 8; w++) {
			uint64_t value = word_of(0, s, w);

			memcpy(&on_disk[s][w * 8], &value, 8);
		}
	}
	grant(REF_CALM, calm);
}

void unharmed(const char *after)
{
	const uint64_t *is = (const uint64_t *)arena, *must = (const uint64_t *)expected;

	for (unsigned i = 0; i < sizeof(arena) / 8; i++) {
		if (is[i] == must[i])
			continue;
		failure("%s: page %u changed at %#x", after, i / 512, i % 512 * 8);
		memcpy(expected, arena, sizeof(arena));
		return;
	}
}

static bool usable(grant_ref_t ref, bool written)
{
	if (ref == REF_READ_ONLY)
		return !written;
	return ref >= REF_PAGE && ref < REF_PAGE + PAGES && ref & 1;
}

static unsigned page_of(grant_ref_t ref)
{
	return ref == REF_READ_ONLY || ref == REF_ENDED ? 1 : ref - REF_PAGE;
}

int judge(const blkif_request_t *r)
{
	uint64_t count = 0;

	if (!r->nr_segments || r->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST)
		return BLKIF_RSP_ERROR;
	for (unsigned i = 0; i < r->nr_segments; i++) {
		const struct blkif_request_segment *s = &r->seg[i];

		if (s->first_sect > s->last_sect || s->last_sect >= PAGE_SECTOR ||
		    !usable(s->gref, r->operation == BLKIF_OP_READ))
			return BLKIF_RSP_ERROR;
		count += s->last_sect - s->first_sect + 1u;
	}
	return count <= SECTORS && r->sector_number <= SECTORS - count ? BLKIF_RSP_OKAY
								       : BLKIF_RSP_ERROR;
}

void apply(const blkif_request_t *r)
{
	uint64_t sector = r->sector_number;

	for (unsigned i = 0; i < r->nr_segments; i++) {
		const struct blkif_request_segment *s = &r->seg[i];
		unsigned page = page_of(s->gref);

		for (unsigned at = s->first_sect; at <= s->last_sect; at++, sector++) {
			if (r->operation == BLKIF_OP_READ)
				memcpy(&expected[page][at * SECTOR], on_disk[sector], SECTOR);
			else
				memcpy(on_disk[sector], &arena[page][at * SECTOR], SECTOR);
		}
	}
}

blkif_request_t one(uint8_t op, uint64_t sector, grant_ref_t ref, uint8_t first, uint8_t last)
{
	static uint64_t id = 0x1234567800000000;
	blkif_request_t r;

	memset(&r, 0, sizeof(r));
	r.operation = op;
	r.nr_segments = 1;
	r.id = ++id;
	r.sector_number = sector;
	r.seg[0] = (struct blkif_request_segment){ref, first, last};
	return r;
}

void disk_unharmed(void)
{
	for (unsigned s = 0; s < SECTORS; s += PAGE_SECTOR) {
		blkif_request_t r = one(BLKIF_OP_READ, s, REF_CALM, 0, PAGE_SECTOR - 1);

		check_equal(blkfront_do(&a, &r), BLKIF_RSP_OKAY);
		if (memcmp(calm, on_disk[s], PAGE_SIZE))
			failure("disk A changed at sector %u", s);
	}
}

void answered(const char *name, const void *request, int status)
{
	int is = blkfront_do(&a, request);

	if (is != status)
		failure("%s: answered with %d, not %d", name, is, status);
	unharmed(name);
}

void refused(const char *name, const void *request)
{
	answered(name, request, BLKIF_RSP_ERROR);
}

static void reads_right(struct blkfront *f, unsigned disk)
{
	static unsigned sector;
	blkif_request_t r;
	uint64_t value;

	sector = (sector + 61) % (SECTORS - PAGE_SECTOR);
	r = one(BLKIF_OP_READ, sector, REF_CALM, 0, PAGE_SECTOR - 1);
	memset(calm, 0, sizeof(calm));
	check_equal(blkfront_do(f, &r), BLKIF_RSP_OKAY);
	for (unsigned w = 0; w < PAGE_SIZE / 8; w++) {
		memcpy(&value, calm + w * 8, 8);
		check_equal(value, word_of(disk, sector + w / 64, w % 64));
		if (value != word_of(disk, sector + w / 64, w % 64))
			return;
	}
}

void others_go_on(void)
{
	reads_right(&b, 1);
	reads_right(&c, 2);
}
