/* SPDX-License-Identifier: MIT */
/* How a VHD child finds its parent: every kind of locator, names beyond ASCII, and what must not be taken for the parent. */
#include <fcntl.h>
#include <sys/stat.h>
#include <time.h>

#include "disk/vhd.h"
#include "tests/unit/disk_tool.h"

static char folder[64];

static int enter(void **state)
{
	(void)state;
	strcpy(folder, "/tmp/xenolith-test.XXXXXX");
	return mkdtemp(folder) && !chdir(folder) ? 0 : -1;
}

static int leave(void **state)
{
	char command[128];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", folder);
	return chdir("/") || system(command);
}

static void make_parent(const char *path)
{
	struct xd_create how = {.path = path,
				.format = XD_FORMAT_VHD,
				.type = XD_TYPE_DYNAMIC,
				.virtual_size = 4 * MIB};
	struct xd_image *image;
	uint8_t data[512];

	OK(xd_create(&how, &err));
	memset(data, 0x42, sizeof(data));
	OK(xd_open(path, XD_OPEN_WRITE, &image, &err));
	OK(xd_write(image, data, sizeof(data), MIB, &err));
	OK(xd_close(image, &err));
}

static void make_child(const char *path, const char *parent, const char *name)
{
	struct xd_create how = {
	    .path = path, .format = XD_FORMAT_VHD, .type = XD_TYPE_DIFF, .parent_path = name};

	OK(xd_open(parent, 0, &how.parent, &err));
	OK(xd_create(&how, &err));
	OK(xd_close(how.parent, &err));
}

static void shows_parent(const char *child)
{
	struct xd_image *image;
	uint8_t data[512];

	OK(xd_open(child, 0, &image, &err));
	OK(xd_read(image, data, sizeof(data), MIB, &err));
	assert_int_equal(data[511], 0x42);
	OK(xd_close(image, &err));
}

/* Leaves the child one locator of this kind with this data, and no parent name. */
static void set_locator(const char *child, uint32_t platform, const void *data, size_t length)
{
	struct vhd_header h;
	struct xd_io io;
	uint64_t at;

	OK(xd_io_open_file(child, XD_IO_WRITE, &io, &err));
	tool_peek(io, 512, &h, sizeof(h));
	at = vhd_get64(h.locator[0].data_offset);
	memset(h.locator, 0, sizeof(h.locator));
	memset(h.parent_name, 0, sizeof(h.parent_name));
	h.locator[3] = (struct vhd_locator){.platform = vhd_put32(platform),
					    .data_space = vhd_put32(1),
					    .data_length = vhd_put32(length),
					    .data_offset = vhd_put64(at)};
	vhd_header_seal(&h);
	tool_patch(io, 512, &h, sizeof(h));
	tool_patch(io, at, data, length);
	io.ops->close(io.ctx);
}

static void set_wide(const char *child, uint32_t platform, const char *path)
{
	uint8_t wide[512];
	ssize_t n = xd_utf8_to_utf16(path, false, wide, sizeof(wide));

	assert_true(n > 0);
	set_locator(child, platform, wide, n);
}

static void every_kind_of_locator_leads_to_the_parent(void **state)
{
	char absolute[160];

	(void)state;
	make_parent("p.vhd");
	make_child("c.vhd", "p.vhd", NULL);
	shows_parent("c.vhd");
	set_wide("c.vhd", VHD_PLATFORM_W2RU, ".\\p.vhd");
	shows_parent("c.vhd");
	set_wide("c.vhd", VHD_PLATFORM_W2RU, "p.vhd");
	shows_parent("c.vhd");
	snprintf(absolute, sizeof(absolute), "%s/p.vhd", folder);
	set_wide("c.vhd", VHD_PLATFORM_W2KU, absolute);
	shows_parent("c.vhd");
	set_locator("c.vhd", VHD_PLATFORM_WI2R, ".\\p.vhd", 7);
	shows_parent("c.vhd");
	set_locator("c.vhd", VHD_PLATFORM_WI2K, absolute, strlen(absolute));
	shows_parent("c.vhd");
	set_locator("c.vhd", VHD_PLATFORM_MACX, "file://./p%2Evhd", 16);
	shows_parent("c.vhd");
	/* Another machine's path: the file of that name beside the child is tried. */
	set_wide("c.vhd", VHD_PLATFORM_W2KU, "D:\\Virtual Machines\\p.vhd");
	shows_parent("c.vhd");
}

