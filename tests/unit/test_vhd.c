/* SPDX-License-Identifier: MIT */
/* VHD: what the format promises, and what damaged files must not do. */
#include <pthread.h>

#include "disk/vhd.h"
#include "tests/unit/disk_tool.h"

static struct xd_io make(enum xd_type type, enum xd_profile profile, uint64_t size, uint32_t block)
{
	struct xd_io io;
	struct xd_create how = {.format = XD_FORMAT_VHD,
				.type = type,
				.profile = profile,
				.virtual_size = size,
				.block_size = block};

	OK(xd_io_open_memory(&io, &err));
	how.io = io;
	OK(xd_create(&how, &err));
	return io;
}

static void end(struct xd_io io)
{
	io.ops->close(io.ctx);
}

static struct vhd_footer footer_at(struct xd_io io, uint64_t offset)
{
	struct vhd_footer f;

	tool_peek(io, offset, &f, sizeof(f));
	return f;
}

static void put_footer(struct xd_io io, uint64_t offset, struct vhd_footer f)
{
	vhd_footer_seal(&f);
	tool_patch(io, offset, &f, sizeof(f));
}

static void patch_table(struct xd_io io, uint32_t block, uint32_t sector)
{
	struct be32 entry = vhd_put32(sector);

	tool_patch(io, 1536 + 4 * block, &entry, sizeof(entry));
}

static uint32_t table_entry(struct xd_io io, uint32_t block)
{
	struct be32 entry;

	tool_peek(io, 1536 + 4 * block, &entry, sizeof(entry));
	return vhd_get32(entry);
}

/* A dynamic disk of 16 blocks of 64 KiB; three are there. */
static struct xd_io make_used(enum xd_profile profile)
{
	struct xd_io io = make(XD_TYPE_DYNAMIC, profile, MIB, 65536);
	uint8_t data[4096];
	struct xd_image *image;

	memset(data, 0x5a, sizeof(data));
	OK(tool_open(io, XD_OPEN_WRITE, &image, &err));
	for (int i = 0; i < 3; i++)
		OK(xd_write(image, data, sizeof(data), i * 5 * 65536, &err));
	OK(xd_close(image, &err));
	return io;
}

/* --- sizes -------------------------------------------------------------------------------------------------------------- */

static void creator_decides_which_size_counts(void **state)
{
	static const struct {
		const char app[5];
		enum vhd_size_rule rule;
	} known[] = {
	    {"vpc ", VHD_SIZE_CHS},     {"qemu", VHD_SIZE_CHS},     {"qem2", VHD_SIZE_CURRENT},
	    {"win ", VHD_SIZE_CURRENT}, {"d2v ", VHD_SIZE_CURRENT}, {"tap", VHD_SIZE_CURRENT},
	    {"CTXS", VHD_SIZE_CURRENT}, {"wa", VHD_SIZE_CURRENT},   {"vbox", VHD_SIZE_CURRENT},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct xd_io io = make(XD_TYPE_FIXED, XD_PROFILE_NONE, 100 * MIB + 512, 0);
		struct vhd_footer f = footer_at(io, 100 * MIB + 512);
		struct xd_image *image;

		memcpy(f.creator_app, known[i].app, 4);
		put_footer(io, 100 * MIB + 512, f);
		OK(tool_open(io, 0, &image, &err));
		assert_int_equal(xd_get_size(image), known[i].rule == VHD_SIZE_CHS
							 ? vhd_chs_size(&f)
							 : 100 * MIB + 512);
		OK(xd_close(image, &err));
		end(io);
	}
}

static void largest_geometry_means_current_size(void **state)
{
	struct xd_io io = make(XD_TYPE_FIXED, XD_PROFILE_NONE, MIB, 0);
	struct vhd_footer f = footer_at(io, MIB);
	struct xd_image *image;

	(void)state;
	memcpy(f.creator_app, "vpc ", 4);
	f.cylinders = vhd_put16(65535);
	f.heads = 16;
	f.sectors_per_track = 255;
	put_footer(io, MIB, f);
	OK(tool_open(io, 0, &image, &err));
	assert_int_equal(xd_get_size(image), MIB);
	OK(xd_close(image, &err));
	end(io);
}

