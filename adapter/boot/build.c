/* SPDX-License-Identifier: MIT */
/*
 * The start of day: fills what adapter/boot/layout.h lays out. A guest's frame number (pfn) is also its machine frame number (mfn)
 * wherever the machine has memory there that is free.
 */
#include "adapter/boot/build.h"

#include "adapter/boot/layout.h"
#include "adapter/boot/memory.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/paging.h"
#include "adapter/xen/console.h"
#include "adapter/xen/control.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/hypercall_page.h"
#include "adapter/xen/store.h"
#include "core/string.h"

#define TABLE_PTE        (PTE_P | PTE_W | PTE_U | PTE_A | PTE_D)
#define PAGES(bytes)     (((bytes) + PAGE_SIZE - 1) >> PAGE_SHIFT)
#define START_INFO_MAGIC "xen-3.0-x86_64"

static const struct kimage *kernel;
static struct layout at;
static uint64_t *p2m;      /* the guest's mfn_list, through the direct map */
static uint64_t region_ma; /* machine address of pfn `first`; the region is contiguous */

static uint64_t pfn_to_virt(uint64_t pfn)
{
	return kernel->virt_offset + (pfn << PAGE_SHIFT);
}

/* A page of the region. */
static void *page_at(uint64_t pfn)
{
	return ma_to_va(region_ma + ((pfn - at.first) << PAGE_SHIFT));
}

static void lay_out(const struct guest_image *image)
{
	uint64_t initrd_pages = PAGES(image->initrd_size);

	if (!layout_make(&at, kernel, domain.nr_pages, initrd_pages))
		refuse("too little memory: kernel and initrd take %lu MiB, the guest has %lu MiB",
		       (at.end + initrd_pages) >> 8, domain.nr_pages >> 8);
}

static void give(uint64_t pfn, uint64_t m)
{
	p2m[pfn] = m;
	m2p[m] = pfn;
}

static bool free_frame(uint64_t m)
{
	return frame_is_guests(m) && m2p[m] == M2P_INVALID;
}

static bool region_is_free(uint64_t first, uint64_t pages)
{
	for (uint64_t m = first; m < first + pages; m++)
		if (!frame_is_guests(m))
			return false;
	return true;
}

static bool overlaps_ma(uint64_t start, uint64_t bytes, uint64_t first, uint64_t pages)
{
	return start < (first + pages) << PAGE_SHIFT && first << PAGE_SHIFT < start + bytes;
}

/* The region's memory: at its own frame numbers if they are free of what the building needs, else borrowed elsewhere. */
static void place_region(const struct guest_image *image)
{
	uint64_t pages = at.end - at.first;

	if (region_is_free(at.first, pages) &&
	    !overlaps_ma(va_to_ma(image->elf), image->elf_size, at.first, pages) &&
	    !overlaps_ma(image->initrd_ma, image->initrd_size, at.first, pages))
		region_ma = at.first << PAGE_SHIFT;
	else
		region_ma = memory_borrow(pages << PAGE_SHIFT);
	if (!region_ma)
		refuse("too little memory: no %lu MiB in one piece for the kernel", pages >> 8);
}

/* The initrd stays where it is: its pfns are given its frames. Their numbers are its own, if the guest has them. */
static void give_initrd(const struct guest_image *image)
{
	uint64_t m = image->initrd_ma >> PAGE_SHIFT;

	if (!at.initrd_pages)
		return;
	if (kernel->mod_start_pfn)
		at.initrd = m + at.initrd_pages <= domain.nr_pages && m >= at.end
				? m
				: domain.nr_pages - at.initrd_pages;
	for (uint64_t i = 0; i < at.initrd_pages; i++)
		give(at.initrd + i, m + i);
}

/* Every pfn gets a frame: the region's and the initrd's theirs, the others their own number where free, else what is left. */
static void fill_p2m(const struct guest_image *image)
{
	uint64_t spare = 0;

	for (uint64_t pfn = 0; pfn < domain.nr_pages; pfn++)
		p2m[pfn] = M2P_INVALID;
	/* First the initrd, which may lie in the region: what the region has there is then free for others. */
	give_initrd(image);
	for (uint64_t pfn = at.first; pfn < at.end; pfn++)
		if (p2m[pfn] == M2P_INVALID)
			give(pfn, (region_ma >> PAGE_SHIFT) + pfn - at.first);
	for (uint64_t pfn = 0; pfn < domain.nr_pages; pfn++)
		if (p2m[pfn] == M2P_INVALID && free_frame(pfn))
			give(pfn, pfn);
	for (uint64_t pfn = 0; pfn < domain.nr_pages; pfn++) {
		if (p2m[pfn] != M2P_INVALID)
			continue;
		while (!free_frame(spare))
			spare++;
		give(pfn, spare);
	}
}

/* The table of `level` that maps `va`, under the L4; taken from the tables' pages in turn. */
static uint64_t *table_for(uint64_t va, unsigned level, uint64_t *used)
{
	uint64_t *table = page_at(at.tables);

	for (unsigned l = 4; l > level; l--) {
		uint64_t *e = &table[va >> (12 + 9 * (l - 1)) & 511];

		if (!*e) {
			uint64_t pfn = at.tables + (*used)++;

			*e = p2m[pfn] << PAGE_SHIFT | TABLE_PTE;
		}
		table = ma_to_va(*e & PTE_ADDR);
	}
	return table;
}

