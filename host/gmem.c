/* SPDX-License-Identifier: MIT */
#include "host/gmem.h"

#include <errno.h>
#include <fcntl.h>
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

int gmem_create(struct gmem *memory, uint64_t size, uint64_t most)
{
	*memory = (struct gmem){.fd = -1, .size = size, .most = most};
	memory->fd = memfd_create("guest-memory", MFD_CLOEXEC);
	if (memory->fd < 0) {
		return -errno;
	}
	if (ftruncate(memory->fd, (off_t)most) < 0) {
		goto fail;
	}
	memory->base =
	    mmap(NULL, most, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, memory->fd, 0);
	if (memory->base == MAP_FAILED) {
		goto fail;
	}
	/* Advice only: a kernel without huge pages for shared memory still runs the guest. */
	madvise(memory->base, most, MADV_HUGEPAGE);
	madvise(memory->base, most, MADV_DONTDUMP);
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
	munmap(memory->base, memory->most);
	close(memory->fd);
	memory->fd = -1;
}

static const struct gmem_range *range_of(const struct gmem *memory, uint64_t start, uint64_t length)
{
	unsigned ranges = __atomic_load_n(&memory->ranges, __ATOMIC_ACQUIRE);

	for (unsigned i = 0; i < ranges; i++) {
		const struct gmem_range *range = &memory->range[i];
		uint64_t size = __atomic_load_n(&range->size, __ATOMIC_RELAXED);

		if (start >= range->start && start - range->start <= size &&
		    length <= size - (start - range->start)) {
			return range;
		}
	}
	return NULL;
}

#define ADDED 2u

/* Above all else, and at 4 GiB at least. */
static uint64_t place_to_add(const struct gmem *memory, uint64_t alignment)
{
	uint64_t end = memory->size > GMEM_HOLE_START
			   ? memory->range[1].start + memory->range[1].size
			   : GMEM_HOLE_END;

	return (end + alignment - 1) / alignment * alignment;
}

bool gmem_add(struct gmem *memory, uint64_t bytes, uint64_t alignment, struct gmem_range *range)
{
	struct gmem_range *added = &memory->range[ADDED];
	bool first = memory->ranges <= ADDED;
	uint64_t used = memory->size + (first ? 0 : added->size);

	if (bytes > memory->most - used) {
		return false;
	}
	if (first) {
		*added = (struct gmem_range){.start = place_to_add(memory, alignment),
					     .offset = memory->size};
		/* Without a second range there is an empty one in its place. */
		memory->range[1].size = memory->ranges < ADDED ? 0 : memory->range[1].size;
	}
	if ((added->start + added->size) % alignment) {
		return false;
	}
	*range = (struct gmem_range){added->start + added->size, bytes, used};
	__atomic_store_n(&added->size, added->size + bytes, __ATOMIC_RELAXED);
	__atomic_store_n(&memory->ranges, ADDED + 1, __ATOMIC_RELEASE);
	return true;
}

bool gmem_index(const struct gmem *memory, uint64_t frame, uint64_t count, uint64_t *index)
{
	const struct gmem_range *range;

	if (frame >> (64 - GMEM_PAGE_SHIFT) || count >> (64 - GMEM_PAGE_SHIFT)) {
		return false;
	}
	range = range_of(memory, frame << GMEM_PAGE_SHIFT, count << GMEM_PAGE_SHIFT);
	if (range) {
		*index =
		    (range->offset >> GMEM_PAGE_SHIFT) + frame - (range->start >> GMEM_PAGE_SHIFT);
	}
	return range;
}

uint64_t gmem_frame(const struct gmem *memory, uint64_t index)
{
	uint64_t offset = index << GMEM_PAGE_SHIFT;
	unsigned i = memory->ranges - 1;

	while (i && (memory->range[i].size == 0 || offset < memory->range[i].offset)) {
		i--;
	}
	return (memory->range[i].start + offset - memory->range[i].offset) >> GMEM_PAGE_SHIFT;
}

void gmem_discard(const struct gmem *memory, uint64_t index, uint64_t count)
{
	/* A kernel that cannot keeps the pages: the guest has given them away all the same. */
	if (count) {
		fallocate(memory->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			  (off_t)(index << GMEM_PAGE_SHIFT), (off_t)(count << GMEM_PAGE_SHIFT));
	}
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

void *gmem_map_frames(struct gmem *memory, const uint64_t *frames, size_t count)
{
	uint8_t *view;

	/* What lies in one piece needs no view of its own. */
	if (count && run_length(frames, count) == count && !(frames[0] >> (64 - GMEM_PAGE_SHIFT)) &&
	    (view = gmem_at(memory, gpa(frames[0] << GMEM_PAGE_SHIFT), count << GMEM_PAGE_SHIFT))) {
		return view;
	}
	if (count > GMEM_VIEWED_MOST - memory->viewed) {
		return NULL;
	}
	view = mmap(NULL, count << GMEM_PAGE_SHIFT, PROT_NONE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (view == MAP_FAILED) {
		return NULL;
	}
	memory->viewed += count;
	for (size_t done = 0; done < count;) {
		size_t run = run_length(frames + done, count - done);

		if (!map_run(memory, view + (done << GMEM_PAGE_SHIFT), frames[done], run)) {
			gmem_unmap_frames(memory, view, count);
			return NULL;
		}
		done += run;
	}
	return view;
}

void gmem_unmap_frames(struct gmem *memory, void *view, size_t count)
{
	const uint8_t *at = view;

	if (view && (at < memory->base || at >= memory->base + memory->most)) {
		munmap(view, count << GMEM_PAGE_SHIFT);
		memory->viewed -= count;
	}
}
