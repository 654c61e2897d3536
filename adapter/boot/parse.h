/* SPDX-License-Identifier: MIT */
/*
 * From a boot loader's information to struct bootinfo. Pure functions on bytes: they trust nothing that the loader
 * wrote, and run hosted in the tests. Everything is copied out except the modules.
 */
#ifndef XENOLITH_BOOT_PARSE_H
#define XENOLITH_BOOT_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapter/boot/bootinfo.h"

#define BOOT_STRINGS_SIZE 16384
#define RSDP_SIZE_MAX     36 /* ACPI 6.5, 5.2.5.3 "Root System Description Pointer" */

struct boot_parser {
	/* The machine memory that may be read: `size` bytes of machine address `start` on lie at `bytes`. */
	const uint8_t *bytes;
	uint64_t start, size;

	struct bootinfo *out;
	bool names; /* command lines begin with the name of the file, which is dropped */

	/* What out's pointers point to, so it lives as long as out. */
	size_t strings_used;
	char strings[BOOT_STRINGS_SIZE];
	bool has_rsdp; /* the loader gave a copy of the RSDP, not its address */
	_Alignas(8) uint8_t rsdp[RSDP_SIZE_MAX];
};

/*
 * Fills p->out; bytes, start, size and out of p are set, the rest is zero. `magic` and `info` as in boot_entry.
 * Returns NULL, or what is wrong in words for people.
 */
const char *boot_parse(struct boot_parser *p, uint32_t magic, uint32_t info);

/* One protocol each; boot_parse chooses. */
const char *boot_parse_multiboot(struct boot_parser *p, uint32_t info);
const char *boot_parse_multiboot2(struct boot_parser *p, uint32_t info);
const char *boot_parse_pvh(struct boot_parser *p, uint32_t info);

/*
 * For the protocols.
 */

/* Copies `length` bytes at machine address `ma`; false where they do not all lie in readable memory. */
bool boot_read(const struct boot_parser *p, uint64_t ma, void *to, size_t length);

/* Copies the NUL-terminated string at `ma`, of which at most `max` bytes may be read; drops the first word if
 * p->names, else where it is a file's name. `ma` 0 is the empty string. */
const char *boot_string(struct boot_parser *p, uint64_t ma, uint64_t max, const char **to);

const char *boot_add_module(struct boot_parser *p, uint64_t start, uint64_t end,
			    const char *cmdline);

/* Joins the range to the one before it where they touch and are of one type. Empty ranges are dropped. */
const char *boot_add_range(struct boot_parser *p, uint64_t start, uint64_t size, uint32_t type);

#endif
