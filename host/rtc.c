/* SPDX-License-Identifier: MIT */
/* Registers: Motorola MC146818A data sheet. The century is where the FADT says. */
#include "host/rtc.h"

#include <stdbool.h>
#include <time.h>

enum {
	SECONDS = 0,
	MINUTES = 2,
	HOURS = 4,
	WEEKDAY = 6,
	DAY = 7,
	MONTH = 8,
	YEAR = 9,
	STATUS_A = 10,
	STATUS_B = 11,
	STATUS_C = 12,
	STATUS_D = 13,
	CENTURY = 0x32,
};

#define A_DIVIDER  0x26 /* 32,768 Hz, no update in progress */
#define B_24_HOURS 0x02
#define B_BINARY   0x04
#define D_VALID    0x80

static uint8_t encode(const struct rtc *rtc, int value)
{
	return (uint8_t)(rtc->cmos[STATUS_B] & B_BINARY ? value : value / 10 << 4 | value % 10);
}

static uint8_t read_register(const struct rtc *rtc)
{
	time_t now = time(NULL);
	struct tm tm;

	gmtime_r(&now, &tm);
	switch (rtc->index) {
	case SECONDS: return encode(rtc, tm.tm_sec);
	case MINUTES: return encode(rtc, tm.tm_min);
	case HOURS: return encode(rtc, tm.tm_hour);
	case WEEKDAY: return encode(rtc, tm.tm_wday + 1);
	case DAY: return encode(rtc, tm.tm_mday);
	case MONTH: return encode(rtc, tm.tm_mon + 1);
	case YEAR: return encode(rtc, tm.tm_year % 100);
	case CENTURY: return encode(rtc, 19 + tm.tm_year / 100);
	case STATUS_A: return A_DIVIDER;
	case STATUS_C: return 0; /* no interrupts */
	case STATUS_D: return D_VALID;
	default: return rtc->cmos[rtc->index];
	}
}

static uint32_t port_read(void *device, uint16_t offset, unsigned size)
{
	struct rtc *rtc = device;
	uint32_t value;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	value = offset ? read_register(rtc) : rtc->index;
	pthread_mutex_unlock(&rtc->lock);
	return value;
}

static void port_write(void *device, uint16_t offset, unsigned size, uint32_t value)
{
	struct rtc *rtc = device;

	(void)size;
	pthread_mutex_lock(&rtc->lock);
	if (offset == 0) {
		rtc->index = value & 0x7f; /* bit 7 masks NMI */
	} else {
		rtc->cmos[rtc->index] = (uint8_t)value;
	}
	pthread_mutex_unlock(&rtc->lock);
}

void rtc_attach(struct rtc *rtc, struct bus *bus)
{
	const struct bus_device ports = {0x70, 2, port_read, port_write, rtc};

	pthread_mutex_init(&rtc->lock, NULL);
	rtc->cmos[STATUS_B] = B_24_HOURS;
	bus_add(bus, &ports);
}
