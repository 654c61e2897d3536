/* SPDX-License-Identifier: MIT */
/* The hypercalls that KVM hands on: posting a message, and signalling a connection that no eventfd serves. */
#ifndef HOST_HYPERCALL_H
#define HOST_HYPERCALL_H

#include <stdint.h>

struct vcpu;

/* `control` is the TLFS control word, `input` the input's GPA. Returns the result word. */
uint64_t hypercall(struct vcpu *vcpu, uint64_t control, uint64_t input);

#endif
