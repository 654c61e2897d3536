/* SPDX-License-Identifier: MIT */
#include "core/options_adapter.h"

#define MIB 0x100000ull
#define GIB 0x40000000ull

#define OPTIONS struct adapter_options

const struct option adapter_option_table[] = {
    {"loglevel", OPTION_IS_ENUM(OPTIONS, loglevel, "error", "warning", "info", "debug"),
     .help = "what reaches the console; the log ring keeps everything (default: info)"},
    {"console", OPTION_IS_ENUM(OPTIONS, console, "com1", "none"),
     .help = "where the adapter and the guest's console write (default: com1)"},
    {"vcpus", OPTION_IS_UINT(OPTIONS, vcpus, 1, 64),
     .help = "the guest's virtual processors (default: as many as the partition has)"},
    {"ring", OPTION_IS_UINT(OPTIONS, ring, 1, 1),
     .help = "the privilege level of the guest's kernel"},
    {"xpti", OPTION_IS_ENUM(OPTIONS, xpti, "auto", "on", "off"),
     .help = "processes run on the guest's user page tables: on, or where the processor needs it "
	     "(default: auto)"},
    {"no-hv", OPTION_IS_TEXT(OPTIONS, no_hv),
     .help = "Viridian features to do without, separated by commas"},
    {"crash", OPTION_IS_ENUM(OPTIONS, crash, "reset", "off", "halt"),
     .help = "what follows a crash of the guest or the adapter (default: reset)"},
    {"clocksource", OPTION_IS_ENUM(OPTIONS, clocksource, "auto", "guest"),
     .help = "auto: a Linux that names none is told to use the TSC, where that is invariant "
	     "(default: auto)"},
    {"blkfront", OPTION_IS_ENUM(OPTIONS, blkfront, "auto", "guest"),
     .help = "auto: a Linux that says nothing of it is told to send its disks requests of up to "
	     "256 KiB "
	     "(default: auto)"},
    {"disks", OPTION_IS_TEXT(OPTIONS, disks),
     .help = "places of the disks that are to be xvda, xvdb and so on, separated by commas: "
	     "scsi:CONTROLLER:LUN, or ide:CONTROLLER:UNIT on a generation 1 machine; the others "
	     "follow (default: disks before CD-ROMs, IDE before SCSI)"},
    {"boot-image", OPTION_IS_ENUM(OPTIONS, boot_image, "hidden", "shown"),
     .help = "whether the guest sees the disk or CD-ROM that is the adapter's boot image "
	     "(default: hidden)"},
    {"mem", OPTION_IS_SIZE(OPTIONS, mem, 32 * MIB, 1024 * GIB),
     .help = "memory that the guest gets at most (default: all there is)"},
    {"mtu", OPTION_IS_UINT(OPTIONS, mtu, 68, 9000),
     .help = "what the guest's interfaces carry, where the host agrees (default: 1500)"},
};
const size_t adapter_option_count = sizeof(adapter_option_table) / sizeof(adapter_option_table[0]);

bool adapter_options_parse(const char *line, struct adapter_options *o, char *error, size_t size)
{
	*o = (struct adapter_options){.loglevel = OPT_LOG_INFO, .ring = 1, .mtu = 1500};
	return options_parse(adapter_option_table, adapter_option_count, line, o, error, size);
}
