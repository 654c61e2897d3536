/* SPDX-License-Identifier: MIT */
/* Power cuts: whatever moment they hit, flushed data is there and the image checks clean, seen read-only and opened for writing. */
#include <stdio.h>

#include "tests/unit/crash_io.h"
#include "tests/unit/test_vhdx_tool.h"

#define SEEDS 2

struct run {
	struct crash_log *log;
	struct crash_model *model;
	struct tool_store *parent; /* or NULL */
	struct xd_image *image;
	uint64_t sectors; /* of 512 bytes */
	uint64_t content; /* the next one */
	unsigned int random;
};

static uint64_t below(struct run *run, uint64_t limit)
{
	return (uint64_t)rand_r(&run->random) % limit;
}

static void write_at(struct run *run, uint64_t first, uint64_t count)
{
	uint8_t *buf = malloc(count * 512);
	struct xd_error err;

	assert_non_null(buf);
	crash_fill(buf, count, ++run->content);
	crash_model_write(run->model, first, count, run->content);
	OK(xd_write(run->image, buf, count * 512, first * 512, &err));
	free(buf);
}

static void zero_at(struct run *run, uint64_t first, uint64_t count)
{
	struct xd_error err;

	crash_model_write(run->model, first, count, 0);
	OK(xd_zero(run->image, first * 512, count * 512, &err));
}

static void flush(struct run *run)
{
	struct xd_error err;

	OK(xd_flush(run->image, &err));
	crash_model_flushed(run->model);
}

/* --- after the cut ---------------------------------------------------------------------------------------------------------- */

static void note(void *ctx, const struct xd_finding *finding)
{
	/* A header torn by the cut is what there are two for; a log is there to be replayed. */
	if (finding->severity == XD_NOTE || strcmp(finding->what, "header-checksum") == 0 ||
	    strcmp(finding->what, "log-dirty") == 0)
		return;
	fprintf(stderr, "finding: %s: %s\n", finding->what, finding->message);
	*(int *)ctx = -1;
}

static int look(struct run *run, struct tool_store *store, uint32_t flags, size_t cut)
{
	struct xd_check_report report = {0};
	struct xd_image *image;
	struct xd_error err;
	int bad = 0;

	if (tool_try_open(store, run->parent, flags, &image, &err)) {
		fprintf(stderr, "cut %zu: %s\n", cut, err.message);
		return -1;
	}
	if (crash_model_verify(run->model, image, cut) ||
	    xd_check(image, 0, note, &bad, &report, &err))
		bad = -1;
	if (xd_close(image, &err)) {
		fprintf(stderr, "cut %zu: closing: %s\n", cut, err.message);
		bad = -1;
	}
	return bad;
}

/* Read-only twice around a writable open: the log replayed in memory, then to the file, then gone. */
static int after_cut(void *ctx, struct xd_io io, size_t cut, unsigned int seed)
{
	struct run *run = ctx;
	struct tool_store store;
	int bad;

	(void)seed;
	tool_store_wrap(&store, io);
	bad = look(run, &store, 0, cut) || look(run, &store, XD_OPEN_WRITE, cut) ||
	      look(run, &store, 0, cut);
	tool_store_free(&store);
	return bad ? -1 : 0;
}

/* --- workloads -------------------------------------------------------------------------------------------------------------- */

static void small_writes(struct run *run)
{
	for (int i = 0; i < 20; i++) {
		write_at(run, below(run, run->sectors - 16), 1 + below(run, 16));
		if (i % 5 == 4)
			flush(run);
	}
}

/* Each round gives a flushed block's space up and needs space for another one before any commit. */
static void trims_and_reuse(struct run *run)
{
	for (uint64_t i = 0; i < 4; i++) {
		write_at(run, i * 2048 + 100, 8);
		flush(run);
		zero_at(run, i * 2048, 2048);
		write_at(run, (i + 1) * 2048 + 100, 8);
		write_at(run, i * 2048 + 101, 8);
	}
	flush(run);
}

static void flush_after_every_write(struct run *run)
{
	for (int i = 0; i < 12; i++) {
		write_at(run, below(run, run->sectors - 3), 3);
		flush(run);
	}
}

static void compacting(struct run *run)
{
	struct xd_error err;

	for (uint64_t i = 0; i < 5; i++)
		write_at(run, i * 2048, 4);
	flush(run);
	zero_at(run, 0, 2 * 2048);
	zero_at(run, 3 * 2048, 4);
	OK(xd_compact(run->image, NULL, &err));
	write_at(run, 0, 4);
	flush(run);
}

