/* SPDX-License-Identifier: MIT */
#include "tests/loop/client.h"

/* Included, so that a new life can begin with all of their state as at boot. */
#include "adapter/hv/vmbus.c"
#include "adapter/hv/vmbus_gpadl.c"

#include "adapter/hv/timer.h"
#include "core/pagepool.h"

#include <assert.h>
#include <sanitizer/asan_interface.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

static struct client_host host;
static uint8_t *machine;
static struct pagepool pool;
static unsigned self;
static bool poked, in_kernel;
static uint64_t now;
static struct hv_alarm *alarm; /* one is enough for those who are tested */

void client_start(const struct client_host *to, void *memory, size_t first, size_t pages)
{
	memset(&bus, 0, sizeof(bus));
	last_gpadl = 0;
	memset(ending, 0, sizeof(ending));
	bus_legacy_out = NULL;
	memset(bus_quiet, 0, sizeof(bus_quiet));
	host = *to;
	machine = memory;
	ASAN_UNPOISON_MEMORY_REGION(machine + first * PAGE_SIZE, pages * PAGE_SIZE);
	self = 0;
	poked = in_kernel = false;
	now = 0;
	alarm = NULL;
	pagepool_init(&pool, machine + first * PAGE_SIZE, pages);
}

static void work(void)
{
	while (poked) {
		unsigned vp = self;

		poked = false;
		self = 0;
		hv_vmbus_work();
		self = vp;
	}
}

void client_message(const void *message, uint32_t length)
{
	self = 0;
	hv_vmbus_message(message, length);
	work();
}

void client_event(unsigned vp, uint32_t channel)
{
	static uint32_t flags[HV_CHANNEL_IDS / 32];

	self = vp;
	flags[channel / 32] |= 1u << channel % 32;
	hv_vmbus_events(flags);
	work();
	self = 0;
}

void client_run_on(unsigned vp)
{
	self = vp;
}

struct hv_channel *client_channel(uint32_t id)
{
	struct hv_channel *channel = channel_of(id);

	return channel && channel->state != HV_CHANNEL_FREE ? channel : NULL;
}

size_t client_free_pages(void)
{
	return pool.free;
}

/* adapter/hv/synic.h */

enum hv_status hv_synic_post(uint32_t connection, bool used, const void *message, uint32_t length)
{
	(void)used;
	assert(length <= VMBUS_MESSAGE_MAX);
	return host.post(host.context, connection, message, length)
		   ? HV_STATUS_SUCCESS
		   : HV_STATUS_INVALID_CONNECTION_ID;
}

void hv_synic_signal(uint32_t connection)
{
	host.signal(host.context, connection);
}

uint32_t hv_synic_vp_index(unsigned vp)
{
	return vp;
}

void hv_synic_poke(void)
{
	poked = true;
}

void hv_synic_wait(void)
{
	host.turn(host.context);
	work();
}

void hv_synic_poll(void)
{
	host.turn(host.context);
}

/* The clock and its alarms. */

void hv_alarm_set(struct hv_alarm *to, uint64_t at)
{
	alarm = to;
	alarm->at = at;
}

void client_pass(uint64_t ns)
{
	now += ns;
	if (alarm && alarm->at && alarm->at <= now) {
		alarm->at = 0;
		alarm->ring();
	}
	work();
}

/* The seams, memory, the log. */

uint64_t clock_now(void)
{
	return now += 100000;
}

unsigned vps_self(void)
{
	return self;
}

void client_in_kernel(bool in)
{
	in_kernel = in;
}

bool vp_due_at_return(void)
{
	return in_kernel;
}

bool xen_control_free(void)
{
	return true;
}

unsigned vps_count(void)
{
	return CLIENT_VPS;
}

uint64_t virt_to_ma(const void *va)
{
	return (uint64_t)((const uint8_t *)va - machine);
}

/* A page behind each run may not be touched. */
void *device_pages(size_t pages)
{
	uint8_t *memory = pagepool_take(&pool, pages + 1);

	if (memory)
		ASAN_POISON_MEMORY_REGION(memory + pages * PAGE_SIZE, PAGE_SIZE);
	return memory;
}

void device_pages_free(void *memory, size_t pages)
{
	if (!memory)
		return;
	ASAN_UNPOISON_MEMORY_REGION((uint8_t *)memory + pages * PAGE_SIZE, PAGE_SIZE);
	pagepool_give(&pool, memory, pages + 1);
}

void *page_alloc(size_t pages)
{
	void *memory = device_pages(pages);

	assert(memory);
	return memory;
}

void log_line(enum log_level level, const char *format, ...)
{
	va_list ap;

	(void)level;
	if (!getenv("CLIENT_LOG"))
		return;
	va_start(ap, format);
	vfprintf(stderr, format, ap);
	fputc('\n', stderr);
	va_end(ap);
}

void panic(const char *format, ...)
{
	fprintf(stderr, "panic: %s\n", format);
	abort();
}
