/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/user.h"

#define STACK_SIZE 16384

/* user_enter.S */
void user_enter(uint64_t rip, uint64_t rsp, uint64_t arg, uint64_t flags, uint64_t cs, uint64_t ss);
_Noreturn void user_leave(void);

static uint64_t l4[512] PAGE_ALIGNED, l3[512] PAGE_ALIGNED, l2[512] PAGE_ALIGNED,
    l1[512] PAGE_ALIGNED;
static uint8_t code_page[PAGE_SIZE] PAGE_ALIGNED, stack_page[PAGE_SIZE] PAGE_ALIGNED;
static uint8_t kernel_stack[STACK_SIZE] PAGE_ALIGNED;
static struct user_end end;
static bool inside;

static uint64_t entry(const void *to, uint64_t flags)
{
	return va_to_ma(to) | PTE_P | PTE_U | PTE_A | PTE_D | flags;
}

static void read_only(const void *page)
{
	if (set_l1_entry(page, va_to_ma(page) | PTE_P, UVMF_INVLPG))
		error("a page table cannot be made read-only");
}

static void ext(unsigned cmd, const void *page)
{
	struct mmuext_op op = {.cmd = cmd};

	op.arg1.mfn = va_to_mfn(page);
	if (hypercall4(__HYPERVISOR_mmuext_op, &op, 1, 0, DOMID_SELF))
		error("mmuext_op %u failed", cmd);
}

void user_init(void)
{
	struct mmu_update u = {.ptr = va_to_ma((const void *)start_info->pt_base)};

	l1[USER_CODE >> 12 & 511] = entry(code_page, 0);
	l1[USER_STACK >> 12 & 511] = entry(stack_page, PTE_W | PTE_NX);
	l2[USER_CODE >> 21 & 511] = entry(l1, PTE_W);
	l3[0] = entry(l2, PTE_W);
	l4[0] = entry(l3, PTE_W);
	read_only(l1);
	read_only(l2);
	read_only(l3);
	read_only(l4);
	ext(MMUEXT_PIN_L4_TABLE, l4);
	ext(MMUEXT_NEW_USER_BASEPTR, l4);
	u.val = entry(l3, PTE_W);
	if (hypercall4(__HYPERVISOR_mmu_update, &u, 1, 0, DOMID_SELF))
		error("the kernel's L4 took no lower half");
	if (hypercall2(__HYPERVISOR_stack_switch, KERNEL_SS, kernel_stack + STACK_SIZE))
		error("stack_switch failed");
}

struct user_end user_try(uint64_t rip, uint64_t rsp, uint64_t cs, uint64_t ss, uint64_t arg,
			 uint64_t flags)
{
	inside = true;
	user_enter(rip, rsp, arg, flags, cs, ss);
	shared_info->vcpu_info[0].evtchn_upcall_mask = 1;
	return end;
}

struct user_end user_run(const void *code, size_t bytes, uint64_t arg, uint64_t flags)
{
	memset(code_page, 0xcc, sizeof(code_page));
	memcpy(code_page, code, bytes);
	return user_try(USER_CODE, USER_STACK + PAGE_SIZE - 64, USER_CS, USER_SS, arg, flags);
}

bool user_inside(void)
{
	return inside;
}

_Noreturn void user_trap(const struct regs *r)
{
	inside = false;
	end.regs = *r;
	end.cr2 = shared_info->vcpu_info[0].arch.cr2;
	user_leave();
}
