"""A small QMP client over a unix socket.

SPDX-License-Identifier: Apache-2.0
"""

import json
import socket


class QmpError(Exception):
    """QEMU answered a command with an error, or went away."""


class Qmp:
    def __init__(self, path, timeout_s):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._socket.connect(path)
        self._file = self._socket.makefile("rb")
        self._receive()  # the greeting
        self.command("qmp_capabilities")

    def command(self, name, **arguments):
        """Runs one command and returns its result; events that arrive meanwhile are dropped."""
        message = {"execute": name, "arguments": {k.replace("_", "-"): v for k, v in arguments.items()}}
        self._socket.sendall(json.dumps(message).encode() + b"\n")
        while True:
            answer = self._receive()
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise QmpError(f"QEMU refused {name}: {answer['error'].get('desc')}")

    def close(self):
        self._file.close()
        self._socket.close()

    def _receive(self):
        try:
            line = self._file.readline()
        except TimeoutError as e:
            raise QmpError("QEMU's main loop does not answer QMP") from e
        if not line:
            raise QmpError("QEMU closed the QMP connection")
        return json.loads(line)
