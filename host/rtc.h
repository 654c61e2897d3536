/* SPDX-License-Identifier: MIT */
/* The PC's clock, read-only: the host's UTC time, binary or BCD as the guest asks, and its CMOS as 128 bytes of RAM. */
#ifndef HOST_RTC_H
#define HOST_RTC_H

#include "host/bus.h"

#include <pthread.h>
#include <stdint.h>

struct rtc {
	pthread_mutex_t lock;
	uint8_t index;
	uint8_t cmos[128];
};

void rtc_attach(struct rtc *rtc, struct bus *bus);

#endif
