/* SPDX-License-Identifier: MIT */
#include "adapter/xen/hypercalls.h"

#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/ops.h"

typedef long hypercall_t(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);

/* One function for each hypercall that is always refused, so that the table needs no special case. */
#define NO_CODE(number, name, handler)
#define REFUSAL(number, name, error, why)                                                          \
	static long refuse_##name(void)                                                            \
	{                                                                                          \
		return -(error);                                                                   \
	}
HYPERCALLS_LIST(NO_CODE, REFUSAL)

static long no_hypercall(void)
{
	return -XEN_ENOSYS;
}

#define CALL_ROW(number, name, handler)	   [number] = (hypercall_t *)handler,
#define NOT_ROW(number, name, error, why) [number] = (hypercall_t *)refuse_##name,

#pragma GCC diagnostic ignored "-Wcast-function-type"
#pragma GCC diagnostic ignored "-Wpragmas"
#pragma GCC diagnostic ignored "-Winitializer-overrides"
#pragma GCC diagnostic ignored "-Woverride-init"
/* Handlers take as many of the six arguments as they have. Called by entry.S. */
hypercall_t *const hypercall_table[HYPERCALLS_NR] = {
	[0 ... HYPERCALLS_NR - 1] = (hypercall_t *)no_hypercall,
	HYPERCALLS_LIST(CALL_ROW, NOT_ROW)
};

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

/* Long lists let waiting interrupts in now and then: other VPs may be waiting for this one to flush. */
#define WINDOW_EVERY 512

long do_multicall(struct multicall_entry *calls, uint64_t nr)
{
	for (uint64_t i = 0; i < nr; i++) {
		struct multicall_entry e;
		long result = -XEN_ENOSYS;

		if (!copy_from_guest(&e, &calls[i], sizeof(e)))
			return -XEN_EFAULT;
		if (e.op < HYPERCALLS_NR && e.op != __HYPERVISOR_multicall && e.op != __HYPERVISOR_iret)
			result = hypercall_table[e.op](e.args[0], e.args[1], e.args[2], e.args[3],
						       e.args[4], e.args[5]);
		if (!guest_store((uint64_t *)&calls[i].result, result))
			return -XEN_EFAULT;
		if (i % WINDOW_EVERY == WINDOW_EVERY - 1)
			irq_window();
	}
	return 0;
}

/* Reached only by a multicall; the real one is entry.S's. */
long do_iret(void)
{
	return -XEN_ENOSYS;
}
