/* SPDX-License-Identifier: MIT */
/* Images that are damaged: what is refused, what is reported, what is mended. */
#include "disk/vhdx.h"
#include "tests/unit/test_vhdx_tool.h"

/* With blocks of 1 MiB: header section, log, metadata, BAT, then blocks in the order they were first written. */
#define METADATA (2 * MIB)
#define BAT      (3 * MIB)
#define BLOCK(n) ((4 + (n)) * MIB)

static const struct tool_geometry small = {XD_TYPE_DYNAMIC, 8 * MIB, 1 << 20, 512};

/* Blocks 0 to 3 hold 0x10, 0x11 … */
static void make(struct tool_store *store)
{
	struct xd_image *image;
	uint8_t *block = malloc(MIB);
	struct xd_error err;

	tool_store_init(store);
	tool_create(store, &small, NULL);
	image = tool_open(store, NULL, XD_OPEN_WRITE);
	for (uint64_t i = 0; i < 4; i++) {
		memset(block, 0x10 + i, MIB);
		OK(xd_write(image, block, MIB, i * MIB, &err));
	}
	tool_close(image);
	free(block);
}

static void poke64(struct tool_store *store, uint64_t value, uint64_t offset)
{
	tool_poke(store, &value, 8, offset);
}

static void expect_data(struct tool_store *store)
{
	struct xd_image *image = tool_open(store, NULL, 0);
	struct xd_error err;
	uint8_t byte[512];

	for (uint64_t i = 0; i < 4; i++) {
		OK(xd_read(image, byte, sizeof(byte), i * MIB + MIB / 2, &err));
		assert_int_equal(byte[7], 0x10 + i);
	}
	tool_close(image);
}

static void expect_refused(struct tool_store *store, uint32_t flags, int code)
{
	struct xd_image *image;
	struct xd_error err;

	assert_int_equal(tool_try_open(store, NULL, flags, &image, &err), code);
	assert_true(strlen(err.message) > 10);
}

/* Found once, mended once, not found again. */
static void expect_mended(struct tool_store *store, const char *names, uint64_t errors)
{
	struct tool_findings found;

	tool_check(store, NULL, 0, &found);
	assert_string_equal(found.names, names);
	assert_int_equal(found.report.errors, errors);
	assert_int_equal(found.report.repaired, 0);
	tool_check(store, NULL, XD_CHECK_REPAIR, &found);
	assert_string_equal(found.names, names);
	assert_int_not_equal(found.report.repaired, 0);
	tool_check(store, NULL, 0, &found);
	assert_string_equal(found.names, "");
}

static void one_bad_header_is_survived_and_mended(void **state)
{
	struct tool_store store;

	(void)state;
	for (int slot = 0; slot < 2; slot++) {
		make(&store);
		poke64(&store, ~0ull, (slot ? VHDX_HEADER_OFFSET_2 : VHDX_HEADER_OFFSET_1) + 3000);
		expect_data(&store);
		expect_mended(&store, "header-checksum ", 0);
		expect_data(&store);
		tool_store_free(&store);
	}
}

static void two_bad_headers_are_refused(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	poke64(&store, ~0ull, VHDX_HEADER_OFFSET_1 + 8);
	poke64(&store, ~0ull, VHDX_HEADER_OFFSET_2 + 8);
	expect_refused(&store, 0, XD_E_CORRUPT);
	expect_refused(&store, XD_OPEN_WRITE, XD_E_CORRUPT);
	tool_store_free(&store);
}

static void two_headers_of_one_number_must_be_the_same(void **state)
{
	struct vhdx_header header;
	struct tool_store store;

	(void)state;
	make(&store);
	tool_peek(&store, &header, sizeof(header), VHDX_HEADER_OFFSET_1);
	tool_poke(&store, &header, sizeof(header), VHDX_HEADER_OFFSET_2);
	expect_data(&store);
	header.data_write_guid.b[3]++;
	header.checksum = vhdx_checksum(&header, sizeof(header));
	tool_poke(&store, &header, sizeof(header), VHDX_HEADER_OFFSET_2);
	expect_refused(&store, 0, XD_E_CORRUPT);
	tool_store_free(&store);
}

static void change_header(struct tool_store *store, void (*change)(struct vhdx_header *))
{
	struct vhdx_header header;

	tool_peek(store, &header, sizeof(header), VHDX_HEADER_OFFSET_1);
	header.sequence += 10;
	change(&header);
	header.checksum = vhdx_checksum(&header, sizeof(header));
	tool_poke(store, &header, sizeof(header), VHDX_HEADER_OFFSET_1);
}

static void newer_version(struct vhdx_header *header)
{
	header->version = 2;
}

static void log_past_end(struct vhdx_header *header)
{
	header->log_offset = 900 * MIB;
}

