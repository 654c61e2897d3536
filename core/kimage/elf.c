/* SPDX-License-Identifier: MIT */
/* The ELF side of a kernel: which parts to load, and where its Xen notes are. Source: System V gABI, chapters 4 and 5. */
#include "core/kimage/internal.h"

#include <elf.h>

#include "core/string.h"

struct elf {
	const unsigned char *image;
	size_t size;
	Elf64_Ehdr header;
	struct kimage_fault *fault;
};

static enum kimage_error damaged(struct elf *e, const char *what, unsigned int index)
{
	kimage_fail(e->fault, KIMAGE_E_ELF, what);
	e->fault->have = index;
	return KIMAGE_E_ELF;
}

static enum kimage_error parse_header(struct elf *e)
{
	const Elf64_Ehdr *h = &e->header;

	if (e->size < EI_NIDENT || memcmp(e->image, ELFMAG, SELFMAG) != 0) {
		return kimage_fail(e->fault, KIMAGE_E_NOT_ELF, "");
	}
	if (e->size < sizeof(*h)) {
		return damaged(e, "it ends inside its header", 0);
	}
	memcpy(&e->header, e->image, sizeof(*h));
	if (h->e_ident[EI_CLASS] == ELFCLASS32 && h->e_machine == EM_386) {
		return kimage_fail(e->fault, KIMAGE_E_32BIT, "");
	}
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB ||
	    h->e_machine != EM_X86_64) {
		kimage_fail(e->fault, KIMAGE_E_MACHINE, "");
		e->fault->have = h->e_machine;
		return KIMAGE_E_MACHINE;
	}
	if (h->e_phentsize != sizeof(Elf64_Phdr) ||
	    !inside(h->e_phoff, (uint64_t)h->e_phnum * sizeof(Elf64_Phdr), e->size)) {
		return damaged(e, "its program headers lie outside the file", 0);
	}
	return KIMAGE_OK;
}

static Elf64_Phdr program_header(const struct elf *e, unsigned int i)
{
	Elf64_Phdr p;

	memcpy(&p, e->image + e->header.e_phoff + i * sizeof(p), sizeof(p));
	return p;
}

static enum kimage_error add_segment(struct elf *e, struct kimage *k, const Elf64_Phdr *p,
				     unsigned int index)
{
	if (!inside(p->p_offset, p->p_filesz, e->size)) {
		return damaged(e, "a segment lies outside the file", index);
	}
	if (p->p_filesz > p->p_memsz) {
		return damaged(e, "a segment is larger in the file than in memory", index);
	}
	if (p->p_paddr + p->p_memsz < p->p_paddr) {
		return damaged(e, "a segment wraps around", index);
	}
	if (k->segments == KIMAGE_MAX_SEGMENTS) {
		return damaged(e, "it has too many segments", index);
	}
	k->segment[k->segments++] = (struct kimage_segment){.paddr = p->p_paddr,
							    .vaddr = p->p_vaddr,
							    .offset = p->p_offset,
							    .filesz = p->p_filesz,
							    .memsz = p->p_memsz,
							    .flags = p->p_flags};
	return KIMAGE_OK;
}

static void sort_segments(struct kimage *k)
{
	for (unsigned int i = 1; i < k->segments; i++) {
		struct kimage_segment s = k->segment[i];
		unsigned int j = i;

		for (; j > 0 && k->segment[j - 1].paddr > s.paddr; j--) {
			k->segment[j] = k->segment[j - 1];
		}
		k->segment[j] = s;
	}
}

static enum kimage_error collect_segments(struct elf *e, struct kimage *k)
{
	for (unsigned int i = 0; i < e->header.e_phnum; i++) {
		Elf64_Phdr p = program_header(e, i);

		if (p.p_type == PT_LOAD && p.p_memsz != 0 &&
		    add_segment(e, k, &p, i) != KIMAGE_OK) {
			return e->fault->error;
		}
	}
	if (k->segments == 0) {
		return damaged(e, "it has nothing to load", 0);
	}
	sort_segments(k);
	for (unsigned int i = 1; i < k->segments; i++) {
		if (k->segment[i].paddr < k->segment[i - 1].paddr + k->segment[i - 1].memsz) {
			return damaged(e, "its segments overlap", i);
		}
	}
	return KIMAGE_OK;
}

static enum kimage_error notes_of_segments(struct elf *e, struct kimage *k, unsigned int *found)
{
	for (unsigned int i = 0; i < e->header.e_phnum; i++) {
		Elf64_Phdr p = program_header(e, i);

		if (p.p_type != PT_NOTE) {
			continue;
		}
		if (!inside(p.p_offset, p.p_filesz, e->size)) {
			return damaged(e, "its notes lie outside the file", i);
		}
		if (kimage_parse_notes(k, e->image + p.p_offset, p.p_filesz, found, e->fault) !=
		    KIMAGE_OK) {
			return e->fault->error;
		}
	}
	return KIMAGE_OK;
}

