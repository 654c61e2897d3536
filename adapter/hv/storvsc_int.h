/* SPDX-License-Identifier: MIT */
/*
 * What the files of the storage client share.
 *
 * A controller has a queue for each VP as far as the host gives channels: queue 0 on the primary one, which is VP 0's, carries control too.
 * A command is a slot of its queue's table; at most one packet of it is in the ring, so a ring for all of them is never full. It carries out a
 * request, or several of a batch that follow each other, and is sent again for each further piece where segments leave gaps or exceed what the
 * host takes at once.
 */
#ifndef XENOLITH_HV_STORVSC_INT_H
#define XENOLITH_HV_STORVSC_INT_H

#include "abi/vmbus/ring.h"
#include "abi/vmbus/storvsp.h"
#include "adapter/hv/scsi.h"
#include "adapter/hv/storvsc_order.h"
#include "adapter/hv/vmbus.h"
#include "core/block.h"
#include "core/lock.h"

#define STORVSC_QUEUES_MAX 16
#define STORVSC_COMMANDS   64  /* of a queue */
#define STORVSC_FRAMES_MAX 128 /* of a packet: 512 KiB */

struct storvsc;
struct storvsc_queue;

struct storvsc_disk {
	struct block_disk block; /* first: a block disk of ours is its storvsc_disk */
	struct storvsc *controller;
	struct scsi_unit unit;
	uint8_t lun;
	struct storvsc_place place;
	enum {
		DISK_FREE,
		DISK_WAITING, /* for the guest's start */
		DISK_PRESENT, /* the guest has it */
		DISK_LEAVING,
	} state;
	struct storvsc_disk *next; /* of those that wait */
	_Atomic bool gone;         /* requests fail */
	_Atomic bool forgotten;
};

enum storvsc_command_state {
	COMMAND_FREE,
	COMMAND_OURS,    /* some VP is at it */
	COMMAND_HOST,    /* an answer ends it, or the channel's end */
	COMMAND_RESTING, /* the host was busy: VP 0 sends it again after a while */
};

struct storvsc_command {
	/* The host reads it, so it must not cross a page. */
	_Alignas(128) uint8_t unmap[SCSI_UNMAP_LIST_BYTES];
	struct storvsc_queue *queue;
	struct storvsc_disk *disk;
	/* What it carries out: requests that follow each other, by `link`. */
	struct block_request *request, *last;
	/* Where the rest begins, and where what comes after the piece that is with the host. */
	const struct block_request *part, *next_part;
	struct storvsc_command *next; /* free ones */
	uint64_t sector;              /* where the rest begins on the disk */
	uint32_t pending;             /* bytes, or sectors of a discard, of that piece */
	uint16_t segment, next_segment;
	uint16_t frames;     /* segments in all, while it is held */
	uint32_t generation; /* of the slot, so that late or invented answers are told */
	uint16_t tries;
	uint8_t state; /* enum storvsc_command_state, with the queue's lock */
};
_Static_assert(sizeof(struct storvsc_command) == 128, "a page holds a whole number of them");

struct storvsc_queue {
	struct storvsc *controller;
	struct hv_channel *opened; /* VP 0's; NULL: none */
	struct lock lock;          /* of what follows */
	struct hv_channel
	    *channel; /* the same once requests may go out; NULL: they wait, on queue 0 */
	struct storvsc_command *commands, *free;
	struct storvsc_command
	    *held; /* claimed, and waiting for what may join it, until the batch ends */
	struct block_request *waiting, **waiting_end; /* for a command; by disk_private */
};

/* What the control path waits for. */
typedef void storvsc_answer(struct storvsc *c, bool good, const struct storvsp_packet *packet);

struct storvsc {
	struct hv_channel *primary; /* NULL: rescinded */
	struct vmbus_guid type, instance;
	unsigned channels;          /* that know this controller */
	struct storvsc_place place; /* of its first disk */
	uint8_t target;             /* of all its disks; each has a LUN of its own */
	uint32_t packet_length;
	uint32_t max_transfer; /* bytes */
	uint16_t max_subchannels;
	bool settling;       /* hv_vmbus_busy() was called */
	uint64_t away_until; /* without a primary channel: how long its return is waited for */
	_Atomic bool lost;   /* it is not, or no more: requests fail */
	_Atomic uint64_t rest_until; /* when what rests is sent again; 0: nothing does */
	unsigned version;            /* index of the one asked for */

