/* SPDX-License-Identifier: MIT */
/* The pools of key-value pairs, as text; ic_kvp.c speaks the protocol. On VP 0. */
#ifndef XENOLITH_HV_IC_KVP_H
#define XENOLITH_HV_IC_KVP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of UTF-8 with the final zero: enough for what the protocol carries, 256 and 1024 units of UTF-16. */
#define KVP_KEY_TEXT   768u
#define KVP_VALUE_TEXT 3072u

struct kvp_pair {
	char key[KVP_KEY_TEXT];
	char value[KVP_VALUE_TEXT];
};

/* `pool` is an enum ic_kvp_pool, or any number: then there is nothing in it. */
/* The index-th pair. False past the last. */
bool kvp_pool_at(unsigned pool, uint32_t index, struct kvp_pair *pair);
/* The value of pair->key. */
bool kvp_pool_get(unsigned pool, struct kvp_pair *pair);
/* Only in the host's own pools; false elsewhere, where there is no room, and where the key makes no name. */
bool kvp_pool_set(unsigned pool, const struct kvp_pair *pair);
/* False where there is no such key, or it is not the host's to remove. */
bool kvp_pool_remove(unsigned pool, const char *key);

#endif
