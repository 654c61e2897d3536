/* SPDX-License-Identifier: MIT */
/* The adapter's storage client against the host's server: what goes in comes out, every request ends once, whatever happens to the disk. */
#include <endian.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <cmocka.h>

#include "adapter/hv/storvsc.h"
#include "adapter/hv/storvsc_int.h"
#include "adapter/hv/vmbus.h"
#include "adapter/seam/block.h"
#include "tests/loop/client.h"
#include "tests/loop/client_storvsc.h"
#include "tests/loop/server_storvsp.h"

#define FRAME  PARTITION_DEVICE_PAGES /* the first of the guest's */
#define NEVER  99
#define DISK   (4u << 20)
#define EVENTS 64

static struct partition part;
static struct server *server, *other;

/* What the Xen side hears. */
static struct block_disk *disks[8];
static unsigned nr_disks, removed, resized;

static void complete(struct block_request *request, enum block_status status);

void xen_block_add(struct block_disk *disk)
{
	assert_true(nr_disks < 8);
	disk->complete = complete;
	disks[nr_disks++] = disk;
}

void xen_block_resized(struct block_disk *disk)
{
	(void)disk;
	resized++;
}

void xen_block_remove(struct block_disk *disk)
{
	(void)disk;
	removed++;
}

struct io {
	struct block_request request; /* first */
	unsigned status, ended;
};

static void complete(struct block_request *request, enum block_status status)
{
	struct io *io = (struct io *)request;

	io->status = status;
	io->ended++;
}

static void begin(struct io *io, struct block_disk *disk, enum block_op op, uint64_t sector)
{
	io->request.op = op;
	io->request.sector = sector;
	io->status = NEVER;
	io->ended = 0;
	disk->ops->submit(disk, &io->request);
	disk->ops->commit(disk);
}

static void add(struct io *io, uint64_t frame, uint16_t offset, uint16_t len)
{
	io->request.segment[io->request.nr_segments++] = (struct block_segment){frame, offset, len};
	io->request.nr_sectors += len / BLOCK_SECTOR;
}

static unsigned run(struct io *io, struct block_disk *disk, enum block_op op, uint64_t sector)
{
	begin(io, disk, op, sector);
	partition_run(&part);
	assert_int_equal(io->ended, 1);
	return io->status;
}

static void create(void)
{
	nr_disks = removed = resized = 0;
	partition_create(&part);
	server = server_create(&part, CLIENT_VPS);
}

/* Until the guest is about to start. */
static void find_disks(void)
{
	client_storvsc_start();
	hv_vmbus_connect();
	assert_true(hv_vmbus_settle(1000000000));
	assert_int_equal(nr_disks, 0);
}

static int set_up(void **state)
{
	(void)state;
	create();
	server_insert(server, 0, DISK, SERVER_PLAIN);
	server_insert(server, 5, DISK, SERVER_READ_ONLY);
	find_disks();
	storvsc_begin();
	partition_run(&part);
	return 0;
}

/* A machine that was started from the boot image, at the place where its own disk would be. */
static int set_up_mixed(void **state)
{
	(void)state;
	create();
	server_insert(server, 0, DISK, SERVER_BOOT_IMAGE);
	server_insert(server, 1, 2 * DISK, SERVER_CDROM);
	server_insert(server, 2, 3 * DISK, SERVER_PLAIN);
	server_insert(server, 3, 4 * DISK, SERVER_PLAIN);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	partition_destroy(&part);
	server_destroy(server);
	if (other)
		server_destroy(other);
	other = NULL;
	return 0;
}

static void disks_are_found_as_they_are(void **state)
{
	(void)state;
	assert_int_equal(nr_disks, 2);
	assert_int_equal(disks[0]->nr_sectors, DISK / 512);
	assert_int_equal(disks[0]->sector_size, 512);
	assert_false(disks[0]->read_only);
	assert_true(disks[0]->discard);
	assert_true(disks[1]->read_only);
}

static void expect_disks(unsigned nr, const unsigned *sizes)
{
	assert_int_equal(nr_disks, nr);
	for (unsigned i = 0; i < nr; i++)
		assert_int_equal(disks[i]->nr_sectors, sizes[i] * DISK / 512);
}

static void cdroms_come_last_and_the_boot_image_not_at_all(void **state)
{
	(void)state;
	assert_null(storvsc_configure("", false));
	find_disks();
	storvsc_begin();
	expect_disks(3, (unsigned[]){3, 4, 2});
	assert_true(disks[2]->cdrom);
	/* Nor does it when the host has looked again. */
	server_insert(server, 6, 5 * DISK, SERVER_BOOT_IMAGE);
	partition_run(&part);
	assert_int_equal(nr_disks, 3);
}