static void sizes_up_to_the_limit_and_no_further(void **state)
{
	struct xd_create how = {
	    .format = XD_FORMAT_VHD, .type = XD_TYPE_DYNAMIC, .virtual_size = VHD_MAX_SIZE};
	struct xd_image *image;
	uint8_t sector[512] = {1}, back[512];

	(void)state;
	OK(xd_io_open_memory(&how.io, &err));
	OK(xd_create(&how, &err));
	OK(tool_open(how.io, XD_OPEN_WRITE, &image, &err));
	OK(xd_write(image, sector, 512, VHD_MAX_SIZE - 512, &err));
	OK(xd_read(image, back, 512, VHD_MAX_SIZE - 512, &err));
	assert_memory_equal(sector, back, 512);
	FAILS(XD_E_RANGE, xd_write(image, sector, 512, VHD_MAX_SIZE, &err));
	FAILS(XD_E_LIMIT, xd_resize(image, VHD_MAX_SIZE + 512, 0, &err));
	OK(xd_close(image, &err));
	how.virtual_size += 512;
	FAILS(XD_E_LIMIT, xd_create(&how, &err));
	end(how.io);
}

/* The geometry counts, is larger than the table or the file, and current_size, which then has to stand in, makes no sense either. */
static void a_current_size_that_stands_in_is_checked_too(void **state)
{
	static const uint64_t sizes[] = {UINT64_MAX, UINT64_MAX - 511, 1ull << 63, 1000};
	static const enum xd_type types[] = {XD_TYPE_DYNAMIC, XD_TYPE_FIXED};

	(void)state;
	for (size_t i = 0; i < 8; i++) {
		struct xd_io io = make(types[i / 4], XD_PROFILE_NONE, MIB, 0);
		uint64_t tail = tool_size(io) - 512;
		struct vhd_footer f = footer_at(io, tail);
		struct xd_image *image;

		memcpy(f.creator_app, "vpc ", 4);
		f.cylinders = vhd_put16(60000);
		f.heads = 16;
		f.sectors_per_track = 63;
		f.current_size = vhd_put64(sizes[i % 4]);
		put_footer(io, tail, f);
		FAILS(XD_E_CORRUPT, tool_open(io, 0, &image, &err));
		FAILS(XD_E_CORRUPT, tool_open(io, XD_OPEN_WRITE, &image, &err));
		end(io);
	}
}

static void azure_images_are_whole_mebibytes(void **state)
{
	struct xd_io io = make(XD_TYPE_FIXED, XD_PROFILE_AZURE, 5 * MIB + 512, 0);
	struct vhd_footer f = footer_at(io, 6 * MIB);

	(void)state;
	assert_int_equal(tool_size(io), 6 * MIB + 512);
	assert_int_equal(vhd_get64(f.current_size), 6 * MIB);
	assert_memory_equal(f.creator_app, "win ", 4);
	end(io);
}

/* --- footers ------------------------------------------------------------------------------------------------------------ */

static void a_damaged_footer_has_a_copy(void **state)
{
	(void)state;
	for (int lost = 0; lost < 2; lost++) {
		struct xd_io io = make_used(XD_PROFILE_NONE);
		uint64_t at = lost ? tool_size(io) - 512 : 0;
		struct tool_find find = {.what = lost ? "footer-missing" : "footer-copy"};
		struct xd_image *image;
		uint8_t noise[400], data[4096];

		memset(noise, 0xee, sizeof(noise));
		tool_patch(io, at + sizeof(struct vhd_footer) - sizeof(noise), noise,
			   sizeof(noise));
		OK(tool_open(io, 0, &image, &err)); /* read-only: reads, and mends nothing */
		OK(xd_read(image, data, sizeof(data), 5 * 65536, &err));
		assert_int_equal(data[4095], 0x5a);
		tool_check(image, 0, &find);
		assert_int_equal(find.seen, 1);
		OK(xd_close(image, &err));
		assert_int_not_equal(tool_errors(io), 0);
		OK(tool_open(io, XD_OPEN_WRITE, &image, &err));
		OK(xd_close(image, &err));
		assert_int_equal(tool_errors(io), 0);
		end(io);
	}
}

static void assert_same_bytes(struct xd_io io, const uint8_t *was, uint64_t size)
{
	uint8_t *is = malloc(size);

	assert_int_equal(tool_size(io), size);
	tool_peek(io, 0, is, size);
	assert_memory_equal(is, was, size);
	free(is);
}

