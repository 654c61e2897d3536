/* SPDX-License-Identifier: MIT */
/* What a kernel says of itself to Xen. Source: xen/elfnote.h; note layout: System V gABI, "Note Section". */
#include "core/kimage/internal.h"

#include <elf.h>
#include <xen/elfnote.h>

#include "core/string.h"

#define NOTE_ALIGN 4
#define XEN_NAME   "Xen"

static void copy_text(char *to, size_t size, const char *text, size_t len)
{
	if (len > size - 1) {
		len = size - 1;
	}
	memcpy(to, text, len);
	to[len] = '\0';
}

enum kimage_error kimage_set_text(struct kimage *k, uint32_t note, const char *text, size_t len,
				  struct kimage_fault *fault)
{
	switch (note) {
	case XEN_ELFNOTE_GUEST_OS: copy_text(k->guest_os, sizeof(k->guest_os), text, len); break;
	case XEN_ELFNOTE_GUEST_VERSION:
		copy_text(k->guest_version, sizeof(k->guest_version), text, len);
		break;
	case XEN_ELFNOTE_XEN_VERSION:
		copy_text(k->xen_version, sizeof(k->xen_version), text, len);
		break;
	case XEN_ELFNOTE_LOADER: copy_text(k->loader, sizeof(k->loader), text, len); break;
	case XEN_ELFNOTE_PAE_MODE: copy_text(k->pae_mode, sizeof(k->pae_mode), text, len); break;
	case XEN_ELFNOTE_BSD_SYMTAB: k->bsd_symtab = len == 3 && memcmp(text, "yes", 3) == 0; break;
	case XEN_ELFNOTE_FEATURES:
		copy_text(k->features, sizeof(k->features), text, len);
		k->present |= KIMAGE_HAS_FEATURES;
		return kimage_parse_features(k, text, len, fault);
	default: break;
	}
	return KIMAGE_OK;
}

enum kimage_error kimage_set_number(struct kimage *k, uint32_t note, uint64_t value,
				    struct kimage_fault *fault)
{
	switch (note) {
	case XEN_ELFNOTE_ENTRY:
		k->entry = value;
		k->present |= KIMAGE_HAS_ENTRY;
		break;
	case XEN_ELFNOTE_HYPERCALL_PAGE:
		k->hypercall_page = value;
		k->present |= KIMAGE_HAS_HYPERCALL_PAGE;
		break;
	case XEN_ELFNOTE_VIRT_BASE:
		k->virt_base = value;
		k->present |= KIMAGE_HAS_VIRT_BASE;
		break;
	case XEN_ELFNOTE_PADDR_OFFSET:
		k->paddr_offset = value;
		k->present |= KIMAGE_HAS_PADDR_OFFSET;
		break;
	case XEN_ELFNOTE_HV_START_LOW:
		k->hv_start_low = value;
		k->present |= KIMAGE_HAS_HV_START_LOW;
		break;
	case XEN_ELFNOTE_INIT_P2M:
		k->init_p2m = value;
		k->present |= KIMAGE_HAS_INIT_P2M;
		break;
	case XEN_ELFNOTE_PHYS32_ENTRY:
		if (value > UINT32_MAX) {
			return kimage_fail(fault, KIMAGE_E_NOTE, "PHYS32_ENTRY lies above 4 GiB");
		}
		k->phys32_entry = value;
		k->present |= KIMAGE_HAS_PHYS32_ENTRY;
		break;
	case XEN_ELFNOTE_SUSPEND_CANCEL: k->suspend_cancel = value != 0; break;
	case XEN_ELFNOTE_MOD_START_PFN: k->mod_start_pfn = value != 0; break;
	case XEN_ELFNOTE_SUPPORTED_FEATURES: k->features_supported |= value; break;
	default: break;
	}
	return KIMAGE_OK;
}

static bool is_text(uint32_t note)
{
	switch (note) {
	case XEN_ELFNOTE_XEN_VERSION:
	case XEN_ELFNOTE_GUEST_OS:
	case XEN_ELFNOTE_GUEST_VERSION:
	case XEN_ELFNOTE_LOADER:
	case XEN_ELFNOTE_PAE_MODE:
	case XEN_ELFNOTE_FEATURES:
	case XEN_ELFNOTE_BSD_SYMTAB: return true;
	default: return false;
	}
}

/* Pairs of mask and value; a 64-bit guest's are 8 bytes each. Only the first counts: Linux has one. */
static enum kimage_error set_l1_mfn_valid(struct kimage *k, const unsigned char *desc, size_t size,
					  struct kimage_fault *fault)
{
	if (size < 16 || size % 16 != 0) {
		return kimage_fail(fault, KIMAGE_E_NOTE, "L1_MFN_VALID is not pairs of 8 bytes");
	}
	k->l1_mfn_valid_mask = get_le64(desc);
	k->l1_mfn_valid_value = get_le64(desc + 8);
	k->present |= KIMAGE_HAS_L1_MFN_VALID;
	return KIMAGE_OK;
}

static enum kimage_error parse_note(struct kimage *k, uint32_t type, const unsigned char *desc,
				    size_t size, struct kimage_fault *fault)
{
	if (type > XEN_ELFNOTE_MAX || type == XEN_ELFNOTE_INFO) {
		return KIMAGE_OK; /* newer than we are, or about a crash */
	}
	if (is_text(type)) {
		return kimage_set_text(k, type, (const char *)desc,
				       strnlen((const char *)desc, size), fault);
	}
	if (type == XEN_ELFNOTE_L1_MFN_VALID) {
		return set_l1_mfn_valid(k, desc, size, fault);
	}
	if (size == 4) {
		return kimage_set_number(k, type, get_le32(desc), fault);
	}
	if (size == 8) {
		return kimage_set_number(k, type, get_le64(desc), fault);
	}
	return kimage_fail(fault, KIMAGE_E_NOTE, "a number is neither 4 nor 8 bytes long");
}

static uint64_t padded(uint64_t n)
{
	return (n + NOTE_ALIGN - 1) & ~(uint64_t)(NOTE_ALIGN - 1);
}

enum kimage_error kimage_parse_notes(struct kimage *k, const unsigned char *notes, size_t size,
				     unsigned int *found, struct kimage_fault *fault)
{
	uint64_t pos = 0, name, desc;
	Elf64_Nhdr n;

	/* Less than a header is padding. */
	for (; size - pos >= sizeof(n); pos = desc + padded(n.n_descsz)) {
		memcpy(&n, notes + pos, sizeof(n));
		name = pos + sizeof(n);
		desc = name + padded(n.n_namesz);
		if (!inside(name, n.n_namesz, size) || !inside(desc, n.n_descsz, size)) {
			return kimage_fail(fault, KIMAGE_E_NOTE, "one reaches beyond its segment");
		}
		if (n.n_namesz != sizeof(XEN_NAME) ||
		    memcmp(notes + name, XEN_NAME, sizeof(XEN_NAME)) != 0) {
			continue;
		}
		(*found)++;
		if (parse_note(k, n.n_type, notes + desc, n.n_descsz, fault) != KIMAGE_OK) {
			return fault->error;
		}
	}
	return KIMAGE_OK;
}
