/* SPDX-License-Identifier: MIT */
/* The end of the partition. None of these returns. */
#ifndef XENOLITH_SEAM_POWER_H
#define XENOLITH_SEAM_POWER_H

#include <stddef.h>
#include <stdint.h>

_Noreturn void power_off(void);
_Noreturn void power_reset(void);

/*
 * The guest, or the adapter, cannot go on. The caller has already shown why on the console. Tells the hypervisor
 * (five parameter words and a message of up to 4096 bytes, TLFS "Partition Crash Enlightenment"), then does as the option crash= says.
 */
_Noreturn void power_crash(const uint64_t params[5], const char *message, size_t length);

#endif
