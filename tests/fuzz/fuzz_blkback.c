/* SPDX-License-Identifier: MIT */
/* A ring and grants that hold anything: what reaches the disk is always within it and within the guest's pages. */
#include <stdlib.h>
#include <string.h>

#include "core/blkback.h"
#include "tests/hosted/granted.h"

#define PAGES   8
#define SECTORS 1000

static _Alignas(4096) char ring_page[4096];
static struct granted memory;
static struct blkback_slot pool[4];
static struct block_request *held[4];

static void notify(void *ctx, struct blkback_queue *queue)
{
	(void)ctx;
	(void)queue;
}

static void idle(void *ctx, struct blkback_queue *queue)
{
	if (queue->q.in_flight)
		abort();
	++*(unsigned *)ctx;
}

static void check(const struct block_request *r)
{
	uint64_t total = 0;

	if (r->op != BLOCK_FLUSH && (r->sector > SECTORS || r->nr_sectors > SECTORS - r->sector))
		abort();
	for (unsigned i = 0; i < r->nr_segments; i++) {
		const struct block_segment *s = &r->segment[i];

		if (s->mfn >= PAGES || !s->len || s->offset + s->len > 4096 ||
		    (s->offset | s->len) % 512)
			abort();
		total += s->len;
	}
	if (r->nr_segments && total != r->nr_sectors * 512)
		abort();
}

static void submit(struct block_disk *disk, struct block_request *request)
{
	check(request);
	for (unsigned i = 0; i < 4 && request->sector % 2; i++) {
		if (!held[i]) {
			held[i] = request;
			return;
		}
	}
	block_complete(disk, request, request->sector % 3);
}

static const struct blkback_env env = {notify, idle};
static const struct block_disk_ops disk_ops = {submit, NULL};

static void complete_one(struct block_disk *disk, unsigned i)
{
	struct block_request *request = held[i];

	held[i] = NULL;
	if (request)
		block_complete(disk, request, BLOCK_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct block_disk disk = {
	    .ops = &disk_ops, .nr_sectors = SECTORS, .sector_size = 512, .discard = true};
	static struct blkback_queue queue;
	struct xenring_header *header = (struct xenring_header *)ring_page;
	void *pages[] = {ring_page};
	unsigned idles = 0;

	if (!size)
		return 0;
	memset(ring_page, 0, sizeof(ring_page));
	granted_start(&memory, 0);
	for (unsigned i = 0; i < 16; i++)
		((struct grant_entry_v1 *)memory.table)[i] = (struct grant_entry_v1){
		    GTF_permit_access | (i == 7 ? GTF_readonly : 0), i == 9,
		    i % 10 < PAGES ? i % 10 : GRANTED_PAGES /* not the guest's */};
	blkback_start(&queue, &env, &idles, &disk, &memory.grants,
		      data[0] & 1 ? BLKIF_ABI_X86_32 : BLKIF_ABI_X86_64, pages, 1, pool, 4);
	for (data++, size--; size >= 4; data += 4, size -= 4) {
		unsigned at = (data[0] << 8 | data[1]) % 1024 * 4;

		switch (data[2] % 4) {
		case 0: /* a request field */ ring_page[64 + at % 1024] = data[3]; break;
		case 1: memory.page[data[3] % PAGES][at % 512] = data[3]; break;
		case 2: complete_one(&disk, data[3] % 4); break;
		default: header->req_prod += data[3] % (data[0] ? 4 : 64); blkback_poll(&queue);
		}
	}
	blkback_stop(&queue);
	for (unsigned i = 0; i < 4; i++)
		complete_one(&disk, i);
	if (idles != 1)
		abort();
	if (granted_in_use(&memory))
		abort();
	return 0;
}
