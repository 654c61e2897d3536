/* SPDX-License-Identifier: MIT */
#include "core/blkback.h"
#include "core/string.h"

#define SECTORS_PER_PAGE (4096 / BLOCK_SECTOR)

static void finish(struct blkback_slot *slot, int16_t status);

static void complete(struct block_request *request, enum block_status status)
{
	static const int16_t answers[] = {
	    [BLOCK_OK] = BLKIF_RSP_OKAY,
	    [BLOCK_ERROR] = BLKIF_RSP_ERROR,
	    [BLOCK_UNSUPPORTED] = BLKIF_RSP_EOPNOTSUPP,
	};

	finish((struct blkback_slot *)request, answers[status]);
}

void blkback_start(struct blkback_queue *queue, const struct blkback_env *env, void *ctx,
		   struct block_disk *disk, struct gnttab *grants, enum blkif_abi abi,
		   void *const *ring_pages, unsigned nr_ring_pages, struct blkback_slot *pool,
		   unsigned nr_pool)
{
	/* A late notification for an earlier connection may still find its way here. */
	lock_take(&queue->q.lock);
	queue->env = env;
	queue->ctx = ctx;
	queue->disk = disk;
	queue->grants = grants;
	queue->abi = abi;
	queue->free = NULL;
	backq_reset(&queue->q);
	disk->complete = complete;
	xenring_attach(&queue->ring, ring_pages, nr_ring_pages, blkif_entry_size(abi));
	for (unsigned i = 0; i < nr_pool; i++) {
		pool[i].queue = queue;
		pool[i].next = queue->free;
		queue->free = &pool[i];
	}
	lock_drop(&queue->q.lock);
}

static void release_grants(struct blkback_slot *slot)
{
	gnttab_release_all(slot->queue->grants, slot->ref, slot->nr_refs, slot->write);
	slot->nr_refs = 0;
}

/* Answers the request and gives its slot back. */
static void finish(struct blkback_slot *slot, int16_t status)
{
	struct blkback_queue *queue = slot->queue;
	bool notify, idle, resumes;
	char response[16];
	uint32_t len =
	    blkif_encode_response(queue->abi, slot->id, slot->operation, status, response);

	release_grants(slot);
	lock_take(&queue->q.lock);
	xenring_put(&queue->ring, response, len);
	notify = xenring_push(&queue->ring);
	resumes = backq_resumes(&queue->q, !queue->free);
	slot->next = queue->free;
	queue->free = slot;
	queue->q.in_flight--;
	idle = backq_becomes_idle(&queue->q);
	lock_drop(&queue->q.lock);
	if (notify)
		queue->env->notify(queue->ctx, queue);
	if (idle)
		queue->env->idle(queue->ctx, queue);
	else if (resumes)
		blkback_poll(queue);
}

/* Notes the segments, each read once: they may lie on the guest's page. */
static bool add_segments(struct blkback_slot *slot, const struct blkif_request_segment *from,
			 unsigned nr)
{
	struct block_request *request = &slot->request;
	uint32_t sectors = 0;

	for (unsigned i = 0; i < nr; i++) {
		const uint32_t *words = (const uint32_t *)&from[i];
		uint32_t gref = __atomic_load_n(&words[0], __ATOMIC_RELAXED);
		uint32_t sects = __atomic_load_n(&words[1], __ATOMIC_RELAXED);
		uint32_t first = sects & 0xff, count = (sects >> 8 & 0xff) - first + 1;

		if (!count || count > SECTORS_PER_PAGE || first + count > SECTORS_PER_PAGE)
			return false;
		slot->ref[i] = gref;
		request->segment[i].offset = (uint16_t)(first * BLOCK_SECTOR);
		request->segment[i].len = (uint16_t)(count * BLOCK_SECTOR);
		sectors += count;
	}
	request->nr_segments = nr;
	request->nr_sectors = sectors;
	return true;
}

/* Gets the segments' pages; false where one is not granted, or not all of the segment. By itself, so that its list leaves the stack. */
static __attribute__((noinline)) bool acquire_pages(struct blkback_slot *slot)
{
	struct block_request *request = &slot->request;
	struct gnttab_page page[BLOCK_SEGMENTS_MAX];
	unsigned nr = request->nr_segments;

	slot->nr_refs =
	    gnttab_acquire_all(slot->queue->grants, 0, slot->ref, nr, slot->write, page);
	if (slot->nr_refs < nr)
		return false;
	for (unsigned i = 0; i < nr; i++) {
		struct block_segment *segment = &request->segment[i];

		segment->mfn = page[i].mfn;
		if (page[i].len != GNTTAB_PAGE_SIZE &&
		    (segment->offset < page[i].offset ||
		     segment->offset + segment->len > page[i].offset + page[i].len))
			return false;
	}
	return true;
}

/* The segments' descriptors are on a granted page of their own. */
static bool add_indirect(struct blkback_slot *slot, const struct blkif_entry *entry)
{
	struct gnttab *grants = slot->queue->grants;
	struct gnttab_page page;
	bool good;

	if (gnttab_acquire(grants, 0, entry->indirect_ref[0], false, &page))
		return false;
	good = !page.offset &&
	       page.len >= entry->nr_segments * sizeof(struct blkif_request_segment) &&
	       add_segments(slot, page.va, entry->nr_segments);
	gnttab_release(grants, entry->indirect_ref[0], false);
	return good;
}

_Static_assert(offsetof(struct blkif_request_segment, first_sect) == 4 &&
		   offsetof(struct blkif_request_segment, last_sect) == 5,
	       "read as two words");
