/* SPDX-License-Identifier: MIT */
/*
 * Kernel files as distributions pack them, whole and damaged. Every buffer is a heap block of exactly the size that the
 * subject may use, so that the address sanitizer sees a byte too far.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <glob.h>
#include <lz4.h>
#include <lzma.h>
#include <cmocka.h>

#include <xen/features.h>

#include "tests/fixtures/kimage.h"

static const unsigned char *kernel;
static size_t kernel_size;
static struct kimage_fault fault;

static int find_kernel(void **state)
{
	(void)state;
	kernel = fixtures[0].start;
	kernel_size = fixture_size(&fixtures[0]);
	return fixtures[0].format == KIMAGE_PLAIN ? 0 : -1;
}

static void *copy_of(const void *data, size_t size)
{
	void *copy = malloc(size);

	memcpy(copy, data, size);
	return copy;
}

struct result {
	enum kimage_error error;
	unsigned char *out; /* to be freed */
	size_t len;
};

/* Unpacks what p describes into `room` bytes with `work` bytes of arena. */
static struct result unpack(const struct kimage_payload *p, size_t room, size_t work)
{
	struct result r = {.out = malloc(room)};
	struct bump arena = {.base = malloc(work), .size = work};

	r.error = kimage_unpack(p, r.out, room, &arena, &r.len, &fault);
	free(arena.base);
	return r;
}

/* A file in a heap block of its own, probed and unpacked into `room` bytes. */
static enum kimage_error load(const void *file, size_t size, size_t room, bool *same)
{
	unsigned char *copy = copy_of(file, size);
	struct kimage_payload p;
	struct result r = {.error = kimage_probe(copy, size, &p, &fault)};

	if (r.error == KIMAGE_OK) {
		r = unpack(&p, room, p.work_size);
		*same = r.error == KIMAGE_OK && r.len == kernel_size &&
			memcmp(r.out, kernel, r.len) == 0;
		free(r.out);
	}
	free(copy);
	return r.error;
}

static struct kimage_payload probe(const struct fixture *f)
{
	struct kimage_payload p;

	assert_int_equal(kimage_probe(f->start, fixture_size(f), &p, &fault), KIMAGE_OK);
	return p;
}

static void assert_explained(enum kimage_error error, const char *part)
{
	char line[200];

	assert_int_equal(fault.error, error);
	assert_true(kimage_explain(&fault, line, sizeof(line)) < sizeof(line));
	if (strstr(line, part) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", line, part);
	}
}

static void every_packing_unpacks_to_the_same_kernel(void **state)
{
	(void)state;
	for (size_t i = 0; i < FIXTURES; i++) {
		const struct fixture *f = &fixtures[i];
		struct kimage_payload p = probe(f);
		bool same = false;

		assert_int_equal(p.format, f->format);
		assert_int_equal(p.bzimage, f->bzimage);
		assert_true(p.unpacked == kernel_size || (p.unpacked == 0 && !f->bzimage));
		if (load(f->start, fixture_size(f), kernel_size, &same) != KIMAGE_OK || !same) {
			fail_msg("%s does not unpack", f->name);
		}
	}
}

static void what_a_format_declares_is_found(void **state)
{
	static const char *const undeclared[] = {"lzma", "lz4_legacy", "lz4_linked", "zstd",
						 "bzip2"};

	(void)state;
	for (size_t i = 0; i < FIXTURES; i++) {
		size_t want = kernel_size;

		for (size_t j = 0; j < sizeof(undeclared) / sizeof(undeclared[0]); j++) {
			if (strcmp(fixtures[i].name, undeclared[j]) == 0) {
				want = 0;
			}
		}
		assert_int_equal(probe(&fixtures[i]).unpacked, want);
	}
}

static void no_more_work_memory_is_asked_for_than_contents_need(void **state)
{
	(void)state;
	for (size_t i = 0; i < FIXTURES; i++) {
		struct kimage_payload p = probe(&fixtures[i]);

		/* The xz and lzma files name dictionaries of 32 and 64 MiB. */
		if (p.unpacked != 0 && (p.format == KIMAGE_XZ || p.format == KIMAGE_LZMA)) {
			assert_true(p.work_size <= kernel_size + (256 << 10));
		}
	}
}

static void a_small_buffer_is_an_error_and_stays_in_bounds(void **state)
{
	const size_t rooms[] = {0, 1, 4096, kernel_size / 2, kernel_size - 1};
	bool same;

	(void)state;
	for (size_t i = 0; i < FIXTURES; i++) {
		for (size_t j = 0; j < sizeof(rooms) / sizeof(rooms[0]); j++) {
			assert_int_equal(
			    load(fixtures[i].start, fixture_size(&fixtures[i]), rooms[j], &same),
			    KIMAGE_E_BUFFER);
			assert_explained(KIMAGE_E_BUFFER, "does not unpack into");
		}
	}
}

