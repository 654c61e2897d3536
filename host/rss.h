/* SPDX-License-Identifier: MIT */
/* Receive side scaling: which queue a frame goes to. Windows driver documentation, "RSS Hashing Functions". */
#ifndef HOST_RSS_H
#define HOST_RSS_H

#include <stdint.h>

#define RSS_KEY_SIZE 40u

/* The Toeplitz hash of a frame's addresses, and of its ports where it is TCP and no fragment; 0 where it is no IP. */
uint32_t rss_hash(const uint8_t key[RSS_KEY_SIZE], const uint8_t *frame, uint32_t length);

#endif
