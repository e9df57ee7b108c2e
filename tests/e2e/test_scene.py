"""A guest's 3D programs through virgl and our backend: known scenes against a computed reference.

SPDX-License-Identifier: Apache-2.0
"""

import unittest

from rendercar_e2e import scenes
from rendercar_e2e.drawing import BACKGROUND, EDGE_SHARE, TOLERANCE, DrawingTest


class Scene(DrawingTest):
    def test_a_cube_is_drawn_by_virgl_and_other_scenes_look_different(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube,color=203040,angle=30,frames=5")
        machine.wait_console("^SCENE READY cube")
        self.assertRegex(machine.console(), r"(?m)^GL_RENDERER: virgl")
        cube = scenes.cube(640, 480, BACKGROUND, 30)
        self.expect_screen(machine, "the cube", cube)
        turned = self.expect_cube(machine, 75)
        self.assertGreater(turned.mismatch(cube, step=4, tolerance=TOLERANCE), 2 * EDGE_SHARE)
        self.run_scene(machine, "triangle --color=400000")
        self.expect_screen(machine, "the triangle", scenes.triangle(640, 480, 0x400000))
        self.run_scene(machine, "clear --color=0080ff")
        self.expect_screen(machine, "one colour", scenes.fill(0x0080FF))
        self.expect_well(machine)

    def test_the_guest_reads_back_what_it_drew(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:clear,color=336699")
        self.assertEqual(machine.wait_console("^SCENE MIDDLE (.*)$").group(1).strip(), "336699")

    def test_the_console_comes_back_after_a_3d_program(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube")
        machine.wait_console("^SCENE READY cube")
        self.expect_screen(machine, "the cube", scenes.cube(640, 480, BACKGROUND, 30))
        self.expect_console(machine, "AGAIN")


if __name__ == "__main__":
    unittest.main()
