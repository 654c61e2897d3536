/* SPDX-License-Identifier: MIT */
/*
 * Every hypercall, with arguments and memory that a guest may have put together with malice: it is answered, nothing outside of the
 * guest's memory is touched, L4s keep the adapter's slots and the kernel's half closed, and what is nobody's stays so.
 *
 * The input is the guest's memory first and then calls, 8 bytes each: the number, three bytes that say what the first three
 * arguments are, and four bytes that these are made of.
 */
#include <assert.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "adapter/seam/clock.h"
#include "adapter/seam/console.h"
#include "adapter/seam/power.h"
#include "adapter/seam/vps.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/log.h"
#include "adapter/x86/paging.h"
#include "adapter/x86/traps.h"
#include "adapter/x86/user_l4.h"
#include "adapter/xen/console.h"
#include "adapter/xen/domain.h"
#include "adapter/xen/handlers.h"
#include "adapter/xen/hypercalls.h"
#include "adapter/xen/mmu.h"
#include "adapter/xen/time.h"
#include "adapter/xen/upcall.h"

/* Frames of the machine; the first are the adapter's, and so are the last. */
#define FRAMES      36
#define GUEST_FROM  4
#define GUEST_END   34
#define GUEST_BYTES ((GUEST_END - GUEST_FROM) * PAGE_SIZE)
#define ARGUMENTS \
	12 /* the first guest frame that the input fills; those below are its page tables */
#define VCPUS      3
#define ABSENT     2                 /* the vCPU whose VP did not start */
#define GUEST_VA   0x220000000000ull /* where the guest has its memory mapped */
#define PATTERN    0xa5
#define SLOT_VALUE 0x123000ull /* what paging_install puts into an L4 */

typedef long hypercall_t(uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t);
extern hypercall_t *const hypercall_table[HYPERCALLS_NR];

struct domain domain;
struct vp *world_vp;
static struct vp vps[VCPUS];
static struct guest_trap traps[VCPUS][256];
static uint8_t frames[FRAMES];
static struct shared_info shared;
static uint64_t now;
static size_t typed; /* bytes that wait on the machine's console */
static jmp_buf ended;

static uint8_t *machine(void)
{
	return (uint8_t *)DIRECT_VIRT;
}

/* Guest virtual addresses and machine addresses are two windows on the same bytes. */
static uint8_t *behind(uint64_t address, size_t bytes)
{
	uint64_t all = FRAMES * PAGE_SIZE;

	if (address >= GUEST_VA && address - GUEST_VA <= GUEST_BYTES &&
	    bytes <= GUEST_BYTES - (address - GUEST_VA))
		return machine() + GUEST_FROM * PAGE_SIZE + (address - GUEST_VA);
	if (address >= DIRECT_VIRT && address - DIRECT_VIRT <= all &&
	    bytes <= all - (address - DIRECT_VIRT))
		return machine() + (address - DIRECT_VIRT);
	return NULL;
}

bool world_load(uint64_t *to, uint64_t from)
{
	const uint8_t *p = behind(from, sizeof(*to));

	if (p)
		memcpy(to, p, sizeof(*to));
	return p;
}

bool world_store(uint64_t to, uint64_t value)
{
	uint8_t *p = behind(to, sizeof(value));

	if (p)
		memcpy(p, &value, sizeof(value));
	return p;
}

static bool guests(uint64_t address, size_t bytes)
{
	return address >= GUEST_VA && behind(address, bytes);
}

/* One side is the adapter's own memory; whichever names a window of the guest's must lie in it whole. */
long guest_copy(void *to, const void *from, size_t bytes)
{
	uint64_t t = (uint64_t)to, f = (uint64_t)from;
	bool in = t >> 40 != GUEST_VA >> 40 && guests(f, bytes);
	bool out = f >> 40 != GUEST_VA >> 40 && guests(t, bytes);

	if (!bytes)
		return 0;
	if (in)
		memcpy(to, behind(f, bytes), bytes);
	else if (out)
		memcpy(behind(t, bytes), from, bytes);
	return in || out ? 0 : -1;
}

