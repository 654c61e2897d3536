/* SPDX-License-Identifier: MIT */
/*
 * The __xen_guest section of kernels older than Xen's ELF notes: NAME=VALUE,NAME=VALUE… up to a NUL.
 * Source: the LEGACY remarks in xen/elfnote.h.
 */
#include "core/kimage/internal.h"

#include <xen/elfnote.h>

#include "core/number.h"
#include "core/string.h"

enum kind { TEXT, NUMBER, PAGE_NUMBER, PRESENCE };

static const struct {
	const char *name;
	uint32_t note;
	enum kind kind;
} items[] = {
    {"GUEST_OS", XEN_ELFNOTE_GUEST_OS, TEXT},
    {"GUEST_VER", XEN_ELFNOTE_GUEST_VERSION, TEXT},
    {"XEN_VER", XEN_ELFNOTE_XEN_VERSION, TEXT},
    {"LOADER", XEN_ELFNOTE_LOADER, TEXT},
    {"PAE", XEN_ELFNOTE_PAE_MODE, TEXT},
    {"FEATURES", XEN_ELFNOTE_FEATURES, TEXT},
    {"VIRT_BASE", XEN_ELFNOTE_VIRT_BASE, NUMBER},
    {"VIRT_ENTRY", XEN_ELFNOTE_ENTRY, NUMBER},
    {"ELF_PADDR_OFFSET", XEN_ELFNOTE_PADDR_OFFSET, NUMBER},
    {"HYPERCALL_PAGE", XEN_ELFNOTE_HYPERCALL_PAGE, PAGE_NUMBER},
    {"BSD_SYMTAB", XEN_ELFNOTE_BSD_SYMTAB, PRESENCE},
};

static enum kimage_error set_item(struct kimage *k, size_t i, const char *value, size_t len,
				  struct kimage_fault *fault)
{
	uint64_t number;

	switch (items[i].kind) {
	case TEXT: return kimage_set_text(k, items[i].note, value, len, fault);
	case PRESENCE: return kimage_set_text(k, items[i].note, "yes", 3, fault);
	default: break;
	}
	if (!number_parse(value, len, &number)) {
		return kimage_fail(fault, KIMAGE_E_NOTE, "__xen_guest has a bad number");
	}
	return kimage_set_number(k, items[i].note,
				 items[i].kind == PAGE_NUMBER ? number << 12 : number, fault);
}

static enum kimage_error parse_item(struct kimage *k, const char *text, size_t len,
				    struct kimage_fault *fault)
{
	const char *equals = memchr(text, '=', len);
	size_t name = equals != NULL ? (size_t)(equals - text) : len;
	size_t value = equals != NULL ? name + 1 : len;

	for (size_t i = 0; i < sizeof(items) / sizeof(items[0]); i++) {
		if (strlen(items[i].name) == name && memcmp(items[i].name, text, name) == 0) {
			return set_item(k, i, text + value, len - value, fault);
		}
	}
	return KIMAGE_OK; /* Xen ignores other names, too */
}

enum kimage_error kimage_parse_guest_section(struct kimage *k, const char *text, size_t size,
					     struct kimage_fault *fault)
{
	size_t end = strnlen(text, size);

	for (size_t pos = 0; pos < end;) {
		const char *comma = memchr(text + pos, ',', end - pos);
		size_t len = comma != NULL ? (size_t)(comma - text) - pos : end - pos;

		if (parse_item(k, text + pos, len, fault) != KIMAGE_OK) {
			return fault->error;
		}
		pos += len + 1;
	}
	return KIMAGE_OK;
}
