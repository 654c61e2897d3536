/* SPDX-License-Identifier: MIT */
#include "adapter/xen/handlers.h"

long do_grant_table_op(uint32_t cmd, void *arg, uint32_t count)
{
	(void)cmd;
	(void)arg;
	(void)count;
	return -XEN_ENOSYS;
}