/* The copy alone may be a guest's: it is looked at, and believed by a repair that is told to. */
static void a_footers_copy_alone_is_believed_when_told_to(void **state)
{
	struct xd_io io = make_used(XD_PROFILE_NONE);
	uint64_t size = tool_size(io);
	struct tool_find find = {.what = "footer-missing"};
	uint8_t noise[512], data[4096], *was = malloc(size);
	struct xd_image *image;

	(void)state;
	memset(noise, 0xee, sizeof(noise));
	tool_patch(io, size - 512, noise, sizeof(noise));
	tool_peek(io, 0, was, size);
	FAILS(XD_E_CORRUPT, tool_open(io, 0, &image, &err));
	FAILS(XD_E_CORRUPT, tool_open(io, XD_OPEN_WRITE, &image, &err));
	OK(tool_open(io, XD_OPEN_WRITE | XD_OPEN_LENIENT, &image, &err));
	tool_check(image, XD_CHECK_REPAIR, &find);
	OK(xd_close(image, &err));
	assert_int_equal(find.seen, 1);
	assert_int_equal(find.repaired, 0);
	assert_same_bytes(io, was, size);
	OK(tool_open(io, XD_OPEN_WRITE | XD_OPEN_LENIENT, &image, &err));
	tool_check(image, XD_CHECK_REPAIR | XD_CHECK_FROM_COPY, &find);
	OK(xd_close(image, &err));
	assert_int_equal(find.repaired, 1);
	assert_int_equal(tool_errors(io), 0);
	OK(tool_open(io, 0, &image, &err));
	OK(xd_read(image, data, sizeof(data), 5 * 65536, &err));
	assert_int_equal(data[4095], 0x5a);
	OK(xd_close(image, &err));
	free(was);
	end(io);
}

static int no_parent_is_asked_for(void *ctx, const char *path, uint32_t flags, struct xd_io *io,
				  struct xd_error *error)
{
	(void)ctx, (void)flags, (void)io;
	error->code = XD_E_PARENT;
	fail_msg("a guest had %s opened", path);
	return XD_E_PARENT;
}

/* A differencing disk with a parent, whole, in a fixed one's first sectors: what the fixed one's guest can write. */
static void plant_child(struct xd_io io, uint64_t tail)
{
	struct xd_io base = make(XD_TYPE_DYNAMIC, XD_PROFILE_NONE, MIB, 65536), child;
	struct xd_create how = {.format = XD_FORMAT_VHD,
				.type = XD_TYPE_DIFF,
				.parent_path = "/etc/shadow",
				.block_size = 65536};
	uint8_t data[16384];

	OK(tool_open(base, 0, &how.parent, &err));
	OK(xd_io_open_memory(&child, &err));
	how.io = child;
	OK(xd_create(&how, &err));
	OK(xd_close(how.parent, &err));
	assert_true(tool_size(child) <= sizeof(data));
	tool_peek(child, 0, data, tool_size(child));
	tool_patch(io, 0, data, tool_size(child));
	/* Also with what can be told of a sparse disk's end, as far as the fixed one's data goes. */
	tool_patch(io, tail - 512, data, 512);
	end(child);
	end(base);
}

static int open_planted(struct xd_io io, uint32_t flags, struct xd_image **image,
			struct xd_error *error)
{
	struct xd_open how = {.path = "disk.vhd",
			      .format = XD_FORMAT_VHD,
			      .flags = flags,
			      .io = tool_borrow(io),
			      .open_parent = no_parent_is_asked_for};

	return xd_open_with(&how, image, error);
}

static void a_fixed_disk_with_a_damaged_footer_is_not_what_its_guest_says(void **state)
{
	/* The checksum, the cookie, all of it; or it is whole, with padding behind it. */
	static const struct {
		uint32_t at, length;
		enum xd_code code;
	} damage[] = {
	    {offsetof(struct vhd_footer, checksum), 4, XD_E_CORRUPT},
	    {0, 8, XD_E_CORRUPT},
	    {0, 512, XD_E_CORRUPT},
	    {512, 4096, 0},
	};
	uint8_t noise[4096];

	(void)state;
	memset(noise, 0xee, sizeof(noise));
	for (size_t i = 0; i < sizeof(damage) / sizeof(damage[0]); i++) {
		struct xd_io io = make(XD_TYPE_FIXED, XD_PROFILE_NONE, MIB, 0);
		struct xd_image *image;
		struct xd_info info;
		uint64_t size;
		uint8_t *was;

		plant_child(io, MIB);
		tool_patch(io, MIB + damage[i].at, noise, damage[i].length);
		size = tool_size(io);
		was = malloc(size);
		tool_peek(io, 0, was, size);
		assert_int_equal(open_planted(io, 0, &image, NULL), damage[i].code);
		if (!damage[i].code) {
			xd_get_info(image, &info);
			assert_int_equal(info.type, XD_TYPE_FIXED);
			OK(xd_close(image, &err));
		} else if (i == 0) {
			/* What is left of the footer says enough for a repair. */
			OK(open_planted(io, XD_OPEN_WRITE | XD_OPEN_LENIENT, &image, &err));
			tool_check(image, XD_CHECK_REPAIR, NULL);
			OK(xd_close(image, &err));
			OK(open_planted(io, 0, &image, &err));
			xd_get_info(image, &info);
			assert_int_equal(info.type, XD_TYPE_FIXED);
			OK(xd_close(image, &err));
		} else {
			assert_int_equal(open_planted(io, XD_OPEN_LENIENT, &image, NULL),
					 XD_E_PARENT);
			OK(open_planted(io, XD_OPEN_WRITE | XD_OPEN_LENIENT | XD_OPEN_NO_PARENTS,
					&image, &err));
			tool_check(image, XD_CHECK_REPAIR, NULL);
			OK(xd_close(image, &err));
			assert_same_bytes(io, was, size);
		}
		free(was);
		end(io);
	}
}

