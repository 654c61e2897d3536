/* SPDX-License-Identifier: MIT */
/* The block layer over every format, with a ring and with threads alone: what is written is read back, whoever did it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <seccomp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "host/block.h"
#include "host/ring.h"
#include "host/say.h"

#define DISK_SIZE (12u << 20)
#define PAGE      4096u
#define PAGES     (DISK_SIZE / PAGE)
#define MOST      32u        /* requests under way */
#define LONGEST   48u        /* pages */
#define ANYTHING  UINT32_MAX /* a discarded page may keep what it had */

struct way {
	bool ring;
	enum xd_format format;
	enum xd_type type;
};

static const struct way ways[] = {
    {true, XD_FORMAT_RAW, XD_TYPE_FIXED},    {true, XD_FORMAT_VHD, XD_TYPE_FIXED},
    {true, XD_FORMAT_VHD, XD_TYPE_DYNAMIC},  {true, XD_FORMAT_VHDX, XD_TYPE_DYNAMIC},
    {true, XD_FORMAT_VHDX, XD_TYPE_FIXED},   {true, XD_FORMAT_VHD, XD_TYPE_DIFF},
    {true, XD_FORMAT_VHDX, XD_TYPE_DIFF},    {false, XD_FORMAT_RAW, XD_TYPE_FIXED},
    {false, XD_FORMAT_VHDX, XD_TYPE_DYNAMIC}};
#define WAYS (sizeof(ways) / sizeof(ways[0]))

struct slot {
	struct block_request request; /* first */
	struct world *world;
	bool busy;
	uint32_t first, count; /* pages */
	uint32_t value;
	struct iovec iov[2];
	uint8_t *memory;
};

struct world {
	char path[64], parent_path[80];
	struct loop loop;
	struct ring *ring;
	struct block_pool pool;
	struct block block;
	struct slot slot[MOST];
	unsigned busy, by_ring;
	uint32_t seed;
	uint32_t page[PAGES]; /* what each page holds, all over; 0: zeros */
	atomic_bool taken[PAGES];
	atomic_uint answers;
};

static uint32_t rnd(struct world *w, uint32_t below)
{
	w->seed = w->seed * 1664525u + 1013904223u;
	return (w->seed >> 8) % below;
}

static void fill(uint8_t *at, uint32_t value)
{
	for (uint32_t i = 0; i < PAGE; i += 4) {
		memcpy(at + i, &value, 4);
	}
}

/* A parent full of data, which the child reads until it is written over. */
static struct xd_image *create_parent(struct world *w, enum xd_format format)
{
	struct xd_create how = {.path = w->parent_path,
				.format = format,
				.type = XD_TYPE_DYNAMIC,
				.flags = XD_CREATE_OVERWRITE,
				.virtual_size = DISK_SIZE};
	struct xd_image *parent;
	uint8_t page[PAGE];

	assert_int_equal(xd_create(&how, NULL), 0);
	assert_int_equal(xd_open(w->parent_path, XD_OPEN_WRITE, &parent, NULL), 0);
	for (uint32_t i = 0; i < PAGES; i++) {
		w->page[i] = i % 7 ? 0xf0000000u | i : 0;
		fill(page, w->page[i]);
		if (w->page[i]) {
			assert_int_equal(xd_write(parent, page, PAGE, (uint64_t)i * PAGE, NULL), 0);
		}
	}
	assert_int_equal(xd_close(parent, NULL), 0);
	assert_int_equal(xd_open(w->parent_path, 0, &parent, NULL), 0);
	return parent;
}

static void create(struct world *w, const struct way *way)
{
	struct xd_create how = {.path = w->path,
				.format = way->format,
				.type = way->type,
				.flags = XD_CREATE_OVERWRITE,
				.virtual_size = DISK_SIZE};
	struct block_source source = {w->path, way->format, false, NULL};
	struct xd_error error;

	snprintf(w->path, sizeof(w->path), "/tmp/xenolith-block.%d", (int)getpid());
	snprintf(w->parent_path, sizeof(w->parent_path), "%s.parent", w->path);
	if (way->type == XD_TYPE_DIFF) {
		how.parent = create_parent(w, way->format);
		how.parent_path = w->parent_path;
	}
	assert_int_equal(xd_create(&how, NULL), 0);
	xd_close(how.parent, NULL);
	assert_int_equal(loop_init(&w->loop), 0);
	w->ring = way->ring ? ring_create() : NULL;
	assert_int_equal(block_pool_init(&w->pool, &w->loop, 3, w->ring), 0);
	assert_int_equal(block_open(&w->block, &w->pool, &source, &error), 0);
	for (unsigned i = 0; i < MOST; i++) {
		w->slot[i].world = w;
		w->slot[i].memory = malloc(LONGEST * PAGE);
	}
}

