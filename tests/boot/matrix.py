# SPDX-License-Identifier: MIT
"""Boots kernels on partitions of several shapes; each must pass the userland's checks and power off."""
import re

from labtest import POWERED_OFF, Tap, lab, selected


def name(shape):
    return "%s, %d CPUs, %d MiB: the userland's checks pass and it powers off" % shape


def good(result, cpus, memory):
    found = re.search(r"userland: (\d+) CPUs, (\d+) KiB", result.out)
    return (result.code == POWERED_OFF and result.failures() == [] and found and int(found.group(1)) == cpus and
            int(found.group(2)) > memory * 1024 * 3 // 5)


def run(shapes):
    tap = Tap()
    wanted = selected([name(s) for s in shapes])
    for shape in shapes:
        if name(shape) in wanted:
            kernel, cpus, memory = shape
            result = lab("--kernel", kernel, "--cpus", cpus, "--memory", memory, seconds=240)
            tap.report(name(shape), good(result, cpus, memory), result)
    tap.finish()
