/* SPDX-License-Identifier: MIT */
/* Flushing other VPs' translations; the calls themselves are in seam/vps.h. */
#ifndef XENOLITH_HV_TLB_H
#define XENOLITH_HV_TLB_H

void hv_tlb_init(void);

/*
 * Where flushes go by interrupt (no HV_F_TLB_FLUSH), a VP that spins with interrupts off on anything that the flushing VP
 * may hold must call this in its loop, or both wait for ever. Does nothing but a load otherwise.
 */
void tlb_serve(void);

#endif