static void growing(struct run *run)
{
	struct xd_error err;

	write_at(run, 5, 9);
	flush(run);
	OK(xd_resize(run->image, run->sectors * 512 + 5 * MIB, 0, &err));
	write_at(run, run->sectors - 4, 4);
	flush(run);
}

/* What lies behind is lost, the model knows nothing of it. */
static void shrinking(struct run *run)
{
	struct xd_error err;
	uint8_t last[512] = "behind the new end";
	uint64_t size = xd_get_size(run->image);

	write_at(run, 5, 9);
	write_at(run, run->sectors - 4, 4);
	OK(xd_write(run->image, last, sizeof(last), size - sizeof(last), &err));
	OK(xd_write(run->image, last, sizeof(last), run->sectors * 512, &err));
	flush(run);
	OK(xd_resize(run->image, run->sectors * 512, XD_RESIZE_SHRINK, &err));
	crash_model_flushed(run->model);
	/* A block that takes the place of one that is gone. */
	write_at(run, run->sectors / 2, 4);
	flush(run);
}

/* --- setting up --------------------------------------------------------------------------------------------------------------- */

static void make_parent(struct run *run, struct tool_store *store,
			const struct tool_geometry *child)
{
	struct tool_geometry g = *child;
	uint8_t buf[64 * 512];
	struct xd_image *image;
	struct xd_error err;

	g.type = XD_TYPE_DYNAMIC;
	tool_store_init(store);
	tool_create(store, &g, NULL);
	image = tool_open(store, NULL, XD_OPEN_WRITE);
	for (uint64_t first = 0; first + 64 <= run->sectors; first += 5000) {
		crash_fill(buf, 64, ++run->content);
		OK(xd_write(image, buf, sizeof(buf), first * 512, &err));
		crash_model_base(run->model, first, 64, run->content);
	}
	tool_close(image);
}

/* kept: how much of the disk the model looks at */
static void cut_disk(const struct tool_geometry *g, uint64_t kept, void (*work)(struct run *),
		     unsigned int seed)
{
	struct run run = {.sectors = kept / 512, .random = seed};
	struct tool_store parent, store;
	struct xd_image *base = NULL;
	struct xd_io io;

	run.log = crash_io_open(&io);
	run.model = crash_model_new(run.log, run.sectors);
	if (g->type == XD_TYPE_DIFF) {
		make_parent(&run, &parent, g);
		run.parent = &parent;
		base = tool_open(&parent, NULL, 0);
	}
	tool_store_wrap(&store, io);
	tool_create(&store, g, base);
	if (base)
		tool_close(base);
	crash_start(run.log);
	run.image = tool_open(&store, run.parent, XD_OPEN_WRITE);
	work(&run);
	tool_close(run.image);
	assert_true(crash_events(run.log) > 20);
	assert_int_equal(crash_each(run.log, SEEDS, after_cut, &run), 0);
	crash_model_free(run.model);
	crash_free(run.log);
	if (run.parent)
		tool_store_free(&parent);
}

static void cut_everywhere(const struct tool_geometry *g, void (*work)(struct run *),
			   unsigned int seed)
{
	cut_disk(g, g->size, work, seed);
}

static const struct tool_geometry fixed = {XD_TYPE_FIXED, 3 * MIB + 512, 1 << 20, 512};
static const struct tool_geometry dynamic = {XD_TYPE_DYNAMIC, 5 * MIB + 512, 1 << 20, 512};
static const struct tool_geometry child = {XD_TYPE_DIFF, 5 * MIB + 512, 1 << 20, 512};

static void flushed_writes_survive(void **state)
{
	(void)state;
	cut_everywhere(&dynamic, small_writes, 1);
	cut_everywhere(&dynamic, flush_after_every_write, 2);
}

static void flushed_writes_to_a_child_survive(void **state)
{
	(void)state;
	cut_everywhere(&child, small_writes, 3);
	cut_everywhere(&child, flush_after_every_write, 4);
}

static void trimmed_space_is_never_shared(void **state)
{
	(void)state;
	cut_everywhere(&dynamic, trims_and_reuse, 5);
	cut_everywhere(&child, trims_and_reuse, 6);
}

static void compacting_loses_nothing(void **state)
{
	(void)state;
	cut_everywhere(&dynamic, compacting, 8);
	cut_everywhere(&child, compacting, 9);
}

