/* SPDX-License-Identifier: MIT */
/*
 * What the guest gets to see of the disks that are found. Those that are there before it starts wait until all are known, and are then handed over in
 * the order that gives them their names; later ones come as they come.
 */
#include "adapter/hv/storvsc.h"
#include "adapter/hv/storvsc_int.h"

#include "adapter/seam/block.h"
#include "adapter/x86/log.h"

static struct storvsc_order order;
static bool boot_image_shown;
static bool begun;
static struct storvsc_disk *waiting; /* by `next` */

const char *storvsc_configure(const char *disks, bool show_boot_image)
{
	static char reason[160];

	boot_image_shown = show_boot_image;
	return storvsc_order_parse(&order, disks, reason, sizeof(reason)) ? NULL : reason;
}

void storvsc_hold(void)
{
	begun = false;
	waiting = NULL;
}

bool storvsc_hidden(const struct scsi_unit *unit)
{
	return unit->boot_image && !boot_image_shown;
}

static void hand_over(struct storvsc_disk *disk)
{
	const struct block_disk *block = &disk->block;
	char place[STORVSC_PLACE_TEXT];

	storvsc_place_text(disk->place, place);
	log_info("disk %s: %lu MiB%s%s%s", place, block->nr_sectors >> 11,
		 block->cdrom ? ", CD-ROM" : "", block->read_only ? ", read-only" : "",
		 block->discard ? ", thin" : "");
	disk->state = DISK_PRESENT;
	xen_block_add(&disk->block);
}

void storvsc_arrived(struct storvsc_disk *disk)
{
	if (begun) {
		hand_over(disk);
		return;
	}
	disk->state = DISK_WAITING;
	disk->next = waiting;
	waiting = disk;
}

void storvsc_withdraw(struct storvsc_disk *disk)
{
	struct storvsc_disk **link = &waiting;

	while (*link != disk)
		link = &(*link)->next;
	*link = disk->next;
	disk->state = DISK_FREE;
}

static uint32_t key(const struct storvsc_disk *disk)
{
	return storvsc_order_key(&order, disk->place, disk->block.cdrom);
}

static struct storvsc_disk *take_first(void)
{
	struct storvsc_disk **first = &waiting, *disk;

	for (struct storvsc_disk **link = &waiting; *link; link = &(*link)->next)
		if (key(*link) < key(*first))
			first = link;
	disk = *first;
	*first = disk->next;
	return disk;
}

void storvsc_begin(void)
{
	begun = true;
	while (waiting)
		hand_over(take_first());
}
