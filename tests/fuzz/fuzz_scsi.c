/* SPDX-License-Identifier: MIT */
/* Any command to any disk: what is to be done lies on the disk, what is to be said in the reply. */
#include "tests/host/fuzz_input.h"

#include "host/scsi.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz_input input = {data, size};
	uint8_t shape = fuzz_byte(&input);
	struct scsi_unit unit = {
	    .cdrom = shape & 1,
	    .read_only = shape & 2,
	    .block_size = shape & 4 ? 4096 : 512,
	    .physical_block_size = 4096,
	    .serial = "serial",
	};
	uint8_t cdb[SCSI_CDB_LENGTH], reply[SCSI_REPLY_MAX], list[256];
	struct scsi_action action;
	uint64_t luns, lba, blocks;
	uint32_t at = 0;
	bool bad;

	fuzz_bytes(&input, &unit.blocks, sizeof(unit.blocks));
	unit.blocks = (unit.blocks & ((1ull << 48) - 1)) + 1;
	fuzz_bytes(&input, &luns, sizeof(luns));
	fuzz_bytes(&input, cdb, sizeof(cdb));
	scsi_decide(shape & 8 ? NULL : &unit, luns, cdb, &action, reply);
	FUZZ_CHECK(action.reply_length <= SCSI_REPLY_MAX);
	FUZZ_CHECK(action.lba <= unit.blocks && action.blocks <= unit.blocks - action.lba);
	FUZZ_CHECK(action.verb != SCSI_WRITE || !(unit.read_only || unit.cdrom));
	size = fuzz_bytes(&input, list, sizeof(list));
	while (scsi_unmap_next(&unit, list, (uint32_t)size, &at, &lba, &blocks, &bad)) {
		FUZZ_CHECK(!bad && lba <= unit.blocks && blocks <= unit.blocks - lba);
	}
	return 0;
}