static void disks_come_in_the_order_that_is_asked_for(void **state)
{
	(void)state;
	assert_null(storvsc_configure("scsi:0:3,scsi:1:0,ide:0:0,scsi:0:1", true));
	find_disks();
	storvsc_begin();
	assert_null(storvsc_configure("", false));
	expect_disks(4, (unsigned[]){4, 2, 1, 3});
}

static void a_disk_that_goes_before_the_guest_starts_is_never_seen(void **state)
{
	(void)state;
	find_disks();
	server_remove(server, 2);
	partition_run(&part);
	assert_int_equal(nr_disks, 0);
	storvsc_begin();
	expect_disks(2, (unsigned[]){4, 2});
	assert_int_equal(removed, 0);
}

static void every_vp_has_a_queue(void **state)
{
	unsigned open = 0;

	(void)state;
	for (unsigned id = 1; id < 256; id++) {
		struct hv_channel *channel = client_channel(id);

		if (!channel)
			continue;
		assert_int_equal(channel->state, HV_CHANNEL_OPEN);
		assert_int_equal(channel->vp, channel->queue);
		open++;
	}
	assert_int_equal(open, CLIENT_VPS);
}

static void written_data_is_read_back(void **state)
{
	struct io write = {0}, read = {0};

	(void)state;
	for (unsigned i = 0; i < 3 * 4096; i++)
		partition_page(&part, FRAME)[i] = (uint8_t)(i * 7 + i / 4096);
	add(&write, FRAME, 512, 3584);
	add(&write, FRAME + 1, 0, 4096);
	add(&write, FRAME + 2, 0, 1024);
	assert_int_equal(run(&write, disks[0], BLOCK_WRITE, 100), BLOCK_OK);
	add(&read, FRAME + 10, 0, 4096);
	add(&read, FRAME + 11, 0, 4096);
	add(&read, FRAME + 12, 0, 512);
	assert_int_equal(run(&read, disks[0], BLOCK_READ, 100), BLOCK_OK);
	assert_memory_equal(partition_page(&part, FRAME) + 512, partition_page(&part, FRAME + 10),
			    3584 + 4096 + 1024);
}

/* Segments that leave gaps between them are several commands to the host, and one request to the guest. */
static void gaps_between_segments_do_not_matter(void **state)
{
	struct io write = {0}, read = {0};
	uint8_t expected[4 * 1024];

	(void)state;
	for (unsigned i = 0; i < 4; i++) {
		memset(partition_page(&part, FRAME + i) + 1024, 'a' + (int)i, 1024);
		memset(expected + i * 1024, 'a' + (int)i, 1024);
		add(&write, FRAME + i, 1024, 1024);
	}
	assert_int_equal(run(&write, disks[0], BLOCK_WRITE, 8), BLOCK_OK);
	add(&read, FRAME + 8, 0, 4096);
	assert_int_equal(run(&read, disks[0], BLOCK_READ, 8), BLOCK_OK);
	assert_memory_equal(partition_page(&part, FRAME + 8), expected, sizeof(expected));
}

/* A host that answers at once does so without an interrupt; one that does not interrupts as ever. */
static void an_answer_that_is_there_is_taken_at_once(void **state)
{
	struct io read = {0}, later = {0};
	unsigned before;

	(void)state;
	add(&read, FRAME, 0, 4096);
	add(&later, FRAME, 0, 4096);
	before = part.interrupts;
	part.prompt = true;
	begin(&read, disks[0], BLOCK_READ, 8);
	part.prompt = false;
	assert_int_equal(read.ended, 1);
	assert_int_equal(read.status, BLOCK_OK);
	assert_int_equal(part.interrupts, before);
	begin(&later, disks[0], BLOCK_READ, 8);
	assert_int_equal(later.ended, 0);
	partition_run(&part);
	assert_int_equal(later.ended, 1);
	assert_int_equal(part.interrupts, before + 1);
}