static void growing_is_whole_or_not_at_all(void **state)
{
	(void)state;
	cut_everywhere(&dynamic, growing, 10);
	cut_everywhere(&child, growing, 11);
	cut_everywhere(&fixed, growing, 12);
}

static void shrinking_is_whole_or_not_at_all(void **state)
{
	(void)state;
	cut_disk(&dynamic, 2 * MIB + 1024, shrinking, 13);
	cut_disk(&child, 2 * MIB + 1024, shrinking, 14);
	cut_disk(&fixed, 2 * MIB - 512, shrinking, 15);
}

/* --- a parent that is longer than its child ------------------------------------------------------------------------------------ */

/* Ends within a block, and within a sector of a bitmap's byte. */
#define SHORT (2 * MIB + 5 * 512)
#define LONG  (6 * MIB + 7 * 512)

static const struct tool_geometry cut_short = {XD_TYPE_DIFF, SHORT, 1 << 20, 512};

/* Nowhere zero. */
static void make_long_parent(struct run *run, struct tool_store *store)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, LONG, 1 << 20, 512};
	uint8_t *buf = malloc(LONG);
	struct xd_image *image;
	struct xd_error err;

	tool_store_init(store);
	tool_create(store, &g, NULL);
	image = tool_open(store, NULL, XD_OPEN_WRITE);
	crash_fill(buf, LONG / 512, ++run->content);
	OK(xd_write(image, buf, LONG, 0, &err));
	tool_close(image);
	free(buf);
	crash_model_base(run->model, 0, run->sectors, run->content);
}

static int zero_behind(struct run *run, struct xd_image *image)
{
	uint64_t end = xd_get_size(image) < LONG + MIB ? xd_get_size(image) : LONG + MIB;
	uint8_t one[512];
	struct xd_error err;

	for (uint64_t at = run->sectors * 512; at < end; at += sizeof(one)) {
		OK(xd_read(image, one, sizeof(one), at, &err));
		if (one[0] || memcmp(one, one + 1, sizeof(one) - 1)) {
			fprintf(stderr, "the parent shows at %llu of %llu\n",
				(unsigned long long)at, (unsigned long long)xd_get_size(image));
			return -1;
		}
	}
	return 0;
}

static int hidden_after_cut(void *ctx, struct xd_io io, size_t cut, unsigned int seed)
{
	struct run *run = ctx;
	struct tool_store store;
	struct xd_image *image;
	int bad;

	(void)seed;
	tool_store_wrap(&store, io);
	bad = look(run, &store, 0, cut) || look(run, &store, XD_OPEN_WRITE, cut);
	if (!bad) {
		image = tool_open(&store, run->parent, 0);
		bad = zero_behind(run, image);
		tool_close(image);
	}
	tool_store_free(&store);
	return bad ? -1 : 0;
}

/* Within its last block, then past the parent's end, shorter again, and to where the table has no more room. */
static void grow_under_parent(struct run *run)
{
	const uint64_t sizes[] = {SHORT + 512, 3 * MIB - 512, LONG + 2 * MIB,
				  SHORT,       LONG - 512,    200ull << 30};
	struct xd_error err;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		write_at(run, below(run, run->sectors - 3), 3);
		if (i % 2)
			flush(run);
		OK(xd_resize(run->image, sizes[i], XD_RESIZE_SHRINK, &err));
		crash_model_flushed(run->model);
		assert_int_equal(zero_behind(run, run->image), 0);
	}
	write_at(run, run->sectors - 3, 3);
}

static void growing_never_shows_more_of_the_parent(void **state)
{
	struct run run = {.sectors = SHORT / 512, .random = 16};
	struct tool_store parent, store;
	struct xd_image *base;
	struct xd_io io;

	(void)state;
	run.log = crash_io_open(&io);
	run.model = crash_model_new(run.log, run.sectors);
	make_long_parent(&run, &parent);
	run.parent = &parent;
	base = tool_open(&parent, NULL, 0);
	tool_store_wrap(&store, io);
	tool_create(&store, &cut_short, base);
	tool_close(base);
	crash_start(run.log);
	run.image = tool_open(&store, run.parent, XD_OPEN_WRITE);
	grow_under_parent(&run);
	tool_close(run.image);
	assert_int_equal(crash_each(run.log, SEEDS, hidden_after_cut, &run), 0);
	crash_model_free(run.model);
	crash_free(run.log);
	tool_store_free(&parent);
}

/* --- a commit of several entries -------------------------------------------------------------------------------------------- */

/* Each place has a page of the sector bitmap to itself: more of them than one log entry takes. */
#define PLACES 150u
#define STRIDE (16 * MIB)
#define BAT    (3 * MIB)

