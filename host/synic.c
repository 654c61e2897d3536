/* SPDX-License-Identifier: MIT */
#include "host/synic.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void slot_freed(void *context, uint32_t events)
{
	struct synic_vp *vp = context;

	(void)events;
	event_take(vp->ended);
	vp->kick(vp->context);
}

int synic_init(struct synic_vp *vp, const struct gmem *memory, struct loop *loop,
	       const struct kvm *kvm, unsigned index)
{
	int result;

	vp->memory = memory;
	vp->loop = loop;
	vp->queue = calloc(SYNIC_QUEUE, sizeof(*vp->queue));
	vp->trigger = event_create();
	vp->ended = event_create();
	pthread_mutex_init(&vp->lock, NULL);
	vp->ended_watch = (struct loop_watch){vp->ended, slot_freed, vp};
	if (!vp->queue || vp->trigger < 0 || vp->ended < 0) {
		return -12;
	}
	/* Armed by synic_deliver() when a message has to wait: every end of interrupt signals `ended`. */
	result = loop_add(loop, &vp->ended_watch, EPOLLONESHOT);
	return result ? result : kvm_irqfd(kvm, KVM_SINT_GSI + index, vp->trigger, vp->ended);
}

void synic_destroy(struct synic_vp *vp)
{
	if (vp->queue) {
		loop_remove(vp->loop, &vp->ended_watch);
	}
	if (vp->trigger >= 0) {
		close(vp->trigger);
	}
	if (vp->ended >= 0) {
		close(vp->ended);
	}
	free(vp->queue);
	vp->queue = NULL;
}

/* The page that a register of the common form (abi/hv/msr.h) names, while the whole controller is on. */
static void *page_of(const struct synic_vp *vp, uint64_t control, uint64_t page)
{
	if (!(control & HV_SCONTROL_ENABLE) || !(page & 1)) {
		return NULL;
	}
	return gmem_at(vp->memory, gpa(page & ~(uint64_t)(GMEM_PAGE_SIZE - 1)), GMEM_PAGE_SIZE);
}

void synic_update(struct synic_vp *vp, uint64_t control, uint64_t message_page, uint64_t event_page)
{
	atomic_store(&vp->messages, page_of(vp, control, message_page));
	atomic_store(&vp->events, page_of(vp, control, event_page));
}

bool synic_post(struct synic_vp *vp, uint32_t type, const void *payload, uint32_t length)
{
	struct hv_message *message;
	bool room;

	pthread_mutex_lock(&vp->lock);
	room = vp->head - vp->tail < SYNIC_QUEUE;
	if (room) {
		message = &vp->queue[vp->head++ % SYNIC_QUEUE];
		*message = (struct hv_message){.type = type, .payload_size = (uint8_t)length};
		memcpy(message->payload, payload, length);
	}
	pthread_mutex_unlock(&vp->lock);
	if (room) {
		vp->kick(vp->context);
	}
	return room;
}

/* Writes the message unless the slot is taken; then leaves the mark that makes the guest say when it is free. */
static bool write_slot(struct hv_message *slot, const struct hv_message *message)
{
	_Atomic uint32_t *type = (_Atomic uint32_t *)&slot->type;
	_Atomic uint8_t *flags = (_Atomic uint8_t *)&slot->flags;

	if (atomic_load(type) != HV_MESSAGE_NONE) {
		atomic_fetch_or(flags, HV_MESSAGE_FLAG_PENDING);
		/* The guest may have freed it before it could see the mark. */
		if (atomic_load(type) != HV_MESSAGE_NONE) {
			return false;
		}
	}
	slot->payload_size = message->payload_size;
	atomic_store(flags, 0);
	slot->sender = message->sender;
	memcpy(slot->payload, message->payload, message->payload_size);
	atomic_store(type, message->type);
	return true;
}

void synic_deliver(struct synic_vp *vp)
{
	struct hv_message_page *page = atomic_load(&vp->messages);

	pthread_mutex_lock(&vp->lock);
	while (page && vp->tail != vp->head) {
		if (!write_slot(&page->slot[SYNIC_VMBUS_SINT],
				&vp->queue[vp->tail % SYNIC_QUEUE])) {
			loop_change(vp->loop, &vp->ended_watch, EPOLLIN | EPOLLONESHOT);
			break;
		}
		vp->tail++;
		event_signal(vp->trigger);
	}
	pthread_mutex_unlock(&vp->lock);
}

void synic_signal(struct synic_vp *vp, unsigned flag)
{
	struct hv_event_flags_page *page = atomic_load(&vp->events);
	uint32_t bit = 1u << (flag % 32);
	_Atomic uint32_t *word;

	if (!page || flag >= HV_EVENT_FLAGS) {
		return;
	}
	word = (_Atomic uint32_t *)&page->flags[SYNIC_VMBUS_SINT][flag / 32];
	if (!(atomic_fetch_or(word, bit) & bit)) {
		event_signal(vp->trigger);
	}
}