static void log_of_four_gib(struct vhdx_header *header)
{
	header->log_length = 0xfff00000u;
}

static void log_on_metadata(struct vhdx_header *header)
{
	header->log_offset = METADATA;
}

static void headers_that_cannot_be_are_refused(void **state)
{
	static const struct {
		void (*change)(struct vhdx_header *);
		int code;
	} cases[] = {
	    {newer_version, XD_E_UNSUPPORTED},
	    {log_past_end, XD_E_CORRUPT},
	    {log_of_four_gib, XD_E_CORRUPT},
	    {log_on_metadata, XD_E_CORRUPT},
	};
	struct tool_store store;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(&store);
		change_header(&store, cases[i].change);
		expect_refused(&store, 0, cases[i].code);
		tool_store_free(&store);
	}
}

static void one_bad_region_table_is_survived_and_mended(void **state)
{
	struct tool_store store;

	(void)state;
	for (int copy = 0; copy < 2; copy++) {
		make(&store);
		poke64(&store, ~0ull, (copy ? VHDX_REGION_TABLE_2 : VHDX_REGION_TABLE_1) + 40000);
		expect_data(&store);
		expect_mended(&store, "region-table ", 0);
		expect_data(&store);
		tool_store_free(&store);
	}
}

/* Changes both copies of the region table; `entry` is the one that create() writes behind its own two. */
static void add_region(struct tool_store *store, const struct vhdx_region_entry *entry)
{
	uint8_t *table = malloc(VHDX_REGION_TABLE_SIZE);
	struct vhdx_region_header *header = (void *)table;

	tool_peek(store, table, VHDX_REGION_TABLE_SIZE, VHDX_REGION_TABLE_1);
	memcpy(table + sizeof(*header) + header->entry_count++ * sizeof(*entry), entry,
	       sizeof(*entry));
	header->checksum = vhdx_checksum(table, VHDX_REGION_TABLE_SIZE);
	tool_poke(store, table, VHDX_REGION_TABLE_SIZE, VHDX_REGION_TABLE_1);
	tool_poke(store, table, VHDX_REGION_TABLE_SIZE, VHDX_REGION_TABLE_2);
	free(table);
}

static void region_tables_that_differ_are_made_equal(void **state)
{
	struct vhdx_region_entry entry = {{{1, 2, 3}}, 8 * MIB, MIB, 0};
	uint8_t *table = malloc(VHDX_REGION_TABLE_SIZE);
	struct tool_store store;

	(void)state;
	make(&store);
	tool_peek(&store, table, VHDX_REGION_TABLE_SIZE, VHDX_REGION_TABLE_1);
	add_region(&store, &entry);
	tool_poke(&store, table, VHDX_REGION_TABLE_SIZE, VHDX_REGION_TABLE_1);
	expect_mended(&store, "region-table ", 0);
	expect_data(&store);
	tool_store_free(&store);
	free(table);
}

static void unknown_regions_are_kept_unless_required(void **state)
{
	struct vhdx_region_entry entry = {{{1, 2, 3}}, 8 * MIB, MIB, 0};
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	uint8_t mark[512] = "not ours", back[512];

	(void)state;
	make(&store);
	tool_poke(&store, mark, sizeof(mark), 9 * MIB - 512); /* the file reaches so far now */
	tool_poke(&store, mark, sizeof(mark), 8 * MIB);
	add_region(&store, &entry);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	for (uint64_t i = 4; i < 8; i++)
		OK(xd_write(image, back, sizeof(back), i * MIB, &err));
	tool_close(image);
	tool_peek(&store, back, sizeof(back), 8 * MIB);
	assert_memory_equal(back, mark, sizeof(back));
	tool_store_free(&store);

	make(&store);
	tool_poke(&store, mark, sizeof(mark), 9 * MIB - 512);
	entry.flags = VHDX_REGION_FLAG_REQUIRED;
	add_region(&store, &entry);
	expect_refused(&store, 0, XD_E_UNSUPPORTED);
	tool_store_free(&store);
}

static void regions_that_overlap_are_refused(void **state)
{
	struct vhdx_region_entry entry = {{{1, 2, 3}}, BAT, MIB, 0};
	struct tool_store store;

	(void)state;
	make(&store);
	add_region(&store, &entry);
	expect_refused(&store, 0, XD_E_CORRUPT);
	tool_store_free(&store);
}

