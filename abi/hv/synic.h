/* SPDX-License-Identifier: MIT */
/*
 * The synthetic interrupt controller and its timers. TLFS 6.0b, "Inter-Partition Communication" (SynIC) and "Timers".
 */
#ifndef XENOLITH_ABI_HV_SYNIC_H
#define XENOLITH_ABI_HV_SYNIC_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define HV_MSR_SCONTROL         0x40000080u /* bit 0: SynIC on */
#define HV_MSR_SVERSION         0x40000081u
#define HV_MSR_SIEFP            0x40000082u /* event flags page, form of HV_PAGE_MSR_* */
#define HV_MSR_SIMP             0x40000083u /* message page, the same form */
#define HV_MSR_EOM              0x40000084u /* written after a slot was freed: deliver what waits */
#define HV_MSR_SINT(n)          (0x40000090u + (n))
#define HV_MSR_STIMER_CONFIG(n) (0x400000b0u + 2 * (n))
#define HV_MSR_STIMER_COUNT(n) \
	(0x400000b1u + 2 * (n)) /* absolute, 100 ns of reference time; 0 stops */

#define HV_SCONTROL_ENABLE (1ull << 0)
#define HV_SINT_COUNT      16

/* "SINTx Registers": the vector in 7:0 must be 16 or more, unless masked. */
#define HV_SINT_VECTOR   0xffull
#define HV_SINT_MASKED   (1ull << 16)
#define HV_SINT_AUTO_EOI (1ull << 17)
#define HV_SINT_POLLING  (1ull << 18)

/* "Synthetic Timer Configuration Register". */
#define HV_STIMER_ENABLE       (1ull << 0)
#define HV_STIMER_PERIODIC     (1ull << 1)
#define HV_STIMER_LAZY         (1ull << 2)
#define HV_STIMER_AUTO_ENABLE  (1ull << 3) /* writing a count other than 0 enables */
#define HV_STIMER_VECTOR_SHIFT 4           /* 11:4, direct mode only */
#define HV_STIMER_DIRECT       (1ull << 12)
#define HV_STIMER_SINT_SHIFT   16 /* 19:16, message mode: 0 is not valid for an enabled timer */

/* "SynIC Message Page": sixteen slots, one per SINT. */
#define HV_MESSAGE_SIZE    256
#define HV_MESSAGE_PAYLOAD 240

#define HV_MESSAGE_NONE          0x00000000u
#define HV_MESSAGE_TIMER_EXPIRED 0x80000010u

#define HV_MESSAGE_FLAG_PENDING \
	(1u << 0) /* more wait for this slot: free it, then write HV_MSR_EOM */

struct hv_message {
	uint32_t type; /* HV_MESSAGE_NONE: the slot is free */
	uint8_t payload_size;
	uint8_t flags; /* the hypervisor may set PENDING at any time */
	uint16_t reserved;
	uint64_t sender; /* connection or port id */
	uint8_t payload[HV_MESSAGE_PAYLOAD];
};
_Static_assert(sizeof(struct hv_message) == HV_MESSAGE_SIZE, "TLFS layout");
_Static_assert(offsetof(struct hv_message, flags) == 5, "TLFS layout");
_Static_assert(offsetof(struct hv_message, sender) == 8, "TLFS layout");
_Static_assert(offsetof(struct hv_message, payload) == 16, "TLFS layout");

struct hv_message_page {
	struct hv_message slot[HV_SINT_COUNT];
};
_Static_assert(sizeof(struct hv_message_page) == 4096, "one page");

/* Payload of HV_MESSAGE_TIMER_EXPIRED. */
struct hv_timer_message {
	uint32_t timer;
	uint32_t reserved;
	uint64_t expired;   /* when it was due, 100 ns */
	uint64_t delivered; /* when the message was written */
};
_Static_assert(sizeof(struct hv_timer_message) == 24, "TLFS layout");

/* "SynIC Event Flags Page": sixteen areas of 2048 flags; bit n of the area is flag n. */
#define HV_EVENT_FLAGS 2048

struct hv_event_flags_page {
	uint32_t flags[HV_SINT_COUNT][HV_EVENT_FLAGS / 32];
};
_Static_assert(sizeof(struct hv_event_flags_page) == 4096, "one page");

#endif
