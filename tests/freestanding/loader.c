/* SPDX-License-Identifier: MIT */
/*
 * core/kimage and the decompressors as the adapter links them, without libc, run as a Linux process: it proves that
 * the link holds and that core/libc/shim.h tells the truth about what the environment must provide. Prints TAP.
 */
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <stdint.h>

#include "core/fmt.h"
#include "core/libc/shim.h"
#include "core/string.h"
#include "tests/fixtures/kimage.h"

#define STACK_SIZE 65536
#define PAINT      0xa5
#define ROOM       (1 << 20)
#define WORK_MAX   (64 << 20)

static unsigned char stack[STACK_SIZE] __attribute__((aligned(4096)));
static unsigned char image[ROOM], work[WORK_MAX] __attribute__((aligned(16)));
static uint64_t fs_page[512]; /* the canary at 0x28 may be 0 */

static long syscall3(long number, long a, long b, long c)
{
	long result;

	__asm__ volatile("syscall"
			 : "=a"(result)
			 : "a"(number), "D"(a), "S"(b), "d"(c)
			 : "rcx", "r11", "memory");
	return result;
}

static void say(const char *text)
{
	syscall3(__NR_write, 1, (long)text, strlen(text));
}

static _Noreturn void quit(int status)
{
	for (;;) {
		syscall3(__NR_exit_group, status, 0, 0);
	}
}

_Noreturn void libc_shim_fatal(const char *what)
{
	say("Bail out! ");
	say(what);
	say("\n");
	quit(1);
}

/* Calls body(arg) on a stack that ends at top. */
void call_on_stack(void (*body)(void *), void *arg, void *top);
__asm__("call_on_stack:\n"
	"	push %rbx\n"
	"	mov %rsp, %rbx\n"
	"	mov %rdx, %rsp\n"
	"	mov %rdi, %rax\n"
	"	mov %rsi, %rdi\n"
	"	call *%rax\n"
	"	mov %rbx, %rsp\n"
	"	pop %rbx\n"
	"	ret\n");

struct job {
	const struct fixture *fixture;
	size_t size; /* of the file: the whole fixture or less */
	enum kimage_error error;
	bool same;
};

static void load(void *arg)
{
	struct job *job = arg;
	struct kimage_payload p;
	struct kimage_fault fault;
	struct bump arena = {.base = work, .size = WORK_MAX};
	struct kimage k;
	size_t len;

	job->error = kimage_probe(job->fixture->start, job->size, &p, &fault);
	if (job->error == KIMAGE_OK) {
		arena.size = p.work_size < WORK_MAX ? p.work_size : WORK_MAX;
		job->error = kimage_unpack(&p, image, ROOM, &arena, &len, &fault);
	}
	if (job->error == KIMAGE_OK) {
		job->same =
		    len == fixture_size(&fixtures[0]) && memcmp(image, fixtures[0].start, len) == 0;
		job->error = kimage_parse(image, len, &k, &fault);
	}
	if (job->error == KIMAGE_OK) {
		job->error = kimage_check(&k, 1, &fault);
	}
}

/* Runs the job on the painted stack; returns how much of that it used. */
static size_t run(struct job *job)
{
	size_t untouched = 0;

	memset(stack, PAINT, sizeof(stack));
	call_on_stack(load, job, stack + sizeof(stack));
	while (untouched < sizeof(stack) && stack[untouched] == PAINT) {
		untouched++;
	}
	return sizeof(stack) - untouched;
}

static unsigned int test_number, failures;

static void result(bool good, const char *what, const char *name, size_t used)
{
	char line[200];

	failures += !good;
	fmt(line, sizeof(line), "%sok %u - %s %s\n# %zu bytes of stack\n", good ? "" : "not ",
	    ++test_number, name, what, used);
	say(line);
}

static _Noreturn __attribute__((used)) void run_all(void)
{
	char line[32];

	syscall3(__NR_arch_prctl, ARCH_SET_FS, (long)fs_page, 0);
	fmt(line, sizeof(line), "1..%zu\n", 2 * FIXTURES);
	say(line);
	for (size_t i = 0; i < FIXTURES; i++) {
		struct job whole = {.fixture = &fixtures[i], .size = fixture_size(&fixtures[i])};
		struct job cut = {.fixture = &fixtures[i], .size = whole.size / 2};
		size_t used = run(&whole);

		result(whole.error == KIMAGE_OK && whole.same && used <= KIMAGE_STACK / 2,
		       "loads without libc", fixtures[i].name, used);
		used = run(&cut);
		result(cut.error != KIMAGE_OK && used <= KIMAGE_STACK / 2,
		       "is refused when it is cut", fixtures[i].name, used);
	}
	quit(failures > 0);
}

void _start(void);
__asm__(".global _start\n"
	"_start:\n"
	"	and $-16, %rsp\n"
	"	call run_all\n");