static void metadata_that_cannot_be_is_refused(void **state)
{
	/* Items as create() lays them out: 64 KiB into the region. */
	static const struct {
		uint64_t offset, value;
		int code;
	} cases[] = {
	    {METADATA, 0, XD_E_CORRUPT},                        /* signature */
	    {METADATA + 8, 0xffffull << 16, XD_E_CORRUPT},      /* 65535 entries */
	    {METADATA + 32 + 16, 0x800000000ull, XD_E_CORRUPT}, /* an item at 0 */
	    {METADATA + 32 + 16, 0x8fffffff0ull, XD_E_CORRUPT}, /* an item at 4 GiB */
	    {METADATA + 32 + 16, 0x800010008ull, XD_E_CORRUPT}, /* two items at one place */
	    {METADATA + 32, 0x1234, XD_E_UNSUPPORTED},          /* a required item, unknown */
	    {METADATA + 65536, 3 << 20, XD_E_CORRUPT},          /* a block of 3 MiB */
	    {METADATA + 65536, 512, XD_E_CORRUPT},              /* a block of 512 bytes */
	    {METADATA + 65536, 2u | 1ull << 52, XD_E_CORRUPT},
	    {METADATA + 65536 + 8, 0, XD_E_CORRUPT},           /* no disk */
	    {METADATA + 65536 + 8, 8 * MIB + 1, XD_E_CORRUPT}, /* half a sector */
	    {METADATA + 65536 + 8, 65ull << 40, XD_E_CORRUPT}, /* 65 TiB */
	    {METADATA + 65536 + 8, 64ull << 40, XD_E_CORRUPT}, /* a BAT too small for the disk */
	    {METADATA + 65536 + 32, 520, XD_E_CORRUPT},        /* sectors of 520 */
	};
	struct tool_store store;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(&store);
		poke64(&store, cases[i].value, cases[i].offset);
		expect_refused(&store, 0, cases[i].code);
		tool_store_free(&store);
	}
}

static void reading_a_block_past_the_end_is_an_error_and_the_others_are_read(void **state)
{
	struct tool_findings found;
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	uint8_t buf[512];

	(void)state;
	make(&store);
	poke64(&store, 999 * MIB | VHDX_BLOCK_FULLY_PRESENT, BAT + 8);
	image = tool_open(&store, NULL, 0);
	OK(xd_read(image, buf, sizeof(buf), 0, &err));
	assert_int_equal(xd_read(image, buf, sizeof(buf), MIB, &err), XD_E_CORRUPT);
	assert_int_equal(err.offset, BAT + 8);
	OK(xd_read(image, buf, sizeof(buf), 2 * MIB, &err));
	tool_close(image);
	expect_refused(&store, XD_OPEN_WRITE, XD_E_CORRUPT);
	tool_check(&store, NULL, XD_CHECK_REPAIR, &found);
	assert_int_equal(found.report.errors, 1);
	assert_non_null(strstr(found.names, "bat-past-end"));
	assert_int_equal(found.report.repaired,
			 0); /* the data is gone: nothing to mend without guessing */
	tool_store_free(&store);
}

static void a_file_cut_short_is_noticed(void **state)
{
	struct tool_findings found;
	struct tool_store store;

	(void)state;
	make(&store);
	store.io.ops->truncate(store.io.ctx, BLOCK(3) + 1000);
	tool_check(&store, NULL, 0, &found);
	assert_string_equal(found.names, "bat-past-end ");
	store.io.ops->truncate(store.io.ctx, BAT + 1000);
	expect_refused(&store, 0, XD_E_CORRUPT);
	store.io.ops->truncate(store.io.ctx, 70000);
	expect_refused(&store, 0, XD_E_CORRUPT);
	store.io.ops->truncate(store.io.ctx, 3);
	expect_refused(&store, 0, XD_E_FORMAT);
	tool_store_free(&store);
}

static void two_blocks_in_one_place_are_told_and_parted(void **state)
{
	struct tool_findings found;
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	uint8_t ones[512], buf[512];

	(void)state;
	make(&store);
	poke64(&store, BLOCK(0) | VHDX_BLOCK_FULLY_PRESENT, BAT + 2 * 8);
	expect_refused(&store, XD_OPEN_WRITE, XD_E_CORRUPT);
	tool_check(&store, NULL, XD_CHECK_REPAIR, &found);
	assert_non_null(strstr(found.names, "bat-overlap"));
	tool_assert_clean(&store, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	memset(ones, 1, sizeof(ones));
	OK(xd_write(image, ones, sizeof(ones), 2 * MIB, &err));
	OK(xd_read(image, buf, sizeof(buf), 0, &err));
	assert_int_equal(buf[0], 0x10); /* as it was */
	OK(xd_read(image, buf, sizeof(buf), MIB, &err));
	assert_int_equal(buf[0], 0x11);
	OK(xd_read(image, buf, sizeof(buf), 3 * MIB, &err));
	assert_int_equal(buf[0], 0x13);
	tool_close(image);
	tool_store_free(&store);
}

static void a_block_on_the_bat_is_an_overlap(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	poke64(&store, BAT | VHDX_BLOCK_FULLY_PRESENT, BAT + 5 * 8);
	expect_refused(&store, XD_OPEN_WRITE, XD_E_CORRUPT);
	tool_store_free(&store);
}

static void untidy_bat_entries_are_tidied(void **state)
{
	static const struct {
		uint64_t index, entry;
		const char *name;
	} cases[] = {
	    {6, VHDX_BLOCK_UNMAPPED_OLD, "bat-old-unmapped "},
	    {1, BLOCK(1) | VHDX_BLOCK_FULLY_PRESENT | 0x800, "bat-reserved "},
	    {6, BLOCK(1) | VHDX_BLOCK_UNMAPPED, "bat-kept-place "},
	    {6, 7777 * MIB | VHDX_BLOCK_ZERO, "bat-kept-place "},
	};
	struct tool_store store;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		make(&store);
		poke64(&store, cases[i].entry, BAT + cases[i].index * 8);
		expect_data(&store);
		expect_mended(&store, cases[i].name, 0);
		expect_data(&store);
		tool_store_free(&store);
	}
}