static void two_wrong_footers_are_an_error_and_repairable(void **state)
{
	struct xd_io io = make_used(XD_PROFILE_NONE);
	struct tool_find find = {.what = "footer-checksum"};
	struct xd_image *image;
	uint8_t one = 1;

	(void)state;
	tool_patch(io, 85 + 100, &one, 1);
	tool_patch(io, tool_size(io) - 100, &one, 1);
	FAILS(XD_E_CORRUPT, tool_open(io, 0, &image, &err));
	OK(tool_open(io, XD_OPEN_WRITE | XD_OPEN_LENIENT, &image, &err));
	tool_check(image, XD_CHECK_REPAIR, &find);
	assert_int_equal(find.repaired, 1);
	OK(xd_close(image, &err));
	assert_int_equal(tool_errors(io), 0);
	end(io);
}

static void footer_of_511_bytes_is_read(void **state)
{
	struct xd_io io = make(XD_TYPE_FIXED, XD_PROFILE_NONE, MIB, 0);
	struct xd_image *image;

	(void)state;
	assert_int_equal(io.ops->truncate(io.ctx, MIB + 511), 0);
	OK(tool_open(io, 0, &image, &err));
	assert_int_equal(xd_get_size(image), MIB);
	OK(xd_close(image, &err));
	end(io);
}

static void padding_behind_a_fixed_footer_is_stepped_over(void **state)
{
	struct xd_io io = make(XD_TYPE_FIXED, XD_PROFILE_NONE, MIB, 0);
	struct tool_find find = {.what = "footer-padding"};
	struct xd_image *image;

	(void)state;
	assert_int_equal(io.ops->truncate(io.ctx, MIB + 4096), 0);
	OK(tool_open(io, 0, &image, &err));
	assert_int_equal(xd_get_size(image), MIB);
	tool_check(image, 0, &find);
	assert_int_equal(find.seen, 1);
	OK(xd_close(image, &err));
	end(io);
}

static void padding_behind_a_fixed_footer_does_not_become_the_disks(void **state)
{
	struct xd_io io = make(XD_TYPE_FIXED, XD_PROFILE_NONE, MIB, 0);
	uint8_t padding[3500], grown[2048];
	struct xd_image *image;

	(void)state;
	memset(padding, 0xaa, sizeof(padding));
	tool_patch(io, MIB + 512, padding, sizeof(padding));
	OK(tool_open(io, XD_OPEN_WRITE, &image, &err));
	OK(xd_resize(image, MIB + sizeof(grown), 0, &err));
	OK(xd_close(image, &err));
	assert_int_equal(tool_size(io), MIB + sizeof(grown) + 512);
	OK(tool_open(io, 0, &image, &err));
	OK(xd_read(image, grown, sizeof(grown), MIB, &err));
	for (size_t i = 0; i < sizeof(grown); i++)
		assert_int_equal(grown[i], 0);
	OK(xd_close(image, &err));
	end(io);
}

static void fixed_disk_that_holds_a_footer_in_its_first_sector_is_fixed(void **state)
{
	struct xd_io io = make(XD_TYPE_FIXED, XD_PROFILE_NONE, MIB, 0),
		     inner = make_used(XD_PROFILE_NONE);
	struct vhd_footer f = footer_at(inner, 0);
	struct xd_info info;
	struct xd_image *image;

	(void)state;
	tool_patch(io, 0, &f, sizeof(f)); /* a guest's data */
	OK(tool_open(io, 0, &image, &err));
	xd_get_info(image, &info);
	assert_int_equal(info.type, XD_TYPE_FIXED);
	OK(xd_close(image, &err));
	end(io);
	end(inner);
}

static void tapdisk_footer_marked_hidden_without_a_new_sum_is_good(void **state)
{
	struct xd_io io = make(XD_TYPE_FIXED, XD_PROFILE_XENSERVER, MIB, 0);
	struct xd_image *image;
	uint8_t hidden = 1;

	(void)state;
	tool_patch(io, MIB + offsetof(struct vhd_footer, hidden), &hidden, 1);
	OK(tool_open(io, 0, &image, &err));
	OK(xd_close(image, &err));
	end(io);
}

