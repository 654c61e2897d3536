/* SPDX-License-Identifier: MIT */
/*
 * Every hypercall number of xen/xen.h: CALL(number, name, handler) is carried out by `handler`; NOT(number, name, error, why) is
 * answered with -error as Xen answers an unprivileged PV domain. Makes the dispatch table of entry.S and docs/hypercalls.md.
 */
#ifndef XENOLITH_XEN_HYPERCALLS_H
#define XENOLITH_XEN_HYPERCALLS_H

/* clang-format off */
#define HYPERCALLS_LIST(CALL, NOT)                                                                 \
	CALL(0, set_trap_table, do_set_trap_table)                                                 \
	CALL(1, mmu_update, do_mmu_update)                                                         \
	CALL(2, set_gdt, do_set_gdt)                                                               \
	CALL(3, stack_switch, do_stack_switch)                                                     \
	CALL(4, set_callbacks, do_set_callbacks)                                                   \
	CALL(5, fpu_taskswitch, do_fpu_taskswitch)                                                 \
	CALL(6, sched_op_compat, do_sched_op_compat)                                               \
	NOT(7, platform_op, XEN_EPERM, "for the hardware domain")                                  \
	CALL(8, set_debugreg, do_set_debugreg)                                                     \
	CALL(9, get_debugreg, do_get_debugreg)                                                     \
	CALL(10, update_descriptor, do_update_descriptor)                                          \
	CALL(12, memory_op, do_memory_op)                                                          \
	CALL(13, multicall, do_multicall)                                                          \
	CALL(14, update_va_mapping, do_update_va_mapping)                                          \
	CALL(15, set_timer_op, do_set_timer_op)                                                    \
	CALL(16, event_channel_op_compat, do_event_channel_op_compat)                              \
	CALL(17, xen_version, do_xen_version)                                                      \
	CALL(18, console_io, do_console_io)                                                        \
	CALL(19, physdev_op_compat, do_physdev_op_compat)                                          \
	CALL(20, grant_table_op, do_grant_table_op)                                                \
	CALL(21, vm_assist, do_vm_assist)                                                          \
	CALL(22, update_va_mapping_otherdomain, do_update_va_mapping_otherdomain)                  \
	CALL(23, iret, no_hypercall) /* entry.S */                                                 \
	CALL(24, vcpu_op, do_vcpu_op)                                                              \
	CALL(25, set_segment_base, do_set_segment_base)                                            \
	CALL(26, mmuext_op, do_mmuext_op)                                                          \
	NOT(27, xsm_op, XEN_ENOSYS, "no security module, as Debian's Xen")                         \
	CALL(28, nmi_op, do_nmi_op)                                                                \
	CALL(29, sched_op, do_sched_op)                                                            \
	CALL(30, callback_op, do_callback_op)                                                      \
	NOT(31, xenoprof_op, XEN_ENOSYS, "no profiler")                                            \
	CALL(32, event_channel_op, do_event_channel_op)                                            \
	CALL(33, physdev_op, do_physdev_op)                                                        \
	NOT(34, hvm_op, XEN_ENOSYS, "for HVM guests")                                              \
	NOT(35, sysctl, XEN_EPERM, "for the toolstack")                                            \
	NOT(36, domctl, XEN_EPERM, "for the toolstack")                                            \
	NOT(37, kexec_op, XEN_EPERM, "for the hardware domain")                                    \
	NOT(38, tmem_op, XEN_ENOSYS, "removed from Xen 4.13")                                      \
	NOT(39, argo_op, XEN_ENOSYS, "no Argo, as Debian's Xen")                                   \
	NOT(40, xenpmu_op, XEN_EOPNOTSUPP, "the virtual PMU is off by default")                    \
	NOT(41, dm_op, XEN_EPERM, "for device models")                                             \
	NOT(42, hypfs_op, XEN_EPERM, "for the toolstack")
/* clang-format on */

#define HYPERCALLS_NR 64

#endif
