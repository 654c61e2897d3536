/* SPDX-License-Identifier: MIT */
/*
 * Page tables are the guest's own memory, in machine frames, and the hardware walks them as they are. Nothing is counted or
 * validated: the partition is the security boundary, and the guest's kernel is trusted with its own mappings.
 */
#include "adapter/xen/mmu.h"

#include "adapter/seam/vps.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/guest_access.h"
#include "adapter/x86/paging.h"
#include "adapter/x86/traps.h"
#include "adapter/x86/user_l4.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/vcpu.h"
#include "core/string.h"

/* The ABI's way to hand a multiple of operations over: a count whose top bit says that it continues an earlier call. */
#define MMU_UPDATE_PREEMPTED (1u << 31)
#define WINDOW_EVERY         512

#define L4_ENTRIES 512
#define L4_BYTES   (L4_ENTRIES * 8)

static bool own_domid(uint32_t domid)
{
	return domid == DOMID_SELF || domid == GUEST_DOMID;
}

/*
 * In an L4 the adapter's slots stay, and the kernel's part is closed to ring 3 whatever U bits lie below. That is the upper half, but for a
 * kernel that lives in the lower half and has no processes: then it is everything.
 */
static bool kernels_slot(unsigned slot)
{
	return slot > SLOT_LAST || domain.kernel_low;
}

static bool l4_value(unsigned slot, uint64_t *value)
{
	if (slot >= SLOT_FIRST && slot <= SLOT_LAST)
		return false;
	if (kernels_slot(slot))
		*value &= ~PTE_U;
	return true;
}

static void l4_adopt(uint64_t m)
{
	uint64_t *l4 = mfn_to_va(mfn(m));

#pragma GCC unroll 8
	for (unsigned i = domain.kernel_low ? 0 : SLOT_LAST + 1; i < L4_ENTRIES; i++)
		if (l4[i] & PTE_U)
			__atomic_fetch_and(&l4[i], ~PTE_U, __ATOMIC_RELAXED);
	paging_install(l4);
	/* Last: another VP that sees it loads this one as it is, and needs our slots there to run at all. */
	__atomic_fetch_or(&domain.frames[m], FRAME_L4, __ATOMIC_RELEASE);
}

/* The accessed and dirty bits that the processor has set since the guest looked are kept. */
static void write_preserving(_Atomic uint64_t *e, uint64_t value)
{
	uint64_t old = atomic_load_explicit(e, memory_order_relaxed);

	while (!atomic_compare_exchange_weak_explicit(e, &old, value | (old & (PTE_A | PTE_D)),
						      memory_order_relaxed, memory_order_relaxed))
		;
}

static long machphys_update(uint64_t m, uint64_t pfn)
{
	if (!frame_is_guests(m))
		return -XEN_EINVAL;
	m2p[m] = pfn;
	return 0;
}

/* Everything but a plain write to a table below L4. */
static long mmu_update_rare(uint64_t ptr, uint64_t value)
{
	uint64_t m = ptr >> PAGE_SHIFT;
	_Atomic uint64_t *e = ma_to_va(ptr & ~7ull);

	if ((ptr & 7) == MMU_MACHPHYS_UPDATE)
		return machphys_update(m, value);
	if ((ptr & 7) != MMU_NORMAL_PT_UPDATE && (ptr & 7) != MMU_PT_UPDATE_PRESERVE_AD)
		return -XEN_ENOSYS;
	if (!frame_is_guests(m))
		return -XEN_EINVAL;
	if (domain.frames[m] & FRAME_L4 && !l4_value((ptr & (PAGE_SIZE - 1)) / 8, &value))
		return 0;
	if ((ptr & 7) == MMU_PT_UPDATE_PRESERVE_AD)
		write_preserving(e, value);
	else
		atomic_store_explicit(e, value, memory_order_relaxed);
	return 0;
}

/* A frame that such a write may go to, by the flags of all frames. */
static inline bool writable_table(const uint8_t *frames, uint64_t ma)
{
	return __builtin_expect(!(ma & 7) && frame_is_below_l4(frames, ma >> PAGE_SHIFT), 1);
}

