/* SPDX-License-Identifier: MIT */
/* Segments, Xen notes and their contradictions, on ELF files built here. */
#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <xen/elfnote.h>
#include <xen/features.h>

#include "core/kimage.h"

#define VIRT_BASE 0xffffffff80000000
#define TEXT_PA   0x1000000ull
#define NOTES     0x400 /* where they lie in the file */
#define NAMES     0xd00
#define SECTIONS  0xe00
#define FILE_SIZE 0x4000
#define WRITABLE  (1u << XENFEAT_writable_page_tables)

/* An ELF file: headers, notes in 0x400, section names, sections, then two pages of text and one of data. */
struct file {
	unsigned char bytes[FILE_SIZE];
	Elf64_Ehdr *header;
	Elf64_Phdr *text, *data, *note;
	Elf64_Shdr *section; /* 0 none, 1 names, 2 ours */
	size_t notes_len;
};

static struct kimage_fault fault;
static struct kimage k;

static void put_note(struct file *f, uint32_t type, const void *desc, size_t size)
{
	unsigned char *at = f->bytes + NOTES + f->notes_len;
	Elf64_Nhdr n = {.n_namesz = 4, .n_descsz = size, .n_type = type};

	memcpy(at, &n, sizeof(n));
	memcpy(at + sizeof(n), "Xen", 4);
	memcpy(at + sizeof(n) + 4, desc, size);
	f->notes_len += sizeof(n) + 4 + ((size + 3) & ~3ul);
	f->note->p_filesz = f->notes_len;
}

static void put_text(struct file *f, uint32_t type, const char *text)
{
	put_note(f, type, text, strlen(text) + 1);
}

static void put_number(struct file *f, uint32_t type, uint64_t value)
{
	put_note(f, type, &value, sizeof(value));
}

