/* SPDX-License-Identifier: MIT */
/* Where the linker script put things (adapter.lds). */
#ifndef XENOLITH_X86_IMAGE_H
#define XENOLITH_X86_IMAGE_H

#include <stdint.h>

extern const uint8_t image_start[], text_end[], rodata_end[], data_end[], image_end[];

struct extable_entry {
	uint64_t fault, fixup;
};
extern const struct extable_entry extable_start[], extable_end[];

#endif
