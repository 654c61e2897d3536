/* SPDX-License-Identifier: MIT */
#include "adapter/x86/rtc.h"

#define STATUS_B_24H    0x02
#define STATUS_B_BINARY 0x04
#define HOUR_PM         0x80

static bool decode(uint8_t value, bool binary, unsigned *result)
{
	*result = binary ? value : (value >> 4) * 10u + (value & 15);
	return binary || ((value & 15) <= 9 && value >> 4 <= 9);
}

/* Days from 1970-01-01 to a date of the Gregorian calendar from 2000 to 2099. */
static uint64_t days(unsigned year, unsigned month, unsigned day)
{
	static const uint16_t before[12] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
	unsigned leap_days = (year - 2000 + 3) / 4 + (year % 4 == 0 && month > 2);

	return 10957 + (year - 2000) * 365u + leap_days + before[month - 1] + day - 1;
}

/* The century register is not to be trusted, and no clock shows a year before this program was written: 2000 to 2099. */
bool rtc_decode(const struct rtc_regs *regs, uint64_t *seconds)
{
	bool binary = regs->status_b & STATUS_B_BINARY;
	unsigned second, minute, hour, day, month, year;
	bool pm = false, ok = true;
	uint8_t raw_hour = regs->hour;

	if (!(regs->status_b & STATUS_B_24H)) {
		pm = raw_hour & HOUR_PM;
		raw_hour &= (uint8_t)~HOUR_PM;
	}
	ok &= decode(regs->second, binary, &second) && second <= 59;
	ok &= decode(regs->minute, binary, &minute) && minute <= 59;
	ok &= decode(raw_hour, binary, &hour) && hour <= 23;
	ok &= decode(regs->day, binary, &day) && day >= 1 && day <= 31;
	ok &= decode(regs->month, binary, &month) && month >= 1 && month <= 12;
	ok &= decode(regs->year, binary, &year) && year <= 99;
	if (!(regs->status_b & STATUS_B_24H)) {
		ok &= hour >= 1 && hour <= 12;
		hour = hour % 12 + (pm ? 12 : 0);
	}
	if (!ok)
		return false;
	*seconds = ((days(2000 + year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
	return true;
}