static void put_required(struct file *f)
{
	put_text(f, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	put_text(f, XEN_ELFNOTE_LOADER, "generic");
}

/* Headers and segments of a good kernel; no notes yet. */
static struct file *make_file(void)
{
	struct file *f = calloc(1, sizeof(*f));

	f->header = (void *)f->bytes;
	*f->header =
	    (Elf64_Ehdr){.e_ident = {0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT},
			 .e_type = ET_EXEC,
			 .e_machine = EM_X86_64,
			 .e_version = EV_CURRENT,
			 .e_entry = VIRT_BASE + TEXT_PA + 0x40,
			 .e_phoff = sizeof(Elf64_Ehdr),
			 .e_ehsize = sizeof(Elf64_Ehdr),
			 .e_phentsize = sizeof(Elf64_Phdr),
			 .e_phnum = 3,
			 .e_shoff = SECTIONS,
			 .e_shentsize = sizeof(Elf64_Shdr),
			 .e_shnum = 3,
			 .e_shstrndx = 1};
	f->text = (Elf64_Phdr *)(f->header + 1);
	f->data = f->text + 1;
	f->note = f->text + 2;
	*f->text = (Elf64_Phdr){.p_type = PT_LOAD,
				.p_flags = 5,
				.p_offset = 0x1000,
				.p_vaddr = VIRT_BASE + TEXT_PA,
				.p_paddr = TEXT_PA,
				.p_filesz = 0x2000,
				.p_memsz = 0x2000};
	*f->data = (Elf64_Phdr){.p_type = PT_LOAD,
				.p_flags = 6,
				.p_offset = 0x3000,
				.p_vaddr = VIRT_BASE + TEXT_PA + 0x4000,
				.p_paddr = TEXT_PA + 0x4000,
				.p_filesz = 0x1000,
				.p_memsz = 0x3000};
	*f->note = (Elf64_Phdr){.p_type = PT_NOTE, .p_offset = NOTES};
	f->section = (Elf64_Shdr *)(f->bytes + SECTIONS);
	memcpy(f->bytes + NAMES, "\0.shstrtab\0__xen_guest", 23);
	f->section[1] =
	    (Elf64_Shdr){.sh_name = 1, .sh_type = SHT_STRTAB, .sh_offset = NAMES, .sh_size = 23};
	memset(f->bytes + 0x1000, 0xaa, 0x2000);
	memset(f->bytes + 0x3000, 0xbb, 0x1000);
	return f;
}

/* The notes that a kernel needs at least. */
static struct file *make_kernel(void)
{
	struct file *f = make_file();

	put_required(f);
	put_number(f, XEN_ELFNOTE_VIRT_BASE, VIRT_BASE);
	return f;
}

/* Parses a copy of exactly the file's size, so that the sanitizer sees a byte too far, and frees f. */
static enum kimage_error parse(struct file *f)
{
	unsigned char *copy = malloc(FILE_SIZE);
	enum kimage_error error;

	memcpy(copy, f->bytes, FILE_SIZE);
	error = kimage_parse(copy, FILE_SIZE, &k, &fault);
	free(copy);
	free(f);
	return error;
}

static void assert_refused(enum kimage_error got, enum kimage_error error, const char *part)
{
	char line[200];

	assert_int_equal(got, error);
	assert_int_equal(fault.error, error);
	assert_true(kimage_explain(&fault, line, sizeof(line)) < sizeof(line));
	if (strstr(line, part) == NULL) {
		fail_msg("\"%s\" does not say \"%s\"", line, part);
	}
}

/* Parses, which must succeed, then checks. */
static enum kimage_error check(struct file *f, uint32_t features)
{
	assert_int_equal(parse(f), KIMAGE_OK);
	return kimage_check(&k, features, &fault);
}

static void every_note_is_read(void **state)
{
	const uint64_t l1_valid[] = {0x801, 0x1};
	const uint32_t one = 1, features = 0x8801;
	struct file *f = make_file();

	(void)state;
	put_text(f, XEN_ELFNOTE_GUEST_OS, "linux");
	put_text(f, XEN_ELFNOTE_GUEST_VERSION, "2.6");
	put_required(f);
	put_number(f, XEN_ELFNOTE_VIRT_BASE, VIRT_BASE);
	put_number(f, XEN_ELFNOTE_PADDR_OFFSET, 0);
	put_number(f, XEN_ELFNOTE_INIT_P2M, 0x8000000000);
	put_number(f, XEN_ELFNOTE_ENTRY, VIRT_BASE + TEXT_PA + 0x123);
	put_number(f, XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + TEXT_PA + 0x1000);
	put_number(f, XEN_ELFNOTE_HV_START_LOW, 0xffff800000000000);
	put_number(f, XEN_ELFNOTE_PHYS32_ENTRY, TEXT_PA + 0x10);
	put_text(f, XEN_ELFNOTE_PAE_MODE, "yes,bimodal");
	put_text(f, XEN_ELFNOTE_BSD_SYMTAB, "yes");
	put_text(f, XEN_ELFNOTE_FEATURES,
		 "!writable_page_tables|pae_pgdir_above_4gb|of_the_future");
	put_note(f, XEN_ELFNOTE_SUPPORTED_FEATURES, &features, 4);
	put_note(f, XEN_ELFNOTE_L1_MFN_VALID, l1_valid, sizeof(l1_valid));
	put_note(f, XEN_ELFNOTE_SUSPEND_CANCEL, &one, 4);
	put_note(f, XEN_ELFNOTE_MOD_START_PFN, &one, 4);
	put_number(f, XEN_ELFNOTE_CRASH_INFO, 1);
	put_number(f, XEN_ELFNOTE_MAX + 1, 1);
	assert_int_equal(check(f, WRITABLE), KIMAGE_OK);

	assert_string_equal(k.guest_os, "linux");
	assert_string_equal(k.guest_version, "2.6");
	assert_string_equal(k.xen_version, "xen-3.0");
	assert_string_equal(k.loader, "generic");
	assert_string_equal(k.pae_mode, "yes,bimodal");
	assert_string_equal(k.features, "!writable_page_tables|pae_pgdir_above_4gb|of_the_future");
	assert_int_equal(k.virt_base, VIRT_BASE);
	assert_int_equal(k.paddr_offset, 0);
	assert_int_equal(k.init_p2m, 0x8000000000);
	assert_int_equal(k.entry, VIRT_BASE + TEXT_PA + 0x123);
	assert_int_equal(k.hypercall_page, VIRT_BASE + TEXT_PA + 0x1000);
	assert_int_equal(k.hv_start_low, 0xffff800000000000);
	assert_int_equal(k.phys32_entry, TEXT_PA + 0x10);
	assert_int_equal(k.l1_mfn_valid_mask, 0x801);
	assert_int_equal(k.l1_mfn_valid_value, 1);
	assert_int_equal(k.features_supported, 0x8811);
	assert_int_equal(k.features_required, WRITABLE);
	assert_true(k.suspend_cancel && k.mod_start_pfn && k.bsd_symtab && !k.legacy);
	assert_int_equal(k.present, 0x1ff);
}

static void absent_notes_have_their_defaults(void **state)
{
	struct file *f = make_file();

	(void)state;
	put_required(f);
	f->text->p_paddr = TEXT_PA;
	assert_int_equal(parse(f), KIMAGE_OK);
	assert_int_equal(k.entry, VIRT_BASE + TEXT_PA + 0x40); /* e_entry */
	assert_int_equal(k.virt_base, 0);
	assert_int_equal(k.paddr_offset, 0);
	assert_int_equal(k.present, 0);
	assert_true(!k.suspend_cancel && !k.mod_start_pfn && !k.bsd_symtab);
}

static void segments_are_sorted_and_described(void **state)
{
	struct file *f = make_kernel();
	Elf64_Phdr swap = *f->text;

	(void)state;
	*f->text = *f->data;
	*f->data = swap;
	assert_int_equal(check(f, 0), KIMAGE_OK);
	assert_int_equal(k.segments, 2);
	assert_int_equal(k.segment[0].pa, TEXT_PA);
	assert_int_equal(k.segment[0].offset, 0x1000);
	assert_int_equal(k.segment[1].pa, TEXT_PA + 0x4000);
	assert_int_equal(k.segment[1].filesz, 0x1000);
	assert_int_equal(k.segment[1].memsz, 0x3000);
	assert_int_equal(k.segment[1].flags, 6);
	assert_int_equal(k.pa_start, TEXT_PA);
	assert_int_equal(k.pa_end, TEXT_PA + 0x7000);
}

/* Kernels of old wrote virtual addresses into p_paddr and said so with PADDR_OFFSET. */
static void paddr_offset_moves_the_segments(void **state)
{
	struct file *f = make_kernel();

	(void)state;
	put_number(f, XEN_ELFNOTE_PADDR_OFFSET, VIRT_BASE);
	f->text->p_paddr += VIRT_BASE;
	f->data->p_paddr += VIRT_BASE;
	assert_int_equal(check(f, 0), KIMAGE_OK);
	assert_int_equal(k.segment[0].pa, TEXT_PA);
	assert_int_equal(k.segment[0].paddr, VIRT_BASE + TEXT_PA);
	assert_int_equal(k.pa_end, TEXT_PA + 0x7000);

	f = make_kernel();
	put_number(f, XEN_ELFNOTE_PADDR_OFFSET, TEXT_PA + 1);
	assert_refused(parse(f), KIMAGE_E_ADDRESS, "PADDR_OFFSET 0x1000001");
}

static void notes_are_found_in_sections_too(void **state)
{
	struct file *f = make_kernel();

	(void)state;
	f->note->p_type = PT_NULL;
	f->section[2] =
	    (Elf64_Shdr){.sh_type = SHT_NOTE, .sh_offset = NOTES, .sh_size = f->notes_len};
	assert_int_equal(check(f, 0), KIMAGE_OK);
	assert_int_equal(k.virt_base, VIRT_BASE);
}

static struct file *make_legacy(const char *text)
{
	struct file *f = make_file();

	f->note->p_type = PT_NULL;
	strcpy((char *)f->bytes + NOTES, text);
	f->section[2] = (Elf64_Shdr){.sh_name = 11,
				     .sh_type = SHT_PROGBITS,
				     .sh_offset = NOTES,
				     .sh_size = strlen(text) + 1};
	return f;
}

static void a_guest_section_says_the_same_in_words(void **state)
{
	struct file *f =
	    make_legacy("GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,VIRT_BASE=0xffffffff80000000,"
			"ELF_PADDR_OFFSET=0x0,VIRT_ENTRY=0xffffffff81000200,HYPERCALL_PAGE=4097,"
			"FEATURES=writable_descriptor_tables|!writable_page_tables,"
			"PAE=yes[extended-cr3],LOADER=generic,WHATEVER,BSD_SYMTAB");

	(void)state;
	assert_int_equal(check(f, WRITABLE), KIMAGE_OK);
	assert_true(k.legacy && k.bsd_symtab);
	assert_string_equal(k.guest_os, "linux");
	assert_string_equal(k.guest_version, "2.6");
	assert_string_equal(k.pae_mode, "yes[extended-cr3]");
	assert_int_equal(k.entry, VIRT_BASE + TEXT_PA + 0x200);
	assert_int_equal(k.hypercall_page,
			 VIRT_BASE + TEXT_PA + 0x1000); /* a page number, here in decimal */
	assert_int_equal(k.features_supported, 3);
	assert_int_equal(k.features_required, WRITABLE);
	assert_int_equal(k.segment[0].pa, TEXT_PA);

	/* ELF_PADDR_OFFSET's default is VIRT_BASE there. */
	f = make_legacy("XEN_VER=xen-3.0,GUEST_OS=linux,VIRT_BASE=0xffffffff80000000");
	f->text->p_paddr += VIRT_BASE;
	f->data->p_paddr += VIRT_BASE;
	assert_int_equal(check(f, 0), KIMAGE_OK);
	assert_int_equal(k.segment[0].pa, TEXT_PA);
}

static void a_guest_section_with_a_bad_number_is_refused(void **state)
{
	static const char *const bad[] = {"VIRT_BASE=",
					  "VIRT_BASE=0x",
					  "VIRT_BASE=12f",
					  "VIRT_ENTRY=0xg",
					  "VIRT_ENTRY= 1",
					  "VIRT_BASE",
					  "VIRT_BASE=0x10000000000000000"};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_refused(parse(make_legacy(bad[i])), KIMAGE_E_NOTE, "bad number");
	}
}

