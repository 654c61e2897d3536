/* SPDX-License-Identifier: MIT */
/* The adapter's life, from the boot loader to the guest. */
#include "adapter/boot/bootinfo.h"
#include "adapter/boot/build.h"
#include "adapter/boot/cmdline.h"
#include "adapter/boot/memory.h"
#include "adapter/hv/discover.h"
#include "adapter/hv/hv.h"
#include "adapter/hv/storvsc.h"
#include "adapter/hv/vp.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/acpi.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/image.h"
#include "adapter/x86/irq.h"
#include "adapter/x86/log.h"
#include "adapter/x86/paging.h"
#include "adapter/x86/power.h"
#include "adapter/x86/smpboot.h"
#include "adapter/x86/traps.h"
#include "adapter/x86/tsc.h"
#include "adapter/x86/uart.h"
#include "adapter/x86/user_l4.h"
#include "adapter/xen/blkdev.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/mmu.h"
#include "adapter/xen/netdev.h"
#include "adapter/xen/time.h"
#include "adapter/xen/upcall.h"
#include "adapter/xen/vcpu.h"
#include "core/block.h"
#include "core/bump.h"
#include "core/fmt.h"
#include "core/options_adapter.h"
#include "core/libc/shim.h"
#include "core/string.h"
#include <xen/features.h>

static struct guest_image image;
static struct adapter_options options;

/* What a kernel may require of us: see core/kimage.h on why this is not what get_features answers. */
#define FEATURES                                                                         \
	(1u << XENFEAT_writable_page_tables | 1u << XENFEAT_writable_descriptor_tables | \
	 1u << XENFEAT_pae_pgdir_above_4gb | 1u << XENFEAT_mmu_pt_update_preserve_ad |   \
	 1u << XENFEAT_gnttab_map_avail_bits)

static _Noreturn void refuse_kernel(const struct kimage_fault *fault)
{
	char why[160];

	kimage_explain(fault, why, sizeof(why));
	refuse("%s", why);
}

/* core/libc/shim.h */
_Noreturn void libc_shim_fatal(const char *what)
{
	panic("%s", what);
}

static void *borrow(uint64_t bytes, const char *what)
{
	uint64_t ma = memory_borrow(bytes);

	if (!ma)
		refuse("too little memory: no %lu KiB for %s", bytes >> 10, what);
	return ma_to_va(ma);
}

/* Unpacks to a place of its own: `length` says how much of it there is. */
static void *unpack_kernel(const struct kimage_payload *payload, size_t *length)
{
	struct kimage_fault fault;
	struct bump work = {.size = payload->work_size};
	uint64_t room = payload->unpacked;
	void *elf, *kept;

	work.base = work.size ? borrow(work.size, "unpacking the kernel") : NULL;
	/* Where no size is declared all there is may be needed; what comes out is then moved out of the kernel's own way. */
	elf = room ? borrow(room, "the unpacked kernel") : ma_to_va(memory_largest(&room));
	if (kimage_unpack(payload, elf, room, &work, length, &fault))
		refuse_kernel(&fault);
	if (payload->unpacked)
		return elf;
	kept = borrow(*length, "the unpacked kernel");
	return memmove(kept, elf, *length);
}

static void load_kernel(const struct boot_module *module)
{
	struct kimage_payload payload;
	struct kimage_fault fault;
	size_t length;

	if (kimage_probe(ma_to_va(module->ma), module->size, &payload, &fault))
		refuse_kernel(&fault);
	image.elf = unpack_kernel(&payload, &length);
	if (kimage_parse(image.elf, length, &image.kernel, &fault) ||
	    kimage_check(&image.kernel, FEATURES, &fault))
		refuse_kernel(&fault);
	log_info("kernel: %s%s, %lu KiB unpacked", payload.bzimage ? "bzImage, " : "",
		 kimage_format_name(payload.format), length >> 10);
	domain.kernel_low = (int64_t)image.kernel.virt_base >= 0;
	image.elf_size = length;
	image.cmdline = module->cmdline;
}

/* Tells a Linux in front of its command line what that says nothing of. */
static void tell_guest(const char *name, const char *value)
{
	static char lines[2][MAX_GUEST_CMDLINE];
	char *line = lines[image.cmdline == lines[0]];

	if (strcmp(image.kernel.guest_os, "linux") ||
	    !cmdline_default(line, MAX_GUEST_CMDLINE, image.cmdline, name, value))
		return;
	image.cmdline = line;
	log_info("the guest is told %s=%s", name, value);
}

/*
 * Linux before 6.3 takes Xen's clock in a domU, because a domU may migrate to a processor of another frequency; later ones take the TSC where Xen says
 * that it is never emulated, and is invariant. Here both hold wherever CPUID says invariant: Viridian keeps that promise through its own migrations.
 */
static void choose_clocksource(void)
{
	if (options.clocksource == OPT_CLOCKSOURCE_AUTO && tsc_is_invariant())
		tell_guest("clocksource", "tsc");
}

/* blkfront cuts transfers at 128 KiB where nothing else is said, which doubles what long ones cost beyond their pages. */
static void choose_disk_requests(void)
{
	char segments[8];

	fmt(segments, sizeof(segments), "%u", BLOCK_SEGMENTS_MAX);
	if (options.blkfront == OPT_BLKFRONT_AUTO)
		tell_guest("xen_blkfront.max_indirect_segments", segments);
}

/* Where an archive begins behind one that ends there, as Linux reads them. */
static uint64_t next_archive(uint64_t end)
{
	return (end + 3) & ~3ull;
}

