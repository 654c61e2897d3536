/* SPDX-License-Identifier: MIT */
/*
 * The block test's parts: memory and a disk of which it is known at any time what they must hold.
 *
 * The arena's odd pages are granted, the even ones between them never are. Disk A is the one misused.
 */
#ifndef PV_BLOCK_H
#define PV_BLOCK_H

#include "tests/guest/pv/kit/device.h"

#define PAGES       16u
#define SECTORS     512u /* of each disk; tests/boot/pvtests makes them */
#define SECTOR      512u
#define PAGE_SECTOR (PAGE_SIZE / SECTOR)

enum {
	REF_RING_A = 8,
	REF_RING_B,
	REF_RING_C,
	REF_CALM,           /* a page apart, for the other disks */
	REF_INDIRECT,       /* descriptors */
	REF_PAGE = 32,      /* REF_PAGE + n: the arena's page n, where n is odd */
	REF_READ_ONLY = 64, /* of page 1, as all that follow */
	REF_BAD,
	REF_FOREIGN = REF_BAD, /* granted to a domain that is not the back end's */
	REF_OWN,               /* to ourselves */
	REF_NEVER,
	REF_ENDED,    /* used, and then taken back */
	REF_TRANSFER, /* not for access */
	REF_TRANSITIVE,
	REF_NO_RAM,
	REF_NO_FRAME, /* beyond every machine */
	REF_ADAPTER,  /* the adapter's own memory */
	REF_BAD_END,
};
/* And references beyond the table. */
#define REF_BEYOND 0x00100000u
#define REF_LAST   0xffffffffu

extern struct blkfront a, b, c;
extern uint8_t arena[PAGES][PAGE_SIZE];

/* model.c */
void model_init(void);
/* The arena is as it must be; says where it is not, and then expects what it found. */
void unharmed(const char *after);
/* What a read or write of disk A must be answered with. */
int judge(const blkif_request_t *r);
/* It has been carried out: the arena's or the disk's new contents are expected now. */
void apply(const blkif_request_t *r);
/* Reads the whole of disk A and compares. */
void disk_unharmed(void);
/* A new id each time. */
blkif_request_t one(uint8_t op, uint64_t sector, grant_ref_t ref, uint8_t first, uint8_t last);
/* Carries it out, which must end as said, and looks at the arena. */
void answered(const char *name, const void *request, int status);
void refused(const char *name, const void *request);
/* The other disks read what is on them. */
void others_go_on(void);

/* misuse.c, indirect.c, connection.c, race.c */
void bad_grants(void);
void bad_segments(void);
void bad_sectors(void);
void unknown_operations(void);
void read_only_disk(void);
void bad_indirect(void);
void replies_never_read(void);
void indices_out_of_range(void);
void bad_parameters(void);
void leaving_in_flight(void);
void random_requests(void);
void changing_requests(void);

#endif
