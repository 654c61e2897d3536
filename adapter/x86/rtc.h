/* SPDX-License-Identifier: MIT */
/* The PC's battery clock, taken to be in UTC. */
#ifndef XENOLITH_X86_RTC_H
#define XENOLITH_X86_RTC_H

#include <stdbool.h>
#include <stdint.h>

/* Seconds since 1970. False where there is no such clock or it holds no date. */
bool rtc_read(uint64_t *seconds);

/* The registers as read. Pure; runs hosted too. */
struct rtc_regs {
	uint8_t second, minute, hour, day, month, year;
	uint8_t status_b; /* bit 2 binary, bit 1 24 hours */
};
bool rtc_decode(const struct rtc_regs *regs, uint64_t *seconds);

#endif
