/* SPDX-License-Identifier: MIT */
/* A file that appears whole or not at all, on file systems that can rename in one way only. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "cli/image.h"
#include "tests/unit/disk_folder.h"

static bool as_nfs;

int renameat2(int from_folder, const char *from, int to_folder, const char *to, unsigned flags)
{
	int (*real)(int, const char *, int, const char *, unsigned) =
	    (int (*)(int, const char *, int, const char *, unsigned))dlsym(RTLD_NEXT, "renameat2");

	if (as_nfs && flags) {
		errno = EINVAL;
		return -1;
	}
	return real(from_folder, from, to_folder, to, flags);
}

static unsigned files_in(const char *path)
{
	DIR *dir = opendir(path);
	unsigned count = 0;

	while (readdir(dir))
		count++;
	closedir(dir);
	return count - 2;
}

static void begin_and_commit(const char *path)
{
	struct whole w;

	assert_int_equal(whole_begin(&w, path, false, NULL), CLI_OK);
	assert_int_equal(whole_commit(&w), CLI_OK);
	assert_int_equal(files_in(folder), 1);
	assert_int_equal(whole_begin(&w, path, false, NULL), CLI_FAILED);
	assert_int_equal(unlink(path), 0);
}

/* Somebody takes the name meanwhile. */
static void lose(const char *path)
{
	struct whole w;

	assert_int_equal(whole_begin(&w, path, false, NULL), CLI_OK);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(whole_commit(&w), CLI_FAILED);
	assert_int_equal(files_in(folder), 1);
	assert_int_equal(unlink(path), 0);
}

static void a_file_gets_its_name_and_takes_nobodys(void **state)
{
	char path[256];

	(void)state;
	snprintf(path, sizeof(path), "%s/a.vhd", folder);
	for (int nfs = 0; nfs < 2; nfs++) {
		as_nfs = nfs;
		begin_and_commit(path);
		lose(path);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_file_gets_its_name_and_takes_nobodys),
	};

	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
