/* SPDX-License-Identifier: MIT */
/*
 * A valid image with any log: what a read-only open shows must be what a writable open makes of the file. The input is a series of
 * entries, eight bytes and their descriptors each; checksums are right, except where the entry asks for a wrong one.
 */
#include <stdlib.h>

#include "tests/fuzz/fuzz_vhdx_store.h"

#define LOG     (1ull << 20)
#define SECTORS 256u
#define ROOM    (10 * VHDX_PAGE)
#define SHOWN   (4 * VHDX_PAGE) /* as far into a block as place() goes */

static const struct vhdx_guid ours = {{1, 2, 3}};

struct input {
	const uint8_t *data;
	size_t size;
};

static uint8_t take(struct input *in)
{
	if (!in->size)
		return 0;
	in->size--;
	return *in->data++;
}

/* Places that matter: both region tables, metadata, BAT, data, and some that no log may name. */
static uint64_t place(struct input *in)
{
	static const uint64_t places[] = {
	    VHDX_REGION_TABLE_1,
	    VHDX_REGION_TABLE_2,
	    2 << 20,
	    (2 << 20) + (64 << 10),
	    3 << 20,
	    (3 << 20) + 32768,
	    4 << 20,
	    5 << 20,
	    VHDX_HEADER_OFFSET_1,
	    LOG,
	    1ull << 46,
	};
	uint8_t which = take(in);

	return places[which % 11] + (which & 64 ? 4096 : 0) + (which & 128 ? 8192 : 0);
}

static void put_data(struct fuzz_store *store, struct input *in, uint8_t *sector,
		     struct vhdx_log_desc *desc, uint64_t sequence)
{
	struct vhdx_log_data *data = (void *)sector;
	uint8_t how = take(in);

	/* What is there now, with a little changed: so that replayed tables still mean something. */
	fuzz_store_read(store, desc->file_offset, sector, VHDX_PAGE);
	if (how & 1)
		memset(sector, how, VHDX_PAGE);
	for (int i = how >> 5; i; i--) {
		uint32_t at = take(in) * 8 % VHDX_PAGE;

		sector[at + how % 8] = take(in);
	}
	memcpy(&desc->leading, sector, 8);
	memcpy(&desc->trailing, sector + VHDX_PAGE - 4, 4);
	data->signature = VHDX_LOG_DATA_SIGN;
	data->sequence_high = sequence >> 32;
	data->sequence_low = sequence;
}

/* More descriptors than fit beside the header: zeros, which cost no sectors of data. */
static uint32_t put_many(struct input *in, struct vhdx_log_desc *desc, uint64_t sequence)
{
	uint32_t count = VHDX_LOG_FIRST_DESCS - 1 + take(in) % 132;
	uint64_t at = place(in), length = take(in) % 8 * 4096ull, stride = take(in) * 4096ull;

	for (uint32_t i = 0; i < count; i++, at += stride)
		desc[i] = (struct vhdx_log_desc){VHDX_LOG_ZERO_SIGN, 0, length, at, sequence};
	return count;
}