static void a_guest_section_may_lack_its_end(void **state)
{
	struct file *f = make_legacy("XEN_VER=xen-3.0,LOADER=genericGARBAGE");

	(void)state;
	f->section[2].sh_size = strlen("XEN_VER=xen-3.0,LOADER=generic");
	assert_int_equal(parse(f), KIMAGE_OK);
	assert_string_equal(k.loader, "generic");
}

static void kernels_without_xen_are_named(void **state)
{
	struct file *f = make_file();

	(void)state;
	assert_refused(parse(f), KIMAGE_E_NO_XEN, "CONFIG_XEN_PV");

	/* A Linux for PVH only, with CONFIG_XEN but not CONFIG_XEN_PV. */
	f = make_file();
	put_required(f);
	put_number(f, XEN_ELFNOTE_PHYS32_ENTRY, TEXT_PA);
	assert_refused(check(f, ~0u), KIMAGE_E_NO_XEN, "CONFIG_XEN_PV");

	/* Others' notes are none of Xen's, even with Xen's numbers. */
	f = make_kernel();
	for (unsigned char *p = f->bytes + NOTES; p < f->bytes + NOTES + f->notes_len; p++) {
		if (memcmp(p, "Xen", 4) == 0) {
			*p = 'G';
		}
	}
	assert_refused(parse(f), KIMAGE_E_NO_XEN, "no Xen PV notes");
}

