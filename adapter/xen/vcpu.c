/* SPDX-License-Identifier: MIT */
#include "adapter/xen/vcpu.h"

#include "adapter/seam/clock.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/paging.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/callbacks.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/mmu.h"
#include "adapter/xen/ops.h"
#include "adapter/xen/segments.h"
#include "adapter/xen/time.h"
#include "adapter/xen/upcall.h"
#include "core/string.h"

/* vcpu_op names its vCPU beside the argument; every operation takes both. */
struct vcpu_op_row {
	const char *name;
	long (*run)(struct vcpu *v, void *arg);
	uint16_t size;
};

static _Alignas(16) struct vcpu_guest_context context;
static struct lock context_lock;

static void start_from(struct vcpu *v, const struct vcpu_guest_context *c)
{
	const struct cpu_user_regs *u = &c->user_regs;

	/* The kernel runs in ring 1, whatever selectors it names. */
	v->start = (struct frame){
	    .rip = u->rip,
	    .cs = SEL_KERNEL_CS,
	    .ss = SEL_KERNEL_SS,
	    .rsp = u->rsp,
	    .rflags = (u->rflags & ~RFLAGS_IOPL) | RFLAGS_IF | 2,
	    .rax = u->rax,
	    .rbx = u->rbx,
	    .rcx = u->rcx,
	    .rdx = u->rdx,
	    .rsi = u->rsi,
	    .rdi = u->rdi,
	    .rbp = u->rbp,
	    .r8 = u->r8,
	    .r9 = u->r9,
	    .r10 = u->r10,
	    .r11 = u->r11,
	    .r12 = u->r12,
	    .r13 = u->r13,
	    .r14 = u->r14,
	    .r15 = u->r15,
	};
	v->fs_base = c->fs_base;
	v->gs_base_user = c->gs_base_user;
	v->gs_base_kernel = c->gs_base_kernel;
}

static long load_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
	struct vp *vp = v->vp;
	uint64_t l4 = xen_cr3_to_pfn(c->ctrlreg[3]);
	unsigned pages = (c->gdt_ents + 511) / 512;

	if (!frame_is_guests(l4) || c->gdt_ents > GUEST_GDT_PAGES * 512 || c->ldt_ents > 8192)
		return -XEN_EINVAL;
	if (!descriptors_adopt(c->gdt_frames, pages))
		return -XEN_EINVAL;
	memcpy(v->gdt_frames, c->gdt_frames, pages * sizeof(*v->gdt_frames));
	v->gdt_pages = pages;
	vp->kernel_cr3 = l4 << PAGE_SHIFT;
	vp_set_kernel_sp(vp, c->kernel_sp);
	vp->event_entry = c->event_callback_eip;
	vp->failsafe_entry = c->failsafe_callback_eip;
	vp->enter.rip = c->syscall_callback_eip;
	vp->syscall_masks_events = !!(c->flags & VGCF_syscall_disables_events);
	vp_mask_changed(vp);
	vp->failsafe_masks_events = !!(c->flags & VGCF_failsafe_disables_events);
	vp->iopl = (c->user_regs.rflags & RFLAGS_IOPL) >> 12; /* I/O privilege is virtual */
	for (unsigned i = 0; i < 256; i++)
		if (c->trap_ctxt[i].address)
			trap_table_set(vp, c->trap_ctxt[i].vector, &c->trap_ctxt[i]);
	start_from(v, c);
	upcall_mask(vp->info);
	v->initialised = true;
	return 0;
}

static long initialise(struct vcpu *v, void *arg)
{
	long rc;

	if (v->initialised)
		return -XEN_EEXIST;
	if (v->id >= XEN_LEGACY_MAX_VCPUS && !v->vp->info)
		return -XEN_EINVAL;
	/* The context is too large for the stack; one vCPU at a time is no burden. */
	lock_take(&context_lock);
	rc = copy_from_guest(&context, arg, sizeof(context)) ? load_context(v, &context)
							     : -XEN_EFAULT;
	lock_drop(&context_lock);
	return rc;
}

static long up(struct vcpu *v, void *arg)
{
	(void)arg;
	if (!v->initialised)
		return -XEN_EINVAL;
	/* Seen by the VP before the kick looks whether it has started: else both could miss the other. */
	atomic_store(&v->state, VCPU_UP);
	kick(cpumask_of(v->id));
	return 0;
}

