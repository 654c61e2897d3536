# SPDX-License-Identifier: MIT
"""QEMU's machine protocol over a byte stream that somebody else polls."""
import json


class Qmp:
    """Feed it what arrives; it answers with events and calls back with replies."""

    def __init__(self, send):
        self.send = send
        self.buffer = b""
        self.waiting = {}
        self.serial = 0
        self.greeted = False

    def command(self, name, then=None, **arguments):
        self.serial += 1
        self.waiting[self.serial] = then
        message = {"execute": name, "id": self.serial}
        if arguments:
            message["arguments"] = arguments
        self.send(json.dumps(message).encode() + b"\r\n")

    def monitor(self, line, then):
        """Runs a line of the human monitor; `then` gets its text."""
        self.command("human-monitor-command", lambda r: then(r.get("return", str(r.get("error")))),
                     **{"command-line": line})

    def feed(self, data):
        """Returns the events in `data`."""
        *lines, self.buffer = (self.buffer + data).split(b"\n")
        events = []
        for line in lines:
            try:
                message = json.loads(line)
            except ValueError:
                continue
            if "QMP" in message:
                self.greeted = True
                events.append(message)
            elif "event" in message:
                events.append(message)
            else:
                then = self.waiting.pop(message.get("id"), None)
                if then:
                    then(message)
        return events
