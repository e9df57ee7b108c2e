"""The whole chain, as `make demo` runs it: node agent, kubelet stand-in, sidecar, backend, QEMU, guest, picture, metrics.

SPDX-License-Identifier: Apache-2.0
"""

import os
import subprocess
import unittest

from rendercar_e2e.machine import REPOSITORY, guest_image


class Chain(unittest.TestCase):
    def run_demo(self, programs, timeout_s=800):
        return subprocess.run([os.path.join(REPOSITORY, "scripts/demo.sh"), f"--prebuilt={programs}"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, text=True,
                              timeout=timeout_s)

    def test_the_demo_ends_with_a_right_picture_and_leaves_nothing(self):
        programs = os.environ.get("RENDERCAR_BIN", os.path.join(REPOSITORY, "build/release/bin"))
        guest_image("3d")
        done = self.run_demo(programs)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"(?m)^GL_RENDERER: virgl")
        self.assertRegex(done.stdout, r"the same as .*device.png, pixel by pixel")
        self.assertRegex(done.stdout, r'rendercar_backend_up\{.*\} 1')
        self.assertRegex(done.stdout, r"(?m)^The picture: build/demo/screen.png")

    def test_a_step_that_fails_is_named(self):
        done = self.run_demo("/nonexistent")
        self.assertEqual(done.returncode, 1, done.stdout)
        self.assertIn("demo: ", done.stdout)
        self.assertIn("rendercar-node", done.stdout)


if __name__ == "__main__":
    unittest.main()