/* What blkfront cut in pieces is one command again, and each piece still ends for itself. */
static void requests_that_follow_each_other_are_one_command(void **state)
{
	struct io write[3] = {0}, read = {0};
	unsigned before;

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		memset(partition_page(&part, FRAME + i), 'x' + (int)i, 4096);
		add(&write[i], FRAME + i, 0, 4096);
		write[i].request.op = BLOCK_WRITE;
		write[i].request.sector = 64 + 8 * i;
		disks[0]->ops->submit(disks[0], &write[i].request);
	}
	before = server_commands(server);
	disks[0]->ops->commit(disks[0]);
	partition_run(&part);
	assert_int_equal(server_commands(server) - before, 1);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(write[i].ended, 1);
		assert_int_equal(write[i].status, BLOCK_OK);
	}
	for (unsigned i = 0; i < 3; i++)
		add(&read, FRAME + 10 + i, 0, 4096);
	assert_int_equal(run(&read, disks[0], BLOCK_READ, 64), BLOCK_OK);
	assert_memory_equal(partition_page(&part, FRAME), partition_page(&part, FRAME + 10),
			    3 * 4096);
}

/* One of them cannot be: the others are not its victims. */
static void an_error_is_only_its_own_requests(void **state)
{
	struct io io[3] = {0};

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		add(&io[i], FRAME + i, 0, 4096);
		io[i].request.op = BLOCK_READ;
		io[i].request.sector = DISK / 512 - 16 + 8 * i;
		disks[0]->ops->submit(disks[0], &io[i].request);
	}
	disks[0]->ops->commit(disks[0]);
	partition_run(&part);
	assert_int_equal(io[0].status, BLOCK_OK);
	assert_int_equal(io[1].status, BLOCK_OK);
	assert_int_equal(io[2].status, BLOCK_ERROR);
	assert_int_equal(io[0].ended + io[1].ended + io[2].ended, 3);
}

static void what_the_disk_refuses_is_an_error(void **state)
{
	struct io write = {0}, beyond = {0};

	(void)state;
	add(&write, FRAME, 0, 4096);
	assert_int_equal(run(&write, disks[1], BLOCK_WRITE, 0), BLOCK_ERROR);
	add(&beyond, FRAME, 0, 4096);
	assert_int_equal(run(&beyond, disks[0], BLOCK_READ, DISK / 512 - 1), BLOCK_ERROR);
}

static void flushes_and_discards_end_well(void **state)
{
	struct io io = {0};

	(void)state;
	assert_int_equal(run(&io, disks[0], BLOCK_FLUSH, 0), BLOCK_OK);
	assert_int_equal(run(&io, disks[1], BLOCK_FLUSH, 0), BLOCK_OK);
	io.request.nr_sectors = 2048;
	assert_int_equal(run(&io, disks[0], BLOCK_DISCARD, 1024), BLOCK_OK);
}

/* The host takes as much as there is, and sectors are counted in 32 bits: with blocks of 4 KiB one piece is not all. */
static void a_huge_discard_makes_progress(void **state)
{
	struct storvsc_disk *disk = (struct storvsc_disk *)disks[0];
	struct storvsc_command *command = disk->controller->queues[0].commands;
	struct block_request request = {.op = BLOCK_DISCARD, .nr_sectors = 3ull << 32};
	struct storvsc_message message;
	unsigned pieces = 0;

	(void)state;
	disk->unit.block_size = 4096;
	disk->unit.unmap_max = UINT32_MAX;
	command->disk = disk;
	command->request = &request;
	for (command->sector = 0; command->sector < request.nr_sectors; pieces++) {
		assert_true(storvsc_build(command, &message));
		assert_true(command->pending > 0 && command->pending % 8 == 0);
		assert_int_equal(be32toh(*(uint32_t *)(command->unmap + 16)), command->pending / 8);
		command->sector += command->pending;
	}
	assert_int_equal(command->sector, request.nr_sectors);
	assert_int_equal(pieces, 4);
}

/* Answers as the host to the command that is with it, of the first queue. */
static void answer(const struct storvsp_request *request)
{
	struct storvsc_disk *disk = (struct storvsc_disk *)disks[0];
	struct storvsc_queue *queue = &disk->controller->queues[0];
	const struct storvsp_packet packet = {
	    .operation = STORVSP_COMPLETE_IO, .status = STORVSP_SUCCESS, .request = *request};

	for (uint64_t i = 0; i < STORVSC_COMMANDS; i++) {
		if (queue->commands[i].state == COMMAND_HOST) {
			storvsc_completed(queue, (uint64_t)queue->commands[i].generation << 32 | i,
					  &packet);
			return;
		}
	}
}

