/* SPDX-License-Identifier: MIT */
/*
 * The SynIC's part in VMBus: messages and events both ways on one SINT. What they mean is adapter/hv/vmbus.c's.
 */
#ifndef XENOLITH_HV_SYNIC_H
#define XENOLITH_HV_SYNIC_H

#include "abi/hv/hypercall.h"
#include "adapter/hv/vp.h"

/* Boot VP. */
void hv_synic_init(void);
/* Each VP, with its SynIC on: the SINT gets its vector. */
void hv_synic_vp_init(void);
/* The hypervisor's number of a VP, as messages to the host name it. */
uint32_t hv_synic_vp_index(unsigned vp);

/*
 * HvPostMessage, ≤ 240 bytes. What is refused for the moment (hv_post_again()) is tried again for a second at most; `used`: the connection
 * has been good before.
 */
enum hv_status hv_synic_post(uint32_t connection, bool used, const void *message, uint32_t length);
/* HvSignalEvent, flag 0. */
void hv_synic_signal(uint32_t connection);

/* Handles the messages that this VP has got, without an interrupt. */
void hv_synic_poll(void);
/* Lets interrupts in; on VP 0 at boot, when nothing else does. */
void hv_synic_wait(void);
/* Has VP 0 call hv_vmbus_work() soon. */
void hv_synic_poke(void);

/* Implemented by vmbus.c, called with interrupts off: on VP 0; on the VP that got the events; on VP 0. */
void hv_vmbus_message(const void *message, uint32_t length);
void hv_vmbus_events(uint32_t *flags); /* HV_EVENT_FLAGS of them; taken are those of channels */
void hv_vmbus_work(void);

#endif
