/* SPDX-License-Identifier: MIT */
/*
 * Xen's public ABI as core/ sees it: the headers of libxen-dev at one interface version, so that every file agrees on the
 * names and layouts. Include this before any other <xen/...> header.
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifndef __XEN_INTERFACE_VERSION__
#define __XEN_INTERFACE_VERSION__ 0x00040e00
#endif

#include <xen/xen.h>
#include <xen/errno.h>

_Static_assert(sizeof(struct vcpu_info) == 64, "xen.h: vcpu_info is one cache line");
_Static_assert(offsetof(struct shared_info, evtchn_pending) == 2048, "xen.h: after 32 vcpu_info");
