"""Pause, resume and reset of the machine, idle and while the guest draws, in 2D and 3D: the screen comes back each time.

Every start of the device brings a new display socket (VHOST_USER_GPU_SET_SOCKET).
SPDX-License-Identifier: Apache-2.0
"""

import os
import unittest

from rendercar_e2e import process, scenes
from rendercar_e2e.drawing import BACKGROUND, DrawingTest

ROUNDS = int(os.environ.get("RENDERCAR_E2E_ROUNDS", "5"))
REBOOTS = int(os.environ.get("RENDERCAR_E2E_REBOOTS", "20"))
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
            counts.append((process.descriptors(pid), process.mappings(pid), process.private_kib(pid)))
        print(f"after each reset (descriptors, mappings, private KiB): {counts}")
        machine.shell("killall paint")
        self.expect_fill(machine, 0x66CC33)
        self.expect_well(machine)
        self.assertLessEqual(counts[-1][0], counts[0][0], f"descriptors grow with each reset: {counts}")
        self.assertLessEqual(counts[-1][1], counts[0][1] + 4, f"mappings grow with each reset: {counts}")

    def test_a_reboot_by_the_guest_itself_shows_the_picture_again(self):
        machine = self.machine(run="paint:bars")
        machine.wait_console("^PAINT READY")
        self.reboot_and_wait(machine, "^PAINT READY")
        self.expect_screen(machine, "the bars again", scenes.bars(640, 480))
        self.expect_well(machine)

    def test_a_drawing_machine_survives_a_reboot_by_the_guest_itself_and_a_reset_while_stopped(self):
        machine = self.machine(run="paint:animate")
        machine.wait_console("^PAINT FRAME 10$")
        self.reboot_and_wait(machine, "^PAINT FRAME 10$")
        # As when a snapshot is loaded: stopped, thrown away, started.
        since = len(machine.console())
        machine.qmp.command("stop")
        machine.qmp.command("system_reset")
        machine.qmp.command("cont")
        machine.wait_console("^PAINT FRAME 10$", since)
        machine.shell("killall paint")
        self.expect_fill(machine, 0x99AA11)
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

    def test_an_idle_machine_survives_a_reset_and_a_reboot_by_the_guest_itself(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube")
        cube = scenes.cube(640, 480, BACKGROUND, 30)
        machine.wait_console("^SCENE READY cube")
        self.reset_and_wait(machine, "^SCENE READY cube")
        self.expect_screen(machine, "the cube again", cube)
        self.reboot_and_wait(machine, "^SCENE READY cube")
        self.expect_screen(machine, "the cube once more", cube)
        self.expect_well(machine)


class Reboots(DrawingTest):
    def test_twenty_reboots_leak_nothing(self):
        machine = self.machine(run="paint:bars")
        machine.wait_console("^PAINT READY")
        pid, counts = machine.backend_process.pid, []
        for i in range(1, REBOOTS + 1):
            # With its console on the screen the driver has used all that it uses; the last one goes on to the end.
            self.reset_and_wait(machine, "^PAINT READY" if i == REBOOTS else "virtio_gpudrmfb frame buffer device")
            counts.append((process.descriptors(pid), process.mappings(pid), process.private_kib(pid)))
        print(f"after each reboot (descriptors, mappings, private KiB): {counts}")
        self.expect_screen(machine, "the bars again", scenes.bars(640, 480))
        self.expect_well(machine)
        for what, slack, at in (("descriptors", 0, 0), ("mappings", 2, 1), ("private KiB", 1024, 2)):
            # The first ones fill caches.
            self.assertLessEqual(counts[-1][at], max(c[at] for c in counts[:3]) + slack, f"{what} grow: {counts}")


if __name__ == "__main__":
    unittest.main()
