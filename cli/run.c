/* SPDX-License-Identifier: MIT */
#include "cli/run.h"

#include "cli/cli.h"
#include "cli/adapter_path.h"
#include "cli/disk_argument.h"
#include "host/console.h"
#include "host/control.h"
#include "host/machine.h"
#include "host/ring.h"
#include "host/sandbox.h"
#include "host/say.h"

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define EXIT_OFF     0
#define EXIT_REFUSED 2
#define EXIT_TROUBLE 3
#define EXIT_RESET   10
#define EXIT_CRASH   20
#define EXIT_KILLED  130

#define MIB            (1ull << 20)
#define MEMORY_DEFAULT (512 * MIB)

static const char help[] =
    "Usage: xenolith run --kernel FILE [option]…\n"
    "Starts a guest in a Viridian partition; its console is this terminal, Ctrl-] leaves and ends "
    "it.\n"
    "\n"
    "      --kernel FILE         the guest's kernel: a bzImage, or an ELF file with a PVH entry\n"
    "      --initrd FILE         its initial RAM disk\n"
    "      --append STRING       its command line\n"
    "      --native              start the kernel as a Hyper-V guest, not through the adapter\n"
    "      --adapter FILE        the adapter (default: the one that came with this program)\n"
    "      --adapter-append S    the adapter's own command line\n"
    "      --name NAME           what list, console, shutdown … call it (default guest-PID)\n"
    "      --cpus N              virtual processors, 1 to 64 (default 1)\n"
    "      --memory SIZE[,max=SIZE]\n"
    "                            32M to 64G; a number alone is MiB (default 512M); max: what "
    "xenolith memory\n"
    "                            can add while it runs\n"
    "      --disk FILE[,ro][,ide][,format=raw|vhd|vhdx]\n"
    "                            a disk; its format goes by the file's name unless it is given\n"
    "      --cdrom FILE          a DVD\n"
    "      --net user[,hostfwd=tcp:ADDRESS:PORT-GUEST:PORT]… | tap=INTERFACE | none\n"
    "                            a network adapter; user needs no rights: DHCP, DNS, 10.0.2.0/24\n"
    "      --no-reboot           end with status 10 where the guest resets\n"
    "      --on-crash poweroff|reset|pause|keep\n"
    "                            what becomes of a guest that crashes: it ends with status 20 "
    "(default), starts\n"
    "                            again, stays as it is to be looked at, or goes on by itself\n"
    "  -v, --verbose             say what the host does\n"
    "  -h, --help\n"
    "\n"
    "Exit status: 0 the guest powered off, 10 it reset (--no-reboot), 20 it crashed, 2 nothing was "
    "started,\n"
    "3 the host failed, 130 ended from here.\n";

struct options {
	struct machine_config machine;
	unsigned disks, ide_disks;
	bool native;
	bool no_reboot;
};

enum {
	OPT_KERNEL = 256,
	OPT_INITRD,
	OPT_APPEND,
	OPT_NATIVE,
	OPT_ADAPTER,
	OPT_ADAPTER_APPEND,
	OPT_NAME,
	OPT_CPUS,
	OPT_MEMORY,
	OPT_DISK,
	OPT_CDROM,
	OPT_NET,
	OPT_NO_REBOOT,
	OPT_ON_CRASH,
};

static const struct option table[] = {
    {"kernel", required_argument, NULL, OPT_KERNEL},
    {"initrd", required_argument, NULL, OPT_INITRD},
    {"append", required_argument, NULL, OPT_APPEND},
    {"native", no_argument, NULL, OPT_NATIVE},
    {"adapter", required_argument, NULL, OPT_ADAPTER},
    {"adapter-append", required_argument, NULL, OPT_ADAPTER_APPEND},
    {"name", required_argument, NULL, OPT_NAME},
    {"cpus", required_argument, NULL, OPT_CPUS},
    {"memory", required_argument, NULL, OPT_MEMORY},
    {"disk", required_argument, NULL, OPT_DISK},
    {"cdrom", required_argument, NULL, OPT_CDROM},
    {"net", required_argument, NULL, OPT_NET},
    {"no-reboot", no_argument, NULL, OPT_NO_REBOOT},
    {"on-crash", required_argument, NULL, OPT_ON_CRASH},
    {"verbose", no_argument, NULL, 'v'},
    {"help", no_argument, NULL, 'h'},
    {0},
};

static int parse_cpus(const char *text, unsigned *cpus)
{
	char *end;
	unsigned long number = strtoul(text, &end, 10);

	if (*end || number < 1 || number > MACHINE_MAX_CPUS) {
		return say_error("--cpus %s: a number from 1 to %u", text, MACHINE_MAX_CPUS);
	}
	*cpus = (unsigned)number;
	return 0;
}

static int parse_name(struct machine_config *machine, const char *name)
{
	if (!control_valid_name(name)) {
		return say_error("--name %s: up to %u letters, digits and -_. are expected", name,
				 CONTROL_NAME_MAX - 1);
	}
	machine->name = name;
	return 0;
}

