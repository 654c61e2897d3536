/* SPDX-License-Identifier: MIT */
/*
 * libnbd, loaded when it is first needed: it brings two dozen libraries along, which would be most of what starting a guest
 * costs, and only conversions from and to other formats use it.
 */
#ifndef CLI_LIBNBD_H
#define CLI_LIBNBD_H

#include <libnbd.h>
#include <stdbool.h>

#define LIBNBD_FUNCTIONS(use)                                                            \
	use(add_meta_context) use(block_status) use(can_meta_context) use(close)         \
	    use(connect_systemd_socket_activation) use(create) use(flush) use(get_errno) \
		use(get_error) use(get_size) use(pread) use(pwrite) use(shutdown)

#define LIBNBD_POINTER(name) __typeof__(nbd_##name) *name;
struct libnbd {
	LIBNBD_FUNCTIONS(LIBNBD_POINTER)
};
#undef LIBNBD_POINTER

extern struct libnbd libnbd;

/* Before the first use of `libnbd`. False with a message where the library is not there. */
bool libnbd_load(void);

#endif
