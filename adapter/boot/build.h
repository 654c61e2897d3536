/* SPDX-License-Identifier: MIT */
/* Builds the guest: its memory, its kernel in it, its page tables, and the start_info that tells it all that. */
#ifndef XENOLITH_BOOT_BUILD_H
#define XENOLITH_BOOT_BUILD_H

#include "adapter/x86/frame.h"
#include "core/kimage.h"

struct guest_image {
	struct kimage kernel;
	const void *elf; /* the unpacked kernel, in borrowed memory */
	uint64_t elf_size;
	uint64_t initrd_ma, initrd_size; /* page-aligned, borrowed; 0: none */
	const char *cmdline;
};

/* Fills `domain` but for its vCPUs' running, and vCPU 0's start frame. Refuses what does not fit. */
void build_guest(const struct guest_image *image);

#endif
