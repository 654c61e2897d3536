/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LOOP_SERVER_NETVSP_H
#define TESTS_LOOP_SERVER_NETVSP_H

#include "host/netvsp.h"

/* Takes the adapter away from the guest, as it is. */
void server_netvsp_rescind(struct netvsp *adapter);

#endif
