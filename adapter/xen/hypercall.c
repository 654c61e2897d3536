/* SPDX-License-Identifier: MIT */
#include "adapter/xen/hypercalls.h"

#include "adapter/x86/asm.h"
#include "adapter/x86/guest_access.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/ops.h"
#include "adapter/xen/vcpu.h"

typedef long hypercall_t(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

/* One function for each hypercall that is always refused, so that the table needs no special case. */
#define NO_CODE(number, name, handler)
#define REFUSAL(number, name, error, why) \
	static long refuse_##name(void)   \
	{                                 \
		return -(error);          \
	}
HYPERCALLS_LIST(NO_CODE, REFUSAL)

static long no_hypercall(void)
{
	return -XEN_ENOSYS;
}

#define CALL_ROW(number, name, handler)   [number] = (hypercall_t *)handler,
#define NOT_ROW(number, name, error, why) [number] = (hypercall_t *)refuse_##name,

#pragma GCC diagnostic ignored "-Wcast-function-type"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#pragma GCC diagnostic ignored "-Woverride-init"
/* clang-format off */
/* Handlers take as many of the six arguments as they have. Called by entry.S. */
hypercall_t *const hypercall_table[HYPERCALLS_NR] = {
	[0 ... HYPERCALLS_NR - 1] = (hypercall_t *)no_hypercall,
	HYPERCALLS_LIST(CALL_ROW, NOT_ROW)
};
/* clang-format on */

/* The same without what cannot be nested: a multicall, and iret, which entry.S carries out itself. */
/* clang-format off */
#define MULTICALL_ROW(number, name, handler)                                                       \
	[number] = number == __HYPERVISOR_multicall || number == __HYPERVISOR_iret ?               \
		       (hypercall_t *)no_hypercall :                                               \
		       (hypercall_t *)handler,
static hypercall_t *const multicall_table[HYPERCALLS_NR] = {
	[0 ... HYPERCALLS_NR - 1] = (hypercall_t *)no_hypercall,
	HYPERCALLS_LIST(MULTICALL_ROW, NOT_ROW)
};
/* clang-format on */

long op_run(const struct op *ops, size_t nr, uint64_t number, void *guest_arg)
{
	_Alignas(16) uint8_t copy[OP_ARG_MAX];
	const struct op *op = number < nr ? &ops[number] : NULL;
	long rc;

	if (!op || !op->name)
		return -XEN_ENOSYS;
	if (op->error)
		return op->error;
	if (!op->size)
		return op->run(guest_arg);
	if (!copy_from_guest(copy, guest_arg, op->size))
		return -XEN_EFAULT;
	rc = op->run(copy);
	if (rc >= 0 && op->copy_back && !copy_to_guest(guest_arg, copy, op->size))
		return -XEN_EFAULT;
	return rc;
}

/* Calls one entry's hypercall and stores its result. False where the entry is not mapped. */
static inline bool multicall_one(struct multicall_entry *e)
{
	uint64_t op, a0, a1, a2, a3, a4, a5;
	long result = -XEN_ENOSYS;

	GUEST_LOAD(op, &e->op, fault);
	GUEST_LOAD(a0, &e->args[0], fault);
	GUEST_LOAD(a1, &e->args[1], fault);
	GUEST_LOAD(a2, &e->args[2], fault);
	GUEST_LOAD(a3, &e->args[3], fault);
	GUEST_LOAD(a4, &e->args[4], fault);
	GUEST_LOAD(a5, &e->args[5], fault);
	if (op < HYPERCALLS_NR)
		result = multicall_table[op](a0, a1, a2, a3, a4, a5);
	GUEST_STORE(&e->result, result, fault);
	return true;
fault:
	return false;
}

/* Long lists let waiting interrupts in now and then: other VPs may be waiting for this one to flush. */
#define WINDOW_EVERY 512
#define CALLS_MAX \
	(1u << 20) /* more than any memory of arguments; keeps the range arithmetic whole */

long do_multicall(struct multicall_entry *calls, uint32_t nr)
{
	struct multicall_entry *end = calls + nr;

	if (nr > CALLS_MAX || !guest_range(calls, nr * sizeof(*calls)))
		return -XEN_EFAULT;
	while (calls < end) {
		struct multicall_entry *pause =
		    end - calls > WINDOW_EVERY ? calls + WINDOW_EVERY : end;

		for (; calls < pause; calls++)
			if (!multicall_one(calls))
				return -XEN_EFAULT;
		if (calls < end)
			vcpu_window();
	}
	return 0;
}
