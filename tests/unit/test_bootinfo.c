/* SPDX-License-Identifier: MIT */
/* What boot loaders write, in a made-up stretch of machine memory. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "abi/x86/multiboot.h"
#include "abi/x86/multiboot2.h"
#include "adapter/boot/parse.h"

#include "core/xen_abi.h"
#include <xen/arch-x86/hvm/start_info.h>

#define BASE   0x10000 /* machine address of memory[0] */
#define INFO   (BASE + 0x100)
#define MODS   (BASE + 0x200)
#define MAP    (BASE + 0x400)
#define STRING (BASE + 0x2000)

static uint8_t memory[0x10000];
static struct boot_parser parser;
static struct bootinfo info;
static uint32_t string_at;

static int setup(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	memset(&parser, 0, sizeof(parser));
	memset(&info, 0, sizeof(info));
	parser.bytes = memory;
	parser.start = BASE;
	parser.size = sizeof(memory);
	parser.out = &info;
	string_at = STRING;
	return 0;
}

static void put(uint32_t ma, const void *bytes, size_t n)
{
	memcpy(memory + (ma - BASE), bytes, n);
}

static uint32_t put_string(const char *s)
{
	uint32_t at = string_at;

	put(at, s, strlen(s) + 1);
	string_at += (uint32_t)strlen(s) + 1;
	return at;
}

/* The start of what multiboot 1 loaders write: one module and one range. */
static struct multiboot_info multiboot(const char *loader, const char *cmdline, const char *module)
{
	struct multiboot_module m = {.start = 0x400000, .end = 0x500000};
	struct multiboot_mmap_entry e = {
	    .size = 20, .addr = 0x100000, .length = 0x1000000, .type = 1};

	m.string = put_string(module);
	put(MODS, &m, sizeof(m));
	put(MAP, &e, sizeof(e));
	return (struct multiboot_info){
	    .flags = MULTIBOOT_INFO_CMDLINE | MULTIBOOT_INFO_MODULES | MULTIBOOT_INFO_MEMORY_MAP |
		     MULTIBOOT_INFO_LOADER_NAME,
	    .cmdline = put_string(cmdline),
	    .mods_count = 1,
	    .mods_addr = MODS,
	    .mmap_addr = MAP,
	    .mmap_length = sizeof(e),
	    .boot_loader_name = put_string(loader),
	};
}

static const char *parse_multiboot(const struct multiboot_info *mbi)
{
	put(INFO, mbi, sizeof(*mbi));
	return boot_parse(&parser, MULTIBOOT_LOADER_MAGIC, INFO);
}

static void multiboot_from_qemu_drops_the_files_names(void **state)
{
	struct multiboot_info mbi =
	    multiboot("qemu", "build/xenolith.elf loglvl=all", "vmlinuz root=/dev/xvda1 ro");

	(void)state;
	assert_null(parse_multiboot(&mbi));
	assert_string_equal(info.loader, "multiboot");
	assert_string_equal(info.cmdline, "loglvl=all");
	assert_int_equal(info.nr_modules, 1);
	assert_string_equal(info.modules[0].cmdline, "root=/dev/xvda1 ro");
	assert_int_equal(info.modules[0].ma, 0x400000);
	assert_int_equal(info.modules[0].size, 0x100000);
	assert_int_equal(info.nr_ranges, 1);
	assert_int_equal(info.ranges[0].start, 0x100000);
	assert_int_equal(info.ranges[0].size, 0x1000000);
	assert_int_equal(info.ranges[0].type, 1);
}

static void multiboot_from_grub_2_has_no_names(void **state)
{
	struct multiboot_info mbi = multiboot("GRUB 2.06-13", "loglvl=all", "root=/dev/xvda1 ro");

	(void)state;
	assert_null(parse_multiboot(&mbi));
	assert_string_equal(info.cmdline, "loglvl=all");
	assert_string_equal(info.modules[0].cmdline, "root=/dev/xvda1 ro");
}