	/* Control: one packet at a time, on VP 0. */
	uint32_t control_generation;
	storvsc_answer *control_answer; /* NULL: none is out */
	uint8_t *page;                  /* its data */

	/* Looking for disks. */
	bool ready, scanning;
	_Atomic bool rescan;
	uint64_t luns;
	uint8_t lun;
	uint8_t tries;
	enum scsi_probe probe;
	struct scsi_unit unit;

	struct storvsc_disk disks[SCSI_LUNS];
	struct storvsc_queue queues[STORVSC_QUEUES_MAX];
};

/* storvsc.c */
/* The controller's disks are known: requests go out. */
void storvsc_usable(struct storvsc *c);
/* Sends a control packet; `data` bytes of c->page go with it. `answer` is called with the reply, or with good = false and no packet. */
void storvsc_control(struct storvsc *c, const struct storvsp_packet *packet, uint32_t data,
		     storvsc_answer *answer);
#define STORVSC_CONTROL_INDEX 0xffffffffu

/* storvsc_io.c */
bool storvsc_queue_init(struct storvsc_queue *queue, struct storvsc *c);
/* Lets requests out on the channel that was opened, those that wait first. */
void storvsc_queue_start(struct storvsc_queue *queue);
/* The channel is gone: what is in flight, or waits, waits on queue 0, and goes out from there where that is open. */
void storvsc_queue_end(struct storvsc_queue *queue);
/* Sends what waits as far as it can be; where the controller is lost it fails. */
void storvsc_queue_pump(struct storvsc_queue *queue);
void storvsc_queue_free(struct storvsc_queue *queue);
/* An answer to a command of this queue, copied. */
void storvsc_completed(struct storvsc_queue *queue, uint64_t transaction,
		       const struct storvsp_packet *packet);
/* On VP 0: what rests is sent again. */
void storvsc_wake(struct storvsc *c);
/* storvsc_build.c */
/* A packet's SCSI request for a unit of the controller. */
void storvsc_request(const struct storvsc *c, struct storvsp_packet *packet, uint8_t lun,
		     const uint8_t *cdb, uint8_t cdb_length, uint32_t bytes, bool in);
/* A packet and the memory that goes with it: `bytes` from `offset` on in the first of the frames. */
struct storvsc_message {
	struct storvsp_packet packet;
	unsigned nr_frames;
	_Alignas(8) struct vmbus_gpa_direct direct;
	struct vmbus_gpa_range range;
	uint64_t frame[STORVSC_FRAMES_MAX];
};
_Static_assert(offsetof(struct storvsc_message, frame) == offsetof(struct storvsc_message, direct) +
							      sizeof(struct vmbus_gpa_direct) +
							      sizeof(struct vmbus_gpa_range),
	       "from `direct` on they are as the wire has them");
bool storvsc_send(struct hv_channel *channel, const struct storvsc *c,
		  struct storvsc_message *message, uint64_t transaction, bool more);
/* The command's next piece. False where there can be none: a gap lies inside a sector of the disk. */
bool storvsc_build(struct storvsc_command *command, struct storvsc_message *message);

extern const struct block_disk_ops storvsc_disk_ops; /* storvsc_io.c, as the next */

enum storvsc_outcome { STORVSC_GOOD, STORVSC_AGAIN, STORVSC_BUSY, STORVSC_FAILED, STORVSC_REFUSED };
/* What an answer says; sets c->rescan where it says that disks have changed. */
enum storvsc_outcome storvsc_judge(struct storvsc *c, const struct storvsp_packet *packet);

/* storvsc_begin.c: when the guest gets a disk, and whether. */
/* A new life: disks wait until storvsc_begin(). */
void storvsc_hold(void);
/* The guest is not to see it. */
bool storvsc_hidden(const struct scsi_unit *unit);
/* A disk has been found and described: it is handed to the guest, or waits. */
void storvsc_arrived(struct storvsc_disk *disk);
/* One that waits is gone. */
void storvsc_withdraw(struct storvsc_disk *disk);

/* storvsc_scan.c: looks which disks there are now, and tells the Xen side of what has changed. */
void storvsc_scan(struct storvsc *c);
/* The scan that is under way will get no answer. */
void storvsc_scan_end(struct storvsc *c);
/* All disks are gone. */
void storvsc_drop_disks(struct storvsc *c);
/* Forgets disks that nobody knows any more. True when there is none left. */
bool storvsc_reap(struct storvsc *c);

#endif
