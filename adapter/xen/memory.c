/* SPDX-License-Identifier: MIT */
/* The guest's memory reservation. What it gives back waits in a list of free frames until it wants it again. */
#include "core/xen_abi.h"
#include <xen/memory.h>

#include "adapter/seam/control.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/ops.h"
#include "adapter/xen/vcpu.h"

#define WINDOW_EVERY 512
#define E820_RAM     1

struct e820_entry {
	uint64_t start, size;
	uint32_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct e820_entry) == 20, "ACPI 15.1");

/* The list's link is in the free frame itself, where the guest may still write: it is believed only where it names a free frame. */
static void push_free(uint64_t m)
{
	*(uint64_t *)mfn_to_va(mfn(m)) = domain.free_head;
	domain.free_head = m;
	domain.frames[m] = FRAME_FREE;
	domain.free_pages++;
}

static bool pop_free(uint64_t *m, enum frame_flag becomes)
{
	uint64_t next;

	if (!domain.free_head)
		return false;
	*m = domain.free_head;
	next = *(uint64_t *)mfn_to_va(mfn(*m));
	domain.frames[*m] = becomes;
	domain.free_pages--;
	if (next >= domain.max_mfn || domain.frames[next] != FRAME_FREE)
		next = domain.free_pages = 0;
	domain.free_head = next;
	return true;
}

static void free_frame(uint64_t m)
{
	push_free(m);
	m2p[m] = M2P_INVALID;
	domain.current_pages--;
}

static bool take_frame(uint64_t *m)
{
	if (!pop_free(m, FRAME_GUEST))
		return false;
	domain.current_pages++;
	return true;
}

bool xen_control_page_take(uint64_t *frame)
{
	bool taken;

	lock_take(&domain.memory_lock);
	taken = pop_free(frame, FRAME_HOST);
	lock_drop(&domain.memory_lock);
	return taken;
}

bool xen_control_page_give(uint64_t frame)
{
	bool given;

	lock_take(&domain.memory_lock);
	given = frame < domain.max_mfn && domain.frames[frame] & FRAME_HOST;
	if (given)
		push_free(frame);
	lock_drop(&domain.memory_lock);
	return given;
}

uint64_t xen_control_pages_waiting(void)
{
	return __atomic_load_n(&domain.free_pages, __ATOMIC_RELAXED);
}

static bool own_domid(domid_t domid)
{
	return domid == DOMID_SELF || domid == GUEST_DOMID;
}

/* The extents' bases: frame numbers in the guest's own array. */
static uint64_t *extent(const struct xen_memory_reservation *r, uint64_t i)
{
	return (uint64_t *)r->extent_start.p + i;
}

/* Runs `one` on each extent; the result is how many went well. Only single pages: a PV guest here has no larger order to give or get. */
static long each_extent(const struct xen_memory_reservation *r, bool (*one)(uint64_t *slot))
{
	uint64_t i;

	if (!own_domid(r->domid))
		return -XEN_EPERM;
	if (r->extent_order)
		return 0;
	for (i = 0; i < r->nr_extents; i++) {
		bool ok;

		lock_take(&domain.memory_lock);
		ok = one(extent(r, i));
		lock_drop(&domain.memory_lock);
		if (!ok)
			break;
		if (i % WINDOW_EVERY == WINDOW_EVERY - 1)
			vcpu_window();
	}
	return i;
}

static bool decrease_one(uint64_t *slot)
{
	uint64_t m;

	if (!copy_from_guest(&m, slot, sizeof(m)) || !frame_is_guests(m))
		return false;
	free_frame(m);
	return true;
}

/* The slot names the pfn and receives the frame. */
static bool populate_one(uint64_t *slot)
{
	uint64_t pfn, m;

	if (!copy_from_guest(&pfn, slot, sizeof(pfn)) || !take_frame(&m))
		return false;
	m2p[m] = pfn;
	if (copy_to_guest(slot, &m, sizeof(m)))
		return true;
	free_frame(m);
	return false;
}

static bool increase_one(uint64_t *slot)
{
	uint64_t m;

	if (!take_frame(&m))
		return false;
	if (!slot || copy_to_guest(slot, &m, sizeof(m)))
		return true;
	free_frame(m);
	return false;
}

static long increase(void *arg)
{
	return each_extent(arg, increase_one);
}

