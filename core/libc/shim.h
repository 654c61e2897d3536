/* SPDX-License-Identifier: MIT */
/*
 * The libc that Debian's static decompression libraries find when they are linked without one: zlib, liblzma,
 * liblz4, libzstd, libbz2 and liblzo2, as core/kimage/ calls them. mem* and str* come from core/string.c; memory
 * comes from the caller's arena through each library's own hooks, so that malloc and free stay unused; whatever
 * only compressors and file functions want is absent: it is there for the linker and fatal to call.
 *
 * What the environment must provide around kimage_unpack():
 *   - FS base at 48 readable bytes or more, which do not change: the libraries are built with the stack
 *     protector, which reads its canary at %fs:0x28.
 *   - SSE and SSE2 ready: CR0.EM = 0, CR0.TS = 0, CR4.OSFXSR = 1. xmm registers and flags are overwritten.
 *   - RFLAGS.DF = 0, and a stack that is 16-byte aligned at calls as the x86-64 psABI wants.
 *   - KIMAGE_STACK bytes of stack below the caller's frame, and no red zone below that: the libraries keep
 *     data under rsp, so an interrupt must switch stacks (IST or another ring) or be off.
 *   - the arena that kimage_payload.work_size asks for.
 */
#ifndef CORE_LIBC_SHIM_H
#define CORE_LIBC_SHIM_H

/* Measured: 3184 bytes (zstd). tests/freestanding/loader.c fails above half of this. */
#define KIMAGE_STACK 8192

/*
 * The adapter provides it: a library overran its stack frame, or called what is absent. Neither is an input's
 * fault: panic.
 */
_Noreturn void libc_shim_fatal(const char *what);

#endif
