/* SPDX-License-Identifier: MIT */
#include "core/kimage/internal.h"

#include "core/string.h"

uint64_t kimage_bias(const struct kimage *k)
{
	uint64_t bias = 0;

	for (unsigned int i = 0; i < k->segments; i++) {
		const struct kimage_segment *s = &k->segment[i];

		if (s->pa > s->offset && s->pa - s->offset > bias) {
			bias = s->pa - s->offset;
		}
	}
	return bias;
}

static bool disjoint(const unsigned char *a, size_t a_size, const unsigned char *b, size_t b_size)
{
	return (uintptr_t)a + a_size <= (uintptr_t)b || (uintptr_t)b + b_size <= (uintptr_t)a;
}

/* Copied in order, no segment may land on one that is still to be copied. */
static bool order_is_safe(const struct kimage *k, const unsigned char *image,
			  const unsigned char *guest)
{
	for (unsigned int i = 0; i < k->segments; i++) {
		for (unsigned int j = i + 1; j < k->segments; j++) {
			const struct kimage_segment *now = &k->segment[i], *later = &k->segment[j];

			if (!disjoint(guest + now->pa, now->filesz, image + later->offset,
				      later->filesz)) {
				return false;
			}
		}
	}
	return true;
}

enum kimage_error kimage_place(const struct kimage *k, const void *image, void *guest,
			       size_t guest_size, struct kimage_fault *fault)
{
	const unsigned char *from = image;
	unsigned char *to = guest;

	if (k->pa_end > guest_size) {
		kimage_fail(fault, KIMAGE_E_PLACE, "");
		fault->want = k->pa_end;
		fault->have = guest_size;
		return KIMAGE_E_PLACE;
	}
	if (!order_is_safe(k, from, to)) {
		return kimage_fail(fault, KIMAGE_E_OVERLAP, "");
	}
	for (unsigned int i = 0; i < k->segments; i++) {
		memmove(to + k->segment[i].pa, from + k->segment[i].offset, k->segment[i].filesz);
	}
	/* Only now: what is cleared may have been image. */
	for (unsigned int i = 0; i < k->segments; i++) {
		const struct kimage_segment *s = &k->segment[i];

		memset(to + s->pa + s->filesz, 0, s->memsz - s->filesz);
	}
	return KIMAGE_OK;
}
