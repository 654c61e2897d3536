/* SPDX-License-Identifier: MIT */
#include "adapter/x86/privop_env.h"

#include "adapter/seam/clock.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/paging.h"
#include "adapter/x86/traps.h"
#include "adapter/x86/vp.h"
#include "adapter/xen/cr2.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"

static bool env_read(void *ctx, uint64_t va, void *to, size_t n)
{
	(void)ctx;
	return copy_from_guest(to, (const void *)va, n);
}

static bool env_write(void *ctx, uint64_t va, const void *from, size_t n)
{
	(void)ctx;
	return copy_to_guest((void *)va, from, n);
}

static uint16_t env_selector(void *ctx, enum privop_segment segment)
{
	uint16_t s = 0;

	(void)ctx;
	switch (segment) {
	case PRIVOP_DS: asm volatile("mov %%ds, %0" : "=r"(s)); break;
	case PRIVOP_ES: asm volatile("mov %%es, %0" : "=r"(s)); break;
	case PRIVOP_FS: asm volatile("mov %%fs, %0" : "=r"(s)); break;
	case PRIVOP_GS: asm volatile("mov %%gs, %0" : "=r"(s)); break;
	default: break;
	}
	return s;
}

/* The GDT's window has pages that are not there, so it is read as the guest's memory would be. */
static uint64_t env_descriptor(void *ctx, uint16_t selector)
{
	const struct vp *vp = ctx;
	uint64_t table = vp_window(vp->id) + (selector & 4 ? VP_WINDOW_LDT : 0);
	uint64_t d;

	if (guest_copy(&d, (const void *)(table + (selector & ~7u)), sizeof(d)))
		return 0;
	return d;
}

static unsigned env_iopl(void *ctx)
{
	return ((struct vp *)ctx)->iopl;
}

static bool env_io_bitmap(void *ctx, uint16_t port, unsigned bytes)
{
	const struct vp *vp = ctx;
	uint16_t bits = 0;

	if (!vp->io_bitmap || (unsigned)port + bytes > vp->io_ports)
		return false;
	/* Two bytes, as the processor reads: the ports may straddle them. */
	if (!copy_from_guest(&bits, vp->io_bitmap + port / 8, (port % 8 + bytes + 7) / 8))
		return false;
	return !(bits >> port % 8 & ((1u << bytes) - 1));
}

static uint64_t env_get_cr(void *ctx, unsigned cr)
{
	const struct vp *vp = ctx;

	switch (cr) {
	case 0: return (read_cr0() & ~(uint64_t)CR0_TS) | (vp->task_switched ? CR0_TS : 0);
	case 2: return guest_cr2(vp->info);
	case 3: return vp->kernel_cr3;
	case 4: return vp->cr4;
	default: return 0;
	}
}

#define CR4_GUEST_OWNED (CR4_FSGSBASE | CR4_DE | 1u << 2 /* TSD */)

static bool env_set_cr(void *ctx, unsigned cr, uint64_t value)
{
	struct vp *vp = ctx;

	switch (cr) {
	case 0: do_fpu_taskswitch(!!(value & CR0_TS)); return true;
	case 2: set_guest_cr2(vp->info, value); return true;
	case 4:
		vp->cr4 = value;
		write_cr4((read_cr4() & ~(uint64_t)CR4_GUEST_OWNED) | (value & CR4_GUEST_OWNED));
		return true;
	default: return false;
	}
}

static uint64_t env_host_cr4(void *ctx)
{
	(void)ctx;
	return read_cr4();
}

static bool env_get_dr(void *ctx, unsigned dr, uint64_t *value)
{
	(void)ctx;
	*value = do_get_debugreg(dr);
	return true;
}

static bool env_set_dr(void *ctx, unsigned dr, uint64_t value)
{
	(void)ctx;
	return do_set_debugreg(dr == 4 || dr == 5 ? dr + 2 : dr, value) == 0;
}

static bool env_rdmsr(void *ctx, uint32_t msr, uint64_t *value)
{
	(void)ctx;
	return try_rdmsr(msr, value);
}

static bool env_wrmsr(void *ctx, uint32_t msr, uint64_t value)
{
	(void)ctx;
	return try_wrmsr(msr, value);
}

static bool env_xsetbv(void *ctx, uint32_t index, uint64_t value)
{
	(void)ctx;
	return try_xsetbv(index, value);
}

static uint64_t env_rdtsc(void *ctx)
{
	(void)ctx;
	return rdtsc();
}

static const struct cpuid_view *env_cpuid_view(void *ctx)
{
	static struct cpuid_view views[MAX_VPS];
	static enum cpuid_vendor vendor;
	static bool vendor_known;
	const struct vp *vp = ctx;
	struct cpuid_view *view = &views[vp->id];
	struct clock_scale scale = clock_scale();

	view->host = cpuid_count;
	/* CPUID leaves the partition: not once for each MSR that the guest reads. */
	if (!vendor_known) {
		vendor = cpuid_vendor(cpuid(0));
		vendor_known = true;
	}
	view->vendor = vendor;
	view->cr4 = vp->cr4;
	view->tsc_khz = clock_tsc_hz() / 1000;
	view->tsc_to_ns_mul = scale.mul;
	view->tsc_to_ns_shift = scale.shift;
	view->machine_address_bits = 64 - __builtin_clzll(domain.max_mfn << PAGE_SHIFT);
	return view;
}

static unsigned env_vcpu(void *ctx)
{
	return ((struct vp *)ctx)->id;
}

static bool env_has_gp_handler(void *ctx)
{
	return ((struct vp *)ctx)->traps[TRAP_GP].address != 0;
}

const struct privop_ops privop_env = {
    .read = env_read,
    .write = env_write,
    .selector = env_selector,
    .descriptor = env_descriptor,
    .iopl = env_iopl,
    .io_bitmap = env_io_bitmap,
    .get_cr = env_get_cr,
    .set_cr = env_set_cr,
    .host_cr4 = env_host_cr4,
    .get_dr = env_get_dr,
    .set_dr = env_set_dr,
    .rdmsr = env_rdmsr,
    .wrmsr = env_wrmsr,
    .xsetbv = env_xsetbv,
    .rdtsc = env_rdtsc,
    .cpuid_view = env_cpuid_view,
    .vcpu = env_vcpu,
    .has_gp_handler = env_has_gp_handler,
};