static void names_beyond_ascii_and_other_folders_work(void **state)
{
	(void)state;
	assert_int_equal(mkdir("Ünïcode 𝄞", 0700) | mkdir("kids", 0700), 0);
	make_parent("Ünïcode 𝄞/Mutter%20.vhd");
	make_child("kids/c.vhd", "Ünïcode 𝄞/Mutter%20.vhd", NULL);
	shows_parent("kids/c.vhd");
	make_child("kids/d.vhd", "Ünïcode 𝄞/Mutter%20.vhd", "../Ünïcode 𝄞/Mutter%20.vhd");
	shows_parent("kids/d.vhd");
}

static void locators_that_are_nonsense_are_stepped_over(void **state)
{
	static const uint8_t half_pair[] = {0x00, 0xd8, 'x', 0}, not_utf16[] = {'p'};
	struct xd_image *image;

	(void)state;
	make_parent("p.vhd");
	make_child("c.vhd", "p.vhd", NULL);
	set_locator("c.vhd", VHD_PLATFORM_W2RU, half_pair, sizeof(half_pair));
	FAILS(XD_E_PARENT, xd_open("c.vhd", 0, &image, &err));
	set_locator("c.vhd", VHD_PLATFORM_W2RU, not_utf16, sizeof(not_utf16));
	FAILS(XD_E_PARENT, xd_open("c.vhd", 0, &image, &err));
	set_locator("c.vhd", VHD_PLATFORM_MAC, "\0\1\2", 3);
	FAILS(XD_E_PARENT, xd_open("c.vhd", 0, &image, &err));
}

static void a_missing_parent_still_lets_the_layer_open_alone(void **state)
{
	struct xd_image *image;
	uint8_t data[512];

	(void)state;
	make_parent("p.vhd");
	make_child("c.vhd", "p.vhd", NULL);
	assert_int_equal(unlink("p.vhd"), 0);
	FAILS(XD_E_PARENT, xd_open("c.vhd", 0, &image, &err));
	OK(xd_open("c.vhd", XD_OPEN_NO_PARENTS, &image, &err));
	FAILS(XD_E_PARENT, xd_read(image, data, sizeof(data), 0, &err));
	OK(xd_close(image, &err));
}

static void another_disk_under_the_parents_name_is_refused(void **state)
{
	struct xd_image *image;

	(void)state;
	make_parent("p.vhd");
	make_child("c.vhd", "p.vhd", NULL);
	assert_int_equal(unlink("p.vhd"), 0);
	make_parent("p.vhd");
	FAILS(XD_E_PARENT_CHANGED, xd_open("c.vhd", 0, &image, &err));
	OK(xd_open("c.vhd", XD_OPEN_ANY_PARENT, &image, &err));
	OK(xd_close(image, &err));
}

static void a_parent_that_was_written_to_is_warned_of(void **state)
{
	struct timespec later[2] = {{.tv_sec = 2000000000}, {.tv_sec = 2000000000}};
	struct tool_find find = {.what = "parent-time"};
	struct xd_image *image;

	(void)state;
	make_parent("p.vhd");
	make_child("c.vhd", "p.vhd", NULL);
	OK(xd_open("c.vhd", 0, &image, &err));
	tool_check(image, 0, &find);
	assert_int_equal(find.seen, 0);
	OK(xd_close(image, &err));
	assert_int_equal(utimensat(AT_FDCWD, "p.vhd", later, 0), 0);
	OK(xd_open("c.vhd", 0, &image, &err));
	tool_check(image, 0, &find);
	assert_int_equal(find.seen, 1);
	OK(xd_close(image, &err));
}

static void a_disk_is_not_its_own_grandparent(void **state)
{
	struct xd_image *image;

	(void)state;
	make_parent("a.vhd");
	make_child("b.vhd", "a.vhd", NULL);
	make_child("c.vhd", "b.vhd", NULL);
	assert_int_equal(rename("c.vhd", "b.vhd"), 0);
	FAILS(XD_E_LOOP, xd_open("b.vhd", 0, &image, &err));
}

static void a_file_is_opened_for_writing_once(void **state)
{
	struct xd_image *one, *two;

	(void)state;
	make_parent("p.vhd");
	OK(xd_open("p.vhd", XD_OPEN_WRITE, &one, &err));
	FAILS(XD_E_BUSY, xd_open("p.vhd", XD_OPEN_WRITE, &two, &err));
	FAILS(XD_E_BUSY, xd_open("p.vhd", 0, &two, &err));
	OK(xd_open("p.vhd", XD_OPEN_NO_LOCK, &two, &err));
	OK(xd_close(two, &err));
	OK(xd_close(one, &err));
	OK(xd_open("p.vhd", 0, &one, &err));
	OK(xd_open("p.vhd", 0, &two, &err));
	FAILS(XD_E_READONLY, xd_write(two, "", 0, 0, &err));
	OK(xd_close(two, &err));
	OK(xd_close(one, &err));
}

