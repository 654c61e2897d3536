/* SPDX-License-Identifier: MIT */
/*
 * A kernel that returns to itself by a plain iretq, as Mini-OS and the first years' kernels do: on Xen it runs in ring 3, so it sets RPL 3 in the
 * selectors that an exception's frame has, and nothing stands in its way.
 */
#include "tests/guest/pv/kit/pv.h"

#define FLAG_IF     0x200
#define ARITHMETIC  0x8d5
#define FLAG_IOPL_3 0x3000

/* Offsets are return.S's. */
struct way {
	uint64_t cs, rflags, ss;
};
struct seen {
	uint64_t rax, rcx, r11, rsp, rsp_wanted, rflags;
};
void iretq_through(const struct way *way, struct seen *seen);

/* Of the last exception's frame. */
static uint64_t saved_cs, saved_ss;

static void on_ud(struct regs *r)
{
	saved_cs = r->cs;
	saved_ss = r->ss;
	r->rip += 2;
}

static struct seen go(uint64_t cs, uint64_t rflags, uint64_t ss)
{
	struct way way = {.cs = cs, .rflags = rflags, .ss = ss};
	struct seen seen;

	caught.vector = NO_TRAP;
	iretq_through(&way, &seen);
	check_equal(seen.rax, 0x3333);
	check_equal(seen.rcx, 0x1111);
	check_equal(seen.r11, 0x2222);
	return seen;
}

static struct seen go_kernel(uint64_t rflags)
{
	struct seen seen = go(saved_cs | 3, rflags, saved_ss | 3);

	check_equal(caught.vector, NO_TRAP);
	check_equal(seen.rsp, seen.rsp_wanted);
	return seen;
}

static void flags(void)
{
	check_equal(go_kernel(FLAG_IF | ARITHMETIC).rflags & ARITHMETIC, ARITHMETIC);
	check_equal(go_kernel(FLAG_IF).rflags & ARITHMETIC, 0);
	fact("hardware IF after iretq without IF: %d", !!(go_kernel(0).rflags & FLAG_IF));
	fact("IOPL after iretq with IOPL 3: %lu",
	     go_kernel(FLAG_IF | FLAG_IOPL_3).rflags >> 12 & 3);
}

/* The hypervisor does not see an iretq on Xen, so IF has no meaning beyond the processor's. */
static void upcall_mask_stays(void)
{
	struct vcpu_info *v = &shared_info->vcpu_info[0];

	go_kernel(FLAG_IF);
	check_equal(v->evtchn_upcall_mask, 1);
	v->evtchn_upcall_mask = 0;
	go_kernel(0);
	check_equal(v->evtchn_upcall_mask, 0);
	v->evtchn_upcall_mask = 1;
}

static void other_selectors(void)
{
	static const char *const names[] = {"0", "1", "2"};

	for (unsigned rpl = 0; rpl < 3; rpl++) {
		go((saved_cs & ~3ul) | rpl, FLAG_IF, saved_ss | 3);
		/* Which selector it is, is the hypervisor's own affair. */
		fact("RPL %s: %s", names[rpl], caught.vector == 13 ? "#GP" : "something else");
	}
	go(0x1233, FLAG_IF, saved_ss | 3);
	fact_caught("cs beyond the GDT", NULL);
	go(3, FLAG_IF, saved_ss | 3);
	fact_caught("cs null", NULL);
}

/* As a thread's first frame is made by hand. A kernel in the upper half may have processes, whose selector this is on the adapter. */
static void hand_made_frame(void)
{
#ifdef PV_LOW
	check_equal(go(KERNEL_CS, FLAG_IF, KERNEL_SS).rsp & 7, 0);
	check_equal(caught.vector, NO_TRAP);
#endif
}

void test_main(void)
{
	set_trap_handler(6, on_ud);
	asm volatile("ud2" : : : "memory");
	set_trap_handler(6, NULL);
	flags();
	upcall_mask_stays();
	other_selectors();
	hand_made_frame();
}
