"""Real libvirt finds our backend by its vhost-user JSON and spawns it, itself or through the shim: define, start, pause, reboot,
screenshot, destroy, start again; nothing stays behind.

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import shutil
import subprocess
import unittest

from rendercar_e2e import process, scenes
from rendercar_e2e.backends import Missing
from rendercar_e2e.case import EndToEndTest
from rendercar_e2e.domain import Domain, domain_xml
from rendercar_e2e.drawing import BACKGROUND
from rendercar_e2e.libvirt import Libvirt, VirshError
from rendercar_e2e.machine import guest_image

BARS = scenes.bars(640, 480)
CUBE = scenes.cube(640, 480, BACKGROUND, 30)
STEP_TIMEOUT_S = 60


class LibvirtTest(EndToEndTest):
    mode = None  # "libvirt-managed" or "libvirt-shim"

    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        self.libvirt = None

    def tearDown(self):
        if self.libvirt is not None:
            complaints = self.libvirt.close()
            self.assertEqual(complaints, [])
        super().tearDown()
        if self.libvirt is not None:
            self.assertEqual(self.libvirt.helpers(), [], "a helper outlived its libvirt")

    def libvirtd(self, privileged):
        try:
            self.libvirt = Libvirt(self.folder, privileged, os.environ["RENDERCAR_BIN"])
            self.libvirt.start()
        except Missing as e:
            raise unittest.SkipTest(str(e)) from e
        helper = self.serve_shim() if self.mode == "libvirt-shim" else "rendercar-backend"
        self.sidecar("vhost-user-json", "install", f"--dir={self.libvirt.json_dir}", f"--binary={self.libvirt.path('bin', helper)}")

    def sidecar(self, *arguments, stdin=None):
        done = subprocess.run([self.libvirt.path("bin/rendercar-sidecar"), *arguments], input=stdin, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout

    def serve_shim(self):
        """A sidecar beside this libvirt that takes what the shim passes on; the shim finds it by a link beside itself."""
        sockets = self.libvirt.path("sockets")
        os.makedirs(sockets, exist_ok=True)
        self.libvirt.own(sockets)
        command = [self.libvirt.path("bin/rendercar-sidecar"), "--share=s0", "--render-node=software", f"--socket-dir={sockets}",
                   f"--shim-socket={sockets}/shim.sock", f"--control-socket={sockets}/control.sock", "--metrics-address=127.0.0.1:0",
                   f"--session-dir={sockets}",
                   f"--allow-uid={self.libvirt.uid}"]
        if os.geteuid() == 0 and not self.libvirt.privileged:  # the same user as QEMU, as in a pod
            command = ["setpriv", f"--reuid={self.libvirt.uid}", "--clear-groups", *command]
        self.sidecar_process = self.process("sidecar", command)
        process.wait_until(lambda: os.path.exists(f"{sockets}/shim.sock"), STEP_TIMEOUT_S, "the shim's socket")
        os.symlink(f"{sockets}/shim.sock", self.libvirt.path("bin/rendercar-shim.socket"))
        return "rendercar-shim"

    def define(self, name, run, kind="2d"):
        folder = self.libvirt.path(name)
        shutil.copytree(guest_image(kind), folder)
        self.libvirt.own(folder)
        plain = domain_xml(name, folder, run, memory_mib=512 if kind == "2d" else 1280)
        xml = self.sidecar("define", f"--format={self.mode}", "--display=primary", "--resolution=640x480", "--domain=-", stdin=plain)
        return Domain(self.libvirt, name, folder, xml).define()

    def expect_helpers(self, running):
        names = {"rendercar-backend"} | ({"rendercar-shim"} if self.mode == "libvirt-shim" else set())
        for name in names:
            found = self.libvirt.helpers(name)
            self.assertEqual(len(found), 1 if running else 0, f"{name}: {found}")

    def expect_nothing_left(self):
        """No helper, none of libvirt's pid files, no socket of ours."""
        process.wait_until(lambda: not self.libvirt.helpers("rendercar-backend", "rendercar-renderer", "rendercar-shim"),
                           STEP_TIMEOUT_S, "the helpers' end")
        left = [os.path.join(at, name) for at, _, files in os.walk(self.libvirt.path("run")) for name in files if "vhost-user" in name]
        self.assertEqual(left, [])

    def live_a_life(self):
        domain = self.define("life", "paint:bars")
        domain.start()
        domain.wait_console("^PAINT READY")
        self.expect_helpers(running=True)
        domain.expect_screen("the bars", BARS)
        self.on_screen(domain)
        self.pause(domain)
        domain.reset("^PAINT READY")
        domain.expect_screen("the bars after a reset", BARS)
        domain.reboot_by_the_guest("^PAINT READY")
        domain.expect_screen("the bars after a reboot", BARS)
        self.expect_helpers(running=True)
        domain.destroy()
        self.expect_nothing_left()
        domain.start()
        domain.wait_console("^PAINT READY")
        domain.expect_screen("the bars of a second start", BARS)
        domain.destroy()
        domain.undefine()
        self.expect_nothing_left()

    def on_screen(self, domain):
        """More to look at while the domain runs."""

    def pause(self, domain):
        for colour in (0x3366CC, 0x66CC33):
            self.libvirt.virsh("suspend", domain.name)
            self.assertEqual(domain.state(), "paused")
            self.libvirt.virsh("resume", domain.name)
            domain.shell(f"paint fill {colour:06x}")
            domain.expect_screen(f"colour {colour:06x}", scenes.fill(colour))

    def draw_in_3d(self):
        domain = self.define("cube", "scene:cube", kind="3d")
        domain.start()
        domain.wait_console("^GL_RENDERER: virgl")
        domain.wait_console("^SCENE READY cube")
        domain.expect_screen("the cube", CUBE, allowed=0.005)
        self.libvirt.virsh("suspend", domain.name)
        self.libvirt.virsh("resume", domain.name)
        domain.expect_screen("the cube after a pause", CUBE, allowed=0.005)
        domain.destroy()
        self.expect_nothing_left()
        domain.undefine()