/* --- damage ------------------------------------------------------------------------------------------------------------- */

static void truncated_files_are_refused(void **state)
{
	struct xd_io fixed = make(XD_TYPE_FIXED, XD_PROFILE_NONE, MIB, 0),
		     sparse = make_used(XD_PROFILE_NONE);
	struct vhd_footer f = footer_at(fixed, MIB);
	struct xd_image *image;

	(void)state;
	tool_patch(fixed, MIB - 8192, &f, sizeof(f));
	assert_int_equal(fixed.ops->truncate(fixed.ctx, MIB - 8192 + 512), 0);
	FAILS(XD_E_CORRUPT, tool_open(fixed, 0, &image, &err));
	assert_int_equal(sparse.ops->truncate(sparse.ctx, tool_size(sparse) - 30000), 0);
	FAILS(XD_E_CORRUPT, tool_open(sparse, 0, &image, &err));
	end(fixed);
	end(sparse);
}

static void table_entries_that_cannot_be_are_refused(void **state)
{
	static const uint32_t wrong[] = {0, 1, 3, 0x7fffffff, 0xfffffffe};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct xd_io io = make_used(XD_PROFILE_NONE);
		struct xd_image *image;

		patch_table(io, 2, wrong[i]);
		FAILS(XD_E_CORRUPT, tool_open(io, 0, &image, &err));
		assert_int_not_equal(tool_errors(io), 0);
		end(io);
	}
}

static void repair_forgets_a_block_past_the_end(void **state)
{
	struct xd_io io = make_used(XD_PROFILE_NONE);
	struct xd_image *image;
	uint8_t data[4096];

	(void)state;
	patch_table(io, 2, 0x00ffffff);
	OK(tool_open(io, XD_OPEN_WRITE | XD_OPEN_LENIENT, &image, &err));
	tool_check(image, XD_CHECK_REPAIR, NULL);
	OK(xd_close(image, &err));
	assert_int_equal(table_entry(io, 2), VHD_NO_BLOCK);
	assert_int_equal(tool_errors(io), 0);
	OK(tool_open(io, 0, &image, &err));
	OK(xd_read(image, data, sizeof(data), 5 * 65536, &err));
	assert_int_equal(data[0], 0x5a);
	OK(xd_close(image, &err));
	end(io);
}

static void overlapping_blocks_are_readable_not_writable_and_not_repaired(void **state)
{
	struct xd_io io = make_used(XD_PROFILE_NONE);
	struct tool_find find = {.what = "bat-overlap"};
	struct xd_image *image;

	(void)state;
	patch_table(io, 2, table_entry(io, 5));
	OK(tool_open(io, 0, &image, &err));
	OK(xd_close(image, &err));
	FAILS(XD_E_CORRUPT, tool_open(io, XD_OPEN_WRITE, &image, &err));
	OK(tool_open(io, XD_OPEN_WRITE | XD_OPEN_LENIENT, &image, &err));
	tool_check(image, XD_CHECK_REPAIR, &find);
	assert_int_equal(find.seen, 1);
	assert_int_equal(find.repaired, 0);
	OK(xd_close(image, &err));
	end(io);
}

static void wrong_headers_are_refused(void **state)
{
	static const struct {
		size_t at;
		uint8_t byte;
	} wrong[] = {
	    {offsetof(struct vhd_header, cookie), 'X'},
	    {offsetof(struct vhd_header, checksum), 0x77},
	    {offsetof(struct vhd_header, block_size) + 3, 1},
	    {offsetof(struct vhd_header, block_size), 0x40},
	    {offsetof(struct vhd_header, max_table_entries), 0xff},
	    {offsetof(struct vhd_header, table_offset), 0x7f},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct xd_io io = make_used(XD_PROFILE_NONE);
		struct vhd_header h;
		struct xd_image *image;

		tool_peek(io, 512, &h, sizeof(h));
		((uint8_t *)&h)[wrong[i].at] = wrong[i].byte;
		if (wrong[i].at != offsetof(struct vhd_header, checksum))
			vhd_header_seal(&h);
		tool_patch(io, 512, &h, sizeof(h));
		FAILS(XD_E_CORRUPT, tool_open(io, 0, &image, &err));
		end(io);
	}
}

