/* SPDX-License-Identifier: MIT */
/* The iret hypercall back to the kernel: which flags and registers arrive, and that IF is the upcall mask. */
#include "tests/guest/pv/kit/pv.h"

#define FLAG_IF     0x200
#define ARITHMETIC  0x8d5
#define FLAG_IOPL_3 0x3000

/* Offsets are return.S's. */
struct way {
	uint64_t frame_flags, cs, rflags, ss;
};
struct seen {
	uint64_t rax, rcx, r11, rflags, cs, ss;
};
void iret_through(const struct way *way, struct seen *seen);

static struct seen go(uint64_t rflags, uint64_t cs, uint64_t ss)
{
	struct way way = {.rflags = rflags, .cs = cs, .ss = ss};
	struct seen seen;

	iret_through(&way, &seen);
	check_equal(seen.rax, 0x3333);
	check_equal(seen.rcx, 0x1111);
	check_equal(seen.r11, 0x2222);
	return seen;
}

/* Saved frames of the kernel carry RPL 0, and that is what iret takes for the kernel. */
static struct seen go_kernel(uint64_t rflags)
{
	return go(rflags, KERNEL_CS & ~3, KERNEL_SS & ~3);
}

static void flags(void)
{
	struct seen s = go_kernel(FLAG_IF | ARITHMETIC);

	check_equal(s.rflags & ARITHMETIC, ARITHMETIC);
	s = go_kernel(FLAG_IF);
	check_equal(s.rflags & ARITHMETIC, 0);
	s = go_kernel(0);
	fact("hardware IF after iret without IF: %d", !!(s.rflags & FLAG_IF));
	s = go_kernel(FLAG_IF | FLAG_IOPL_3);
	fact("IOPL after iret with IOPL 3: %lu", s.rflags >> 12 & 3);
}

static void mask_is_the_opposite_of_if(void)
{
	struct vcpu_info *v = &shared_info->vcpu_info[0];

	go_kernel(FLAG_IF);
	check_equal(v->evtchn_upcall_mask, 0);
	go_kernel(0);
	check_equal(v->evtchn_upcall_mask, 1);
}

static void selectors(void)
{
	go(FLAG_IF, (KERNEL_CS & ~3) | 1, KERNEL_SS & ~3);
	fact("RPL 1: returned");
}

static void registers_survive_a_trap(void)
{
	uint64_t in = 0x1234567890abcdef, rcx = in, r11;

	asm volatile("mov %[in], %%r11\n"
		     "1: ud2\n2: mov %%r11, %[r11]\n"
		     ".pushsection .extable, \"a\"\n.quad 1b, 2b\n.popsection"
		     : [r11] "=r"(r11), "+c"(rcx)
		     : [in] "r"(in)
		     : "r11");
	check_equal(rcx, in);
	check_equal(r11, in);
}

void test_main(void)
{
	flags();
	mask_is_the_opposite_of_if();
	selectors();
	registers_survive_a_trap();
}
