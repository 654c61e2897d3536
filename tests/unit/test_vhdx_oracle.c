/* SPDX-License-Identifier: MIT */
/* Others read what we write, and we read what they write: qemu-img in both directions, libvhdi for children and 4096-byte sectors. */
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "disk/vhdx.h"
#include "tests/unit/disk_folder.h"
#include "tests/unit/test_vhdx_tool.h"

static bool have(const char *command)
{
	char line[256];

	snprintf(line, sizeof(line), "command -v %s >/dev/null 2>&1", command);
	return system(line) == 0;
}

/* Runs a command in the folder; what it says is shown where it fails. */
static int run(const char *format, ...)
{
	char command[1024], line[2048];
	va_list args;
	int status;

	va_start(args, format);
	vsnprintf(command, sizeof(command), format, args);
	va_end(args);
	snprintf(line, sizeof(line), "cd %s && (%s) >out 2>&1", folder, command);
	status = system(line);
	if (status) {
		print_message("%s\n", command);
		snprintf(line, sizeof(line), "sed 's/^/# /' %s/out", folder);
		if (system(line))
			print_message("no output\n");
	}
	return status;
}

static const char *in_folder(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	return path;
}

static void save_raw(const struct tool_model *model)
{
	FILE *file = fopen(in_folder("ref.raw"), "wb");

	assert_non_null(file);
	assert_int_equal(fwrite(model->bytes, 1, model->size, file), model->size);
	assert_int_equal(fclose(file), 0);
}

static struct xd_image *open_file(const char *name, uint32_t flags)
{
	struct xd_image *image;
	struct xd_error err;

	OK(xd_open(in_folder(name), flags, &image, &err));
	return image;
}

static void create_file(const char *name, const struct tool_geometry *g, struct xd_image *parent)
{
	char path[256];
	struct xd_create how = {
	    .path = path,
	    .format = XD_FORMAT_VHDX,
	    .type = g->type,
	    .flags = XD_CREATE_OVERWRITE,
	    .virtual_size = g->size,
	    .block_size = g->block,
	    .logical_sector = g->sector,
	    .parent = parent,
	};
	struct xd_error err;

	snprintf(path, sizeof(path), "%s", in_folder(name));
	OK(xd_create(&how, &err));
}

static void steps(struct tool_model *model, const char *name, int count)
{
	struct xd_image *image = open_file(name, XD_OPEN_WRITE);

	for (int i = 0; i < count; i++)
		tool_model_step(model, image);
	tool_model_verify(model, image);
	tool_close(image);
}

static void expect_qemu_agrees(const char *name)
{
	assert_int_equal(run("qemu-img check -f vhdx %s", name), 0);
	assert_int_equal(run("qemu-img compare -f vhdx -F raw %s ref.raw", name), 0);
}

static int libvhdi_agrees(const char *chain)
{
	char here[512];

	assert_non_null(getcwd(here, sizeof(here)));
	return run("image=$(echo %s | cut -d' ' -f1); rest=$(echo %s | cut -s -d' ' -f2-); "
		   "/usr/bin/python3 %s/tests/images/vhdx_libvhdi.py $image ref.raw $rest",
		   chain, chain, here);
}

static const struct tool_geometry geometries[] = {
    {XD_TYPE_DYNAMIC, 20 * MIB + 7 * 512, 1 << 20, 512},
    {XD_TYPE_DYNAMIC, 33 * MIB, 8 << 20, 512},
    {XD_TYPE_DYNAMIC, 3 * MIB - 512, 256 << 20, 512},
    {XD_TYPE_FIXED, 10 * MIB + 512, 2 << 20, 512},
};
#define GEOMETRIES (sizeof(geometries) / sizeof(geometries[0]))

static void qemu_reads_what_we_write(void **state)
{
	(void)state;
	if (!have("qemu-img"))
		skip();
	for (size_t i = 0; i < 2 * GEOMETRIES; i++) {
		const struct tool_geometry *g = &geometries[i % GEOMETRIES];
		struct tool_model model;

		tool_model_init(&model, g->size, g->sector, 40 + i);
		create_file("ours.vhdx", g, NULL);
		steps(&model, "ours.vhdx", 40);
		steps(&model, "ours.vhdx", 20);
		save_raw(&model);
		expect_qemu_agrees("ours.vhdx");
		tool_model_free(&model);
	}
}