static void a_child_bigger_than_its_parent_reads_zero_past_it(void **state)
{
	struct xd_image *image;
	uint8_t data[1024];

	(void)state;
	make_parent("p.vhd");
	make_child("c.vhd", "p.vhd", NULL);
	OK(xd_open("c.vhd", XD_OPEN_WRITE, &image, &err));
	OK(xd_resize(image, 6 * MIB, 0, &err));
	memset(data, 1, sizeof(data));
	OK(xd_read(image, data, sizeof(data), 4 * MIB - 512, &err));
	assert_true(data[0] == 0 && !memcmp(data, data + 1, sizeof(data) - 1));
	OK(xd_close(image, &err));
	shows_parent("c.vhd");
}

/* A disk of `size` bytes, all but its first `from` zero. */
static void zero_from(struct xd_image *image, uint64_t from, uint64_t size)
{
	uint8_t data[4096];

	assert_int_equal(xd_get_size(image), size);
	for (uint64_t at = from; at < size; at += sizeof(data)) {
		size_t n = size - at < sizeof(data) ? size - at : sizeof(data);

		OK(xd_read(image, data, n, at, &err));
		if (data[0] || memcmp(data, data + 1, n - 1))
			fail_msg("the parent shows at %llu", (unsigned long long)at);
	}
}

static void a_child_that_grows_shows_no_more_of_its_parent(void **state)
{
	static const uint64_t sizes[] = {MIB + 1536, MIB + 2048, 3 * MIB + 512, 6 * MIB};
	static const uint32_t block_sizes[] = {0, 4096};
	static uint8_t full[4 * MIB - 100];
	struct xd_image *image;
	struct xd_io io;
	uint8_t data[512];

	(void)state;
	memset(full, 0x42, sizeof(full));
	OK(xd_io_open_file("p.raw", XD_IO_WRITE | XD_IO_CREATE, &io, &err));
	tool_patch(io, 0, full, sizeof(full));
	io.ops->close(io.ctx);
	for (size_t i = 0; i < 2; i++) {
		struct xd_create how = {.path = "c.vhd",
					.format = XD_FORMAT_VHD,
					.type = XD_TYPE_DIFF,
					.flags = XD_CREATE_OVERWRITE,
					.virtual_size = MIB + 512,
					.block_size = block_sizes[i]};

		OK(xd_open_with(&(struct xd_open){.path = "p.raw", .format = XD_FORMAT_RAW},
				&how.parent, &err));
		OK(xd_create(&how, &err));
		OK(xd_close(how.parent, &err));
		for (size_t n = 0; n < sizeof(sizes) / sizeof(sizes[0]); n++) {
			OK(xd_open("c.vhd", XD_OPEN_WRITE, &image, &err));
			OK(xd_resize(image, sizes[n], 0, &err));
			zero_from(image, MIB + 512, sizes[n]);
			OK(xd_close(image, &err));
			OK(xd_open("c.vhd", 0, &image, &err));
			zero_from(image, MIB + 512, sizes[n]);
			assert_int_equal(tool_check(image, 0, NULL).errors, 0);
			OK(xd_read(image, data, sizeof(data), MIB, &err));
			assert_int_equal(data[511], 0x42);
			OK(xd_close(image, &err));
		}
		/* What was cut off does not come back. */
		OK(xd_open("c.vhd", XD_OPEN_WRITE, &image, &err));
		OK(xd_resize(image, MIB, XD_RESIZE_SHRINK, &err));
		OK(xd_resize(image, 4 * MIB, 0, &err));
		zero_from(image, MIB, 4 * MIB);
		OK(xd_close(image, &err));
	}
	OK(xd_open("c.vhd", XD_OPEN_WRITE | XD_OPEN_NO_PARENTS, &image, &err));
	FAILS(XD_E_PARENT, xd_resize(image, 5 * MIB, 0, &err));
	OK(xd_close(image, &err));
}

static void rebasing_to_nothing_takes_all_in(void **state)
{
	struct xd_image *image;
	uint8_t data[512];

	(void)state;
	make_parent("p.vhd");
	make_child("c.vhd", "p.vhd", NULL);
	OK(xd_open("c.vhd", XD_OPEN_WRITE, &image, &err));
	OK(xd_rebase(image, NULL, NULL, NULL, &err));
	OK(xd_close(image, &err));
	OK(xd_open("c.vhd", XD_OPEN_NO_PARENTS, &image, &err));
	OK(xd_read(image, data, sizeof(data), MIB, &err));
	assert_int_equal(data[0], 0x42);
	OK(xd_close(image, &err));
}

