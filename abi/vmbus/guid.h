/* SPDX-License-Identifier: MIT */
/* A GUID as VMBus carries it: the first three fields little-endian, the last eight bytes in order. [MS-DTYP] 2.3.4. */
#ifndef ABI_VMBUS_GUID_H
#define ABI_VMBUS_GUID_H

#include <stdint.h>

struct vmbus_guid {
	uint32_t a;
	uint16_t b, c;
	uint8_t d[8];
};
_Static_assert(sizeof(struct vmbus_guid) == 16, "GUID");

#endif