/* As GRUB's own scripts for Xen write a menu: Xen drops a first word. */
static void a_name_in_grub_2s_menu_is_dropped(void **state)
{
	struct multiboot_info mbi =
	    multiboot("GRUB 2.06-13", "placeholder loglvl=all", "/boot/vmlinuz root=/dev/xvda1 ro");

	(void)state;
	assert_null(parse_multiboot(&mbi));
	assert_string_equal(info.cmdline, "loglvl=all");
	assert_string_equal(info.modules[0].cmdline, "root=/dev/xvda1 ro");
}

static void multiboot_from_grub_legacy_has_names(void **state)
{
	struct multiboot_info mbi = multiboot("GRUB 0.97", "/xenolith.elf a", "/vmlinuz b");

	(void)state;
	assert_null(parse_multiboot(&mbi));
	assert_string_equal(info.cmdline, "a");
	assert_string_equal(info.modules[0].cmdline, "b");
}

static void multiboot_without_a_map_has_its_two_ranges(void **state)
{
	struct multiboot_info mbi = {
	    .flags = MULTIBOOT_INFO_MEMORY, .mem_lower = 639, .mem_upper = 1024};

	(void)state;
	assert_null(parse_multiboot(&mbi));
	assert_int_equal(info.nr_ranges, 2);
	assert_int_equal(info.ranges[0].size, 639 * 1024);
	assert_int_equal(info.ranges[1].start, 0x100000);
	assert_int_equal(info.ranges[1].size, 0x100000);
	assert_string_equal(info.cmdline, "");
}

static void touching_ranges_of_a_type_are_joined(void **state)
{
	struct multiboot_info mbi = multiboot("qemu", "x", "y");
	struct multiboot_mmap_entry e[3] = {
	    {.size = 20, .addr = 0, .length = 0x1000, .type = 1},
	    {.size = 20, .addr = 0x1000, .length = 0x1000, .type = 1},
	    {.size = 20, .addr = 0x2000, .length = 0x1000, .type = 2},
	};

	(void)state;
	put(MAP, e, sizeof(e));
	mbi.mmap_length = sizeof(e);
	assert_null(parse_multiboot(&mbi));
	assert_int_equal(info.nr_ranges, 2);
	assert_int_equal(info.ranges[0].size, 0x2000);
	assert_int_equal(info.ranges[1].type, 2);
}

static void malformed_multiboot_is_refused(void **state)
{
	struct multiboot_info good = multiboot("qemu", "x", "y"), mbi;

	(void)state;
	mbi = good;
	mbi.mods_addr = BASE + sizeof(memory) - 8;
	assert_non_null(parse_multiboot(&mbi));
	mbi = good;
	mbi.mods_count = BOOT_MODULES_MAX + 1;
	assert_non_null(parse_multiboot(&mbi));
	mbi = good;
	mbi.cmdline = 0xfffffff0;
	assert_non_null(parse_multiboot(&mbi));
	mbi = good;
	mbi.mmap_addr = MAP + 24; /* zero, so its size is too */
	assert_non_null(parse_multiboot(&mbi));
	mbi = good;
	mbi.mmap_length = 0;
	assert_non_null(parse_multiboot(&mbi));
	assert_non_null(boot_parse(&parser, MULTIBOOT_LOADER_MAGIC, 0xfffffff0));
	assert_non_null(boot_parse(&parser, 0x12345678, INFO));
}

static void a_command_line_of_4095_bytes_is_the_longest(void **state)
{
	struct multiboot_info mbi = multiboot("GRUB 2.06", "x", "y");

	(void)state;
	memset(memory + (string_at - BASE), 'a', 4096);
	mbi.cmdline = string_at;
	assert_non_null(parse_multiboot(&mbi));
	memset(&info, 0, sizeof(info));
	parser.strings_used = 0;
	mbi.cmdline = string_at + 1;
	assert_null(parse_multiboot(&mbi));
	assert_int_equal(strlen(info.cmdline), 4095);
}

static uint32_t tag_at;

static void begin_tags(void)
{
	tag_at = INFO + sizeof(struct multiboot2_info);
}

