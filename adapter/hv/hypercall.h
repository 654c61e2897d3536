/* SPDX-License-Identifier: MIT */
/*
 * Making hypercalls. Interrupts are off in the adapter, so a VP's input page has one user at a time; an NMI handler must
 * not make slow calls.
 */
#ifndef XENOLITH_HV_HYPERCALL_H
#define XENOLITH_HV_HYPERCALL_H

#include <stdint.h>

#include "abi/hv/hypercall.h"

/* A page in the image's text; the hypervisor puts the calling sequence there. */
extern unsigned char hv_hypercall_page[];

/* Boot VP: tells the hypervisor who we are and places the hypercall page. Panics where it refuses. */
void hv_hypercall_init(void);

/* Fast: up to 16 bytes of input in registers, no output. */
enum hv_status hv_call_fast(uint16_t code, uint64_t input0, uint64_t input1);

/* This VP's input page, a page of its own in the direct map; filled by the caller just before the call. */
void *hv_input_page(void);

/* Slow: input in hv_input_page(), no output. `varhead` is the variable header's size in 8-byte units. */
enum hv_status hv_call(uint16_t code, unsigned varhead);

/* Rep call with `reps` elements after the header; continues until all are done or one fails. */
enum hv_status hv_call_rep(uint16_t code, unsigned varhead, unsigned reps);

/* A status in words, for the log. */
const char *hv_status_name(enum hv_status status);

#endif
