"""Steps that many tests share: let the guest draw something known, and look whether the screen shows it.

SPDX-License-Identifier: Apache-2.0
"""

import time

from . import scenes
from .case import EndToEndTest

# Edges fall differently by a pixel; everything else must be right within rounding.
TOLERANCE, EDGE_SHARE = 4, 0.01
BACKGROUND = 0x203040


class DrawingTest(EndToEndTest):
    def expect_screen(self, machine, what, reference):
        """The screen becomes `reference`, and then all of it is (within edges)."""
        machine.wait_picture(lambda p: p.mismatch(reference, step=8, tolerance=TOLERANCE) <= 2 * EDGE_SHARE, what)
        picture = machine.screendump()
        self.assert_picture(picture, reference, step=2, tolerance=TOLERANCE, allowed=EDGE_SHARE)
        return picture

    def expect_fill(self, machine, colour):
        """2D: the console's frame buffer is painted in one colour."""
        machine.shell(f"paint fill {colour:06x}")
        self.expect_screen(machine, f"all {colour:06x}", scenes.fill(colour))

    def run_scene(self, machine, arguments):
        """3D: replaces the running scene program by a new one and waits until it holds its last frame."""
        machine.shell("killall scene; while pidof scene >/dev/null; do sleep 0.1; done")
        since = len(machine.console())
        machine.shell(f"scene {arguments} >/dev/ttyS0 2>&1 &")
        machine.wait_console("^SCENE READY", since)

    def expect_cube(self, machine, angle):
        """3D: a new GL program draws the cube right."""
        self.run_scene(machine, f"cube --color={BACKGROUND:06x} --angle={angle}")
        return self.expect_screen(machine, f"the cube at {angle} degrees", scenes.cube(
            machine.width, machine.height, BACKGROUND, angle))

    def expect_console(self, machine, word):
        machine.shell(f"killall scene paint; console {word}")
        bars = scenes.console_bars(machine.width, machine.height)
        machine.wait_picture(lambda p: p.mismatch(bars, step=3) < 0.01, "the text console")

    def expect_well(self, machine):
        """Nothing ended, and no task in the guest waited too long."""
        self.assertTrue(machine.backend_process.running(), machine.describe())
        self.assertTrue(machine.qmp.command("query-status")["running"])
        self.assertEqual(machine.hung_tasks(), [])

    def pause_and_resume(self, machine):
        machine.qmp.command("stop")
        self.assertFalse(machine.qmp.command("query-status")["running"])
        time.sleep(0.05)
        machine.qmp.command("cont")
        self.assertTrue(machine.qmp.command("query-status")["running"])

    def reboot_and_wait(self, machine, line):
        since = len(machine.console())
        machine.shell("(sleep 0.2; reboot -f) >/dev/null 2>&1 &")
        machine.wait_console(line, since)

    def reset_and_wait(self, machine, line):
        since = len(machine.console())
        machine.qmp.command("system_reset")
        machine.wait_console(line, since)