static void destroy(struct world *w)
{
	for (unsigned i = 0; i < MOST; i++) {
		free(w->slot[i].memory);
	}
	block_close(&w->block, NULL);
	block_pool_destroy(&w->pool);
	ring_destroy(w->ring);
	loop_destroy(&w->loop);
	unlink(w->path);
	unlink(w->parent_path);
}

static void check_page(const uint8_t *at, uint32_t value)
{
	uint8_t expected[PAGE];

	if (value == ANYTHING) {
		return;
	}
	fill(expected, value);
	assert_memory_equal(at, expected, PAGE);
}

/* On a thread of the pool: from here on the pages may be asked for again, whatever the device thread still has to note. */
static void answered(struct block_request *request)
{
	struct slot *slot = (struct slot *)request;

	for (uint32_t i = 0; i < slot->count; i++) {
		slot->world->taken[slot->first + i] = false;
	}
	slot->world->answers++;
}

static void completed(struct block_request *request, int error)
{
	struct slot *slot = (struct slot *)request;
	struct world *w = slot->world;

	assert_int_equal(error, 0);
	for (uint32_t i = 0; i < slot->count; i++) {
		if (request->operation == BLOCK_READ) {
			check_page(slot->memory + i * PAGE, w->page[slot->first + i]);
		}
		if (!request->answered) {
			w->taken[slot->first + i] = false;
		}
	}
	slot->busy = false;
	w->busy--;
}

static bool take(struct world *w, struct slot *slot)
{
	slot->count = 1 + rnd(w, rnd(w, 4) ? 4 : LONGEST);
	slot->first = rnd(w, PAGES - slot->count);
	for (uint32_t i = 0; i < slot->count; i++) {
		if (w->taken[slot->first + i]) {
			return false;
		}
	}
	for (uint32_t i = 0; i < slot->count; i++) {
		w->taken[slot->first + i] = true;
	}
	return true;
}

/* A page of its memory stays apart, so that vectors of two are seen as well. */
static void aim(struct slot *slot)
{
	slot->iov[0] = (struct iovec){slot->memory, PAGE};
	slot->iov[1] = (struct iovec){slot->memory + PAGE, (slot->count - 1) * PAGE};
	slot->request.iov = slot->iov;
	slot->request.iov_count = slot->count > 1 ? 2 : 1;
	slot->request.offset = (uint64_t)slot->first * PAGE;
	slot->request.length = (uint64_t)slot->count * PAGE;
	slot->request.block = &slot->world->block;
	slot->request.complete = completed;
}

static void start(struct world *w, struct slot *slot)
{
	static const enum block_operation mix[] = {BLOCK_READ,  BLOCK_READ,   BLOCK_READ,
						   BLOCK_WRITE, BLOCK_WRITE,  BLOCK_WRITE,
						   BLOCK_ZERO,  BLOCK_DISCARD};
	struct block_request *request = &slot->request;
	unsigned before = w->block.in_ring;

	if (!take(w, slot)) {
		return;
	}
	memset(request, 0, sizeof(*request));
	aim(slot);
	request->operation = mix[rnd(w, w->seed & 0x40000000 ? 6 : 8)];
	request->durable = request->operation == BLOCK_WRITE && rnd(w, 16) == 0;
	for (uint32_t i = 0; i < slot->count && request->operation != BLOCK_READ; i++) {
		slot->value = request->operation == BLOCK_WRITE  ? rnd(w, 1u << 24) + 1
			      : request->operation == BLOCK_ZERO ? 0
								 : ANYTHING;
		w->page[slot->first + i] = slot->value;
		fill(slot->memory + i * PAGE, slot->value);
	}
	request->answer = request->operation == BLOCK_WRITE ? answered : NULL;
	slot->busy = true;
	w->busy++;
	block_submit(request);
	w->by_ring += w->block.in_ring > before;
}

/* So that some reads wait for the disk. */
static void forget_pages(const struct world *w)
{
	int fd = open(w->path, O_RDONLY);

	assert_true(fd >= 0 && fdatasync(fd) == 0);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	close(fd);
}

