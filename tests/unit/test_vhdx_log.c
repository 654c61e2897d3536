/* SPDX-License-Identifier: MIT */
/* Dirty logs, made by hand as a crash, a bug or another writer may leave them, and our own. */
#include "disk/vhdx.h"
#include "tests/unit/test_vhdx_tool.h"

/* A fixed disk of one block, so that the place of its data is known: behind header section, log, metadata and BAT. */
#define DATA (4 * MIB)
#define LOG  (1 * MIB)

static const struct tool_geometry one_block = {XD_TYPE_FIXED, 1 << 20, 1 << 20, 512};
static const struct vhdx_guid ours = {{1, 2, 3}}, stale = {{9, 9, 9}};

/* --- a log by hand ------------------------------------------------------------------------------------------------------------ */

static void set_log_guid(struct tool_store *store, const struct vhdx_guid *guid)
{
	struct vhdx_header header;

	tool_peek(store, &header, sizeof(header), VHDX_HEADER_OFFSET_2);
	header.sequence++;
	header.log_guid = *guid;
	header.checksum = vhdx_checksum(&header, sizeof(header));
	tool_poke(store, &header, sizeof(header), VHDX_HEADER_OFFSET_1);
}

struct item {
	uint64_t offset; /* in the file */
	uint64_t zeros;  /* length; 0: a page of `fill` */
	uint8_t fill;
};

struct entry {
	uint32_t at, tail;
	uint64_t sequence;
	const struct vhdx_guid *guid;
	uint32_t count;
	struct item *items;
	uint64_t flushed, last;
};

/* Builds the entry, up to 1 MiB of it, and puts it in the ring. Returns its length. */
static uint32_t put_entry(struct tool_store *store, const struct entry *e)
{
	uint32_t descs = 1, data = 0, length;
	uint8_t *bytes = calloc(1, MIB);
	struct vhdx_log_entry *header = (void *)bytes;

	if (e->count > VHDX_LOG_FIRST_DESCS)
		descs += (e->count - VHDX_LOG_FIRST_DESCS + VHDX_LOG_DESCS - 1) / VHDX_LOG_DESCS;
	for (uint32_t i = 0; i < e->count; i++) {
		struct vhdx_log_desc *desc = (void *)(bytes + 64 + i * 32);
		struct vhdx_log_data *sector = (void *)(bytes + (descs + data) * VHDX_PAGE);

		*desc = (struct vhdx_log_desc){VHDX_LOG_ZERO_SIGN, 0, e->items[i].zeros,
					       e->items[i].offset, e->sequence};
		if (e->items[i].zeros)
			continue;
		desc->signature = VHDX_LOG_DESC_SIGN;
		memset(&desc->trailing, e->items[i].fill, 4);
		memset(&desc->leading, e->items[i].fill, 8);
		memset(sector, e->items[i].fill, VHDX_PAGE);
		sector->signature = VHDX_LOG_DATA_SIGN;
		sector->sequence_high = e->sequence >> 32;
		sector->sequence_low = e->sequence;
		data++;
	}
	length = (descs + data) * VHDX_PAGE;
	*header = (struct vhdx_log_entry){
	    .signature = VHDX_LOG_ENTRY_SIGN,
	    .entry_length = length,
	    .tail = e->tail,
	    .sequence = e->sequence,
	    .descriptor_count = e->count,
	    .log_guid = *e->guid,
	    .flushed_file_offset = e->flushed ? e->flushed : 5 * MIB,
	    .last_file_offset = e->last ? e->last : 5 * MIB,
	};
	header->checksum = vhdx_checksum(header, length);
	for (uint32_t at = 0; at < length; at += VHDX_PAGE)
		tool_poke(store, bytes + at, VHDX_PAGE, LOG + (e->at + at) % MIB);
	free(bytes);
	return length;
}

static void make(struct tool_store *store)
{
	struct xd_image *image;
	uint8_t *ones = malloc(MIB);
	struct xd_error err;

	memset(ones, 0x11, MIB);
	tool_store_init(store);
	tool_create(store, &one_block, NULL);
	image = tool_open(store, NULL, XD_OPEN_WRITE);
	OK(xd_write(image, ones, MIB, 0, &err));
	tool_close(image);
	free(ones);
	set_log_guid(store, &ours);
}

