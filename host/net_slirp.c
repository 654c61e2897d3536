/* SPDX-License-Identifier: MIT */
/*
 * User-mode networking. libslirp wants its sockets polled its own way, so it lives on a thread of its own; frames cross by two
 * bounded queues, each with an eventfd.
 */
#include "host/net.h"

#include "host/say.h"

#include <arpa/inet.h>
#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <slirp/libslirp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUEUE_FRAMES 1024u
#define FIRST_POLLED 64u

struct frame {
	struct frame *next;
	uint32_t length;
	uint8_t bytes[];
};

struct queue {
	pthread_mutex_t lock;
	struct frame *first, **end;
	unsigned count;
	int event;
};

struct timer {
	SlirpTimerCb callback;
	void *argument;
	int64_t due; /* ms, -1: none */
	struct timer *next;
};

struct slirp_backend {
	struct net_backend backend;
	struct loop *loop;
	struct loop_watch watch;
	struct queue to_slirp, to_guest;
	struct loop_after after;
	bool paused;         /* the adapter had no room */
	bool news_for_slirp; /* that it has not been told of */
	atomic_bool stopping;
	bool started;
	pthread_t thread;
	/* The thread's own: */
	Slirp *slirp;
	bool news_for_guest;
	struct timer *timers;
	unsigned polled, poll_room;
	struct pollfd *poll; /* a socket for each of the guest's connections */
};

static int queue_init(struct queue *queue)
{
	pthread_mutex_init(&queue->lock, NULL);
	queue->end = &queue->first;
	queue->event = event_create();
	return queue->event;
}

/*
 * A full queue drops, as a switch does. Who puts a frame into an empty one owes the other thread a signal, which it gives when it
 * has no more of them: *news.
 */
static void queue_put(struct queue *queue, const uint8_t *bytes, size_t length, bool *news)
{
	struct frame *frame = malloc(sizeof(*frame) + length);

	if (!frame) {
		return;
	}
	frame->next = NULL;
	frame->length = (uint32_t)length;
	memcpy(frame->bytes, bytes, length);
	pthread_mutex_lock(&queue->lock);
	if (queue->count == QUEUE_FRAMES) {
		pthread_mutex_unlock(&queue->lock);
		free(frame);
		return;
	}
	*news = *news || queue->count == 0;
	*queue->end = frame;
	queue->end = &frame->next;
	queue->count++;
	pthread_mutex_unlock(&queue->lock);
}

static void queue_tell(struct queue *queue, bool *news)
{
	if (*news) {
		*news = false;
		event_signal(queue->event);
	}
}

/* The first frame, which stays in the queue until queue_drop(). */
static struct frame *queue_first(struct queue *queue)
{
	struct frame *frame;

	pthread_mutex_lock(&queue->lock);
	frame = queue->first;
	pthread_mutex_unlock(&queue->lock);
	return frame;
}

static void queue_drop(struct queue *queue)
{
	struct frame *frame;

	pthread_mutex_lock(&queue->lock);
	frame = queue->first;
	queue->first = frame->next;
	queue->count--;
	if (!queue->first) {
		queue->end = &queue->first;
	}
	pthread_mutex_unlock(&queue->lock);
	free(frame);
}

static void queue_destroy(struct queue *queue)
{
	while (queue->first) {
		queue_drop(queue);
	}
	if (queue->event > 0) {
		close(queue->event);
	}
}

/* ---- the slirp thread ---- */

static int64_t now_ns(void *opaque)
{
	struct timespec now;

	(void)opaque;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ll + now.tv_nsec;
}

static ssize_t send_packet(const void *bytes, size_t length, void *opaque)
{
	struct slirp_backend *slirp = opaque;

	queue_put(&slirp->to_guest, bytes, length, &slirp->news_for_guest);
	return (ssize_t)length;
}

static void guest_error(const char *message, void *opaque)
{
	(void)opaque;
	say_detail("network: %s", message);
}

static void *timer_new(SlirpTimerCb callback, void *argument, void *opaque)
{
	struct slirp_backend *slirp = opaque;
	struct timer *timer = calloc(1, sizeof(*timer));

	if (timer) {
		*timer = (struct timer){callback, argument, -1, slirp->timers};
		slirp->timers = timer;
	}
	return timer;
}

static void timer_free(void *which, void *opaque)
{
	struct slirp_backend *slirp = opaque;
	struct timer **at = &slirp->timers;

	while (*at && *at != which) {
		at = &(*at)->next;
	}
	if (*at) {
		*at = (*at)->next;
		free(which);
	}
}

static void timer_mod(void *which, int64_t due, void *opaque)
{
	struct timer *timer = which;

	(void)opaque;
	timer->due = due;
}

static void ignore_fd(int fd, void *opaque)
{
	(void)fd, (void)opaque;
}

