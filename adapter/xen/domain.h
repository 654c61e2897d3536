/* SPDX-License-Identifier: MIT */
/*
 * The one guest of this partition, and its vCPUs. vCPU n runs on VP n and nowhere else, so "the current vCPU" is a matter of
 * the stack pointer, and there is nothing to schedule.
 */
#ifndef XENOLITH_XEN_DOMAIN_H
#define XENOLITH_XEN_DOMAIN_H

#include <stdatomic.h>
#include <stdbool.h>

#include "adapter/x86/mem.h"
#include "adapter/x86/vp.h"
#include "adapter/xen/steal.h"
#include "core/evtchn.h"
#include "core/lock.h"
#include "core/xen_abi.h"
#include <xen/vcpu.h>

#define GUEST_DOMID 1

/*
 * What a machine frame is; one byte each, so that a page-table write checks its target with one load. GUEST and L4 are on top, so that one signed
 * comparison tells a frame of the guest's that is no L4 from all others.
 */
enum frame_flag {
	/* Pinned as a page table: a write through a read-only mapping of it is to be let through. */
	FRAME_TABLE = 1 << 0,
	/* Given up by the guest, and taken by the host: not there at all. */
	FRAME_HOST = 1 << 1,
	/* Given up by the guest, and in memory.c's list; no other flag is set then. */
	FRAME_FREE = 1 << 2,
	/* Pinned as an L4, or loaded as one: its slots 256 to 271 are the adapter's. */
	FRAME_L4 = 1 << 6,
	/* The guest's memory. */
	FRAME_GUEST = 1 << 7,
};

enum vcpu_state { VCPU_ABSENT, VCPU_DOWN, VCPU_UP };

struct vcpu {
	struct vp *vp;
	unsigned id;
	_Atomic enum vcpu_state state;
	bool info_registered; /* VCPUOP_register_vcpu_info was done: once only */
	bool initialised;     /* has a context: VCPUOP_initialise was done */
	struct frame start;   /* where it begins once it is brought up */
	uint64_t fs_base, gs_base_user, gs_base_kernel; /* loaded then */
	uint64_t gdt_frames[GUEST_GDT_PAGES];           /* likewise */
	unsigned gdt_pages;
	uint64_t ldt_base, ldt_entries;

	/* Deadlines on clock_now's scale; 0: none. */
	uint64_t singleshot, periodic, period, poll_timeout;
	uint32_t clock_sequence; /* of the scale that its time areas show */

	uint64_t
	    activity; /* counts what a vCPU does that gets on: waits, yields, timers set (progress.c) */

	struct vcpu_runstate_info runstate;
	struct steal_sample steal;
	uint64_t steal_due;  /* when the next sample is taken, at a timer tick */
	void *runstate_area; /* the guest's virtual address, or NULL */
	void *time_area;     /* likewise: a secondary vcpu_time_info */
};

struct domain {
	struct shared_info *shared_info;
	uint64_t max_mfn;  /* machine frames are 0 … max_mfn - 1 */
	uint64_t nr_pages; /* the guest's pseudo-physical frames at boot */
	_Atomic uint64_t current_pages, max_pages;
	uint8_t *frames; /* enum frame_flag, by machine frame */
	unsigned nr_vcpus;
	bool runstate_update_flag; /* VMASST_TYPE_runstate_update_flag */
	bool kernel_low; /* the guest's kernel lives in the lower half of the address space */
	struct lock memory_lock;
	uint64_t
	    free_head; /* frames that the guest gave back: a list through the frames, 0 ends it */
	uint64_t free_pages; /* in that list */
	struct vcpu vcpus[MAX_VPS];
	struct evtchn evtchn;
};

extern struct domain domain;

static inline struct vcpu *this_vcpu(void)
{
	return this_vp()->vcpu;
}

/* By its own VP only. */
static inline void vcpu_active(struct vcpu *v)
{
	__atomic_store_n(&v->activity, v->activity + 1, __ATOMIC_RELAXED);
}

static inline bool frame_is_guests(uint64_t m)
{
	return m < domain.max_mfn && domain.frames[m] & FRAME_GUEST;
}

static inline bool frame_is_below_l4(const uint8_t *frames, uint64_t m)
{
	return m < domain.max_mfn && (int8_t)frames[m] < (int8_t)(FRAME_GUEST | FRAME_L4);
}

/* The machine-to-phys table, readable by the guest's kernel at the address that the ABI fixes. */
#define m2p         ((uint64_t *)M2P_VIRT)
#define M2P_INVALID (~0ull)

/* Boot: the events' memory, xenstore, console; the vCPUs known, none running. */
void domain_init(unsigned nr_vcpus);

#endif
