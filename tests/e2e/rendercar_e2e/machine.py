"""One virtual machine: a backend on a socket, QEMU connected to it, the guest's two serial ports and QMP.

SPDX-License-Identifier: Apache-2.0
"""

import functools
import os
import re
import shlex
import shutil
import socket
import subprocess
import time

from . import process
from .backends import Missing
from .picture import Picture
from .qmp import Qmp

REPOSITORY = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", "..", ".."))
# Generous: emulation on a busy two-core machine is slow, and nothing here asserts a speed.
BOOT_TIMEOUT_S = float(os.environ.get("RENDERCAR_E2E_BOOT_TIMEOUT", "300"))
STEP_TIMEOUT_S = float(os.environ.get("RENDERCAR_E2E_STEP_TIMEOUT", "60"))
QEMU = os.environ.get("RENDERCAR_QEMU", "qemu-system-x86_64")


@functools.lru_cache
def guest_image(kind):
    """The folder of the guest image (`vmlinuz`, `initrd`), built if need be. `kind` is 2d or 3d."""
    done = subprocess.run([os.path.join(REPOSITORY, "scripts/build-guest.sh"), kind], stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise Missing(f"the {kind} guest image cannot be built:\n{done.stderr[-2000:]}")
    return done.stdout.splitlines()[-1]


class GuestError(Exception):
    """The guest, QEMU or the backend did not do what the test waits for; the message holds the logs' tails."""


class Machine:
    """`start()`, use, `close()`. The socket directory `folder` must be short (unix sockets: 107 bytes)."""

    def __init__(self, folder, backend, kind="2d", run="none", virgl=False, width=640, height=480, share=True,
                 memory_mib=None, backend_arguments=(), device="vhost-user-gpu-pci", backend_environment=None,
                 kernel_arguments=""):
        if shutil.which(QEMU) is None:
            raise Missing(f"{QEMU} is not installed; run scripts/install-deps.sh")
        self.folder, self.backend, self.kind, self.run_word, self.virgl = folder, backend, kind, run, virgl
        self.width, self.height, self.share, self.device = width, height, share, device
        self.memory_mib = memory_mib or (512 if kind == "2d" else 1280)
        self.backend_arguments = list(backend_arguments)
        self.backend_environment, self.kernel_arguments = backend_environment, kernel_arguments
        self.backend_process = self.qemu = self.qmp = self._shell = None
        self._shell_serial = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    # Starting

    def start(self):
        image = guest_image(self.kind)
        self.start_backend()
        self.start_qemu(image)
        return self

    def start_backend(self):
        command = self.backend.command(self.path("gpu.sock"), self.virgl) + self.backend_arguments
        environment = dict(os.environ, **(self.backend_environment or {}))
        self.backend_process = process.Process("backend", command, self.path("backend.log"), env=environment)
        self._wait(lambda: os.path.exists(self.path("gpu.sock")), STEP_TIMEOUT_S, "the backend's socket",
                   [self.backend_process])

    def qemu_command(self, image):
        share = "on" if self.share else "off"
        size = f"{self.memory_mib}M"
        return [
            QEMU, "-accel", "tcg", "-machine", "q35,memory-backend=mem", "-cpu", "max", "-m", size,
            "-object", f"memory-backend-memfd,id=mem,size={size},share={share}", "-nodefaults", "-no-user-config",
            "-vga", "none", "-display", "none", "-chardev", f"socket,id=gpu,path={self.path('gpu.sock')}",
            "-device", f"{self.device},chardev=gpu,xres={self.width},yres={self.height}",
            "-kernel", os.path.join(image, "vmlinuz"), "-initrd", os.path.join(image, "initrd"),
            "-append", f"console=ttyS0 panic=-1 no_timer_check fbcon=nodefer rendercar.run={self.run_word} "
            f"{self.kernel_arguments}",
            "-serial", f"file:{self.path('console.log')}",
            "-serial", f"unix:{self.path('shell.sock')},server=on,wait=off",
            "-qmp", f"unix:{self.path('qmp.sock')},server=on,wait=off",
        ]

    def start_qemu(self, image):
        self.qemu = process.Process("QEMU", self.qemu_command(image), self.path("qemu.log"))
        self._wait(lambda: os.path.exists(self.path("qmp.sock")), STEP_TIMEOUT_S, "QEMU's QMP socket", [self.qemu])
        self.qmp = Qmp(self.path("qmp.sock"), STEP_TIMEOUT_S)

    # Watching

    def console(self):
        try:
            with open(self.path("console.log"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_console(self, pattern, since=0, timeout_s=BOOT_TIMEOUT_S):
        """Waits for a line of the guest's console that matches, at or after offset `since`; returns the match."""
        expression = re.compile(pattern, re.MULTILINE)

        def look():
            text = self.console()[since:]
            if re.search(r"^(GUEST|PAINT|SCENE) ERROR|Kernel panic", text, re.MULTILINE):
                raise GuestError(f"the guest failed\n{self.describe()}")
            return expression.search(text)

        return self._wait(look, timeout_s, f"the console line /{pattern}/", [self.qemu])

    def screendump(self, name="screen"):
        path = self.path(f"{name}.ppm")
        self.qmp.command("screendump", filename=path)
        return Picture.from_ppm(path)

    def wait_picture(self, check, what, timeout_s=STEP_TIMEOUT_S, name="screen"):
        """Takes screendumps until check(picture) holds; the last one is kept as NAME.png."""
        deadline = time.monotonic() + timeout_s
        while True:
            picture = self.screendump(name)
            if check(picture):
                picture.save_png(self.path(f"{name}.png"))
                return picture
            if time.monotonic() > deadline:
                picture.save_png(self.path(f"{name}.png"))
                raise GuestError(f"the screen ({name}.png, {picture.width}x{picture.height}) is not {what}\n"
                                 f"{self.describe()}")
            time.sleep(0.1)

    def shell(self, command, timeout_s=STEP_TIMEOUT_S):
        """Runs a command (one line) in the guest; returns (exit code, output)."""
        if self._shell is None:
            self._shell = socket.socket(socket.AF_UNIX)
            self._shell.connect(self.path("shell.sock"))
        self._shell_serial += 1
        end = f"__END{self._shell_serial}"
        self._shell.sendall(f"sh -c {shlex.quote(command)}; echo {end}:$?:\n".encode())
        self._shell.settimeout(timeout_s)
        received = b""
        while not (found := re.search(rf"{end}:(\d+):".encode(), received)):
            try:
                part = self._shell.recv(65536)
            except TimeoutError as e:
                raise GuestError(f"the guest's shell gave no answer to `{command}`\n{self.describe()}") from e
            if not part:
                raise GuestError(f"QEMU closed the guest's shell\n{self.describe()}")
            received += part
        text = received[:found.start()].decode(errors="replace").replace("\r\n", "\n")
        return int(found.group(1)), text.strip()

    def hung_tasks(self):
        """What the guest's kernel says about tasks that waited too long; empty is good."""
        return [line for line in self.console().splitlines() if "blocked for more than" in line or "soft lockup" in line]

    def describe(self):
        parts = [f"--- last lines of {p.name} (exit code {p.exit_code()}): {' '.join(p.command[:3])} ...\n{p.tail()}"
                 for p in (self.backend_process, self.qemu) if p is not None]
        tail = "\n".join(self.console().splitlines()[-25:])
        return "\n".join(parts + [f"--- last lines of the guest's console\n{tail}"])

    def _wait(self, condition, timeout_s, what, processes):
        deadline = time.monotonic() + timeout_s
        while True:
            value = condition()
            if value:
                return value
            for p in processes:
                if not p.running():
                    raise GuestError(f"{p.name} ended while {what} was awaited\n{self.describe()}")
            if time.monotonic() > deadline:
                raise GuestError(f"{what} did not come within {timeout_s:g} s\n{self.describe()}")
            time.sleep(0.05)

    # Ending

    def close(self):
        """Ends everything; returns the complaints (processes that outlive their parent, a socket left behind)."""
        complaints = []
        if self._shell is not None:
            self._shell.close()
        if self.qmp is not None:
            self.qmp.close()
        for p in (self.qemu, self.backend_process):
            if p is not None:
                complaints += self._end(p)
        if self.backend_process is not None and self.backend.name == "rendercar" and os.path.exists(self.path("gpu.sock")):
            complaints.append("the backend left its socket gpu.sock behind")
        return complaints

    def _end(self, p):
        below = process.descendants(p.pid) if p.running() else []
        p.stop()
        deadline = time.monotonic() + 10
        while any(process.alive(pid) for pid in below) and time.monotonic() < deadline:
            time.sleep(0.05)
        left = [pid for pid in below if process.alive(pid)]
        for pid in left:
            os.kill(pid, 9)
        return [f"{p.name} left process {pid} behind" for pid in left]
