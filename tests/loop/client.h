/* SPDX-License-Identifier: MIT */
/*
 * The adapter's VMBus client, hosted: what it asks of the hardware and of memory is answered here, so that its drivers run against a
 * real server in the same process, or against a host that misbehaves. One thread plays all VPs.
 */
#ifndef TESTS_LOOP_CLIENT_H
#define TESTS_LOOP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CLIENT_VPS 4u

struct hv_channel;

/* The host, as the client sees it. Nothing is called back from within post() and signal(). */
struct client_host {
	bool (*post)(void *context, uint32_t connection, const void *message, uint32_t length);
	void (*signal)(void *context, uint32_t connection);
	/* Lets the host work, and delivers what it has sent; hv_vmbus_settle() waits so. */
	void (*turn)(void *context);
	void *context;
};

/*
 * A new life: no driver, no channel, all memory free. `memory` is machine memory from address 0 on, of which [first, first + pages) are
 * for devices.
 */
void client_start(const struct client_host *host, void *memory, size_t first, size_t pages);
/* A message or an event arrives, on VP 0 or `vp`; then what was put off for VP 0 is done. */
void client_message(const void *message, uint32_t length);
void client_event(unsigned vp, uint32_t channel);
/* The VP that runs: what vps_self() says. */
void client_run_on(unsigned vp);
/* Whether the guest's kernel runs there, whose leaving can be seen: vp_due_at_return(). At first not. */
void client_in_kernel(bool in);
/* The channel that the host offered as number `id`, or NULL. */
struct hv_channel *client_channel(uint32_t id);
/* Time goes by; alarms ring. */
void client_pass(uint64_t ns);
/* Pages for devices that are not in use. */
size_t client_free_pages(void);

#endif