/* --- parents whose bytes are a guest's ---------------------------------------------------------------------------------- */

static void make_raw(const char *path, uint8_t byte)
{
	struct xd_create how = {.path = path,
				.format = XD_FORMAT_RAW,
				.flags = XD_CREATE_OVERWRITE,
				.virtual_size = 4 * MIB};
	struct xd_io io;
	uint8_t data[512];

	OK(xd_create(&how, &err));
	memset(data, byte, sizeof(data));
	OK(xd_io_open_file(path, XD_IO_WRITE, &io, &err));
	tool_patch(io, MIB, data, sizeof(data));
	io.ops->close(io.ctx);
}

static void child_of(const char *path, const char *parent, enum xd_format format, const uint8_t *id)
{
	struct xd_open open = {.path = parent, .format = format};
	struct xd_create how = {.path = path,
				.format = format == XD_FORMAT_VHDX ? format : XD_FORMAT_VHD,
				.type = XD_TYPE_DIFF,
				.flags = XD_CREATE_OVERWRITE,
				.id = id};

	OK(xd_open_with(&open, &how.parent, &err));
	OK(xd_create(&how, &err));
	OK(xd_close(how.parent, &err));
}

/* The whole of `from` at the start of `to`, and its footer's copy at the end: what a guest can write into its own disk. */
static void write_into(const char *to, const char *from)
{
	struct xd_io in, out;
	uint8_t data[8192];

	OK(xd_io_open_file(from, 0, &in, &err));
	OK(xd_io_open_file(to, XD_IO_WRITE, &out, &err));
	assert_true(tool_size(in) <= sizeof(data));
	tool_peek(in, 0, data, sizeof(data));
	tool_patch(out, 0, data, tool_size(in));
	tool_patch(out, tool_size(out) - 512, data, 512);
	in.ops->close(in.ctx);
	out.ops->close(out.ctx);
}

static void a_raw_parent_stays_raw_whatever_a_guest_writes_into_it(void **state)
{
	static const uint8_t none[16];

	(void)state;
	make_raw("p.raw", 0x42);
	child_of("c.vhd", "p.raw", XD_FORMAT_RAW, NULL);
	shows_parent("c.vhd");
	/* Without an id, as the child's record of a raw parent has it, and naming a file of the host. */
	make_raw("secret", 0x53);
	child_of("evil.vhd", "secret", XD_FORMAT_RAW, none);
	write_into("p.raw", "evil.vhd");
	shows_parent("c.vhd");
}

static void a_vhd_without_an_id_is_no_parent(void **state)
{
	static const uint8_t none[16];
	struct xd_create how = {.path = "p.vhd",
				.format = XD_FORMAT_VHD,
				.type = XD_TYPE_DYNAMIC,
				.virtual_size = 4 * MIB,
				.id = none};

	(void)state;
	OK(xd_create(&how, &err));
	how = (struct xd_create){.path = "c.vhd", .format = XD_FORMAT_VHD, .type = XD_TYPE_DIFF};
	OK(xd_open("p.vhd", 0, &how.parent, &err));
	FAILS(XD_E_INVAL, xd_create(&how, &err));
	OK(xd_close(how.parent, &err));
}

/* A fixed VHDX, whose last block is the file's end, with a whole VHD footer there. */
static void make_vhdx_with_footer(const char *path)
{
	struct xd_create how = {.path = path,
				.format = XD_FORMAT_VHDX,
				.type = XD_TYPE_FIXED,
				.virtual_size = 4 * MIB,
				.block_size = MIB};
	struct xd_open open = {.path = path, .format = XD_FORMAT_VHDX, .flags = XD_OPEN_WRITE};
	struct xd_image *image;
	struct xd_io io;
	uint8_t data[512], last[512];

	make_parent("footer.vhd");
	OK(xd_create(&how, &err));
	OK(xd_open_with(&open, &image, &err));
	memset(data, 0x42, sizeof(data));
	OK(xd_write(image, data, sizeof(data), MIB, &err));
	OK(xd_io_open_file("footer.vhd", 0, &io, &err));
	tool_peek(io, 0, data, sizeof(data));
	io.ops->close(io.ctx);
	OK(xd_write(image, data, sizeof(data), 4 * MIB - 512, &err));
	OK(xd_close(image, &err));
	OK(xd_io_open_file(path, 0, &io, &err));
	tool_peek(io, tool_size(io) - 512, last, sizeof(last));
	io.ops->close(io.ctx);
	assert_memory_equal(data, last, sizeof(last));
}