static inline bool write_plain(const uint8_t *frames, uint64_t ptr, uint64_t value)
{
	if (!writable_table(frames, ptr))
		return false;
	atomic_store_explicit((_Atomic uint64_t *)ma_to_va(ptr), value, memory_order_relaxed);
	return true;
}

/* A write to an entry that the processor may be marking at this moment, as mprotect's are. */
static inline bool live_table(const uint8_t *frames, uint64_t ptr)
{
	return writable_table(frames, ptr - MMU_PT_UPDATE_PRESERVE_AD);
}

static inline bool write_live(const uint8_t *frames, uint64_t ptr, uint64_t value)
{
	if (!live_table(frames, ptr))
		return false;
	write_preserving(ma_to_va(ptr - MMU_PT_UPDATE_PRESERVE_AD), value);
	return true;
}

/* Tells the guest how many of its list were done; it may not want to know. */
static inline long report(uint32_t *done, uint32_t n, long rc)
{
	if (__builtin_expect(done != NULL, 0) && !copy_to_guest(done, &n, sizeof(n)))
		return -XEN_EFAULT;
	return rc;
}

/* What is left of an entry's address and command without its slot: the same for all such writes to one table. */
#define WITHOUT_SLOT (~(uint64_t)(PAGE_SIZE - 8))
#define NO_TABLE     7 /* no command */

/* Up to `pause`, an entry of the same list; where it stopped short of it the result says why. */
static inline const struct mmu_update *mmu_update_some(const struct mmu_update *u,
						       const struct mmu_update *pause, long *rc)
{
	/* mprotect's lists are long, and go through one table after the other: what is known of the last entry's is not asked again. */
	const uint8_t *frames = domain.frames;
	uint64_t known = NO_TABLE;

	for (; u != pause; u++) {
		uint64_t ptr, value;

		GUEST_LOAD(ptr, &u->ptr, fault);
		GUEST_LOAD(value, &u->val, fault);
		if ((ptr & WITHOUT_SLOT) != known && live_table(frames, ptr))
			known = ptr & WITHOUT_SLOT;
		if ((ptr & WITHOUT_SLOT) == known) {
			write_preserving(ma_to_va(ptr - MMU_PT_UPDATE_PRESERVE_AD), value);
			continue;
		}
		if (write_plain(frames, ptr, value))
			continue;
		*rc = mmu_update_rare(ptr, value);
		if (*rc)
			break;
	}
	return u;
fault:
	*rc = -XEN_EFAULT;
	return u;
}

static __attribute__((noinline)) long mmu_update_list(const struct mmu_update *updates,
						      uint32_t count, uint32_t *done,
						      uint32_t domid)
{
	const struct mmu_update *u = updates;
	uint32_t left = count & ~MMU_UPDATE_PREEMPTED;
	long rc = 0;

	if (!own_domid(domid))
		return -XEN_ESRCH;
	while (left && !rc) {
		uint32_t some = left < WINDOW_EVERY ? left : WINDOW_EVERY;

		u = mmu_update_some(u, u + some, &rc);
		left -= some;
		if (left)
			vcpu_window();
	}
	return report(done, u - updates, rc);
}

/* One entry without a report is what Linux writes most: no loop, no saved registers. */
long do_mmu_update(const struct mmu_update *updates, uint32_t count, uint32_t *done, uint32_t domid)
{
	uint64_t ptr, value;

	if (__builtin_expect((uint64_t)done | (domid ^ DOMID_SELF), 0) || count != 1)
		return mmu_update_list(updates, count, done, domid);
	GUEST_LOAD(ptr, &updates->ptr, fault);
	GUEST_LOAD(value, &updates->val, fault);
	if (write_plain(domain.frames, ptr, value) || write_live(domain.frames, ptr, value))
		return 0;
	return mmu_update_rare(ptr, value);
fault:
	return -XEN_EFAULT;
}

/* Those that are down too: one may still be running what it ran when another took it down. */
static cpumask_t all_vcpus(void)
{
	return (cpumask_t){domain.nr_vcpus == 64 ? ~0ull : (1ull << domain.nr_vcpus) - 1};
}

