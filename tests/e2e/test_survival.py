"""The renderer dies while the guest draws: the VM, its console and new GL programs go on.

SPDX-License-Identifier: Apache-2.0
"""

import os
import random
import signal
import statistics
import time
import unittest

from rendercar_e2e import process, scenes
from rendercar_e2e.drawing import BACKGROUND, DrawingTest

KILLS = int(os.environ.get("RENDERCAR_E2E_KILLS", "2"))
SEED = int(os.environ.get("RENDERCAR_E2E_SEED", "1"))


def renderers(machine):
    """The renderer processes of the machine's backend."""
    found = []
    for pid in process.descendants(machine.backend_process.pid):
        try:
            with open(f"/proc/{pid}/comm") as f:
                if f.read().strip() == "rendercar-rende":  # 15 bytes of its name
                    found.append(pid)
        except OSError:
            pass
    return found


class Survival(DrawingTest):
    def kill_renderer(self, machine, number=signal.SIGKILL):
        victims = process.wait_until(lambda: renderers(machine), 30, "a renderer process")
        for pid in victims:
            os.kill(pid, number)
        process.wait_until(lambda: not any(process.alive(p) for p in victims), 30, "the renderer's end")

    def drawing_machine(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube,frames=0,report=5")
        machine.wait_console("^SCENE FRAME 5$")
        return machine

    def test_new_gl_programs_draw_right_after_the_renderer_is_killed(self):
        machine, chance, times = self.drawing_machine(), random.Random(SEED), []
        for i in range(KILLS):
            time.sleep(chance.uniform(0, 0.5))
            began = time.monotonic()
            self.kill_renderer(machine)
            self.expect_cube(machine, 10 + i % 70)
            times.append(time.monotonic() - began)
            self.run_scene_forever(machine)
        self.expect_console(machine, "STILL")
        self.expect_well(machine)
        print(f"{KILLS} kills; seconds until a new program's right frame: median {statistics.median(times):.1f}, "
              f"worst {max(times):.1f}")

    def run_scene_forever(self, machine):
        machine.shell("killall scene; while pidof scene >/dev/null; do sleep 0.1; done")
        since = len(machine.console())
        machine.shell("scene cube --frames=0 --report=5 >/dev/ttyS0 2>&1 &")
        machine.wait_console("^SCENE FRAME 5$", since)

    def test_the_last_picture_stays_and_the_console_comes_back(self):
        machine = self.machine(kind="3d", virgl=True, run="scene:cube")
        machine.wait_console("^SCENE READY cube")
        cube = scenes.cube(640, 480, BACKGROUND, 30)
        self.expect_screen(machine, "the cube", cube)
        self.kill_renderer(machine)
        self.expect_screen(machine, "the cube, as before", cube)
        self.expect_console(machine, "ALIVE")
        self.expect_well(machine)

    def test_a_renderer_that_crashes_is_like_one_that_is_killed(self):
        machine = self.drawing_machine()
        self.kill_renderer(machine, signal.SIGSEGV)
        self.expect_cube(machine, 50)
        self.expect_well(machine)


if __name__ == "__main__":
    unittest.main()