static void a_small_arena_is_an_error_and_stays_in_bounds(void **state)
{
	(void)state;
	for (size_t i = 0; i < FIXTURES; i++) {
		struct kimage_payload p = probe(&fixtures[i]);

		for (size_t work = 0; work < 100 << 10; work += 512) {
			struct result r = unpack(&p, kernel_size, work);

			free(r.out);
			if (r.error != KIMAGE_OK) {
				assert_int_equal(r.error, KIMAGE_E_WORK_MEMORY);
				assert_explained(KIMAGE_E_WORK_MEMORY, "bytes of memory");
			}
			assert_true(work > 0 || p.work_size == 0 || r.error != KIMAGE_OK);
		}
	}
}

static void a_truncated_stream_is_named_as_such(void **state)
{
	(void)state;
	for (size_t i = 1; i < FIXTURES; i++) {
		struct kimage_payload whole = probe(&fixtures[i]), p = whole;

		for (size_t cut = 1; cut < whole.size - 8; cut += 1 + cut / 5) {
			unsigned char *copy = copy_of(whole.data, whole.size - cut);
			struct result r;

			p.data = copy;
			p.size = whole.size - cut;
			r = unpack(&p, kernel_size, p.work_size);
			if (r.error != KIMAGE_E_TRUNCATED) {
				fail_msg("%s cut by %zu: error %d", fixtures[i].name, cut, r.error);
			}
			assert_explained(KIMAGE_E_TRUNCATED, "ends early");
			free(r.out);
			free(copy);
		}
	}
}

static void a_truncated_file_never_loads(void **state)
{
	bool same;

	(void)state;
	for (size_t i = 1; i < FIXTURES; i++) {
		size_t size = fixture_size(&fixtures[i]);

		/* The bzImages have 3 bytes behind their payload. A lone lz4 header is a valid, empty file. */
		for (size_t cut = 4; cut < size; cut += 1 + cut / 7) {
			if (load(fixtures[i].start, size - cut, kernel_size, &same) == KIMAGE_OK) {
				fail_msg("%s loads without its last %zu bytes", fixtures[i].name,
					 cut);
			}
		}
	}
}

/* lzma and lz4's old framing have no checksum; their damage shows in the size, or in the ELF file, or nowhere. */
static bool has_checksum(enum kimage_format format)
{
	return format != KIMAGE_PLAIN && format != KIMAGE_LZMA && format != KIMAGE_LZ4_LEGACY;
}

static void damage_is_noticed_and_stays_in_bounds(void **state)
{
	unsigned int noticed = 0, flips = 0;

	(void)state;
	for (size_t i = 1; i < FIXTURES; i++) {
		const struct fixture *f = &fixtures[i];
		struct kimage_payload p = probe(f);
		size_t first = p.data - f->start;

		for (size_t at = first; at < first + p.size; at += 1 + (at - first) / 17) {
			unsigned char *copy = copy_of(f->start, fixture_size(f));
			bool same = false;

			copy[at] ^= 1u << at % 8;
			flips++;
			if (load(copy, fixture_size(f), kernel_size, &same) != KIMAGE_OK) {
				noticed++;
			} else if (!same && has_checksum(f->format)) {
				fail_msg("%s: damage at byte %zu goes unnoticed", f->name, at);
			}
			free(copy);
		}
	}
	assert_true(noticed > flips / 2);
}

static void damage_is_located(void **state)
{
	struct kimage_payload p = probe(&fixtures[2]);
	unsigned char *copy = copy_of(p.data, p.size);
	struct result r;

	(void)state;
	assert_int_equal(p.format, KIMAGE_XZ);
	p.data = copy;
	copy[p.size / 2] ^= 0x40;
	r = unpack(&p, kernel_size, p.work_size);
	assert_int_equal(r.error, KIMAGE_E_CORRUPT);
	assert_true(fault.at >= p.size / 2 && fault.at < p.size);
	assert_explained(KIMAGE_E_CORRUPT, "kernel payload: xz data is corrupt at byte ");
	free(r.out);
	free(copy);
}

/* A footer that is sound in itself but belongs to another stream. */
static void an_xz_footer_must_match_its_stream(void **state)
{
	struct kimage_payload p = probe(&fixtures[2]);
	unsigned char *copy = copy_of(p.data, p.size),
		      *end = copy + p.size - LZMA_STREAM_HEADER_SIZE;
	lzma_stream_flags flags;

	(void)state;
	p.data = copy;
	for (int change = 0; change < 3; change++) {
		lzma_stream_flags other;
		struct result r;

		if (change == 0) {
			assert_int_equal(lzma_stream_footer_decode(&flags, end), LZMA_OK);
		}
		other = flags;
		other.backward_size += change == 1 ? 4 : 0;
		other.check = change == 2 ? LZMA_CHECK_CRC64 : flags.check;
		assert_int_equal(lzma_stream_footer_encode(&other, end), LZMA_OK);
		r = unpack(&p, kernel_size, p.work_size);
		assert_int_equal(r.error, change == 0 ? KIMAGE_OK : KIMAGE_E_CORRUPT);
		free(r.out);
	}
	free(copy);
}

