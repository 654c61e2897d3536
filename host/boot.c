/* SPDX-License-Identifier: MIT */
#include "host/boot_layout.h"

#include "host/acpi.h"
#include "host/say.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int image_open(struct image *image, const char *name)
{
	int fd = open(name, O_RDONLY | O_CLOEXEC);
	struct stat stat;
	void *data;

	*image = (struct image){.name = name};
	if (fd < 0 || fstat(fd, &stat) < 0) {
		say_error("%s: %s", name, strerror(errno));
		goto fail;
	}
	if (!S_ISREG(stat.st_mode) || stat.st_size == 0) {
		say_error("%s: not a file, or an empty one", name);
		goto fail;
	}
	data = mmap(NULL, (size_t)stat.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (data == MAP_FAILED) {
		say_error("%s: %s", name, strerror(errno));
		goto fail;
	}
	close(fd);
	image->data = data;
	image->size = (uint64_t)stat.st_size;
	return 0;
fail:
	if (fd >= 0) {
		close(fd);
	}
	return -1;
}

void image_close(struct image *image)
{
	if (image->data) {
		munmap((void *)(uintptr_t)image->data, image->size);
		image->data = NULL;
	}
}

const void *image_at(const struct image *image, uint64_t offset, uint64_t length)
{
	return offset <= image->size && length <= image->size - offset ? image->data + offset
								       : NULL;
}

unsigned boot_memory_map(const struct gmem *memory, struct map_entry map[MAP_MAX])
{
	unsigned count = 0;

	map[count++] = (struct map_entry){0, LAYOUT_LOW_END, MAP_RAM};
	map[count++] =
	    (struct map_entry){LAYOUT_LOW_END, LAYOUT_HIGH_START - LAYOUT_LOW_END, MAP_RESERVED};
	map[count++] = (struct map_entry){LAYOUT_HIGH_START,
					  memory->range[0].size - LAYOUT_HIGH_START, MAP_RAM};
	for (unsigned i = 1; i < memory->ranges; i++) {
		map[count++] =
		    (struct map_entry){memory->range[i].start, memory->range[i].size, MAP_RAM};
	}
	return count;
}

uint64_t boot_place_module(struct boot_space *space, const struct image *module)
{
	uint64_t size = (module->size + GMEM_PAGE_SIZE - 1) & ~(uint64_t)(GMEM_PAGE_SIZE - 1);

	if (space->top < space->image_end || size > space->top - space->image_end) {
		return 0;
	}
	space->top -= size;
	return gmem_write(space->memory, gpa(space->top), module->data, module->size) ? space->top
										      : 0;
}

uint64_t boot_place_string(struct boot_space *space, const char *string)
{
	uint64_t length = strlen(string) + 1;
	uint64_t at = space->strings;

	if (length > LAYOUT_STRINGS_END - at ||
	    !gmem_write(space->memory, gpa(at), string, length)) {
		return 0;
	}
	space->strings += length;
	return at;
}

int boot_load(const struct gmem *memory, const struct boot_files *files, struct gpa rsdp,
	      struct boot_entry *entry)
{
	struct boot_space space = {
	    .memory = memory, .top = memory->range[0].size, .strings = LAYOUT_STRINGS};
	struct image image;
	const char *magic;
	int result;

	if (image_open(&image, files->adapter ? files->adapter : files->kernel) < 0) {
		return -1;
	}
	magic = image_at(&image, 0, SELFMAG);
	if (magic && memcmp(magic, ELFMAG, SELFMAG) == 0) {
		result = boot_load_pvh(&space, &image, files, rsdp, entry);
	} else {
		result = boot_load_linux(&space, &image, files, rsdp, entry);
	}
	image_close(&image);
	return result;
}

static struct kvm_segment flat_segment(uint16_t selector, uint8_t type, bool code64, bool is32)
{
	return (struct kvm_segment){
	    .limit = UINT32_MAX,
	    .selector = selector,
	    .type = type,
	    .present = 1,
	    .s = 1,
	    .g = 1,
	    .db = is32,
	    .l = code64,
	};
}

/* Linux's 64-bit protocol wants a GDT with these at 0x10 and 0x18 in memory; PVH asks only for the loaded segments. */
#define SELECTOR_CODE 0x10
#define SELECTOR_DATA 0x18
#define TYPE_CODE     0xb /* execute, read, accessed */
#define TYPE_DATA     0x3 /* read, write, accessed */
#define CR0_PE        (1ull << 0)
#define CR0_ET        (1ull << 4)
#define CR0_PG        (1ull << 31)
#define CR4_PAE       (1ull << 5)
#define EFER_LME      (1ull << 8)
#define EFER_LMA      (1ull << 10)

int boot_set_registers(int vcpu, const struct boot_entry *entry)
{
	bool is64 = entry->mode == BOOT_LONG;
	struct kvm_segment data = flat_segment(SELECTOR_DATA, TYPE_DATA, false, true);
	struct kvm_regs registers = {
	    .rip = entry->address, .rflags = 2, .rbx = entry->argument, .rsi = entry->argument};
	struct kvm_sregs special;

	if (ioctl(vcpu, KVM_GET_SREGS, &special) < 0) {
		return -1;
	}
	special.cs = flat_segment(SELECTOR_CODE, TYPE_CODE, is64, !is64);
	special.ds = special.es = special.fs = special.gs = special.ss = data;
	special.tr = (struct kvm_segment){.limit = 0x67, .type = 0xb, .present = 1};
	special.gdt = (struct kvm_dtable){.base = LAYOUT_GDT, .limit = 4 * 8 - 1};
	special.idt = (struct kvm_dtable){.base = 0, .limit = 0};
	special.cr0 = CR0_PE | CR0_ET;
	special.cr4 = 0;
	special.efer = 0;
	if (is64) {
		special.cr0 |= CR0_PG;
		special.cr3 = LAYOUT_PAGE_TABLES;
		special.cr4 = CR4_PAE;
		special.efer = EFER_LME | EFER_LMA;
	}
	if (ioctl(vcpu, KVM_SET_SREGS, &special) < 0 || ioctl(vcpu, KVM_SET_REGS, &registers) < 0) {
		return -1;
	}
	return 0;
}
