/* SPDX-License-Identifier: MIT */
/* Disks of a running partition: what the control socket changes. */
#include "host/machine_internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Only some of the messages say of which file they are. */
static void name_disk(const char *path, struct xd_error *error)
{
	size_t length = strlen(path), room = sizeof(error->message);

	if ((strncmp(error->message, path, length) == 0 && error->message[length] == ':') ||
	    length + 2 >= room) {
		return;
	}
	memmove(error->message + length + 2, error->message, room - length - 2);
	memcpy(error->message, path, length);
	memcpy(error->message + length, ": ", 2);
	error->message[room - 1] = '\0';
}

static int open_disk(struct machine *machine, unsigned place, struct xd_error *error)
{
	const struct machine_disk *disk = &machine->config->disk[place];
	const struct block_source source = {disk->path, disk->format, disk->read_only, disk->files};
	struct block *block = &machine->block[place];
	unsigned ide = place - MACHINE_MAX_LUNS;

	if (block_open(block, &machine->block_pool, &source, error) < 0) {
		return -1;
	}
	if (disk->cdrom && block->size < SCSI_DVD_SECTOR) {
		block_close(block, NULL);
		snprintf(error->message, sizeof(error->message),
			 "has not even one sector of a DVD's, %u bytes", SCSI_DVD_SECTOR);
		return -1;
	}
	if (place < MACHINE_MAX_LUNS) {
		storvsp_insert(machine->storvsp, place, block, disk->cdrom);
		return 0;
	}
	machine->ide[ide] = storvsp_create_ide(machine->vmbus, ide);
	if (!machine->ide[ide]) {
		snprintf(error->message, sizeof(error->message), "no memory for an IDE disk");
		return -1;
	}
	storvsp_insert(machine->ide[ide], 0, block, false);
	return 0;
}

int machine_open_disk(struct machine *machine, unsigned place, struct xd_error *error)
{
	if (open_disk(machine, place, error) < 0) {
		name_disk(machine->config->disk[place].path, error);
		return -1;
	}
	return 0;
}

static int free_lun(const struct machine *machine)
{
	for (unsigned lun = 0; lun < MACHINE_MAX_LUNS; lun++) {
		if (!machine->config->disk[lun].path && storvsp_is_free(machine->storvsp, lun)) {
			return (int)lun;
		}
	}
	return -1;
}

static const char *string_of(struct json_object *object, const char *key)
{
	struct json_object *value = json_object_object_get(object, key);

	return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

static bool is_true(struct json_object *object, const char *key)
{
	return json_object_get_boolean(json_object_object_get(object, key));
}

/* The paths are an array, the image's first, with a file for each. Takes the files over. */
static struct disk_files *take_files(struct json_object *paths, struct control_files *files)
{
	const char *name[DISK_FILES_MAX];
	struct disk_files *disk;

	if (!json_object_is_type(paths, json_type_array) || files->count > DISK_FILES_MAX ||
	    json_object_array_length(paths) != files->count) {
		return NULL;
	}
	for (unsigned i = 0; i < files->count; i++) {
		name[i] = json_object_get_string(json_object_array_get_idx(paths, i));
		if (!name[i]) {
			return NULL;
		}
	}
	disk = disk_files_create(name, files->fd, files->count);
	if (disk) {
		files->count = 0;
	}
	return disk;
}

static struct json_object *attach(struct machine *machine, unsigned lun,
				  struct json_object *request, struct control_files *files)
{
	struct machine_disk *disk = &machine->config->disk[lun];
	const char *format = string_of(request, "format");
	struct json_object *answer;
	struct xd_error error;

	*disk = (struct machine_disk){
	    .format = format ? xd_format_by_name(format) : XD_FORMAT_ANY,
	    .read_only = is_true(request, "read_only") || is_true(request, "cdrom"),
	    .cdrom = is_true(request, "cdrom"),
	};
	if (disk->format == XD_FORMAT_ANY ||
	    !(disk->files = take_files(json_object_object_get(request, "paths"), files))) {
		return control_refuse("attach: not a request of this version");
	}
	disk->path = disk->files->file[0].path;
	if (machine_open_disk(machine, lun, &error) < 0) {
		answer = control_refuse("%s", error.message);
		disk_files_destroy(disk->files);
		*disk = (struct machine_disk){0};
		return answer;
	}
	answer = control_done();
	json_object_object_add(answer, "lun", json_object_new_int((int)lun));
	return answer;
}

struct json_object *machine_attach(struct machine *machine, char *argument,
				   struct control_files *files)
{
	struct json_object *request = json_tokener_parse(argument), *answer;
	int lun = free_lun(machine);

	if (lun < 0) {
		answer = control_refuse("all %u LUNs are taken", MACHINE_MAX_LUNS);
	} else {
		answer = attach(machine, (unsigned)lun, request, files);
	}
	json_object_put(request);
	return answer;
}

/* A LUN with a disk, or -1. */
static int used_lun(const struct machine *machine, const char *text, char **end)
{
	unsigned long lun = strtoul(text, end, 10);

	return *end != text && lun < MACHINE_MAX_LUNS && machine->config->disk[lun].path ? (int)lun
											 : -1;
}

struct json_object *machine_detach(struct machine *machine, char *argument,
				   struct control_files *files)
{
	char *end;
	int lun = used_lun(machine, argument, &end);
	struct json_object *answer;
	struct machine_disk *disk;
	struct xd_error error;

	(void)files;
	if (lun < 0 || *end) {
		return control_refuse("%s: no disk at such a LUN; see xenolith info", argument);
	}
	disk = &machine->config->disk[lun];
	storvsp_remove(machine->storvsp, (unsigned)lun);
	answer = block_close(&machine->block[lun], &error) < 0
		     ? control_refuse("%s is detached, and may lack what the guest wrote last: %s",
				      disk->path, error.message)
		     : control_done();
	disk_files_destroy(disk->files);
	*disk = (struct machine_disk){0};
	return answer;
}

struct json_object *machine_resize(struct machine *machine, char *argument,
				   struct control_files *files)
{
	char *end;
	int lun = used_lun(machine, argument, &end);
	struct xd_error error;
	struct block *block;
	uint64_t size;

	(void)files;
	if (lun < 0 || *end != ' ') {
		return control_refuse("%s: no disk at such a LUN; see xenolith info", argument);
	}
	size = strtoull(end, &end, 10);
	block = &machine->block[lun];
	if (*end || block->read_only || size < block->size || size % block->sector) {
		return control_refuse("a disk that can be written can grow, by whole sectors");
	}
	if (block_grow(block, size, &error) < 0) {
		return control_refuse("%s: %s", machine->config->disk[lun].path, error.message);
	}
	storvsp_resized(machine->storvsp, (unsigned)lun);
	return control_done();
}
