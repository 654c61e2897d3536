/* SPDX-License-Identifier: MIT */
/* Who we say we are: the ABI of Xen 4.17. */
#include "core/xen_abi.h"
#include <xen/features.h>
#include <xen/version.h>

#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/ops.h"
#include "core/string.h"

#define XEN_MAJOR 4
#define XEN_MINOR 17

static long version(void *arg)
{
	(void)arg; /* Linux calls this with NULL to get its events delivered on the way back */
	return XEN_MAJOR << 16 | XEN_MINOR;
}

static long give(void *guest, const void *what, size_t bytes)
{
	return copy_to_guest(guest, what, bytes) ? 0 : -XEN_EFAULT;
}

static long extraversion(void *arg)
{
	static const xen_extraversion_t text = ".0-xenolith";

	return give(arg, text, sizeof(text));
}

static long compile_info(void *arg)
{
	static const struct xen_compile_info info = {
	    .compiler = __VERSION__,
	    .compile_by = "xenolith",
	};

	return give(arg, &info, sizeof(info));
}

static long capabilities(void *arg)
{
	static const xen_capabilities_info_t text = "xen-3.0-x86_64 ";

	return give(arg, text, sizeof(text));
}

static long changeset(void *arg)
{
	static const xen_changeset_info_t text = "xenolith";

	return give(arg, text, sizeof(text));
}

static long platform_parameters(void *arg)
{
	static const struct xen_platform_parameters p = {.virt_start = HYPERVISOR_VIRT_START};

	return give(arg, &p, sizeof(p));
}

/*
 * mmu_pt_update_preserve_ad and gnttab_map_avail_bits are what Linux needs of Xen; the others do not change what it does.
 */
static uint32_t features(uint32_t submap)
{
	if (submap)
		return 0;
	return 1u << XENFEAT_mmu_pt_update_preserve_ad | 1u << XENFEAT_gnttab_map_avail_bits;
}

static long get_features(void *arg)
{
	struct xen_feature_info *f = arg;

	f->submap = features(f->submap_idx);
	return 0;
}

static long pagesize(void *arg)
{
	(void)arg;
	return PAGE_SIZE;
}

static long guest_handle(void *arg)
{
	static const xen_domain_handle_t none;

	return give(arg, none, sizeof(none));
}

static long commandline(void *arg)
{
	static const xen_commandline_t none;

	return give(arg, none, sizeof(none));
}

/* clang-format off */
static const struct op version_ops[] = {
	OP0_ROW(XENVER_version, version)
	OP0_ROW(XENVER_extraversion, extraversion)
	OP0_ROW(XENVER_compile_info, compile_info)
	OP0_ROW(XENVER_capabilities, capabilities)
	OP0_ROW(XENVER_changeset, changeset)
	OP0_ROW(XENVER_platform_parameters, platform_parameters)
	OP_ROW(XENVER_get_features, get_features, struct xen_feature_info, INOUT)
	OP0_ROW(XENVER_pagesize, pagesize)
	OP0_ROW(XENVER_guest_handle, guest_handle)
	OP0_ROW(XENVER_commandline, commandline)
	DENY_ROW(XENVER_build_id, XEN_ENODATA, "no build id")
};
/* clang-format on */

long do_xen_version(uint32_t cmd, void *arg)
{
	return op_run(version_ops, sizeof(version_ops) / sizeof(*version_ops), cmd, arg);
}

/*
 * Assists change how Xen emulates. 4gb_segments and pae_extended_cr3 are 32-bit matters; writable_pagetables is what the guest gets anyhow.
 */
long do_vm_assist(uint32_t cmd, uint32_t type)
{
	bool enable = cmd == VMASST_CMD_enable;

	if (cmd != VMASST_CMD_enable && cmd != VMASST_CMD_disable)
		return -XEN_ENOSYS;
	switch (type) {
	case VMASST_TYPE_writable_pagetables: return 0;
	case VMASST_TYPE_runstate_update_flag: domain.runstate_update_flag = enable; return 0;
	case VMASST_TYPE_m2p_strict: return 0; /* ring 3 never sees the M2P */
	default: return -XEN_EINVAL;
	}
}
