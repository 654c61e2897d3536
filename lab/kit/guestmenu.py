# SPDX-License-Identifier: MIT
"""What the boot image's GRUB does where it is to start the guest's own kernel.

Where the firmware shows the guest's disk, the BIOS's or UEFI's GRUB reads the guest's menu there, and `linux` and `initrd` in it give that kernel and
initramfs to the adapter: so any kernel that the adapter can unpack is started. Where the firmware shows no menu, as a BIOS shows no SCSI disks of Viridian's,
GRUB's PV build looks for it inside the guest (pvgrub.py).

A word of a menu is a command of GRUB's, loaded or loadable, and a function only where there is no such command. So `linux` and the like are struck from
the list of what could be loaded, and multiboot2, which brings `linux` along, is loaded last of all: by `initrd`, which no menu names before `linux`."""
from pathlib import Path

# By this file a disk is told to be the boot image, whatever partition or name it is found under.
MARK = "/boot/xenolith.boot-image"
MENUS = "/boot/grub /grub /boot/grub2 /grub2"
KERNEL_WORDS = ("linux", "linux16", "linuxefi")
INITRD_WORDS = ("initrd", "initrd16", "initrdefi")
# What GRUB does not load by itself when it is needed.
MODULES = "regexp diskfilter lvm mdraid09 mdraid1x".split()

KERNEL = """\
function %s {
	set kernel="$1"
	shift
	set line="$*"
}
"""
INITRD = """\
function %s {
	echo "Loading the adapter, $kernel and $* ..."
	multiboot2 ($medium)/boot/xenolith.elf $adapter_args
	module2 "$kernel" $line
	for file in "$@"; do
		module2 "$file"
	done
}
"""
# The entry that the guest has saved as its default lies beside its menu, and not where GRUB's own modules are.
FIND = """\
set medium=$root
for disk in (*); do
	for folder in %s; do
		if [ -z "$menu" -a -f "$disk$folder/grub.cfg" -a ! -f "$disk%s" ]; then
			set menu="$disk$folder"
			set home="$disk"
		fi
	done
done
if [ -n "$menu" ]; then
	echo "The guest's menu: $menu/grub.cfg"
	regexp --set=1:root '[(](.*)[)]' "$home"
	if [ -s "$menu/grubenv" ]; then
		load_env --file "$menu/grubenv" saved_entry
	fi
	export root medium adapter_args saved_entry
	configfile "$menu/grub.cfg"
fi
"""


def script(adapter_args):
    """GRUB's commands; they return where no menu is found. `adapter_args`: quoted for GRUB."""
    lines = ["insmod " + m for m in MODULES] + ["set adapter_args=%s" % adapter_args]
    functions = [KERNEL % w for w in KERNEL_WORDS] + [INITRD % w for w in INITRD_WORDS]
    return "\n".join(lines) + "\n" + "".join(functions) + FIND % (MENUS, MARK)


def commands(platform):
    """What GRUB's command.lst of that platform has to be for the functions to be found."""
    lines = Path("/usr/lib/grub", platform, "command.lst").read_text().splitlines(keepends=True)
    return "".join(line for line in lines if line.lstrip("*").split(":")[0] not in KERNEL_WORDS + INITRD_WORDS)
