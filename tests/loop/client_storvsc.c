/* SPDX-License-Identifier: MIT */
#include "tests/loop/client_storvsc.h"

/* Included for its state. */
#include "adapter/hv/storvsc.c"

void client_storvsc_start(void)
{
	memset(controllers, 0, sizeof(controllers));
	storvsc_init();
}
