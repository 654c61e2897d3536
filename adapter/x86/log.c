/* SPDX-License-Identifier: MIT */
#include "adapter/x86/log.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "adapter/seam/console.h"
#include "adapter/seam/power.h"
#include "adapter/x86/asm.h"
#include "adapter/x86/layout.h"
#include "core/fmt.h"
#include "core/string.h"

#define LINE_SIZE 256
#define RING_SIZE 65536 /* a power of two */
#define PREFIX    "xenolith: "

extern const char image_start[], text_end[]; /* adapter.lds */

enum log_level log_threshold = LOG_INFO;

/*
 * For a debugger, or for whoever reads a memory dump: the newest byte is at log_ring[(log_ring_next - 1) % 65536], and
 * the magic makes it easy to find. Several VPs may interleave lines, never bytes of a line.
 */
struct {
	char magic[16];
	uint64_t next;
	char ring[RING_SIZE];
} log_buffer; /* not initialised: 64 KiB of zeroes have no place in the file */

static void ring_put(const char *text, size_t length)
{
	static const char magic[sizeof(log_buffer.magic)] = "xenolith log 1";
	uint64_t at = __atomic_fetch_add(&log_buffer.next, length, __ATOMIC_RELAXED);

	memcpy(log_buffer.magic, magic, sizeof(magic));
	for (size_t i = 0; i < length; i++)
		log_buffer.ring[(at + i) % RING_SIZE] = text[i];
}

static size_t format_line(char line[LINE_SIZE + 16], const char *kind, const char *format,
			  va_list ap)
{
	char text[LINE_SIZE];
	size_t n;

	vfmt(text, sizeof(text), format, ap);
	n = fmt(line, LINE_SIZE + 16, PREFIX "%s%s", kind, text);
	if (n > LINE_SIZE + 14)
		n = LINE_SIZE + 14;
	line[n++] = '\n';
	line[n] = '\0';
	return n;
}

void log_line(enum log_level level, const char *format, ...)
{
	static const char *const kinds[] = {"error: ", "warning: ", "", ""};
	char line[LINE_SIZE + 16];
	va_list ap;
	size_t n;

	va_start(ap, format);
	n = format_line(line, kinds[level], format, ap);
	va_end(ap);
	ring_put(line, n);
	if (level <= log_threshold)
		console_write(line, n);
}

void refuse(const char *format, ...)
{
	char line[LINE_SIZE + 16];
	va_list ap;
	size_t n;

	va_start(ap, format);
	n = format_line(line, "refused: ", format, ap);
	va_end(ap);
	ring_put(line, n);
	console_write(line, n);
	power_off();
}

/* What the processor can still tell; the exception path shows the interrupted frame before it calls panic. */
static void show_control_registers(uint64_t params[5])
{
	params[0] = (uint64_t)__builtin_return_address(0);
	params[1] = read_cr2();
	params[2] = read_cr3();
	params[3] = 0;
	params[4] = 0;
	log_error("cr0 %016llx cr2 %016llx cr3 %016llx cr4 %016llx", (unsigned long long)read_cr0(),
		  (unsigned long long)params[1], (unsigned long long)params[2],
		  (unsigned long long)read_cr4());
}

/* What looks like a return address: the code has no frame pointers. */
static void show_stack(void)
{
	const uint64_t *sp = __builtin_frame_address(0);
	char line[LINE_SIZE] = "";
	size_t n = 0;

	/* The next page may not be mapped. */
	for (unsigned i = 0; (i == 0 || (uint64_t)sp % PAGE_SIZE) && n < 200; i++, sp++)
		if (*sp >= (uint64_t)image_start && *sp < (uint64_t)text_end)
			n += fmt(line + n, sizeof(line) - n, " %llx", (unsigned long long)*sp);
	if (n)
		log_error("stack:%s", line);
}

void panic(const char *format, ...)
{
	static int panicking;
	char line[LINE_SIZE + 16];
	uint64_t params[5];
	va_list ap;
	size_t n;

	irq_disable();
	/* A second panic, on this VP or another, would only bury the first. */
	if (__atomic_exchange_n(&panicking, 1, __ATOMIC_ACQ_REL))
		for (;;)
			asm volatile("cli; hlt");
	va_start(ap, format);
	n = format_line(line, "panic: ", format, ap);
	va_end(ap);
	ring_put(line, n);
	console_write(line, n);
	show_control_registers(params);
	params[0] = (uint64_t)__builtin_return_address(0);
	show_stack();
	power_crash(params, line, n);
}
