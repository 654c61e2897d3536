/* SPDX-License-Identifier: MIT */
#include "core/pvconsole.h"

void pvconsole_init(struct pvconsole *console, struct xencons_interface *ring)
{
	console->ring = ring;
	console->out_cons = ring->out_cons;
	console->in_prod = ring->in_prod;
}

/* Copies the next piece, so that the sink does not see it change. */
static size_t next_chunk(const struct pvconsole *console, uint32_t there, char *chunk)
{
	size_t n = there < PVCONSOLE_CHUNK ? there : PVCONSOLE_CHUNK;

	for (size_t i = 0; i < n; i++)
		chunk[i] =
		    console->ring->out[MASK_XENCONS_IDX(console->out_cons + i, console->ring->out)];
	return n;
}

unsigned pvconsole_drain(struct pvconsole *console, pvconsole_sink sink, void *ctx)
{
	struct xencons_interface *ring = console->ring;
	uint32_t there = __atomic_load_n(&ring->out_prod, __ATOMIC_ACQUIRE) - console->out_cons;
	uint32_t before = console->out_cons;
	char chunk[PVCONSOLE_CHUNK];

	if (there > sizeof(ring->out))
		return PVCONSOLE_BAD;
	while (there) {
		size_t n = next_chunk(console, there, chunk), took = sink(ctx, chunk, n);

		console->out_cons += took;
		there -= took;
		if (took < n)
			break;
	}
	if (console->out_cons == before)
		return there ? PVCONSOLE_MORE : 0;
	__atomic_store_n(&ring->out_cons, console->out_cons, __ATOMIC_RELEASE);
	return PVCONSOLE_NOTIFY | (there ? PVCONSOLE_MORE : 0);
}

unsigned pvconsole_push(struct pvconsole *console, const char *data, size_t len, size_t *taken)
{
	struct xencons_interface *ring = console->ring;
	uint32_t used = console->in_prod - __atomic_load_n(&ring->in_cons, __ATOMIC_ACQUIRE);
	size_t n;

	*taken = 0;
	if (used > sizeof(ring->in))
		return PVCONSOLE_BAD;
	n = len < sizeof(ring->in) - used ? len : sizeof(ring->in) - used;
	if (!n)
		return 0;
	for (size_t i = 0; i < n; i++)
		ring->in[MASK_XENCONS_IDX(console->in_prod + i, ring->in)] = data[i];
	console->in_prod += n;
	__atomic_store_n(&ring->in_prod, console->in_prod, __ATOMIC_RELEASE);
	*taken = n;
	return PVCONSOLE_NOTIFY;
}
