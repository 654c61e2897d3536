/* SPDX-License-Identifier: MIT */
/* Whether a parsed kernel is one that the adapter can run. */
#include "core/kimage/internal.h"

#include "core/string.h"

#define PAGE_MASK 0xfffull
/*
 * What a 64-bit PV guest cannot use: the addresses that are not canonical, then the hypervisor's own
 * (xen/arch-x86/xen-x86_64.h, HYPERVISOR_VIRT_START and _END).
 */
#define HOLE_START 0x0000800000000000ull
#define XEN_START  0xffff800000000000ull
#define HOLE_END   0xffff880000000000ull

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

static enum kimage_error misplaced(struct kimage_fault *fault, const char *what, uint64_t at)
{
	kimage_fail(fault, KIMAGE_E_ADDRESS, what);
	fault->at = at;
	return KIMAGE_E_ADDRESS;
}

static bool in_kernel(const struct kimage *k, uint64_t va, uint64_t size)
{
	uint64_t pa = va - k->virt_offset;

	return va >= k->virt_offset && pa >= k->pa_start && inside(pa, size, k->pa_end);
}

/* Whether [start, start + size) is the guest's to map. */
static bool usable(uint64_t start, uint64_t size)
{
	uint64_t last = start + size - 1;

	return last >= start && (last < HOLE_START || start >= HOLE_END);
}

static enum kimage_error check_addresses(const struct kimage *k, struct kimage_fault *fault)
{
	uint64_t start = k->pa_start + k->virt_offset, size = k->pa_end - k->pa_start;

	if (start < k->virt_offset || !usable(start, size)) {
		return misplaced(fault, "mapping", start);
	}
	if (!in_kernel(k, k->entry, 1)) {
		return misplaced(fault, "entry", k->entry);
	}
	if ((k->present & KIMAGE_HAS_HYPERCALL_PAGE) != 0 &&
	    ((k->hypercall_page & PAGE_MASK) != 0 ||
	     !in_kernel(k, k->hypercall_page, PAGE_MASK + 1))) {
		return misplaced(fault, "hypercall page", k->hypercall_page);
	}
	if ((k->present & KIMAGE_HAS_INIT_P2M) != 0 &&
	    ((k->init_p2m & PAGE_MASK) != 0 || !usable(k->init_p2m, 1) ||
	     in_kernel(k, k->init_p2m, 1))) {
		return misplaced(fault, "P2M", k->init_p2m);
	}
	if ((k->present & KIMAGE_HAS_HV_START_LOW) != 0 && k->hv_start_low > XEN_START) {
		return misplaced(fault, "HV_START_LOW", k->hv_start_low);
	}
	return KIMAGE_OK;
}

enum kimage_error kimage_check(const struct kimage *k, uint32_t features,
			       struct kimage_fault *fault)
{
	uint32_t lacking = k->features_required & ~features;
	char buf[16];

	/* A kernel for PVH alone has notes too, but none that a PV start needs. */
	if ((k->present & KIMAGE_HAS_PHYS32_ENTRY) != 0 &&
	    (k->present & (KIMAGE_HAS_ENTRY | KIMAGE_HAS_VIRT_BASE)) == 0) {
		return kimage_fail(fault, KIMAGE_E_NO_XEN, "");
	}
	if (!starts_with(k->xen_version, "xen-3.0")) {
		return kimage_fail(fault, KIMAGE_E_XEN_VERSION, k->xen_version);
	}
	if (!starts_with(k->loader, "generic") && !starts_with(k->guest_os, "linux")) {
		return kimage_fail(fault, KIMAGE_E_LOADER, k->loader);
	}
	if (lacking != 0) {
		return kimage_fail(fault, KIMAGE_E_FEATURE,
				   kimage_feature_name(__builtin_ctz(lacking), buf, sizeof(buf)));
	}
	return check_addresses(k, fault);
}
