/* SPDX-License-Identifier: MIT */
/*
 * Which disks a controller has: REPORT LUNS, then each unit is asked for what it is. On VP 0, one command at a time; started at set-up, and
 * whenever the host says that something has changed.
 */
#include "adapter/hv/storvsc_int.h"

#include "adapter/seam/block.h"
#include "adapter/x86/log.h"
#include "core/string.h"

#define TRIES_MAX 4

static void next_lun(struct storvsc *c);

void block_forgotten(struct block_disk *block)
{
	struct storvsc_disk *disk = (struct storvsc_disk *)block;

	disk->forgotten = true;
	hv_vmbus_work_later();
}

static void describe(struct storvsc_disk *disk)
{
	const struct scsi_unit *unit = &disk->unit;
	struct block_disk *block = &disk->block;

	block->ops = &storvsc_disk_ops;
	block->nr_sectors = unit->blocks * (unit->block_size / BLOCK_SECTOR);
	block->sector_size = unit->block_size;
	block->physical_sector_size = unit->physical_block_size;
	block->read_only = unit->read_only;
	block->cdrom = unit->type == SCSI_TYPE_CDROM;
	block->removable = unit->removable;
	block->discard = unit->unmap && !unit->read_only;
	block->discard_granularity =
	    (unit->unmap_granularity ? unit->unmap_granularity : 1) * unit->block_size;
	block->discard_alignment = unit->unmap_alignment * unit->block_size;
}

static void leave(struct storvsc_disk *disk)
{
	char place[STORVSC_PLACE_TEXT];

	storvsc_place_text(disk->place, place);
	disk->gone = true;
	disk->state = DISK_LEAVING;
	log_info("disk %s is gone", place);
	xen_block_remove(&disk->block);
}

static void arrive(struct storvsc *c, struct storvsc_disk *disk)
{
	disk->controller = c;
	disk->unit = c->unit;
	disk->lun = c->lun;
	disk->place = c->place;
	disk->place.unit += c->lun;
	disk->gone = disk->forgotten = false;
	describe(disk);
	storvsc_arrived(disk);
}

/* What stays the same is the same disk; it may have grown. */
static void compare(struct storvsc_disk *disk, const struct scsi_unit *unit)
{
	char place[STORVSC_PLACE_TEXT];

	if (unit->type != disk->unit.type || unit->block_size != disk->unit.block_size ||
	    unit->read_only != disk->unit.read_only) {
		leave(disk); /* comes back once it has been forgotten */
	} else if (unit->blocks != disk->unit.blocks) {
		disk->unit = *unit;
		describe(disk);
		storvsc_place_text(disk->place, place);
		log_info("disk %s: now %lu MiB", place, disk->block.nr_sectors >> 11);
		xen_block_resized(&disk->block);
	}
}

/* The unit at c->lun has been asked everything. */
static void conclude(struct storvsc *c, bool here)
{
	struct storvsc_disk *disk = &c->disks[c->lun];

	if (here && storvsc_hidden(&c->unit)) {
		log_info("the adapter's boot image at LUN %u is not shown to the guest", c->lun);
		here = false;
	}
	if (disk->state == DISK_WAITING)
		storvsc_withdraw(disk);
	if (disk->state == DISK_FREE && here)
		arrive(c, disk);
	else if (disk->state == DISK_PRESENT && here)
		compare(disk, &c->unit);
	else if (disk->state == DISK_PRESENT)
		leave(disk);
	c->lun++;
	next_lun(c);
}

static void ask(struct storvsc *c);

static void answered(struct storvsc *c, bool good, const struct storvsp_packet *packet)
{
	enum storvsc_outcome outcome = good ? storvsc_judge(c, packet) : STORVSC_FAILED;
	uint32_t length = good ? packet->request.transfer_length : 0;

	if ((outcome == STORVSC_AGAIN || outcome == STORVSC_BUSY) && ++c->tries < TRIES_MAX) {
		ask(c);
		return;
	}
	c->tries = 0;
	/* One that is known and only busy is still there. */
	if (outcome == STORVSC_BUSY && c->disks[c->lun].state != DISK_FREE) {
		c->lun++;
		next_lun(c);
		return;
	}
	c->probe = scsi_probe_answer(c->probe, &c->unit, outcome == STORVSC_GOOD, c->page,
				     length < 4096 ? length : 4096);
	if (c->probe == SCSI_PROBE_DONE || c->probe == SCSI_PROBE_NO_UNIT)
		conclude(c, c->probe == SCSI_PROBE_DONE);
	else
		ask(c);
}

