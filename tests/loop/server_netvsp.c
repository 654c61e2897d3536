/* SPDX-License-Identifier: MIT */
#include "tests/loop/server_netvsp.h"

/* Included for its channels, which a host can take away. */
#include "host/netvsp.c"

void server_netvsp_rescind(struct netvsp *adapter)
{
	vmbus_rescind(adapter->channel[0]);
}
