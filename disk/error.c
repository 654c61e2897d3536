/* SPDX-License-Identifier: MIT */
/* Errors: a code, an errno, a file offset and a sentence. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "disk/driver.h"

static const struct {
	const char *name;
	int errnum;
} codes[] = {
    [-XD_OK] = {"no error", 0},
    [-XD_E_IO] = {"input/output error", EIO},
    [-XD_E_NOMEM] = {"out of memory", ENOMEM},
    [-XD_E_INVAL] = {"invalid request", EINVAL},
    [-XD_E_FORMAT] = {"not an image of this format", EINVAL},
    [-XD_E_CORRUPT] = {"corrupt image", EIO},
    [-XD_E_UNSUPPORTED] = {"not supported", ENOTSUP},
    [-XD_E_READONLY] = {"read-only", EROFS},
    [-XD_E_BUSY] = {"in use", EBUSY},
    [-XD_E_PARENT] = {"parent not available", ENOENT},
    [-XD_E_PARENT_CHANGED] = {"parent changed", ESTALE},
    [-XD_E_LOOP] = {"loop in the chain", ELOOP},
    [-XD_E_RANGE] = {"out of range", EINVAL},
    [-XD_E_LIMIT] = {"beyond the format's limit", EFBIG},
    [-XD_E_EXIST] = {"would overwrite", EEXIST},
    [-XD_E_CANCELLED] = {"cancelled", ECANCELED},
};

static bool known(int code)
{
	return code <= 0 && code > -(int)(sizeof(codes) / sizeof(codes[0]));
}

const char *xd_code_name(int code)
{
	return known(code) ? codes[-code].name : "unknown error";
}

int xd_code_errno(int code)
{
	return known(code) ? codes[-code].errnum : EIO;
}

int xd_fail(struct xd_error *err, enum xd_code code, uint64_t offset, const char *fmt, ...)
{
	va_list args;

	err->code = code;
	err->sys = 0;
	err->offset = offset;
	va_start(args, fmt);
	vsnprintf(err->message, sizeof(err->message), fmt, args);
	va_end(args);
	return code;
}

static enum xd_code code_of_errno(int errnum)
{
	switch (errnum) {
	case ENOMEM: return XD_E_NOMEM;
	case EROFS: return XD_E_READONLY;
	case EAGAIN:
	case EBUSY: return XD_E_BUSY;
	case EEXIST: return XD_E_EXIST;
	default: return XD_E_IO;
	}
}

int xd_fail_io(struct xd_error *err, int negative_errno, uint64_t offset, const char *doing)
{
	xd_fail(err, code_of_errno(-negative_errno), offset, "%s: %s", doing,
		strerror(-negative_errno));
	err->sys = -negative_errno;
	return err->code;
}