_Static_assert(BLOCK_SEGMENTS_MAX <= BLKIF_SEGMENTS_PER_INDIR, "one page of descriptors is enough");

/* The sectors are the disk's, and whole ones. */
static bool in_range(const struct block_disk *disk, const struct block_request *request)
{
	uint32_t unit = disk->sector_size / BLOCK_SECTOR;

	return request->nr_sectors <= disk->nr_sectors &&
	       request->sector <= disk->nr_sectors - request->nr_sectors &&
	       request->sector % unit == 0 && request->nr_sectors % unit == 0;
}

static int16_t prepare_data(struct blkback_slot *slot, const struct blkif_entry *entry)
{
	struct block_request *request = &slot->request;
	unsigned limit = entry->indirect ? BLOCK_SEGMENTS_MAX : BLKIF_MAX_SEGMENTS_PER_REQUEST;
	bool good;

	request->op = entry->operation == BLKIF_OP_READ ? BLOCK_READ : BLOCK_WRITE;
	slot->write = request->op == BLOCK_READ;
	if (!entry->nr_segments || entry->nr_segments > limit)
		return BLKIF_RSP_ERROR;
	if (request->op == BLOCK_WRITE && slot->queue->disk->read_only)
		return BLKIF_RSP_ERROR;
	good = entry->indirect ? add_indirect(slot, entry)
			       : add_segments(slot, entry->segment, entry->nr_segments);
	return good && in_range(slot->queue->disk, request) && acquire_pages(slot)
		   ? BLKIF_RSP_OKAY
		   : BLKIF_RSP_ERROR;
}

static int16_t prepare_discard(struct blkback_slot *slot, const struct blkif_entry *entry)
{
	struct block_request *request = &slot->request;

	if (!slot->queue->disk->discard)
		return BLKIF_RSP_EOPNOTSUPP;
	request->op = BLOCK_DISCARD;
	request->nr_sectors = entry->nr_sectors;
	return !slot->queue->disk->read_only && in_range(slot->queue->disk, request)
		   ? BLKIF_RSP_OKAY
		   : BLKIF_RSP_ERROR;
}

/* Turns the guest's request into ours; BLKIF_RSP_OKAY when it may be submitted. */
static int16_t prepare(struct blkback_slot *slot, const void *bytes)
{
	struct block_request *request = &slot->request;
	struct blkif_entry entry;

	blkif_decode(slot->queue->abi, bytes, &entry);
	slot->id = entry.id;
	slot->operation = entry.operation;
	slot->nr_refs = 0;
	request->sector = entry.sector;
	request->nr_sectors = 0;
	request->nr_segments = 0;
	switch (entry.operation) {
	case BLKIF_OP_READ:
	case BLKIF_OP_WRITE: return prepare_data(slot, &entry);
	case BLKIF_OP_DISCARD:
		return entry.indirect ? BLKIF_RSP_ERROR : prepare_discard(slot, &entry);
	case BLKIF_OP_FLUSH_DISKCACHE:
		request->op = BLOCK_FLUSH;
		return entry.nr_segments || entry.indirect ? BLKIF_RSP_ERROR : BLKIF_RSP_OKAY;
	case BLKIF_OP_WRITE_BARRIER: return BLKIF_RSP_EOPNOTSUPP;
	default: return BLKIF_RSP_ERROR;
	}
}

/* With the lock: the next request's slot, its bytes copied; NULL when there is none, or no slot, or no more to be had. */
static struct blkback_slot *take(struct blkback_queue *queue, void *bytes)
{
	struct blkback_slot *slot = queue->free;
	enum xenring_result result = XENRING_EMPTY;

	if (!slot || queue->q.stopped || queue->q.broken)
		return NULL;
	do
		result = xenring_take(&queue->ring, bytes);
	while (result == XENRING_EMPTY && xenring_rearm(&queue->ring));
	if (result == XENRING_BAD)
		queue->q.broken = true;
	if (result != XENRING_TAKEN)
		return NULL;
	queue->free = slot->next;
	queue->q.in_flight++;
	queue->q.taken++;
	return slot;
}

/* The next slot; without one the polling has ended, and *idle says whether that was the last of a stopped queue. */
static struct blkback_slot *next(struct blkback_queue *queue, void *bytes, bool submitted,
				 bool *idle)
{
	struct blkback_slot *slot;

	lock_take(&queue->q.lock);
	do {
		queue->q.again = false;
		slot = backq_rests(&queue->q) ? NULL : take(queue, bytes);
	} while (!slot && queue->q.again && !queue->q.resume);
	*idle = backq_next(&queue->q, slot, submitted);
	lock_drop(&queue->q.lock);
	return slot;
}

bool blkback_poll(struct blkback_queue *queue)
{
	struct blkback_slot *slot;
	char bytes[BLKIF_ENTRY_MAX];
	bool submitted = false, idle = false, good;

	if (!backq_enter(&queue->q))
		return true;
	while ((slot = next(queue, bytes, submitted, &idle))) {
		int16_t status = prepare(slot, bytes);

		if (status == BLKIF_RSP_OKAY) {
			queue->disk->ops->submit(queue->disk, &slot->request);
			submitted = true;
		} else {
			finish(slot, status);
		}
	}
	good = !queue->q.broken;
	if (submitted) {
		if (queue->disk->ops->commit)
			queue->disk->ops->commit(queue->disk);
		idle = backq_committed(&queue->q);
	}
	if (idle)
		queue->env->idle(queue->ctx, queue);
	return good;
}

void blkback_stop(struct blkback_queue *queue)
{
	if (backq_stop(&queue->q))
		queue->env->idle(queue->ctx, queue);
}