/* The world outside: whatever the calls ask of it succeeds and is forgotten. */
void world_interrupt(void)
{
	now += 1000000;
	for (unsigned i = 0; i < VCPUS; i++)
		vps[i].info->evtchn_upcall_pending = 1;
	/* A vCPU that went down is brought up again. */
	atomic_store(&domain.vcpus[world_vp->id].state, VCPU_UP);
}

#define NOTHING(name, ...)     \
	void name(__VA_ARGS__) \
	{                      \
	}
#pragma GCC diagnostic ignored "-Wunused-parameter"
NOTHING(kick, cpumask_t vps_)
NOTHING(tlb_flush, cpumask_t vps_)
NOTHING(tlb_flush_page, cpumask_t vps_, uint64_t va)
NOTHING(timer_arm, uint64_t deadline)
NOTHING(timer_disarm, void)
NOTHING(vp_spin_hint, void)
NOTHING(vp_set_gdt, struct vp *vp, const uint64_t *f, unsigned pages)
NOTHING(vp_set_ldt, struct vp *vp, const uint64_t *f, unsigned entries)
NOTHING(vp_mask_changed, struct vp *vp)
NOTHING(vp_gets_processes, unsigned id)
NOTHING(idt_open, unsigned vector)
NOTHING(time_update, struct vcpu *v)
NOTHING(time_refresh, struct vcpu *v)
NOTHING(time_rearm, struct vcpu *v)
NOTHING(user_l4_install, uint64_t *l4)

bool vp_about_to_wait(void)
{
	return false;
}

NOTHING(vp_catch_up, struct vp *vp)

bool user_l4_on;

void runstate_change(struct vcpu *v, int state)
{
	v->runstate.state = state;
}

unsigned vps_self(void)
{
	return world_vp->id;
}

uint64_t clock_now(void)
{
	return now;
}

uint64_t paging_root(void)
{
	return 0;
}

bool load_gs_user(uint16_t selector)
{
	return selector != 1;
}

void paging_install(uint64_t *l4)
{
	for (unsigned i = SLOT_FIRST; i <= SLOT_LAST; i++)
		l4[i] = SLOT_VALUE + i;
}

long do_set_timer_op(uint64_t deadline)
{
	domain.vcpus[world_vp->id].singleshot = deadline;
	return 0;
}

_Noreturn void power_off(void)
{
	longjmp(ended, 1);
}

_Noreturn void power_reset(void)
{
	longjmp(ended, 1);
}

_Noreturn void power_crash(const uint64_t params[5], const char *message, size_t length)
{
	longjmp(ended, 1);
}

_Noreturn void guest_enter(const struct frame *f)
{
	abort();
}

void log_line(enum log_level level, const char *format, ...)
{
}

static long elsewhere(void)
{
	return -XEN_ENOSYS;
}

/* What has fuzzers of its own, in core/. For the console's ring it is the moment to look, as when its channel is notified. */
long do_event_channel_op(uint32_t cmd, void *arg)
{
	xen_console_input();
	return elsewhere();
}

long do_event_channel_op_compat(void *op)
{
	return elsewhere();
}

long do_grant_table_op(uint32_t cmd, void *arg, uint32_t count)
{
	return elsewhere();
}

void console_write(const char *text, size_t length)
{
	static uint8_t sum;

	for (size_t i = 0; i < length; i++)
		sum += (uint8_t)text[i];
	/* So that the reads are not left out. */
	asm volatile("" : : "r"(sum));
}

size_t console_read(char *buffer, size_t size)
{
	size_t n = size < typed ? size : typed;

	memset(buffer, 'k', n);
	typed -= n;
	return n;
}

void panic(const char *format, ...)
{
	abort();
}

_Noreturn void guest_crash(const struct frame *f, const char *why)
{
	longjmp(ended, 1);
}

static void map_once(uint64_t at, size_t bytes)
{
	void *p = mmap((void *)at, bytes, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);

	if (p != (void *)at)
		abort();
}

static uint64_t *table(unsigned frame)
{
	return (uint64_t *)(machine() + frame * PAGE_SIZE);
}

static bool of_guest(unsigned m)
{
	return m >= GUEST_FROM && m < GUEST_END;
}