static void ignore_notify(void *opaque)
{
	(void)opaque;
}

static const SlirpCb callbacks = {
    .send_packet = send_packet,
    .guest_error = guest_error,
    .clock_get_ns = now_ns,
    .timer_new = timer_new,
    .timer_free = timer_free,
    .timer_mod = timer_mod,
    .register_poll_fd = ignore_fd,
    .unregister_poll_fd = ignore_fd,
    .notify = ignore_notify,
};

/* SLIRP_POLL_* against poll(2)'s events. */
static const struct {
	int slirp;
	short poll;
} events[] = {{SLIRP_POLL_IN, POLLIN},
	      {SLIRP_POLL_OUT, POLLOUT},
	      {SLIRP_POLL_PRI, POLLPRI},
	      {SLIRP_POLL_ERR, POLLERR},
	      {SLIRP_POLL_HUP, POLLHUP}};

static bool make_poll_room(struct slirp_backend *slirp, unsigned room)
{
	struct pollfd *poll = realloc(slirp->poll, room * sizeof(*poll));

	if (poll) {
		slirp->poll = poll;
		slirp->poll_room = room;
	}
	return poll;
}

static int add_poll(int fd, int wanted, void *opaque)
{
	struct slirp_backend *slirp = opaque;
	struct pollfd *poll;

	if (slirp->polled == slirp->poll_room && !make_poll_room(slirp, slirp->polled * 2)) {
		return -1;
	}
	poll = &slirp->poll[slirp->polled];
	*poll = (struct pollfd){.fd = fd};
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		poll->events |= wanted & events[i].slirp ? events[i].poll : 0;
	}
	return (int)slirp->polled++;
}

static int get_events(int index, void *opaque)
{
	const struct slirp_backend *slirp = opaque;
	int result = 0;

	for (size_t i = 0; index >= 0 && i < sizeof(events) / sizeof(events[0]); i++) {
		result |= slirp->poll[index].revents & events[i].poll ? events[i].slirp : 0;
	}
	return result;
}

/* Runs the timers that are due; lowers *timeout (ms) to the next one. */
static void run_timers(struct slirp_backend *slirp, uint32_t *timeout)
{
	int64_t now = now_ns(NULL) / 1000000;

	for (struct timer *timer = slirp->timers; timer; timer = timer->next) {
		if (timer->due >= 0 && timer->due <= now) {
			timer->due = -1;
			timer->callback(timer->argument);
		}
		if (timer->due >= 0 && timer->due - now < *timeout) {
			*timeout = timer->due > now ? (uint32_t)(timer->due - now) : 0;
		}
	}
}

static void *run(void *argument)
{
	struct slirp_backend *slirp = argument;

	while (!atomic_load(&slirp->stopping)) {
		uint32_t timeout = 10000;
		struct frame *frame;

		slirp->polled = 0;
		add_poll(slirp->to_slirp.event, SLIRP_POLL_IN, slirp);
		slirp_pollfds_fill(slirp->slirp, &timeout, add_poll, slirp);
		run_timers(slirp, &timeout);
		queue_tell(&slirp->to_guest, &slirp->news_for_guest);
		int ready = poll(slirp->poll, slirp->polled, (int)timeout);

		event_take(slirp->to_slirp.event);
		slirp_pollfds_poll(slirp->slirp, ready < 0, get_events, slirp);
		while ((frame = queue_first(&slirp->to_slirp))) {
			slirp_input(slirp->slirp, frame->bytes, (int)frame->length);
			queue_drop(&slirp->to_slirp);
		}
	}
	return NULL;
}

/* ---- the device thread ---- */

static void emit(void *context, const uint8_t *frame, uint32_t length)
{
	struct slirp_backend *slirp = context;

	queue_put(&slirp->to_slirp, frame, length, &slirp->news_for_slirp);
}

static void backend_send(struct net_backend *backend, uint8_t *frame, uint32_t length,
			 const struct net_work *work)
{
	/* What slirp ends is a stream: it takes a large send as one packet, which saves a segment's way for each 1460 bytes. */
	net_finish_whole(frame, length, work, emit, backend);
}

static void turn_ends(void *context)
{
	struct slirp_backend *slirp = context;

	queue_tell(&slirp->to_slirp, &slirp->news_for_slirp);
}

static void to_guest_ready(void *context, uint32_t what)
{
	struct slirp_backend *slirp = context;
	struct frame *frame;

	(void)what;
	while (!slirp->paused && slirp->backend.adapter &&
	       (frame = queue_first(&slirp->to_guest))) {
		if (!slirp->backend.receive(slirp->backend.adapter, frame->bytes, frame->length,
					    true)) {
			slirp->paused = true;
			break;
		}
		queue_drop(&slirp->to_guest);
	}
}