static void states_that_do_not_exist_are_errors(void **state)
{
	struct tool_findings found;
	struct tool_store store;

	(void)state;
	make(&store);
	poke64(&store, 4, BAT + 6 * 8);
	poke64(&store, BLOCK(1) | VHDX_BLOCK_PARTIALLY_PRESENT, BAT + 8);
	tool_check(&store, NULL, 0, &found);
	assert_int_equal(found.report.errors, 2);
	expect_refused(&store, XD_OPEN_WRITE, XD_E_CORRUPT);
	tool_store_free(&store);
}

/* A trimmed block may keep its place: Windows leaves it so. It reads as zero, and its old data does not come back. */
static void a_kept_place_is_used_again_and_reads_as_zero(void **state)
{
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	uint8_t ones[512], buf[512];
	int64_t size;

	(void)state;
	make(&store);
	poke64(&store, BLOCK(1) | VHDX_BLOCK_UNMAPPED, BAT + 8);
	size = store.io.ops->size(store.io.ctx);
	tool_assert_clean(&store, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	OK(xd_read(image, buf, sizeof(buf), MIB, &err));
	assert_int_equal(buf[0], 0);
	memset(ones, 1, sizeof(ones));
	OK(xd_write(image, ones, sizeof(ones), MIB + 4096, &err));
	OK(xd_read(image, buf, sizeof(buf), MIB, &err));
	assert_int_equal(buf[0], 0);
	tool_close(image);
	assert_int_equal(store.io.ops->size(store.io.ctx), size);
	tool_assert_clean(&store, NULL);
	tool_store_free(&store);
}

/* A store that cannot punch holes keeps what was in a block that was given up. */
static void space_used_again_reads_as_zero_where_holes_cannot_be_made(void **state)
{
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	uint8_t buf[512] = {1};

	(void)state;
	make(&store);
	store.ops.punch = NULL;
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	OK(xd_discard(image, 0, 4 * MIB, &err));
	OK(xd_flush(image, &err));
	OK(xd_write(image, buf, sizeof(buf), 5 * MIB, &err));
	OK(xd_read(image, buf, sizeof(buf), 5 * MIB + 4096, &err));
	assert_int_equal(buf[0], 0);
	tool_close(image);
	tool_store_free(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(one_bad_header_is_survived_and_mended),
	    cmocka_unit_test(two_bad_headers_are_refused),
	    cmocka_unit_test(two_headers_of_one_number_must_be_the_same),
	    cmocka_unit_test(headers_that_cannot_be_are_refused),
	    cmocka_unit_test(one_bad_region_table_is_survived_and_mended),
	    cmocka_unit_test(region_tables_that_differ_are_made_equal),
	    cmocka_unit_test(unknown_regions_are_kept_unless_required),
	    cmocka_unit_test(regions_that_overlap_are_refused),
	    cmocka_unit_test(metadata_that_cannot_be_is_refused),
	    cmocka_unit_test(reading_a_block_past_the_end_is_an_error_and_the_others_are_read),
	    cmocka_unit_test(a_file_cut_short_is_noticed),
	    cmocka_unit_test(two_blocks_in_one_place_are_told_and_parted),
	    cmocka_unit_test(a_block_on_the_bat_is_an_overlap),
	    cmocka_unit_test(untidy_bat_entries_are_tidied),
	    cmocka_unit_test(states_that_do_not_exist_are_errors),
	    cmocka_unit_test(a_kept_place_is_used_again_and_reads_as_zero),
	    cmocka_unit_test(space_used_again_reads_as_zero_where_holes_cannot_be_made),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
