/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/user.h"

#include <xen/callback.h>

#include "core/fmt.h"

#define STUB_SIZE 32

extern const char trap_stubs[];
extern const uint64_t extable_start[], extable_end[];

struct caught caught;

static trap_handler_t *handlers[VECTORS];

void trap_c(struct regs *r);

void set_trap_handler(unsigned vector, trap_handler_t *handler)
{
	handlers[vector] = handler;
}

static uint64_t stub(unsigned vector)
{
	return (uint64_t)trap_stubs + vector * STUB_SIZE;
}

/* Page faults leave their address where cr2 lies in the shared information. */
static bool caught_by(struct regs *r)
{
	for (const uint64_t *e = extable_start; e < extable_end; e += 2) {
		if (e[0] != r->rip)
			continue;
		caught = (struct caught){.vector = r->vector,
					 .error = r->error,
					 .rip = r->rip,
					 .cr2 = shared_info->vcpu_info[0].arch.cr2};
		r->rip = e[1];
		return true;
	}
	return false;
}

void trap_c(struct regs *r)
{
	if (r->vector == VECTOR_FAILSAFE ? user_inside()
					 : (r->cs & 3) == 3 && r->vector != VECTOR_EVENT)
		user_trap(r);
	if (r->vector < VECTORS && handlers[r->vector])
		handlers[r->vector](r);
	else if (r->vector == VECTOR_EVENT) /* a test that waits for none */
		shared_info->vcpu_info[0].evtchn_upcall_pending = 0;
	else if (!caught_by(r))
		error("unexpected trap %lu error %#lx rip %#lx cs %#lx rsp %#lx cr2 %#lx",
		      r->vector, r->error, r->rip, r->cs, r->rsp,
		      shared_info->vcpu_info[0].arch.cr2);
}

/* Every vector has an entry; int3, into and vector 0x80 are for anybody. */
void trap_init_vcpu(void)
{
	static struct trap_info table[257];
	struct callback_register event = {.type = CALLBACKTYPE_event,
					  .address = stub(VECTOR_EVENT)};
	struct callback_register failsafe = {.type = CALLBACKTYPE_failsafe,
					     .address = stub(VECTOR_FAILSAFE)};
	struct callback_register syscall = {.type = CALLBACKTYPE_syscall,
					    .address = stub(VECTOR_SYSCALL)};

	for (unsigned i = 0; i < 256; i++) {
		table[i] = (struct trap_info){.vector = (uint8_t)i,
					      .flags = i == 3 || i == 4 || i == 0x80 ? 3 : 0,
					      .cs = KERNEL_CS,
					      .address = stub(i)};
	}
	if (hypercall1(__HYPERVISOR_set_trap_table, table) ||
	    hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &event) ||
	    hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &failsafe) ||
	    hypercall2(__HYPERVISOR_callback_op, CALLBACKOP_register, &syscall))
		error("the trap table was not taken");
}

void fact_caught(const char *name, const void *base)
{
	static const char *const names[] = {"DE", "DB", "NMI", "BP", "OF", "BR", "UD",
					    "NM", "DF", "9",   "TS", "NP", "SS", "GP",
					    "PF", "15", "MF",  "AC", "MC", "XM"};

	if (caught.vector == NO_TRAP)
		fact("%s: nothing", name);
	else if (caught.vector >= sizeof(names) / sizeof(names[0]))
		fact("%s: vector %lu", name, caught.vector);
	else if (caught.vector == 14)
		fact("%s: #PF(%#lx) at %ld", name, caught.error,
		     (long)(caught.cr2 - (uint64_t)base));
	else
		fact("%s: #%s(%#lx)", name, names[caught.vector], caught.error);
}