/* The whole mapping is writable but for the tables themselves, which are the guest's to change by hypercall only. */
static void build_tables(void)
{
	uint64_t used = 1;

	memset(page_at(at.tables), 0, at.nr_tables << PAGE_SHIFT);
	for (uint64_t pfn = 0; pfn < at.end; pfn++) {
		uint64_t va = pfn_to_virt(pfn);
		bool is_table = pfn >= at.tables && pfn < at.tables + at.nr_tables;

		table_for(va, 1, &used)[va >> PAGE_SHIFT & 511] =
		    p2m[pfn] << PAGE_SHIFT | PTE_P | PTE_A | PTE_D | (is_table ? 0 : PTE_W);
	}
	for (uint64_t pfn = at.tables; pfn < at.tables + at.nr_tables; pfn++)
		domain.frames[p2m[pfn]] |= FRAME_TABLE;
}

static void place_kernel(const struct guest_image *image)
{
	struct kimage_fault fault;
	char why[160];
	uint8_t *guest = (uint8_t *)page_at(at.first) - (at.first << PAGE_SHIFT);

	if (kimage_place(kernel, image->elf, guest, at.end << PAGE_SHIFT, &fault)) {
		kimage_explain(&fault, why, sizeof(why));
		refuse("%s", why);
	}
}

static void fill_start_info(const struct guest_image *image)
{
	struct start_info *si = page_at(at.start_info);
	size_t length = strlen(image->cmdline);

	memset(si, 0, PAGE_SIZE);
	memset(page_at(at.xenstore), 0, PAGE_SIZE);
	memset(page_at(at.console), 0, PAGE_SIZE);
	memcpy(si->magic, START_INFO_MAGIC, sizeof(START_INFO_MAGIC));
	si->nr_pages = domain.nr_pages;
	si->shared_info = virt_to_ma(domain.shared_info);
	si->store_mfn = p2m[at.xenstore];
	si->store_evtchn = store_init(page_at(at.xenstore));
	si->console.domU.mfn = p2m[at.console];
	si->console.domU.evtchn = console_init(page_at(at.console));
	store_introduce(si);
	control_init();
	si->pt_base = pfn_to_virt(at.tables);
	si->nr_pt_frames = at.nr_tables;
	si->mfn_list = pfn_to_virt(at.p2m);
	if (at.initrd_pages) {
		si->mod_start = kernel->mod_start_pfn ? at.initrd : pfn_to_virt(at.initrd);
		si->mod_len = image->initrd_size;
		si->flags = kernel->mod_start_pfn ? SIF_MOD_START_PFN : 0;
	}
	if (length >= sizeof(si->cmd_line))
		refuse("the kernel's command line has %lu bytes, the most is %lu", length,
		       sizeof(si->cmd_line) - 1);
	memcpy(si->cmd_line, image->cmdline, length + 1);
}

/* xen/xen.h: "All the other registers are 0", but for what says where start_info and the stack are. */
static void fill_context(void)
{
	struct vcpu *v = &domain.vcpus[0];

	v->start = (struct frame){
	    .rip = kernel->entry,
	    .cs = SEL_KERNEL_CS,
	    .ss = SEL_KERNEL_SS,
	    .rsp = pfn_to_virt(at.stack + 1),
	    .rsi = pfn_to_virt(at.start_info),
	    .rflags = RFLAGS_IF | 2,
	};
	vp_set_kernel_sp(v->vp, v->start.rsp);
	v->vp->kernel_cr3 = p2m[at.tables] << PAGE_SHIFT;
	v->initialised = true;
	v->state = VCPU_UP;
}

static void fill_hypercall_page(void)
{
	uint8_t *page;

	if (!(kernel->present & KIMAGE_HAS_HYPERCALL_PAGE))
		return;
	page = page_at((kernel->hypercall_page - kernel->virt_offset) >> PAGE_SHIFT);
	hypercall_page_fill(page);
}

static void adopt_memory(void)
{
	uint64_t first, end;

	domain.max_mfn = memory_max_mfn();
	domain.frames = page_alloc(PAGES(domain.max_mfn));
	for (unsigned i = 0; memory_next_guest_range(&i, &first, &end);) {
		memset(domain.frames + first, FRAME_GUEST, end - first);
		domain.nr_pages += end - first;
	}
	for (uint64_t m = 0; m < domain.max_mfn; m += PAGE_SIZE / sizeof(uint64_t)) {
		uint64_t *part = page_alloc(1);

		memset(part, 0xff, PAGE_SIZE);
		map_page((uint64_t)&m2p[m], va_to_ma(part), MAP_DATA);
	}
	domain.current_pages = domain.max_pages = domain.nr_pages;
}

void build_guest(const struct guest_image *image)
{
	kernel = &image->kernel;
	adopt_memory();
	lay_out(image);
	place_region(image);
	p2m = page_at(at.p2m);
	place_kernel(image);
	fill_p2m(image);
	build_tables();
	fill_hypercall_page();
	fill_start_info(image);
	fill_context();
	log_info("guest: %lu MiB, kernel at %#lx, entry %#lx, %lu page tables",
		 domain.nr_pages >> 8, kernel->pa_start, kernel->entry, at.nr_tables);
}
