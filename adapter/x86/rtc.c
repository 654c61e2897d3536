/* SPDX-License-Identifier: MIT */
#include "adapter/x86/rtc.h"

#include "adapter/x86/acpi.h"
#include "adapter/x86/asm.h"
#include "core/string.h"

/* MC146818: an index and a data port. Bit 7 of the index would mask NMIs on old machines. */
#define CMOS_INDEX 0x70
#define CMOS_DATA  0x71

#define RTC_SECOND        0x00
#define RTC_MINUTE        0x02
#define RTC_HOUR          0x04
#define RTC_DAY           0x07
#define RTC_MONTH         0x08
#define RTC_YEAR          0x09
#define RTC_STATUS_A      0x0a
#define RTC_STATUS_B      0x0b
#define STATUS_A_UPDATING 0x80

static uint8_t cmos(uint8_t index)
{
	outb(CMOS_INDEX, index);
	return inb(CMOS_DATA);
}

/* An update takes 2 ms at most; a port that nobody answers reads as updating for ever. */
static bool settled(void)
{
	for (unsigned i = 0; i < 20000; i++)
		if (!(cmos(RTC_STATUS_A) & STATUS_A_UPDATING))
			return true;
	return false;
}

static struct rtc_regs read_regs(void)
{
	return (struct rtc_regs){
	    .second = cmos(RTC_SECOND),
	    .minute = cmos(RTC_MINUTE),
	    .hour = cmos(RTC_HOUR),
	    .day = cmos(RTC_DAY),
	    .month = cmos(RTC_MONTH),
	    .year = cmos(RTC_YEAR),
	    .status_b = cmos(RTC_STATUS_B),
	};
}

bool rtc_read(uint64_t *seconds)
{
	struct rtc_regs a, b;

	if (acpi_no_rtc())
		return false;
	/* Two equal readings: an update may begin between the check and the last register. */
	for (unsigned i = 0; i < 5; i++) {
		if (!settled())
			return false;
		a = read_regs();
		b = read_regs();
		if (!memcmp(&a, &b, sizeof(a)))
			return rtc_decode(&a, seconds);
	}
	return false;
}
