/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_XEN_SEGMENTS_H
#define XENOLITH_XEN_SEGMENTS_H

#include <stdbool.h>
#include <stdint.h>

/* Makes a guest's descriptor one that ring 1 and 3 may load: false for gates and system segments. Pure. */
bool descriptor_fix(uint64_t *descriptor);

/* All descriptors of a table that is about to be loaded; frames are machine frames. */
bool descriptors_adopt(const uint64_t *frames, unsigned pages);

#endif
