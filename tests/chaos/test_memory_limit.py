"""The container comes near its memory limit, and over it: the renderer is ended, the VM and its console go on.

Needs root and a memory cgroup (v1 here) that it can make. SPDX-License-Identifier: Apache-2.0
"""

import os
import time
import unittest

from rendercar_e2e import process
from rendercar_e2e.backends import Missing
from rendercar_e2e.drawing import DrawingTest
from rendercar_e2e.sidecar_backend import SidecarSession, named

NO_LIMIT = 1 << 40


class MemoryCgroup:
    """A cgroup v1 of the memory controller, below this process's own."""

    def __init__(self, name):
        mount = "/sys/fs/cgroup/memory"
        with open("/proc/self/cgroup") as f:
            own = next((line.strip().split(":", 2)[2] for line in f if ":memory:" in line), None)
        places = [f"{mount}{own or '/'}", mount]
        self.path = None
        for place in places:
            try:
                os.mkdir(os.path.join(place, name))
                self.path = os.path.join(place, name)
                break
            except OSError:
                pass
        if self.path is None:
            raise Missing(f"no memory cgroup (v1) can be made below {mount}; run as root on such a machine")

    def number(self, file):
        with open(os.path.join(self.path, file)) as f:
            return int(f.read())

    def limit(self, size):
        with open(os.path.join(self.path, "memory.limit_in_bytes"), "w") as f:
            f.write(str(size))

    def pinned(self):
        """What cannot be taken back: anon and shmem."""
        with open(os.path.join(self.path, "memory.stat")) as f:
            stat = dict(line.split() for line in f)
        return int(stat["total_rss"]) + int(stat.get("total_shmem", 0))

    def enter_command(self):
        return ["/bin/sh", "-c", f'echo $$ > {self.path}/cgroup.procs; exec "$0" "$@"']

    def remove(self):
        for _ in range(100):
            try:
                os.rmdir(self.path)
                return
            except OSError:
                time.sleep(0.1)


class MemoryLimit(DrawingTest):
    def drawing_machine(self):
        try:
            group = MemoryCgroup(f"rendercar-chaos-{os.getpid()}")
        except Missing as e:
            self.skipTest(str(e))
        self.addCleanup(group.remove)
        group.limit(NO_LIMIT)
        machine = self.machine(backend=SidecarSession(prefix=group.enter_command()), kind="3d", virgl=True,
                               run="scene:cube,frames=0,report=5")
        machine.wait_console("^SCENE FRAME 5$")
        return machine, group

    def renderer(self, machine):
        return process.wait_until(lambda: named(machine.backend_process.pid, "rendercar-renderer"), 60, "a renderer")[0]

    def test_near_the_limit_the_renderer_ends_and_new_programs_draw_once_there_is_memory(self):
        machine, group = self.drawing_machine()
        backend = named(machine.backend_process.pid, "rendercar-backend")
        victim = self.renderer(machine)
        group.limit(int(group.pinned() / 0.95))
        process.wait_until(lambda: not process.alive(victim), 60, "the renderer's end")
        group.limit(NO_LIMIT)
        self.assertIn("RendererKilledForMemory", [e["reason"] for e in machine.backend.session()["events"]])
        self.expect_cube(machine, 40)
        self.expect_console(machine, "STILL")
        self.expect_well(machine)
        self.assertEqual(named(machine.backend_process.pid, "rendercar-backend"), backend)

    def test_over_the_limit_the_kernel_takes_the_renderer_and_not_the_device_process(self):
        machine, group = self.drawing_machine()
        backend = named(machine.backend_process.pid, "rendercar-backend")
        control = named(machine.backend_process.pid, "rendercar-sidecar")[0]
        os.kill(control, 19)  # SIGSTOP: nobody watches the limit
        victim = self.renderer(machine)
        machine.shell("killall scene")
        with open(f"/proc/{victim}/oom_score_adj") as f:
            self.assertEqual(int(f.read()), 1000)
        # Below what is used now: the kernel makes room, in the end by ending a process.
        try:
            group.limit(max(group.pinned() - (24 << 20), 32 << 20))
        except OSError:
            pass  # EBUSY where it could not; what it ended counts
        machine.shell("scene cube --frames=3 >/dev/null 2>&1; true")
        process.wait_until(lambda: not process.alive(victim), 60, "the renderer's end")
        group.limit(NO_LIMIT)
        os.kill(control, 18)
        self.assertEqual(named(machine.backend_process.pid, "rendercar-backend"), backend)
        self.expect_cube(machine, 20)
        self.expect_well(machine)


if __name__ == "__main__":
    unittest.main()
