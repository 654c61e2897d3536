/* SPDX-License-Identifier: MIT */
/*
 * What the guest starts with: its image in memory, the boot information beside it, and the first processor's registers.
 *
 * Three kinds of image:
 *   an ELF file with a PHYS32_ENTRY note (vmlinux, the adapter, Mini-OS): PVH, xen/arch-x86/hvm/start_info.h;
 *   a bzImage: Linux's 64-bit boot protocol, Documentation/x86/boot.rst;
 * and with an adapter, the adapter is the image and the kernel is its first module, the initrd its second.
 */
#ifndef HOST_BOOT_H
#define HOST_BOOT_H

#include "host/gmem.h"

#include <linux/kvm.h>

struct boot_files {
	const char *adapter; /* NULL: the kernel starts by itself */
	const char *adapter_command_line;
	const char *kernel;
	const char *initrd; /* or NULL */
	const char *command_line;
};

enum boot_mode {
	BOOT_PROTECTED, /* 32-bit, flat, paging off; argument in ebx */
	BOOT_LONG,      /* 64-bit, the low 4 GiB mapped to themselves; argument in rsi */
};

struct boot_entry {
	enum boot_mode mode;
	uint64_t address;
	uint64_t argument;
};

/* Loads everything and fills `entry`. Says what is wrong with which file; 0 or -1. */
int boot_load(const struct gmem *memory, const struct boot_files *files, struct gpa rsdp,
	      struct boot_entry *entry);
/* The first processor's registers, into the vCPU. 0 or -1. */
int boot_set_registers(int vcpu, const struct boot_entry *entry);

#endif
