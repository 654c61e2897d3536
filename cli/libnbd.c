/* SPDX-License-Identifier: MIT */
#include "cli/libnbd.h"

#include <dlfcn.h>

#include "cli/cli.h"

struct libnbd libnbd;

static bool find(void *library, const char *name, void *pointer)
{
	*(void **)pointer = dlsym(library, name);
	return *(void **)pointer;
}

bool libnbd_load(void)
{
	void *library = dlopen("libnbd.so.0", RTLD_NOW);

#define FIND(name) &&find(library, "nbd_" #name, &libnbd.name)
	if (library LIBNBD_FUNCTIONS(FIND))
		return true;
	cli_complain("%s: libnbd is needed for this format", dlerror());
	return false;
}