static void damaged_notes_are_refused(void **state)
{
	struct file *f = make_kernel();
	const uint16_t two_bytes = 1;

	(void)state;
	f->note->p_filesz--;
	assert_refused(parse(f), KIMAGE_E_NOTE, "reaches beyond");
	f = make_kernel();
	((Elf64_Nhdr *)(f->bytes + NOTES))->n_descsz = UINT32_MAX;
	assert_refused(parse(f), KIMAGE_E_NOTE, "reaches beyond");
	f = make_kernel();
	((Elf64_Nhdr *)(f->bytes + NOTES))->n_namesz = UINT32_MAX - 2;
	assert_refused(parse(f), KIMAGE_E_NOTE, "reaches beyond");
	f = make_kernel();
	put_note(f, XEN_ELFNOTE_ENTRY, &two_bytes, 2);
	assert_refused(parse(f), KIMAGE_E_NOTE, "neither 4 nor 8 bytes");
	f = make_kernel();
	put_number(f, XEN_ELFNOTE_L1_MFN_VALID, 1);
	assert_refused(parse(f), KIMAGE_E_NOTE, "L1_MFN_VALID");
	f = make_kernel();
	put_number(f, XEN_ELFNOTE_PHYS32_ENTRY, 1ull << 32);
	assert_refused(parse(f), KIMAGE_E_NOTE, "PHYS32_ENTRY");
}

