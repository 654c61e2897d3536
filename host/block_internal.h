/* SPDX-License-Identifier: MIT */
/* Between block.c, which decides who serves a request, and the two that do: block_pool.c and block_ring.c. */
#ifndef HOST_BLOCK_INTERNAL_H
#define HOST_BLOCK_INTERNAL_H

#include "host/block.h"

/* block.c: a request has been carried out; on the device thread. */
void block_done(struct block_request *request);

/* Hands over what was gathered for the threads and for the ring. */
void block_turn(struct block_pool *pool);

/* block_pool.c */
void pool_submit(struct block_request *request);
void pool_turn(struct block_pool *pool);
/* Handles what the threads have done. */
void pool_reap(struct block_pool *pool);
/* 1: the device thread wants to be woken for everything that is done; −1: no more. */
void pool_draining(struct block_pool *pool, int more);

/* block_ring.c */
int ring_attach(struct block_pool *pool);
void ring_detach(struct block_pool *pool);
/* False where it is nothing for the ring, or the ring is full. */
bool ring_submit(struct block_request *request);
/* Hands over what was submitted, handles what is done, until there is neither. */
void ring_turn(struct block_pool *pool);

#endif
