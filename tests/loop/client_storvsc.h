/* SPDX-License-Identifier: MIT */
#ifndef TESTS_LOOP_CLIENT_STORVSC_H
#define TESTS_LOOP_CLIENT_STORVSC_H

/* storvsc_init() of a new life. */
void client_storvsc_start(void);

#endif
