"""A virtual machine as a Kubernetes node: our programs run inside the guest, on render nodes of its kernel.

SPDX-License-Identifier: Apache-2.0
"""

import os
import re
import shutil
import subprocess

from .backends import Missing
from .machine import QEMU, Machine, guest_image

PROGRAMS = ("rendercar-node", "rendercar-backend", "rendercar-renderer", "rendercar-draw", "fake-kubelet")
CPU = "Nehalem"  # one that LLVM knows: "max" it takes for a 32-bit one, and llvmpipe ends
OPENED = ("libOpenGL.so.0", "libGL.so.1")  # what the renderer opens by name, the first that is there; the image has the rest


def libraries_of(programs):
    """The shared libraries that `programs` are linked to, and the loader, as paths on this machine."""
    found = set()
    for program in programs:
        listed = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
        if "not found" in listed:
            raise Missing(f"{program} lacks a library here:\n{listed}")
        found.update(re.findall(r"(/\S+) \(0x", listed))
    return sorted(found)


def opened_library():
    listed = subprocess.run(["/sbin/ldconfig", "-p"], stdout=subprocess.PIPE, text=True, check=True).stdout
    for name in OPENED:
        found = re.search(rf"\t{re.escape(name)} \(.*\) => (\S+)", listed)
        if found:
            return found.group(1)
    raise Missing(f"none of {', '.join(OPENED)} is installed; run scripts/install-deps.sh")


def pack_programs(folder, programs_dir):
    """An archive that the kernel unpacks over the guest image: the programs, and their libraries where they are found."""
    root = os.path.join(folder, "root")
    programs = [os.path.join(programs_dir, name) for name in PROGRAMS]
    for program in programs:
        if not os.access(program, os.X_OK):
            raise Missing(f"{program} is not built; build the target programs")
    opened = opened_library()
    for source in programs + [opened] + libraries_of(programs + [opened]):
        below = "usr/bin" if source in programs else "usr/" + os.path.dirname(source).replace("/usr/", "/").lstrip("/")
        target = os.path.join(root, below, os.path.basename(source))
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copy(source, target)  # what a link names, not the link
        subprocess.run(["strip", "--strip-unneeded", target], check=True)
    archive = os.path.join(folder, "programs.cpio")
    with open(archive, "wb") as out:
        subprocess.run("find . | cpio --create --format=newc --quiet --owner=0:0", shell=True, cwd=root, stdout=out,
                       check=True)
    shutil.rmtree(root)
    return archive


class NodeGuest(Machine):
    """`start()`, use, `close()`; no backend outside. It has one virtio-gpu of QEMU's own, without 3D."""

    gpu_address = "0000:00:04.0"

    def __init__(self, folder, programs_dir):
        super().__init__(folder, None, kind="3d", memory_mib=2048)
        self.programs_dir = programs_dir

    def start(self):
        image = guest_image(self.kind)
        with open(self.path("initrd"), "wb") as initrd:
            for part in (os.path.join(image, "initrd"), pack_programs(self.folder, self.programs_dir)):
                with open(part, "rb") as archive:
                    shutil.copyfileobj(archive, initrd, 1 << 20)
        self.start_qemu(image)
        self.wait_console("^GUEST READY")
        os.unlink(self.path("initrd"))
        return self

    def qemu_command(self, image):
        return [
            QEMU, "-accel", "tcg,thread=multi", "-smp", "2", "-machine", "q35", "-cpu", CPU, "-m", f"{self.memory_mib}M",
            "-nodefaults", "-no-user-config", "-vga", "none", "-display", "none",
            "-device", "virtio-gpu-pci,addr=" + self.gpu_address.split(":")[2],
            "-kernel", os.path.join(image, "vmlinuz"), "-initrd", self.path("initrd"),
            "-append", "console=ttyS0 panic=-1 no_timer_check rendercar.run=none",
            "-serial", f"file:{self.path('console.log')}",
            "-serial", f"unix:{self.path('shell.sock')},server=on,wait=off",
            "-qmp", f"unix:{self.path('qmp.sock')},server=on,wait=off",
        ]

    def run(self, command, timeout_s=120):
        """A shell command that must succeed; its output."""
        code, output = self.shell(command, timeout_s)
        if code != 0:
            raise AssertionError(f"in the guest, exit code {code}: {command}\n{output}\n{self.describe()}")
        return output

    def wait_for(self, command, what, timeout_s=60):
        """Until the shell command succeeds in the guest; its output."""
        return self._wait(lambda: self._try(command), timeout_s, what, [self.qemu])

    def _try(self, command):
        code, output = self.shell(command)
        return (output or "done") if code == 0 else None