static const struct tool_geometry wide = {XD_TYPE_DIFF, PLACES *STRIDE, 1 << 20, 512};

/* In each place the sector that was written is old or new, all are new once the flush is over, and its neighbours are the parent's. */
static int old_or_new(void *ctx, struct tool_store *store, uint32_t flags, bool all)
{
	struct xd_image *image = tool_open(store, ctx, flags);
	uint8_t buf[3 * 512];
	struct xd_error err;
	int bad = 0;

	for (uint64_t i = 1; i < PLACES && !bad; i++) {
		OK(xd_read(image, buf, sizeof(buf), i * STRIDE, &err));
		if (buf[0] != 1 || buf[1024] != 1 || (buf[512] != 2 && (all || buf[512] != 1))) {
			fprintf(stderr, "place %u shows %u %u %u\n", (unsigned)i, buf[0], buf[512],
				buf[1024]);
			bad = -1;
		}
	}
	tool_close(image);
	return bad;
}

static size_t whole_commit;

static int after_wide_cut(void *ctx, struct xd_io io, size_t cut, unsigned int seed)
{
	struct tool_store store;
	bool all = cut == whole_commit;
	int bad;

	(void)seed;
	tool_store_wrap(&store, io);
	bad = old_or_new(ctx, &store, 0, all) || old_or_new(ctx, &store, XD_OPEN_WRITE, all);
	if (!bad)
		tool_assert_clean(&store, ctx);
	tool_store_free(&store);
	return bad ? -1 : 0;
}

static void make_wide_parent(struct tool_store *parent)
{
	struct tool_geometry g = wide;
	struct xd_image *image;
	uint8_t buf[4096];
	struct xd_error err;

	g.type = XD_TYPE_DYNAMIC;
	tool_store_init(parent);
	tool_create(parent, &g, NULL);
	image = tool_open(parent, NULL, XD_OPEN_WRITE);
	memset(buf, 1, sizeof(buf));
	for (uint64_t i = 0; i < PLACES; i++)
		OK(xd_write(image, buf, sizeof(buf), i * STRIDE, &err));
	tool_close(image);
}

/* The bits of blocks that are not there say nothing; here they are all set. */
static void spoil_bitmap(struct tool_store *store)
{
	uint8_t *ones = malloc(MIB - 256);
	uint64_t entry;

	memset(ones, 0xff, MIB - 256);
	tool_peek(store, &entry, sizeof(entry), BAT + 4096 * 8);
	tool_poke(store, ones, MIB - 256, (entry & VHDX_BAT_OFFSET_MASK) + 256);
	free(ones);
}

static void a_commit_of_several_entries_shows_old_or_new(void **state)
{
	struct tool_store parent, store;
	struct xd_image *image, *base;
	struct crash_log *log;
	uint8_t buf[512];
	struct xd_error err;
	struct xd_io io;

	(void)state;
	make_wide_parent(&parent);
	log = crash_io_open(&io);
	tool_store_wrap(&store, io);
	base = tool_open(&parent, NULL, 0);
	tool_create(&store, &wide, base);
	tool_close(base);
	memset(buf, 2, sizeof(buf));
	image = tool_open(&store, &parent, XD_OPEN_WRITE);
	OK(xd_write(image, buf, sizeof(buf), 512, &err));
	tool_close(image);
	spoil_bitmap(&store);
	image = tool_open(&store, &parent, XD_OPEN_WRITE);
	for (uint64_t i = 1; i < PLACES; i++)
		OK(xd_write(image, buf, sizeof(buf), i * STRIDE + 512, &err));
	crash_start(log);
	OK(xd_flush(image, &err));
	whole_commit = crash_events(log);
	assert_true(whole_commit > PLACES);
	assert_int_equal(crash_each(log, 1, after_wide_cut, &parent), 0);
	tool_close(image);
	crash_free(log);
	tool_store_free(&parent);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(flushed_writes_survive),
	    cmocka_unit_test(flushed_writes_to_a_child_survive),
	    cmocka_unit_test(trimmed_space_is_never_shared),
	    cmocka_unit_test(compacting_loses_nothing),
	    cmocka_unit_test(growing_is_whole_or_not_at_all),
	    cmocka_unit_test(shrinking_is_whole_or_not_at_all),
	    cmocka_unit_test(growing_never_shows_more_of_the_parent),
	    cmocka_unit_test(a_commit_of_several_entries_shows_old_or_new),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
