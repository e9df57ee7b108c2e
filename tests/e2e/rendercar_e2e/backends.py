"""How each backend is started: ours, and QEMU's own as the rival that the same tests can run against.

SPDX-License-Identifier: Apache-2.0
"""

import os

RIVAL_PATHS = ["/usr/lib/qemu/vhost-user-gpu", "/usr/libexec/vhost-user-gpu"]


class Missing(Exception):
    """Something that this machine lacks and that cannot be had here."""


class Rendercar:
    name = "rendercar"

    def __init__(self, binary=None):
        self.binary = binary or os.environ.get("RENDERCAR_BACKEND", "")
        if not os.access(self.binary, os.X_OK):
            raise Missing(f"RENDERCAR_BACKEND ('{self.binary}') names no program; build the target rendercar-backend")

    def command(self, socket_path, virgl):
        return [self.binary, f"--socket-path={socket_path}"] + (["--virgl"] if virgl else [])


class Rival:
    name = "qemu"

    def __init__(self):
        self.binary = next((p for p in RIVAL_PATHS if os.access(p, os.X_OK)), None)
        if self.binary is None:
            raise Missing("QEMU's vhost-user-gpu is not installed (package qemu-system-gui)")

    def command(self, socket_path, virgl):
        return [self.binary, f"--socket-path={socket_path}"] + (["--virgl"] if virgl else [])


def from_environment():
    """The backend under test: ours, or QEMU's with RENDERCAR_E2E_BACKEND=qemu."""
    chosen = os.environ.get("RENDERCAR_E2E_BACKEND", "rendercar")
    if chosen not in ("rendercar", "qemu"):
        raise ValueError(f"RENDERCAR_E2E_BACKEND is '{chosen}'; use rendercar or qemu")
    return Rival() if chosen == "qemu" else Rendercar()