static void contents_of_another_size_than_declared_are_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < FIXTURES; i++) {
		struct kimage_payload p = probe(&fixtures[i]);
		struct result r;

		if (!p.bzimage) {
			continue;
		}
		p.unpacked = kernel_size + 1;
		r = unpack(&p, kernel_size + 1, p.work_size);
		assert_int_equal(r.error, KIMAGE_E_LENGTH);
		assert_explained(KIMAGE_E_LENGTH, "instead of");
		free(r.out);
		p.unpacked = kernel_size - 1;
		r = unpack(&p, kernel_size + 1, p.work_size);
		assert_int_equal(r.error, KIMAGE_E_BUFFER);
		free(r.out);
	}
}

/* The bz_xz fixture with one header field changed; returns the error of probing it. */
static enum kimage_error probe_changed(size_t offset, const void *value, size_t size)
{
	const struct fixture *f = fixtures;
	struct kimage_payload p;
	enum kimage_error error;
	unsigned char *copy;

	while (strcmp(f->name, "bz_xz") != 0) {
		f++;
	}
	copy = copy_of(f->start, fixture_size(f));
	memcpy(copy + offset, value, size);
	error = kimage_probe(copy, fixture_size(f), &p, &fault);
	free(copy);
	return error;
}

static void a_damaged_bzimage_header_is_refused(void **state)
{
	const uint16_t old = 0x0207;
	const uint32_t far = 1000000, huge = UINT32_MAX, zero = 0, two = 2;

	(void)state;
	assert_int_equal(probe_changed(0x206, &old, 2), KIMAGE_E_PROTOCOL);
	assert_explained(KIMAGE_E_PROTOCOL, "boot protocol 2.07");
	assert_int_equal(probe_changed(0x248, &far, 4), KIMAGE_E_BZIMAGE);
	assert_int_equal(probe_changed(0x248, &huge, 4), KIMAGE_E_BZIMAGE);
	assert_int_equal(probe_changed(0x24c, &far, 4), KIMAGE_E_BZIMAGE);
	assert_int_equal(probe_changed(0x24c, &huge, 4), KIMAGE_E_BZIMAGE);
	assert_int_equal(probe_changed(0x24c, &zero, 4), KIMAGE_E_BZIMAGE);
	assert_explained(KIMAGE_E_BZIMAGE, "outside the file");
	assert_int_equal(probe_changed(0x24c, &two, 4), KIMAGE_E_PAYLOAD);
	assert_int_equal(probe_changed(0x248, &zero, 4), KIMAGE_E_PAYLOAD);
	assert_explained(KIMAGE_E_PAYLOAD, "0xf4f4f4f4");
	assert_int_equal(probe_changed(0x1fe, &zero, 2), KIMAGE_E_UNKNOWN);
	assert_int_equal(probe_changed(0x202, &zero, 4), KIMAGE_E_UNKNOWN);
	assert_explained(KIMAGE_E_UNKNOWN, "neither an ELF file nor a bzImage");
}

static void anything_else_is_no_kernel(void **state)
{
	static const unsigned char junk[1024] = "MZ is how every EFI program starts";
	struct kimage_payload p;

	(void)state;
	for (size_t size = 0; size <= sizeof(junk); size += 1 + size / 3) {
		unsigned char *copy = copy_of(junk, size);

		assert_int_equal(kimage_probe(copy, size, &p, &fault), KIMAGE_E_UNKNOWN);
		free(copy);
	}
	assert_int_equal(kimage_probe(junk, (size_t)KIMAGE_MAX_SIZE + 1, &p, &fault),
			 KIMAGE_E_TOO_BIG);
}