/* As Linux has it: SCSI's status counts, whatever the SRB's says. A reservation of another machine's is no success. */
static void a_write_that_a_reservation_forbids_has_failed(void **state)
{
	const struct storvsp_request conflict = {
	    .srb_status = STORVSP_SRB_SUCCESS, .scsi_status = 0x18, .transfer_length = 4096};
	struct io write = {0};

	(void)state;
	add(&write, FRAME, 0, 4096);
	begin(&write, disks[0], BLOCK_WRITE, 8);
	answer(&conflict);
	assert_int_equal(write.ended, 1);
	assert_int_equal(write.status, BLOCK_ERROR);
}

/* A disk behind a busy adapter, or with a full queue, is waited for. */
static void a_busy_host_is_asked_again_for_a_while(void **state)
{
	static const struct storvsp_request busy[] = {
	    {.srb_status = STORVSP_SRB_BUSY},
	    {.srb_status = 0x04, .scsi_status = SCSI_BUSY},
	    {.srb_status = 0x04, .scsi_status = SCSI_TASK_SET_FULL},
	    {.srb_status = 0x84,
	     .scsi_status = SCSI_CHECK_CONDITION,
	     .sense_length = 18,
	     .sense = {0x70, 0, SCSI_KEY_NOT_READY, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x04, 0x01}},
	};

	(void)state;
	for (unsigned i = 0; i < sizeof(busy) / sizeof(*busy); i++) {
		struct io write = {0};

		add(&write, FRAME, 0, 4096);
		begin(&write, disks[0], BLOCK_WRITE, 8);
		for (unsigned k = 0; k < 50; k++) {
			answer(&busy[i]);
			assert_int_equal(write.ended, 0);
			client_pass(200000000);
		}
		partition_run(&part);
		assert_int_equal(write.ended, 1);
		assert_int_equal(write.status, BLOCK_OK);
	}
}

/* But one that has no medium is not, and one that says ABORTED COMMAND is at once, a few times. */
static void other_senses_end_a_command_soon(void **state)
{
	struct storvsp_request says = {
	    .srb_status = 0x84,
	    .scsi_status = SCSI_CHECK_CONDITION,
	    .sense_length = 18,
	    .sense = {0x70, 0, SCSI_KEY_NOT_READY, 0, 0, 0, 0, 10, 0, 0, 0, 0, 0x3a, 0x00}};
	struct io first = {0}, second = {0};

	(void)state;
	add(&first, FRAME, 0, 4096);
	begin(&first, disks[0], BLOCK_WRITE, 8);
	answer(&says);
	assert_int_equal(first.status, BLOCK_ERROR);
	says.sense[2] = SCSI_KEY_ABORTED_COMMAND;
	add(&second, FRAME, 0, 4096);
	begin(&second, disks[0], BLOCK_WRITE, 8);
	answer(&says);
	assert_int_equal(second.ended, 0);
	partition_run(&part);
	assert_int_equal(second.ended, 1);
	assert_int_equal(second.status, BLOCK_OK);
}

/* But not for ever. */
static void a_host_that_stays_busy_is_given_up(void **state)
{
	const struct storvsp_request busy = {.srb_status = STORVSP_SRB_BUSY};
	struct io write = {0};
	unsigned seconds = 0;

	(void)state;
	add(&write, FRAME, 0, 4096);
	begin(&write, disks[0], BLOCK_WRITE, 8);
	for (unsigned k = 0; !write.ended && k < 100000; k++) {
		answer(&busy);
		/* The host's own answers are late. */
		if (k > 10)
			partition_run(&part);
		client_pass(100000000);
		seconds = k / 10;
	}
	assert_int_equal(write.ended, 1);
	assert_int_equal(write.status, BLOCK_ERROR);
	assert_in_range(seconds, 30, 120);
}

static void hear(struct storvsc *c, const struct storvsp_packet *packet)
{
	storvsc_answer *answer = c->control_answer;

	assert_non_null(answer);
	c->control_answer = NULL;
	answer(c, packet, packet);
}

/* The host says that disks have changed, and the one that was there before cannot say now what it is. */
static void a_disk_that_is_busy_when_looked_at_stays(void **state)
{
	const struct storvsp_packet busy = {
	    .operation = STORVSP_COMPLETE_IO,
	    .status = STORVSP_SUCCESS,
	    .request = {.srb_status = STORVSP_SRB_BUSY},
	};
	struct storvsc *c = ((struct storvsc_disk *)disks[0])->controller;

	(void)state;
	storvsc_scan(c);
	/* No list of units: each is asked. */
	hear(c, NULL);
	assert_int_equal(c->lun, 0);
	for (unsigned i = 0; c->lun == 0 && i < 10; i++)
		hear(c, &busy);
	partition_run(&part);
	assert_false(c->scanning);
	assert_int_equal(removed, 0);
	assert_int_equal(nr_disks, 2);
}

