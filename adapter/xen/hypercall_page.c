/* SPDX-License-Identifier: MIT */
/*
 * The page of stubs that older kernels call hypercalls through, 32 bytes each (xen/xen.h). The syscall instruction destroys rcx and
 * r11, so a stub keeps them; that of iret leaves them on the stack, where the hypercall finds its rcx, r11 and rax.
 */
#include "adapter/xen/hypercall_page.h"

#include "adapter/xen/domain.h"
#include "core/string.h"

#define STUB_SIZE 32

void hypercall_page_fill(void *page)
{
	uint8_t *p = page;

	memset(p, 0xcc, PAGE_SIZE);
	for (uint32_t n = 0; n < PAGE_SIZE / STUB_SIZE; n++, p += STUB_SIZE) {
		/* push %rcx; push %r11; mov $n, %eax; syscall; pop %r11; pop %rcx; ret */
		static const uint8_t call[] = {0x51, 0x41, 0x53, 0xb8, 0,    0,    0,
					       0,    0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3};
		/* push %rcx; push %r11; push %rax; mov $n, %eax; syscall */
		static const uint8_t iret[] = {0x51, 0x41, 0x53, 0x50, 0xb8, 0,
					       0,    0,    0,    0x0f, 0x05};
		bool is_iret = n == __HYPERVISOR_iret;

		memcpy(p, is_iret ? iret : call, is_iret ? sizeof(iret) : sizeof(call));
		memcpy(p + (is_iret ? 5 : 4), &n, sizeof(n));
	}
}
