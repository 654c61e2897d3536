/* SPDX-License-Identifier: MIT */
#include "host/gmem.h"

#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static void lay_out(struct gmem *memory)
{
	uint64_t low = memory->size < GMEM_HOLE_START ? memory->size : GMEM_HOLE_START;

	memory->range[0] = (struct gmem_range){.start = 0, .size = low, .offset = 0};
	memory->ranges = 1;
	if (memory->size > low) {
		memory->range[1] = (struct gmem_range){
		    .start = GMEM_HOLE_END, .size = memory->size - low, .offset = low};
		memory->ranges = 2;
	}
}

int gmem_create(struct gmem *memory, uint64_t size)
{
	*memory = (struct gmem){.fd = -1, .size = size};
	memory->fd = memfd_create("guest-memory", MFD_CLOEXEC);
	if (memory->fd < 0) {
		return -errno;
	}
	if (ftruncate(memory->fd, (off_t)size) < 0) {
		goto fail;
	}
	memory->base =
	    mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory->fd, 0);
	if (memory->base == MAP_FAILED) {
		goto fail;
	}
	/* Advice only: a kernel without huge pages for shared memory still runs the guest. */
	madvise(memory->base, size, MADV_HUGEPAGE);
	madvise(memory->base, size, MADV_DONTDUMP);
	lay_out(memory);
	return 0;
fail:;
	int error = errno;
	close(memory->fd);
	memory->fd = -1;
	return -error;
}

void gmem_destroy(struct gmem *memory)
{
	if (memory->fd < 0) {
		return;
	}
	munmap(memory->base, memory->size);
	close(memory->fd);
	memory->fd = -1;
}

static const struct gmem_range *range_of(const struct gmem *memory, uint64_t start, uint64_t length)
{
	for (unsigned i = 0; i < memory->ranges; i++) {
		const struct gmem_range *range = &memory->range[i];

		if (start >= range->start && start - range->start <= range->size &&
		    length <= range->size - (start - range->start)) {
			return range;
		}
	}
	return NULL;
}

void *gmem_at(const struct gmem *memory, struct gpa address, uint64_t length)
{
	const struct gmem_range *range = range_of(memory, address.value, length);

	return range ? memory->base + range->offset + (address.value - range->start) : NULL;
}

bool gmem_read(const struct gmem *memory, struct gpa address, void *to, uint64_t length)
{
	const void *from = gmem_at(memory, address, length);

	if (!from) {
		return false;
	}
	memcpy(to, from, length);
	return true;
}

bool gmem_write(const struct gmem *memory, struct gpa address, const void *from, uint64_t length)
{
	void *to = gmem_at(memory, address, length);

	if (!to) {
		return false;
	}
	memcpy(to, from, length);
	return true;
}

/* How many of `frames` follow one another, so that one mmap() serves them. */
static size_t run_length(const uint64_t *frames, size_t count)
{
	size_t run = 1;

	while (run < count && frames[run] == frames[0] + run) {
		run++;
	}
	return run;
}

static bool map_run(const struct gmem *memory, uint8_t *to, uint64_t frame, size_t run)
{
	uint64_t bytes = (uint64_t)run << GMEM_PAGE_SHIFT;
	const uint8_t *at;

	if (frame >> (64 - GMEM_PAGE_SHIFT)) {
		return false;
	}
	at = gmem_at(memory, gpa(frame << GMEM_PAGE_SHIFT), bytes);
	return at && mmap(to, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, memory->fd,
			  at - memory->base) != MAP_FAILED;
}

void *gmem_map_frames(const struct gmem *memory, const uint64_t *frames, size_t count)
{
	uint8_t *view = mmap(NULL, count << GMEM_PAGE_SHIFT, PROT_NONE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (view == MAP_FAILED) {
		return NULL;
	}
	for (size_t done = 0; done < count;) {
		size_t run = run_length(frames + done, count - done);

		if (!map_run(memory, view + (done << GMEM_PAGE_SHIFT), frames[done], run)) {
			gmem_unmap_frames(view, count);
			return NULL;
		}
		done += run;
	}
	return view;
}

void gmem_unmap_frames(void *view, size_t count)
{
	if (view) {
		munmap(view, count << GMEM_PAGE_SHIFT);
	}
}
