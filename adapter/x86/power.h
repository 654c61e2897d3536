/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_X86_POWER_H
#define XENOLITH_X86_POWER_H

/* What power_crash does once the hypervisor knows; the option crash=. */
enum crash_action { CRASH_OFF, CRASH_RESET, CRASH_HALT };

extern enum crash_action crash_action;

#endif
