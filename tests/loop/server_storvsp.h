/* SPDX-License-Identifier: MIT */
/* The host's storage server of a partition.h, with disks in memory. */
#ifndef TESTS_LOOP_SERVER_STORVSP_H
#define TESTS_LOOP_SERVER_STORVSP_H

#include "tests/loop/partition.h"

struct server;
enum server_disk { SERVER_PLAIN, SERVER_READ_ONLY, SERVER_CDROM, SERVER_BOOT_IMAGE };

/* Offers a controller with up to `queues` channels; a second one of the partition is another controller. */
struct server *server_create(struct partition *p, unsigned queues);
/* After partition_destroy(). */
void server_destroy(struct server *s);
void server_insert(struct server *s, unsigned lun, size_t bytes, enum server_disk kind);
void server_remove(struct server *s, unsigned lun);
/* Takes the controller away from the guest, as it is. */
void server_rescind(struct server *s);
/* Offers it once more, with the disks that it has. */
void server_offer_again(struct server *s);

/* How many packets the guest's clients have sent on channels of this controller. */
unsigned server_commands(const struct server *s);

#endif