static bool parse_memory_size(const char *text, uint64_t *memory)
{
	if (!cli_read_memory(text, memory)) {
		return false;
	}
	*memory &= ~(MIB - 1);
	return *memory >= MACHINE_LEAST_MEMORY && *memory <= MACHINE_MOST_MEMORY;
}

/* SIZE[,max=SIZE] */
static int parse_memory(struct machine_config *machine, char *text)
{
	const char *size = strsep(&text, ",");
	bool good = parse_memory_size(size, &machine->memory);

	machine->memory_most = machine->memory;
	if (good && text) {
		good = strncmp(text, "max=", 4) == 0 &&
		       parse_memory_size(text + 4, &machine->memory_most) &&
		       machine->memory_most >= machine->memory;
	}
	return good ? 0
		    : say_error("--memory %s%s%s: a size from 32M to 64G, then perhaps ,max= and a "
				"larger one",
				size, text ? "," : "", text ? text : "");
}

/* `value` is an argument of the program and is cut at its commas. */
static int parse_disk(struct options *options, char *value, bool cdrom)
{
	struct machine_disk disk = {
	    .path = value, .format = XD_FORMAT_RAW, .read_only = true, .cdrom = true};
	unsigned place;

	if (!cdrom && disk_argument(&disk, value) < 0) {
		return -1;
	}
	if (disk.ide && options->ide_disks == MACHINE_MAX_IDE) {
		return say_error("--disk: at most %u IDE disks", MACHINE_MAX_IDE);
	}
	if (!disk.ide && options->disks == MACHINE_MAX_LUNS) {
		return say_error("--disk: at most %u disks", MACHINE_MAX_LUNS);
	}
	place = disk.ide ? MACHINE_MAX_LUNS + options->ide_disks++ : options->disks++;
	options->machine.disk[place] = disk;
	return 0;
}

static int parse_on_crash(const char *text, enum crash_policy *policy)
{
	static const char *const names[] = {[CRASH_POWER_OFF] = "poweroff",
					    [CRASH_RESET] = "reset",
					    [CRASH_PAUSE] = "pause",
					    [CRASH_KEEP] = "keep"};

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(names[i], text) == 0) {
			*policy = (enum crash_policy)i;
			return 0;
		}
	}
	return say_error("--on-crash %s: poweroff, reset, pause or keep is expected", text);
}

static int parse_net(struct machine_config *machine, char *value)
{
	unsigned index = 0;

	if (strcmp(value, "none") == 0) {
		return 0;
	}
	while (index < MACHINE_MAX_NETS && machine->net[index].kind != NET_NONE) {
		index++;
	}
	if (index == MACHINE_MAX_NETS) {
		return say_error("--net: at most %u adapters", MACHINE_MAX_NETS);
	}
	if (!machine_net_parse(&machine->net[index], value)) {
		return say_error("--net: user, with at most %u times hostfwd=…, tap=INTERFACE or "
				 "none is expected",
				 MACHINE_MAX_FORWARDS);
	}
	return 0;
}

static int take(struct options *options, int option, char *value)
{
	struct boot_files *files = &options->machine.files;

	switch (option) {
	case OPT_KERNEL: files->kernel = value; return 0;
	case OPT_INITRD: files->initrd = value; return 0;
	case OPT_APPEND: files->command_line = value; return 0;
	case OPT_NATIVE: options->native = true; return 0;
	case OPT_ADAPTER: files->adapter = value; return 0;
	case OPT_ADAPTER_APPEND: files->adapter_command_line = value; return 0;
	case OPT_NAME: return parse_name(&options->machine, value);
	case OPT_CPUS: return parse_cpus(value, &options->machine.cpus);
	case OPT_MEMORY: return parse_memory(&options->machine, value);
	case OPT_DISK: return parse_disk(options, value, false);
	case OPT_CDROM: return parse_disk(options, value, true);
	case OPT_NET: return parse_net(&options->machine, value);
	case OPT_NO_REBOOT: options->no_reboot = true; return 0;
	case OPT_ON_CRASH: return parse_on_crash(value, &options->machine.on_crash);
	case 'v': say_set_verbose(1); return 0;
	default: return -1; /* getopt has told */
	}
}

static int parse(struct options *options, int argc, char **argv)
{
	int option;

	while ((option = getopt_long(argc, argv, "vh", table, NULL)) != -1) {
		if (option == 'h') {
			fputs(help, stdout);
			exit(EXIT_OFF);
		}
		if (take(options, option, optarg) < 0) {
			return -1;
		}
	}
	if (optind < argc) {
		return say_error("%s: an option is expected; see xenolith run --help",
				 argv[optind]);
	}
	if (!options->machine.files.kernel) {
		return say_error("--kernel is missing; see xenolith run --help");
	}
	if (options->native) {
		options->machine.files.adapter = NULL;
	}
	return 0;
}

