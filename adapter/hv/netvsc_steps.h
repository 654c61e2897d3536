/* SPDX-License-Identifier: MIT */
/*
 * The steps of the conversation with the host that are RNDIS control messages. rndis_ask_* and rndis_set_* send one; rndis_on_* looks at the value
 * that answers it, `length` bytes.
 */
#ifndef XENOLITH_HV_NETVSC_STEPS_H
#define XENOLITH_HV_NETVSC_STEPS_H

#include "adapter/hv/netvsc_int.h"

enum netvsc_outcome {
	DONE,  /* the next step */
	WAIT,  /* its answer will come */
	AGAIN, /* ask once more */
	FAILED,
};

enum netvsc_outcome rndis_ask_initialize(struct netvsc *device);
enum netvsc_outcome rndis_ask_mac(struct netvsc *device);
enum netvsc_outcome rndis_ask_mtu(struct netvsc *device);
enum netvsc_outcome rndis_ask_offload(struct netvsc *device);
enum netvsc_outcome rndis_set_offload(struct netvsc *device);
enum netvsc_outcome rndis_ask_link(struct netvsc *device);
enum netvsc_outcome rndis_ask_rss(struct netvsc *device);
enum netvsc_outcome rndis_set_wide_filter(struct netvsc *device);
enum netvsc_outcome rndis_set_filter(struct netvsc *device);
enum netvsc_outcome rndis_set_rss(struct netvsc *device);

enum netvsc_outcome rndis_on_initialize(struct netvsc *device, const uint8_t *value,
					uint32_t length);
enum netvsc_outcome rndis_on_mac(struct netvsc *device, const uint8_t *value, uint32_t length);
enum netvsc_outcome rndis_on_mtu(struct netvsc *device, const uint8_t *value, uint32_t length);
enum netvsc_outcome rndis_on_offload(struct netvsc *device, const uint8_t *value, uint32_t length);
enum netvsc_outcome rndis_on_set(struct netvsc *device, const uint8_t *value, uint32_t length);
enum netvsc_outcome rndis_on_link(struct netvsc *device, const uint8_t *value, uint32_t length);
enum netvsc_outcome rndis_on_rss(struct netvsc *device, const uint8_t *value, uint32_t length);
enum netvsc_outcome rndis_on_wide_filter(struct netvsc *device, const uint8_t *value,
					 uint32_t length);

#endif
