/* SPDX-License-Identifier: MIT */
/* Flushes of one file by several threads at once, with a kernel that tells of a lost page as Linux does: once. */
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <unistd.h>

#include "tests/unit/disk_folder.h"
#include "tests/unit/disk_tool.h"

#define OTHERS 8

static struct xd_io io;
static sem_t entered, may_end;
static atomic_uint calls;
static atomic_bool loses;

/* In the C library's place: the first call lasts until it may end. */
int fdatasync(int fd)
{
	(void)fd;
	if (atomic_fetch_add(&calls, 1))
		return 0;
	sem_post(&entered);
	sem_wait(&may_end);
	errno = EIO;
	return loses ? -1 : 0;
}

static void *flush(void *result)
{
	*(int *)result = io.ops->flush(io.ctx);
	return NULL;
}

static void run(bool lost, int results[1 + OTHERS])
{
	pthread_t threads[1 + OTHERS];
	char path[64];

	snprintf(path, sizeof(path), "%s/file", folder);
	OK(xd_io_open_file(path, XD_IO_WRITE | XD_IO_CREATE | XD_IO_TRUNCATE, &io, &err));
	sem_init(&entered, 0, 0);
	sem_init(&may_end, 0, 0);
	calls = 0;
	loses = lost;
	pthread_create(&threads[0], NULL, flush, &results[0]);
	sem_wait(&entered);
	for (unsigned i = 1; i <= OTHERS; i++)
		pthread_create(&threads[i], NULL, flush, &results[i]);
	usleep(100000);
	sem_post(&may_end);
	for (unsigned i = 0; i <= OTHERS; i++)
		pthread_join(threads[i], NULL);
	io.ops->close(io.ctx);
}

static void a_lost_page_is_told_to_all(void **state)
{
	int results[1 + OTHERS];

	(void)state;
	run(true, results);
	for (unsigned i = 0; i <= OTHERS; i++)
		assert_int_equal(results[i], -EIO);
}

/* One that began before a caller came does not do for it. */
static void those_who_wait_share_one(void **state)
{
	int results[1 + OTHERS];

	(void)state;
	run(false, results);
	for (unsigned i = 0; i <= OTHERS; i++)
		assert_int_equal(results[i], 0);
	assert_int_equal(calls, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_lost_page_is_told_to_all),
	    cmocka_unit_test(those_who_wait_share_one),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