/* The adapter's frames are all one byte, so that a change shows. */
static void fill_adapter(void)
{
	memset(machine(), PATTERN, GUEST_FROM * PAGE_SIZE);
	memset(machine() + GUEST_END * PAGE_SIZE, PATTERN, (FRAMES - GUEST_END) * PAGE_SIZE);
}

/* L4, L3, L2 and L1 in the guest's first frames map all that it has at GUEST_VA. */
static void build_tables(void)
{
	const uint64_t flags = PTE_P | PTE_W;

	for (unsigned level = 4; level > 1; level--)
		table(GUEST_FROM + 4 - level)[table_slot(GUEST_VA, level)] =
		    (uint64_t)(GUEST_FROM + 5 - level) << PAGE_SHIFT | flags;
	for (unsigned m = GUEST_FROM; m < GUEST_END; m++)
		table(GUEST_FROM + 3)[m - GUEST_FROM] = (uint64_t)m << PAGE_SHIFT | flags;
}

#define PORTS 64

static void kick_nobody(void *ctx, unsigned vcpu)
{
	assert(vcpu < VCPUS);
}

static void set_up_events(void)
{
	static const struct evtchn_env env = {.kick = kick_nobody};
	static struct evtchn_vcpu vcpus[VCPUS];
	static struct evtchn_port ports[PORTS];
	static struct evtchn_internal internals[1];
	const struct evtchn_config config = {
	    .env = &env,
	    .domid = GUEST_DOMID,
	    .guest_bits = 64,
	    .shared_info = &shared,
	    .vcpus = vcpus,
	    .nr_vcpus = VCPUS,
	    .ports = ports,
	    .nr_ports = PORTS,
	    .internals = internals,
	    .nr_internals = 1,
	};

	memset(vcpus, 0, sizeof(vcpus));
	memset(ports, 0, sizeof(ports));
	evtchn_init(&domain.evtchn, &config);
}

static void set_up(const uint8_t *data, size_t size)
{
	static bool mapped;

	if (!mapped) {
		map_once(DIRECT_VIRT, FRAMES * PAGE_SIZE);
		map_once(M2P_VIRT, PAGE_SIZE);
		mapped = true;
	}
	memset(machine(), 0, FRAMES * PAGE_SIZE);
	fill_adapter();
	memcpy(machine() + ARGUMENTS * PAGE_SIZE, data, size);
	memset(&shared, 0, sizeof(shared));
	memset(&domain, 0, sizeof(domain));
	memset(vps, 0, sizeof(vps));
	for (unsigned m = 0; m < FRAMES; m++)
		frames[m] = of_guest(m) ? FRAME_GUEST : 0;
	domain.shared_info = &shared;
	domain.frames = frames;
	domain.max_mfn = FRAMES;
	domain.nr_pages = GUEST_END - GUEST_FROM;
	domain.current_pages = GUEST_END - GUEST_FROM;
	domain.max_pages = GUEST_END - GUEST_FROM;
	domain.nr_vcpus = VCPUS;
	for (unsigned i = 0; i < VCPUS; i++) {
		vps[i].id = i;
		vps[i].info = &shared.vcpu_info[i];
		vps[i].vcpu = &domain.vcpus[i];
		vps[i].traps = traps[i];
		domain.vcpus[i].vp = &vps[i];
		domain.vcpus[i].id = i;
		domain.vcpus[i].state = i == ABSENT ? VCPU_ABSENT : i ? VCPU_DOWN : VCPU_UP;
		domain.vcpus[i].initialised = i == ABSENT;
	}
	set_up_events();
	build_tables();
	typed = 5000;
	console_init((void *)(machine() + (ARGUMENTS + 1) * PAGE_SIZE));
	for (unsigned i = VCPUS; i-- > 0;) {
		world_vp = &vps[i];
		assert(mmu_load_l4(GUEST_FROM));
	}
}

