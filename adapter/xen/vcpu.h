/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_XEN_VCPU_H
#define XENOLITH_XEN_VCPU_H

/* A secondary VP's life: waits until the guest brings its vCPU up, then enters it. On the VP's own stack. */
_Noreturn void vcpu_run(void);

#endif
