/* SPDX-License-Identifier: MIT */
/*
 * The hypercalls, by file. Pointers are the guest's own: untrusted, to be read by copy_from_guest only. Each returns what Xen
 * returns: 0 or a positive result, or a negative XEN_E*. Interrupts are off; only do_sched_op waits.
 */
#ifndef XENOLITH_XEN_HANDLERS_H
#define XENOLITH_XEN_HANDLERS_H

#include <stdint.h>

#include "core/xen_abi.h"

/* hypercall.c */
long do_multicall(struct multicall_entry *calls, uint32_t nr);

/* mmu.c */
long do_mmu_update(const struct mmu_update *updates, uint32_t count, uint32_t *done,
		   uint32_t domid);
long do_update_va_mapping(uint64_t va, uint64_t value, uint64_t flags);
long do_update_va_mapping_otherdomain(uint64_t va, uint64_t value, uint64_t flags, uint32_t domid);
long do_mmuext_op(const struct mmuext_op *ops, uint32_t count, uint32_t *done, uint32_t domid);

/* memory.c */
long do_memory_op(uint64_t cmd, void *arg);

/* segments.c */
long do_set_gdt(const uint64_t *frames, uint32_t entries);
long do_update_descriptor(uint64_t ma, uint64_t descriptor);
long do_set_segment_base(uint32_t which, uint64_t base);
long do_stack_switch(uint64_t ss, uint64_t sp);
long do_fpu_taskswitch(int set);

/* callbacks.c */
long do_set_trap_table(const struct trap_info *traps);
long do_set_callbacks(uint64_t event, uint64_t failsafe, uint64_t syscall);
long do_callback_op(uint32_t cmd, void *arg);
long do_nmi_op(uint32_t cmd, void *arg);

/* debugreg.c */
long do_set_debugreg(uint32_t reg, uint64_t value);
long do_get_debugreg(uint32_t reg);

/* version.c */
long do_xen_version(uint32_t cmd, void *arg);
long do_vm_assist(uint32_t cmd, uint32_t type);

/* sched.c */
long do_sched_op(uint32_t cmd, void *arg);
long do_sched_op_compat(uint32_t cmd, uint64_t arg);

/* vcpu.c */
long do_vcpu_op(uint32_t cmd, uint32_t vcpu, void *arg);

/* time.c */
long do_set_timer_op(uint64_t deadline);

/* events.c */
long do_event_channel_op(uint32_t cmd, void *arg);
long do_event_channel_op_compat(void *op);

/* console.c */
long do_console_io(uint32_t cmd, uint32_t count, char *buffer);

/* physdev.c */
long do_physdev_op(uint32_t cmd, void *arg);
long do_physdev_op_compat(void *op);

/* grant.c */
long do_grant_table_op(uint32_t cmd, void *arg, uint32_t count);

#endif