/* The VPs named in a guest's bitmap. */
static bool read_vcpumask(const void *guest, cpumask_t *mask)
{
	mask->bits = 0;
	if (!copy_from_guest(&mask->bits, guest, (domain.nr_vcpus + 7) / 8))
		return false;
	mask->bits &= all_vcpus().bits;
	return true;
}

static void flush_local(void)
{
	write_cr3(read_cr3());
}

/* The flags of update_va_mapping: what to flush, and where (xen.h, UVMF_*). */
static __attribute__((noinline)) long flush_by_flags(uint64_t va, uint64_t flags)
{
	cpumask_t mask = cpumask_of(vps_self());
	uint64_t who = flags & ~(uint64_t)UVMF_FLUSHTYPE_MASK;

	switch (flags & UVMF_FLUSHTYPE_MASK) {
	case UVMF_NONE: return 0;
	case UVMF_TLB_FLUSH:
	case UVMF_INVLPG: break;
	default: return -XEN_EINVAL;
	}
	if (who == UVMF_ALL)
		mask = all_vcpus();
	else if (who != UVMF_LOCAL && !read_vcpumask((void *)who, &mask))
		return -XEN_EFAULT;
	if ((flags & UVMF_FLUSHTYPE_MASK) == UVMF_TLB_FLUSH) {
		if (who == UVMF_LOCAL)
			flush_local();
		else
			tlb_flush(mask);
	} else {
		if (who == UVMF_LOCAL)
			invlpg(va);
		else
			tlb_flush_page(mask, va);
	}
	return 0;
}

long do_update_va_mapping(uint64_t va, uint64_t value, uint64_t flags)
{
	uint64_t *e;

	if (!guest_address(va))
		return -XEN_EINVAL;
	e = walk_l1(this_vp()->kernel_cr3, va);
	if (!e)
		return -XEN_EINVAL;
	GUEST_STORE(e, value, fault);
	if (flags == UVMF_NONE)
		return 0;
	if (flags == (UVMF_INVLPG | UVMF_LOCAL)) {
		invlpg(va);
		return 0;
	}
	return flush_by_flags(va, flags);
fault:
	return -XEN_EINVAL;
}

long do_update_va_mapping_otherdomain(uint64_t va, uint64_t value, uint64_t flags, uint32_t domid)
{
	return own_domid(domid) ? do_update_va_mapping(va, value, flags) : -XEN_ESRCH;
}

bool mmu_load_l4(uint64_t m)
{
	struct vp *vp = this_vp();

	if (!frame_is_guests(m))
		return false;
	if (!(domain.frames[m] & FRAME_L4))
		l4_adopt(m);
	vp->kernel_cr3 = m << PAGE_SHIFT;
	write_cr3(vp->kernel_cr3);
	return true;
}

bool mmu_frame_of(uint64_t va, uint64_t *m)
{
	uint64_t *table = walk_l1(this_vp()->kernel_cr3, va), e;

	if (!table)
		return false;
	GUEST_LOAD(e, table, absent);
	*m = (e & PTE_ADDR) >> PAGE_SHIFT;
	return e & PTE_P;
absent:
	return false;
}

/* An L4 is one once it is loaded: Linux pins its user L4s too, which never are but as such (new_user_baseptr puts the least in). */
static long pin(uint64_t m)
{
	if (!frame_is_guests(m))
		return -XEN_EINVAL;
	domain.frames[m] |= FRAME_TABLE;
	return 0;
}

static long unpin(uint64_t m)
{
	if (!frame_is_guests(m))
		return -XEN_EINVAL;
	domain.frames[m] &= ~(FRAME_TABLE | FRAME_L4);
	return 0;
}

/*
 * The L4 that processes run on, where they have one of their own (user_l4.h); 0: none will run. It is adopted each time: it is
 * loaded once a context switch, and its slots are its guest's to write in between.
 */
static long new_user_baseptr(uint64_t m)
{
	if (m && !frame_is_guests(m))
		return -XEN_EINVAL;
	if (!user_l4_used())
		return 0;
	if (m)
		user_l4_install(mfn_to_va(mfn(m)));
	this_vp()->user_cr3 = m << PAGE_SHIFT;
	return 0;
}

