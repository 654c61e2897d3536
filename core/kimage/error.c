/* SPDX-License-Identifier: MIT */
#include "core/kimage/internal.h"

#include "core/fmt.h"
#include "core/string.h"

enum kimage_error kimage_fail(struct kimage_fault *fault, enum kimage_error error, const char *text)
{
	*fault = (struct kimage_fault){.error = error, .at = KIMAGE_NOWHERE};
	fmt(fault->text, sizeof(fault->text), "%s", text);
	return error;
}

const char *kimage_format_name(enum kimage_format format)
{
	static const char names[KIMAGE_FORMATS][8] = {
	    [KIMAGE_PLAIN] = "plain", [KIMAGE_GZIP] = "gzip",   [KIMAGE_XZ] = "xz",
	    [KIMAGE_LZMA] = "lzma",   [KIMAGE_LZ4] = "lz4",     [KIMAGE_LZ4_LEGACY] = "lz4",
	    [KIMAGE_ZSTD] = "zstd",   [KIMAGE_BZIP2] = "bzip2", [KIMAGE_LZO] = "lzo",
	};

	return names[format];
}

static size_t explain_payload(const struct kimage_fault *f, char *buf, size_t size)
{
	const char *name = kimage_format_name(f->format);
	const char *what = f->error == KIMAGE_E_TRUNCATED ? "ends early" : "is corrupt";

	switch (f->error) {
	case KIMAGE_E_VARIANT:
		return fmt(buf, size,
			   "kernel payload: %s data uses an option that is not supported", name);
	case KIMAGE_E_BUFFER:
		return fmt(buf, size, "kernel payload: %s data does not unpack into %lu bytes",
			   name, f->have);
	case KIMAGE_E_WORK_MEMORY:
		return fmt(buf, size,
			   "kernel payload: unpacking %s data takes more than %lu bytes of memory",
			   name, f->have);
	case KIMAGE_E_LENGTH:
		return fmt(buf, size, "kernel payload: %s data unpacks to %lu bytes instead of %lu",
			   name, f->have, f->want);
	default: break;
	}
	if (f->at == KIMAGE_NOWHERE) {
		return fmt(buf, size, "kernel payload: %s data %s", name, what);
	}
	return fmt(buf, size, "kernel payload: %s data %s at byte %lu", name, what, f->at);
}

static size_t explain_xen(const struct kimage_fault *f, char *buf, size_t size)
{
	switch (f->error) {
	case KIMAGE_E_NO_XEN:
		return fmt(buf, size, "kernel has no Xen PV notes (built without CONFIG_XEN_PV?)");
	case KIMAGE_E_NOTE: return fmt(buf, size, "kernel's Xen notes: %s", f->text);
	case KIMAGE_E_XEN_VERSION:
		return fmt(buf, size, "kernel is built for Xen interface '%s', not xen-3.0",
			   f->text);
	case KIMAGE_E_LOADER:
		return fmt(buf, size, "kernel wants the loader '%s', not generic", f->text);
	case KIMAGE_E_FEATURE:
		return fmt(buf, size, "kernel requires PV feature %s, which this adapter lacks",
			   f->text);
	case KIMAGE_E_ADDRESS:
		return fmt(buf, size, "kernel's %s 0x%lx is in an impossible place", f->text,
			   f->at);
	case KIMAGE_E_PLACE:
		return fmt(buf, size, "kernel needs %lu bytes of memory, there are %lu", f->want,
			   f->have);
	default: return fmt(buf, size, "kernel image and its destination overlap");
	}
}

size_t kimage_explain(const struct kimage_fault *f, char *buf, size_t size)
{
	switch (f->error) {
	case KIMAGE_OK: return fmt(buf, size, "no error");
	case KIMAGE_E_UNKNOWN: return fmt(buf, size, "kernel is neither an ELF file nor a bzImage");
	case KIMAGE_E_TOO_BIG:
		return fmt(buf, size,
			   "kernel is larger than %u MiB, or damaged where it says how large",
			   KIMAGE_MAX_SIZE >> 20);
	case KIMAGE_E_BZIMAGE: return fmt(buf, size, "bzImage is damaged: %s", f->text);
	case KIMAGE_E_PROTOCOL:
		return fmt(buf, size,
			   "bzImage has boot protocol %lu.%02lu, which is older than 2.08",
			   f->have >> 8, f->have & 0xff);
	case KIMAGE_E_PAYLOAD:
		return fmt(buf, size,
			   "bzImage's payload has an unknown format (first bytes 0x%08lx)",
			   f->have);
	case KIMAGE_E_CORRUPT:
	case KIMAGE_E_TRUNCATED:
	case KIMAGE_E_VARIANT:
	case KIMAGE_E_BUFFER:
	case KIMAGE_E_WORK_MEMORY:
	case KIMAGE_E_LENGTH: return explain_payload(f, buf, size);
	case KIMAGE_E_NOT_ELF: return fmt(buf, size, "kernel payload is not an ELF file");
	case KIMAGE_E_32BIT: return fmt(buf, size, "32-bit PAE kernel: not supported yet");
	case KIMAGE_E_MACHINE:
		return fmt(buf, size, "kernel is for another processor (ELF machine %lu)", f->have);
	case KIMAGE_E_ELF:
		return fmt(buf, size, "kernel's ELF file is damaged: %s (header %lu)", f->text,
			   f->have);
	default: return explain_xen(f, buf, size);
	}
}
