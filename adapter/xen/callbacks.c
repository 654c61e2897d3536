/* SPDX-License-Identifier: MIT */
/* Where the guest's kernel wants to be entered. */
#include "core/xen_abi.h"
#include <xen/callback.h>
#include <xen/nmi.h>

#include "adapter/x86/irq.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/callbacks.h"
#include "adapter/xen/ops.h"
#include "core/string.h"

/*
 * GRUB's PV build lives in the lower half and has no processes, so a system call of its own is a hypercall, and the whole address space the
 * kernel's. The kernel that it has loaded lives in the upper half; this is the first that we hear of it, long before it has a process.
 */
static void note_kernel(uint64_t entry)
{
	if (!domain.kernel_low || (int64_t)entry >= 0)
		return;
	domain.kernel_low = false;
	for (unsigned i = 0; i < domain.nr_vcpus; i++)
		vp_gets_processes(i);
}

void trap_table_set(struct vp *vp, unsigned vector, const struct trap_info *t)
{
	note_kernel(t->address);
	vp->traps[vector] = (struct guest_trap){
	    .address = t->address,
	    .dpl = TI_GET_DPL(t),
	    .masks_events = TI_GET_IF(t),
	};
	/* Of exceptions int3 and into have open gates; by another's an int instruction would come without the error code. */
	if (TI_GET_DPL(t) == 3 && vector >= TRAP_EXCEPTIONS && vector < VECTOR_KICK)
		idt_open(vector);
	if (vector == TRAP_PF)
		vp->page_fault = vp->traps[vector];
	if (vector == TRAP_NMI)
		vp->nmi_entry = t->address;
}

long do_set_trap_table(const struct trap_info *traps)
{
	struct vp *vp = this_vp();

	if (!traps) {
		memset(vp->traps, 0, 256 * sizeof(*vp->traps));
		vp->page_fault = vp->traps[TRAP_PF];
		return 0;
	}
	/* At most one entry a vector; the list ends with address 0. */
	for (unsigned i = 0; i <= 256; i++) {
		struct trap_info t;

		if (!copy_from_guest(&t, &traps[i], sizeof(t)))
			return -XEN_EFAULT;
		if (!t.address)
			break;
		if (!guest_address(t.address))
			return -XEN_EINVAL;
		trap_table_set(vp, t.vector, &t);
	}
	return 0;
}

long do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall)
{
	struct vp *vp = this_vp();

	note_kernel(event);
	vp->event_entry = event;
	vp->failsafe_entry = failsafe;
	vp->enter.rip = syscall;
	return 0;
}

static long set_callback(const struct callback_register *r)
{
	struct vp *vp = this_vp();
	bool masks = r->flags & CALLBACKF_mask_events;

	if (r->address && (!guest_address(r->address) || !canonical_address(r->address)))
		return -XEN_EINVAL;
	note_kernel(r->address);
	switch (r->type) {
	case CALLBACKTYPE_event: vp->event_entry = r->address; return 0;
	case CALLBACKTYPE_failsafe:
		vp->failsafe_entry = r->address;
		vp->failsafe_masks_events = masks;
		return 0;
	case CALLBACKTYPE_syscall:
		vp->enter.rip = r->address;
		vp->syscall_masks_events = masks;
		vp_mask_changed(vp);
		return 0;
	case CALLBACKTYPE_syscall32:
		vp->syscall32_entry = r->address;
		vp->syscall32_masks_events = masks;
		return 0;
	case CALLBACKTYPE_sysenter:
		vp->sysenter_entry = r->address;
		vp->sysenter_masks_events = masks;
		return 0;
	case CALLBACKTYPE_nmi: vp->nmi_entry = r->address; return 0;
	default: return -XEN_ENOSYS;
	}
}

static long callback_register(void *arg)
{
	return set_callback(arg);
}

static long callback_unregister(void *arg)
{
	const struct callback_unregister *u = arg;

	switch (u->type) {
	/* A guest without these cannot go on: Xen refuses too. */
	case CALLBACKTYPE_event:
	case CALLBACKTYPE_failsafe:
	case CALLBACKTYPE_syscall: return -XEN_EINVAL;
	default: return set_callback(&(struct callback_register){.type = u->type});
	}
}

/* clang-format off */
static const struct op callback_ops[] = {
	OP_ROW(CALLBACKOP_register, callback_register, struct callback_register, IN)
	OP_ROW(CALLBACKOP_unregister, callback_unregister, struct callback_unregister, IN)
};
/* clang-format on */

long do_callback_op(uint32_t cmd, void *arg)
{
	return op_run(callback_ops, sizeof(callback_ops) / sizeof(*callback_ops), cmd, arg);
}

static long nmi_register(void *arg)
{
	const struct xennmi_callback *c = arg;

	return set_callback(&(struct callback_register){
	    .type = CALLBACKTYPE_nmi,
	    .address = c->handler_address,
	});
}

static long nmi_unregister(void *arg)
{
	(void)arg;
	this_vp()->nmi_entry = 0;
	return 0;
}

/* clang-format off */
static const struct op nmi_ops[] = {
	OP_ROW(XENNMI_register_callback, nmi_register, struct xennmi_callback, IN)
	OP0_ROW(XENNMI_unregister_callback, nmi_unregister)
};
/* clang-format on */

long do_nmi_op(uint32_t cmd, void *arg)
{
	return op_run(nmi_ops, sizeof(nmi_ops) / sizeof(*nmi_ops), cmd, arg);
}
