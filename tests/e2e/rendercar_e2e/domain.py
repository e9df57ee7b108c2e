"""A libvirt domain with our guest: its XML, its life through virsh, its console, shell and screen.

SPDX-License-Identifier: Apache-2.0
"""

import contextlib
import os
import re
import shlex
import socket

from . import process
from .machine import BOOT_TIMEOUT_S, QEMU, STEP_TIMEOUT_S, GuestError
from .libvirt import find
from .picture import Picture


def domain_xml(name, folder, run, memory_mib=512, extra=""):
    """A domain without any GPU that boots the guest image in `folder` under TCG."""
    return f"""<domain type='qemu'>
  <name>{name}</name>
  <memory unit='MiB'>{memory_mib}</memory>
  <vcpu>1</vcpu>
  <os>
    <type arch='x86_64' machine='q35'>hvm</type>
    <kernel>{folder}/vmlinuz</kernel>
    <initrd>{folder}/initrd</initrd>
    <cmdline>console=ttyS0 panic=-1 no_timer_check fbcon=nodefer rendercar.run={run}</cmdline>
  </os>
  <features><acpi/></features>
  <cpu mode='maximum'/>
  <on_reboot>restart</on_reboot>
  <devices>
    <emulator>{find(QEMU)}</emulator>
    <controller type='usb' model='none'/>
    <serial type='file'><source path='{folder}/console.log' append='on'/><target port='0'/></serial>
    <serial type='unix'><source mode='bind' path='{folder}/shell.sock'/><target port='1'/></serial>
    <memballoon model='none'/>
  </devices>
  {extra}
</domain>
"""


class Domain:
    def __init__(self, libvirt, name, folder, xml):
        self.libvirt, self.name, self.folder, self.xml = libvirt, name, folder, xml
        self._since = 0

    def path(self, name):
        return os.path.join(self.folder, name)

    def define(self):
        with open(self.path("domain.xml"), "w") as f:
            f.write(self.xml)
        self.libvirt.virsh("define", self.path("domain.xml"))
        return self

    # Its life

    def start(self):
        # Appended to or not, which a definition that went through others may say either way: the console is this start's alone.
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.path("console.log"))
        self._since = 0
        self.libvirt.virsh("start", self.name)

    def reset(self, line):
        self._since = len(self.console())
        self.libvirt.virsh("reset", self.name)
        self.wait_console(line)

    def reboot_by_the_guest(self, line):
        self._since = len(self.console())
        self.shell("(sleep 0.2; reboot -f) >/dev/null 2>&1 &")
        self.wait_console(line)

    def destroy(self):
        self.libvirt.virsh("destroy", self.name)

    def undefine(self):
        self.libvirt.virsh("undefine", self.name)

    def state(self):
        return self.libvirt.virsh("domstate", self.name).strip()

    # What it shows

    def console(self):
        try:
            with open(self.path("console.log"), errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def wait_console(self, pattern, timeout_s=BOOT_TIMEOUT_S):
        """Waits for a line since the last start or reset."""
        def look():
            if self.state() not in ("running", "paused"):
                raise GuestError(f"domain {self.name} is {self.state()}\n{self.describe()}")
            return re.search(pattern, self.console()[self._since:], re.MULTILINE)
        self._wait(look, timeout_s, f"the console line /{pattern}/", interval_s=0.3)

    def screenshot(self):
        path = self.path("screenshot")
        self.libvirt.virsh("screenshot", self.name, path)
        return Picture.from_file(path)

    def expect_screen(self, what, reference, allowed=0.0, step=3):
        def look():
            picture = self.screenshot()
            picture.save_png(self.path("screen.png"))
            return (picture.width, picture.height) == (640, 480) and picture.mismatch(reference, step, 4) <= allowed
        self._wait(look, STEP_TIMEOUT_S, f"a screenshot of {what} ({self.path('screen.png')})", interval_s=0.2)

    def shell(self, command):
        """Runs a command (one line) in the guest; returns its output."""
        with socket.socket(socket.AF_UNIX) as s:
            s.settimeout(STEP_TIMEOUT_S)
            s.connect(self.path("shell.sock"))
            s.sendall(f"sh -c {shlex.quote(command)}; echo __END:$?:\n".encode())
            received = b""
            while not (end := re.search(rb"__END:(\d+):", received)):
                received += s.recv(65536)
        return received[:end.start()].decode(errors="replace")

    def describe(self):
        return "\n".join(["--- console", *self.console().splitlines()[-15:], self.libvirt.describe()])

    def _wait(self, condition, timeout_s, what, interval_s):
        try:
            process.wait_until(condition, timeout_s, what, interval_s)
        except TimeoutError as e:
            raise GuestError(f"{e}\n{self.describe()}") from e