/* Found by the fuzzer: mending either would have destroyed the other. */
static void structures_that_lie_on_each_other_are_refused(void **state)
{
	struct xd_io io = make(XD_TYPE_DYNAMIC, XD_PROFILE_NONE, MIB, 65536);
	struct vhd_footer f = footer_at(io, 0);
	struct vhd_header h;
	struct xd_image *image;

	(void)state;
	assert_int_equal(io.ops->truncate(io.ctx, 1536 + 32 + 512), 0);
	tool_patch(io, 1536 + 32, &f, sizeof(f)); /* the table is 64 bytes long */
	FAILS(XD_E_CORRUPT, tool_open(io, XD_OPEN_WRITE, &image, &err));
	end(io);
	io = make(XD_TYPE_DYNAMIC, XD_PROFILE_NONE, MIB, 65536);
	tool_peek(io, 512, &h, sizeof(h));
	h.table_offset = vhd_put64(8);
	vhd_header_seal(&h);
	tool_patch(io, 512, &h, sizeof(h));
	FAILS(XD_E_CORRUPT, tool_open(io, XD_OPEN_WRITE, &image, &err));
	end(io);
}

/* Found by the fuzzer: its end wrapped around, and the file was cut to nothing on closing. */
static void locator_outside_of_the_file_takes_no_space(void **state)
{
	struct xd_io io = make_used(XD_PROFILE_NONE);
	struct vhd_header h;
	struct xd_image *image;
	uint64_t before = tool_size(io);

	(void)state;
	tool_peek(io, 512, &h, sizeof(h));
	h.locator[1] = (struct vhd_locator){.platform = vhd_put32(VHD_PLATFORM_W2KU),
					    .data_space = vhd_put32(4096),
					    .data_offset = vhd_put64(UINT64_MAX - 1)};
	vhd_header_seal(&h);
	tool_patch(io, 512, &h, sizeof(h));
	OK(tool_open(io, XD_OPEN_WRITE, &image, &err));
	OK(xd_compact(image, NULL, &err));
	OK(xd_close(image, &err));
	assert_in_range(tool_size(io), 3 * 65536, before);
	end(io);
}

/* --- bitmaps and batmap ------------------------------------------------------------------------------------------------- */

static void clear_bitmap_bits_of_a_dynamic_disk_read_as_zero_until_written(void **state)
{
	struct xd_io io = make_used(XD_PROFILE_NONE);
	uint64_t bitmap = table_entry(io, 0) * 512ull;
	uint8_t clear = 0xbf, data[1024];
	struct xd_image *image;

	(void)state;
	tool_patch(io, bitmap, &clear, 1); /* sector 1 is not there */
	OK(tool_open(io, XD_OPEN_WRITE, &image, &err));
	OK(xd_read(image, data, sizeof(data), 0, &err));
	assert_int_equal(data[0], 0x5a);
	assert_int_equal(data[512], 0);
	OK(xd_write(image, data, 512, 512, &err));
	OK(xd_close(image, &err));
	tool_peek(io, bitmap, &clear, 1);
	assert_int_equal(clear, 0xff);
	end(io);
}

static void batmap_is_kept_true(void **state)
{
	struct xd_io io = make_used(XD_PROFILE_XENSERVER);
	struct tool_find find = {.what = "batmap"};
	uint8_t map[2], junk = 0xff;
	struct xd_image *image;

	(void)state;
	tool_peek(io, 1536 + 512 + 512, map, 2);
	assert_int_equal(map[0], 0x84); /* blocks 0, 5 … */
	assert_int_equal(map[1], 0x20); /* … and 10 */
	tool_patch(io, 1536 + 512 + 512 + 1, &junk, 1);
	OK(tool_open(io, 0, &image, &err));
	tool_check(image, 0, &find);
	assert_int_equal(find.seen, 1);
	OK(xd_close(image, &err));
	OK(tool_open(io, XD_OPEN_WRITE | XD_OPEN_LENIENT, &image, &err));
	tool_check(image, XD_CHECK_REPAIR, &find);
	assert_int_equal(find.repaired, 1);
	OK(xd_close(image, &err));
	assert_int_equal(tool_errors(io), 0);
	end(io);
}

static void batmap_that_calls_a_partial_block_full_is_found(void **state)
{
	struct xd_io io = make_used(XD_PROFILE_XENSERVER);
	struct tool_find find = {.what = "batmap-bitmap"};
	uint8_t clear = 0xfe;
	struct xd_image *image;

	(void)state;
	tool_patch(io, table_entry(io, 5) * 512ull, &clear, 1);
	OK(tool_open(io, XD_OPEN_LENIENT, &image, &err));
	tool_check(image, 0, &find);
	assert_int_equal(find.seen, 1);
	OK(xd_close(image, &err));
	end(io);
}

/* --- resize and compact ------------------------------------------------------------------------------------------------- */

