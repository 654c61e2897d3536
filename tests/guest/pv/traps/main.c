/* SPDX-License-Identifier: MIT */
/* Exceptions of the guest's kernel: which vector, which error code, which address. */
#include "tests/guest/pv/kit/pv.h"

#include <xen/physdev.h>

static uint8_t page[PAGE_SIZE] PAGE_ALIGNED;
static const uint64_t hypervisor = 0xffff830000000000; /* where no guest may look */

static void arithmetic_and_software(void)
{
	TRY("divl %0", : : "r"(0) : "eax", "edx");
	fact_caught("divide by zero", NULL);
	TRY("ud2");
	fact_caught("ud2", NULL);
	TRY("int $0x20");
	fact_caught("int 0x20, DPL 0", NULL);
	TRY("int $0x0d");
	fact_caught("int 0x0d, DPL 0", NULL);
}

static void selectors(void)
{
	TRY("mov %0, %%ds", : : "r"(0x1230));
	fact_caught("ds = 0x1230, beyond the GDT", NULL);
	TRY("mov %0, %%es", : : "r"(0x1237));
	fact_caught("es = 0x1237, beyond the LDT", NULL);
	TRY("mov %0, %%ds", : : "r"(0));
	fact_caught("ds = 0", NULL);
}

static void addresses(void)
{
	TRY("movl $1, (%0)", : : "r"(8ul) : "memory");
	fact_caught("store to 8", NULL);
	TRY("movl (%0), %%eax", : : "r"(0x8000000000000000ul) : "eax");
	fact_caught("load, not canonical", NULL);
	TRY("push (%0)", : : "r"(0x8000000000000000ul));
	fact_caught("push, not canonical", NULL);

	check_equal(set_l1_entry(page, va_to_ma(page) | PTE_P, UVMF_INVLPG), 0);
	TRY("movb $1, (%0)", : : "r"(page + 5) : "memory");
	fact_caught("store to a read-only page", page);
	TRY("movb (%0), %%al", : : "r"(page + 5) : "eax");
	fact_caught("load from a read-only page", page);
	check_equal(set_l1_entry(page, 0, UVMF_INVLPG), 0);
	TRY("movb (%0), %%al", : : "r"(page + 7) : "eax");
	fact_caught("load from no page", page);
	check_equal(set_l1_entry(page, va_to_ma(page) | PTE_P | PTE_W, UVMF_INVLPG), 0);
}

static void privileged(void)
{
	struct physdev_set_iopl iopl = {.iopl = 1};
	uint64_t cr0, cr3, cr4;

	TRY("hlt");
	fact_caught("hlt", NULL);
	TRY("invlpg (%0)", : : "r"(page));
	fact_caught("invlpg", NULL);
	/* Not invd and wbinvd: QEMU's software processor lets everybody run them. */
	TRY("lgdt (%0)", : : "r"(page));
	fact_caught("lgdt", NULL);
	TRY("lidt (%0)", : : "r"(page));
	fact_caught("lidt", NULL);
	TRY("ltr %w0", : : "r"(0x40));
	fact_caught("ltr", NULL);
	TRY("swapgs");
	fact_caught("swapgs", NULL);
	TRY("mov %%cr8, %%rax", : : : "rax");
	fact_caught("mov from cr8", NULL);
	TRY("mov %0, %%cr8", : : "r"(0ul));
	fact_caught("mov to cr8", NULL);
	TRY("mov %%cr0, %0", : "=r"(cr0));
	fact_caught("mov from cr0", NULL);
	TRY("mov %0, %%cr0", : : "r"(cr0 & ~(1ul << 16)));
	fact_caught("mov to cr0 without WP", NULL);
	TRY("mov %%cr3, %0", : "=r"(cr3));
	fact_caught("mov from cr3", NULL);
	check_equal(cr3, va_to_ma((const void *)start_info->pt_base));
	TRY("mov %%cr4, %0", : "=r"(cr4));
	fact_caught("mov from cr4", NULL);
	TRY("mov %0, %%cr4", : : "r"(cr4));
	fact_caught("mov to cr4, the same", NULL);
	TRY("clts");
	fact_caught("clts", NULL);
	/* An instruction that nobody may run. */
	TRY("rsm");
	fact_caught("rsm", NULL);

	check_equal(hypercall2(__HYPERVISOR_physdev_op, PHYSDEVOP_set_iopl, &iopl), 0);
	TRY("cli");
	fact_caught("cli with IOPL 1", NULL);
	TRY("sti");
	fact_caught("sti with IOPL 1", NULL);
	TRY("inb $0x84, %%al", : : : "eax");
	fact_caught("in with IOPL 1", NULL);
}

