/* SPDX-License-Identifier: MIT */
/*
 * One handle, many threads, every call: workers that share blocks and bitmaps, some of them moving the bytes themselves under a hold,
 * and a caretaker that resizes, compacts, checks and asks. Built twice, for the address and for the thread sanitizer.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/disk_folder.h"
#include "tests/unit/disk_tool.h"

#define WORKERS 3
#define STEPS   400
#define SHARED  (6 * MIB) /* sectors dealt out in turn */
#define BLOCK   (1 * MIB) /* behind them one block for each worker */
#define SIZE    (12 * MIB)

static char path[64], child_path[64];

static int make_paths(void **state)
{
	if (make_folder(state))
		return -1;
	snprintf(path, sizeof(path), "%s/disk", folder);
	snprintf(child_path, sizeof(child_path), "%s/child", folder);
	return 0;
}

struct worker {
	pthread_t thread;
	struct xd_image *image;
	uint8_t *model; /* SIZE bytes, shared; each thread keeps to its own sectors */
	unsigned int number, random;
	int failed;
};

static atomic_int working;

static uint64_t own_place(struct worker *w, bool block)
{
	if (block)
		return SHARED + w->number * BLOCK + rand_r(&w->random) % (BLOCK / 512) * 512ull;
	return ((uint64_t)rand_r(&w->random) % (SHARED / 512 / WORKERS) * WORKERS + w->number) *
	       512;
}

/* By itself where it may, else by the library. */
static int move(struct worker *w, bool write, uint8_t *buf, uint64_t offset)
{
	struct xd_run run;
	struct xd_hold hold;
	size_t count = 1;
	int r =
	    xd_hold(w->image, offset, 512, write ? XD_HOLD_WRITE : 0, &run, &count, &hold, NULL);

	if (r || !count)
		return r       ? r
		       : write ? xd_write(w->image, buf, 512, offset, NULL)
			       : xd_read(w->image, buf, 512, offset, NULL);
	if (run.kind != XD_KIND_DATA)
		memset(buf, 0, 512);
	else if (write)
		r = pwrite(xd_get_fd(run.layer), buf, 512, run.file_offset) != 512;
	else
		r = pread(xd_get_fd(run.layer), buf, 512, run.file_offset) != 512;
	xd_release(&hold);
	return r;
}

/* A block that is one worker's alone comes and goes. */
static int renew_block(struct worker *w)
{
	uint64_t offset = SHARED + w->number * BLOCK;
	int r = xd_discard(w->image, offset, BLOCK, NULL);

	memset(w->model + offset, 0, BLOCK);
	return r ? r : xd_zero(w->image, offset, BLOCK, NULL);
}

static int step(struct worker *w)
{
	uint64_t offset = own_place(w, rand_r(&w->random) % 4 == 0);
	uint8_t *mine = w->model + offset, buf[512];
	int r;

	switch (rand_r(&w->random) % 12) {
	case 0: return xd_flush(w->image, NULL);
	case 1: memset(mine, 0, 512); return xd_zero(w->image, offset, 512, NULL);
	case 2: return renew_block(w);
	case 3:
	case 4:
		r = xd_read(w->image, buf, 512, offset, NULL);
		return r ? r : memcmp(buf, mine, 512);
	case 5:
	case 6: r = move(w, false, buf, offset); return r ? r : memcmp(buf, mine, 512);
	case 7:
	case 8: memset(mine, 1 + rand_r(&w->random) % 255, 512); return move(w, true, mine, offset);
	default:
		memset(mine, 1 + rand_r(&w->random) % 255, 512);
		return xd_write(w->image, mine, 512, offset, NULL);
	}
}

static void *work(void *ctx)
{
	struct worker *w = ctx;

	for (int i = 0; i < STEPS && !w->failed; i++)
		w->failed = step(w);
	working--;
	return NULL;
}

static void ignore_fact(void *ctx, const struct xd_fact *fact)
{
	(void)ctx;
	(void)fact;
}

