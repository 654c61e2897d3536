/* SPDX-License-Identifier: MIT */
/*
 * A kernel file on its whole way: probe, unpack, parse, check, place. Checksums keep random bytes out of the formats'
 * depths, so an input is either a file as it stands or a list of changes to a good one.
 *
 *   byte 0      0: the rest is a file; else the number of a fixture, and the rest are changes
 *   byte 1      of a fixture: the size of the buffer, in sixteenths of what is needed
 *   a change    3 bytes offset (little-endian), 1 byte xor
 */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fixtures/kimage.h"

#define RAW_ROOM  65536
#define WORK_MAX  (8 << 20)
#define GUEST_MAX (32 << 20)

static void parse_and_place(const unsigned char *image, size_t len)
{
	static unsigned char *guest;
	struct kimage_fault fault;
	struct kimage k;

	if (kimage_parse(image, len, &k, &fault) != KIMAGE_OK) {
		return;
	}
	assert(k.segments > 0 && k.segments <= KIMAGE_MAX_SEGMENTS && k.pa_start < k.pa_end);
	kimage_check(&k, 1, &fault);
	if (guest == NULL) {
		guest = malloc(GUEST_MAX);
	}
	kimage_place(&k, image, guest, GUEST_MAX, &fault);
}

static void load(const unsigned char *file, size_t size, size_t room)
{
	struct kimage_fault fault;
	struct kimage_payload p;
	struct bump work;
	unsigned char *image;
	char line[200];
	size_t len;

	if (kimage_probe(file, size, &p, &fault) != KIMAGE_OK) {
		assert(kimage_explain(&fault, line, sizeof(line)) < sizeof(line));
		return;
	}
	work = (struct bump){.size = p.work_size < WORK_MAX ? p.work_size : WORK_MAX};
	work.base = malloc(work.size);
	image = malloc(room);
	if (kimage_unpack(&p, image, room, &work, &len, &fault) == KIMAGE_OK) {
		unsigned char *exact = malloc(len);

		assert(len <= room && (p.unpacked == 0 || len == p.unpacked));
		memcpy(exact, image, len);
		parse_and_place(exact, len);
		free(exact);
	} else {
		assert(kimage_explain(&fault, line, sizeof(line)) < sizeof(line));
	}
	free(image);
	free(work.base);
}

static void load_changed(const struct fixture *f, const uint8_t *data, size_t size, size_t room)
{
	size_t file_size = fixture_size(f);
	unsigned char *file = malloc(file_size);

	memcpy(file, f->start, file_size);
	for (; size >= 4; data += 4, size -= 4) {
		file[(data[0] | data[1] << 8 | data[2] << 16) % file_size] ^= data[3];
	}
	load(file, file_size, room);
	free(file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t needed = fixture_size(&fixtures[0]);

	if (size < 2) {
		return 0;
	}
	if (data[0] == 0) {
		unsigned char *file = malloc(size - 1);

		memcpy(file, data + 1, size - 1);
		load(file, size - 1, RAW_ROOM);
		free(file);
	} else {
		load_changed(&fixtures[data[0] % FIXTURES], data + 2, size - 2,
			     needed * data[1] / 16);
	}
	return 0;
}