static void msrs(void)
{
	static const struct {
		const char *name;
		uint32_t msr;
	} rows[] = {
	    {"APIC_BASE", 0x1b},         {"PAT", 0x277},
	    {"EFER", 0xc0000080},        {"FS_BASE", 0xc0000100},
	    {"LSTAR", 0xc0000082},       {"X2APIC_ID", 0x802},
	    {"SYSENTER_EIP", 0x176},     {"MTRR_CAP", 0xfe},
	    {"0xdeadbeef", 0xdeadbeef},  {"a Viridian's", 0x40000000},
	    {"VM_HSAVE_PA", 0xc0010117},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char name[32] = "rdmsr ";

		memcpy(name + 6, rows[i].name, strlen(rows[i].name) + 1);
		TRY("rdmsr", : : "c"(rows[i].msr) : "eax", "edx");
		fact_caught(name, NULL);
	}
	TRY("wrmsr", : : "c"(0xc0000082), "a"(0), "d"(0));
	fact_caught("wrmsr LSTAR", NULL);
	TRY("wrmsr", : : "c"(0xc0000100), "a"(0), "d"(0x800000));
	fact_caught("wrmsr FS_BASE, not canonical", NULL);
	TRY("wrmsr", : : "c"(0xdeadbeef), "a"(0), "d"(0));
	fact_caught("wrmsr 0xdeadbeef", NULL);
}

static void forced_cpuid(void)
{
	uint32_t a, b, c, d;

	asm volatile("ud2a; .ascii \"xen\"; cpuid"
		     : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
		     : "a"(0x40000000), "c"(0));
	check_equal(b, 0x566e6558);
	check_equal(c, 0x65584d4d);
	check_equal(d, 0x4d4d566e);
	asm volatile("ud2a; .ascii \"xen\"; cpuid"
		     : "=a"(a), "=b"(b), "=c"(c), "=d"(d)
		     : "a"(0x40000001), "c"(0));
	fact("Xen version by CPUID: %u.%u", a >> 16, a & 0xffff);
}

static uint64_t seen_cs;

static void on_ud(struct regs *r)
{
	seen_cs = r->cs & ~0xfffcull; /* which selector it is, is the hypervisor's own affair */
	r->rip += 2;
}

/* Above the selector the frame says whether events were masked (xen/arch-x86/xen.h, saved_upcall_mask). */
static void saved_mask(void)
{
	struct vcpu_info *v = &shared_info->vcpu_info[0];

	set_trap_handler(6, on_ud);
	asm volatile("ud2" : : : "memory");
	fact("cs of a frame, events masked: %#lx", seen_cs);
	v->evtchn_upcall_mask = 0;
	asm volatile("ud2" : : : "memory");
	fact("cs of a frame, events not masked: %#lx", seen_cs);
	v->evtchn_upcall_mask = 1;
	set_trap_handler(6, NULL);
}

/* In the hypervisor's own range nothing is the guest's, whichever way it looks. */
static void hypervisor_memory(void)
{
	TRY("movb (%0), %%al", : : "r"(0x10ul) : "eax");
	fact_caught("load from 0x10", NULL);
	fact_result("trap table in the hypervisor",
		    hypercall1(__HYPERVISOR_set_trap_table, hypervisor));
}

void test_main(void)
{
	arithmetic_and_software();
	selectors();
	addresses();
	privileged();
	msrs();
	forced_cpuid();
	saved_mask();
	hypervisor_memory();
}
