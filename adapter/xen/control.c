/* SPDX-License-Identifier: MIT */
#include "adapter/xen/control.h"

#include "adapter/seam/clock.h"
#include "adapter/seam/control.h"
#include "adapter/x86/log.h"
#include "adapter/xen/store.h"
#include "adapter/xen/time.h"
#include "core/fmt.h"
#include "core/xs_control.h"

#define MS       1000000ull
#define TAKE_NS  (10000 * MS) /* the guest's, to take a request */
#define LOOK_NS  (20 * MS)
#define PATH_MAX 1024 /* a key of the host's is at most 768 */

static struct xs_control control;
static bool ready; /* the guest's tree stands */

/* The request in progress; VP 0 only. */
static uint64_t look_at; /* 0: none */
static uint64_t give_up_at;

/* The guest may take it on any VP, with the store locked; the answer to the host is for VP 0, unlocked, which therefore looks. */
static void taken(void *ctx)
{
	(void)ctx;
}

void control_init(void)
{
	if (xs_control_init(&control, store_enter(), GUEST_DOMID, taken, NULL))
		panic("no memory for the watch of the guest's shutdown");
	store_leave();
	ready = true;
}

uint64_t control_deadline(const struct vcpu *v)
{
	return v->id == 0 ? look_at : 0;
}

static void look_later(void)
{
	look_at = clock_now() + LOOK_NS;
	time_rearm(this_vcpu());
}

bool xen_control_shutdown(enum control_shutdown what)
{
	enum xs_shutdown word = what == CONTROL_REBOOT ? XS_SHUTDOWN_REBOOT : XS_SHUTDOWN_POWEROFF;
	bool asked;

	if (!ready || look_at)
		return false;
	store_enter();
	asked = xs_control_can(&control, word) && !xs_control_shutdown(&control, word);
	store_leave();
	if (asked) {
		give_up_at = clock_now() + TAKE_NS;
		look_later();
	}
	return asked;
}

void control_check(const struct vcpu *v, uint64_t now)
{
	bool waits;

	if (v->id || !look_at || look_at > now)
		return;
	look_at = 0;
	store_enter();
	waits = control.asked && !(now >= give_up_at && xs_control_withdraw(&control));
	store_leave();
	if (waits)
		look_later();
	else
		control_shutdown_taken(now < give_up_at);
}

void xen_control_wall_changed(void)
{
	time_set_wallclock();
}

static bool home(char path[PATH_MAX], const char *name)
{
	return ready && fmt(path, PATH_MAX, "/local/domain/%u/%s", GUEST_DOMID, name) < PATH_MAX;
}

int xen_control_read(const char *name, char *value, size_t size)
{
	char path[PATH_MAX];
	int length;

	if (!home(path, name))
		return -1;
	length = xs_local_read(store_enter(), path, value, size - 1);
	store_leave();
	if (length < 0)
		return -1;
	if ((size_t)length > size - 1)
		length = (int)size - 1;
	value[length] = '\0';
	return length;
}

bool xen_control_write(const char *name, const char *value)
{
	char path[PATH_MAX];
	struct xs_store *store;
	int rc;

	if (!home(path, name))
		return false;
	store = store_enter();
	rc = value ? xs_local_write_str(store, path, value) : xs_local_rm(store, path);
	store_leave();
	return !rc;
}

bool xen_control_child(const char *name, unsigned index, char *child, size_t size)
{
	char path[PATH_MAX];
	bool found;

	if (!home(path, name))
		return false;
	found = xs_local_child(store_enter(), path, index, child, size) >= 0;
	store_leave();
	return found;
}

void xen_control_memory(uint64_t kib)
{
	uint64_t most = domain.nr_pages << (PAGE_SHIFT - 10);

	if (!ready)
		return;
	store_enter();
	if (xs_control_memory(&control, kib < most ? kib : most))
		log_warning("no memory to tell the guest its target");
	store_leave();
}

uint64_t xen_control_memory_now(void)
{
	return domain.current_pages << (PAGE_SHIFT - 10);
}
