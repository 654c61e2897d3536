# SPDX-License-Identifier: MIT
"""GRUB's build for Xen PV as the guest's kernel: it finds the guest's own menu on the guest's own disk and starts what that
names. So nothing outside the guest knows its kernel, and kernels that the guest updates are started."""
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from .paths import LabError

HOME = Path("/usr/lib/grub/x86_64-xen")
# All that a menu may ask for and that reaches a disk: a guest's own modules may be another version's, or for a BIOS.
MODULES = """memdisk tar normal configfile legacycfg search search_fs_file search_fs_uuid search_label part_gpt part_msdos ext2 xfs btrfs
    fat iso9660 f2fs jfs reiserfs squash4 lvm mdraid09 mdraid1x diskfilter linux gzio xzio lzopio zstd test regexp
    loadenv echo sleep minicmd ls cat halt reboot probe true lsxen""".split()
# As pygrub does: GRUB 2's menu, then GRUB 1's; in / or, where /boot is a file system of its own, there.
CONFIG = """\
for menu in /boot/grub/grub.cfg /grub/grub.cfg /boot/grub2/grub.cfg /grub2/grub.cfg; do
	if search --no-floppy --file --set=root $menu; then
		regexp --set=1:prefix '(.*)/grub.cfg' "($root)$menu"
		export root prefix
		echo "The guest's menu: ($root)$menu"
		configfile ($root)$menu
	fi
done
for menu in /boot/grub/menu.lst /grub/menu.lst; do
	if search --no-floppy --file --set=root $menu; then
		export root
		legacy_configfile ($root)$menu
	fi
done
echo "No menu of GRUB's on any disk of the guest:"
ls
halt
"""


def make(out):
    if not shutil.which("grub-mkimage") or not HOME.is_dir():
        raise LabError("GRUB for Xen is missing: install grub-common and grub-xen-bin")
    with tempfile.TemporaryDirectory() as scratch:
        # What is read first knows no "if", so it starts what does, on a disk inside the image.
        early, config, disk = (Path(scratch, name) for name in ("early.cfg", "start.cfg", "memdisk.tar"))
        early.write_text("normal (memdisk)/start.cfg\n")
        config.write_text(CONFIG)
        with tarfile.open(disk, "w", format=tarfile.USTAR_FORMAT) as tar:
            tar.add(config, config.name)
        done = subprocess.run(["grub-mkimage", "-O", "x86_64-xen", "-c", str(early), "-m", str(disk), "-p", "(memdisk)/",
                               "-o", str(out), *MODULES], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True)
    if done.returncode:
        raise LabError("grub-mkimage: " + done.stdout.strip())
    return out
