/* SPDX-License-Identifier: MIT */
#include "adapter/x86/vp.h"

#include "adapter/seam/vps.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/mem.h"
#include "adapter/x86/paging.h"
#include "adapter/x86/traps.h"
#include "adapter/x86/user_l4.h"
#include "core/string.h"

#define DESC_CODE64(dpl) (0x00af9b000000ffffull | (uint64_t)(dpl) << 45)
#define DESC_CODE32(dpl) (0x00cf9b000000ffffull | (uint64_t)(dpl) << 45)
#define DESC_DATA(dpl)   (0x00cf93000000ffffull | (uint64_t)(dpl) << 45)

#define STUB_SIZE      512
#define RESERVED_FIRST 0xe000 /* FIRST_RESERVED_GDT_BYTE of the Xen ABI */

struct tss {
	uint32_t reserved0;
	uint64_t rsp[3];
	uint64_t reserved1;
	uint64_t ist[7];
	uint64_t reserved2;
	uint16_t reserved3;
	uint16_t iomap_base;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "AMD64 manual volume 2, 12.2.5");

extern const uint8_t syscall_stub[], syscall_stub_end[];
extern const uint32_t syscall_stub_jumps[], syscall_stub_jumps_end[];
extern const uint8_t hypercall[], syscall32_common[], sysenter_common[];
extern const uint8_t user_l4_syscall[], user_l4_syscall32[], user_l4_sysenter[];

static uint64_t *gdt_entry(unsigned id, unsigned selector)
{
	return (uint64_t *)(vp_window(id) + (selector & ~7u));
}

/* A system descriptor (TSS, LDT) takes two GDT entries. */
static void set_system_descriptor(uint64_t *d, uint64_t base, uint32_t limit, unsigned type)
{
	d[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)(0x80 | type) << 40 |
	       (base >> 24 & 0xff) << 56;
	d[1] = base >> 32;
}

/* Where nobody runs in ring 3, 0xe033 is the kernel's own, as on Xen: an iretq to it faults, and is carried out then (privop_iret.c). */
static void set_user_code(unsigned id, bool has_processes)
{
	*gdt_entry(id, SEL_USER_CS64) = DESC_CODE64(has_processes ? 3 : 1);
}

static void make_gdt(unsigned id, bool has_processes)
{
	uint64_t tss = vp_window(id) + VP_WINDOW_TSS;

	*gdt_entry(id, SEL_ADAPTER_CS) = DESC_CODE64(0);
	*gdt_entry(id, SEL_ADAPTER_SS) = DESC_DATA(0);
	*gdt_entry(id, SEL_KERNEL_CS) = DESC_CODE64(1);
	*gdt_entry(id, SEL_KERNEL_SS) = DESC_DATA(1);
	*gdt_entry(id, SEL_USER_CS32) = DESC_CODE32(3);
	*gdt_entry(id, SEL_USER_DS) = DESC_DATA(3);
	set_user_code(id, has_processes);
	set_system_descriptor(gdt_entry(id, SEL_TSS), tss, sizeof(struct tss) - 1, 9);
}

static void make_tss(unsigned id, struct vp *vp)
{
	struct tss *tss = (struct tss *)(vp_window(id) + VP_WINDOW_TSS);
	uint64_t block = vp_window(id) + VP_WINDOW_STACK;

	tss->rsp[0] = (uint64_t)vp;
	for (unsigned i = 0; i < VP_STACK_GUARD; i++)
		tss->ist[i] = block + (i + 1) * PAGE_SIZE;
	tss->iomap_base =
	    sizeof(struct tss); /* beyond the limit: no port is open to anybody but ring 0 */
}

/*
 * The first instructions after a syscall instruction, which must find this VP without a register to spare. `at` is where
 * they run, `writable` the same bytes in the direct map.
 */
static void make_stub(uint64_t at, uint8_t *writable, const struct vp *vp, const void *target)
{
	const struct {
		uint8_t opcode[3], length;
		uint64_t operand; /* rip-relative */
	} insns[] = {
	    {{0x48, 0x89, 0x25}, 3, (uint64_t)&vp->resume.rsp}, /* mov %rsp, vp->resume.rsp(%rip) */
	    {{0x48, 0x8d, 0x25}, 3, (uint64_t)vp},              /* lea vp(%rip), %rsp */
	    {{0xe9}, 1, (uint64_t)target},                      /* jmp target */
	};

	for (unsigned i = 0; i < 3; i++) {
		unsigned n = insns[i].length;
		int32_t offset = (int32_t)(insns[i].operand - (at + n + 4));

		memcpy(writable, insns[i].opcode, n);
		memcpy(writable + n, &offset, 4);
		writable += n + 4;
		at += n + 4;
	}
}