/* Likewise before the guest starts. */
static void a_disk_that_waits_and_is_busy_stays(void **state)
{
	const struct storvsp_packet busy = {
	    .operation = STORVSP_COMPLETE_IO,
	    .status = STORVSP_SUCCESS,
	    .request = {.srb_status = STORVSP_SRB_BUSY},
	};
	struct storvsc *c;

	(void)state;
	create();
	server_insert(server, 0, DISK, SERVER_PLAIN);
	find_disks();
	c = client_channel(1)->device;
	storvsc_scan(c);
	hear(c, NULL);
	for (unsigned i = 0; c->lun == 0 && i < 10; i++)
		hear(c, &busy);
	partition_run(&part);
	storvsc_begin();
	assert_int_equal(nr_disks, 1);
}

/* Whatever rests goes the way of all others when the controller does. */
static void what_rests_survives_the_controllers_absence(void **state)
{
	const struct storvsp_request busy = {.srb_status = STORVSP_SRB_BUSY};
	struct io write = {0};

	(void)state;
	add(&write, FRAME, 0, 4096);
	begin(&write, disks[0], BLOCK_WRITE, 8);
	for (unsigned k = 0; k < 12; k++)
		answer(&busy);
	server_rescind(server);
	partition_run(&part);
	assert_int_equal(write.ended, 0);
	server_offer_again(server);
	partition_run(&part);
	assert_int_equal(write.ended, 1);
	assert_int_equal(write.status, BLOCK_OK);
}

/* Many more than there are commands, from every VP. */
static void a_flood_of_requests_is_answered(void **state)
{
	enum { FLOOD = 600 };
	static struct io io[FLOOD];

	(void)state;
	memset(io, 0, sizeof(io));
	for (unsigned i = 0; i < FLOOD; i++) {
		memset(partition_page(&part, FRAME + i), (int)i, 4096);
		add(&io[i], FRAME + i, 0, 4096);
		client_run_on(i % CLIENT_VPS);
		begin(&io[i], disks[0], BLOCK_WRITE, 8 * i);
	}
	partition_run(&part);
	for (unsigned i = 0; i < FLOOD; i++) {
		struct io read = {0};

		assert_int_equal(io[i].ended, 1);
		assert_int_equal(io[i].status, BLOCK_OK);
		if (i % 50)
			continue;
		add(&read, FRAME + 1000, 0, 4096);
		assert_int_equal(run(&read, disks[0], BLOCK_READ, 8 * i), BLOCK_OK);
		assert_memory_equal(partition_page(&part, FRAME + 1000),
				    partition_page(&part, FRAME + i), 4096);
	}
}

/* Segments of any shape in batches of any kind, from every VP, against a copy of the disk. */
enum { BATCH = 24, WINDOW = 512 /* sectors that are fought for */ };
static uint8_t model[WINDOW * 512];

static void fill_request(struct io *io, uint64_t frame)
{
	bool first = true;

	for (unsigned n = 1 + rand() % 12; n; n--, first = false) {
		unsigned begin = rand() % 3 ? 0 : rand() % 8, count = 1 + rand() % (8 - begin);

		if (rand() % 2 && !(begin && first))
			count = 8 - begin;
		add(io, frame++, (uint16_t)(begin * 512), (uint16_t)(count * 512));
	}
}

static void copy_request(const struct io *io, uint8_t *disk, bool to_disk)
{
	disk += io->request.sector * 512;
	for (unsigned i = 0; i < io->request.nr_segments; i++) {
		const struct block_segment *segment = &io->request.segment[i];
		uint8_t *page = partition_page(&part, segment->mfn) + segment->offset;

		if (to_disk)
			memcpy(disk, page, segment->len);
		else
			assert_memory_equal(disk, page, segment->len);
		disk += segment->len;
	}
}

