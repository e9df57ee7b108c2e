"""A session of launcher, sidecar and backend, as a container has it, for the machines of tests/e2e.

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import subprocess

from . import process
from .backends import Missing


class SidecarSession:
    """Used like a backend: its socket is the session's; `prefix` starts the launcher (a cgroup, limits)."""
    name = "sidecar"

    def __init__(self, prefix=(), arguments=()):
        self.bin = os.environ.get("RENDERCAR_BIN", "")
        self.prefix, self.arguments, self.folder = list(prefix), list(arguments), None
        if not os.access(os.path.join(self.bin, "rendercar-launcher"), os.X_OK):
            raise Missing(f"RENDERCAR_BIN ('{self.bin}') has no rendercar-launcher; build it")

    def command(self, socket_path, virgl):
        self.folder = os.path.dirname(socket_path)
        session = os.path.basename(socket_path).removesuffix(".sock")
        return self.prefix + [
            f"{self.bin}/rendercar-launcher", f"{self.bin}/rendercar-sidecar", "--share=hand-0", "--render-node=software",
            f"--session-dir={self.folder}", f"--socket-dir={self.folder}", f"--control-socket={self.folder}/control.sock",
            "--metrics-address=off", f"--create-session={session}", "--resolution=640x480",
        ] + ([] if virgl else ["--no-3d"]) + self.arguments

    def ctl(self, *arguments):
        """rendercarctl, ended."""
        return subprocess.run([f"{self.bin}/rendercarctl", f"--socket={self.folder}/control.sock", *arguments],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def session(self):
        """The session as rendercarctl tells it; None while nobody answers."""
        done = self.ctl("sessions", "get", "gpu", "-o", "json")
        return json.loads(done.stdout) if done.returncode == 0 else None


def named(below, name):
    """The processes below `below` whose program is `name`."""
    found = []
    for pid in process.descendants(below):
        try:
            if os.path.basename(os.readlink(f"/proc/{pid}/exe")) == name:
                found.append(pid)
        except OSError:
            pass
    return found