/* The first byte of the disk's page `page`. */
static uint8_t shown(struct xd_image *image, uint32_t page)
{
	uint8_t bytes[VHDX_PAGE];
	struct xd_error err;

	OK(xd_read(image, bytes, sizeof(bytes), page * VHDX_PAGE, &err));
	for (size_t i = 1; i < sizeof(bytes); i++)
		assert_int_equal(bytes[i], bytes[0]);
	return bytes[0];
}

static uint64_t file_sum(struct tool_store *store)
{
	uint64_t size = store->io.ops->size(store->io.ctx), sum = 0;
	uint8_t *all = malloc(size);

	tool_peek(store, all, size, 0);
	for (uint64_t i = 0; i < size; i++)
		sum = sum * 31 + all[i];
	free(all);
	return sum + size;
}

/* Pages 0, 1, 2 as expected: read-only, with the file untouched, and writable, with the log gone after it. */
static void expect(struct tool_store *store, uint8_t first, uint8_t second, uint8_t third)
{
	uint64_t before = file_sum(store);
	struct vhdx_header header[2];
	struct xd_image *image = tool_open(store, NULL, 0);

	assert_int_equal(shown(image, 0), first);
	assert_int_equal(shown(image, 1), second);
	assert_int_equal(shown(image, 2), third);
	tool_close(image);
	assert_int_equal(file_sum(store), before);
	image = tool_open(store, NULL, XD_OPEN_WRITE);
	assert_int_equal(shown(image, 0), first);
	assert_int_equal(shown(image, 1), second);
	assert_int_equal(shown(image, 2), third);
	tool_close(image);
	for (int i = 0; i < 2; i++) {
		tool_peek(store, &header[i], sizeof(header[i]),
			  i ? VHDX_HEADER_OFFSET_2 : VHDX_HEADER_OFFSET_1);
		assert_true(vhdx_guid_is_zero(&header[i].log_guid));
	}
	tool_assert_clean(store, NULL);
	tool_store_free(store);
}

static void refused(struct tool_store *store, int code)
{
	struct xd_image *image;
	struct xd_error err;

	assert_int_equal(tool_try_open(store, NULL, 0, &image, &err), code);
	assert_int_equal(tool_try_open(store, NULL, XD_OPEN_WRITE, &image, &err), code);
	tool_store_free(store);
}

#define ITEMS(...)          \
	(struct item[])     \
	{                   \
		__VA_ARGS__ \
	}

static void a_whole_entry_is_replayed(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	put_entry(&store, &(struct entry){0, 0, 7, &ours, 2,
					  ITEMS({DATA, 0, 0xaa}, {DATA + 8192, 0, 0xcc}), 0, 0});
	expect(&store, 0xaa, 0x11, 0xcc);
}

static void entries_are_replayed_from_the_tail_in_order(void **state)
{
	struct tool_store store;
	uint32_t at;

	(void)state;
	make(&store);
	at = put_entry(&store,
		       &(struct entry){0, 0, 7, &ours, 2,
				       ITEMS({DATA, 0, 0xaa}, {DATA + 4096, 0, 0xab}), 0, 0});
	at += put_entry(&store,
			&(struct entry){at, 0, 8, &ours, 2,
					ITEMS({DATA, 0, 0xba}, {DATA + 8192, 4096, 0}), 0, 0});
	put_entry(&store, &(struct entry){at, 0, 9, &ours, 1, ITEMS({DATA + 4096, 0, 0xcb}), 0, 0});
	expect(&store, 0xba, 0xcb, 0);
}

static void entries_before_the_tail_are_history(void **state)
{
	struct tool_store store;
	uint32_t at;

	(void)state;
	make(&store);
	at = put_entry(&store, &(struct entry){0, 0, 7, &ours, 1, ITEMS({DATA, 0, 0xaa}), 0, 0});
	put_entry(&store,
		  &(struct entry){at, at, 8, &ours, 1, ITEMS({DATA + 4096, 0, 0xbb}), 0, 0});
	expect(&store, 0x11, 0xbb, 0x11);
}

