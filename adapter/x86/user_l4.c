/* SPDX-License-Identifier: MIT */
#include "adapter/x86/user_l4.h"

#include "adapter/x86/asm.h"
#include "adapter/x86/image.h"
#include "adapter/x86/log.h"
#include "adapter/x86/paging.h"
#include "adapter/x86/traps.h"
#include "adapter/x86/vp.h"
#include "core/string.h"

#define TABLE_FLAGS           (PTE_P | PTE_W | PTE_A | PTE_D)
#define MSR_ARCH_CAPABILITIES 0x10au
#define ARCH_CAP_RDCL_NO      (1u << 0)
#define CPUID_7_EDX_ARCH_CAP  (1u << 29)
#define VENDOR_INTEL_EBX      0x756e6547u /* "Genu" */

bool user_l4_on;
static uint64_t user_slot; /* the entry of slot 261 in a user L4 */

static bool vulnerable(void)
{
	uint64_t caps = 0;

	if (cpuid(0).ebx != VENDOR_INTEL_EBX)
		return false;
	if (cpuid(0).eax >= 7 && cpuid_count(7, 0).edx & CPUID_7_EDX_ARCH_CAP)
		try_rdmsr(MSR_ARCH_CAPABILITIES, &caps);
	return !(caps & ARCH_CAP_RDCL_NO);
}

void user_l4_decide(enum user_l4_policy policy)
{
	user_l4_on = policy == USER_L4_ON || (policy == USER_L4_AUTO && vulnerable());
}

/* Writes `jmp target` where entry.S left five bytes for it. The text is read-only where it runs. */
static void patch(const uint8_t *site, const uint8_t *target)
{
	uint8_t *writable = ma_to_va(virt_to_ma(site));
	int32_t offset = (int32_t)(target - (site + 5));

	writable[0] = 0xe9;
	memcpy(writable + 1, &offset, sizeof(offset));
}

static uint64_t new_table(uint64_t **table)
{
	*table = page_alloc(1);
	return va_to_ma(*table) | TABLE_FLAGS;
}

/* The L1 that maps the first 2 MiB of the image: what a process's address space may hold of it. */
static void map_image_part(uint64_t *l1, const uint8_t *start, const uint8_t *end)
{
	for (uint64_t va = (uint64_t)start; va < (uint64_t)end; va += PAGE_SIZE)
		l1[table_slot(va, 1)] = *walk_l1(paging_root(), va) & ~PTE_G;
}

static void build(void)
{
	uint64_t *kernel_l3 =
	    ma_to_va(((uint64_t *)ma_to_va(paging_root()))[table_slot(IMAGE_VIRT, 4)] & PTE_ADDR);
	uint64_t *l3, *l2, *l1;

	user_slot = new_table(&l3);
	l3[table_slot(IMAGE_VIRT, 3)] = new_table(&l2);
	l3[table_slot(VP_WINDOW_VIRT, 3)] = kernel_l3[table_slot(VP_WINDOW_VIRT, 3)];
	l2[table_slot(IMAGE_VIRT, 2)] = new_table(&l1);
	map_image_part(l1, image_start, rodata_end);
	map_image_part(l1, idt_page(), idt_page() + PAGE_SIZE);
}

#define SITE(name)                                                            \
	do {                                                                  \
		extern const uint8_t user_l4_site_##name[], user_l4_##name[]; \
		patch(user_l4_site_##name, user_l4_##name);                   \
	} while (0)

void user_l4_init(void)
{
	extern const uint8_t user_l4_page_fault[];

	if (!user_l4_on)
		return;
	build();
	SITE(trap);
	SITE(return );
	SITE(iret);
	idt_set(TRAP_PF, user_l4_page_fault);
	log_info("processes run on page tables of their own (Meltdown)");
}

/* Another VP may be running on this L4: what is right already is not touched. */
void user_l4_install(uint64_t *l4)
{
	for (unsigned i = SLOT_FIRST; i <= SLOT_LAST; i++) {
		uint64_t want = i == table_slot(IMAGE_VIRT, 4) ? user_slot : 0;

		if (l4[i] != want)
			__atomic_store_n(&l4[i], want, __ATOMIC_RELAXED);
	}
}