static uint8_t *stub_page(unsigned id)
{
	return (uint8_t *)(vp_window(id) + VP_WINDOW_STUB);
}

/* The fast stub of entry.S. It finds struct vp by its own place; only its jumps into the image have to be told where they are now. */
static void copy_stub(uint64_t at, uint8_t *writable)
{
	memcpy(writable, syscall_stub, syscall_stub_end - syscall_stub);
	for (const uint32_t *site = syscall_stub_jumps; site < syscall_stub_jumps_end; site++) {
		int32_t offset;

		memcpy(&offset, writable + *site, sizeof(offset));
		offset += (int32_t)((uint64_t)syscall_stub - at);
		memcpy(writable + *site, &offset, sizeof(offset));
	}
}

static void make_stubs(unsigned id, const struct vp *vp, uint8_t *writable, bool has_processes)
{
	uint64_t at = (uint64_t)stub_page(id);
	uint64_t compat = at + STUB_SIZE;

	if (!has_processes)
		make_stub(at, writable, vp, hypercall);
	else if (user_l4_used())
		make_stub(at, writable, vp, user_l4_syscall);
	else
		copy_stub(at, writable);
	make_stub(compat, writable + STUB_SIZE, vp,
		  user_l4_used() ? user_l4_syscall32 : syscall32_common);
}

void vp_gets_processes(unsigned id)
{
	set_user_code(id, true);
	make_stubs(id, vp_of(id), ma_to_va(virt_to_ma(stub_page(id))), true);
}

bool vp_due_at_return(void)
{
	struct vp *vp = this_vp();

	if (!vp->enter.rip)
		return false;
	vp->detour[0] = 1;
	vp->iret_info = (struct vcpu_info *)vp->detour;
	return true;
}

void vp_catch_up(struct vp *vp)
{
	if (vp->iret_info == vp->info)
		return;
	vp->iret_info = vp->info;
	vp_about_to_wait();
}

void vp_mask_changed(struct vp *vp)
{
	vp->iret_info = vp->info;
	vp->syscall_mask =
	    vp->syscall_masks_events && vp->info ? (uint8_t *)vp->info + 1 : &vp->no_mask;
}

/*
 * What a GDT has where the guest gave no frame: descriptors that are not present, so that a selector is answered with #GP
 * and not with a page fault at an address of the adapter's. The processor writes to none of them.
 */
static uint64_t empty_page(void)
{
	static void *page;

	if (!page)
		page = page_alloc(1);
	return va_to_ma(page);
}

struct vp *vp_create(unsigned id, bool has_processes)
{
	uint64_t window = vp_window(id);
	struct vp *vp = vp_of(id);
	uint8_t *stubs = page_alloc(1);

	for (unsigned i = 0; i < GUEST_GDT_PAGES; i++)
		map_page(window + i * PAGE_SIZE, empty_page(), MAP_DATA);
	map_page(window + RESERVED_FIRST, va_to_ma(page_alloc(1)), MAP_DATA);
	map_page(window + RESERVED_FIRST + PAGE_SIZE, va_to_ma(page_alloc(1)), MAP_DATA);
	for (unsigned i = 0; i < VP_STACK_SIZE / PAGE_SIZE; i++)
		if (i != VP_STACK_GUARD)
			map_page(window + VP_WINDOW_STACK + i * PAGE_SIZE, va_to_ma(page_alloc(1)),
				 MAP_DATA);
	map_page(window + VP_WINDOW_STUB, va_to_ma(stubs), MAP_CODE);
	map_page(window + VP_WINDOW_TSS, va_to_ma(page_alloc(1)), MAP_DATA);

	vp->id = id;
	vp->resume.cs = vp->enter.cs = SEL_KERNEL_CS;
	vp->resume.ss = vp->enter.ss = SEL_KERNEL_SS;
	vp->enter.rflags = RFLAGS_IF | 2;
	vp->traps = page_alloc(1);
	make_gdt(id, has_processes);
	make_tss(id, vp);
	make_stubs(id, vp, stubs, has_processes);
	return vp;
}

