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

/* --- a write that is overtaken ------------------------------------------------------------------------------------------------ */

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	bool armed, stopped, go;
	int (*pwrite)(void *ctx, const void *buf, size_t length, uint64_t offset);
} gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* Stops the first write after it was armed until somebody says go. */
static int gated_pwrite(void *ctx, const void *buf, size_t length, uint64_t offset)
{
	pthread_mutex_lock(&gate.lock);
	if (gate.armed) {
		gate.armed = false;
		gate.stopped = true;
		pthread_cond_broadcast(&gate.changed);
		while (!gate.go)
			pthread_cond_wait(&gate.changed, &gate.lock);
	}
	pthread_mutex_unlock(&gate.lock);
	return gate.pwrite(ctx, buf, length, offset);
}

static void *late_write(void *ctx)
{
	static char buf[512] = "late";
	struct xd_error err;

	return xd_write(ctx, buf, sizeof(buf), 0, &err) ? ctx : NULL;
}

static void stop_a_write(struct xd_image *image, pthread_t *thread)
{
	gate.stopped = gate.go = false;
	gate.armed = true;
	assert_int_equal(pthread_create(thread, NULL, late_write, image), 0);
	pthread_mutex_lock(&gate.lock);
	while (!gate.stopped)
		pthread_cond_wait(&gate.changed, &gate.lock);
	pthread_mutex_unlock(&gate.lock);
}

static void let_it_go(pthread_t thread)
{
	void *failed;

	pthread_mutex_lock(&gate.lock);
	gate.go = true;
	pthread_cond_broadcast(&gate.changed);
	pthread_mutex_unlock(&gate.lock);
	pthread_join(thread, &failed);
	assert_null(failed);
}

static struct xd_image *gated_image(struct tool_store *store)
{
	const struct tool_geometry g = {XD_TYPE_DYNAMIC, 8 * MIB, 1 << 20, 512};

	tool_store_init(store);
	gate.pwrite = store->ops.pwrite;
	store->ops.pwrite = gated_pwrite;
	tool_create(store, &g, NULL);
	return tool_open(store, NULL, XD_OPEN_WRITE);
}

static void space_that_a_write_is_on_its_way_to_is_not_given_away(void **state)
{
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	pthread_t thread;
	char buf[512] = "mine", back[512];

	(void)state;
	image = gated_image(&store);
	OK(xd_write(image, buf, sizeof(buf), 0, &err));
	OK(xd_flush(image, &err));
	stop_a_write(image, &thread);
	OK(xd_discard(image, 0, MIB, &err));
	for (uint64_t block = 1; block < 6; block++) {
		OK(xd_flush(image, &err));
		OK(xd_write(image, buf, sizeof(buf), block * MIB, &err));
	}
	let_it_go(thread);
	for (uint64_t block = 1; block < 6; block++) {
		OK(xd_read(image, back, sizeof(back), block * MIB, &err));
		assert_memory_equal(back, buf, sizeof(buf));
	}
	tool_close(image);
	tool_assert_clean(&store, NULL);
	tool_store_free(&store);
}

/*
 * Two writes make a block; when one of them is done the block is discarded, and perhaps written to again. The other one, done at last, must not
 * bring back the space that was given up.
 */
static void a_discarded_block_is_not_named_again_by_a_write_before(void **state)
{
	char buf[512] = "mine", back[512];

	(void)state;
	for (int again = 0; again < 2; again++) {
		struct tool_store store;
		struct xd_image *image;
		struct xd_error err;
		pthread_t thread;

		image = gated_image(&store);
		OK(xd_prepare_write(image, &err));
		stop_a_write(image, &thread);
		OK(xd_write(image, buf, sizeof(buf), 4096, &err));
		OK(xd_discard(image, 0, MIB, &err));
		if (again)
			OK(xd_write(image, buf, sizeof(buf), 8192, &err));
		let_it_go(thread);
		for (uint64_t block = 1; block < 6; block++) {
			OK(xd_flush(image, &err));
			OK(xd_write(image, buf, sizeof(buf), block * MIB, &err));
		}
		OK(xd_read(image, back, sizeof(back), 8192, &err));
		if (again)
			assert_memory_equal(back, buf, sizeof(buf));
		tool_close(image);
		tool_assert_clean(&store, NULL);
		tool_store_free(&store);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(threads_share_blocks),
	    cmocka_unit_test(threads_share_a_childs_bitmaps),
	    cmocka_unit_test(space_that_a_write_is_on_its_way_to_is_not_given_away),
	    cmocka_unit_test(a_discarded_block_is_not_named_again_by_a_write_before),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
