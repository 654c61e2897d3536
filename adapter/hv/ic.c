/* SPDX-License-Identifier: MIT */
#include "adapter/hv/ic.h"

#include "adapter/x86/log.h"
#include "core/string.h"

/* As Linux's: the largest question is a page, and one is asked at a time. */
#define RING_PAGES 4

/* Framework versions: of Windows Server 2012 and later, of 2008. */
static const uint32_t frameworks[] = {IC_VERSION(3, 0), IC_VERSION(1, 0), 0};

static struct hv_ic *ic_of(const struct hv_channel *channel)
{
	return (struct hv_ic *)channel->driver;
}

static void forget(struct hv_ic *ic)
{
	ic->channel = NULL;
	ic->version = 0;
	ic->heard = false;
	ic->state = HV_IC_IDLE;
}

/* The instance is one in a partition; of a second offer nothing is known, so it stays unopened. */
void hv_ic_offered(struct hv_channel *channel)
{
	struct hv_ic *ic = ic_of(channel);

	if (ic->channel)
		return;
	ic->channel = channel;
	if (!hv_channel_open(channel, RING_PAGES, RING_PAGES, 0))
		forget(ic);
}

void hv_ic_opened(struct hv_channel *channel, bool good)
{
	if (!good)
		forget(ic_of(channel));
}

void hv_ic_rescinded(struct hv_channel *channel)
{
	if (ic_of(channel)->channel == channel)
		forget(ic_of(channel));
	hv_channel_release(channel);
}

/* Repeats the request's transaction, as Linux does. */
static void send_answer(struct hv_ic *ic)
{
	const struct vmbus_out_packet packet = {
	    .type = VMBUS_PACKET_IN_BAND,
	    .transaction = ic->transaction,
	    .payload[0] = {ic->message, ic->length},
	};

	/* A full ring: once the host has read, it signals, and this comes first. */
	ic->state = HV_IC_OWING;
	if (hv_channel_send(ic->channel, &packet, false) != VMBUS_RING_FULL)
		ic->state = HV_IC_IDLE;
}

/* The newest of ours that is among the host's `count`; 0: none. */
static uint32_t choose(const uint32_t *ours, const uint8_t *theirs, uint32_t count)
{
	for (; *ours; ours++) {
		for (uint32_t i = 0; i < count; i++) {
			uint32_t version;

			memcpy(&version, theirs + i * sizeof(version), sizeof(version));
			if (version == *ours)
				return version;
		}
	}
	return 0;
}

/* One of each kind, or none. The message keeps its length, as Linux's does. */
static uint32_t negotiate(struct hv_ic *ic, uint8_t *body, uint32_t length)
{
	struct {
		struct ic_negotiate head;
		uint32_t framework, message;
	} __attribute__((packed)) reply = {0};
	struct ic_negotiate head;
	uint32_t frameworks_size;

	memcpy(&head, body, sizeof(head));
	frameworks_size = head.framework_count * sizeof(uint32_t);
	if (length < sizeof(head) || (length - sizeof(head)) / sizeof(uint32_t) <
					 (uint32_t)head.framework_count + head.message_count)
		return IC_STATUS_FAIL;
	body += sizeof(head);
	reply.framework = choose(frameworks, body, head.framework_count);
	reply.message = choose(ic->versions, body + frameworks_size, head.message_count);
	if (reply.framework && reply.message) {
		reply.head.framework_count = reply.head.message_count = 1;
		ic->version = reply.message;
		log_debug("%s: version %u.%u", ic->driver.name, reply.message & 0xffff,
			  reply.message >> 16);
	} else {
		log_warning("%s: the host knows none of our versions", ic->driver.name);
	}
	memcpy(body - sizeof(head), &reply, sizeof(reply));
	if (ic->length < sizeof(struct ic_header) + sizeof(reply))
		ic->length = sizeof(struct ic_header) + sizeof(reply);
	return IC_STATUS_SUCCESS;
}

static void finish(struct hv_ic *ic, uint32_t status)
{
	struct ic_header *header = (struct ic_header *)ic->message;

	header->flags = IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE;
	header->status = status;
	header->size = (uint16_t)(ic->length - sizeof(*header));
	send_answer(ic);
}

/* Later, with a status of its own choosing, or never: both leave the message as it is. */
static enum hv_ic_result run(struct hv_ic *ic, uint32_t *status)
{
	const struct ic_header *header = (const struct ic_header *)ic->message;
	uint8_t *body = ic->message + sizeof(*header);
	uint32_t length = ic->length - sizeof(*header);

	if (header->type == IC_NEGOTIATE) {
		*status = negotiate(ic, body, length);
		return HV_IC_ANSWER;
	}
	if (header->type != ic->message_type || !ic->version) {
		*status = IC_STATUS_NOT_SUPPORTED;
		return HV_IC_ANSWER;
	}
	ic->heard = true;
	return ic->ask(ic, body, length, status);
}

static void handle(struct hv_ic *ic)
{
	uint32_t status = IC_STATUS_FAIL;

	switch (run(ic, &status)) {
	case HV_IC_ANSWER: finish(ic, status); break;
	case HV_IC_LATER: ic->state = HV_IC_ASKED; break;
	case HV_IC_SILENT: break;
	}
}

/* Neither an answer to nobody's question nor what has no header can be answered. */
static bool is_question(const struct vmbus_in_packet *packet)
{
	const struct ic_header *header = (const struct ic_header *)packet->payload;

	return packet->type == VMBUS_PACKET_IN_BAND && packet->payload_length >= sizeof(*header) &&
	       packet->payload_length <= HV_CHANNEL_PACKET_MAX &&
	       !(header->flags & IC_FLAG_RESPONSE);
}

bool hv_ic_packet(struct hv_channel *channel, const struct vmbus_in_packet *packet)
{
	struct hv_ic *ic = ic_of(channel);

	if (ic->state == HV_IC_OWING)
		send_answer(ic);
	if (ic->state != HV_IC_IDLE)
		return false;
	if (!is_question(packet))
		return true;
	memset(ic->message, 0, HV_CHANNEL_PACKET_MAX);
	memcpy(ic->message, packet->payload, packet->payload_length);
	ic->length = packet->payload_length;
	ic->transaction = packet->transaction;
	handle(ic);
	return true;
}

void hv_ic_drained(struct hv_channel *channel)
{
	struct hv_ic *ic = ic_of(channel);

	if (ic->state != HV_IC_OWING)
		return;
	send_answer(ic);
	/* The next question may have been put off for its sake. */
	if (ic->state == HV_IC_IDLE)
		hv_channel_resume(channel);
}

void hv_ic_answer(struct hv_ic *ic, uint32_t status)
{
	if (ic->state != HV_IC_ASKED)
		return;
	finish(ic, status);
	hv_channel_resume(ic->channel);
}

void ic_init(void)
{
	static struct hv_ic *const services[] = {&hv_ic_shutdown, &hv_ic_heartbeat, &hv_ic_timesync,
						 &hv_ic_kvp};

	for (unsigned i = 0; i < sizeof(services) / sizeof(*services); i++)
		hv_vmbus_register(&services[i]->driver);
}