static void put_tag(uint32_t type, const void *body, uint32_t n)
{
	struct multiboot2_tag tag = {type, (uint32_t)sizeof(tag) + n};

	put(tag_at, &tag, sizeof(tag));
	put(tag_at + sizeof(tag), body, n);
	tag_at += (tag.size + 7) & ~7u;
}

static const char *end_tags(void)
{
	struct multiboot2_info head;

	put_tag(MULTIBOOT2_TAG_END, "", 0);
	head = (struct multiboot2_info){.total_size = tag_at - INFO};
	put(INFO, &head, sizeof(head));
	return boot_parse(&parser, MULTIBOOT2_LOADER_MAGIC, INFO);
}

static void put_map(void)
{
	struct {
		uint32_t entry_size, version;
		struct multiboot2_mmap_entry e[2];
	} map = {sizeof(struct multiboot2_mmap_entry),
		 0,
		 {{0, 0x9fc00, 1, 0}, {0x100000, 0x7ff00000, 1, 0}}};

	put_tag(MULTIBOOT2_TAG_MEMORY_MAP, &map, sizeof(map));
}

static void put_efi_map(void)
{
	struct {
		uint32_t entry_size, version;
		struct efi_memory_descriptor d[3];
	} map = {sizeof(struct efi_memory_descriptor),
		 1,
		 {{.type = EFI_CONVENTIONAL, .number_of_pages = 16},
		  {.type = EFI_BOOT_SERVICES_DATA, .physical_start = 0x10000, .number_of_pages = 1},
		  {.type = 5, .physical_start = 0x11000, .number_of_pages = 1}}};

	put_tag(MULTIBOOT2_TAG_EFI_MEMORY_MAP, &map, sizeof(map));
}

static void multiboot2_is_understood(void **state)
{
	struct {
		uint32_t start, end;
		char cmdline[8];
	} module = {0x400000, 0x400123, "ro quie"};

	(void)state;
	begin_tags();
	put_tag(MULTIBOOT2_TAG_COMMAND_LINE, "loglvl=all", 11);
	put_tag(MULTIBOOT2_TAG_LOADER_NAME, "GRUB 2.06", 10);
	put_tag(MULTIBOOT2_TAG_MODULE, &module, sizeof(module));
	put_map();
	put_tag(MULTIBOOT2_TAG_ACPI_OLD, "RSD PTR old.........", 20);
	put_tag(MULTIBOOT2_TAG_ACPI_NEW, "RSD PTR new.........................", 36);
	put_tag(0x1234, "unknown", 8);
	assert_null(end_tags());
	assert_string_equal(info.loader, "multiboot2");
	assert_string_equal(info.cmdline, "loglvl=all");
	assert_int_equal(info.nr_modules, 1);
	assert_int_equal(info.modules[0].size, 0x123);
	assert_string_equal(info.modules[0].cmdline, "ro quie");
	assert_int_equal(info.nr_ranges, 2);
	assert_true(parser.has_rsdp);
	assert_memory_equal(parser.rsdp, "RSD PTR new", 11);
}

static void an_older_rsdp_does_not_replace_a_newer(void **state)
{
	(void)state;
	begin_tags();
	put_map();
	put_tag(MULTIBOOT2_TAG_ACPI_NEW, "RSD PTR new.........................", 36);
	put_tag(MULTIBOOT2_TAG_ACPI_OLD, "RSD PTR old.........", 20);
	assert_null(end_tags());
	assert_memory_equal(parser.rsdp, "RSD PTR new", 11);
}

static void the_loaders_map_goes_before_efis(void **state)
{
	(void)state;
	begin_tags();
	put_efi_map();
	put_map();
	assert_null(end_tags());
	assert_int_equal(info.nr_ranges, 2);
	assert_int_equal(info.ranges[1].size, 0x7ff00000);
}

static void boot_services_memory_is_free_memory(void **state)
{
	(void)state;
	begin_tags();
	put_efi_map();
	assert_null(end_tags());
	assert_int_equal(info.nr_ranges, 2);
	assert_int_equal(info.ranges[0].size, 0x11000);
	assert_int_equal(info.ranges[0].type, 1);
	assert_int_equal(info.ranges[1].type, 2);
}