static void a_legacy_lz4_file_of_many_blocks_unpacks(void **state)
{
	const size_t block = 8 << 20, tail = 12345, size = 2 * block + tail;
	const size_t bound = LZ4_compressBound(block);
	unsigned char *plain = malloc(size), *file = malloc(4 + 3 * (4 + bound));
	struct kimage_payload p;
	struct result r;
	size_t len = 4;

	(void)state;
	for (size_t i = 0; i < size; i++) {
		plain[i] = i / 1000;
	}
	memcpy(file, "\x02\x21\x4c\x18", 4);
	for (size_t pos = 0; pos < size; pos += block) {
		int n = LZ4_compress_default((char *)plain + pos, (char *)file + len + 4,
					     size - pos < block ? size - pos : block, bound);

		memcpy(file + len, &n, 4);
		len += 4 + n;
	}
	assert_int_equal(kimage_probe(file, len, &p, &fault), KIMAGE_OK);
	r = unpack(&p, size, 0);
	assert_int_equal(r.error, KIMAGE_OK);
	assert_int_equal(r.len, size);
	assert_memory_equal(r.out, plain, size);
	free(r.out);
	r = unpack(&p, 2 * block, 0);
	assert_int_equal(r.error, KIMAGE_E_BUFFER);
	free(r.out);
	r = unpack(&p, 2 * block + tail - 1, 0);
	assert_int_equal(r.error, KIMAGE_E_BUFFER);
	free(r.out);
	free(file);
	free(plain);
}

static void assert_debian_kernel(const char *path)
{
	FILE *f = fopen(path, "rb");
	unsigned char *file = malloc(64 << 20);
	size_t size = fread(file, 1, 64 << 20, f);
	struct kimage_payload p;
	struct kimage k;
	struct result r;

	fclose(f);
	assert_int_equal(kimage_probe(file, size, &p, &fault), KIMAGE_OK);
	r = unpack(&p, p.unpacked, p.work_size);
	assert_int_equal(r.error, KIMAGE_OK);
	assert_int_equal(kimage_parse(r.out, r.len, &k, &fault), KIMAGE_OK);
	assert_int_equal(kimage_check(&k, 1u << XENFEAT_writable_page_tables, &fault), KIMAGE_OK);
	assert_int_equal(kimage_check(&k, 0, &fault), KIMAGE_E_FEATURE);
	assert_explained(KIMAGE_E_FEATURE, "requires PV feature writable_page_tables");
	assert_int_equal(k.virt_base, 0xffffffff80000000);
	assert_int_equal(k.init_p2m, 0x8000000000);
	assert_string_equal(k.loader, "generic");
	assert_string_equal(k.guest_os, "linux");
	assert_true(k.mod_start_pfn && k.segments >= 3);
	free(r.out);
	free(file);
}

static void debian_kernels_load(void **state)
{
	glob_t found;

	(void)state;
	if (glob("build/cache/pkg/*/linux-image-*/boot/vmlinuz-*", 0, NULL, &found) != 0) {
		skip(); /* lab/fetch gets them */
	}
	for (size_t i = 0; i < found.gl_pathc; i++) {
		assert_debian_kernel(found.gl_pathv[i]);
	}
	globfree(&found);
}

static void grubs_pv_image_loads(void **state)
{
	const char *path =
	    "build/cache/pkg/bookworm/grub-xen-host/usr/lib/grub-xen/grub-x86_64-xen.bin";
	FILE *f = fopen(path, "rb");
	unsigned char *file;
	struct kimage k;
	size_t size;

	(void)state;
	if (f == NULL) {
		skip(); /* lab/fetch package bookworm grub-xen-host */
	}
	file = malloc(8 << 20);
	size = fread(file, 1, 8 << 20, f);
	fclose(f);
	assert_int_equal(kimage_parse(file, size, &k, &fault), KIMAGE_OK);
	assert_int_equal(kimage_check(&k, 0, &fault), KIMAGE_OK);
	assert_string_equal(k.guest_os, "GRUB");
	assert_int_equal(k.virt_base, 0);
	assert_int_equal(k.entry, 0);
	assert_int_equal(k.pa_start, 0);
	assert_false(k.mod_start_pfn);
	free(file);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_packing_unpacks_to_the_same_kernel),
	    cmocka_unit_test(what_a_format_declares_is_found),
	    cmocka_unit_test(no_more_work_memory_is_asked_for_than_contents_need),
	    cmocka_unit_test(a_small_buffer_is_an_error_and_stays_in_bounds),
	    cmocka_unit_test(a_small_arena_is_an_error_and_stays_in_bounds),
	    cmocka_unit_test(a_truncated_stream_is_named_as_such),
	    cmocka_unit_test(a_truncated_file_never_loads),
	    cmocka_unit_test(damage_is_noticed_and_stays_in_bounds),
	    cmocka_unit_test(damage_is_located),
	    cmocka_unit_test(an_xz_footer_must_match_its_stream),
	    cmocka_unit_test(contents_of_another_size_than_declared_are_refused),
	    cmocka_unit_test(a_damaged_bzimage_header_is_refused),
	    cmocka_unit_test(anything_else_is_no_kernel),
	    cmocka_unit_test(a_legacy_lz4_file_of_many_blocks_unpacks),
	    cmocka_unit_test(debian_kernels_load),
	    cmocka_unit_test(grubs_pv_image_loads),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, find_kernel, NULL);
}
