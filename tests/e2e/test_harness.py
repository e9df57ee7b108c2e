"""The harness proves itself on QEMU's own backend, in 2D: pictures, shell, QMP, cleaning up.

SPDX-License-Identifier: Apache-2.0
"""

import unittest

from rendercar_e2e import backends, scenes
from rendercar_e2e.case import EndToEndTest
from rendercar_e2e.picture import Picture


class Harness(EndToEndTest):
    def backend(self):
        try:
            return backends.Rival()
        except backends.Missing as e:
            raise unittest.SkipTest(str(e)) from e

    def test_pictures_shell_and_qmp_work_with_the_backend_of_qemu(self):
        machine = self.machine(run="paint:gradient,80")
        machine.wait_console("^PAINT READY gradient")
        reference = scenes.gradient(machine.width, machine.height, 0x80)
        machine.wait_picture(lambda p: p.mismatch(reference, step=7) == 0, "the gradient")
        self.assert_picture(machine.screendump(), reference)
        self.assertEqual(machine.shell("paint bars"), (0, "PAINT READY bars 000000 640x480"))
        machine.wait_picture(lambda p: p.mismatch(scenes.bars(640, 480), step=7) == 0, "the bars")
        self.assertGreater(machine.screendump().mismatch(reference, step=7), 0.5)
        self.assertEqual(machine.shell("echo 'a b'; exit 3"), (3, "a b"))
        self.assertTrue(machine.qmp.command("query-status")["running"])


class Pictures(unittest.TestCase):
    def test_a_mismatch_is_the_share_of_wrong_pixels(self):
        picture = Picture(2, 2, bytes([1, 2, 3] * 3 + [9, 9, 9]))
        self.assertEqual(picture.mismatch(lambda x, y: (1, 2, 3)), 0.25)
        self.assertEqual(picture.mismatch(lambda x, y: (1, 2, 3), tolerance=8), 0)

    def test_the_cube_shows_three_faces_and_turns(self):
        still, turned = (scenes.cube(640, 480, 0, angle) for angle in (30, 60))
        points = [(x, y) for x in range(0, 640, 5) for y in range(0, 480, 5)]
        self.assertEqual(len({still(*p) for p in points} - {(0, 0, 0)}), 3)
        self.assertNotEqual([still(*p) for p in points], [turned(*p) for p in points])


if __name__ == "__main__":
    unittest.main()
