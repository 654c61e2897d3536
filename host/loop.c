/* SPDX-License-Identifier: MIT */
#include "host/loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <unistd.h>

int loop_init(struct loop *loop)
{
	*loop = (struct loop){.epoll = epoll_create1(EPOLL_CLOEXEC)};
	return loop->epoll < 0 ? -errno : 0;
}

void loop_destroy(struct loop *loop)
{
	if (loop->epoll >= 0) {
		close(loop->epoll);
		loop->epoll = -1;
	}
}

bool loop_turn(struct loop *loop, int timeout)
{
	int count = epoll_wait(loop->epoll, loop->pending,
			       sizeof(loop->pending) / sizeof(loop->pending[0]), timeout);

	loop->pending_count = count > 0 ? count : 0;
	for (int i = 0; i < loop->pending_count; i++) {
		struct loop_watch *watch = loop->pending[i].data.ptr;

		if (watch) {
			watch->ready(watch->context, loop->pending[i].events);
		}
	}
	loop->pending_count = 0;
	for (struct loop_after *after = loop->after; after; after = after->next) {
		after->run(after->context);
	}
	return count > 0;
}

void loop_run(struct loop *loop)
{
	loop->stopping = false;
	while (!loop->stopping) {
		loop_turn(loop, -1);
	}
}

void loop_stop(struct loop *loop)
{
	loop->stopping = true;
}

static int control(struct loop *loop, int operation, struct loop_watch *watch, uint32_t events)
{
	struct epoll_event event = {.events = events, .data.ptr = watch};

	return epoll_ctl(loop->epoll, operation, watch->fd, &event) < 0 ? -errno : 0;
}

int loop_add(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	return control(loop, EPOLL_CTL_ADD, watch, events);
}

int loop_change(struct loop *loop, struct loop_watch *watch, uint32_t events)
{
	return control(loop, EPOLL_CTL_MOD, watch, events);
}

void loop_remove(struct loop *loop, struct loop_watch *watch)
{
	control(loop, EPOLL_CTL_DEL, watch, 0);
	for (int i = 0; i < loop->pending_count; i++) {
		if (loop->pending[i].data.ptr == watch) {
			loop->pending[i].data.ptr = NULL;
		}
	}
}

void loop_add_after(struct loop *loop, struct loop_after *after)
{
	after->next = loop->after;
	loop->after = after;
}

void loop_remove_after(struct loop *loop, struct loop_after *after)
{
	struct loop_after **at = &loop->after;

	while (*at && *at != after) {
		at = &(*at)->next;
	}
	if (*at) {
		*at = after->next;
	}
}

int event_create(void)
{
	int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);

	return fd < 0 ? -errno : fd;
}

void event_signal(int fd)
{
	/* A full counter is a signal too, so there is nothing to do about EAGAIN. */
	eventfd_write(fd, 1);
}

bool event_take(int fd)
{
	eventfd_t count;

	return eventfd_read(fd, &count) == 0;
}
