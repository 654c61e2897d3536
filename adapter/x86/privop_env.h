/* SPDX-License-Identifier: MIT */
#ifndef XENOLITH_X86_PRIVOP_ENV_H
#define XENOLITH_X86_PRIVOP_ENV_H

#include "adapter/x86/privop.h"

/* The emulator's view of the current VP; the context is its struct vp. */
extern const struct privop_ops privop_env;

#endif