static void load_gdt(unsigned id)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) reg = {0xffff, vp_window(id)};

	/* A busy TSS cannot be loaded again after a VP was taken down and brought back. */
	*gdt_entry(id, SEL_TSS) &= ~(2ull << 40);
	asm volatile("lgdt %0\n\t"
		     "push %1\n\t"
		     "lea 1f(%%rip), %%rax\n\t"
		     "push %%rax\n\t"
		     "lretq\n"
		     "1:\n\t"
		     "mov %2, %%ss\n\t"
		     "mov %3, %%ds\n\t"
		     "mov %3, %%es\n\t"
		     "mov %3, %%fs\n\t"
		     "mov %3, %%gs\n\t"
		     "ltr %w4\n\t"
		     "lldt %w3"
		     :
		     : "m"(reg), "i"(SEL_ADAPTER_CS), "r"(SEL_ADAPTER_SS), "r"(0), "r"(SEL_TSS)
		     : "rax", "memory");
}

static void load_syscall(unsigned id)
{
	uint64_t stub = (uint64_t)stub_page(id);

	wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | EFER_NXE);
	wrmsr(MSR_STAR, (uint64_t)SEL_USER_CS32 << 48 | (uint64_t)SEL_ADAPTER_CS << 32);
	wrmsr(MSR_LSTAR, stub);
	wrmsr(MSR_CSTAR, stub + STUB_SIZE);
	wrmsr(MSR_SYSCALL_MASK, RFLAGS_TF | RFLAGS_IF | RFLAGS_DF | RFLAGS_IOPL | RFLAGS_NT |
				    RFLAGS_RF | RFLAGS_VM | RFLAGS_AC | RFLAGS_VIF | RFLAGS_VIP);
	if (cpuid(0).ebx == 0x756e6547) { /* "Genu": AMD has no sysenter in long mode */
		wrmsr(MSR_SYSENTER_CS, SEL_ADAPTER_CS);
		wrmsr(MSR_SYSENTER_ESP, (uint64_t)vp_of(id));
		wrmsr(MSR_SYSENTER_EIP,
		      (uint64_t)(user_l4_used() ? user_l4_sysenter : sysenter_common));
	}
}

static uint64_t cr4_wanted(void)
{
	uint64_t cr4 = CR4_DE | CR4_PAE | CR4_MCE | CR4_OSFXSR | CR4_OSXMMEXCPT;
	uint32_t leaf7 = cpuid(0).eax >= 7 ? cpuid_count(7, 0).ebx : 0;

	if (!user_l4_used())
		cr4 |= CR4_PGE;
	if (cpuid(1).ecx & 1u << 26)
		cr4 |= CR4_OSXSAVE; /* before the guest looks, or it falls back to FXSAVE */
	if (leaf7 & 1u << 0)
		cr4 |= CR4_FSGSBASE;
	if (leaf7 & 1u << 7)
		cr4 |= CR4_SMEP;
	return cr4;
}

void vp_load(struct vp *vp)
{
	load_gdt(vp->id);
	idt_load();
	load_syscall(vp->id);
	write_cr4(cr4_wanted());
	write_cr0((read_cr0() | CR0_MP | CR0_NE | CR0_WP) & ~(uint64_t)(CR0_EM | CR0_TS));
}

void vp_set_gdt(struct vp *vp, const uint64_t *frames, unsigned pages)
{
	for (unsigned i = 0; i < GUEST_GDT_PAGES; i++) {
		uint64_t va = vp_window(vp->id) + i * PAGE_SIZE;

		if (i < pages)
			map_page(va, frames[i] << PAGE_SHIFT, MAP_DATA);
		else
			map_page(va, empty_page(), MAP_DATA);
		invlpg(va);
	}
}

void vp_set_ldt(struct vp *vp, const uint64_t *frames, unsigned entries)
{
	uint64_t base = vp_window(vp->id) + VP_WINDOW_LDT;

	for (unsigned i = 0; i * 512 < entries; i++) {
		map_page(base + i * PAGE_SIZE, frames[i] << PAGE_SHIFT, MAP_DATA);
		invlpg(base + i * PAGE_SIZE);
	}
	if (entries)
		set_system_descriptor(gdt_entry(vp->id, SEL_LDT), base, entries * 8 - 1, 2);
	asm volatile("lldt %w0" : : "r"(entries ? SEL_LDT : 0) : "memory");
}