static void random_batches_end_and_keep_their_data(void **state)
{
	static struct io io[BATCH];

	(void)state;
	srand(4);
	memset(model, 0, sizeof(model));
	for (unsigned round = 0; round < 150; round++) {
		bool write = rand() % 2;
		uint64_t sector = 0;
		unsigned n;

		memset(io, 0, sizeof(io));
		for (n = 0; n < BATCH; n++) {
			uint64_t frame = FRAME + n * 16;

			if (rand() % 3 == 0)
				sector += rand() % 8;
			fill_request(&io[n], frame);
			if (sector + io[n].request.nr_sectors > WINDOW)
				break;
			for (unsigned i = 0; write && i < 16 * 4096; i++)
				partition_page(&part, frame)[i] = (uint8_t)rand();
			io[n].request.op = write ? BLOCK_WRITE : BLOCK_READ;
			io[n].request.sector = sector;
			sector += io[n].request.nr_sectors;
			client_run_on((unsigned)rand() % 8 ? 1 : (unsigned)rand() % CLIENT_VPS);
			disks[0]->ops->submit(disks[0], &io[n].request);
			if (rand() % 4 == 0)
				disks[0]->ops->commit(disks[0]);
		}
		for (unsigned vp = 0; vp < CLIENT_VPS; vp++) {
			client_run_on(vp);
			disks[0]->ops->commit(disks[0]);
		}
		client_run_on(0);
		for (unsigned i = 0; i < n && write; i++)
			copy_request(&io[i], model, true);
		partition_run(&part);
		for (unsigned i = 0; i < n; i++) {
			assert_int_equal(io[i].ended, 1);
			assert_int_equal(io[i].status, BLOCK_OK);
			if (!write)
				copy_request(&io[i], model, false);
		}
	}
}

static void a_disk_that_comes_later_is_found(void **state)
{
	struct io io = {0};

	(void)state;
	server_insert(server, 9, DISK, SERVER_PLAIN);
	partition_run(&part);
	assert_int_equal(nr_disks, 3);
	add(&io, FRAME, 0, 4096);
	assert_int_equal(run(&io, disks[2], BLOCK_READ, 0), BLOCK_OK);
}

static void a_disk_that_goes_answers_with_errors_until_it_is_forgotten(void **state)
{
	struct io io = {0};

	(void)state;
	server_remove(server, 0);
	partition_run(&part);
	assert_int_equal(removed, 1);
	add(&io, FRAME, 0, 4096);
	assert_int_equal(run(&io, disks[0], BLOCK_READ, 0), BLOCK_ERROR);
	/* The place is free again once nobody knows the old one. */
	server_insert(server, 0, 2 * DISK, SERVER_PLAIN);
	partition_run(&part);
	assert_int_equal(nr_disks, 2);
	block_forgotten(disks[0]);
	client_pass(1);
	partition_run(&part);
	assert_int_equal(nr_disks, 3);
	assert_int_equal(disks[2]->nr_sectors, 2 * DISK / 512);
}

static struct io burst[200];

static void begin_burst(void)
{
	memset(burst, 0, sizeof(burst));
	for (unsigned i = 0; i < 200; i++) {
		memset(partition_page(&part, FRAME + i), (int)i + 1, 4096);
		add(&burst[i], FRAME + i, 0, 4096);
		client_run_on(i % CLIENT_VPS);
		begin(&burst[i], disks[0], BLOCK_WRITE, 8 * i);
	}
	client_run_on(0);
}

static unsigned ended(void)
{
	unsigned n = 0;

	for (unsigned i = 0; i < 200; i++) {
		assert_true(burst[i].ended <= 1);
		n += burst[i].ended;
	}
	return n;
}

/* The whole controller, with requests in flight: what moves a machine to another host may do that. */
static void a_controller_that_comes_back_goes_on_where_it_was(void **state)
{
	(void)state;
	begin_burst();
	server_rescind(server);
	partition_run(&part);
	assert_int_equal(removed, 0);
	assert_true(ended() < 200);
	client_pass(30000000000);
	server_offer_again(server);
	partition_run(&part);
	assert_int_equal(ended(), 200);
	assert_int_equal(nr_disks, 2);
	for (unsigned i = 0; i < 200; i += 7) {
		struct io read = {0};

		assert_int_equal(burst[i].status, BLOCK_OK);
		add(&read, FRAME + 1000, 0, 4096);
		assert_int_equal(run(&read, disks[0], BLOCK_READ, 8 * i), BLOCK_OK);
		assert_memory_equal(partition_page(&part, FRAME + 1000),
				    partition_page(&part, FRAME + i), 4096);
	}
	/* And may do so again. */
	server_rescind(server);
	server_offer_again(server);
	partition_run(&part);
	begin_burst();
	partition_run(&part);
	assert_int_equal(ended(), 200);
}

/* Another controller has its first channel's number meanwhile, and it gets a number that was a sub-channel's. */
static void a_controller_may_come_back_by_other_channels(void **state)
{
	struct io write = {0};

	(void)state;
	server_rescind(server);
	partition_run(&part);
	other = server_create(&part, 1);
	part.server = server;
	server_offer_again(server);
	partition_run(&part);
	add(&write, FRAME, 0, 4096);
	assert_int_equal(run(&write, disks[0], BLOCK_WRITE, 0), BLOCK_OK);
}

