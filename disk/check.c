/* SPDX-License-Identifier: MIT */
/* Checks: the driver looks, this counts and passes on. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "disk/driver.h"

static void count(struct xd_check_report *report, const struct xd_finding *finding)
{
	uint64_t *const counters[] = {
	    [XD_NOTE] = &report->notes,
	    [XD_WARNING] = &report->warnings,
	    [XD_ERROR] = &report->errors,
	};

	++*counters[finding->severity];
	report->repaired += finding->repaired;
}

void xd_found(struct xd_checker *checker, enum xd_severity severity, enum xd_mend mend,
	      const char *what, uint64_t offset, const char *fmt, ...)
{
	char message[512];
	struct xd_finding finding = {
	    .severity = severity,
	    .what = what,
	    .offset = offset,
	    .repaired = mend == XD_MEND_DONE,
	    .repairable = mend != XD_MEND_NO,
	    .message = message,
	};
	va_list args;

	va_start(args, fmt);
	vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	count(checker->report, &finding);
	if (checker->fn)
		checker->fn(checker->ctx, &finding);
}

int xd_check(struct xd_image *image, uint32_t flags, xd_finding_fn fn, void *ctx,
	     struct xd_check_report *report, struct xd_error *err)
{
	struct xd_error unused;
	struct xd_check_report own;
	struct xd_checker checker = {
	    .repair = flags & XD_CHECK_REPAIR,
	    .from_copy = flags & XD_CHECK_FROM_COPY,
	    .fn = fn,
	    .ctx = ctx,
	    .report = report ? report : &own,
	};
	int r;

	err = err ? err : &unused;
	memset(checker.report, 0, sizeof(*checker.report));
	if (checker.repair && !(image->flags & XD_OPEN_WRITE))
		return xd_fail(err, XD_E_READONLY, XD_NO_OFFSET, "opened read-only");
	xd_alone_begin(image);
	r = image->driver->check(image, &checker, err);
	xd_alone_end(image);
	return r;
}
