# SPDX-License-Identifier: MIT
"""What this machine's KVM really offers: a device node alone proves nothing."""
import fcntl
import os

CHECK_EXTENSION = 0xAE03  # _IO(KVMIO, 0x03), <linux/kvm.h>
# What the lab's partitions use, with the numbers of <linux/kvm.h>.
NEEDED = {
    "SPLIT_IRQCHIP": 121, "HYPERV": 44, "HYPERV_SYNIC2": 148, "HYPERV_VP_INDEX": 149, "HYPERV_TLBFLUSH": 155,
    "HYPERV_SEND_IPI": 161, "SYS_HYPERV_CPUID": 191,
}


def missing(device="/dev/kvm"):
    """Why KVM here cannot carry a Viridian partition; "" where it can."""
    try:
        fd = os.open(device, os.O_RDWR | os.O_CLOEXEC)
    except OSError as e:
        return "%s: %s" % (device, e.strerror)
    try:
        lacks = [name for name, number in NEEDED.items() if fcntl.ioctl(fd, CHECK_EXTENSION, number) <= 0]
    except OSError as e:
        return "%s: %s" % (device, e.strerror)
    finally:
        os.close(fd)
    return "%s lacks %s" % (device, ", ".join(lacks)) if lacks else ""
