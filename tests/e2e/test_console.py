"""A guest's 2D screen through our backend: the text console and pictures, every pixel checked.

SPDX-License-Identifier: Apache-2.0
"""

import unittest

from rendercar_e2e import scenes
from rendercar_e2e.case import EndToEndTest


class Console(EndToEndTest):
    def test_the_console_shows_its_colours_and_text(self):
        machine = self.machine(run="console:RENDERCAR")
        machine.wait_console("^CONSOLE READY RENDERCAR")
        reference = scenes.console_bars(machine.width, machine.height)
        text_top = 9 * scenes.CELL_HEIGHT
        machine.wait_picture(lambda p: p.colours_in(0, text_top, 72, 16) == {(0, 0, 0), (170, 170, 170)}, "text")
        picture = machine.screendump()
        wrong = [(x, y) for y in range(machine.height) for x in range(machine.width)
                 if picture.at(x, y) != reference(x, y) and not text_top <= y < text_top + scenes.CELL_HEIGHT]
        self.assertEqual(wrong, [])
        machine.shell("console OTHER")
        machine.wait_picture(lambda p: p != picture, "another picture after another word was written")
        self.assertEqual(machine.hung_tasks(), [])

    def test_painted_pictures_arrive_pixel_by_pixel(self):
        machine = self.machine(run="paint:gradient,80", width=800, height=600)
        machine.wait_console("^PAINT READY gradient")
        reference = scenes.gradient(800, 600, 0x80)
        machine.wait_picture(lambda p: p.mismatch(reference, step=7) == 0, "the gradient")
        self.assert_picture(machine.screendump(), reference)
        machine.shell("paint bars")
        machine.wait_picture(lambda p: p.mismatch(scenes.bars(800, 600), step=7) == 0, "the bars")
        self.assert_picture(machine.screendump(), scenes.bars(800, 600))
        machine.shell("paint fill 123456")
        machine.wait_picture(lambda p: p.mismatch(scenes.fill(0x123456), step=7) == 0, "one colour")


if __name__ == "__main__":
    unittest.main()