static struct hv_channel *channel_of_queue(unsigned queue)
{
	for (unsigned id = 1; id < 256; id++) {
		struct hv_channel *channel = client_channel(id);

		if (channel && channel->queue == queue)
			return channel;
	}
	fail();
	return NULL;
}

static void submit_on(unsigned vp, struct io *io)
{
	add(io, FRAME, 0, 4096);
	io->request.op = BLOCK_WRITE;
	client_run_on(vp);
	disks[0]->ops->submit(disks[0], &io->request);
	client_run_on(0);
}

static void commit_on(unsigned vp)
{
	client_run_on(vp);
	disks[0]->ops->commit(disks[0]);
	client_run_on(0);
}

/* VP 0 takes a queue's channel away, or gives it one, while the queue's VP is within a batch. */
static void a_batch_ends_though_its_queue_has_changed(void **state)
{
	struct io lost = {0}, gained = {0};

	(void)state;
	submit_on(1, &lost);
	hv_channel_give_up(channel_of_queue(1));
	commit_on(1);
	partition_run(&part);
	assert_int_equal(lost.ended, 1);
	assert_int_equal(lost.status, BLOCK_OK);

	server_rescind(server);
	partition_run(&part);
	submit_on(2, &gained);
	server_offer_again(server);
	partition_run(&part);
	commit_on(2);
	partition_run(&part);
	assert_int_equal(gained.ended, 1);
	assert_int_equal(gained.status, BLOCK_OK);
}

/* One of the requests in a command cannot be, so each is tried for itself, on a queue that VP 0 has just taken away. */
static void what_waits_on_a_lost_queue_goes_by_the_first(void **state)
{
	struct io io[4] = {0};

	(void)state;
	/* A gap inside a sector. */
	((struct storvsc_disk *)disks[0])->unit.block_size = 4096;
	add(&io[0], FRAME, 0, 512);
	add(&io[0], FRAME + 1, 512, 3584);
	client_run_on(1);
	for (unsigned i = 0; i < 4; i++) {
		if (i)
			add(&io[i], FRAME + 1 + i, 0, 4096);
		io[i].request.op = BLOCK_READ;
		io[i].request.sector = 8 * i;
		disks[0]->ops->submit(disks[0], &io[i].request);
	}
	client_run_on(0);
	hv_channel_give_up(channel_of_queue(1));
	commit_on(1);
	partition_run(&part);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(io[i].ended, 1);
	assert_int_equal(io[0].status, BLOCK_ERROR);
}

/* The host hears of what is sent once more, by another channel. */
static void what_a_lost_queue_had_in_flight_goes_by_the_first(void **state)
{
	struct io io = {0};
	unsigned signals;

	(void)state;
	submit_on(1, &io);
	commit_on(1);
	signals = part.signals;
	hv_channel_give_up(channel_of_queue(1));
	assert_true(part.signals > signals);
	partition_run(&part);
	assert_int_equal(io.ended, 1);
	assert_int_equal(io.status, BLOCK_OK);
}

/* A host that offers a queue's channel twice, and lets the second be opened too. */
static void offer_and_open_again(const struct hv_channel *channel, uint32_t id)
{
	struct vmbus_offer offer = channel->offer;
	struct vmbus_gpadl_created created = {
	    .header.number = VMBUS_GPADL_CREATED, .channel = id, .status = VMBUS_STATUS_SUCCESS};
	struct vmbus_open_result result = {
	    .header.number = VMBUS_OPEN_RESULT, .channel = id, .status = VMBUS_STATUS_SUCCESS};

	offer.channel = id;
	client_message(&offer, sizeof(offer));
	created.gpadl = client_channel(id)->gpadl;
	client_message(&created, sizeof(created));
	client_message(&result, sizeof(result));
	assert_int_equal(client_channel(id)->state, HV_CHANNEL_OPEN);
}

static void a_queues_second_channel_is_left_alone(void **state)
{
	struct hv_channel *first = channel_of_queue(1);
	struct io under_way = {0}, later = {0};

	(void)state;
	submit_on(1, &under_way);
	commit_on(1);
	offer_and_open_again(first, 200);
	submit_on(1, &later);
	commit_on(1);
	hv_channel_give_up(first);
	partition_run(&part);
	assert_int_equal(under_way.ended, 1);
	assert_int_equal(under_way.status, BLOCK_OK);
	assert_int_equal(later.ended, 1);
	assert_int_equal(later.status, BLOCK_OK);
	hv_channel_give_up(client_channel(200));
}

