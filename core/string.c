/* SPDX-License-Identifier: MIT */
/*
 * Copying and filling are one `rep movsq`/`rep stosq` and the last word once more, which overlaps it: quick on every processor, where single bytes are
 * only on those with fast string operations (ERMS, which AMD's have since Milan). The code is small, and no vector register is touched.
 */
#include "core/string.h"

#include <stdint.h>

/* Keeps the compiler from turning a loop below into a call to the very function it implements. */
#define KEEP_LOOP() __asm__ volatile("")

void *(memcpy)(void *restrict dst, const void *restrict src, size_t n)
{
	void *to = dst;
	uint64_t last;

	if (n >= sizeof(last)) {
		size_t words = n / sizeof(last);

		__builtin_memcpy(&last, (const char *)src + n - sizeof(last), sizeof(last));
		__builtin_memcpy((char *)dst + n - sizeof(last), &last, sizeof(last));
		__asm__ volatile("rep movsq" : "+D"(to), "+S"(src), "+c"(words) : : "memory");
	} else {
		__asm__ volatile("rep movsb" : "+D"(to), "+S"(src), "+c"(n) : : "memory");
	}
	return dst;
}

/* In order, so that dst may lie below src and overlap it. */
static void copy_forward(void *dst, const void *src, size_t n)
{
	size_t words = n / sizeof(uint64_t);

	n %= sizeof(uint64_t);
	__asm__ volatile("rep movsq" : "+D"(dst), "+S"(src), "+c"(words) : : "memory");
	__asm__ volatile("rep movsb" : "+D"(dst), "+S"(src), "+c"(n) : : "memory");
}

/* Backwards by words and never with the direction flag: an exception in between would inherit it. */
static void copy_backward(unsigned char *dst, const unsigned char *src, size_t n)
{
	uint64_t word;

	while (n >= sizeof(word)) {
		n -= sizeof(word);
		__builtin_memcpy(&word, src + n, sizeof(word));
		__builtin_memcpy(dst + n, &word, sizeof(word));
		KEEP_LOOP();
	}
	while (n-- > 0) {
		dst[n] = src[n];
		KEEP_LOOP();
	}
}

void *memmove(void *dst, const void *src, size_t n)
{
	/* Unsigned wrap-around makes this true also when dst lies below src. */
	if ((uintptr_t)dst - (uintptr_t)src >= n) {
		copy_forward(dst, src, n);
		return dst;
	}
	copy_backward(dst, src, n);
	return dst;
}

void *(memset)(void *dst, int byte, size_t n)
{
	uint64_t word = (uint8_t)byte * 0x0101010101010101ull;
	void *to = dst;

	if (n >= sizeof(word)) {
		size_t words = n / sizeof(word);

		__builtin_memcpy((char *)dst + n - sizeof(word), &word, sizeof(word));
		__asm__ volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(word) : "memory");
	} else {
		__asm__ volatile("rep stosb" : "+D"(to), "+c"(n) : "a"(byte) : "memory");
	}
	return dst;
}

int memcmp(const void *a, const void *b, size_t n)
{
	const unsigned char *p = a, *q = b;

	for (; n > 0; n--, p++, q++) {
		if (*p != *q) {
			return *p - *q;
		}
		KEEP_LOOP();
	}
	return 0;
}

void *memchr(const void *s, int byte, size_t n)
{
	const unsigned char *p = s;

	for (; n > 0; n--, p++) {
		if (*p == (unsigned char)byte) {
			return (void *)p;
		}
		KEEP_LOOP();
	}
	return NULL;
}

size_t strlen(const char *s)
{
	const char *end = s;

	while (*end != '\0') {
		end++;
		KEEP_LOOP();
	}
	return end - s;
}

size_t strnlen(const char *s, size_t max)
{
	size_t n = 0;

	while (n < max && s[n] != '\0') {
		n++;
		KEEP_LOOP();
	}
	return n;
}

int strncmp(const char *a, const char *b, size_t n)
{
	for (; n > 0; n--, a++, b++) {
		if (*a != *b || *a == '\0') {
			return (unsigned char)*a - (unsigned char)*b;
		}
		KEEP_LOOP();
	}
	return 0;
}

int strcmp(const char *a, const char *b)
{
	return strncmp(a, b, SIZE_MAX);
}

char *strchr(const char *s, int c)
{
	for (;; s++) {
		if (*s == (char)c) {
			return (char *)s;
		}
		if (*s == '\0') {
			return NULL;
		}
		KEEP_LOOP();
	}
}
