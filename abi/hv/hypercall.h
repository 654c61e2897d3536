/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: the control word, the result word, call codes and inputs. TLFS 6.0b, "Hypercall Interface", and the page
 * named after each call.
 *
 * Registers on x64: rcx control word, rdx input GPA, r8 output GPA (a fast call: rdx and r8 are the first and the second
 * eight bytes of input); the result comes in rax. The hypervisor may change rcx, rdx and r8 to r11; XMM only where the
 * call uses it. Input and output are 8-byte aligned and do not cross a page.
 */
#ifndef XENOLITH_ABI_HV_HYPERCALL_H
#define XENOLITH_ABI_HV_HYPERCALL_H

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

/* Control word ("Hypercall Inputs"). */
#define HV_CONTROL_CODE            0xffffull
#define HV_CONTROL_FAST            (1ull << 16)
#define HV_CONTROL_VARHEAD_SHIFT   17 /* 26:17, size of the variable header in 8-byte units */
#define HV_CONTROL_VARHEAD_MAX     0x3ffull
#define HV_CONTROL_REP_COUNT_SHIFT 32 /* 43:32 */
#define HV_CONTROL_REP_START_SHIFT 48 /* 59:48 */
#define HV_CONTROL_REP_MAX         0xfffull

/* Result word ("Hypercall Outputs"). */
#define HV_RESULT_STATUS         0xffffull
#define HV_RESULT_REP_DONE_SHIFT 32 /* 43:32 */

/* Call codes. */
#define HV_CALL_FLUSH_SPACE      0x0002u
#define HV_CALL_FLUSH_LIST       0x0003u
#define HV_CALL_SPIN_WAIT        0x0008u
#define HV_CALL_CLUSTER_IPI      0x000bu
#define HV_CALL_FLUSH_SPACE_EX   0x0013u
#define HV_CALL_FLUSH_LIST_EX    0x0014u
#define HV_CALL_CLUSTER_IPI_EX   0x0015u
#define HV_CALL_POST_MESSAGE     0x005cu
#define HV_CALL_SIGNAL_EVENT     0x005du
#define HV_CALL_START_VP         0x0099u
#define HV_CALL_VP_INDEX_OF_APIC 0x009au

/* Status codes ("Hypercall Status Codes"): those that the calls above can return. */
enum hv_status {
	HV_STATUS_SUCCESS = 0x0000,
	HV_STATUS_INVALID_HYPERCALL_CODE = 0x0002,
	HV_STATUS_INVALID_HYPERCALL_INPUT = 0x0003,
	HV_STATUS_INVALID_ALIGNMENT = 0x0004,
	HV_STATUS_INVALID_PARAMETER = 0x0005,
	HV_STATUS_ACCESS_DENIED = 0x0006,
	HV_STATUS_INVALID_PARTITION_STATE = 0x0007,
	HV_STATUS_OPERATION_DENIED = 0x0008,
	HV_STATUS_UNKNOWN_PROPERTY = 0x0009,
	HV_STATUS_INSUFFICIENT_MEMORY = 0x000b,
	HV_STATUS_INVALID_PARTITION_ID = 0x000d,
	HV_STATUS_INVALID_VP_INDEX = 0x000e,
	HV_STATUS_INVALID_PORT_ID = 0x0011,
	HV_STATUS_INVALID_CONNECTION_ID = 0x0012,
	HV_STATUS_INSUFFICIENT_BUFFERS = 0x0013,
	HV_STATUS_NOT_ACKNOWLEDGED = 0x0014,
	HV_STATUS_INVALID_VP_STATE = 0x0015,
	HV_STATUS_ACKNOWLEDGED = 0x0016,
	HV_STATUS_INVALID_SYNIC_STATE = 0x0018,
	HV_STATUS_OBJECT_IN_USE = 0x0019,
	HV_STATUS_NO_DATA = 0x001b,
	HV_STATUS_INACTIVE = 0x001c,
	HV_STATUS_NO_RESOURCES = 0x001d,
};

#define HV_PARTITION_SELF 0xffffffffffffffffull
#define HV_VP_SELF        0xfffffffeu

/* HV_VP_SET: which VPs, as banks of 64; `bank` holds one word per bit of valid_banks. Format ALL ignores the rest. */
#define HV_VP_SET_SPARSE 0ull
#define HV_VP_SET_ALL    1ull
#define HV_VP_SET_BANKS  64

/* HvCallFlushVirtualAddressSpace and …List: flags. */
#define HV_FLUSH_ALL_PROCESSORS        (1ull << 0)
#define HV_FLUSH_ALL_ADDRESS_SPACES    (1ull << 1)
#define HV_FLUSH_NON_GLOBAL_ONLY       (1ull << 2)
#define HV_FLUSH_EXTENDED_RANGE_FORMAT (1ull << 3)

/* A range in a flush list: bits 63:12 the first page, 11:0 how many more follow it. */
#define HV_GVA_RANGE_MORE_MAX 0xfffull

struct hv_flush {
	uint64_t address_space;
	uint64_t flags;
	uint64_t vp_mask;
	uint64_t range[]; /* list form */
};
_Static_assert(sizeof(struct hv_flush) == 24, "TLFS layout");

struct hv_flush_ex {
	uint64_t address_space;
	uint64_t flags;
	uint64_t set_format;
	uint64_t valid_banks;
	uint64_t bank[]; /* the variable header; a list's ranges follow the last bank */
};
_Static_assert(sizeof(struct hv_flush_ex) == 32, "TLFS layout");

/* HvCallSendSyntheticClusterIpi. KVM and Hyper-V refuse vectors below 16. */
struct hv_cluster_ipi {
	uint32_t vector;
	uint32_t target_vtl; /* 0: the caller's own */
	uint64_t vp_mask;
};
_Static_assert(sizeof(struct hv_cluster_ipi) == 16, "TLFS layout");

struct hv_cluster_ipi_ex {
	uint32_t vector;
	uint32_t target_vtl;
	uint64_t set_format;
	uint64_t valid_banks;
	uint64_t bank[];
};
_Static_assert(sizeof(struct hv_cluster_ipi_ex) == 24, "TLFS layout");

/* HvCallNotifyLongSpinWait. */
struct hv_spin_wait {
	uint32_t spins;
	uint32_t reserved;
};
_Static_assert(sizeof(struct hv_spin_wait) == 8, "TLFS layout");

/* HvCallPostMessage. */
struct hv_post_message {
	uint32_t connection;
	uint32_t reserved;
	uint32_t type; /* bit 31 clear: not one of the hypervisor's own */
	uint32_t payload_size;
	uint8_t payload[240];
};
_Static_assert(sizeof(struct hv_post_message) == 256, "TLFS layout");
_Static_assert(offsetof(struct hv_post_message, payload) == 16, "TLFS layout");

/* HvCallSignalEvent: fits a fast call. */
struct hv_signal_event {
	uint32_t connection;
	uint16_t flag;
	uint16_t reserved;
};
_Static_assert(sizeof(struct hv_signal_event) == 8, "TLFS layout");

#endif