/* VP 0, which is to take a broken ring away, must not be the one that tries it until then. */
static void a_broken_first_queue_is_not_tried_for_ever(void **state)
{
	struct io io = {0};

	(void)state;
	alarm(30);
	submit_on(1, &io);
	commit_on(1);
	channel_of_queue(0)->out.control->read = 1;
	hv_channel_give_up(channel_of_queue(1));
	alarm(0);
	client_pass(1);
	assert_int_equal(io.ended, 0);
	client_pass(61000000000);
	assert_int_equal(io.ended, 1);
	assert_int_equal(io.status, BLOCK_ERROR);
}

/* Each request ends once, and all memory comes back. */
static void a_controller_that_stays_away_ends_what_was_in_flight(void **state)
{
	struct io late = {0};
	size_t before;

	(void)state;
	begin_burst();
	before = client_free_pages();
	server_rescind(server);
	partition_run(&part);
	add(&late, FRAME, 0, 4096);
	begin(&late, disks[0], BLOCK_READ, 0);
	assert_int_equal(late.ended, 0);
	client_pass(61000000000);
	assert_int_equal(removed, 2);
	assert_int_equal(ended(), 200);
	assert_int_equal(late.ended, 1);
	assert_int_equal(late.status, BLOCK_ERROR);
	block_forgotten(disks[0]);
	block_forgotten(disks[1]);
	client_pass(1);
	assert_true(client_free_pages() >= before + CLIENT_VPS * 15);
}

static void a_disk_that_is_gone_when_the_controller_comes_back_is_gone(void **state)
{
	(void)state;
	begin_burst();
	server_rescind(server);
	server_remove(server, 0);
	server_offer_again(server);
	partition_run(&part);
	assert_int_equal(ended(), 200);
	assert_int_equal(removed, 1);
}

static void unloading_waits_for_the_host(void **state)
{
	(void)state;
	hv_vmbus_unload();
	assert_int_equal(vmbus_version(part.bus), 0);
}

#define TEST(f)  cmocka_unit_test_setup_teardown(f, set_up, tear_down)
#define MIXED(f) cmocka_unit_test_setup_teardown(f, set_up_mixed, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(disks_are_found_as_they_are),
	    MIXED(cdroms_come_last_and_the_boot_image_not_at_all),
	    MIXED(disks_come_in_the_order_that_is_asked_for),
	    MIXED(a_disk_that_goes_before_the_guest_starts_is_never_seen),
	    TEST(every_vp_has_a_queue),
	    TEST(written_data_is_read_back),
	    TEST(gaps_between_segments_do_not_matter),
	    TEST(an_answer_that_is_there_is_taken_at_once),
	    TEST(requests_that_follow_each_other_are_one_command),
	    TEST(an_error_is_only_its_own_requests),
	    TEST(what_the_disk_refuses_is_an_error),
	    TEST(flushes_and_discards_end_well),
	    TEST(a_huge_discard_makes_progress),
	    TEST(a_write_that_a_reservation_forbids_has_failed),
	    TEST(a_busy_host_is_asked_again_for_a_while),
	    TEST(other_senses_end_a_command_soon),
	    TEST(a_host_that_stays_busy_is_given_up),
	    TEST(what_rests_survives_the_controllers_absence),
	    TEST(a_disk_that_is_busy_when_looked_at_stays),
	    cmocka_unit_test_teardown(a_disk_that_waits_and_is_busy_stays, tear_down),
	    TEST(a_flood_of_requests_is_answered),
	    TEST(random_batches_end_and_keep_their_data),
	    TEST(a_disk_that_comes_later_is_found),
	    TEST(a_disk_that_goes_answers_with_errors_until_it_is_forgotten),
	    TEST(a_controller_that_comes_back_goes_on_where_it_was),
	    TEST(a_controller_may_come_back_by_other_channels),
	    TEST(a_batch_ends_though_its_queue_has_changed),
	    TEST(what_waits_on_a_lost_queue_goes_by_the_first),
	    TEST(what_a_lost_queue_had_in_flight_goes_by_the_first),
	    TEST(a_queues_second_channel_is_left_alone),
	    TEST(a_broken_first_queue_is_not_tried_for_ever),
	    TEST(a_controller_that_stays_away_ends_what_was_in_flight),
	    TEST(a_disk_that_is_gone_when_the_controller_comes_back_is_gone),
	    TEST(unloading_waits_for_the_host),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
