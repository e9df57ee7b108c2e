"""The sidecar's control process is killed while a guest draws: picture, VM and session go on, and the next one finds them.

SPDX-License-Identifier: Apache-2.0
"""

import os
import random
import signal
import statistics
import time
import unittest

from rendercar_e2e import process, scenes
from rendercar_e2e.drawing import DrawingTest
from rendercar_e2e.sidecar_backend import SidecarSession, named

KILLS = int(os.environ.get("RENDERCAR_CHAOS_CONTROL_KILLS", "5"))
SEED = int(os.environ.get("RENDERCAR_CHAOS_SEED", "1"))


class ControlProcess(DrawingTest):
    def kill_control(self, machine):
        """Kills it; returns the seconds until the next one answers."""
        victim = process.wait_until(lambda: named(machine.backend_process.pid, "rendercar-sidecar"), 30, "a control process")[0]
        os.kill(victim, signal.SIGKILL)
        began = time.monotonic()
        process.wait_until(lambda: not process.alive(victim), 30, "its end")
        process.wait_until(machine.backend.session, 60, "an answer of the next control process", 0.01)
        return time.monotonic() - began

    def test_sessions_go_on_while_it_is_killed(self):
        session = SidecarSession()
        machine = self.machine(backend=session, run="paint:animate")
        machine.wait_console("^PAINT FRAME 10$")
        backends, chance, times = named(machine.backend_process.pid, "rendercar-backend"), random.Random(SEED), []
        for _ in range(KILLS):
            time.sleep(chance.uniform(0, 0.3))
            times.append(self.kill_control(machine))
            machine.wait_console("^PAINT FRAME", len(machine.console()))
        self.assertEqual(named(machine.backend_process.pid, "rendercar-backend"), backends, "the backend is another")
        self.assertIn("ControlProcessRestarted", [e["reason"] for e in session.session()["events"]])
        machine.shell("killall paint")
        self.expect_fill(machine, 0x3366CC)
        self.expect_well(machine)
        machine.qmp.command("stop")
        machine.qmp.command("cont")
        self.expect_screen(machine, "the same after a pause", scenes.fill(0x3366CC))
        print(f"CHAOS control process killed: {KILLS} times, seconds until the next one answers: "
              f"median {statistics.median(times):.2f}, worst {max(times):.2f}")


if __name__ == "__main__":
    unittest.main()
