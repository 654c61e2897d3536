/* SPDX-License-Identifier: MIT */
/* Debug registers are real: the hardware watches for the guest, but never an address of the adapter's. */
#include "adapter/x86/debugreg.h"

#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"

#define DR6_ONES  0xffff0ff0ull
#define DR6_ZEROS 0xffffffff00001000ull
#define DR7_ONES  0x0000000000000400ull
#define DR7_ZEROS 0xffffffff0000d800ull /* GD, and what is reserved */
#define DR7_RW(n) (16 + 4 * (n))
#define DR7_IO	  2 /* I/O breakpoints need CR4.DE, which the guest has, and ports, which it has not */

/* A watch on ports can never fire: its enable bits are dropped, as Xen drops them. */
static uint64_t dr7_value(uint64_t value)
{
	value = (value & ~DR7_ZEROS) | DR7_ONES;
	for (unsigned i = 0; i < 4; i++)
		if ((value >> DR7_RW(i) & 3) == DR7_IO)
			value &= ~(3ull << 2 * i);
	return value;
}

long do_set_debugreg(uint32_t reg, uint64_t value)
{
	struct vp *vp = this_vp();

	switch (reg) {
	case 0 ... 3:
		if (!guest_address(value))
			return -XEN_EPERM;
		break;
	case 6: value = (value & ~DR6_ZEROS) | DR6_ONES; break;
	case 7: value = dr7_value(value); break;
	default: return -XEN_ENODEV;
	}
	vp->debugreg[reg] = value;
	write_debugreg(reg, value);
	return 0;
}

long do_get_debugreg(uint32_t reg)
{
	if (reg > 7)
		return -XEN_EINVAL;
	/* 4 and 5 are the old names of 6 and 7. */
	return (long)this_vp()->debugreg[reg == 4 || reg == 5 ? reg + 2 : reg];
}
