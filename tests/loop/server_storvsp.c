/* SPDX-License-Identifier: MIT */
#include "tests/loop/server_storvsp.h"

/* Included for its channels, which a host can take away. */
#include "host/storvsp.c"

#include <assert.h>
#include <sys/mman.h>
#include <unistd.h>

struct server {
	struct storvsp *controller;
	struct block_pool pool;
	struct block disk[SCSI_MAX_LUNS];
	int fd[SCSI_MAX_LUNS];
};

static unsigned packets;

static bool count_packet(void *device, struct vmbus_channel *channel,
			 const struct vmbus_in_packet *in)
{
	packets++;
	return on_packet(device, channel, in);
}

static const struct vmbus_device_ops counting = {
    .open = on_open, .close = on_close, .packet = count_packet};

unsigned server_commands(const struct server *s)
{
	(void)s;
	return packets;
}

static bool busy(void *server)
{
	const struct server *s = server;

	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++)
		if (s->disk[lun].in_flight)
			return true;
	return false;
}

struct server *server_create(struct partition *p, unsigned queues)
{
	struct server *s = calloc(1, sizeof(*s));

	assert(s && block_pool_init(&s->pool, &p->loop, 2, NULL) == 0);
	s->controller = storvsp_create(p->bus, p->server ? 1 : 0, queues);
	assert(s->controller);
	p->busy = busy;
	p->server = s;
	s->controller->offering.ops = &counting;
	vmbus_rescind(s->controller->channel[0]);
	server_offer_again(s);
	return s;
}

void server_destroy(struct server *s)
{
	storvsp_destroy(s->controller);
	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++) {
		if (s->fd[lun] > 0) {
			block_close(&s->disk[lun], NULL);
			close(s->fd[lun]);
		}
	}
	block_pool_destroy(&s->pool);
	free(s);
}

/* The first descriptor of the volume that lab/bootimage makes. */
static void write_label(int fd)
{
	static const char name[] = "XENOLITH                        ";

	assert(pwrite(fd, "\1CD001\1", 7, 32768) == 7);
	assert(pwrite(fd, name, 32, 32768 + 40) == 32);
}

void server_insert(struct server *s, unsigned lun, size_t bytes, enum server_disk kind)
{
	char path[64];
	bool cdrom = kind == SERVER_CDROM;
	struct block_source source = {path, XD_FORMAT_RAW, kind == SERVER_READ_ONLY || cdrom, NULL};
	struct xd_error error;

	s->fd[lun] = memfd_create("disk", 0);
	assert(s->fd[lun] > 0 && ftruncate(s->fd[lun], (off_t)bytes) == 0);
	snprintf(path, sizeof(path), "/proc/self/fd/%d", s->fd[lun]);
	if (kind == SERVER_BOOT_IMAGE)
		write_label(s->fd[lun]);
	if (block_open(&s->disk[lun], &s->pool, &source, &error) ||
	    !storvsp_insert(s->controller, lun, &s->disk[lun], cdrom)) {
		abort();
	}
}

void server_remove(struct server *s, unsigned lun)
{
	storvsp_remove(s->controller, lun);
	block_close(&s->disk[lun], NULL);
	close(s->fd[lun]);
	s->fd[lun] = 0;
}

void server_rescind(struct server *s)
{
	vmbus_rescind(s->controller->channel[0]);
}

void server_offer_again(struct server *s)
{
	s->controller->channel[0] = vmbus_offer(s->controller->bus, &s->controller->offering);
	assert(s->controller->channel[0]);
}