static void churn(struct world *w, unsigned requests)
{
	for (unsigned i = 0; i < requests; i++) {
		struct slot *slot = &w->slot[rnd(w, MOST)];

		if (i % 400 == 399) {
			forget_pages(w);
		}
		if (!slot->busy) {
			start(w, slot);
		}
		if (w->busy > rnd(w, MOST)) {
			loop_turn(&w->loop, 10);
		}
	}
	block_drain(&w->block);
	assert_int_equal(w->busy, 0);
}

static void check_all(struct world *w)
{
	uint8_t *page = malloc(PAGE);

	for (uint32_t i = 0; i < PAGES; i++) {
		assert_int_equal(xd_read(w->block.image, page, PAGE, (uint64_t)i * PAGE, NULL), 0);
		check_page(page, w->page[i]);
	}
	free(page);
}

static void what_is_written_is_read_back_by_whoever(void **state)
{
	(void)state;
	for (size_t i = 0; i < WAYS; i++) {
		struct world *w = calloc(1, sizeof(*w));

		w->seed = (uint32_t)i;
		create(w, &ways[i]);
		churn(w, 6000);
		check_all(w);
		assert_true(!w->ring == !w->by_ring);
		/* A child notes what was written before anybody may read it. */
		assert_true(ways[i].type == XD_TYPE_DIFF ? !w->answers : w->answers);
		destroy(w);
		free(w);
	}
}

static void done_once(struct block_request *request, int error)
{
	*(int *)request->iov[0].iov_base = error;
}

static void a_read_past_the_files_end_is_the_librarys(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	uint8_t memory[PAGE] = {0};
	struct iovec iov = {memory, PAGE};
	struct block_request request = {
	    .block = &w->block, .length = PAGE, .iov = &iov, .iov_count = 1, .complete = done_once};

	(void)state;
	create(w, &ways[0]);
	memory[100] = 1;
	assert_int_equal(truncate(w->path, 0), 0);
	block_submit(&request);
	block_drain(&w->block);
	assert_int_equal(memory[100], 0);
	destroy(w);
	free(w);
}

/* Who takes a disk away hears of it where what the guest wrote may not be there. */
static void a_disk_that_cannot_be_flushed_closes_with_an_error(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	struct xd_error error;
	int ends[2];

	(void)state;
	create(w, &ways[0]);
	assert_int_equal(pipe(ends), 0);
	assert_true(dup2(ends[0], xd_get_fd(w->block.image)) >= 0);
	assert_int_equal(block_close(&w->block, &error), -1);
	assert_int_equal(error.code, XD_E_IO);
	destroy(w);
	close(ends[0]);
	close(ends[1]);
	free(w);
}

/* The kernel's own function, which has no memory now and then. */
static unsigned submits_to_fail;

int io_uring_submit(struct io_uring *uring)
{
	static int (*submit)(struct io_uring * uring);

	if (submits_to_fail) {
		submits_to_fail--;
		return -EAGAIN;
	}
	if (!submit) {
		submit = (int (*)(struct io_uring *))dlsym(RTLD_NEXT, "io_uring_submit");
	}
	return submit(uring);
}

static void what_the_kernel_does_not_take_is_handed_over_again(void **state)
{
	struct world *w = calloc(1, sizeof(*w));
	int error = 1;
	uint8_t memory[PAGE];
	struct iovec iov = {memory, PAGE};
	struct block_request request = {
	    .block = &w->block, .length = PAGE, .iov = &iov, .iov_count = 1, .complete = done_once};

	(void)state;
	create(w, &ways[0]);
	memcpy(memory, &error, sizeof(error));
	submits_to_fail = 3;
	block_submit(&request);
	alarm(20);
	while (w->block.in_flight) {
		loop_turn(&w->loop, -1);
	}
	alarm(0);
	assert_int_equal(submits_to_fail, 0);
	assert_int_equal(memory[0], 0);
	destroy(w);
	free(w);
}

/* Reads or writes pages; true where the ring did it. */
static bool by_ring_many(struct world *w, enum block_operation operation, uint32_t first,
			 uint32_t count)
{
	struct slot *slot = &w->slot[0];
	unsigned before = w->block.in_ring;
	bool ring;

	memset(&slot->request, 0, sizeof(slot->request));
	slot->first = first;
	slot->count = count;
	aim(slot);
	slot->request.operation = operation;
	memset(slot->memory, 0xee, count * PAGE);
	for (uint32_t i = 0; i < count && operation == BLOCK_WRITE; i++) {
		w->page[first + i]++;
		fill(slot->memory + i * PAGE, w->page[first + i]);
	}
	w->busy++;
	block_submit(&slot->request);
	ring = w->block.in_ring > before;
	block_drain(&w->block);
	return ring;
}

