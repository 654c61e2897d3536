/* SPDX-License-Identifier: MIT */
/*
 * A guest that misuses a network interface's rings, grants and xenbus states. Every packet is answered, the bad ones with an error; a ring
 * that makes no sense closes its interface, which comes back; another interface and a disk go on; and nothing is written outside what was
 * posted.
 */
#include "tests/guest/pv/net/net.h"

#define ADAPTER_MFN 0x200 /* its image begins at 2 MiB */

struct netfront x, y;
uint8_t arena[PAGES][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t expected[PAGES][PAGE_SIZE] PAGE_ALIGNED;
static uint8_t disk_ring[PAGE_SIZE] PAGE_ALIGNED, disk_page[PAGE_SIZE] PAGE_ALIGNED;
static struct blkfront disk;

void unharmed(const char *after)
{
	if (!memcmp(arena, expected, sizeof(arena)))
		return;
	failure("%s: the arena changed", after);
	memcpy(expected, arena, sizeof(arena));
}

static void disk_reads_right(void)
{
	blkif_request_t r = {
	    .operation = BLKIF_OP_READ, .nr_segments = 1, .id = 5, .sector_number = 9};
	uint64_t word;

	memset(disk_page, 0, sizeof(disk_page));
	r.seg[0] = (struct blkif_request_segment){REF_DISK, 0, 7};
	check_equal(blkfront_do(&disk, &r), BLKIF_RSP_OKAY);
	memcpy(&word, disk_page + 512 + 8, sizeof(word));
	check_equal(word, 1ull << 56 | 10 << 8 | 1); /* as tests/boot/pvtests wrote it */
}

void others_go_on(void)
{
	check(netfront_alive(&y));
	disk_reads_right();
}

static void prepare(void)
{
	uint64_t frame = va_to_mfn(arena[1]), seed = 4;

	for (unsigned i = 0; i < PAGES * PAGE_SIZE; i++)
		arena[i / PAGE_SIZE][i % PAGE_SIZE] = (uint8_t)random64(&seed);
	memcpy(expected, arena, sizeof(arena));
	for (unsigned i = 1; i < PAGES; i += 2)
		grant(REF_PAGE + i, arena[i]);
	grant_frame(REF_READ_ONLY, frame, 0, GTF_permit_access | GTF_readonly);
	grant_frame(REF_FOREIGN, frame, 7, GTF_permit_access);
	grant_frame(REF_OWN, frame, 1, GTF_permit_access);
	grant_frame(REF_TRANSFER, frame, 0, GTF_accept_transfer);
	grant_frame(REF_NO_RAM, 0xfee00, 0, GTF_permit_access);
	grant_frame(REF_NO_FRAME, 0xffffffff, 0, GTF_permit_access);
	grant_frame(REF_ADAPTER, ADAPTER_MFN, 0, GTF_permit_access);
	grant(REF_DISK, disk_page);
}

static void connect_all(void)
{
	netfront_init(&x, 0);
	netfront_init(&y, 1);
	blkfront_init(&disk, 51712, disk_ring, REF_DISK_RING);
	if (!netfront_connect(&x) || !netfront_connect(&y) || !blkfront_connect(&disk))
		error("the devices do not connect");
	if (!netfront_alive(&x))
		error("nothing answers");
	others_go_on();
}

static void all_go_on(void)
{
	check(netfront_alive(&x));
	others_go_on();
}

void test_main(void)
{
	static const struct part parts[] = {
	    {"grants", bad_grants},
	    {"sizes", bad_sizes},
	    {"chains", bad_chains},
	    {"extra information", bad_extras},
	    {"random packets", random_packets},
	    {"replies never read", replies_never_read},
	    {"buffers", bad_buffers},
	    {"nothing posted", nothing_posted},
	    {"a receive index out of range", receive_index_out_of_range},
	    {"endless packets", endless_packets},
	    {"indices out of range", indices_out_of_range},
	    {"parameters", bad_parameters},
	};

	if (is_hardware_domain())
		skip("the hardware domain has no back ends");
	store_init();
	grants_init();
	prepare();
	connect_all();
	run_parts(parts, sizeof(parts) / sizeof(parts[0]), all_go_on);
}
