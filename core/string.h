/* SPDX-License-Identifier: MIT */
/*
 * The mem* and str* functions that core/ and the adapter use. Hosted builds take libc's; freestanding
 * builds link core/string.c, whose functions have the names and the promises that C gives them (the
 * compiler emits calls to the first four on its own).
 */
#ifndef CORE_STRING_H
#define CORE_STRING_H

#ifdef XENOLITH_HOSTED
#include <string.h>
#else
#include <stddef.h>

void *memcpy(void *restrict dst, const void *restrict src, size_t n);
void *memmove(void *dst, const void *src, size_t n);
void *memset(void *dst, int byte, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *s, int byte, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
char *strchr(const char *s, int c);

/* So that the compiler puts few bytes in place itself, which it does not of its own accord in freestanding code. */
#ifndef memcpy
#define memcpy(dst, src, n)  __builtin_memcpy(dst, src, n)
#define memset(dst, byte, n) __builtin_memset(dst, byte, n)
#endif
#endif

#endif
