/* SPDX-License-Identifier: MIT */
/* Finds the hypervisor; the rest of hv/ asks here what it may use. */
#ifndef XENOLITH_HV_DISCOVER_H
#define XENOLITH_HV_DISCOVER_H

#include "adapter/hv/features.h"

/*
 * Boot VP, first of all hv_* calls. `off_list` is the value of the option no-hv= or NULL. Returns NULL, or one line
 * that says why the adapter cannot run here; the line stays valid.
 */
const char *hv_discover(const char *off_list);

bool hv_has(enum hv_feature feature);
uint32_t hv_spin_threshold(void);

/* One line for the log: version, and the names of what is used. */
void hv_log_features(void);

#endif
