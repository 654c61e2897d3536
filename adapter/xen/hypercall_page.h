/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_XEN_HYPERCALL_PAGE_H
#define XENOLITH_XEN_HYPERCALL_PAGE_H

/* Fills the guest's page of hypercall stubs. */
void hypercall_page_fill(void *page);

#endif