static void we_read_and_go_on_writing_what_qemu_writes(void **state)
{
	static const char *const options[] = {
	    "subformat=dynamic,block_size=1048576", "subformat=dynamic,block_size=8388608",
	    "subformat=dynamic,log_size=2097152", "subformat=fixed"};

	(void)state;
	if (!have("qemu-img"))
		skip();
	for (size_t i = 0; i < GEOMETRIES; i++) {
		const struct tool_geometry *g = &geometries[i];
		struct tool_model model;
		struct tool_geometry scratch = {XD_TYPE_DYNAMIC, g->size, 1 << 20, 512};
		struct xd_image *image;

		tool_model_init(&model, g->size, 512, 60 + i);
		create_file("scratch.vhdx", &scratch, NULL);
		steps(&model, "scratch.vhdx", 40);
		save_raw(&model);
		assert_int_equal(
		    run("qemu-img convert -f raw -O vhdx -o %s ref.raw theirs.vhdx", options[i]),
		    0);
		image = open_file("theirs.vhdx", 0);
		tool_model_verify(&model, image);
		tool_close(image);
		steps(&model, "theirs.vhdx", 40);
		save_raw(&model);
		expect_qemu_agrees("theirs.vhdx");
		tool_model_free(&model);
	}
}

/* As a power cut may leave it: the log is whole, the places that its last entry names are not. Returns how many. */
static uint32_t spoil_places(const char *name)
{
	struct vhdx_log_sequence sequence;
	uint8_t head[VHDX_PAGE], bad[VHDX_PAGE];
	const struct vhdx_log_entry *entry = (const void *)head;
	const struct vhdx_log_desc *desc = (const void *)(entry + 1);
	struct vhdx_header header;
	struct vhdx_extent log;
	struct xd_error err;
	struct xd_io io;
	uint32_t count;

	OK(xd_io_open_file(in_folder(name), XD_IO_WRITE, &io, &err));
	OK(xd_io_read(&io, &header, sizeof(header), VHDX_HEADER_OFFSET_1, &err));
	log = (struct vhdx_extent){header.log_offset, header.log_length};
	OK(vhdx_log_find(&io, &log, &header.log_guid, &sequence, &err));
	assert_int_equal(sequence.count, 1);
	OK(vhdx_log_read(&io, &log, sequence.entries[0].offset, head, sizeof(head), &err));
	memset(bad, 0xff, sizeof(bad));
	count = entry->descriptor_count;
	for (uint32_t i = 0; i < count; i++)
		OK(xd_io_write(&io, bad, sizeof(bad), desc[i].file_offset, &err));
	io.ops->close(io.ctx);
	free(sequence.entries);
	return count;
}

static void qemu_replays_our_log(void **state)
{
	(void)state;
	if (!have("qemu-img"))
		skip();
	for (size_t i = 0; i < 2; i++) {
		const struct tool_geometry *g = &geometries[i];
		struct tool_model model;
		struct xd_image *image;
		struct xd_error err;

		tool_model_init(&model, g->size, g->sector, 80 + i);
		create_file("ours.vhdx", g, NULL);
		image = open_file("ours.vhdx", XD_OPEN_WRITE);
		for (int step = 0; step < 30; step++)
			tool_model_step(&model, image);
		OK(xd_flush(image, &err));
		save_raw(&model);
		assert_int_equal(run("cp ours.vhdx cut.vhdx"), 0);
		tool_close(image);
		assert_true(spoil_places("cut.vhdx") > 0);
		assert_int_equal(run("qemu-img check -r all -f vhdx cut.vhdx"), 0);
		expect_qemu_agrees("cut.vhdx");
		tool_model_free(&model);
	}
}

