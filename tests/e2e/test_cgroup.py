"""A session's processes stay in the cgroup that the sidecar was started in, so that its pod pays for them.

SPDX-License-Identifier: Apache-2.0
"""

import os
import unittest

from rendercar_e2e import process
from rendercar_e2e.case import EndToEndTest
from rendercar_e2e.machine import REPOSITORY

# A v1 hierarchy or the v2 one: the first in which this machine lets us make a group.
HIERARCHIES = ["/sys/fs/cgroup/pids", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified", "/sys/fs/cgroup"]


class Cgroup(EndToEndTest):
    def make_group(self):
        for hierarchy in HIERARCHIES:
            path = os.path.join(hierarchy, f"rendercar-test-{os.getpid()}")
            try:
                os.mkdir(path)
            except OSError:
                continue
            if os.path.exists(os.path.join(path, "cgroup.procs")):
                self.addCleanup(process.wait_until, lambda: self.remove(path), 10, f"removing {path}")
                return path
            os.rmdir(path)
        raise unittest.SkipTest("no cgroup hierarchy here is writable")

    @staticmethod
    def remove(path):
        try:
            os.rmdir(path)
            return True
        except OSError:  # a process in it has not been reaped yet
            return False

    @staticmethod
    def backend_below(pid):
        def program(child):
            try:
                return os.path.basename(os.readlink(f"/proc/{child}/exe"))
            except OSError:
                return None
        return next((child for child in process.descendants(pid) if program(child) == "rendercar-backend"), None)

    def test_sidecar_and_backend_are_in_the_group_that_the_sidecar_was_started_in(self):
        group = self.make_group()
        programs = os.environ.get("RENDERCAR_BIN", os.path.join(REPOSITORY, "build/release/bin"))
        sidecar = self.process("sidecar", [
            "sh", "-c", f'echo $$ > {group}/cgroup.procs && exec "$@"', "sh", f"{programs}/rendercar-sidecar",
            "--share=software-0", "--render-node=software", f"--socket-dir={self.folder}",
            f"--control-socket={self.folder}/control.sock", f"--session-dir={self.folder}",
            "--metrics-address=off", "--create-session=vm"])

        def members():
            with open(f"{group}/cgroup.procs") as f:
                return {int(line) for line in f}

        backend = process.wait_until(lambda: self.backend_below(sidecar.pid), 30, "a backend's start")
        self.assertLessEqual({sidecar.pid, backend}, members(), sidecar.tail())
        self.assertEqual(sidecar.stop(), 0, sidecar.tail())
        process.wait_until(lambda: not members(), 10, "the group's end")


if __name__ == "__main__":
    unittest.main()
