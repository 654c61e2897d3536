/* SPDX-License-Identifier: MIT */
/* The four services of a partition, and the second hand that drives them. */
#ifndef HOST_IC_SERVICES_H
#define HOST_IC_SERVICES_H

#include "host/ic/ic.h"

#include <time.h>

#define KVP_MAX_ITEMS 64u
#define KVP_MAX_TEXT  256u

struct ic_shutdown_service {
	struct ic ic; /* first: the services find themselves by it */
	bool refused; /* the guest's last answer */
};

struct ic_heartbeat_service {
	struct ic ic;
	uint64_t sequence;
	time_t last; /* CLOCK_MONOTONIC seconds of the last answer; 0: never */
};

struct ic_timesync_service {
	struct ic ic;
	/* The partition's reference time, 100 ns. */
	uint64_t (*reference)(void *context);
	void *context;
	unsigned countdown; /* s, to the next sample */
};

struct kvp_item {
	char key[KVP_MAX_TEXT];
	char value[KVP_MAX_TEXT];
};

/* What the guest tells of itself (its pool "auto"), read anew every ten seconds. Of a native guest needs its KVP daemon. */
struct ic_kvp_service {
	struct ic ic;
	unsigned countdown, index;
	unsigned count;
	struct kvp_item item[KVP_MAX_ITEMS];
};

struct ic_services {
	struct loop *loop;
	struct loop_watch timer;
	struct ic_shutdown_service shutdown;
	struct ic_heartbeat_service heartbeat;
	struct ic_timesync_service timesync;
	struct ic_kvp_service kvp;
};

/* timesync.reference and context are set by the caller. 0 or -1. */
int ic_services_init(struct ic_services *services, struct vmbus *bus, struct loop *loop);
void ic_services_destroy(struct ic_services *services);

/* Asks the guest to power off, or to restart. False where it is not ready to be asked. */
bool ic_shutdown(struct ic_shutdown_service *service, bool restart);

extern const struct ic_service ic_shutdown_ops, ic_heartbeat_ops, ic_timesync_ops, ic_kvp_ops;

#endif