static long decrease(void *arg)
{
	return each_extent(arg, decrease_one);
}

static long populate(void *arg)
{
	return each_extent(arg, populate_one);
}

static long current(void *arg)
{
	return own_domid(*(domid_t *)arg) ? (long)domain.current_pages : -XEN_EPERM;
}

static long maximum(void *arg)
{
	return own_domid(*(domid_t *)arg) ? (long)domain.max_pages : -XEN_EPERM;
}

static long maximum_gpfn(void *arg)
{
	return own_domid(*(domid_t *)arg) ? (long)domain.nr_pages - 1 : -XEN_EPERM;
}

static long maximum_ram_page(void *arg)
{
	(void)arg;
	return (long)domain.max_mfn;
}

static long machphys_mapping(void *arg)
{
	struct xen_machphys_mapping map = {
	    .v_start = M2P_VIRT,
	    .v_end = M2P_VIRT + domain.max_mfn * sizeof(uint64_t),
	    .max_mfn = domain.max_mfn - 1,
	};

	return copy_to_guest(arg, &map, sizeof(map)) ? 0 : -XEN_EFAULT;
}

/* One piece of RAM: where the machine has holes, the guest has none. */
static long memory_map(void *arg)
{
	struct xen_memory_map *map = arg;
	struct e820_entry e = {.size = domain.nr_pages << PAGE_SHIFT, .type = E820_RAM};

	if (map->nr_entries < 1)
		return -XEN_EINVAL;
	map->nr_entries = 1;
	return copy_to_guest(map->buffer.p, &e, sizeof(e)) ? 0 : -XEN_EFAULT;
}

#define NOT_PV   "for guests with a translated address space"
#define NOT_OURS "for the toolstack"

/* clang-format off */
static const struct op memory_ops[] = {
	OP_ROW(XENMEM_increase_reservation, increase, struct xen_memory_reservation, IN)
	OP_ROW(XENMEM_decrease_reservation, decrease, struct xen_memory_reservation, IN)
	OP_ROW(XENMEM_populate_physmap, populate, struct xen_memory_reservation, IN)
	OP0_ROW(XENMEM_maximum_ram_page, maximum_ram_page)
	OP_ROW(XENMEM_current_reservation, current, domid_t, IN)
	OP_ROW(XENMEM_maximum_reservation, maximum, domid_t, IN)
	OP_ROW(XENMEM_maximum_gpfn, maximum_gpfn, domid_t, IN)
	OP0_ROW(XENMEM_machphys_mapping, machphys_mapping)
	OP_ROW(XENMEM_memory_map, memory_map, struct xen_memory_map, INOUT)
	DENY_ROW(XENMEM_exchange, XEN_ENOMEM, "there is no memory but the guest's own, so none to exchange it for")
	DENY_ROW(XENMEM_machphys_mfn_list, XEN_ENOSYS, "nobody saves this guest")
	DENY_ROW(XENMEM_add_to_physmap, XEN_ENOSYS, NOT_PV)
	DENY_ROW(XENMEM_add_to_physmap_batch, XEN_ENOSYS, NOT_PV)
	DENY_ROW(XENMEM_remove_from_physmap, XEN_ENOSYS, NOT_PV)
	DENY_ROW(XENMEM_machine_memory_map, XEN_EPERM, "for the hardware domain")
	DENY_ROW(XENMEM_set_memory_map, XEN_EPERM, NOT_OURS)
	DENY_ROW(XENMEM_set_pod_target, XEN_EPERM, NOT_OURS)
	DENY_ROW(XENMEM_get_pod_target, XEN_EPERM, NOT_OURS)
	DENY_ROW(24 /* XENMEM_claim_pages: hidden from guests by the header */, XEN_EPERM, NOT_OURS)
	DENY_ROW(XENMEM_get_vnumainfo, XEN_EOPNOTSUPP, "no virtual NUMA")
	DENY_ROW(XENMEM_acquire_resource, XEN_EPERM, NOT_OURS)
};
/* clang-format on */

long do_memory_op(uint64_t cmd, void *arg)
{
	/* The bits above are where Xen's own continuations remember how far they came. */
	return op_run(memory_ops, sizeof(memory_ops) / sizeof(*memory_ops), cmd & 0x3f, arg);
}