static void malformed_multiboot2_is_refused(void **state)
{
	struct multiboot2_info head = {.total_size = 16};
	struct multiboot2_tag tag = {MULTIBOOT2_TAG_MODULE, 4};

	(void)state;
	put(INFO, &head, sizeof(head));
	put(INFO + 8, &tag, sizeof(tag)); /* smaller than itself */
	assert_non_null(boot_parse(&parser, MULTIBOOT2_LOADER_MAGIC, INFO));
	tag.size = 100; /* longer than all of it */
	put(INFO + 8, &tag, sizeof(tag));
	assert_non_null(boot_parse(&parser, MULTIBOOT2_LOADER_MAGIC, INFO));
	begin_tags();
	put_tag(MULTIBOOT2_TAG_COMMAND_LINE, "abc", 3); /* no NUL in the tag */
	put_map();
	assert_non_null(end_tags());
	begin_tags();
	assert_non_null(end_tags()); /* no map at all */
}

static void pvh_is_understood(void **state)
{
	struct hvm_modlist_entry m = {.paddr = 0x400000, .size = 0x1000};
	struct hvm_memmap_table_entry e = {.addr = 0x100000, .size = 0x1000, .type = 1};
	struct hvm_start_info si = {
	    .magic = XEN_HVM_START_MAGIC_VALUE,
	    .version = 1,
	    .nr_modules = 1,
	    .modlist_paddr = MODS,
	    .rsdp_paddr = 0xf5000,
	    .memmap_paddr = MAP,
	    .memmap_entries = 1,
	};

	(void)state;
	si.cmdline_paddr = put_string("loglvl=all x");
	m.cmdline_paddr = put_string("root=/dev/xvda");
	put(MODS, &m, sizeof(m));
	put(MAP, &e, sizeof(e));
	put(INFO, &si, sizeof(si));
	assert_null(boot_parse(&parser, XEN_HVM_START_MAGIC_VALUE, INFO));
	assert_string_equal(info.loader, "PVH");
	assert_string_equal(info.cmdline, "loglvl=all x");
	assert_string_equal(info.modules[0].cmdline, "root=/dev/xvda");
	assert_int_equal(info.rsdp, 0xf5000);
	assert_false(parser.has_rsdp);
	assert_int_equal(info.nr_ranges, 1);
	si.version = 0;
	put(INFO, &si, sizeof(si));
	assert_non_null(boot_parse(&parser, XEN_HVM_START_MAGIC_VALUE, INFO));
	si.version = 1;
	si.magic++;
	put(INFO, &si, sizeof(si));
	assert_non_null(boot_parse(&parser, XEN_HVM_START_MAGIC_VALUE, INFO));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup(multiboot_from_qemu_drops_the_files_names, setup),
	    cmocka_unit_test_setup(multiboot_from_grub_2_has_no_names, setup),
	    cmocka_unit_test_setup(a_name_in_grub_2s_menu_is_dropped, setup),
	    cmocka_unit_test_setup(multiboot_from_grub_legacy_has_names, setup),
	    cmocka_unit_test_setup(multiboot_without_a_map_has_its_two_ranges, setup),
	    cmocka_unit_test_setup(touching_ranges_of_a_type_are_joined, setup),
	    cmocka_unit_test_setup(malformed_multiboot_is_refused, setup),
	    cmocka_unit_test_setup(a_command_line_of_4095_bytes_is_the_longest, setup),
	    cmocka_unit_test_setup(multiboot2_is_understood, setup),
	    cmocka_unit_test_setup(an_older_rsdp_does_not_replace_a_newer, setup),
	    cmocka_unit_test_setup(the_loaders_map_goes_before_efis, setup),
	    cmocka_unit_test_setup(boot_services_memory_is_free_memory, setup),
	    cmocka_unit_test_setup(malformed_multiboot2_is_refused, setup),
	    cmocka_unit_test_setup(pvh_is_understood, setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