static void a_torn_last_entry_leaves_the_ones_before(void **state)
{
	uint8_t torn[512] = {0xee};
	struct tool_store store;
	uint32_t at;

	(void)state;
	for (uint32_t sector = 0; sector < 16;
	     sector++) { /* each of the entry's 512-byte sectors in turn */
		make(&store);
		at = put_entry(&store,
			       &(struct entry){0, 0, 7, &ours, 1, ITEMS({DATA, 0, 0xaa}), 0, 0});
		put_entry(&store,
			  &(struct entry){at, 0, 8, &ours, 1, ITEMS({DATA, 0, 0xbb}), 0, 0});
		tool_poke(&store, torn, sizeof(torn), LOG + at + sector * 512);
		expect(&store, 0xaa, 0x11, 0x11);
	}
}

static void a_log_whose_only_entry_is_torn_is_empty(void **state)
{
	uint8_t torn[512] = {0xee};
	struct tool_store store;

	(void)state;
	make(&store);
	put_entry(&store, &(struct entry){0, 0, 7, &ours, 1, ITEMS({DATA, 0, 0xaa}), 0, 0});
	tool_poke(&store, torn, sizeof(torn), LOG + 5 * 512);
	expect(&store, 0x11, 0x11, 0x11);
}

static void entries_of_an_earlier_log_are_ignored(void **state)
{
	struct tool_store store;
	uint32_t at;

	(void)state;
	make(&store);
	at = put_entry(&store, &(struct entry){0, 0, 7, &ours, 1, ITEMS({DATA, 0, 0xaa}), 0, 0});
	put_entry(&store, &(struct entry){at, 0, 8, &stale, 1, ITEMS({DATA, 0, 0xbb}), 0, 0});
	put_entry(&store, &(struct entry){64 * 4096, 64 * 4096, 99, &stale, 1,
					  ITEMS({DATA, 0, 0xcc}), 0, 0});
	expect(&store, 0xaa, 0x11, 0x11);
}

static void the_newest_sequence_wins(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	put_entry(&store, &(struct entry){0, 0, 20, &ours, 1, ITEMS({DATA, 0, 0xaa}), 0, 0});
	put_entry(&store, &(struct entry){64 * 4096, 64 * 4096, 22, &ours, 1,
					  ITEMS({DATA + 4096, 0, 0xbb}), 0, 0});
	put_entry(&store, &(struct entry){80 * 4096, 80 * 4096, 5, &ours, 1,
					  ITEMS({DATA + 8192, 0, 0xcc}), 0, 0});
	expect(&store, 0x11, 0xbb, 0x11);
}

static void a_newer_entry_whose_tail_is_lost_does_not_count(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	put_entry(&store, &(struct entry){0, 0, 20, &ours, 1, ITEMS({DATA, 0, 0xaa}), 0, 0});
	put_entry(&store, &(struct entry){64 * 4096, 60 * 4096, 22, &ours, 1,
					  ITEMS({DATA + 4096, 0, 0xbb}), 0, 0});
	expect(&store, 0xaa, 0x11, 0x11);
}

static void an_entry_may_wrap_around_the_end(void **state)
{
	struct tool_store store;

	(void)state;
	for (uint32_t back = 1; back < 4; back++) {
		make(&store);
		put_entry(&store, &(struct entry){MIB - back * 4096, MIB - back * 4096, 7, &ours, 3,
						  ITEMS({DATA, 0, 0xaa}, {DATA + 4096, 0, 0xbb},
							{DATA + 8192, 0, 0xcc}),
						  0, 0});
		expect(&store, 0xaa, 0xbb, 0xcc);
	}
}

static void a_sequence_may_wrap_around_the_end(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	put_entry(&store, &(struct entry){MIB - 8192, MIB - 8192, 7, &ours, 1,
					  ITEMS({DATA, 0, 0xaa}), 0, 0});
	put_entry(&store,
		  &(struct entry){0, MIB - 8192, 8, &ours, 1, ITEMS({DATA + 4096, 0, 0xbb}), 0, 0});
	expect(&store, 0xaa, 0xbb, 0x11);
}