class Managed(LibvirtTest):
    mode = "libvirt-managed"

    def test_a_privileged_libvirt_runs_the_backend(self):
        self.libvirtd(privileged=True)
        self.live_a_life()

    def test_a_session_libvirt_draws_in_3d(self):
        self.libvirtd(privileged=False)
        self.draw_in_3d()

    def test_one_malformed_json_file_stops_every_start_and_check_names_it(self):
        self.libvirtd(privileged=False)
        with open(os.path.join(self.libvirt.json_dir, "60-broken.json"), "w") as f:
            f.write("{")
        domain = self.define("broken", "none")
        with self.assertRaises(VirshError):
            domain.start()
        found = subprocess.run([self.libvirt.path("bin/rendercar-sidecar"), "vhost-user-json", "check", f"--dir={self.libvirt.json_dir}"],
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        self.assertEqual(found.returncode, 78, found.stdout)
        self.assertIn("60-broken.json", found.stdout)


class Shim(LibvirtTest):
    mode = "libvirt-shim"

    def test_a_privileged_libvirt_runs_the_shim(self):
        self.libvirtd(privileged=True)
        self.live_a_life()
        self.assertEqual(self.sessions(), [])

    def on_screen(self, domain):
        (session,) = self.sessions()
        self.assertEqual((session["share"], session["frontend_connected"]), ("s0", True))

    def sessions(self):
        done = subprocess.run([os.path.join(os.environ["RENDERCAR_BIN"], "rendercarctl"), f"--socket={self.libvirt.path('sockets/control.sock')}",
                               "sessions", "list", "-o", "json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)["sessions"]

    def test_a_session_libvirt_draws_in_3d(self):
        self.libvirtd(privileged=False)
        self.draw_in_3d()
        self.assertEqual(self.sidecar_process.stop(), 0)


if __name__ == "__main__":
    unittest.main()