static void ask(struct storvsc *c)
{
	uint8_t cdb[SCSI_CDB_MAX], length;
	struct storvsp_packet packet;
	uint32_t room;

	length = scsi_probe_command(c->probe, &c->unit, cdb, &room);
	memset(c->page, 0, room);
	storvsc_request(c, &packet, c->lun, cdb, length, room, true);
	storvsc_control(c, &packet, room, answered);
}

void storvsc_scan_end(struct storvsc *c)
{
	c->scanning = false;
	if (c->settling)
		hv_vmbus_done();
	c->settling = false;
}

static void finish_scan(struct storvsc *c)
{
	storvsc_scan_end(c);
	storvsc_usable(c);
	if (c->rescan)
		hv_vmbus_work_later();
}

/* LUNs that nobody reports need not be asked. */
static void next_lun(struct storvsc *c)
{
	while (c->lun < SCSI_LUNS && !(c->luns >> c->lun & 1) &&
	       c->disks[c->lun].state != DISK_PRESENT && c->disks[c->lun].state != DISK_WAITING)
		c->lun++;
	if (c->lun == SCSI_LUNS) {
		finish_scan(c);
	} else if (!(c->luns >> c->lun & 1)) {
		conclude(c, false);
	} else {
		c->probe = SCSI_PROBE_INQUIRY;
		ask(c);
	}
}

static void luns_reported(struct storvsc *c, bool good, const struct storvsp_packet *packet)
{
	enum storvsc_outcome outcome = good ? storvsc_judge(c, packet) : STORVSC_FAILED;
	uint32_t length = good ? packet->request.transfer_length : 0;

	if ((outcome == STORVSC_AGAIN || outcome == STORVSC_BUSY) && ++c->tries < TRIES_MAX) {
		c->scanning = false;
		storvsc_scan(c);
		return;
	}
	c->tries = 0;
	/* A controller without a unit 0 may know no REPORT LUNS: then everyone is asked. */
	if (outcome != STORVSC_GOOD || !scsi_luns(c->page, length < 4096 ? length : 4096, &c->luns))
		c->luns = ~0ull;
	c->lun = 0;
	next_lun(c);
}

void storvsc_scan(struct storvsc *c)
{
	uint8_t cdb[SCSI_CDB_MAX], length;
	struct storvsp_packet packet;

	if (c->scanning || !c->ready)
		return;
	c->scanning = true;
	c->rescan = false;
	if (c->place.ide) {
		c->luns = 1;
		c->lun = 0;
		next_lun(c);
		return;
	}
	length = scsi_cdb_report_luns(cdb);
	memset(c->page, 0, SCSI_LUNS_BYTES);
	storvsc_request(c, &packet, 0, cdb, length, SCSI_LUNS_BYTES, true);
	storvsc_control(c, &packet, SCSI_LUNS_BYTES, luns_reported);
}

void storvsc_drop_disks(struct storvsc *c)
{
	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		if (c->disks[i].state == DISK_PRESENT)
			leave(&c->disks[i]);
		else if (c->disks[i].state == DISK_WAITING)
			storvsc_withdraw(&c->disks[i]);
	}
}

bool storvsc_reap(struct storvsc *c)
{
	bool none = true;

	for (unsigned i = 0; i < SCSI_LUNS; i++) {
		struct storvsc_disk *disk = &c->disks[i];

		if (disk->state == DISK_LEAVING && disk->forgotten) {
			memset(disk, 0, sizeof(*disk));
			c->rescan = true; /* another may have come in its place */
		}
		none &= disk->state == DISK_FREE;
	}
	return none;
}
