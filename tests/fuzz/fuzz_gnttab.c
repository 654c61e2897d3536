/* SPDX-License-Identifier: MIT */
/* Any sequence of grant operations over entries that hold anything; what is acquired must be the guest's, and comes back. */
#include <stdlib.h>
#include <string.h>

#include "core/gnttab.h"

#define HELD 8

static _Alignas(4096) char frames[16][4096], guest[4][4096];
static struct gnttab_pin pins[2 * GNTTAB_REFS_PER_FRAME];
static unsigned allocated;

static void *alloc(void *ctx, uint64_t *mfn)
{
	(void)ctx;
	if (allocated == 16)
		return NULL;
	*mfn = allocated;
	return memset(frames[allocated++], 0, 4096);
}

static void *page_of(void *ctx, uint64_t mfn)
{
	(void)ctx;
	return mfn < 4 ? guest[mfn] : NULL;
}

static const struct gnttab_env env = {alloc, page_of};

struct input {
	const uint8_t *p, *end;
};

static uint8_t byte(struct input *in)
{
	return in->p < in->end ? *in->p++ : 0;
}

static void operation(struct gnttab *table, struct input *in)
{
	const struct gnttab_op_row *row = gnttab_op_row(byte(in) % GNTTAB_OP_COUNT);
	uint32_t arg[GNTTAB_OP_ARG_MAX / 4] = {0};
	struct gnttab_list list = {NULL, 0};

	if (!row)
		return;
	for (unsigned i = 0; i < row->arg_size; i += 2)
		((uint8_t *)arg)[i] = byte(in) % 16;
	if (byte(in) % 4 == 0)
		arg[byte(in) % (GNTTAB_OP_ARG_MAX / 4)] = ~0u >> byte(in) % 32;
	row->run(table, arg, &list);
	if (list.nr > GNTTAB_MAX_FRAMES)
		abort();
}

struct held {
	bool used, write;
	grant_ref_t ref;
};

static void use(struct gnttab *table, struct held *held, struct input *in)
{
	struct gnttab_page page;

	if (held->used) {
		gnttab_release(table, held->ref, held->write);
		held->used = false;
		return;
	}
	held->ref = byte(in) % 16;
	held->write = byte(in) & 1;
	if (gnttab_acquire(table, byte(in) & 1, held->ref, held->write, &page))
		return;
	held->used = true;
	if (page.mfn >= 4 || page.va != guest[page.mfn] || page.offset + page.len > 4096)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct gnttab table;
	struct gnttab_config c = {&env, NULL, 1, 2, pins};
	struct input in = {data, data + size};
	struct held held[HELD] = {{0}};

	allocated = 0;
	if (gnttab_init(&table, &c))
		abort();
	while (in.p < in.end) {
		uint8_t what = byte(&in);

		if (what % 3 == 0)
			operation(&table, &in);
		else if (what % 3 == 1)
			use(&table, &held[what / 3 % HELD], &in);
		else
			frames[byte(&in) % 4][byte(&in)] = byte(&in);
	}
	for (unsigned i = 0; i < HELD; i++)
		if (held[i].used)
			gnttab_release(&table, held[i].ref, held[i].write);
	for (unsigned i = 0; i < 2 * GNTTAB_REFS_PER_FRAME; i++)
		if (pins[i].users || pins[i].writers)
			abort();
	return 0;
}