static bool by_ring(struct world *w, enum block_operation operation, uint32_t first)
{
	return by_ring_many(w, operation, first, 1);
}

/* A write over the end of a region: what was known of the next one is not true any more either. */
static void write_over_two_regions(struct world *w)
{
	uint32_t edge = EXTENT_PAGES * 3;

	by_ring(w, BLOCK_READ, edge + 1);
	assert_true(by_ring(w, BLOCK_READ, edge + 1));
	by_ring_many(w, BLOCK_WRITE, edge - 1, 3);
	assert_false(by_ring(w, BLOCK_READ, edge + 1));
}

/* A thread looks, another one writes, and then the first one's answer comes. */
static void keep_what_is_outdated(struct world *w)
{
	uint64_t offset = (uint64_t)EXTENT_PAGES * 5 * PAGE;
	struct extents *extents = &w->block.extents;
	struct extents_age age = extents_now(extents);
	struct extent_place place;
	struct extent found;

	extents_look(extents, w->block.image, offset, &found);
	assert_true(found.parents);
	extents_written(extents, offset, PAGE);
	extents_keep(extents, &found, age);
	assert_false(extents_find(extents, offset, PAGE, false, &place));
	extents_keep(extents, &found, extents_now(extents));
	assert_true(extents_find(extents, offset, PAGE, false, &place));
	assert_false(extents_find(extents, offset, PAGE, true, &place));
	extents_forget(extents);
}

static void a_parents_pages_are_read_by_the_ring_until_they_are_written(void **state)
{
	static const enum xd_format formats[] = {XD_FORMAT_VHD, XD_FORMAT_VHDX};

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		const struct way way = {true, formats[i], XD_TYPE_DIFF};
		struct world *w = calloc(1, sizeof(*w));

		create(w, &way);
		assert_false(by_ring(w, BLOCK_READ, 5));
		assert_true(by_ring(w, BLOCK_READ, 5));
		assert_true(by_ring(w, BLOCK_READ, 6)); /* known with its neighbour */
		assert_false(by_ring(w, BLOCK_WRITE, 5));
		assert_false(by_ring(w, BLOCK_READ, 6)); /* forgotten with its neighbour */
		assert_true(by_ring(w, BLOCK_READ, 6));
		by_ring(w, BLOCK_READ, 5);
		assert_true(by_ring(w, BLOCK_WRITE, 5)); /* its own by now */
		assert_true(by_ring(w, BLOCK_READ, 5));
		by_ring(w, BLOCK_READ, 6); /* the child's write left its parent's there */
		write_over_two_regions(w);
		keep_what_is_outdated(w);
		check_all(w);
		destroy(w);
		free(w);
	}
}

/* Both exist in the wild: a container's filter, and a kernel without. */
static void without_permission_there_is_no_ring(void **state)
{
	pid_t pid = fork();
	int status;

	(void)state;
	if (pid == 0) {
		scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);

		seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(io_uring_setup), 0);
		seccomp_load(filter);
		_exit(ring_create() ? 1 : 0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

/* A process that is broken into must not open files by its ring. */
static void the_ring_does_nothing_but_read_and_write(void **state)
{
	struct ring *ring = ring_create();
	struct io_uring_sqe *entry = io_uring_get_sqe(&ring->uring);
	struct io_uring_cqe *result;

	(void)state;
	io_uring_prep_openat(entry, AT_FDCWD, "/etc/passwd", O_RDONLY, 0);
	assert_int_equal(io_uring_submit_and_wait(&ring->uring, 1), 1);
	assert_int_equal(io_uring_peek_cqe(&ring->uring, &result), 0);
	assert_int_equal(result->res, -EACCES);
	ring_destroy(ring);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_written_is_read_back_by_whoever),
	    cmocka_unit_test(a_read_past_the_files_end_is_the_librarys),
	    cmocka_unit_test(a_disk_that_cannot_be_flushed_closes_with_an_error),
	    cmocka_unit_test(what_the_kernel_does_not_take_is_handed_over_again),
	    cmocka_unit_test(a_parents_pages_are_read_by_the_ring_until_they_are_written),
	    cmocka_unit_test(without_permission_there_is_no_ring),
	    cmocka_unit_test(the_ring_does_nothing_but_read_and_write),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
