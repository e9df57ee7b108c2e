"""Pause, resume and reset of the machine, idle and while the guest draws, in 2D and 3D: the screen comes back each time.

Every start of the device brings QEMU's backend-side display socket anew (VHOST_USER_GPU_SET_SOCKET).
SPDX-License-Identifier: Apache-2.0
"""

import os
import time
import unittest

from rendercar_e2e import process, scenes
from rendercar_e2e.case import EndToEndTest

ROUNDS = int(os.environ.get("RENDERCAR_E2E_ROUNDS", "5"))


class Lifecycle(EndToEndTest):
    def pause_and_resume(self, machine):
        machine.qmp.command("stop")
        self.assertFalse(machine.qmp.command("query-status")["running"])
        time.sleep(0.05)
        machine.qmp.command("cont")
        self.assertTrue(machine.qmp.command("query-status")["running"])

    def expect_running(self, machine):
        self.assertTrue(machine.backend_process.running(), machine.describe())
        self.assertEqual(machine.hung_tasks(), [])


class Lifecycle2d(Lifecycle):
    def expect_fill(self, machine, colour):
        machine.shell(f"paint fill {colour:06x}")
        machine.wait_picture(lambda p: p.mismatch(scenes.fill(colour), step=7) == 0, f"all {colour:06x}")

    def test_an_idle_machine_survives_pause_and_resume(self):
        machine = self.machine(run="paint:bars")
        machine.wait_console("^PAINT READY")
        for i in range(ROUNDS):
            self.pause_and_resume(machine)
            machine.wait_picture(lambda p: p.mismatch(scenes.bars(640, 480) if i == 0 else scenes.fill(i), step=7) == 0,
                                 "what it was before the pause")
            self.expect_fill(machine, i + 1)
        self.expect_running(machine)

    def test_a_drawing_machine_survives_pause_and_resume(self):
        machine = self.machine(run="paint:animate")
        machine.wait_console("^PAINT FRAME 10$")
        for _ in range(ROUNDS):
            self.pause_and_resume(machine)
            machine.wait_console("^PAINT FRAME", len(machine.console()))
        machine.shell("killall paint")
        self.expect_fill(machine, 0x3366CC)
        self.expect_running(machine)

    def test_a_drawing_machine_survives_resets_and_nothing_leaks(self):
        machine = self.machine(run="paint:animate")
        machine.wait_console("^PAINT FRAME 10$")
        counts = []
        for _ in range(ROUNDS):
            since = len(machine.console())
            machine.qmp.command("system_reset")
            machine.wait_console("^PAINT FRAME 10$", since)
            pid = machine.backend_process.pid
            counts.append((process.descriptors(pid), process.mappings(pid)))
        machine.shell("killall paint")
        self.expect_fill(machine, 0x66CC33)
        self.expect_running(machine)
        self.assertLessEqual(counts[-1][0], counts[0][0], f"descriptors grow with each reset: {counts}")
        self.assertLessEqual(counts[-1][1], counts[0][1] + 2, f"mappings grow with each reset: {counts}")

    def test_an_idle_machine_survives_resets(self):
        machine = self.machine(run="paint:bars")
        machine.wait_console("^PAINT READY")
        for _ in range(2):
            since = len(machine.console())
            machine.qmp.command("system_reset")
            machine.wait_console("^PAINT READY", since)
            machine.wait_picture(lambda p: p.mismatch(scenes.bars(640, 480), step=7) == 0, "the bars again")
        self.expect_running(machine)

    def test_a_reboot_by_the_guest_itself_shows_the_picture_again(self):
        machine = self.machine(run="paint:bars")
        machine.wait_console("^PAINT READY")
        since = len(machine.console())
        machine.shell("(sleep 0.2; reboot -f) >/dev/null 2>&1 &")
        machine.wait_console("^PAINT READY", since)
        machine.wait_picture(lambda p: p.mismatch(scenes.bars(640, 480), step=7) == 0, "the bars again")
        self.expect_running(machine)


class Lifecycle3d(Lifecycle):
    def expect_cube(self, machine, angle):
        """A new GL program draws the right picture, on the screen and read back in the guest."""
        machine.shell("killall scene")
        since = len(machine.console())
        machine.shell(f"scene cube --angle={angle} >/dev/ttyS0 2>&1 &")
        machine.wait_console("^SCENE READY cube", since)
        cube = scenes.cube(640, 480, 0x203040, angle)
        machine.wait_picture(lambda p: p.mismatch(cube, step=6, tolerance=4) < 0.02, f"the cube at {angle} degrees")

    def test_an_idle_machine_survives_pause_and_resume(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube")
        machine.wait_console("^SCENE READY cube")
        cube = scenes.cube(640, 480, 0x203040, 30)
        for i in range(ROUNDS):
            self.pause_and_resume(machine)
            machine.wait_picture(lambda p: p.mismatch(cube, step=6, tolerance=4) < 0.02, "the cube, as before the pause")
        self.expect_cube(machine, 60)
        self.expect_running(machine)

    def test_a_drawing_machine_survives_pause_and_resume(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube,frames=0,report=5")
        machine.wait_console("^SCENE FRAME 5$")
        for _ in range(ROUNDS):
            self.pause_and_resume(machine)
            machine.wait_console("^SCENE FRAME", len(machine.console()))
        self.expect_cube(machine, 45)
        self.expect_running(machine)

    def test_a_drawing_machine_survives_resets(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube,frames=0,report=5")
        machine.wait_console("^SCENE FRAME 5$")
        for _ in range(2):
            since = len(machine.console())
            machine.qmp.command("system_reset")
            machine.wait_console("^SCENE FRAME 5$", since)
        self.expect_cube(machine, 75)
        self.expect_running(machine)


if __name__ == "__main__":
    unittest.main()