static void descriptors_may_fill_several_sectors(void **state)
{
	struct item items[200];
	struct tool_store store;

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		items[i] = (struct item){DATA + i * 4096, i % 2 ? 4096 : 0, i};
	items[2].fill = 0xcc;
	make(&store);
	put_entry(&store, &(struct entry){8192, 8192, 7, &ours, 200, items, 0, 0});
	expect(&store, 0, 0, 0xcc);
}

static void a_zero_may_be_long_and_reach_past_the_end(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	put_entry(&store, &(struct entry){
			      0, 0, 7, &ours, 2,
			      ITEMS({DATA + 4096, 1ull << 40, 0}, {DATA + 8192, 0, 0xcc}), 0, 0});
	expect(&store, 0x11, 0, 0xcc);
}

static void an_entry_without_descriptors_is_whole(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	put_entry(&store, &(struct entry){0, 0, 7, &ours, 0, NULL, 0, 0});
	expect(&store, 0x11, 0x11, 0x11);
}

static void entries_that_reach_where_no_log_may_are_not_replayed(void **state)
{
	static const uint64_t forbidden[] = {
	    0, VHDX_HEADER_OFFSET_1, LOG, LOG + 4096 * 255, DATA + 512, ~0ull << 12};
	struct tool_store store;

	(void)state;
	for (size_t i = 0; i < sizeof(forbidden) / sizeof(forbidden[0]); i++) {
		make(&store);
		put_entry(&store,
			  &(struct entry){0, 0, 7, &ours, 2,
					  ITEMS({DATA, 0, 0xaa}, {forbidden[i], 0, 0xbb}), 0, 0});
		expect(&store, 0x11, 0x11, 0x11);
	}
}

static void a_file_shorter_than_the_log_knows_is_refused(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	put_entry(&store,
		  &(struct entry){0, 0, 7, &ours, 1, ITEMS({DATA, 0, 0xaa}), .flushed = 6 * MIB});
	refused(&store, XD_E_CORRUPT);
}

static void a_file_made_shorter_after_it_was_logged_is_replayed(void **state)
{
	struct tool_store store;
	uint32_t next;

	(void)state;
	make(&store);
	next = put_entry(
	    &store, &(struct entry){0, 0, 7, &ours, 1, ITEMS({DATA, 0, 0xaa}), 9 * MIB, 9 * MIB});
	put_entry(&store,
		  &(struct entry){next, 0, 8, &ours, 1, ITEMS({DATA + VHDX_PAGE, 0, 0xbb}), 0, 0});
	expect(&store, 0xaa, 0xbb, 0x11);
}

static void a_log_that_wants_exabytes_is_refused(void **state)
{
	struct tool_store store;

	(void)state;
	make(&store);
	put_entry(&store,
		  &(struct entry){0, 0, 7, &ours, 1, ITEMS({DATA, 0, 0xaa}), .last = 1ull << 60});
	refused(&store, XD_E_CORRUPT);
}

static void the_file_grows_to_what_the_log_says(void **state)
{
	struct tool_store store;
	struct xd_image *image;

	(void)state;
	make(&store);
	put_entry(&store,
		  &(struct entry){0, 0, 7, &ours, 1, ITEMS({DATA, 0, 0xaa}), .last = 9 * MIB});
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	assert_int_equal(store.io.ops->size(store.io.ctx), 9 * MIB);
	tool_close(image);
	tool_store_free(&store);
}

/* --- our own logs ------------------------------------------------------------------------------------------------------------- */

/* The file as it is now, seen by somebody else, shows what was committed. */
static void seen_by_others(struct tool_store *store, const uint8_t *expected, uint64_t offset,
			   bool *same)
{
	struct tool_store copy;
	struct xd_image *image;
	uint8_t buf[512];
	struct xd_error err;

	tool_store_copy(&copy, store);
	image = tool_open(&copy, NULL, 0);
	OK(xd_read(image, buf, sizeof(buf), offset, &err));
	*same = memcmp(buf, expected, sizeof(buf)) == 0;
	tool_close(image);
	image = tool_open(&copy, NULL, XD_OPEN_WRITE);
	tool_close(image);
	tool_assert_clean(&copy, NULL);
	tool_store_free(&copy);
}