static void growing_and_shrinking_keep_what_stays(void **state)
{
	static const enum xd_type types[] = {XD_TYPE_FIXED, XD_TYPE_DYNAMIC};

	(void)state;
	for (int t = 0; t < 2; t++) {
		struct xd_io io =
		    make(types[t], XD_PROFILE_XENSERVER, MIB, types[t] == XD_TYPE_FIXED ? 0 : 4096);
		static uint8_t data[MIB], back[MIB];
		struct xd_image *image;

		memset(data, 0x33, sizeof(data));
		OK(tool_open(io, XD_OPEN_WRITE, &image, &err));
		OK(xd_write(image, data, MIB, 0, &err));
		OK(xd_resize(image, 40 * MIB, 0, &err));
		OK(xd_write(image, data, 4096, 39 * MIB, &err));
		OK(xd_close(image, &err));
		assert_int_equal(tool_errors(io), 0);
		OK(tool_open(io, XD_OPEN_WRITE, &image, &err));
		assert_int_equal(xd_get_size(image), 40 * MIB);
		OK(xd_read(image, back, MIB, 0, &err));
		assert_memory_equal(data, back, MIB);
		OK(xd_read(image, back, 8192, 39 * MIB, &err));
		assert_int_equal(back[4095], 0x33);
		assert_int_equal(back[4096], 0);
		OK(xd_read(image, back, MIB, MIB, &err));
		assert_true(back[0] == 0 && !memcmp(back, back + 1, MIB - 1));
		FAILS(XD_E_INVAL, xd_resize(image, 512 * 1024, 0, &err));
		OK(xd_resize(image, 512 * 1024 + 512, XD_RESIZE_SHRINK, &err));
		OK(xd_resize(image, MIB, 0, &err));
		OK(xd_close(image, &err));
		assert_int_equal(tool_errors(io), 0);
		OK(tool_open(io, 0, &image, &err));
		OK(xd_read(image, back, MIB, 0, &err));
		assert_memory_equal(data, back, 512 * 1024 + 512);
		assert_true(back[512 * 1024 + 512] == 0 &&
			    !memcmp(back + 512 * 1024 + 512, back + 512 * 1024 + 513,
				    MIB - 512 * 1024 - 513));
		OK(xd_close(image, &err));
		end(io);
	}
}

static void compacting_gives_back_zeros_and_keeps_data(void **state)
{
	struct xd_io io = make(XD_TYPE_DYNAMIC, XD_PROFILE_NONE, 4 * MIB, 65536);
	uint8_t data[4096];
	struct xd_image *image;
	uint64_t before;

	(void)state;
	OK(tool_open(io, XD_OPEN_WRITE, &image, &err));
	for (int i = 63; i >= 0; i--) {
		memset(data, i + 1, sizeof(data));
		OK(xd_write(image, data, sizeof(data), i * 65536 + 8192, &err));
	}
	for (int i = 0; i < 64; i += 2)
		OK(xd_zero(image, i * 65536, 65536, &err));
	OK(xd_flush(image, &err));
	before = tool_size(io);
	OK(xd_compact(image, NULL, &err));
	assert_in_range(tool_size(io), 32 * 65536, before / 2 + 65536);
	OK(xd_close(image, &err));
	assert_int_equal(tool_errors(io), 0);
	OK(tool_open(io, 0, &image, &err));
	for (int i = 0; i < 64; i++) {
		OK(xd_read(image, data, sizeof(data), i * 65536 + 8192, &err));
		assert_int_equal(data[17], i % 2 ? i + 1 : 0);
	}
	OK(xd_close(image, &err));
	end(io);
}

/* --- many at once ------------------------------------------------------------------------------------------------------- */

#define THREADS 4
#define ROUNDS  300

struct worker {
	struct xd_image *image;
	int number;
};

/* Each thread has every fourth sector to itself, so that they share blocks and bitmaps. */
static void *hammer(void *ctx)
{
	struct worker *w = ctx;
	unsigned random = w->number;
	uint8_t data[512];

	memset(data, w->number + 1, sizeof(data));
	for (int i = 0; i < ROUNDS; i++) {
		uint64_t sector = rand_r(&random) % 512 * THREADS + w->number;

		if (xd_write(w->image, data, 512, sector * 512, NULL) ||
		    (i % 50 == 0 && xd_flush(w->image, NULL)))
			return w;
	}
	return NULL;
}

