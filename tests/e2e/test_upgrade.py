"""A newer backend takes over under a running VM: QEMU, picture and guest go on, and new GL programs draw right.

SPDX-License-Identifier: Apache-2.0
"""

import os
import re
import shutil
import unittest

from rendercar_e2e import process
from rendercar_e2e.drawing import DrawingTest
from rendercar_e2e.sidecar_backend import SidecarSession, named

UPGRADES = int(os.environ.get("RENDERCAR_E2E_UPGRADES", "3"))


class Upgrade(DrawingTest):
    def upgrade(self, machine, *arguments):
        """Upgrades the session; the old backend is gone then and another runs."""
        before = named(machine.backend_process.pid, "rendercar-backend")
        done = machine.backend.ctl("session", "upgrade", "gpu", "-o", "json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr + machine.describe())
        pid = machine.backend.session()["backend_pid"]
        self.assertNotIn(pid, before)
        process.wait_until(lambda: not any(process.alive(p) for p in before if p == before[0]), 30, "the old backend's end")

    def frames(self, machine, since):
        """The longest waits (ms) that the guest's program had for the device, by its lines since then."""
        return [int(us) / 1000 for us in re.findall(r"^REDRAW FRAME \d+ longest (\d+) us", machine.console()[since:], re.MULTILINE)]

    def test_the_guest_goes_on_and_new_gl_programs_draw_right(self):
        machine = self.machine(kind="3d", virgl=True, backend=SidecarSession())
        machine.wait_console("^GUEST READY")
        machine.shell("redraw >/dev/ttyS0 2>&1 &")
        machine.wait_console("^REDRAW FRAME 100 ")
        usual, waits = self.frames(machine, 0), []
        newer = os.path.join(self.folder, "newer")  # another file, as a newer version is
        os.mkdir(newer)
        for program in ("rendercar-backend", "rendercar-renderer"):
            shutil.copy2(os.path.join(machine.backend.bin, program), newer)
        for _ in range(UPGRADES):
            since = len(machine.console())
            self.upgrade(machine, f"--binary={newer}/rendercar-backend")
            process.wait_until(lambda: len(self.frames(machine, since)) >= 2, 60, "frames of the guest after the upgrade")
            waits.append(max(self.frames(machine, since)))
        self.assertEqual(machine.backend.session()["backend_path"], f"{newer}/rendercar-backend")
        machine.shell("killall redraw")
        self.expect_cube(machine, 40)
        self.upgrade(machine)  # back to the sidecar's own, while a GL program holds its picture
        self.expect_cube(machine, 60)
        refused = machine.backend.ctl("session", "upgrade", "gpu", "--binary=/bin/false")
        self.assertEqual(refused.returncode, 69, refused.stderr)
        self.assertIn("exited with code 1", refused.stderr)
        self.expect_console(machine, "STILL")
        self.expect_well(machine)
        events = machine.backend.session()["events"]
        self.assertEqual([e["reason"] for e in events if e["reason"].startswith("Upgrade")][-1], "UpgradeFailed")
        pauses = [re.search(r"waited for ([0-9.]+) ms", e["message"]).group(1) for e in events if e["reason"] == "BackendUpgraded"]
        print(f"{UPGRADES} upgrades; longest wait of the guest for the device: {', '.join(f'{w:.0f}' for w in waits)} ms "
              f"(without: {', '.join(f'{w:.0f}' for w in usual)}); stopped, as the new backend tells: {', '.join(pauses)} ms")


if __name__ == "__main__":
    unittest.main()
