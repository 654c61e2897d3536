# SPDX-License-Identifier: MIT
"""What runs beside our own host on this machine, where there is no L1: disks, a web server, a shell for commands."""
import ctypes
import os
import signal
import socket
import subprocess
import sys

from . import script
from .paths import LabError


def die_with_parent():
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG, <linux/prctl.h>


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def environment(spec, host):
    """Of the host's programs, for scripts that call our command and name the guest."""
    return dict(os.environ, PATH="%s:%s" % (host.binary.parent, os.environ["PATH"]), GUEST=spec.guest_name)


def start(spec, host, shell):
    """Makes the disks and returns the processes; `shell` is the socket of the one for commands."""
    env = environment(spec, host)
    lines = "set -e\n" + "".join(d.prepare(spec.disk_folder, False) for d in spec.disks)
    done = subprocess.run(["sh", "-c", lines], env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        raise LabError(done.stdout.strip())
    commands = []
    if spec.serve:
        commands.append(([sys.executable, "-m", "http.server", str(spec.serve_port), "--bind", "127.0.0.1",
                          "--directory", spec.serve], subprocess.DEVNULL))
    if spec.on:
        commands.append((["sh", "-c", script.SHELL], shell))
    return [subprocess.Popen(argv, stdin=stdio, stdout=stdio, stderr=subprocess.DEVNULL, env=env,
                             start_new_session=True, preexec_fn=die_with_parent) for argv, stdio in commands]
