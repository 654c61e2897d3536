/* SPDX-License-Identifier: MIT */
/*
 * What a process keeps that runs a hostile guest: the files named to it, its sockets, KVM. Entered once, before any thread
 * and before the guest's first instruction; it cannot be left.
 *
 * Three layers, each as far as the kernel has it: no new privileges and no capabilities, Landlock for files, seccomp for
 * system calls.
 */
#ifndef HOST_SANDBOX_H
#define HOST_SANDBOX_H

#include <stdbool.h>

#define SANDBOX_MAX_PATHS 512u

struct sandbox {
	unsigned paths;
	struct {
		char *path; /* owned */
		bool write;
		bool folder; /* what is in it may be removed, and nothing else */
	} path[SANDBOX_MAX_PATHS];
	bool needs_net_admin; /* a tap interface is opened again after each reset */
};

/* Copies the path; NULL is fine. False where there are too many, or no memory. */
bool sandbox_allow(struct sandbox *sandbox, const char *path, bool write, bool folder);
/* 0, or -1 with a message where a layer that the kernel has refuses. Frees the paths. */
int sandbox_enter(struct sandbox *sandbox);

#endif
