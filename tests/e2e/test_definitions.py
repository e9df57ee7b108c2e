"""Every device definition that `rendercar-sidecar define` prints is taken by its real consumer, and is read back.

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import shlex
import subprocess
import unittest

from rendercar_e2e import process
from rendercar_e2e.backends import Missing
from rendercar_e2e.case import EndToEndTest
from rendercar_e2e.domain import domain_xml
from rendercar_e2e.libvirt import Libvirt, find
from rendercar_e2e.machine import QEMU, STEP_TIMEOUT_S
from rendercar_e2e.qmp import Qmp

FORMATS = ("qemu-args", "libvirt-managed", "libvirt-shim", "kubevirt", "vhost-user-json")
XML_FORMATS = ("libvirt-managed", "libvirt-shim", "kubevirt")


class Definitions(EndToEndTest):
    def sidecar(self, *arguments, stdin=None):
        done = subprocess.run([os.path.join(os.environ["RENDERCAR_BIN"], "rendercar-sidecar"), *arguments], input=stdin,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def path(self, name):
        return os.path.join(self.folder, name)

    def domain(self, style, display, graphics=""):
        plain = domain_xml("vm", self.folder, "none").replace("<memballoon", f"{graphics}<memballoon")
        return self.sidecar("define", f"--format={style}", f"--display={display}", "--heads=2", "--domain=-", stdin=plain)

    def test_qemu_takes_the_arguments_and_connects(self):
        socket = self.path("gpu.sock")
        self.process("backend", [os.environ["RENDERCAR_BACKEND"], f"--socket-path={socket}"])
        process.wait_until(lambda: os.path.exists(socket), STEP_TIMEOUT_S, "the backend's socket")
        for display in ("primary",):
            arguments = shlex.split(self.sidecar("define", f"--socket-path={socket}", f"--display={display}", "--guest-memory=256M"))
            qemu = self.process("qemu", [find(QEMU), "-accel", "tcg", "-machine", "q35", "-m", "256M", "-display", "none", "-S",
                                         "-qmp", f"unix:{self.path('qmp.sock')},server=on,wait=off", *arguments])
            process.wait_until(lambda: os.path.exists(self.path("qmp.sock")), STEP_TIMEOUT_S, f"QEMU: {qemu.log()}")
            qmp = Qmp(self.path("qmp.sock"), STEP_TIMEOUT_S)
            self.addCleanup(qmp.close)
            devices = qmp.command("qom-list", path="/machine/peripheral")
            self.assertIn("rendercar-gpu0", [each["name"] for each in devices])

    def test_libvirts_schema_takes_every_domain(self):
        if not os.path.exists("/usr/bin/virt-xml-validate"):
            self.skipTest("virt-xml-validate is not installed; run scripts/install-deps.sh")
        for style in XML_FORMATS:
            for display in ("headless", "secondary", "primary"):
                with self.subTest(style=style, display=display):
                    path = self.path(f"{style}-{display}.xml")
                    with open(path, "w") as f:
                        f.write(self.domain(style, display))
                    done = subprocess.run(["virt-xml-validate", path, "domain"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
                    self.assertEqual(done.returncode, 0, done.stdout)

    def test_libvirt_defines_every_domain_and_keeps_the_gpu(self):
        os.chmod(self.folder, 0o755)
        try:
            libvirt = Libvirt(self.folder, False, os.environ["RENDERCAR_BIN"]).start()
        except Missing as e:
            raise unittest.SkipTest(str(e)) from e
        self.addCleanup(libvirt.close)
        for style in XML_FORMATS:
            with self.subTest(style=style):
                with open(self.path("vm.xml"), "w") as f:
                    f.write(self.domain(style, "secondary", "<video><model type='vga'/></video>"))
                libvirt.virsh("define", "--validate", self.path("vm.xml"))
                with open(self.path("kept.xml"), "w") as f:
                    f.write(libvirt.virsh("dumpxml", "--inactive", "vm"))
                flags = shlex.split(self.sidecar("define", f"--format={style}", f"--read={self.path('kept.xml')}"))
                self.assertIn("--heads=2", flags)
                libvirt.virsh("undefine", "vm")

    def test_what_is_printed_is_read_back(self):
        for form in FORMATS:
            with self.subTest(format=form):
                text = self.sidecar("define", f"--format={form}", "--name=gpu7", "--socket-path=/run/a,b.sock", "--display=primary",
                                    "--resolution=1920x1080", "--heads=3", "--binary=/opt/backend", "--no-3d")
                flags = self.sidecar("define", f"--format={form}", "--read=-", stdin=text)
                self.assertEqual(self.sidecar("define", f"--format={form}", *shlex.split(flags)), text)

    def test_the_json_is_one_that_libvirts_rules_take(self):
        with open(self.path("40-rendercar-gpu.json"), "w") as f:
            f.write(self.sidecar("define", "--format=vhost-user-json", f"--binary={os.environ['RENDERCAR_BACKEND']}"))
        with open(self.path("40-rendercar-gpu.json")) as f:
            self.assertEqual(json.load(f)["type"], "gpu")
        self.sidecar("vhost-user-json", "check", f"--dir={self.folder}")


if __name__ == "__main__":
    unittest.main()