/* Loads what the guest gave for this vCPU and enters it. On its own VP. */
static _Noreturn void vcpu_enter(struct vcpu *v)
{
	vp_set_gdt(v->vp, v->gdt_frames, v->gdt_pages);
	vp_set_ldt(v->vp, NULL, 0);
	if (!mmu_load_l4(v->vp->kernel_cr3 >> PAGE_SHIFT))
		guest_crash(&v->start, "the vCPU's L4 is not the guest's");
	asm volatile("mov %w0, %%ds; mov %w0, %%es; mov %w0, %%fs; mov %w0, %%gs" : : "r"(0));
	wrmsr(MSR_FS_BASE, v->fs_base);
	wrmsr(MSR_GS_BASE, v->gs_base_kernel);
	wrmsr(MSR_KERNEL_GS_BASE, v->gs_base_user);
	time_update(v);
	runstate_change(v, RUNSTATE_running);
	guest_enter(&v->start);
}

void vcpu_answer_soon(void)
{
	struct vp *vp = this_vp();

	if (vp_asked(vp))
		kick(cpumask_of(vp->id));
}

/* Waits, out of the guest's address space, until the vCPU is brought up. */
static void wait_for_up(struct vcpu *v)
{
	write_cr3(paging_root());
	v->singleshot = v->periodic = v->poll_timeout = 0;
	time_rearm(v);
	while (atomic_load_explicit(&v->state, memory_order_acquire) != VCPU_UP) {
		if (!vp_about_to_wait())
			irq_wait();
	}
	vcpu_answer_soon();
}

_Noreturn void vcpu_run(void)
{
	struct vcpu *v = this_vcpu();

	wait_for_up(v);
	vcpu_enter(v);
}

/* Until the vCPU is brought up again; then on, in the address space that it left. */
static void stay_down(struct vcpu *v)
{
	runstate_change(v, RUNSTATE_offline);
	wait_for_up(v);
	if (!mmu_load_l4(v->vp->kernel_cr3 >> PAGE_SHIFT))
		guest_crash(NULL, "the vCPU's L4 is not the guest's");
	time_update(v);
	runstate_change(v, RUNSTATE_running);
}

void vcpu_park(void)
{
	stay_down(this_vcpu());
}

void vcpu_window(void)
{
	irq_window();
	vcpu_answer_soon();
}

/* Taken down by itself, a vCPU continues after this call; by another, wherever it is. */
static long down(struct vcpu *v, void *arg)
{
	enum vcpu_state state = VCPU_UP;

	(void)arg;
	if (!atomic_compare_exchange_strong(&v->state, &state, VCPU_DOWN))
		return 0;
	if (v == this_vcpu()) {
		stay_down(v);
	} else {
		vp_ask(v->vp, VP_ASK_DOWN);
		kick(cpumask_of(v->id));
	}
	return 0;
}

static long is_up(struct vcpu *v, void *arg)
{
	(void)arg;
	return v->state == VCPU_UP;
}

static long get_runstate(struct vcpu *v, void *arg)
{
	struct vcpu_runstate_info r = v->runstate;

	r.time[r.state] += clock_now() - r.state_entry_time;
	return copy_to_guest(arg, &r, sizeof(r)) ? 0 : -XEN_EFAULT;
}

static long register_runstate(struct vcpu *v, void *arg)
{
	const struct vcpu_register_runstate_memory_area *a = arg;

	if (!guest_range(a->addr.v, sizeof(struct vcpu_runstate_info)))
		return -XEN_EFAULT;
	v->runstate_area = a->addr.v;
	if (v == this_vcpu())
		runstate_change(v, RUNSTATE_running);
	return 0;
}

static long register_time(struct vcpu *v, void *arg)
{
	const struct vcpu_register_time_memory_area *a = arg;

	if (!guest_range(a->addr.v, sizeof(struct vcpu_time_info)))
		return -XEN_EFAULT;
	v->time_area = a->addr.v;
	if (v == this_vcpu())
		time_update(v);
	return 0;
}

/* ns, as Xen. What is longer would leave no room in a deadline. */
#define PERIOD_MIN 1000000
#define PERIOD_MAX (UINT64_MAX >> 2)

static long set_periodic(struct vcpu *v, void *arg)
{
	const struct vcpu_set_periodic_timer *t = arg;

	if (v != this_vcpu())
		return -XEN_EINVAL;
	if (t->period_ns < PERIOD_MIN || t->period_ns > PERIOD_MAX)
		return -XEN_EINVAL;
	v->period = t->period_ns;
	v->periodic = clock_now() + v->period;
	time_rearm(v);
	return 0;
}

