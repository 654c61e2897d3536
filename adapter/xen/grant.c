/* SPDX-License-Identifier: MIT */
#include "adapter/xen/grant.h"

#include "adapter/x86/log.h"
#include "adapter/x86/traps.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/vcpu.h"

/* Long lists let waiting interrupts in now and then: other VPs may be waiting for this one to flush. */
#define WINDOW_EVERY 512

#define PIN_PAGES \
	(GNTTAB_MAX_FRAMES * GNTTAB_REFS_PER_FRAME * sizeof(struct gnttab_pin) / PAGE_SIZE)

struct gnttab grant_table;

static void *env_alloc(void *ctx, uint64_t *m)
{
	void *page = page_alloc(1);

	(void)ctx;
	*m = va_to_ma(page) >> PAGE_SHIFT;
	return page;
}

static void *env_page(void *ctx, uint64_t m)
{
	(void)ctx;
	return frame_is_guests(m) ? mfn_to_va(mfn(m)) : NULL;
}

static const struct gnttab_env env = {.alloc = env_alloc, .page = env_page};

void grant_init(void)
{
	const struct gnttab_config config = {
	    .env = &env,
	    .domid = GUEST_DOMID,
	    .max_frames = GNTTAB_MAX_FRAMES,
	    .pins = page_alloc(PIN_PAGES),
	};

	if (gnttab_init(&grant_table, &config))
		panic("no memory for the grant table");
}

/* Two operations answer with a list of frames; all such structures end in the guest's pointer for it. */
static void copy_list(void *op, const struct gnttab_list *list, uint32_t cmd)
{
	struct gnttab_setup_table *setup = op;
	gnttab_get_status_frames_t *status = op;
	bool is_setup = cmd == GNTTABOP_setup_table;
	void *to = is_setup ? (void *)setup->frame_list.p : (void *)status->frame_list.p;

	if (!list->nr || copy_to_guest(to, list->mfn, list->nr * sizeof(*list->mfn)))
		return;
	if (is_setup)
		setup->status = GNTST_bad_virt_addr;
	else
		status->status = GNTST_bad_virt_addr;
}

static long run_one(const struct gnttab_op_row *row, uint32_t cmd, void *guest)
{
	_Alignas(8) uint8_t op[GNTTAB_OP_ARG_MAX];
	struct gnttab_list list = {0};
	long rc;

	if (!copy_from_guest(op, guest, row->arg_size))
		return -XEN_EFAULT;
	rc = row->run(&grant_table, op, &list);
	copy_list(op, &list, cmd);
	return copy_to_guest(guest, op, row->arg_size) ? rc : -XEN_EFAULT;
}

long do_grant_table_op(uint32_t cmd, void *arg, uint32_t count)
{
	const struct gnttab_op_row *row = gnttab_op_row(cmd);

	if (!row)
		return -XEN_ENOSYS;
	if ((int32_t)count < 0 || (row->single && count != 1))
		return -XEN_EINVAL;
	for (uint32_t i = 0; i < count; i++) {
		long rc = run_one(row, cmd, (char *)arg + (uint64_t)i * row->arg_size);

		if (rc)
			return rc;
		if (i % WINDOW_EVERY == WINDOW_EVERY - 1)
			vcpu_window();
	}
	return 0;
}
