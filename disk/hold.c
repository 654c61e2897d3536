/* SPDX-License-Identifier: MIT */
/*
 * Holding a range in place for a caller that reads or writes it on its own, and keeping the image to oneself.
 *
 * A hold outlives the call and may be let go by any thread, so it is a count and no lock. Who wants the image alone first turns new
 * holds away, then waits for those there are, and only then takes the lock that keeps the library's own I/O out: the threads
 * whose I/O is held must be able to go on until it is done.
 */
#include "disk/driver.h"

void xd_alone_begin(struct xd_image *image)
{
	pthread_mutex_lock(&image->hold_lock);
	image->hold_refused++;
	while (image->holds)
		pthread_cond_wait(&image->hold_gone, &image->hold_lock);
	pthread_mutex_unlock(&image->hold_lock);
	pthread_rwlock_wrlock(&image->quiesce);
}

void xd_alone_end(struct xd_image *image)
{
	pthread_rwlock_unlock(&image->quiesce);
	pthread_mutex_lock(&image->hold_lock);
	image->hold_refused--;
	pthread_mutex_unlock(&image->hold_lock);
}

static bool take(struct xd_image *image)
{
	bool may;

	pthread_mutex_lock(&image->hold_lock);
	may = !image->hold_refused;
	image->holds += may;
	pthread_mutex_unlock(&image->hold_lock);
	return may;
}

void xd_release(struct xd_hold *hold)
{
	struct xd_image *image = hold->image;

	if (!image)
		return;
	hold->image = NULL;
	xd_user_leave(image, hold->epoch);
	pthread_mutex_lock(&image->hold_lock);
	if (!--image->holds)
		pthread_cond_broadcast(&image->hold_gone);
	pthread_mutex_unlock(&image->hold_lock);
}

int xd_get_fd(struct xd_image *layer)
{
	return layer->io.ops->fd ? layer->io.ops->fd(layer->io.ctx) : -1;
}

/* The runs reach to the end of the range, and the caller can do with each of them what it wants to. */
static bool usable(const struct xd_run *runs, size_t count, uint64_t end, uint32_t flags)
{
	for (size_t i = 0; i < count; i++)
		if (runs[i].kind == XD_KIND_DATA ? xd_get_fd(runs[i].layer) < 0
						 : flags & XD_HOLD_WRITE)
			return false;
		else if (flags & XD_HOLD_WRITE && !(runs[i].flags & XD_RUN_IN_PLACE))
			return false;
	return count && runs[count - 1].offset + runs[count - 1].length == end;
}

/* A parent that is open for writing has users of its own, which this image's holds do not stop. */
static bool parent_is_still(const struct xd_image *image)
{
	return !image->parent || !(image->parent->flags & XD_OPEN_WRITE);
}

int xd_hold(struct xd_image *image, uint64_t offset, uint64_t length, uint32_t flags,
	    struct xd_run *runs, size_t *count, struct xd_hold *hold, struct xd_error *err)
{
	size_t room = *count;
	int r = 0;

	*count = 0;
	hold->image = NULL;
	if (flags & XD_HOLD_WRITE && (r = xd_prepare_write(image, err)))
		return r;
	if (!parent_is_still(image) || !take(image))
		return 0;
	hold->image = image;
	hold->epoch = xd_user_enter(image);
	*count = room;
	r = xd_map(image, offset, length, 0, runs, count, err);
	if (r || !usable(runs, *count, offset + length, flags)) {
		xd_release(hold);
		*count = 0;
	}
	return r;
}