/* The modules behind the kernel, one after the other, to a place of their own: where the boot loader put them may be where the kernel goes. */
static void load_initrd(const struct boot_module *modules, unsigned nr)
{
	uint64_t size = 0, at = 0;
	uint8_t *to;

	for (unsigned i = 0; i < nr; i++)
		size = next_archive(size) + modules[i].size;
	to = borrow(size, "the initrd");
	for (unsigned i = 0; i < nr; i++) {
		memset(to + at, 0, next_archive(at) - at);
		at = next_archive(at);
		memcpy(to + at, ma_to_va(modules[i].ma), modules[i].size);
		at += modules[i].size;
	}
	image.initrd_ma = va_to_ma(to);
	image.initrd_size = size;
}

/* A kicked VP has nothing to do here: it looks at its events on the way back to the guest. */
static void kicked(void)
{
	apic_eoi();
}

static void secondary_main(void *vp)
{
	struct vp *self = vp;

	vp_load(self);
	hv_vp_init(self->id);
	vcpu_run();
}

/* Whoever opens a channel for a VP, or wants a queue for each, must find it able to take interrupts. */
static void await_secondary(unsigned vp)
{
	while (!(hv_started().bits >> vp & 1))
		cpu_relax();
}

static void start_secondaries(void)
{
	for (unsigned i = 1; i < domain.nr_vcpus; i++) {
		struct vp *vp = vp_of(i);

		if (smp_start(i, vp, secondary_main, vp))
			await_secondary(i);
		else
			domain.vcpus[i].state = VCPU_ABSENT;
	}
}

/* On VP 0's own stack, which is what this_vp() needs. */
static _Noreturn void boot_on_vp(void)
{
	struct vp *vp = this_vp();
	struct vcpu *v = vp->vcpu;

	vp_load(vp);
	hv_vp_init(0);
	hv_console_init();
	start_secondaries();
	choose_clocksource();
	choose_disk_requests();
	build_guest(&image);
	hv_devices_init((unsigned)options.mtu);
	log_info("entering the guest after %lu us; own memory %lu of %lu KiB", clock_now() / 1000,
		 memory_pool_used() >> 10, memory_pool_size() >> 10);
	if (!mmu_load_l4(vp->kernel_cr3 >> PAGE_SHIFT))
		panic("the guest's first L4 is not its own");
	upcall_mask(vp->info);
	time_update(v);
	runstate_change(v, RUNSTATE_running);
	guest_enter(&v->start);
}

static _Noreturn void switch_stack(struct vp *vp)
{
	asm volatile("mov %0, %%rsp\n\tcall *%1" : : "r"(vp), "r"(boot_on_vp) : "memory");
	__builtin_unreachable();
}

static void take_options(const char *line, struct adapter_options *options)
{
	static const enum log_level levels[] = {
	    [OPT_LOG_ERROR] = LOG_ERROR,
	    [OPT_LOG_WARNING] = LOG_WARNING,
	    [OPT_LOG_INFO] = LOG_INFO,
	    [OPT_LOG_DEBUG] = LOG_DEBUG,
	};
	static const enum crash_action actions[] = {
	    [OPT_CRASH_RESET] = CRASH_RESET,
	    [OPT_CRASH_OFF] = CRASH_OFF,
	    [OPT_CRASH_HALT] = CRASH_HALT,
	};
	static const enum user_l4_policy policies[] = {
	    [OPT_XPTI_AUTO] = USER_L4_AUTO,
	    [OPT_XPTI_ON] = USER_L4_ON,
	    [OPT_XPTI_OFF] = USER_L4_OFF,
	};
	char error[160];
	const char *why;

	if (!adapter_options_parse(line, options, error, sizeof(error)))
		refuse("%s", error);
	why = storvsc_configure(options->disks, options->boot_image == OPT_BOOT_IMAGE_SHOWN);
	if (why)
		refuse("%s", why);
	log_threshold = levels[options->loglevel];
	crash_action = actions[options->crash];
	user_l4_decide(policies[options->xpti]);
}

/* How many VPs the guest gets, before the hypervisor's side counts them. */
static unsigned vps_wanted(const struct adapter_options *options)
{
	unsigned n = acpi_cpu_count() ? acpi_cpu_count() : 1;

	if (options->vcpus && options->vcpus < n)
		n = options->vcpus;
	return n < MAX_VPS ? n : MAX_VPS;
}

_Noreturn void adapter_main(const struct bootinfo *boot)
{
	const char *why;
	unsigned vps;

	uart_init();
	acpi_init(boot->rsdp); /* first of all, so that a refusal can power off */
	take_options(boot->cmdline, &options);
	log_info("Xenolith, started by %s", boot->loader);
	why = hv_discover(options.no_hv);
	if (why)
		refuse("%s", why);
	if (!boot->nr_modules)
		refuse("no kernel: give one as the first module");
	vps = vps_wanted(&options);
	memory_init(boot, image_end - image_start, vps, options.mem);
	load_kernel(&boot->modules[0]);
	if (boot->nr_modules > 1)
		load_initrd(&boot->modules[1], boot->nr_modules - 1);
	paging_init(memory_top());
	hv_boot_init();
	idt_init();
	irq_register(VECTOR_KICK, kicked);
	if (vps > vps_count())
		vps = vps_count();
	for (unsigned i = 0; i < vps; i++)
		vp_create(i, !domain.kernel_low);
	user_l4_init();
	device_memory_init(vps);
	domain_init(vps);
	blkdev_init();
	netdev_init();
	switch_stack(vp_of(0));
}
