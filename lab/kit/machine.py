# SPDX-License-Identifier: MIT
"""Runs one partition: its processes, its console, and how it ended."""
import os
import re
import selectors
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from . import appliance, beside, hosts
from .paths import LAB, LabError
from .qmp import Qmp
from .script import Script

POWERED_OFF, REBOOTED, CRASHED, REFUSED, TIMED_OUT = 0, 10, 20, 30, 124
TRIPLE_FAULT = "triple fault"
# Seconds without a byte on the console after which nothing more is expected of a partition that has ended.
SETTLE = 0.5
# What the adapter says on the console when it will not start a guest.
REFUSAL = b"xenolith: refused: "
# Seconds that the lab's own start may take on a loaded machine, before the partition's time begins.
START_LIMIT = 300
# A UART's FIFO is 16 bytes; a guest that reads them one by one keeps up with this many bytes per tick.
INPUT_CHUNK, INPUT_TICK = 16, 0.02


def sweep():
    """Removes the files of runs that were killed."""
    for left in LAB.glob("run.*"):
        if not Path("/proc", left.name.split(".")[1]).exists():
            shutil.rmtree(left, ignore_errors=True)


class Machine:
    def __init__(self, spec, console=None):
        self.spec = spec
        self.console_out = console or sys.stdout.buffer
        self.host = hosts.make(spec.host)
        self.status = None
        self.cause = ""
        self.log = b""
        self.console_tail = b""
        self.refused = False
        self.fed = False
        self.input = b""
        self.began = time.monotonic()
        self.deadline = self.began + START_LIMIT
        self.started = False
        self.selector = selectors.DefaultSelector()
        self.process = None
        self.beside = []
        self.pending = 0

    def say(self, text):
        print("lab: " + text, file=sys.stderr, flush=True)

    # Starting

    def _stream(self, handler):
        ours, theirs = socket.socketpair()
        self.selector.register(ours, selectors.EVENT_READ, handler)
        return ours, theirs

    def _spawn(self, directory):
        spec = self.spec
        _, log = self._stream(self._on_log)
        self.console, console = self._stream(self._on_console)
        # One stream more: QMP where the host speaks it, else the shell beside the host.
        self.qmp_socket, qmp = self._stream(self._on_qmp if self.host.has_qmp else self._on_shell)
        self.qmp = Qmp(self.qmp_socket.sendall)
        self.script = Script(spec.on, self.qmp_socket.sendall, self._show_bytes)
        streams = (log, console, qmp)
        log_dev, console_dev, qmp_dev = ("socket,fd=%d" % s.fileno() for s in streams)
        stdin, stdout = subprocess.DEVNULL, log
        if spec.accel == "nested":
            inner = self.host.argv(spec, spec.inside, "serial,path=/dev/ttyS1", "serial,path=/dev/ttyS2")
            initrd = Path(directory) / "initrd"
            appliance.write_initrd(initrd, appliance.initramfs(self.host), spec.files,
                                   appliance.job(spec, self.host, inner))
            argv = appliance.argv(spec, initrd, log_dev, console_dev, qmp_dev)
        else:
            if spec.before:
                subprocess.run(["sh", spec.files["before"]], stdin=subprocess.DEVNULL, stdout=console, stderr=console)
            spec.disk_folder = directory
            argv = self.host.argv(spec, lambda name: str(spec.files[name]), console_dev, qmp_dev)
            if not self.host.has_qmp:
                stdin = stdout = console
                self.beside = beside.start(spec, self.host, qmp)
        if spec.verbose:
            self.say(" ".join(argv))
        self.process = subprocess.Popen(argv, stdin=stdin, stdout=stdout, stderr=log, start_new_session=True,
                                        env=beside.environment(spec, self.host), pass_fds=[s.fileno() for s in streams],
                                        preexec_fn=beside.die_with_parent)
        for s in streams:
            s.close()

    def _start_clock(self):
        self.started = True
        if self.spec.verbose:
            self.say("the partition started after %.1f s" % (time.monotonic() - self.began))
        self.deadline = time.monotonic() + self.spec.timeout

    # What arrives

    def _on_log(self, data):
        self.log += data
        if self.spec.verbose:
            sys.stderr.buffer.write(data)
            sys.stderr.flush()
        m = re.search(rb"lab: host-exit (\d+)\s", self.log)
        if m:
            self._host_ended(int(m.group(1)))

    def _host_ended(self, code):
        if self.status is not None:
            return
        if self.host.has_qmp:
            raise LabError("the host ended by itself (%d)" % code)
        self._end(code, "by the host's word")

    def _on_console(self, data):
        if not self.host.has_qmp and not self.started:
            self._start_clock()
        self._show_bytes(data)
        self.script.saw(data)
        self.console_tail = (self.console_tail + data)[-65536:]
        self.refused = self.refused or REFUSAL in self.console_tail
        marker = self.spec.input_after
        if not self.fed and (marker is None or marker.encode() in self.console_tail):
            self.fed = True
            self._open_input()

    def _show_bytes(self, data):
        self.console_out.write(data)
        self.console_out.flush()

    def _on_shell(self, data):
        self.script.answered(data)

    def _on_qmp(self, data):
        for event in self.qmp.feed(data):
            if "QMP" in event:
                self.qmp.command("qmp_capabilities")
                if not self.spec.gdb:
                    self.qmp.command("cont")
                self._start_clock()
            elif event["event"] == "GUEST_PANICKED":
                self._end(CRASHED, "crash: %s" % event["data"].get("info", event["data"]))
            elif event["event"] == "SHUTDOWN":
                self._on_shutdown(event["data"]["reason"])

    def _on_shutdown(self, reason):
        if reason == "guest-shutdown":
            self._end(POWERED_OFF, reason)
        elif reason == "guest-panic":
            self._end(CRASHED, reason)
        elif reason == "guest-reset":
            # A triple fault is reported as a reset too, but the processor is then in its reset state.
            self.qmp.monitor("info registers", self._on_reset)
        else:
            raise LabError("the host stopped the partition: %s" % reason)

    def _on_reset(self, registers):
        if re.search(r"[ER]IP=0*fff0\b", registers):
            self._end(CRASHED, TRIPLE_FAULT)
        else:
            self._end(REBOOTED, "guest-reset")

    def _end(self, status, cause):
        if self.status is None:
            self.status, self.cause = (REFUSED, "refused") if self.refused and status != TIMED_OUT else (status, cause)

    # Input for the guest's console

    def _open_input(self):
        if self.spec.input == "-":
            self.selector.register(sys.stdin.buffer, selectors.EVENT_READ, self._on_stdin)
        elif self.spec.input:
            self.input += Path(self.spec.input).read_bytes()

    def _on_stdin(self, data):
        self.input += data

    def _feed(self):
        chunk, self.input = self.input[:INPUT_CHUNK], self.input[INPUT_CHUNK:]
        self.console.sendall(chunk)

    # The loop

    def _step(self):
        limit = max(0.0, self.deadline - time.monotonic())
        tick = INPUT_TICK if self.input else limit
        for key, _ in self.selector.select(min(limit, tick)):
            data = os.read(key.fd, 65536)
            if data:
                key.data(data)
            else:
                self.selector.unregister(key.fileobj)
                if key.fileobj is not sys.stdin.buffer:
                    self._stream_ended()
        if self.input:
            self._feed()

    def _stream_ended(self):
        """The host's process closed a stream: it is ending. Let the other streams drain first."""
        if any(k.fileobj is not sys.stdin.buffer for k in self.selector.get_map().values()):
            return
        code = self.process.wait()
        if self.spec.accel == "nested" and self.status is None:
            raise LabError("L1's machine ended by itself (%d)" % code)
        self._host_ended(code)

    def _post_mortem(self):
        """Shows where the partition's processors are, and what --monitor asked for. Our own host says that by itself."""
        if self.status == CRASHED and (not self.host.has_qmp or self.cause == TRIPLE_FAULT) and not self.spec.verbose:
            self._show_log()
        lines = self.spec.monitor + (["info registers -a"] if self.status in (CRASHED, TIMED_OUT) else [])
        if not (self.host.has_qmp and self.started and lines):
            return
        self.qmp.command("stop")
        for line in lines:
            self.pending += 1
            self.qmp.monitor(line, self._show)
        self.deadline = time.monotonic() + 20
        while self.pending and time.monotonic() < self.deadline:
            self._step()

    def _show_log(self):
        print("\n".join(self.log.decode(errors="replace").splitlines()[-40:]), file=sys.stderr, flush=True)

    def _show(self, text):
        self.pending -= 1
        text = text.replace("\r", "")
        if not self.spec.registers and text.startswith("\nCPU#"):
            text = "\n".join(re.findall(r"CPU#\d+|^RIP=.*|^[CS]S =.*|^CR0=.*", text, re.M))
        print(text, file=sys.stderr, flush=True)

    def _loop(self):
        while self.status is None:
            if time.monotonic() >= self.deadline:
                if not self.started:
                    raise LabError("the lab did not start within %d s" % START_LIMIT)
                self._end(TIMED_OUT, "timed out after %d s" % self.spec.timeout)
            else:
                self._step()
        if self.status != TIMED_OUT:
            self._settle()
        self._post_mortem()

    def _settle(self):
        """The console's last bytes may come after the news of the end, which took another way."""
        self.deadline = time.monotonic() + SETTLE  # what bounds a step's wait
        seen = self.console_tail
        while time.monotonic() < self.deadline and self.selector.get_map():
            self._step()
            if self.console_tail is not seen:
                seen, self.deadline = self.console_tail, time.monotonic() + SETTLE
        if self.refused and self.status != TIMED_OUT:
            self.status, self.cause = REFUSED, "refused"

    def run(self):
        """Returns the exit status."""
        LAB.mkdir(parents=True, exist_ok=True)
        sweep()
        directory = tempfile.mkdtemp(prefix="run.%d." % os.getpid(), dir=LAB)
        try:
            self._spawn(directory)
            self._loop()
        except LabError as e:
            tail = self.log.decode(errors="replace").strip().splitlines()[-15:]
            raise LabError("\n  ".join([str(e)] + tail)) from None
        finally:
            for process in [self.process] * bool(self.process) + self.beside:
                try:
                    os.killpg(process.pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
                process.wait()
            shutil.rmtree(directory, ignore_errors=True)
        return self.status
