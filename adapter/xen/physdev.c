/* SPDX-License-Identifier: MIT */
/* Physical devices: the guest has none. I/O privilege is kept, because its kernel asks for it and its processes may get it. */
#include "core/xen_abi.h"
#include <xen/physdev.h>

#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/ops.h"

static long set_iopl(void *arg)
{
	const struct physdev_set_iopl *p = arg;

	if (p->iopl > 3)
		return -XEN_EINVAL;
	this_vp()->iopl = p->iopl;
	return 0;
}

#define PORTS 65536

static long set_iobitmap(void *arg)
{
	const struct physdev_set_iobitmap *p = arg;

	if (p->nr_ports > PORTS)
		return -XEN_EINVAL;
	this_vp()->io_bitmap = p->bitmap.p;
	this_vp()->io_ports = p->nr_ports;
	return 0;
}

static long irq_status_query(void *arg)
{
	(void)arg;
	return -XEN_EINVAL; /* no interrupt line is the guest's */
}

#define NO_DEVICES "no physical device or interrupt is the guest's"

/* clang-format off */
static const struct op physdev_ops[] = {
	OP_ROW(PHYSDEVOP_irq_status_query, irq_status_query, struct physdev_irq_status_query, INOUT)
	OP_ROW(PHYSDEVOP_set_iopl, set_iopl, struct physdev_set_iopl, IN)
	OP_ROW(PHYSDEVOP_set_iobitmap, set_iobitmap, struct physdev_set_iobitmap, IN)
	DENY_ROW(PHYSDEVOP_apic_read, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_apic_write, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_alloc_irq_vector, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_eoi, XEN_EINVAL, NO_DEVICES)
	DENY_ROW(PHYSDEVOP_map_pirq, XEN_EPERM, NO_DEVICES)
	DENY_ROW(PHYSDEVOP_unmap_pirq, XEN_EPERM, NO_DEVICES)
	DENY_ROW(PHYSDEVOP_manage_pci_add, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_manage_pci_remove, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_pirq_eoi_gmfn_v1, XEN_EINVAL, NO_DEVICES)
	DENY_ROW(PHYSDEVOP_restore_msi, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_manage_pci_add_ext, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_setup_gsi, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_get_free_pirq, XEN_EINVAL, NO_DEVICES)
	DENY_ROW(PHYSDEVOP_pci_mmcfg_reserved, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_pci_device_add, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_pci_device_remove, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_restore_msi_ext, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_pirq_eoi_gmfn_v2, XEN_EINVAL, NO_DEVICES)
	DENY_ROW(PHYSDEVOP_dbgp_op, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_prepare_msix, XEN_EPERM, "for the hardware domain")
	DENY_ROW(PHYSDEVOP_release_msix, XEN_EPERM, "for the hardware domain")
};
/* clang-format on */

long do_physdev_op(uint32_t cmd, void *arg)
{
	return op_run(physdev_ops, sizeof(physdev_ops) / sizeof(*physdev_ops), cmd, arg);
}

/* The call of Xen before 3.2: command and argument in one struct. */
long do_physdev_op_compat(void *op)
{
	uint32_t cmd;

	if (!copy_from_guest(&cmd, op, sizeof(cmd)))
		return -XEN_EFAULT;
	return do_physdev_op(cmd, (char *)op + offsetof(struct physdev_op, u));
}