static void put_entry(struct fuzz_store *store, struct input *in, uint32_t *next,
		      uint64_t *sequence)
{
	static uint8_t bytes[ROOM];
	uint8_t how = take(in), what = take(in);
	uint32_t count = what % 8, zeros = 0, sectors = 1;
	uint32_t at = how & 1 ? take(in) * VHDX_PAGE % LOG : *next, length;
	struct vhdx_log_entry *entry = (void *)bytes;
	struct vhdx_log_desc *desc = (void *)(entry + 1);
	uint64_t last = store->size;

	*sequence = how & 2 ? take(in) : *sequence + 1;
	memset(bytes, 0, what >> 3 == 31 ? 3 * VHDX_PAGE : VHDX_PAGE);
	if (what >> 3 == 31) {
		count = zeros = put_many(in, desc, *sequence);
		sectors += (count - 1) / VHDX_LOG_DESCS;
	}
	for (uint32_t i = zeros; i < count; i++) {
		desc[i] = (struct vhdx_log_desc){VHDX_LOG_DESC_SIGN, 0, 0, place(in), *sequence};
		if (take(in) & 1) {
			desc[i].signature = VHDX_LOG_ZERO_SIGN;
			desc[i].leading = (uint64_t)take(in) << (12 + take(in) % 40);
			zeros++;
		} else {
			put_data(store, in, bytes + (1 + i - zeros) * VHDX_PAGE, &desc[i],
				 *sequence);
		}
	}
	length = (sectors + count - zeros) * VHDX_PAGE;
	if (how & 4)
		last += take(in) * 65536ull;
	*entry = (struct vhdx_log_entry){
	    VHDX_LOG_ENTRY_SIGN, 0,     length, how & 8 ? take(in) * VHDX_PAGE : at,
	    *sequence,           count, 0,      ours,
	    how & 16 ? last : 0, last};
	if (how & 32)
		bytes[take(in) % (64 + 32 * count)] = take(in);
	entry->checksum = vhdx_checksum(bytes, length);
	if (how & 64)
		bytes[(take(in) | take(in) << 8) % length] ^= take(in);
	for (uint32_t done = 0; done < length; done += VHDX_PAGE)
		fuzz_store_write(store, LOG + (at + done) % LOG, bytes + done, VHDX_PAGE);
	*next = (at + length) % LOG;
}

static void set_header(struct fuzz_store *store)
{
	struct vhdx_header header;

	fuzz_store_read(store, VHDX_HEADER_OFFSET_2, &header, sizeof(header));
	header.sequence += 9;
	header.log_guid = ours;
	header.checksum = vhdx_checksum(&header, sizeof(header));
	fuzz_store_write(store, VHDX_HEADER_OFFSET_1, &header, sizeof(header));
}

/* Opens and sums what the disk shows; the code where it does not open. */
static int show(struct fuzz_store *store, uint32_t flags, uint64_t *sum)
{
	static uint8_t buf[SHOWN];
	struct xd_open how = {
	    .format = XD_FORMAT_VHDX, .flags = flags | XD_OPEN_NO_PARENTS, .io = store->io};
	struct xd_image *image;
	int ret = xd_open_with(&how, &image, NULL);

	*sum = 0;
	if (ret)
		return ret;
	for (uint64_t at = 0; at < xd_min(xd_get_size(image), 4 << 20) && !ret; at += 1 << 20) {
		struct xd_run run;
		size_t count = 1;
		size_t length = xd_min(sizeof(buf), xd_get_size(image) - at);

		ret = xd_map(image, at, length, XD_MAP_SHALLOW, &run, &count, NULL);
		*sum = *sum * 31 + (ret ? 7 : run.kind * 5 + run.length);
		if (!ret && run.kind == XD_KIND_DATA) {
			ret = xd_read(image, buf, run.length, at, NULL);
			if (!ret && !xd_is_zero(buf, run.length))
				*sum = *sum * 31 + vhdx_crc32c(0, buf, run.length);
		}
		*sum = *sum * 31 + ret;
	}
	xd_close(image, NULL);
	return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct fuzz_store store;
	struct input in = {data, size};
	uint64_t sequence = 1, before, after, again;
	uint8_t what = take(&in);
	uint32_t next = 0, touched;
	int opened, writable;

	fuzz_store_start(&store, fuzz_template(what % FUZZ_TEMPLATES));
	while (in.size)
		put_entry(&store, &in, &next, &sequence);
	set_header(&store);
	touched = store.touched_count;
	opened = show(&store, 0, &before);
	if (store.touched_count != touched)
		__builtin_trap(); /* a read-only open wrote */
	writable = show(&store, XD_OPEN_WRITE, &after);
	/* A writable open also refuses overlapping blocks, and runs out of this store's space. */
	if (!writable && (opened || before != after))
		__builtin_trap();
	if (what & 64 && !writable && (show(&store, 0, &again) || again != after))
		__builtin_trap();
	fuzz_store_end(&store);
	return 0;
}