static __attribute__((noinline)) long set_ldt(uint64_t va, uint32_t entries)
{
	uint64_t frames[16];

	if (entries > 8192 || va & (PAGE_SIZE - 1) || (entries && !guest_address(va)))
		return -XEN_EINVAL;
	for (unsigned i = 0; i * 512 < entries; i++)
		if (!mmu_frame_of(va + i * PAGE_SIZE, &frames[i]) || !frame_is_guests(frames[i]))
			return -XEN_EINVAL;
	vp_set_ldt(this_vp(), frames, entries);
	return 0;
}

static __attribute__((noinline)) long clear_page(uint64_t m)
{
	if (!frame_is_guests(m))
		return -XEN_EINVAL;
	memset(mfn_to_va(mfn(m)), 0, PAGE_SIZE);
	return 0;
}

static __attribute__((noinline)) long copy_page(uint64_t to, uint64_t from)
{
	if (!frame_is_guests(to) || !frame_is_guests(from))
		return -XEN_EINVAL;
	memmove(mfn_to_va(mfn(to)), mfn_to_va(mfn(from)), PAGE_SIZE);
	return 0;
}

static __attribute__((noinline)) long flush_multi(const void *guest_mask)
{
	cpumask_t mask;

	if (!read_vcpumask(guest_mask, &mask))
		return -XEN_EFAULT;
	tlb_flush(mask);
	return 0;
}

static __attribute__((noinline)) long flush_page_multi(const void *guest_mask, uint64_t va)
{
	cpumask_t mask;

	if (!read_vcpumask(guest_mask, &mask))
		return -XEN_EFAULT;
	tlb_flush_page(mask, va);
	return 0;
}

/* arg1 is a frame or an address; arg2 a count, a frame or a pointer to a vCPU mask. */
static __attribute__((noinline)) long mmuext_one(uint32_t cmd, uint64_t arg1, uint64_t arg2)
{
	switch (cmd) {
	case MMUEXT_PIN_L1_TABLE:
	case MMUEXT_PIN_L2_TABLE:
	case MMUEXT_PIN_L3_TABLE:
	case MMUEXT_PIN_L4_TABLE: return pin(arg1);
	case MMUEXT_UNPIN_TABLE: return unpin(arg1);
	case MMUEXT_NEW_BASEPTR: return mmu_load_l4(arg1) ? 0 : -XEN_EINVAL;
	case MMUEXT_NEW_USER_BASEPTR: return new_user_baseptr(arg1);
	case MMUEXT_TLB_FLUSH_LOCAL: flush_local(); return 0;
	case MMUEXT_INVLPG_LOCAL: invlpg(arg1); return 0;
	case MMUEXT_TLB_FLUSH_MULTI: return flush_multi((void *)arg2);
	case MMUEXT_INVLPG_MULTI: return flush_page_multi((void *)arg2, arg1);
	case MMUEXT_TLB_FLUSH_ALL: tlb_flush(all_vcpus()); return 0;
	case MMUEXT_INVLPG_ALL: tlb_flush_page(all_vcpus(), arg1); return 0;
	case MMUEXT_FLUSH_CACHE:
	case MMUEXT_FLUSH_CACHE_GLOBAL: return -XEN_EACCES; /* no device of the guest's needs it */
	case MMUEXT_SET_LDT: return set_ldt(arg1, arg2);
	case MMUEXT_CLEAR_PAGE: return clear_page(arg1);
	case MMUEXT_COPY_PAGE: return copy_page(arg1, arg2);
	case MMUEXT_MARK_SUPER:
	case MMUEXT_UNMARK_SUPER: return -XEN_EOPNOTSUPP;
	default: return -XEN_ENOSYS;
	}
}