static void share_a_handle(struct xd_io io)
{
	struct worker workers[THREADS];
	pthread_t threads[THREADS];
	struct xd_image *image;
	uint8_t data[512];

	OK(tool_open(io, XD_OPEN_WRITE | XD_OPEN_NO_PARENTS, &image, &err));
	for (int i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){image, i};
		assert_int_equal(pthread_create(&threads[i], NULL, hammer, &workers[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *bad;

		pthread_join(threads[i], &bad);
		assert_null(bad);
	}
	OK(xd_close(image, &err));
	assert_int_equal(tool_errors(io), 0);
	OK(tool_open(io, XD_OPEN_NO_PARENTS, &image, &err));
	for (int t = 0; t < THREADS; t++) {
		unsigned random = t;

		for (int i = 0; i < ROUNDS; i++) {
			OK(xd_read(image, data, 512, (rand_r(&random) % 512 * THREADS + t) * 512ull,
				   &err));
			assert_int_equal(data[511], t + 1);
		}
	}
	OK(xd_close(image, &err));
}

static void threads_share_a_handle(void **state)
{
	struct xd_io parent = make(XD_TYPE_DYNAMIC, XD_PROFILE_NONE, MIB, 4096);
	struct xd_create child = {
	    .format = XD_FORMAT_VHD, .type = XD_TYPE_DIFF, .block_size = 4096, .parent_path = "p"};

	(void)state;
	OK(xd_io_open_memory(&child.io, &err));
	OK(tool_open(parent, 0, &child.parent, &err));
	OK(xd_create(&child, &err));
	OK(xd_close(child.parent, &err));
	share_a_handle(parent);
	share_a_handle(child.io); /* partly filled blocks: the bitmaps' way */
	end(child.io);
	end(parent);
}

static void map_covers_the_disk_and_tells_where_bytes_are(void **state)
{
	struct xd_io io = make_used(XD_PROFILE_NONE);
	struct xd_run runs[16];
	size_t count = 16;
	struct xd_image *image;
	uint64_t at = 0;
	uint8_t byte;

	(void)state;
	OK(tool_open(io, 0, &image, &err));
	OK(xd_map(image, 0, MIB, 0, runs, &count, &err));
	for (size_t i = 0; i < count; at += runs[i++].length) {
		assert_int_equal(runs[i].offset, at);
		assert_int_equal(runs[i].kind, at / 65536 % 5 == 0 && at / 65536 < 11
						   ? XD_KIND_DATA
						   : XD_KIND_HOLE);
		assert_int_equal(runs[i].flags & XD_RUN_IN_PLACE, 0);
		if (runs[i].kind == XD_KIND_DATA) {
			tool_peek(io, runs[i].file_offset, &byte, 1);
			assert_int_equal(byte, 0x5a);
		}
	}
	assert_int_equal(at, MIB);
	OK(xd_close(image, &err));
	end(io);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(creator_decides_which_size_counts),
	    cmocka_unit_test(largest_geometry_means_current_size),
	    cmocka_unit_test(sizes_up_to_the_limit_and_no_further),
	    cmocka_unit_test(a_current_size_that_stands_in_is_checked_too),
	    cmocka_unit_test(azure_images_are_whole_mebibytes),
	    cmocka_unit_test(a_damaged_footer_has_a_copy),
	    cmocka_unit_test(a_footers_copy_alone_is_believed_when_told_to),
	    cmocka_unit_test(a_fixed_disk_with_a_damaged_footer_is_not_what_its_guest_says),
	    cmocka_unit_test(two_wrong_footers_are_an_error_and_repairable),
	    cmocka_unit_test(footer_of_511_bytes_is_read),
	    cmocka_unit_test(padding_behind_a_fixed_footer_is_stepped_over),
	    cmocka_unit_test(padding_behind_a_fixed_footer_does_not_become_the_disks),
	    cmocka_unit_test(fixed_disk_that_holds_a_footer_in_its_first_sector_is_fixed),
	    cmocka_unit_test(tapdisk_footer_marked_hidden_without_a_new_sum_is_good),
	    cmocka_unit_test(truncated_files_are_refused),
	    cmocka_unit_test(table_entries_that_cannot_be_are_refused),
	    cmocka_unit_test(repair_forgets_a_block_past_the_end),
	    cmocka_unit_test(overlapping_blocks_are_readable_not_writable_and_not_repaired),
	    cmocka_unit_test(wrong_headers_are_refused),
	    cmocka_unit_test(structures_that_lie_on_each_other_are_refused),
	    cmocka_unit_test(locator_outside_of_the_file_takes_no_space),
	    cmocka_unit_test(clear_bitmap_bits_of_a_dynamic_disk_read_as_zero_until_written),
	    cmocka_unit_test(batmap_is_kept_true),
	    cmocka_unit_test(batmap_that_calls_a_partial_block_full_is_found),
	    cmocka_unit_test(growing_and_shrinking_keep_what_stays),
	    cmocka_unit_test(compacting_gives_back_zeros_and_keeps_data),
	    cmocka_unit_test(threads_share_a_handle),
	    cmocka_unit_test(map_covers_the_disk_and_tells_where_bytes_are),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
