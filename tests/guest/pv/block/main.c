/* SPDX-License-Identifier: MIT */
/*
 * A guest that misuses a block device's ring, grants and xenbus states. Every request is answered, the bad ones with an error; a ring that
 * makes no sense closes its device, which comes back; the other disks go on; and nothing is read or written outside what was granted.
 */
#include "tests/guest/pv/block/block.h"

#define ADAPTER_MFN 0x200 /* its image begins at 2 MiB */

static uint8_t rings[3][PAGE_SIZE] PAGE_ALIGNED;

static void grant_badly(void)
{
	uint64_t frame = va_to_mfn(arena[1]);

	grant_frame(REF_READ_ONLY, frame, 0, GTF_permit_access | GTF_readonly);
	grant_frame(REF_FOREIGN, frame, 7, GTF_permit_access);
	grant_frame(REF_OWN, frame, 1, GTF_permit_access);
	grant_frame(REF_NEVER, frame, 0, 0);
	grant_frame(REF_TRANSFER, frame, 0, GTF_accept_transfer);
	grant_frame(REF_TRANSITIVE, frame, 0, GTF_transitive);
	grant_frame(REF_NO_RAM, 0xfee00, 0, GTF_permit_access);
	grant_frame(REF_NO_FRAME, 0xffffffff, 0, GTF_permit_access);
	grant_frame(REF_ADAPTER, ADAPTER_MFN, 0, GTF_permit_access);
}

static void connect_all(void)
{
	blkfront_init(&a, 51712, rings[0], REF_RING_A);
	blkfront_init(&b, 51728, rings[1], REF_RING_B);
	blkfront_init(&c, 51744, rings[2], REF_RING_C);
	if (!blkfront_connect(&a) || !blkfront_connect(&b) || !blkfront_connect(&c))
		error("the disks do not connect");
	if (a.sectors != SECTORS)
		error("disk A has %lu sectors", a.sectors);
	disk_unharmed();
	others_go_on();
}

void test_main(void)
{
	static const struct part parts[] = {
	    {"grants", bad_grants},
	    {"segments", bad_segments},
	    {"sectors", bad_sectors},
	    {"operations", unknown_operations},
	    {"a read-only disk", read_only_disk},
	    {"indirect requests", bad_indirect},
	    {"random requests", random_requests},
	    {"replies never read", replies_never_read},
	    {"leaving in flight", leaving_in_flight},
	    {"indices out of range", indices_out_of_range},
	    {"parameters", bad_parameters},
	    {"changing requests", changing_requests},
	};

	if (is_hardware_domain())
		skip("the hardware domain has no back ends");
	store_init();
	grants_init();
	model_init();
	grant_badly();
	connect_all();
	run_parts(parts, sizeof(parts) / sizeof(parts[0]), others_go_on);
}
