/* SPDX-License-Identifier: MIT */
/* One handle, many threads: writes that share blocks and bitmaps, flushes, zeros and discards, and readers. */
#include <pthread.h>
#include <stdio.h>

#include "tests/unit/test_vhdx_tool.h"

#define THREADS 4
#define STEPS   250

struct worker {
	pthread_t thread;
	struct xd_image *image;
	struct tool_model *model; /* shared; each thread keeps to its own sectors */
	unsigned int number, random;
	int failed;
};

/* Sectors are dealt out in turn, so that every block and every bitmap page is everybody's. */
static uint64_t own_sector(struct worker *w)
{
	uint64_t rows = w->model->size / 512 / THREADS;

	return ((uint64_t)rand_r(&w->random) % rows) * THREADS + w->number;
}

static int step(struct worker *w)
{
	uint64_t offset = own_sector(w) * 512;
	uint8_t *mine = w->model->bytes + offset, buf[512];
	struct xd_error err;

	switch (rand_r(&w->random) % 8) {
	case 0: return xd_flush(w->image, &err);
	case 1: memset(mine, 0, 512); return xd_zero(w->image, offset, 512, &err);
	case 2:
	case 3: {
		int ret = xd_read(w->image, buf, 512, offset, &err);

		if (!ret && memcmp(buf, mine, 512))
			fprintf(stderr, "thread %u: sector at %llu: %02x, should be %02x\n",
				w->number, (unsigned long long)offset, buf[0], mine[0]);
		return ret ? ret : memcmp(buf, mine, 512);
	}
	default:
		memset(mine, 1 + rand_r(&w->random) % 255, 512);
		return xd_write(w->image, mine, 512, offset, &err);
	}
}

static void *work(void *ctx)
{
	struct worker *w = ctx;

	for (int i = 0; i < STEPS && !w->failed; i++)
		w->failed = step(w);
	return NULL;
}

static void together(const struct tool_geometry *g, struct tool_store *parent,
		     struct xd_image *base)
{
	struct worker workers[THREADS] = {0};
	struct tool_store store;
	struct tool_model model;
	struct xd_image *image;

	tool_store_init(&store);
	tool_create(&store, g, base);
	tool_model_init(&model, g->size, 512, 1);
	for (int round = 0; round < 3; round++) {
		image = tool_open(&store, parent, XD_OPEN_WRITE);
		for (unsigned int i = 0; i < THREADS; i++) {
			workers[i] = (struct worker){
			    .image = image, .model = &model, .number = i, .random = 10 * round + i};
			assert_int_equal(
			    pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
		}
		for (unsigned int i = 0; i < THREADS; i++) {
			pthread_join(workers[i].thread, NULL);
			assert_int_equal(workers[i].failed, 0);
		}
		tool_model_verify(&model, image);
		tool_close(image);
		tool_assert_clean(&store, parent);
	}
	tool_model_free(&model);
	tool_store_free(&store);
}

static void threads_share_blocks(void **state)
{
	static const struct tool_geometry many = {XD_TYPE_DYNAMIC, 24 * MIB, 1 << 20, 512};
	static const struct tool_geometry one = {XD_TYPE_DYNAMIC, 24 * MIB, 32 << 20, 512};

	(void)state;
	together(&many, NULL, NULL);
	together(&one, NULL, NULL);
}

static void threads_share_a_childs_bitmaps(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 24 * MIB, 1 << 20, 512};
	struct tool_store parent;
	struct xd_image *base;

	(void)state;
	tool_store_init(&parent);
	tool_create(&parent, &g, NULL);
	base = tool_open(&parent, NULL, 0);
	g.type = XD_TYPE_DIFF;
	together(&g, &parent, base);
	g.block = 8 << 20;
	together(&g, &parent, base);
	tool_close(base);
	tool_store_free(&parent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(threads_share_blocks),
	    cmocka_unit_test(threads_share_a_childs_bitmaps),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