static void backend_resume(struct net_backend *backend)
{
	struct slirp_backend *slirp = (struct slirp_backend *)backend;

	slirp->paused = false;
	event_signal(slirp->to_guest.event);
}

static void backend_destroy(struct net_backend *backend)
{
	struct slirp_backend *slirp = (struct slirp_backend *)backend;

	if (slirp->started) {
		atomic_store(&slirp->stopping, true);
		event_signal(slirp->to_slirp.event);
		pthread_join(slirp->thread, NULL);
	}
	if (slirp->slirp) {
		slirp_cleanup(slirp->slirp);
	}
	if (slirp->to_guest.event > 0) {
		loop_remove(slirp->loop, &slirp->watch);
		loop_remove_after(slirp->loop, &slirp->after);
	}
	while (slirp->timers) {
		timer_free(slirp->timers, slirp);
	}
	queue_destroy(&slirp->to_slirp);
	queue_destroy(&slirp->to_guest);
	free(slirp->poll);
	free(slirp);
}

static const struct net_backend_ops ops = {backend_send, backend_resume, backend_destroy};

/* "ADDRESS:PORT" up to `end`; an empty address leaves *address as it is. Returns where `end` is, or NULL. */
static const char *parse_side(const char *text, char end, struct in_addr *address, int *port)
{
	size_t length = strcspn(text, ":");
	const char *digits = text + length + 1;
	char host[INET_ADDRSTRLEN], *rest;
	unsigned long number;

	if (text[length] != ':' || length >= sizeof(host) || *digits < '0' || *digits > '9') {
		return NULL;
	}
	memcpy(host, text, length);
	host[length] = '\0';
	number = strtoul(digits, &rest, 10);
	if ((length && inet_pton(AF_INET, host, address) != 1) || number - 1 > 65534 ||
	    *rest != end) {
		return NULL;
	}
	*port = (int)number;
	return rest;
}

/* "tcp:127.0.0.1:2222-:22", either address may be empty. */
static int add_forward(Slirp *slirp, const char *text)
{
	struct in_addr from = {htonl(INADDR_LOOPBACK)}, to = {0};
	bool udp = strncmp(text, "udp:", 4) == 0;
	int host_port, guest_port;

	if (!udp && strncmp(text, "tcp:", 4) != 0) {
		return -1;
	}
	text = parse_side(text + 4, '-', &from, &host_port);
	if (!text || !parse_side(text + 1, '\0', &to, &guest_port)) {
		return -1;
	}
	return slirp_add_hostfwd(slirp, udp, from, host_port, to, guest_port);
}

static struct in_addr address(uint32_t host)
{
	return (struct in_addr){htonl(0x0a000200 | host)};
}

static Slirp *new_slirp(void *opaque)
{
	const SlirpConfig config = {
	    .version = 1,
	    .in_enabled = true,
	    .vnetwork = address(0),
	    .vnetmask = {htonl(0xffffff00)},
	    .vhost = address(2),
	    .vdhcp_start = address(15),
	    .vnameserver = address(3),
	};

	return slirp_new(&config, &callbacks, opaque);
}

static int start(struct slirp_backend *slirp, const char *const *forwards, unsigned count)
{
	if (!make_poll_room(slirp, FIRST_POLLED)) {
		return say_error("--net user: no memory");
	}
	if (queue_init(&slirp->to_slirp) < 0 || queue_init(&slirp->to_guest) < 0) {
		return say_error("--net user: no file descriptors");
	}
	slirp->watch = (struct loop_watch){slirp->to_guest.event, to_guest_ready, slirp};
	loop_add(slirp->loop, &slirp->watch, LOOP_EVENT);
	slirp->after = (struct loop_after){turn_ends, slirp, NULL};
	loop_add_after(slirp->loop, &slirp->after);
	slirp->slirp = new_slirp(slirp);
	if (!slirp->slirp) {
		return say_error("--net user: libslirp refuses");
	}
	for (unsigned i = 0; i < count; i++) {
		if (add_forward(slirp->slirp, forwards[i]) < 0) {
			return say_error("--net user,hostfwd=%s: wrong, or the port is taken; "
					 "tcp::2222-:22 is an example",
					 forwards[i]);
		}
	}
	if (pthread_create(&slirp->thread, NULL, run, slirp) != 0) {
		return say_error("--net user: no thread");
	}
	slirp->started = true;
	return 0;
}

struct net_backend *net_slirp_create(struct loop *loop, const char *const *forwards, unsigned count)
{
	struct slirp_backend *slirp = calloc(1, sizeof(*slirp));

	if (!slirp) {
		say_error("--net user: no memory");
		return NULL;
	}
	slirp->backend.ops = &ops;
	slirp->loop = loop;
	if (start(slirp, forwards, count) < 0) {
		backend_destroy(&slirp->backend);
		return NULL;
	}
	return &slirp->backend;
}