static uint64_t argument(uint8_t kind, uint32_t w)
{
	static const uint64_t bad[] = {0,
				       8,
				       0x8000000000000000,
				       0xffff830000000000,
				       0xffff7ffffffffff8,
				       ~0ull - 7,
				       GUEST_VA + GUEST_BYTES - 8,
				       M2P_VIRT};

	switch (kind % 8) {
	case 0: return w % 64;
	case 1: return w;
	case 2: return GUEST_VA + w % GUEST_BYTES;
	case 3: return (uint64_t)(w % FRAMES) << PAGE_SHIFT | (w >> 8 & 0xff8) | (kind >> 3 & 3);
	case 4: return bad[w % 8];
	case 5: return DOMID_SELF;
	case 6: return (uint64_t)(int32_t)w;
	default: return w % FRAMES;
	}
}

static void restore_l4s(void)
{
	for (unsigned m = GUEST_FROM; m < GUEST_END; m++)
		if (frames[m] & FRAME_L4) {
			paging_install(table(m));
			for (unsigned i = SLOT_LAST + 1; i < 512; i++)
				table(m)[i] &= ~PTE_U;
		}
}

static void check_l4s(void)
{
	for (unsigned m = GUEST_FROM; m < GUEST_END; m++)
		for (unsigned i = SLOT_FIRST; frames[m] & FRAME_L4 && i < 512; i++)
			assert(i <= SLOT_LAST ? table(m)[i] == SLOT_VALUE + i
					      : !(table(m)[i] & PTE_U));
}

static void check_frames(void)
{
	unsigned guests_ = 0;

	for (unsigned m = 0; m < FRAMES; m++) {
		if (!of_guest(m)) {
			assert(!frames[m]);
			continue;
		}
		assert(frames[m] == FRAME_FREE || frames[m] & FRAME_GUEST);
		guests_ += frame_is_guests(m);
	}
	assert(guests_ == domain.current_pages);
}

/* One byte all over: the frame is what it is shifted by one. */
static void check_pattern(unsigned first, unsigned end)
{
	const uint8_t *p = machine() + first * PAGE_SIZE;

	assert(*p == PATTERN && !memcmp(p, p + 1, (end - first) * PAGE_SIZE - 1));
}

static void check_adapter(void)
{
	check_pattern(0, GUEST_FROM);
	check_pattern(GUEST_END, FRAMES);
}

/* A mapping is changed where the guest's own tables lead, wherever that is: the partition is the boundary (docs/architecture.md). */
static bool follows_tables(unsigned nr)
{
	return nr == __HYPERVISOR_update_va_mapping ||
	       nr == __HYPERVISOR_update_va_mapping_otherdomain || nr == __HYPERVISOR_multicall;
}

static void call(const uint8_t *c)
{
	unsigned nr = c[0] % HYPERCALLS_NR;
	uint64_t a1, a2, a3;
	bool watch_l4s;
	uint32_t w;
	long result;

	memcpy(&w, c + 4, sizeof(w));
	world_vp = &vps[c[0] >> 7];
	a1 = argument(c[1], w), a2 = argument(c[2], w >> 3), a3 = argument(c[3], w >> 5);
	/* Where it is told to report into an L4 it does. */
	watch_l4s = nr == __HYPERVISOR_mmu_update && !guests(a3, 4);
	if (watch_l4s)
		restore_l4s();
	result = hypercall_table[nr](a1, a2, a3, w & 15 ? DOMID_SELF : w >> 8, w, w);
	assert(nr == __HYPERVISOR_get_debugreg || result > -4096);
	if (watch_l4s)
		check_l4s();
	check_frames();
	/* Who waited for it to come up would wait for ever. */
	assert(do_vcpu_op(VCPUOP_up, ABSENT, NULL) == -XEN_ENOENT);
	assert(domain.vcpus[ABSENT].state == VCPU_ABSENT);
	if (follows_tables(nr))
		fill_adapter();
	else
		check_adapter();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t memory = size < 2 ? 0 : (data[0] | data[1] << 8) % (8 * PAGE_SIZE);

	if (size < 2)
		return 0;
	data += 2, size -= 2;
	memory = memory < size ? memory : size;
	set_up(data, memory);
	if (setjmp(ended))
		return 0;
	for (data += memory, size -= memory; size >= 8; data += 8, size -= 8)
		call(data);
	return 0;
}
