/* SPDX-License-Identifier: MIT */
#include "host/ic/services.h"

#include <sys/timerfd.h>
#include <unistd.h>

static void tick(void *context, uint32_t events)
{
	struct ic_services *services = context;
	uint64_t expirations;

	(void)events;
	if (read(services->timer.fd, &expirations, sizeof(expirations)) < 0) {
		return;
	}
	ic_tick(&services->heartbeat.ic);
	ic_tick(&services->timesync.ic);
	ic_tick(&services->kvp.ic);
}

int ic_services_init(struct ic_services *services, struct vmbus *bus, struct loop *loop)
{
	const struct itimerspec second = {.it_interval.tv_sec = 1, .it_value.tv_sec = 1};

	services->loop = loop;
	services->timer = (struct loop_watch){
	    timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK), tick, services};
	if (services->timer.fd < 0 || timerfd_settime(services->timer.fd, 0, &second, NULL) < 0 ||
	    loop_add(loop, &services->timer, EPOLLIN) < 0) {
		return -1;
	}
	if (ic_offer(&services->shutdown.ic, &ic_shutdown_ops, bus) < 0 ||
	    ic_offer(&services->heartbeat.ic, &ic_heartbeat_ops, bus) < 0 ||
	    ic_offer(&services->timesync.ic, &ic_timesync_ops, bus) < 0 ||
	    ic_offer(&services->kvp.ic, &ic_kvp_ops, bus) < 0) {
		return -1;
	}
	return 0;
}

void ic_services_destroy(struct ic_services *services)
{
	if (services->loop && services->timer.fd >= 0) {
		loop_remove(services->loop, &services->timer);
		close(services->timer.fd);
	}
}
