/* SPDX-License-Identifier: MIT */
#include "adapter/x86/asm.h"
#include "adapter/x86/irq.h"
#include "adapter/x86/traps.h"
#include "adapter/x86/vp.h"

#define STUB_SIZE 16

struct gate {
	uint16_t offset_0;
	uint16_t selector;
	uint8_t ist;
	uint8_t type; /* P, DPL, 0xe: interrupt gate */
	uint16_t offset_16;
	uint32_t offset_32;
	uint32_t zero;
};
_Static_assert(sizeof(struct gate) == 16, "AMD64 manual volume 2, 4.8.4");

/* Interrupt stacks (TSS.IST1 …), each a page at the bottom of the VP's stack block. */
static const uint8_t ist_of[TRAP_EXCEPTIONS] = {
    [TRAP_DB] = 1,
    [TRAP_NMI] = 2,
    [TRAP_DF] = 3,
    [TRAP_MC] = 4,
};

static _Alignas(PAGE_SIZE) struct gate idt[256];
static struct gate early[TRAP_EXCEPTIONS];
extern const uint8_t trap_stubs[], trap_page_fault[], trap_general_protection[];
extern const uint8_t gdt64_pointer[]; /* entry.S */

static struct gate gate(const uint8_t *handler, uint16_t selector, uint8_t ist)
{
	uint64_t address = (uint64_t)handler;

	return (struct gate){
	    .offset_0 = address,
	    .offset_16 = address >> 16,
	    .offset_32 = address >> 32,
	    .selector = selector,
	    .ist = ist,
	    .type = 0x8e,
	};
}

void idt_set(unsigned vector, const uint8_t *handler)
{
	idt[vector] = gate(handler, SEL_ADAPTER_CS, vector < TRAP_EXCEPTIONS ? ist_of[vector] : 0);
}

void idt_init(void)
{
	for (unsigned v = 0; v < 256; v++)
		idt_set(v, trap_stubs + v * STUB_SIZE);
	idt_set(TRAP_PF, trap_page_fault);
	idt_set(TRAP_GP, trap_general_protection);
	idt_open(TRAP_BP);
	idt_open(TRAP_OF);
}

const uint8_t *idt_page(void)
{
	return (const uint8_t *)idt;
}

void idt_open(unsigned vector)
{
	idt[vector].type |= 3 << 5;
}

bool idt_opened(unsigned vector)
{
	return idt[vector].type & 3 << 5;
}

static void load(const struct gate *table, unsigned gates)
{
	struct {
		uint16_t limit;
		uint64_t base;
	} __attribute__((packed)) reg = {(uint16_t)(gates * sizeof(*table) - 1), (uint64_t)table};

	asm volatile("lidt %0" : : "m"(reg) : "memory");
}

void idt_load(void)
{
	load(idt, 256);
}

/* The processors that come later find it filled, or fill it with the same. */
void idt_load_early(void)
{
	for (unsigned v = 0; v < TRAP_EXCEPTIONS; v++)
		early[v] = gate(trap_stubs + v * STUB_SIZE, SEL_BOOT_CS, 0);
	asm volatile("lgdt (%0)" : : "r"(gdt64_pointer) : "memory");
	load(early, TRAP_EXCEPTIONS);
}