static void long_texts_are_cut_and_need_no_nul(void **state)
{
	struct file *f = make_kernel();

	(void)state;
	put_note(f, XEN_ELFNOTE_GUEST_OS, "a-system-with-a-name-of-more-than-31-letters", 44);
	put_note(f, XEN_ELFNOTE_GUEST_VERSION, "12345678", 3);
	assert_int_equal(parse(f), KIMAGE_OK);
	assert_string_equal(k.guest_os, "a-system-with-a-name-of-more-th");
	assert_string_equal(k.guest_version, "123");
}

static void required_features_are_checked_by_name(void **state)
{
	struct file *f = make_kernel();

	(void)state;
	put_text(f, XEN_ELFNOTE_FEATURES, "!writable_page_tables|!supervisor_mode_kernel");
	assert_refused(check(f, WRITABLE), KIMAGE_E_FEATURE,
		       "feature supervisor_mode_kernel, which");
	f = make_kernel();
	put_text(f, XEN_ELFNOTE_FEATURES, "writable_page_tables||!not_invented_yet|dom0");
	assert_refused(parse(f), KIMAGE_E_FEATURE, "feature not_invented_yet, which");
	f = make_kernel();
	put_text(f, XEN_ELFNOTE_FEATURES,
		 "!a_name_that_is_far_longer_than_any_feature_ever_had_in_the_text_of_a_note");
	assert_refused(parse(f), KIMAGE_E_FEATURE, "a_name_that_is_far_longer");
	f = make_kernel();
	put_text(f, XEN_ELFNOTE_FEATURES, "!");
	assert_refused(parse(f), KIMAGE_E_FEATURE, "feature");
}