static void commits_go_round_the_ring_and_each_can_be_replayed(void **state)
{
	/* Blocks of two BAT pages, so that an entry is three sectors and the ring's end is met in the middle of one. */
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 2048 * MIB, 1 << 20, 512};
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	uint8_t buf[512];
	bool same;

	(void)state;
	tool_store_init(&store);
	tool_create(&store, &g, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	for (uint64_t round = 0; round < 100; round++) {
		uint64_t offset = (round % 4 * 512 + round / 4) * MIB;

		memset(buf, round + 1, sizeof(buf));
		OK(xd_write(image, buf, sizeof(buf), offset, &err));
		OK(xd_write(image, buf, sizeof(buf), offset ^ 1024 * MIB, &err));
		OK(xd_flush(image, &err));
		if (round % 9 == 0 || (round > 80 && round < 90)) {
			seen_by_others(&store, buf, offset, &same);
			assert_true(same);
		}
	}
	tool_close(image);
	tool_assert_clean(&store, NULL);
	tool_store_free(&store);
}

static void a_full_transaction_commits_by_itself(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 130ull * 512 * MIB, 1 << 20, 512};
	struct tool_store store;
	struct xd_image *image;
	struct xd_error err;
	uint8_t buf[512];
	bool same;

	(void)state;
	tool_store_init(&store);
	tool_create(&store, &g, NULL);
	image = tool_open(&store, NULL, XD_OPEN_WRITE);
	memset(buf, 0x42, sizeof(buf));
	for (uint64_t i = 0; i < 120; i++) /* a BAT page each, and no flush */
		OK(xd_write(image, buf, sizeof(buf), i * 512 * MIB, &err));
	seen_by_others(&store, buf, 0, &same);
	assert_true(same);
	seen_by_others(&store, buf, 119 * 512 * MIB, &same);
	assert_false(same);
	for (uint64_t i = 0; i < 120; i++) {
		uint8_t back[512];

		OK(xd_read(image, back, sizeof(back), i * 512 * MIB, &err));
		assert_memory_equal(back, buf, sizeof(buf));
	}
	tool_close(image);
	tool_assert_clean(&store, NULL);
	tool_store_free(&store);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(a_whole_entry_is_replayed),
	    cmocka_unit_test(entries_are_replayed_from_the_tail_in_order),
	    cmocka_unit_test(entries_before_the_tail_are_history),
	    cmocka_unit_test(a_torn_last_entry_leaves_the_ones_before),
	    cmocka_unit_test(a_log_whose_only_entry_is_torn_is_empty),
	    cmocka_unit_test(entries_of_an_earlier_log_are_ignored),
	    cmocka_unit_test(the_newest_sequence_wins),
	    cmocka_unit_test(a_newer_entry_whose_tail_is_lost_does_not_count),
	    cmocka_unit_test(an_entry_may_wrap_around_the_end),
	    cmocka_unit_test(a_sequence_may_wrap_around_the_end),
	    cmocka_unit_test(descriptors_may_fill_several_sectors),
	    cmocka_unit_test(a_zero_may_be_long_and_reach_past_the_end),
	    cmocka_unit_test(an_entry_without_descriptors_is_whole),
	    cmocka_unit_test(entries_that_reach_where_no_log_may_are_not_replayed),
	    cmocka_unit_test(a_file_shorter_than_the_log_knows_is_refused),
	    cmocka_unit_test(a_file_made_shorter_after_it_was_logged_is_replayed),
	    cmocka_unit_test(a_log_that_wants_exabytes_is_refused),
	    cmocka_unit_test(the_file_grows_to_what_the_log_says),
	    cmocka_unit_test(commits_go_round_the_ring_and_each_can_be_replayed),
	    cmocka_unit_test(a_full_transaction_commits_by_itself),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
