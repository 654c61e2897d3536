/* SPDX-License-Identifier: MIT */
/*
 * How a hypercall with sub-operations is described: a list of rows, one a sub-operation of the public header, each either
 * handled or answered with the error that Xen gives an unprivileged domain. The rows make the dispatch table, the names in
 * the log and the page in docs/.
 *
 *   OP(number, handler, argument type, IN | INOUT)    the argument is copied in, checked by the handler, and for INOUT copied back on success
 *   OP0(number, handler)                              no argument, or one that the handler copies itself from the guest's pointer
 *   DENY(number, error, reason)                       always -error
 */
#ifndef XENOLITH_XEN_OPS_H
#define XENOLITH_XEN_OPS_H

#include <stddef.h>
#include <stdint.h>

#include "core/xen_abi.h"

#define OP_ARG_MAX 128 /* the largest argument that is copied as a whole */

enum op_copy { IN, INOUT };

struct op {
	const char *name;
	long (*run)(void *arg); /* arg: the copy, or for OP0 the guest's own pointer */
	uint16_t size;
	uint16_t copy_back;
	int16_t error; /* of a DENY */
};

#define OP_ROW(number, handler, type, copy) \
	[number] = {                        \
	    .name = #number, .run = handler, .size = sizeof(type), .copy_back = (copy) == INOUT},
#define OP0_ROW(number, handler)         [number] = {.name = #number, .run = handler},
#define DENY_ROW(number, error_, reason) [number] = {.name = #number, .error = -(error_)},

/* Copies, runs, copies back. A number without a row is -XEN_ENOSYS. */
long op_run(const struct op *ops, size_t nr, uint64_t number, void *guest_arg);

#endif