/* What lies past the workers' part may come and go. */
static int care(struct xd_image *image, unsigned int turn)
{
	struct xd_run runs[16];
	struct xd_info info;
	size_t count = 16;
	uint8_t buf[4096];
	int r;

	switch (turn % 6) {
	case 0: return xd_resize(image, SIZE + (1 + turn % 5) * MIB, XD_RESIZE_SHRINK, NULL);
	case 1: return xd_resize(image, SIZE, XD_RESIZE_SHRINK, NULL);
	case 2: return xd_compact(image, NULL, NULL);
	case 3: return xd_check(image, 0, NULL, NULL, NULL, NULL);
	case 4: xd_get_info(image, &info); return xd_describe(image, ignore_fact, NULL, NULL);
	default:
		r = xd_map(image, 0, SIZE, XD_MAP_HOLES, runs, &count, NULL);
		return r ? r : xd_read(image, buf, sizeof(buf), SIZE - sizeof(buf), NULL);
	}
}

/* A request at the end of a disk that shrinks works or is refused, and touches nothing but the disk. */
static void *cross_the_end(void *ctx)
{
	static const uint8_t buf[4096] = {7};
	uint8_t back[4096];

	while (working) {
		int w = xd_write(ctx, buf, sizeof(buf), SIZE + MIB - 4096, NULL);
		int r = xd_read(ctx, back, sizeof(back), SIZE + MIB - 4096, NULL);

		assert_true((!w || w == XD_E_RANGE) && (!r || r == XD_E_RANGE));
	}
	return NULL;
}

static void together(const char *file, struct xd_image *image)
{
	struct worker workers[WORKERS];
	struct xd_check_report report;
	uint8_t *model = calloc(1, SIZE), *buf = malloc(SIZE);
	pthread_t crosser;

	working = WORKERS;
	for (unsigned int i = 0; i < WORKERS; i++) {
		workers[i] =
		    (struct worker){.image = image, .model = model, .number = i, .random = i + 1};
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	assert_int_equal(pthread_create(&crosser, NULL, cross_the_end, image), 0);
	for (unsigned int turn = 0; working; turn++)
		OK(care(image, turn));
	pthread_join(crosser, NULL);
	for (unsigned int i = 0; i < WORKERS; i++) {
		pthread_join(workers[i].thread, NULL);
		assert_int_equal(workers[i].failed, 0);
	}
	OK(xd_resize(image, SIZE, XD_RESIZE_SHRINK, &err));
	OK(xd_close(image, &err));
	OK(xd_open(file, XD_OPEN_LENIENT, &image, &err));
	report = tool_check(image, 0, NULL);
	assert_int_equal(report.errors, 0);
	OK(xd_read(image, buf, SIZE, 0, &err));
	assert_memory_equal(buf, model, SIZE);
	OK(xd_close(image, &err));
	free(model);
	free(buf);
}

static struct xd_create plan(enum xd_format format, enum xd_type type)
{
	return (struct xd_create){.path = path,
				  .format = format,
				  .type = type,
				  .flags = XD_CREATE_OVERWRITE,
				  .virtual_size = SIZE,
				  .block_size = type == XD_TYPE_FIXED ? 0 : BLOCK};
}

static void disk(enum xd_format format, enum xd_type type)
{
	struct xd_create how = plan(format, type);
	struct xd_image *image;

	OK(xd_create(&how, &err));
	OK(xd_open(path, XD_OPEN_WRITE, &image, &err));
	together(path, image);
}

static void child(enum xd_format format)
{
	struct xd_create how = plan(format, XD_TYPE_DYNAMIC);
	struct xd_image *image;

	OK(xd_create(&how, &err));
	OK(xd_open(path, 0, &how.parent, &err));
	how.type = XD_TYPE_DIFF;
	how.path = child_path;
	OK(xd_create(&how, &err));
	OK(xd_close(how.parent, &err));
	OK(xd_open(child_path, XD_OPEN_WRITE, &image, &err));
	together(child_path, image);
}

static void raw_and_fixed_disks(void **state)
{
	(void)state;
	disk(XD_FORMAT_RAW, XD_TYPE_FIXED);
	disk(XD_FORMAT_VHD, XD_TYPE_FIXED);
	disk(XD_FORMAT_VHDX, XD_TYPE_FIXED);
}

static void dynamic_disks(void **state)
{
	(void)state;
	disk(XD_FORMAT_VHD, XD_TYPE_DYNAMIC);
	disk(XD_FORMAT_VHDX, XD_TYPE_DYNAMIC);
}

static void children(void **state)
{
	(void)state;
	child(XD_FORMAT_VHD);
	child(XD_FORMAT_VHDX);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(raw_and_fixed_disks),
	    cmocka_unit_test(dynamic_disks),
	    cmocka_unit_test(children),
	};

	return cmocka_run_group_tests(tests, make_paths, remove_folder);
}