static long stop_periodic(struct vcpu *v, void *arg)
{
	(void)arg;
	v->periodic = 0;
	if (v == this_vcpu())
		time_rearm(v);
	return 0;
}

static long set_singleshot(struct vcpu *v, void *arg)
{
	const struct vcpu_set_singleshot_timer *t = arg;

	if (v != this_vcpu())
		return -XEN_EINVAL;
	if (t->flags & VCPU_SSHOTTMR_future && t->timeout_abs_ns < clock_now())
		return -XEN_ETIME;
	return do_set_timer_op(t->timeout_abs_ns);
}

static long stop_singleshot(struct vcpu *v, void *arg)
{
	(void)arg;
	if (v != this_vcpu())
		return -XEN_EINVAL;
	return do_set_timer_op(0);
}

static long register_info(struct vcpu *v, void *arg)
{
	const struct vcpu_register_vcpu_info *r = arg;
	struct vcpu_info *info;

	if (r->offset > PAGE_SIZE - sizeof(*info) || r->offset & (sizeof(uint64_t) - 1))
		return -XEN_EINVAL;
	if (v->info_registered)
		return -XEN_EINVAL;
	if (!frame_is_guests(r->mfn))
		return -XEN_EINVAL;
	info = (void *)((char *)mfn_to_va(mfn(r->mfn)) + r->offset);
	if (v->vp->info)
		memcpy(info, v->vp->info, sizeof(*info));
	else
		memset(info, 0, sizeof(*info));
	v->vp->info = info;
	vp_mask_changed(v->vp);
	v->info_registered = true;
	evtchn_set_vcpu_info(&domain.evtchn, v->id, info);
	return 0;
}

static long send_nmi(struct vcpu *v, void *arg)
{
	(void)arg;
	vp_ask(v->vp, VP_ASK_NMI);
	kick(cpumask_of(v->id));
	return 0;
}

/* clang-format off */
#define VCPU_ROW(number, handler, bytes) [number] = {.name = #number, .run = handler, .size = (bytes)},

static const struct vcpu_op_row vcpu_ops[] = {
	VCPU_ROW(VCPUOP_initialise, initialise, 0)
	VCPU_ROW(VCPUOP_up, up, 0)
	VCPU_ROW(VCPUOP_down, down, 0)
	VCPU_ROW(VCPUOP_is_up, is_up, 0)
	VCPU_ROW(VCPUOP_get_runstate_info, get_runstate, 0)
	VCPU_ROW(VCPUOP_register_runstate_memory_area, register_runstate,
		 sizeof(struct vcpu_register_runstate_memory_area))
	VCPU_ROW(VCPUOP_set_periodic_timer, set_periodic, sizeof(struct vcpu_set_periodic_timer))
	VCPU_ROW(VCPUOP_stop_periodic_timer, stop_periodic, 0)
	VCPU_ROW(VCPUOP_set_singleshot_timer, set_singleshot, sizeof(struct vcpu_set_singleshot_timer))
	VCPU_ROW(VCPUOP_stop_singleshot_timer, stop_singleshot, 0)
	VCPU_ROW(VCPUOP_register_vcpu_info, register_info, sizeof(struct vcpu_register_vcpu_info))
	VCPU_ROW(VCPUOP_send_nmi, send_nmi, 0)
	VCPU_ROW(VCPUOP_register_vcpu_time_memory_area, register_time,
		 sizeof(struct vcpu_register_time_memory_area))
};
/* clang-format on */

#define VCPU_OPS (sizeof(vcpu_ops) / sizeof(*vcpu_ops))

long do_vcpu_op(uint32_t cmd, uint32_t vcpu, void *arg)
{
	_Alignas(16) uint8_t copy[OP_ARG_MAX];
	const struct vcpu_op_row *row = cmd < VCPU_OPS ? &vcpu_ops[cmd] : NULL;

	/* One whose VP did not start is not there: Linux counts those that do not say so, and would wait for it for ever. */
	if (vcpu >= domain.nr_vcpus || domain.vcpus[vcpu].state == VCPU_ABSENT)
		return -XEN_ENOENT;
	if (!row || !row->run)
		return -XEN_ENOSYS;
	if (row->size && !copy_from_guest(copy, arg, row->size))
		return -XEN_EFAULT;
	return row->run(&domain.vcpus[vcpu], row->size ? copy : arg);
}
