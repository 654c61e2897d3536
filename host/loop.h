/* SPDX-License-Identifier: MIT */
/*
 * The device thread: one epoll loop in which every device model runs, so that none of them needs a lock.
 * vCPU threads reach it through file descriptors (eventfds) only.
 */
#ifndef HOST_LOOP_H
#define HOST_LOOP_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

struct loop_watch {
	int fd;
	void (*ready)(void *context, uint32_t events);
	void *context;
};

/* Runs at the end of each turn, before the loop sleeps: what the handlers have gathered goes out together. */
struct loop_after {
	void (*run)(void *context);
	void *context;
	struct loop_after *next;
};

struct loop {
	int epoll;
	bool stopping;
	/* Events fetched but not yet handled; loop_remove() takes its watch out of them. */
	struct epoll_event pending[16];
	int pending_count;
	struct loop_after *after;
};

/* 0 or -errno. */
int loop_init(struct loop *loop);
void loop_destroy(struct loop *loop);
/* Handles what is there, or comes within `timeout` ms (-1: any time). False where there was nothing. */
bool loop_turn(struct loop *loop, int timeout);
/* Handles events until loop_stop(), which a handler calls. */
void loop_run(struct loop *loop);
void loop_stop(struct loop *loop);

/* The caller owns the watch, which must stay where it is until removed. `events` as for epoll(7). 0 or -errno. */
int loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events);
int loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events);
void loop_remove(struct loop *loop, struct loop_watch *watch);

/* The caller owns it, as a watch. */
void loop_add_after(struct loop *loop, struct loop_after *after);
void loop_remove_after(struct loop *loop, struct loop_after *after);

/*
 * Eventfds, which is what most watches are. Non-blocking; -errno on failure. Watched for LOOP_EVENT one need not be taken: each
 * signal counts once, which spares its handler a system call.
 */
#define LOOP_EVENT (EPOLLIN | EPOLLET)
int event_create(void);
void event_signal(int fd);
/* Takes the signals; false where there was none. */
bool event_take(int fd);

#endif