static __attribute__((noinline)) long mmuext_list(const struct mmuext_op *ops, uint32_t count,
						  uint32_t *done, uint32_t domid)
{
	uint32_t i = 0;
	long rc = 0;

	count &= ~MMU_UPDATE_PREEMPTED;
	if (!own_domid(domid))
		return -XEN_ESRCH;
	for (; i < count; i++) {
		uint64_t cmd, arg1, arg2;

		GUEST_LOAD(cmd, &ops[i].cmd, fault);
		GUEST_LOAD(arg1, &ops[i].arg1, fault);
		GUEST_LOAD(arg2, &ops[i].arg2, fault);
		rc = mmuext_one(cmd, arg1, arg2);
		if (rc)
			break;
		if (i % WINDOW_EVERY == WINDOW_EVERY - 1)
			vcpu_window();
	}
	return report(done, i, rc);
fault:
	return report(done, i, -XEN_EFAULT);
}

/* An L4, loaded before, and processes have none of their own: what Linux does at each context switch. False: the long way. */
static inline bool switch_l4(uint64_t m, uint64_t user_m)
{
	if (m >= domain.max_mfn || domain.frames[m] < (FRAME_GUEST | FRAME_L4) || user_l4_used())
		return false;
	if (user_m && !frame_is_guests(user_m))
		return false;
	this_vp()->kernel_cr3 = m << PAGE_SHIFT;
	write_cr3(m << PAGE_SHIFT);
	return true;
}

static inline long mmuext_two(const struct mmuext_op *ops)
{
	uint64_t cmd, m, user_cmd, user_m;

	GUEST_LOAD(cmd, &ops[0].cmd, fault);
	GUEST_LOAD(m, &ops[0].arg1, fault);
	GUEST_LOAD(user_cmd, &ops[1].cmd, fault);
	GUEST_LOAD(user_m, &ops[1].arg1, fault);
	if ((uint32_t)cmd == MMUEXT_NEW_BASEPTR && (uint32_t)user_cmd == MMUEXT_NEW_USER_BASEPTR &&
	    switch_l4(m, user_m))
		return 0;
fault:
	return mmuext_list(ops, 2, NULL, DOMID_SELF);
}

long do_mmuext_op(const struct mmuext_op *ops, uint32_t count, uint32_t *done, uint32_t domid)
{
	uint64_t cmd, arg1, arg2;

	_Static_assert(sizeof(*ops) == 24, "xen.h: command and two words");
	if (__builtin_expect((uint64_t)done | (domid ^ DOMID_SELF), 0))
		return mmuext_list(ops, count, done, domid);
	if (count == 2)
		return mmuext_two(ops);
	if (count != 1)
		return mmuext_list(ops, count, done, domid);
	GUEST_LOAD(cmd, &ops->cmd, fault);
	GUEST_LOAD(arg1, &ops->arg1, fault);
	GUEST_LOAD(arg2, &ops->arg2, fault);
	return mmuext_one(cmd, arg1, arg2);
fault:
	return -XEN_EFAULT;
}

/* Whether frame `m` is a table under `table`, which is of level `level`; for guests that pin their L4 only. */
static bool is_table_under(const uint64_t *table, unsigned level, uint64_t m)
{
	for (unsigned i = 0; i < 512; i++) {
		uint64_t child = (table[i] & PTE_ADDR) >> PAGE_SHIFT;

		if (!(table[i] & PTE_P) || (level < 4 && table[i] & PTE_PS) ||
		    !frame_is_guests(child))
			continue;
		if (child == m ||
		    (level > 2 && is_table_under(mfn_to_va(mfn(child)), level - 1, m)))
			return true;
	}
	return false;
}

bool mmu_write_fault(uint64_t va)
{
	uint64_t cr3 = this_vp()->kernel_cr3;
	uint64_t *e;
	uint64_t m;

	if (!guest_address(va))
		return false;
	e = walk_l1(cr3, va);
	if (!e || !(*e & PTE_P))
		return false;
	m = (*e & PTE_ADDR) >> PAGE_SHIFT;
	if (!frame_is_guests(m))
		return false;
	if (!(domain.frames[m] & FRAME_TABLE)) {
		/* A kernel that stores to a process's read-only page is an everyday matter: no search for those. */
		if ((int64_t)va >= 0 && !domain.kernel_low)
			return false;
		if (m != cr3 >> PAGE_SHIFT && !is_table_under(ma_to_va(cr3), 4, m))
			return false;
	}
	__atomic_fetch_or(e, PTE_W, __ATOMIC_RELAXED);
	invlpg(va);
	return true;
}
