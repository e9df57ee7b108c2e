"""A guest's 3D programs through virgl and our backend: known scenes against a computed reference.

SPDX-License-Identifier: Apache-2.0
"""

import unittest

from rendercar_e2e import scenes
from rendercar_e2e.case import EndToEndTest

# Edges fall differently by a pixel; everything else must be right within rounding.
TOLERANCE, EDGE_SHARE = 4, 0.01


class Scene(EndToEndTest):
    def expect(self, machine, what, reference):
        machine.wait_picture(lambda p: p.mismatch(reference, step=8, tolerance=TOLERANCE) <= 2 * EDGE_SHARE, what)
        picture = machine.screendump()
        self.assert_picture(picture, reference, step=2, tolerance=TOLERANCE, allowed=EDGE_SHARE)
        return picture

    def run_scene(self, machine, arguments):
        """Replaces the running scene program by another and waits until it holds its last frame."""
        machine.shell("killall scene")
        since = len(machine.console())
        machine.shell(f"scene {arguments} >/dev/ttyS0 2>&1 &")
        machine.wait_console("^SCENE READY", since)

    def test_a_cube_is_drawn_by_virgl_and_other_scenes_look_different(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube,color=203040,angle=30,frames=5")
        machine.wait_console("^SCENE READY cube")
        self.assertRegex(machine.console(), r"(?m)^GL_RENDERER: virgl")
        cube = scenes.cube(640, 480, 0x203040, 30)
        picture = self.expect(machine, "the cube", cube)
        self.run_scene(machine, "cube --color=203040 --angle=75")
        turned = self.expect(machine, "the turned cube", scenes.cube(640, 480, 0x203040, 75))
        self.assertGreater(turned.mismatch(cube, step=4, tolerance=TOLERANCE), 2 * EDGE_SHARE)
        self.run_scene(machine, "triangle --color=400000")
        self.expect(machine, "the triangle", scenes.triangle(640, 480, 0x400000))
        self.run_scene(machine, "clear --color=0080ff")
        self.expect(machine, "one colour", scenes.fill(0x0080FF))
        self.assertNotEqual(picture, turned)
        self.assertEqual(machine.hung_tasks(), [])

    def test_the_console_comes_back_after_a_3d_program(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube")
        machine.wait_console("^SCENE READY cube")
        self.expect(machine, "the cube", scenes.cube(640, 480, 0x203040, 30))
        machine.shell("killall scene; console AGAIN")
        bars = scenes.console_bars(640, 480)
        machine.wait_picture(lambda p: p.mismatch(bars, step=3) < 0.01, "the text console")


if __name__ == "__main__":
    unittest.main()