/* A child disk's parents are opened again after each reset, so they are found out now. */
static bool allow_parents(struct sandbox *sandbox, const struct machine_disk *disk)
{
	const struct xd_open how = {
	    .path = disk->path, .format = disk->format, .flags = XD_OPEN_NO_LOCK};
	struct xd_image *image, *parent;
	bool good = true;

	if (disk->format == XD_FORMAT_RAW || xd_open_with(&how, &image, NULL) < 0) {
		return true; /* opening it for the guest will say what is wrong */
	}
	for (parent = xd_get_parent(image); parent && good; parent = xd_get_parent(parent)) {
		good = sandbox_allow(sandbox, xd_get_path(parent), false, false);
	}
	xd_close(image, NULL);
	return good;
}

static int enter_sandbox(const struct machine_config *machine)
{
	static struct sandbox sandbox;
	char folder[CONTROL_FOLDER_MAX];
	bool good;

	if (control_folder(folder, sizeof(folder), true) < 0) {
		return -1;
	}
	good = sandbox_allow(&sandbox, machine->files.adapter, false, false) &&
	       sandbox_allow(&sandbox, machine->files.kernel, false, false) &&
	       sandbox_allow(&sandbox, machine->files.initrd, false, false) &&
	       sandbox_allow(&sandbox, folder, false, true) &&
	       sandbox_allow(&sandbox, "/etc/resolv.conf", false, false);
	for (unsigned i = 0; i < MACHINE_MAX_DISKS && good; i++) {
		const struct machine_disk *disk = &machine->disk[i];

		good =
		    !disk->path || (sandbox_allow(&sandbox, disk->path, !disk->read_only, false) &&
				    allow_parents(&sandbox, disk));
	}
	for (unsigned i = 0; i < MACHINE_MAX_NETS && good; i++) {
		if (machine->net[i].kind == NET_TAP) {
			sandbox.needs_net_admin = true;
			good = sandbox_allow(&sandbox, "/dev/net/tun", true, false);
		}
	}
	return good ? sandbox_enter(&sandbox) : say_error("too many files");
}

static int status_of(enum outcome outcome)
{
	switch (outcome) {
	case OUTCOME_POWER_OFF: return EXIT_OFF;
	case OUTCOME_RESET: return EXIT_RESET;
	case OUTCOME_CRASH: return EXIT_CRASH;
	case OUTCOME_KILLED: return EXIT_KILLED;
	case OUTCOME_REFUSED: return EXIT_REFUSED;
	default: return EXIT_TROUBLE;
	}
}

/* Each connection of the guest's network is a file here: with many of them the control socket must still be heard. */
static void allow_many_files(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
		limit.rlim_cur = limit.rlim_max > 2 * CONTROL_KEPT ? limit.rlim_max - CONTROL_KEPT
								   : limit.rlim_max;
		setrlimit(RLIMIT_NOFILE, &limit);
	}
}

/* All lives of the guest. What the sandbox does not let be made is made before. */
static enum outcome run_in_sandbox(struct options *options, struct kvm *kvm)
{
	struct machine_config *machine = &options->machine;
	enum outcome outcome = OUTCOME_REFUSED;
	bool again = false;

	allow_many_files();
	machine->ring = ring_create();
	machine->output = console_open_output();
	signal(SIGPIPE, SIG_IGN); /* a peer of the guest's connections may close at any moment */
	vcpu_install_kick();
	if (enter_sandbox(machine) == 0) {
		do {
			outcome = machine_run(machine, kvm);
			if (again && outcome == OUTCOME_REFUSED) {
				outcome = OUTCOME_FAILED;
			}
			again = true;
		} while ((outcome == OUTCOME_RESET && !options->no_reboot) ||
			 (outcome == OUTCOME_CRASH && machine->on_crash == CRASH_RESET));
	}
	ring_destroy(machine->ring);
	return outcome;
}

int cli_run(int argc, char **argv)
{
	static char adapter[PATH_MAX];
	struct options options = {
	    .machine = {.files = {.adapter = adapter,
				  .adapter_command_line = "",
				  .command_line = ""},
			.cpus = 1,
			.memory = MEMORY_DEFAULT,
			.memory_most = MEMORY_DEFAULT},
	};
	char name[CONTROL_NAME_MAX], program[PATH_MAX] = "";
	enum outcome outcome;
	struct kvm kvm;

	if (readlink("/proc/self/exe", program, sizeof(program) - 1) > 0) {
		adapter_path(program, adapter);
	}
	snprintf(name, sizeof(name), "guest-%d", (int)getpid());
	options.machine.name = name;
	if (parse(&options, argc, argv) < 0) {
		return EXIT_REFUSED;
	}
	if (kvm_open(&kvm) < 0) {
		return EXIT_REFUSED;
	}
	options.machine.control = control_listen(options.machine.name);
	outcome = options.machine.control < 0 ? OUTCOME_REFUSED : run_in_sandbox(&options, &kvm);
	if (options.machine.control >= 0) {
		control_unlisten(options.machine.control, options.machine.name);
	}
	kvm_close(&kvm);
	return status_of(outcome);
}
