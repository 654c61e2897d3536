/* SPDX-License-Identifier: MIT */
/*
 * Key-value pairs. A key that is not there, and the end of an enumeration, are both "no more items", as Linux's daemon answers.
 *
 * Version 4 is not offered: with it a host may set the guest's IP addresses (Replica's failover), which only an agent could do, in messages larger than
 * a page. A host that must settle for version 3 knows that it cannot.
 */
#include "adapter/hv/ic.h"
#include "adapter/hv/ic_kvp.h"

#include "core/fmt.h"
#include "core/string.h"
#include "core/utf16.h"

static struct kvp_pair pair; /* too large for the stack */

static bool key_from(const uint8_t *key, uint32_t size)
{
	return size <= IC_KVP_KEY_MAX && utf16_to_utf8(pair.key, sizeof(pair.key), key, size);
}

static bool number_from(const struct ic_kvp_value *v, size_t size)
{
	uint64_t number = 0;

	memcpy(&number, v->value, size);
	fmt(pair.value, sizeof(pair.value), "%llu", (unsigned long long)number);
	return true;
}

static bool value_from(const struct ic_kvp_value *v)
{
	switch (v->type) {
	case IC_KVP_U32: return number_from(v, sizeof(uint32_t));
	case IC_KVP_U64: return number_from(v, sizeof(uint64_t));
	case IC_KVP_STRING:
		if (v->value_size > IC_KVP_VALUE_MAX)
			return false;
		utf16_to_utf8(pair.value, sizeof(pair.value), v->value, v->value_size);
		return true;
	default: return false;
	}
}

static void pair_to(struct ic_kvp_value *v)
{
	v->type = IC_KVP_STRING;
	v->key_size = (uint32_t)utf8_to_utf16(v->key, sizeof(v->key), pair.key);
	v->value_size = (uint32_t)utf8_to_utf16(v->value, sizeof(v->value), pair.value);
}

static uint32_t enumerate(uint8_t *body)
{
	struct ic_kvp *m = (struct ic_kvp *)body;

	if (!kvp_pool_at(m->pool, m->index, &pair))
		return IC_STATUS_NO_MORE_ITEMS;
	pair_to(&m->data);
	return IC_STATUS_SUCCESS;
}

static uint32_t get(uint8_t *body)
{
	struct ic_kvp_access *m = (struct ic_kvp_access *)body;

	if (!key_from(m->data.key, m->data.key_size))
		return IC_STATUS_FAIL;
	if (!kvp_pool_get(m->head.pool, &pair))
		return IC_STATUS_NO_MORE_ITEMS;
	pair_to(&m->data);
	return IC_STATUS_SUCCESS;
}

static uint32_t set(uint8_t *body)
{
	const struct ic_kvp_access *m = (const struct ic_kvp_access *)body;

	return key_from(m->data.key, m->data.key_size) && value_from(&m->data) &&
		       kvp_pool_set(m->head.pool, &pair)
		   ? IC_STATUS_SUCCESS
		   : IC_STATUS_FAIL;
}

static uint32_t delete (uint8_t *body)
{
	const struct ic_kvp_delete *m = (const struct ic_kvp_delete *)body;

	if (!key_from(m->key, m->key_size))
		return IC_STATUS_FAIL;
	return kvp_pool_remove(m->head.pool, pair.key) ? IC_STATUS_SUCCESS
						       : IC_STATUS_NO_MORE_ITEMS;
}

static const struct operation {
	uint32_t (*run)(uint8_t *body);
	uint32_t size;
} operations[] = {
    [IC_KVP_GET] = {get, sizeof(struct ic_kvp_access)},
    [IC_KVP_SET] = {set, sizeof(struct ic_kvp_access)},
    [IC_KVP_DELETE] = {delete, sizeof(struct ic_kvp_delete)},
    [IC_KVP_ENUMERATE] = {enumerate, sizeof(struct ic_kvp)},
};

static enum hv_ic_result ask(struct hv_ic *ic, uint8_t *body, uint32_t length, uint32_t *status)
{
	struct ic_kvp_head head;

	(void)ic;
	memcpy(&head, body, sizeof(head));
	if (length < sizeof(head))
		return HV_IC_ANSWER;
	if (head.operation >= sizeof(operations) / sizeof(*operations))
		*status = IC_STATUS_NOT_SUPPORTED;
	else if (length >= operations[head.operation].size)
		*status = operations[head.operation].run(body);
	return HV_IC_ANSWER;
}

static const uint32_t versions[] = {IC_VERSION(3, 0), IC_VERSION(1, 0), 0};

HV_IC_MESSAGE(message);

struct hv_ic hv_ic_kvp = {
    HV_IC_DRIVER("key-value pairs", IC_KVP_TYPE),
    .message_type = IC_KVP,
    .versions = versions,
    .ask = ask,
    .message = message,
};