static void a_vhdx_parent_that_ends_like_a_vhd_is_a_vhdx(void **state)
{
	(void)state;
	make_vhdx_with_footer("p.vhdx");
	child_of("c.vhdx", "p.vhdx", XD_FORMAT_VHDX, NULL);
	shows_parent("c.vhdx");
}

static void a_parent_of_another_format_is_refused(void **state)
{
	struct xd_image *image;

	(void)state;
	make_parent("p.vhd");
	make_child("c.vhd", "p.vhd", NULL);
	make_vhdx_with_footer("p.vhdx");
	child_of("c.vhdx", "p.vhdx", XD_FORMAT_VHDX, NULL);
	make_raw("p.vhd", 0x42);
	make_raw("p.vhdx", 0x42);
	FAILS(XD_E_PARENT_CHANGED, xd_open("c.vhd", 0, &image, &err));
	FAILS(XD_E_PARENT_CHANGED, xd_open("c.vhd", XD_OPEN_ANY_PARENT, &image, &err));
	FAILS(XD_E_PARENT_CHANGED, xd_open("c.vhdx", 0, &image, &err));
}

static void open_as(const char *path, enum xd_format format)
{
	struct xd_open how = {.path = path, .format = format};
	struct xd_image *image;
	struct xd_info info;

	OK(xd_open_with(&how, &image, &err));
	xd_get_info(image, &info);
	assert_int_equal(info.format, format);
	OK(xd_close(image, &err));
}

static void what_looks_like_two_formats_is_not_guessed_at(void **state)
{
	struct xd_create how = {.path = "p.vhd",
				.format = XD_FORMAT_VHD,
				.type = XD_TYPE_FIXED,
				.virtual_size = 4 * MIB};
	struct xd_image *image;
	struct xd_io io;

	(void)state;
	make_vhdx_with_footer("p.vhdx");
	FAILS(XD_E_FORMAT, xd_open("p.vhdx", 0, &image, &err));
	open_as("p.vhdx", XD_FORMAT_VHDX);
	OK(xd_create(&how, &err));
	OK(xd_io_open_file("p.vhd", XD_IO_WRITE, &io, &err));
	tool_patch(io, 0, "vhdxfile", 8);
	io.ops->close(io.ctx);
	FAILS(XD_E_FORMAT, xd_open("p.vhd", 0, &image, &err));
	open_as("p.vhd", XD_FORMAT_VHD);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(every_kind_of_locator_leads_to_the_parent, enter,
					    leave),
	    cmocka_unit_test_setup_teardown(names_beyond_ascii_and_other_folders_work, enter,
					    leave),
	    cmocka_unit_test_setup_teardown(locators_that_are_nonsense_are_stepped_over, enter,
					    leave),
	    cmocka_unit_test_setup_teardown(a_missing_parent_still_lets_the_layer_open_alone, enter,
					    leave),
	    cmocka_unit_test_setup_teardown(another_disk_under_the_parents_name_is_refused, enter,
					    leave),
	    cmocka_unit_test_setup_teardown(a_parent_that_was_written_to_is_warned_of, enter,
					    leave),
	    cmocka_unit_test_setup_teardown(a_disk_is_not_its_own_grandparent, enter, leave),
	    cmocka_unit_test_setup_teardown(a_file_is_opened_for_writing_once, enter, leave),
	    cmocka_unit_test_setup_teardown(a_child_bigger_than_its_parent_reads_zero_past_it,
					    enter, leave),
	    cmocka_unit_test_setup_teardown(a_child_that_grows_shows_no_more_of_its_parent, enter,
					    leave),
	    cmocka_unit_test_setup_teardown(rebasing_to_nothing_takes_all_in, enter, leave),
	    cmocka_unit_test_setup_teardown(a_raw_parent_stays_raw_whatever_a_guest_writes_into_it,
					    enter, leave),
	    cmocka_unit_test_setup_teardown(a_vhd_without_an_id_is_no_parent, enter, leave),
	    cmocka_unit_test_setup_teardown(a_vhdx_parent_that_ends_like_a_vhd_is_a_vhdx, enter,
					    leave),
	    cmocka_unit_test_setup_teardown(a_parent_of_another_format_is_refused, enter, leave),
	    cmocka_unit_test_setup_teardown(what_looks_like_two_formats_is_not_guessed_at, enter,
					    leave),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
