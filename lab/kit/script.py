# SPDX-License-Identifier: MIT
"""What is done on the host's side while the guest runs: TEXT=COMMAND lines, each waiting for its text on the console.

The commands go to a shell beside the host, in L1 or here, which answers each with its output and its status.
"""
import re

from .paths import LabError

# The shell: a line in, its output and a line with its status out.
SHELL = 'while read -r line; do eval "$line" 2>&1 </dev/null; echo "lab: status $?"; done'
STATUS = re.compile(rb"^lab: status (\d+)\r?\n", re.M)


class Script:
    """Feed it the console and the shell's answers; it calls `send` with command lines and `show` with text."""

    def __init__(self, steps, send, show):
        self.steps = [self._step(s) for s in steps]
        self.send, self._show = send, show
        self.last = b"\n"
        self.console = self.answer = b""
        self.running = False

    @staticmethod
    def _step(text):
        marker, equals, command = text.partition("=")
        if not (marker and equals and command):
            raise LabError("--on %s: TEXT=COMMAND is expected" % text)
        return marker.encode(), command

    def show(self, line):
        """A line of its own, even where the guest is in the midst of one."""
        self._show((b"" if self.last == b"\n" else b"\n") + line)
        self.last = b"\n"

    def saw(self, data):
        """The guest wrote `data`. Each text is looked for behind the one before."""
        self.last = data[-1:]
        if self.steps:
            self.console += data
            self._go_on()

    def _go_on(self):
        if self.running or not self.steps:
            return
        marker, command = self.steps[0]
        at = self.console.find(marker)
        if at < 0:
            self.console = self.console[-len(marker):]
            return
        self.console = self.console[at + len(marker):]
        self.steps.pop(0)
        self.running = True
        self.show(b"host$ " + command.encode() + b"\n")
        self.send(command.encode() + b"\n")

    def answered(self, data):
        self.answer += data
        m = STATUS.search(self.answer)
        if not m:
            return
        for line in self.answer[:m.start()].splitlines():
            self.show(b"host: " + line + b"\n")
        if m.group(1) != b"0":
            self.show(b"host: status " + m.group(1) + b"\n")
        self.answer = self.answer[m.end():]
        self.running = False
        self._go_on()
