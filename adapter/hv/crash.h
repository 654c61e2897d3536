/* SPDX-License-Identifier: MIT */
/* The end of the partition, as the hypervisor takes it. */
#ifndef XENOLITH_HV_CRASH_H
#define XENOLITH_HV_CRASH_H

#include <stddef.h>
#include <stdint.h>

/* Reports a crash where offered, and returns unless the host acts on it. The message is cut to a page. */
void hv_crash(const uint64_t params[5], const char *message, size_t length);

/* Resets the partition where offered; otherwise returns. */
void hv_reset(void);

#endif
