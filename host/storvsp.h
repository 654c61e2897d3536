/* SPDX-License-Identifier: MIT */
/*
 * A synthetic SCSI controller: StorVSP's protocol on VMBus channels (one, and as many sub-channels as the guest asks for),
 * scsi.h to understand the commands, block.h to carry them out. Runs on the device thread.
 *
 * A generation 1 machine's IDE disks speak the same, each on a channel of its own, as the only unit of a controller whose type and instance say
 * where it is (Linux: storvsc_get_ide_info()). Only there is no emulated IDE controller beside them here.
 */
#ifndef HOST_STORVSP_H
#define HOST_STORVSP_H

#include "host/block.h"
#include "host/scsi.h"
#include "host/vmbus/vmbus.h"

#define STORVSP_MAX_IDE 4u

struct storvsp;

/* Offers controller number `index`. NULL: no memory or no channel. */
struct storvsp *storvsp_create(struct vmbus *bus, unsigned index, unsigned cpus);
/* Offers IDE disk number `place`, from 0: primary master, primary slave, secondary master, secondary slave. It is put at LUN 0. */
struct storvsp *storvsp_create_ide(struct vmbus *bus, unsigned place);
/* After vmbus_destroy(). The disks stay their owners'. */
void storvsp_destroy(struct storvsp *controller);

/*
 * Puts a disk at a LUN; a guest that is running finds it. The block device stays the caller's, and open until it is taken
 * out. False where the LUN is taken or out of range.
 */
bool storvsp_insert(struct storvsp *controller, unsigned lun, struct block *block, bool cdrom);
/* Takes it out, once what is in flight is done. */
void storvsp_remove(struct storvsp *controller, unsigned lun);
/*
 * Whether a disk may come to that LUN: not while a guest that has not noticed how another one went from there would take it for that and write
 * there what it has cached.
 */
bool storvsp_is_free(const struct storvsp *controller, unsigned lun);

/* The disk at a LUN has another size now. */
void storvsp_resized(struct storvsp *controller, unsigned lun);

#endif
