/* SPDX-License-Identifier: MIT */
/* Debug registers are real: the hardware watches for the guest, but never an address of the adapter's. */
#include "adapter/x86/debugreg.h"

#include "adapter/x86/asm.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"

#define DR6_ONES  0xffff0ff0ull
#define DR6_ZEROS 0xffffffff00001000ull
#define DR7_ONES  0x0000000000000400ull
#define DR7_ZEROS 0xffffffff0000d800ull /* GD, and what is reserved */
#define DR7_RW(n) (16 + 4 * (n))
#define DR7_IO    2
#define DR7_GD    (1ull << 13)

static bool watches_ports(uint64_t dr7, unsigned i)
{
	return dr7 >> 2 * i & 3 && (dr7 >> DR7_RW(i) & 3) == DR7_IO;
}

/* A watch on ports can never fire, for the guest has none: without CR4.DE it is refused, else dropped, as Xen does. */
static long set_dr7(struct vp *vp, uint64_t *value)
{
	if (*value >> 32)
		return -XEN_EINVAL;
	if (*value & DR7_GD)
		return -XEN_EPERM;
	*value = (*value & ~DR7_ZEROS) | DR7_ONES;
	for (unsigned i = 0; i < 4; i++) {
		if (!watches_ports(*value, i))
			continue;
		if (!(vp->cr4 & CR4_DE))
			return -XEN_EPERM;
		*value &= ~(3ull << 2 * i);
	}
	return 0;
}

/* Without CR4.DE, 4 and 5 are the old names of 6 and 7. */
static uint32_t real_number(const struct vp *vp, uint32_t reg)
{
	return (reg == 4 || reg == 5) && !(vp->cr4 & CR4_DE) ? reg + 2 : reg;
}

long do_set_debugreg(uint32_t reg, uint64_t value)
{
	struct vp *vp = this_vp();
	long error;

	reg = real_number(vp, reg);
	switch (reg) {
	case 0 ... 3:
		if (!guest_address(value))
			return -XEN_EPERM;
		break;
	case 6:
		if (value >> 32)
			return -XEN_EINVAL;
		value = (value & ~DR6_ZEROS) | DR6_ONES;
		break;
	case 7:
		error = set_dr7(vp, &value);
		if (error)
			return error;
		break;
	default: return -XEN_ENODEV;
	}
	vp->debugreg[reg] = value;
	write_debugreg(reg, value);
	return 0;
}

long do_get_debugreg(uint32_t reg)
{
	const struct vp *vp = this_vp();

	reg = real_number(vp, reg);
	return reg > 7 || reg == 4 || reg == 5 ? -XEN_ENODEV : (long)vp->debugreg[reg];
}
