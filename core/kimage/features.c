/* SPDX-License-Identifier: MIT */
/* The kernel's FEATURES string: names separated by '|', '!' before a required one (xen/elfnote.h, XEN_ELFNOTE_FEATURES). */
#include "core/kimage/internal.h"

#include <xen/features.h>

#include "core/fmt.h"
#include "core/string.h"

#define FEATURE(name) [XENFEAT_##name] = #name
static const char *const names[32] = {
    FEATURE(writable_page_tables),
    FEATURE(writable_descriptor_tables),
    FEATURE(auto_translated_physmap),
    FEATURE(supervisor_mode_kernel),
    FEATURE(pae_pgdir_above_4gb),
    FEATURE(mmu_pt_update_preserve_ad),
    FEATURE(highmem_assist),
    FEATURE(gnttab_map_avail_bits),
    FEATURE(hvm_callback_vector),
    FEATURE(hvm_safe_pvclock),
    FEATURE(hvm_pirqs),
    FEATURE(dom0),
    FEATURE(memory_op_vnode_supported),
    FEATURE(linux_rsdp_unrestricted),
    FEATURE(not_direct_mapped),
    FEATURE(direct_mapped),
};

const char *kimage_feature_name(unsigned int bit, char *buf, size_t size)
{
	if (bit < 32 && names[bit] != NULL) {
		return names[bit];
	}
	fmt(buf, size, "feature %u", bit);
	return buf;
}

static int feature_bit(const char *name, size_t len)
{
	for (int bit = 0; bit < 32; bit++) {
		if (names[bit] != NULL && strlen(names[bit]) == len &&
		    memcmp(names[bit], name, len) == 0) {
			return bit;
		}
	}
	return -1;
}

static enum kimage_error add_feature(struct kimage *k, const char *name, size_t len,
				     struct kimage_fault *fault)
{
	bool required = len > 0 && name[0] == '!';
	int bit = feature_bit(name + required, len - required);

	if (bit >= 0) {
		k->features_supported |= 1u << bit;
		k->features_required |= required ? 1u << bit : 0;
	} else if (required) {
		kimage_fail(fault, KIMAGE_E_FEATURE, "");
		fmt(fault->text, sizeof(fault->text), "%.*s", (int)(len < 64 ? len - 1 : 64),
		    name + 1);
		return KIMAGE_E_FEATURE;
	}
	return KIMAGE_OK; /* what it merely supports and we do not know does not matter */
}

enum kimage_error kimage_parse_features(struct kimage *k, const char *text, size_t len,
					struct kimage_fault *fault)
{
	for (size_t pos = 0; pos < len;) {
		const char *bar = memchr(text + pos, '|', len - pos);
		size_t n = bar != NULL ? (size_t)(bar - text) - pos : len - pos;

		if (add_feature(k, text + pos, n, fault) != KIMAGE_OK) {
			return fault->error;
		}
		pos += n + 1;
	}
	return KIMAGE_OK;
}
