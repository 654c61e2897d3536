/* SPDX-License-Identifier: MIT */
/*
 * Room for the hypervisor's calling sequence. Before HV_MSR_HYPERCALL places it, a call here is a bug, and faults.
 */
	.section .text.hypercall_page, "ax", @progbits
	.balign 4096
	.globl hv_hypercall_page
	.hidden hv_hypercall_page
	.type hv_hypercall_page, @object
	.size hv_hypercall_page, 4096
hv_hypercall_page:
	.rept 2048
	ud2
	.endr

	.section .note.GNU-stack, "", @progbits
