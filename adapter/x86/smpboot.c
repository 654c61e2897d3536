/* SPDX-License-Identifier: MIT */
#include "adapter/x86/smpboot.h"

#include <stddef.h>

#include "abi/x86/apic.h"
#include "adapter/seam/clock.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/apic.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/paging.h"
#include "adapter/x86/traps.h"
#include "core/string.h"

#define LOW_END     0xa0000
#define FIRST_WAIT  50000000ull /* ns, until the second SIPI */
#define SECOND_WAIT 2000000000ull

/* smpboot.S */
extern const uint8_t smp_trampoline[], smp_trampoline_64[], smp_trampoline_gdt[];
extern const uint8_t smp_trampoline_end[], smp_high[];

_Static_assert(sizeof(struct smp_block) == 104, "smpboot.S");
_Static_assert(offsetof(struct smp_block, far_offset) == 8, "smpboot.S");
_Static_assert(offsetof(struct smp_block, trampoline_cr3) == 16, "smpboot.S");
_Static_assert(offsetof(struct smp_block, cr0) == 20, "smpboot.S");
_Static_assert(offsetof(struct smp_block, efer) == 24, "smpboot.S");
_Static_assert(offsetof(struct smp_block, high) == 32, "smpboot.S");
_Static_assert(offsetof(struct smp_block, self) == 40, "smpboot.S");
_Static_assert(offsetof(struct smp_block, cr3) == 48, "smpboot.S");
_Static_assert(offsetof(struct smp_block, cr4) == 56, "smpboot.S");
_Static_assert(offsetof(struct smp_block, stack) == 72, "smpboot.S");

static uint64_t page_ma; /* the trampoline's page, 0 until it is made */
static struct smp_block *block;

void smp_arrived(struct smp_block *b);

/* Who changes it from SMP_AWAITED first has it: the new VP, or the boot VP, which waits no longer. */
static bool settle(struct smp_block *b, enum smp_arrival how)
{
	uint32_t awaited = SMP_AWAITED;

	return __atomic_compare_exchange_n(&b->arrived, &awaited, how, false, __ATOMIC_ACQ_REL,
					   __ATOMIC_ACQUIRE);
}

/* On the new VP; the block is the boot VP's again once it has arrived. */
void smp_arrived(struct smp_block *b)
{
	void (*entry)(void *) = b->entry;
	void *arg = b->arg;

	idt_load_early();
	wrmsr(MSR_PAT, b->pat);
	/* The guest was told that there is no such VP. */
	while (!settle(b, SMP_ARRIVED))
		asm volatile("cli; hlt");
	entry(arg);
	panic("a VP's entry function returned");
}

/*
 * The trampoline's page must be mapped at its own address, together with the adapter's slots, by an L4 below 4 GiB: one
 * page does for all four levels. Entry 0 points to the page itself, so whichever level is looked up, for a small
 * address the page is found again; the entry with the trampoline's page number then is its L1 entry.
 */
static void make_tables(uint64_t table_ma)
{
	uint64_t *table = ma_to_va(table_ma);

	memset(table, 0, PAGE_SIZE);
	table[0] = table_ma | PTE_P | PTE_W;
	table[page_ma >> PAGE_SHIFT] = page_ma | PTE_P | PTE_W;
	paging_install(table);
}

static bool make_trampoline(void)
{
	uint64_t code = boot_low_page(), table = boot_low_page();
	uint8_t *page = ma_to_va(code);

	if (!code || !table || code >= LOW_END || table >= LOW_END)
		return false;
	page_ma = code;
	make_tables(table);
	memset(page, 0, PAGE_SIZE);
	memcpy(page, smp_trampoline, (size_t)(smp_trampoline_end - smp_trampoline));
	block = (struct smp_block *)(page + PAGE_SIZE - sizeof(*block));
	*block = (struct smp_block){
	    .gdt_limit = SEL_BOOT_CS + 8 - 1,
	    .gdt_base = (uint32_t)(code + (uint64_t)(smp_trampoline_gdt - smp_trampoline)),
	    .far_offset = (uint32_t)(code + (uint64_t)(smp_trampoline_64 - smp_trampoline)),
	    .far_selector = SEL_BOOT_CS,
	    .trampoline_cr3 = (uint32_t)table,
	    .cr0 = (uint32_t)read_cr0(),
	    .efer = (uint32_t)(rdmsr(MSR_EFER) & ~(uint64_t)EFER_LMA),
	    .high = (uint64_t)smp_high,
	    .self = (uint64_t)block,
	    .cr3 = paging_root(),
	    .cr4 = read_cr4(),
	    .pat = rdmsr(MSR_PAT),
	};
	return true;
}

static bool arrives_within(uint64_t ns)
{
	uint64_t end = clock_now() + ns;

	do {
		if (__atomic_load_n(&block->arrived, __ATOMIC_ACQUIRE) == SMP_ARRIVED)
			return true;
		cpu_relax();
	} while (clock_now() < end);
	return false;
}

bool smp_start(unsigned vp, void *stack_top, void (*entry)(void *), void *arg)
{
	uint32_t id = vps_apic_id(vp);
	uint32_t startup;

	if (!page_ma && !make_trampoline()) {
		log_error("no memory below 640 KiB to start VP %u from", vp);
		return false;
	}
	startup = APIC_ICR_STARTUP | (uint32_t)(page_ma >> PAGE_SHIFT);
	block->stack = (uint64_t)stack_top;
	block->entry = entry;
	block->arg = arg;
	__atomic_store_n(&block->arrived, SMP_AWAITED, __ATOMIC_RELEASE);

	/* The pauses that the specification wants between these are real processors'; a virtual one takes them in order. */
	apic_send(id, APIC_ICR_INIT | APIC_ICR_LEVEL);
	apic_send(id, startup);
	if (arrives_within(FIRST_WAIT))
		return true;
	apic_send(id, startup);
	if (arrives_within(SECOND_WAIT))
		return true;
	if (!settle(block, SMP_GIVEN_UP))
		return true;
	log_error("VP %u (APIC id %u) does not start", vp, id);
	apic_send(id, APIC_ICR_INIT | APIC_ICR_LEVEL);
	/* Should it come all the same, it must not find another VP's stack there: the next one gets a trampoline of its own. */
	page_ma = 0;
	return false;
}
