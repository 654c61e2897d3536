/* SPDX-License-Identifier: MIT */
/*
 * Text formatting without libc: the subset of C's snprintf that a hypervisor's messages need.
 *
 *   %[-0#][WIDTH][.PRECISION][h|hh|l|ll|z|j|t]{d,i,u,x,X,c,s,p,%}     WIDTH and PRECISION may be '*'
 *
 * It prints what C's function prints, byte for byte, with two exceptions: %p is always 0x and hex digits
 * (0x0 for a null pointer), and a null string prints as "(null)" whatever the precision. A conversion
 * outside the subset is printed as it stands and ends the output, because the type of its argument is
 * unknown; the format attribute makes the compiler reject most such calls.
 */
#ifndef CORE_FMT_H
#define CORE_FMT_H

#include <stdarg.h>
#include <stddef.h>

/*
 * Writes at most size bytes to buf, the terminating NUL included (always there unless size is 0, when buf
 * may be NULL). Returns the length of the whole text without NUL: >= size means that it was cut.
 */
size_t fmt(char *buf, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
size_t vfmt(char *buf, size_t size, const char *format, va_list ap)
    __attribute__((format(printf, 3, 0)));

#endif
