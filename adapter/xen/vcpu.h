/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_XEN_VCPU_H
#define XENOLITH_XEN_VCPU_H

/* A secondary VP's life: waits until the guest brings its vCPU up, then enters it. On the VP's own stack. */
_Noreturn void vcpu_run(void);

/* This vCPU was taken down by another: waits until it is brought up again. Its registers stay in the VP's frame. */
void vcpu_park(void);

/*
 * What a VP is asked for (vp_ask) it does when a trap takes it out of the guest. The interrupt that came with the question may have
 * struck in the adapter: then one more does, right after the hypercall.
 */
void vcpu_answer_soon(void);

/* Lets pending interrupts in, in the middle of a hypercall. */
void vcpu_window(void);

#endif
