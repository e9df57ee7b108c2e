"""The machines that are compared: the end-to-end tests' machine with each of three GPU devices.

SPDX-License-Identifier: Apache-2.0
"""

import os
import subprocess

from rendercar_e2e import backends
from rendercar_e2e.machine import REPOSITORY, Machine

DEVICES = ["rendercar", "QEMU's vhost-user-gpu", "in-process virtio-gpu"]
SURFACELESS = os.path.join(REPOSITORY, "build/release/bench/librendercar_force_surfaceless.so")


class InProcessMachine(Machine):
    """QEMU's own virtio-gpu: no backend; 3D needs a GL display, which GTK in a virtual X server gives."""

    def __init__(self, folder, **options):
        super().__init__(folder, backends.Rendercar(), **options)
        self._x = None

    def start_backend(self):
        if not self.virgl:
            return
        read, write = os.pipe()
        self._x = subprocess.Popen(["Xvfb", "-displayfd", str(write), "-screen", "0", "1280x1024x24"], pass_fds=[write],
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(write)
        with os.fdopen(read) as number:
            os.environ["DISPLAY"] = f":{number.readline().strip()}"

    def qemu_command(self, image):
        command = super().qemu_command(image)
        chardev = command.index("-chardev")
        del command[chardev:chardev + 2]
        device = "virtio-gpu-gl-pci" if self.virgl else "virtio-gpu-pci"
        command[command.index("-device") + 1] = f"{device},xres={self.width},yres={self.height}"
        if self.virgl:
            command[command.index("-display") + 1] = "gtk,gl=on"
        return command

    def close(self):
        complaints = super().close()
        if self._x is not None:
            self._x.terminate()
            self._x.wait()
        return complaints


def open_machine(device, folder, **options):
    """A machine with one of DEVICES that is not started yet."""
    if device == "in-process virtio-gpu":
        return InProcessMachine(folder, **options)
    if device == "rendercar":
        return Machine(folder, backends.Rendercar(), **options)
    # Without a render node QEMU's backend starts virgl only with this benchmark's LD_PRELOAD.
    # Without a render node QEMU's backend starts virgl only with this benchmark's LD_PRELOAD.
    preload = {"LD_PRELOAD": SURFACELESS} if options["virgl"] and not os.path.exists("/dev/dri") else {}
    return Machine(folder, backends.Rival(), backend_environment=preload, **options)
