/* SPDX-License-Identifier: MIT */
/* Reads the guest's pool "auto", one pair a question, until it has no more. */
#include "host/ic/services.h"

#include "core/utf16.h"

#include <stddef.h>
#include <string.h>

#define REFRESH_SECONDS 10u

static void ask(struct ic_kvp_service *service)
{
	const struct ic_kvp question = {
	    .operation = IC_KVP_ENUMERATE, .pool = IC_KVP_AUTO, .index = service->index};

	ic_ask(&service->ic, &question, sizeof(question));
}

static void ready(struct ic *ic)
{
	struct ic_kvp_service *service = (struct ic_kvp_service *)ic;

	service->index = 0;
	ask(service);
}

static void keep(struct ic_kvp_service *service, const struct ic_kvp_value *value)
{
	struct kvp_item *item = &service->item[service->index];

	if (value->key_size > IC_KVP_KEY_MAX || value->value_size > IC_KVP_VALUE_MAX) {
		return;
	}
	utf16_to_utf8(item->key, sizeof(item->key), value->key, value->key_size);
	utf16_to_utf8(item->value, sizeof(item->value), value->value, value->value_size);
	service->index++;
	if (service->count < service->index) {
		service->count = service->index;
	}
}

static void answer(struct ic *ic, uint32_t status, const uint8_t *body, uint32_t length)
{
	struct ic_kvp_service *service = (struct ic_kvp_service *)ic;
	unsigned before = service->index;

	(void)length; /* at least the question's, which has the whole value */
	if (status == IC_STATUS_SUCCESS && service->index < KVP_MAX_ITEMS) {
		struct ic_kvp reply;

		memcpy(&reply, body, sizeof(reply));
		keep(service, &reply.data);
	}
	if (service->index > before) {
		ask(service);
		return;
	}
	service->count = service->index;
	service->countdown = REFRESH_SECONDS;
}

static void tick(struct ic *ic)
{
	struct ic_kvp_service *service = (struct ic_kvp_service *)ic;

	if (service->countdown && --service->countdown) {
		return;
	}
	ready(ic);
}

const struct ic_service ic_kvp_ops = {
    .name = "key-value pairs",
    .type = IC_KVP_TYPE,
    .instance = IC_KVP_INSTANCE,
    .message_type = IC_KVP,
    .versions = {IC_VERSION(4, 0), IC_VERSION(3, 0), IC_VERSION(1, 0)},
    .ready = ready,
    .answer = answer,
    .tick = tick,
};
