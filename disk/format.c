/* SPDX-License-Identifier: MIT */
/* The table of formats, and the names of things. */
#include <string.h>
#include <strings.h>

#include "disk/format.h"

static const struct xd_driver *const drivers[] = {
    [XD_FORMAT_RAW] = &xd_raw_driver,
    [XD_FORMAT_VHD] = &xd_vhd_driver,
    [XD_FORMAT_VHDX] = &xd_vhdx_driver,
};

#define DRIVERS (sizeof(drivers) / sizeof(drivers[0]))

static const char *const format_names[] = {"any", "raw", "vhd", "vhdx"};
static const char *const type_names[] = {"fixed", "dynamic", "differencing"};
static const char *const profile_names[] = {"none", "azure", "hyperv", "xenserver"};

const char *xd_format_name(enum xd_format format)
{
	return format_names[format];
}

const char *xd_type_name(enum xd_type type)
{
	return type_names[type];
}

enum xd_format xd_format_by_name(const char *name)
{
	for (int i = XD_FORMAT_RAW; i <= XD_FORMAT_VHDX; i++)
		if (!strcasecmp(name, format_names[i]))
			return i;
	return strcasecmp(name, "vpc") ? XD_FORMAT_ANY : XD_FORMAT_VHD;
}

enum xd_profile xd_profile_by_name(const char *name)
{
	for (int i = XD_PROFILE_AZURE; i <= XD_PROFILE_XENSERVER; i++)
		if (!strcasecmp(name, profile_names[i]))
			return i;
	return XD_PROFILE_NONE;
}

const struct xd_driver *xd_driver_for(enum xd_format format)
{
	return (size_t)format < DRIVERS ? drivers[format] : NULL;
}

int xd_driver_probe(const struct xd_io *io, const struct xd_driver **driver, struct xd_error *err)
{
	const struct xd_driver *found = NULL;

	for (size_t i = XD_FORMAT_VHD; i < DRIVERS; i++) {
		bool yes = false;
		int r = drivers[i] ? drivers[i]->probe(io, &yes, err) : 0;

		if (r)
			return r;
		/* A VHDX's payload may end it, and a fixed VHD's data begins it: one of the two marks is a guest's. */
		if (yes && found)
			return xd_fail(err, XD_E_FORMAT, XD_NO_OFFSET,
				       "looks like both %s and %s: name the format",
				       xd_format_name(found->format),
				       xd_format_name(drivers[i]->format));
		if (yes)
			found = drivers[i];
	}
	*driver = found ? found : &xd_raw_driver;
	return 0;
}
