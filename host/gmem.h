/* SPDX-License-Identifier: MIT */
/*
 * The guest's memory: one memfd, mapped once, seen by the guest in up to two ranges around the 32-bit hole.
 *
 * Every host access to guest memory goes through gmem_at(), which gives a pointer only where the whole range is RAM.
 * The guest may change that memory at any moment: copy, check the copy, use the copy.
 */
#ifndef HOST_GMEM_H
#define HOST_GMEM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GMEM_PAGE_SIZE  4096u
#define GMEM_PAGE_SHIFT 12u
/* RAM ends here and goes on at 4 GiB: what lies between is for the APICs. */
#define GMEM_HOLE_START 0xc0000000ull
#define GMEM_HOLE_END   0x100000000ull

/* A guest physical address, boxed so that it cannot be mixed with host addresses or frame numbers. */
struct gpa {
	uint64_t value;
};

static inline struct gpa gpa(uint64_t value)
{
	return (struct gpa){value};
}

struct gmem_range {
	uint64_t start;  /* guest physical */
	uint64_t size;   /* bytes, whole pages */
	uint64_t offset; /* in the memfd and from `base` */
};

/* Each may be a mapping of its own, of which Linux gives a process 65530; eight network adapters take 35,000. */
#define GMEM_VIEWED_MOST 48000u

struct gmem {
	int fd;
	uint8_t *base;
	uint64_t size; /* that the guest starts with */
	uint64_t most; /* that it can have */
	size_t viewed; /* pages of views that lie scattered; one thread's */
	/* The third is what was added. It appears and grows while other threads look things up. */
	unsigned ranges;
	struct gmem_range range[3];
};

/* `size` bytes of zeroed memory, whole pages, and room to add up to `most`. 0, or -errno. */
int gmem_create(struct gmem *memory, uint64_t size, uint64_t most);
/* Adds `bytes`, at an address that is a multiple of `alignment`: *range says where. False where there is no room. One thread. */
bool gmem_add(struct gmem *memory, uint64_t bytes, uint64_t alignment, struct gmem_range *range);

/*
 * Pages by their place in the file, 0 to most / GMEM_PAGE_SIZE - 1. gmem_index() is false unless all `count` from `frame` on are RAM
 * in one range; gmem_frame() is the way back.
 */
bool gmem_index(const struct gmem *memory, uint64_t frame, uint64_t count, uint64_t *index);
uint64_t gmem_frame(const struct gmem *memory, uint64_t index);
/* Gives `count` pages back to the host's kernel; they read as zero from then on. */
void gmem_discard(const struct gmem *memory, uint64_t index, uint64_t count);
void gmem_destroy(struct gmem *memory);

/* Host address of [address, address + length), or NULL unless all of it is RAM in one range. */
void *gmem_at(const struct gmem *memory, struct gpa address, uint64_t length);
/* Copies; false where the range is not all RAM. */
bool gmem_read(const struct gmem *memory, struct gpa address, void *to, uint64_t length);
bool gmem_write(const struct gmem *memory, struct gpa address, const void *from, uint64_t length);

/*
 * A contiguous host view of `count` guest frames, for structures as VMBus rings that may lie scattered in guest memory.
 * NULL where a frame is not RAM, memory runs out, or all scattered views come to more than GMEM_VIEWED_MOST pages. Free with
 * gmem_unmap_frames(). One thread.
 */
void *gmem_map_frames(struct gmem *memory, const uint64_t *frames, size_t count);
void gmem_unmap_frames(struct gmem *memory, void *view, size_t count);

#endif
