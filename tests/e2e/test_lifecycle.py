"""Pause, resume and reset of the machine, idle and while the guest draws, in 2D and 3D: the screen comes back each time.

Every start of the device brings a new display socket (VHOST_USER_GPU_SET_SOCKET).
SPDX-License-Identifier: Apache-2.0
"""

import os
import unittest

from rendercar_e2e import process, scenes
from rendercar_e2e.drawing import BACKGROUND, DrawingTest

ROUNDS = int(os.environ.get("RENDERCAR_E2E_ROUNDS", "5"))
RESETS = int(os.environ.get("RENDERCAR_E2E_RESETS", "3"))


class Lifecycle2d(DrawingTest):
    def test_an_idle_machine_survives_pause_and_resume(self):
        machine = self.machine(run="paint:bars")
        machine.wait_console("^PAINT READY")
        shown = scenes.bars(640, 480)
        for i in range(1, ROUNDS + 1):
            self.pause_and_resume(machine)
            self.expect_screen(machine, "what it was before the pause", shown)
            self.expect_fill(machine, i)
            shown = scenes.fill(i)
        self.expect_well(machine)

    def test_a_drawing_machine_survives_pause_and_resume(self):
        machine = self.machine(run="paint:animate")
        machine.wait_console("^PAINT FRAME 10$")
        for _ in range(ROUNDS):
            self.pause_and_resume(machine)
            machine.wait_console("^PAINT FRAME", len(machine.console()))
        machine.shell("killall paint")
        self.expect_fill(machine, 0x3366CC)
        self.expect_well(machine)

    def test_an_idle_machine_survives_resets(self):
        machine = self.machine(run="paint:bars")
        machine.wait_console("^PAINT READY")
        for _ in range(RESETS):
            self.reset_and_wait(machine, "^PAINT READY")
            self.expect_screen(machine, "the bars again", scenes.bars(640, 480))
        self.expect_well(machine)

    def test_a_drawing_machine_survives_resets_and_nothing_leaks(self):
        machine = self.machine(run="paint:animate")
        machine.wait_console("^PAINT FRAME 10$")
        pid, counts = machine.backend_process.pid, []
        for _ in range(RESETS):
            self.reset_and_wait(machine, "^PAINT FRAME 10$")
            counts.append((process.descriptors(pid), process.mappings(pid), process.resident_kib(pid)))
        print(f"after each reset (descriptors, mappings, resident KiB): {counts}")
        machine.shell("killall paint")
        self.expect_fill(machine, 0x66CC33)
        self.expect_well(machine)
        self.assertLessEqual(counts[-1][0], counts[0][0], f"descriptors grow with each reset: {counts}")
        self.assertLessEqual(counts[-1][1], counts[0][1] + 4, f"mappings grow with each reset: {counts}")

    def test_a_reboot_by_the_guest_itself_shows_the_picture_again(self):
        machine = self.machine(run="paint:bars")
        machine.wait_console("^PAINT READY")
        since = len(machine.console())
        machine.shell("(sleep 0.2; reboot -f) >/dev/null 2>&1 &")
        machine.wait_console("^PAINT READY", since)
        self.expect_screen(machine, "the bars again", scenes.bars(640, 480))
        self.expect_well(machine)


class Lifecycle3d(DrawingTest):
    def test_an_idle_machine_survives_pause_and_resume(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube")
        machine.wait_console("^SCENE READY cube")
        for _ in range(ROUNDS):
            self.pause_and_resume(machine)
            self.expect_screen(machine, "the cube, as before the pause", scenes.cube(640, 480, BACKGROUND, 30))
        self.expect_cube(machine, 60)
        self.expect_well(machine)

    def test_a_drawing_machine_survives_pause_and_resume(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube,frames=0,report=5")
        machine.wait_console("^SCENE FRAME 5$")
        for _ in range(ROUNDS):
            self.pause_and_resume(machine)
            machine.wait_console("^SCENE FRAME", len(machine.console()))
        self.expect_cube(machine, 45)
        self.expect_well(machine)

    def test_a_drawing_machine_survives_resets(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube,frames=0,report=5")
        machine.wait_console("^SCENE FRAME 5$")
        for _ in range(RESETS):
            self.reset_and_wait(machine, "^SCENE FRAME 5$")
        self.expect_cube(machine, 75)
        self.expect_well(machine)


if __name__ == "__main__":
    unittest.main()