/* As many pages as a commit can have. With one more descriptor than fits beside the header, QEMU refuses the file. */
static void qemu_replays_our_largest_entry(void **state)
{
	/* a write makes sure of room for VHDX_MAX_STEP pages, and dirties one */
	enum { PAGES = VHDX_ENTRY_PAGES - VHDX_MAX_STEP + 1 };
	struct xd_image *image;
	struct xd_error err;
	uint8_t bytes[512];

	(void)state;
	if (!have("qemu-io"))
		skip();
	assert_int_equal(run("rm -f many.vhdx; qemu-img create -f vhdx -o "
			     "block_size=1048576,log_size=4194304 many.vhdx 100G"),
			 0);
	image = open_file("many.vhdx", XD_OPEN_WRITE);
	memset(bytes, 0x42, sizeof(bytes));
	for (uint64_t i = 0; i < PAGES; i++) /* a BAT page each */
		OK(xd_write(image, bytes, sizeof(bytes), i * 512 * MIB, &err));
	OK(xd_flush(image, &err));
	assert_int_equal(run("cp --sparse=always many.vhdx cut.vhdx"), 0);
	tool_close(image);
	assert_int_equal(spoil_places("cut.vhdx"), PAGES);
	assert_int_equal(run("qemu-img check -r all -f vhdx cut.vhdx"), 0);
	assert_int_equal(
	    run("qemu-io -r -f vhdx -c 'read -P 0x42 0 512' -c 'read -P 0x42 16384M 512' "
		"-c 'read -P 0x42 32256M 512' cut.vhdx && ! grep -q 'Pattern verif' out"),
	    0);
	image = open_file("cut.vhdx", 0);
	for (uint64_t i = 0; i < PAGES; i++) {
		OK(xd_read(image, bytes, sizeof(bytes), i * 512 * MIB, &err));
		assert_int_equal(bytes[99], 0x42);
	}
	tool_close(image);
}

static void we_replay_the_log_of_a_qemu_that_died(void **state)
{
	struct xd_image *image;
	struct xd_error err;
	uint8_t bytes[4096];

	(void)state;
	if (!have("qemu-io"))
		skip();
	assert_int_equal(
	    run("rm -f dead.vhdx; qemu-img create -f vhdx -o block_size=1048576 dead.vhdx 64M"), 0);
	(void)run("qemu-io -f vhdx -c 'write -P 0x5a 5M 64k' -c 'write -P 0x5b 9M 64k' -c flush -c "
		  "abort dead.vhdx; true");
	for (int round = 0; round < 3;
	     round++) { /* in memory, into the file, and with nothing left to do */
		image = open_file("dead.vhdx", round == 1 ? XD_OPEN_WRITE : 0);
		OK(xd_read(image, bytes, sizeof(bytes), 5 * MIB + 8192, &err));
		assert_int_equal(bytes[77], 0x5a);
		OK(xd_read(image, bytes, sizeof(bytes), 9 * MIB + 8192, &err));
		assert_int_equal(bytes[77], 0x5b);
		tool_close(image);
	}
	assert_int_equal(run("qemu-img check -f vhdx dead.vhdx"), 0);
}

static void libvhdi_reads_our_sectors_of_4096(void **state)
{
	static const struct tool_geometry g = {XD_TYPE_DYNAMIC, 20 * MIB + 4096, 2 << 20, 4096};
	struct tool_model model;

	(void)state;
	if (run("/usr/bin/python3 -c 'import pyvhdi'"))
		skip();
	tool_model_init(&model, g.size, g.sector, 90);
	create_file("ours.vhdx", &g, NULL);
	steps(&model, "ours.vhdx", 60);
	save_raw(&model);
	assert_int_equal(libvhdi_agrees("ours.vhdx"), 0);
	tool_model_free(&model);
}

static void libvhdi_reads_our_children(void **state)
{
	struct tool_geometry g = {XD_TYPE_DYNAMIC, 20 * MIB + 512, 2 << 20, 512};
	struct tool_model model;
	struct xd_image *parent;

	(void)state;
	if (run("/usr/bin/python3 -c 'import pyvhdi'"))
		skip();
	tool_model_init(&model, g.size, g.sector, 91);
	create_file("base.vhdx", &g, NULL);
	steps(&model, "base.vhdx", 40);
	parent = open_file("base.vhdx", 0);
	g.type = XD_TYPE_DIFF;
	create_file("child.vhdx", &g, parent);
	tool_close(parent);
	steps(&model, "child.vhdx", 30);
	save_raw(&model);
	assert_int_equal(libvhdi_agrees("child.vhdx base.vhdx"), 0);
	tool_model_free(&model);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(qemu_reads_what_we_write),
	    cmocka_unit_test(we_read_and_go_on_writing_what_qemu_writes),
	    cmocka_unit_test(qemu_replays_our_log),
	    cmocka_unit_test(qemu_replays_our_largest_entry),
	    cmocka_unit_test(we_replay_the_log_of_a_qemu_that_died),
	    cmocka_unit_test(libvhdi_reads_our_sectors_of_4096),
	    cmocka_unit_test(libvhdi_reads_our_children),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
