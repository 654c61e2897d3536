/* SPDX-License-Identifier: MIT */
#include "tests/guest/pv/kit/device.h"

static grant_entry_v1_t table[GRANT_REFS] PAGE_ALIGNED;
grant_entry_v1_t *const grants = table;

_Static_assert(sizeof(table) == GRANT_FRAMES * PAGE_SIZE, "version 1");

void grants_init(void)
{
	uint64_t frames[GRANT_FRAMES];
	struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = GRANT_FRAMES};

	setup.frame_list.p = frames;
	if (hypercall3(__HYPERVISOR_grant_table_op, GNTTABOP_setup_table, &setup, 1) ||
	    setup.status != GNTST_okay)
		error("no grant table: %d", setup.status);
	for (unsigned i = 0; i < GRANT_FRAMES; i++) {
		if (set_l1_entry(&table[i * 512], frames[i] * PAGE_SIZE | PTE_P | PTE_W,
				 UVMF_INVLPG))
			error("frame %u of the grant table cannot be mapped", i);
	}
}

void grant_frame(grant_ref_t ref, uint64_t mfn, domid_t domid, uint16_t flags)
{
	grants[ref].frame = (uint32_t)mfn;
	grants[ref].domid = domid;
	__atomic_store_n(&grants[ref].flags, flags, __ATOMIC_RELEASE);
}

void grant(grant_ref_t ref, const void *page)
{
	grant_frame(ref, va_to_mfn(page), 0, GTF_permit_access);
}

bool grant_in_use(grant_ref_t ref)
{
	return __atomic_load_n(&grants[ref].flags, __ATOMIC_ACQUIRE) & (GTF_reading | GTF_writing);
}

bool grant_end(grant_ref_t ref)
{
	uint16_t old = __atomic_load_n(&grants[ref].flags, __ATOMIC_ACQUIRE);

	do {
		if (old & (GTF_reading | GTF_writing))
			return false;
	} while (!__atomic_compare_exchange_n(&grants[ref].flags, &old, 0, false, __ATOMIC_SEQ_CST,
					      __ATOMIC_ACQUIRE));
	return true;
}