static void other_interfaces_and_loaders_are_refused(void **state)
{
	struct file *f = make_file();

	(void)state;
	put_text(f, XEN_ELFNOTE_XEN_VERSION, "xen-2.0");
	put_text(f, XEN_ELFNOTE_LOADER, "generic");
	assert_refused(check(f, 0), KIMAGE_E_XEN_VERSION, "'xen-2.0'");
	f = make_file();
	put_text(f, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
	put_text(f, XEN_ELFNOTE_LOADER, "special");
	assert_refused(check(f, 0), KIMAGE_E_LOADER, "'special'");
}

static void impossible_addresses_are_refused(void **state)
{
	static const struct {
		uint32_t note;
		uint64_t value;
		const char *part;
	} bad[] = {
	    {XEN_ELFNOTE_ENTRY, 0, "entry 0x0"},
	    {XEN_ELFNOTE_ENTRY, VIRT_BASE + TEXT_PA - 1, "entry"},
	    {XEN_ELFNOTE_ENTRY, VIRT_BASE + TEXT_PA + 0x7000, "entry"},
	    {XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + TEXT_PA + 0x10, "hypercall page"},
	    {XEN_ELFNOTE_HYPERCALL_PAGE, VIRT_BASE + TEXT_PA + 0x7000, "hypercall page"},
	    {XEN_ELFNOTE_HYPERCALL_PAGE, 0, "hypercall page"},
	    {XEN_ELFNOTE_INIT_P2M, 0x8000000001, "P2M"},
	    {XEN_ELFNOTE_INIT_P2M, 0x800000000000, "P2M"},
	    {XEN_ELFNOTE_INIT_P2M, 0xffff800000000000, "P2M"},
	    {XEN_ELFNOTE_INIT_P2M, VIRT_BASE + TEXT_PA, "P2M"},
	    {XEN_ELFNOTE_HV_START_LOW, 0xffff880000000000, "HV_START_LOW"},
	    {XEN_ELFNOTE_VIRT_BASE, 0x7fffff000000, "mapping"},
	    {XEN_ELFNOTE_VIRT_BASE, 0xffff87fffeffa000, "mapping"},
	    {XEN_ELFNOTE_VIRT_BASE, 0xffffffffff000000, "mapping"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct file *f = make_kernel();

		put_number(f, bad[i].note, bad[i].value);
		assert_refused(check(f, 0), KIMAGE_E_ADDRESS, bad[i].part);
	}
}

static void other_machines_are_named(void **state)
{
	struct file *f = make_kernel();

	(void)state;
	f->header->e_ident[EI_CLASS] = ELFCLASS32;
	f->header->e_machine = EM_386;
	assert_refused(parse(f), KIMAGE_E_32BIT, "32-bit PAE kernel: not supported yet");
	f = make_kernel();
	f->header->e_machine = EM_AARCH64;
	assert_refused(parse(f), KIMAGE_E_MACHINE, "machine 183");
	f = make_kernel();
	f->header->e_ident[EI_DATA] = ELFDATA2MSB;
	assert_refused(parse(f), KIMAGE_E_MACHINE, "another processor");
	f = make_kernel();
	f->bytes[0] = 0;
	assert_refused(parse(f), KIMAGE_E_NOT_ELF, "not an ELF file");
}

static void damaged_headers_are_refused(void **state)
{
	struct file *f = make_kernel();

	(void)state;
	f->header->e_phentsize--;
	assert_refused(parse(f), KIMAGE_E_ELF, "program headers");
	f = make_kernel();
	f->header->e_phoff = UINT64_MAX - 8;
	assert_refused(parse(f), KIMAGE_E_ELF, "program headers");
	f = make_kernel();
	f->header->e_phnum = UINT16_MAX;
	assert_refused(parse(f), KIMAGE_E_ELF, "program headers");
	f = make_kernel();
	f->text->p_type = f->data->p_type = PT_NULL;
	assert_refused(parse(f), KIMAGE_E_ELF, "nothing to load");
	f = make_kernel();
	f->data->p_offset = FILE_SIZE;
	assert_refused(parse(f), KIMAGE_E_ELF, "outside the file (header 1)");
	f = make_kernel();
	f->data->p_offset = UINT64_MAX - 0xfff;
	assert_refused(parse(f), KIMAGE_E_ELF, "outside the file");
	f = make_kernel();
	f->data->p_memsz = f->data->p_filesz - 1;
	assert_refused(parse(f), KIMAGE_E_ELF, "larger in the file than in memory");
	f = make_kernel();
	f->data->p_paddr = UINT64_MAX - 0x1000;
	assert_refused(parse(f), KIMAGE_E_ELF, "wraps around");
	f = make_kernel();
	f->data->p_paddr = TEXT_PA + 0x1fff;
	assert_refused(parse(f), KIMAGE_E_ELF, "overlap");
	f = make_kernel();
	f->note->p_offset = FILE_SIZE - 1;
	assert_refused(parse(f), KIMAGE_E_ELF, "notes lie outside");
}

static void too_many_segments_are_refused(void **state)
{
	struct file *f = make_file();

	(void)state;
	f->header->e_phnum = KIMAGE_MAX_SEGMENTS + 1;
	for (int i = 0; i <= KIMAGE_MAX_SEGMENTS; i++) {
		f->text[i] =
		    (Elf64_Phdr){.p_type = PT_LOAD, .p_paddr = i * 0x1000, .p_memsz = 0x1000};
	}
	assert_refused(parse(f), KIMAGE_E_ELF, "too many segments");
}

static void unusable_sections_are_as_good_as_none(void **state)
{
	struct file *f = make_legacy("XEN_VER=xen-3.0");

	(void)state;
	f->header->e_shoff = UINT64_MAX - 100;
	assert_refused(parse(f), KIMAGE_E_NO_XEN, "");
	f = make_legacy("XEN_VER=xen-3.0");
	f->header->e_shstrndx = 77;
	assert_refused(parse(f), KIMAGE_E_NO_XEN, "");
	f = make_legacy("XEN_VER=xen-3.0");
	f->section[2].sh_size = UINT64_MAX;
	assert_refused(parse(f), KIMAGE_E_NO_XEN, "");
	f = make_legacy("XEN_VER=xen-3.0");
	f->section[2].sh_name = 12; /* "_xen_guest" */
	assert_refused(parse(f), KIMAGE_E_NO_XEN, "");
	f = make_legacy("XEN_VER=xen-3.0");
	f->section[1].sh_size = 22; /* the name's NUL is outside */
	assert_refused(parse(f), KIMAGE_E_NO_XEN, "");
}

/* A file cut anywhere is refused, or is the same kernel where only unused bytes are gone. */
static void no_cut_file_is_read_beyond_its_end(void **state)
{
	struct file *f = make_kernel();

	(void)state;
	for (size_t size = 0; size < FILE_SIZE; size += 1 + size / 50) {
		unsigned char *copy = malloc(size);

		memcpy(copy, f->bytes, size);
		assert_int_not_equal(kimage_parse(copy, size, &k, &fault), KIMAGE_OK);
		free(copy);
	}
	free(f);
}

#define GUEST_SIZE (TEXT_PA + 0x8000)

static void assert_placed(const unsigned char *guest)
{
	for (size_t i = 0; i < 0x2000; i++) {
		assert_int_equal(guest[TEXT_PA + i], 0xaa);
	}
	for (size_t i = 0; i < 0x1000; i++) {
		assert_int_equal(guest[TEXT_PA + 0x4000 + i], 0xbb);
	}
	for (size_t i = 0; i < 0x2000; i++) {
		assert_int_equal(guest[TEXT_PA + 0x5000 + i], 0);
	}
}

static void segments_are_placed_and_cleared(void **state)
{
	unsigned char *guest = malloc(GUEST_SIZE);
	struct file *f = make_kernel();

	(void)state;
	memset(guest, 0xee, GUEST_SIZE);
	assert_int_equal(kimage_parse(f->bytes, FILE_SIZE, &k, &fault), KIMAGE_OK);
	assert_int_equal(kimage_place(&k, f->bytes, guest, GUEST_SIZE, &fault), KIMAGE_OK);
	assert_placed(guest);
	assert_int_equal(guest[TEXT_PA - 1], 0xee);
	assert_int_equal(guest[TEXT_PA + 0x2000], 0xee);
	assert_int_equal(guest[TEXT_PA + 0x7000], 0xee);
	assert_refused(kimage_place(&k, f->bytes, guest, k.pa_end - 1, &fault), KIMAGE_E_PLACE,
		       "needs 16805888 bytes");
	free(f);
	free(guest);
}

static void an_image_can_be_placed_over_itself(void **state)
{
	unsigned char *guest = malloc(GUEST_SIZE + FILE_SIZE);
	struct file *f = make_kernel();
	uint64_t bias;

	(void)state;
	assert_int_equal(kimage_parse(f->bytes, FILE_SIZE, &k, &fault), KIMAGE_OK);
	bias = kimage_bias(&k);
	assert_int_equal(bias, TEXT_PA + 0x1000);
	for (uint64_t at = bias; at < GUEST_SIZE; at += 0x123) {
		memcpy(guest + at, f->bytes, FILE_SIZE);
		assert_int_equal(kimage_place(&k, guest + at, guest, GUEST_SIZE, &fault),
				 KIMAGE_OK);
		assert_placed(guest);
	}
	/* Lower, the text would land on the data before that is copied. */
	memcpy(guest + bias - 0x3000, f->bytes, FILE_SIZE);
	assert_refused(kimage_place(&k, guest + bias - 0x3000, guest, GUEST_SIZE, &fault),
		       KIMAGE_E_OVERLAP, "overlap");
	free(f);
	free(guest);
}

static void every_error_has_a_line(void **state)
{
	char line[200], unknown[200];

	(void)state;
	for (int error = 0; error < KIMAGE_ERRORS; error++) {
		for (int format = 0; format < KIMAGE_FORMATS; format++) {
			fault = (struct kimage_fault){
			    .error = error, .format = format, .at = KIMAGE_NOWHERE};
			assert_in_range(kimage_explain(&fault, line, sizeof(line)), 5, 150);
			assert_null(strchr(line, '\n'));
			assert_true(error == 0 || strcmp(line, unknown) != 0 || format > 0);
			strcpy(unknown, line);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_note_is_read),
	    cmocka_unit_test(absent_notes_have_their_defaults),
	    cmocka_unit_test(segments_are_sorted_and_described),
	    cmocka_unit_test(paddr_offset_moves_the_segments),
	    cmocka_unit_test(notes_are_found_in_sections_too),
	    cmocka_unit_test(a_guest_section_says_the_same_in_words),
	    cmocka_unit_test(a_guest_section_with_a_bad_number_is_refused),
	    cmocka_unit_test(a_guest_section_may_lack_its_end),
	    cmocka_unit_test(kernels_without_xen_are_named),
	    cmocka_unit_test(damaged_notes_are_refused),
	    cmocka_unit_test(long_texts_are_cut_and_need_no_nul),
	    cmocka_unit_test(required_features_are_checked_by_name),
	    cmocka_unit_test(other_interfaces_and_loaders_are_refused),
	    cmocka_unit_test(impossible_addresses_are_refused),
	    cmocka_unit_test(other_machines_are_named),
	    cmocka_unit_test(damaged_headers_are_refused),
	    cmocka_unit_test(too_many_segments_are_refused),
	    cmocka_unit_test(unusable_sections_are_as_good_as_none),
	    cmocka_unit_test(no_cut_file_is_read_beyond_its_end),
	    cmocka_unit_test(segments_are_placed_and_cleared),
	    cmocka_unit_test(an_image_can_be_placed_over_itself),
	    cmocka_unit_test(every_error_has_a_line),
	};
	cmocka_set_message_output(CM_OUTPUT_TAP);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