/* Section headers are optional: false means that there are none to use. */
static bool section_header(const struct elf *e, unsigned int i, Elf64_Shdr *s)
{
	if (e->header.e_shentsize != sizeof(*s) || i >= e->header.e_shnum ||
	    !inside(e->header.e_shoff, (uint64_t)e->header.e_shnum * sizeof(*s), e->size)) {
		return false;
	}
	memcpy(s, e->image + e->header.e_shoff + i * sizeof(*s), sizeof(*s));
	return s->sh_type == SHT_NOBITS || inside(s->sh_offset, s->sh_size, e->size);
}

static bool section_is_named(const struct elf *e, const Elf64_Shdr *s, const char *name)
{
	size_t len = strlen(name) + 1;
	Elf64_Shdr names;

	return section_header(e, e->header.e_shstrndx, &names) && names.sh_type == SHT_STRTAB &&
	       inside(s->sh_name, len, names.sh_size) &&
	       memcmp(e->image + names.sh_offset + s->sh_name, name, len) == 0;
}

static enum kimage_error notes_of_sections(struct elf *e, struct kimage *k, unsigned int *found)
{
	Elf64_Shdr s;

	for (unsigned int i = 0; i < e->header.e_shnum; i++) {
		if (section_header(e, i, &s) && s.sh_type == SHT_NOTE &&
		    kimage_parse_notes(k, e->image + s.sh_offset, s.sh_size, found, e->fault) !=
			KIMAGE_OK) {
			return e->fault->error;
		}
	}
	return KIMAGE_OK;
}

/* Kernels from before Xen's notes (Linux up to 2.6.18-xen) describe themselves in this section. */
static enum kimage_error guest_section(struct elf *e, struct kimage *k, unsigned int *found)
{
	Elf64_Shdr s;

	for (unsigned int i = 0; i < e->header.e_shnum; i++) {
		if (section_header(e, i, &s) && s.sh_type != SHT_NOBITS &&
		    section_is_named(e, &s, "__xen_guest")) {
			*found = 1;
			k->legacy = true;
			return kimage_parse_guest_section(k, (const char *)e->image + s.sh_offset,
							  s.sh_size, e->fault);
		}
	}
	return KIMAGE_OK;
}

static enum kimage_error find_xen(struct elf *e, struct kimage *k)
{
	static enum kimage_error (*const places[])(
	    struct elf *, struct kimage *, unsigned int *) = {notes_of_segments, notes_of_sections,
							      guest_section};
	unsigned int found = 0;

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]) && found == 0; i++) {
		if (places[i](e, k, &found) != KIMAGE_OK) {
			return e->fault->error;
		}
	}
	return found == 0 ? kimage_fail(e->fault, KIMAGE_E_NO_XEN, "") : KIMAGE_OK;
}

/* Defaults and derived addresses, as xen/elfnote.h defines them. */
static enum kimage_error settle_addresses(struct elf *e, struct kimage *k)
{
	if ((k->present & KIMAGE_HAS_ENTRY) == 0) {
		k->entry = k->elf_entry;
	}
	if ((k->present & KIMAGE_HAS_PADDR_OFFSET) == 0) {
		k->paddr_offset = k->legacy ? k->virt_base : 0;
	}
	if (k->legacy && (k->present & KIMAGE_HAS_HYPERCALL_PAGE) != 0) {
		k->hypercall_page += k->virt_base; /* it was a page of the kernel's */
	}
	if (k->segment[0].paddr < k->paddr_offset) {
		kimage_fail(e->fault, KIMAGE_E_ADDRESS, "PADDR_OFFSET");
		e->fault->at = k->paddr_offset;
		return KIMAGE_E_ADDRESS;
	}
	k->virt_offset = k->virt_base;
	for (unsigned int i = 0; i < k->segments; i++) {
		k->segment[i].pa = k->segment[i].paddr - k->paddr_offset;
	}
	k->pa_start = k->segment[0].pa;
	k->pa_end = k->segment[k->segments - 1].pa + k->segment[k->segments - 1].memsz;
	return KIMAGE_OK;
}

enum kimage_error kimage_parse(const void *image, size_t size, struct kimage *k,
			       struct kimage_fault *fault)
{
	struct elf e = {.image = image, .size = size, .fault = fault};

	memset(k, 0, sizeof(*k));
	if (parse_header(&e) != KIMAGE_OK || collect_segments(&e, k) != KIMAGE_OK ||
	    find_xen(&e, k) != KIMAGE_OK) {
		return fault->error;
	}
	k->elf_entry = e.header.e_entry;
	return settle_addresses(&e, k);
}
