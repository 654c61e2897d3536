/* SPDX-License-Identifier: MIT */
/* Descriptor tables, segment bases, the kernel's stack and the FPU's lazy switch. */
#include "adapter/x86/asm.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/segments.h"

#define DESC_P    (1ull << 47)
#define DESC_S    (1ull << 44)
#define DESC_DPL  (3ull << 45)
#define DESC_DPL1 (1ull << 45)
#define DESC_L    (1ull << 53)
#define DESC_DB   (1ull << 54)
#define DESC_CODE (1ull << 43)
#define DESC_CONF (1ull << 42)

bool descriptor_fix(uint64_t *d)
{
	if (!(*d & DESC_P))
		return true;
	/* Gates, TSSs and LDTs are the hypervisor's to give; so are conforming segments, as Xen holds it. */
	if (!(*d & DESC_S))
		return false;
	if ((*d & (DESC_CODE | DESC_CONF)) == (DESC_CODE | DESC_CONF))
		return false;
	if ((*d & (DESC_CODE | DESC_L | DESC_DB)) == (DESC_CODE | DESC_L | DESC_DB))
		return false;
	/* The guest's kernel is in ring 1; nobody is in ring 2. */
	if ((*d & DESC_DPL) < DESC_DPL1)
		*d |= DESC_DPL1;
	else if ((*d & DESC_DPL) > DESC_DPL1)
		*d |= DESC_DPL;
	return true;
}

/* The frames of a guest's descriptor table, made safe in place. */
bool descriptors_adopt(const uint64_t *frames, unsigned pages)
{
	for (unsigned i = 0; i < pages; i++) {
		uint64_t *d;

		if (!frame_is_guests(frames[i]))
			return false;
		d = mfn_to_va(mfn(frames[i]));
		for (unsigned j = 0; j < PAGE_SIZE / sizeof(*d); j++)
			if (!descriptor_fix(&d[j]))
				return false;
	}
	return true;
}

long do_set_gdt(const uint64_t *frames, uint32_t entries)
{
	uint64_t copy[GUEST_GDT_PAGES];
	unsigned pages = (entries + 511) / 512;

	if (entries > GUEST_GDT_PAGES * 512)
		return -XEN_EINVAL;
	if (!copy_from_guest(copy, frames, pages * sizeof(*copy)))
		return -XEN_EFAULT;
	if (!descriptors_adopt(copy, pages))
		return -XEN_EINVAL;
	vp_set_gdt(this_vp(), copy, pages);
	return 0;
}

long do_update_descriptor(uint64_t ma, uint64_t descriptor)
{
	if (ma & 7 || !frame_is_guests(ma >> PAGE_SHIFT) || !descriptor_fix(&descriptor))
		return -XEN_EINVAL;
	__atomic_store_n((uint64_t *)ma_to_va(ma), descriptor, __ATOMIC_RELAXED);
	return 0;
}

long do_set_segment_base(uint32_t which, uint64_t base)
{
	if (which != SEGBASE_GS_USER_SEL && !canonical_address(base))
		return -XEN_EINVAL;
	/*
	 * Ahead of the others, what Linux asks at each context switch: the process's GS base where there is FSGSBASE, else its FS base where it has
	 * threads' storage. The kernel asks, so its own GS base is the active one.
	 */
	if (__builtin_expect(which == SEGBASE_GS_USER, 1)) {
		wrmsr(MSR_KERNEL_GS_BASE, base);
		return 0;
	}
	switch (which) {
	case SEGBASE_FS: wrmsr(MSR_FS_BASE, base); return 0;
	case SEGBASE_GS_KERNEL: wrmsr(MSR_GS_BASE, base); return 0;
	case SEGBASE_GS_USER_SEL: return load_gs_user(base) ? 0 : -XEN_EINVAL;
	default: return -XEN_EINVAL;
	}
}

long do_stack_switch(uint64_t ss, uint64_t sp)
{
	(void)ss; /* in 64-bit mode ring 1 has one stack segment */
	vp_set_kernel_sp(this_vp(), sp);
	vp_catch_up(this_vp());
	return 0;
}

long do_fpu_taskswitch(int set)
{
	this_vp()->task_switched = set;
	if (set)
		write_cr0(read_cr0() | CR0_TS);
	else
		clts();
	return 0;
}
