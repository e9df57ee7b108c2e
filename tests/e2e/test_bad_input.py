"""Wrong flags, paths and peers: one clear sentence, the documented exit code, nothing left behind.

Exit codes are those of <sysexits.h>; docs/configuration.md lists them.
SPDX-License-Identifier: Apache-2.0
"""

import os
import socket
import subprocess
import unittest

from rendercar_e2e import backends, process
from rendercar_e2e.case import EndToEndTest

USAGE, UNAVAILABLE, CANNOT_CREATE, PROTOCOL, NO_PERMISSION = 64, 69, 73, 76, 77


class BadInput(EndToEndTest):
    def setUp(self):
        super().setUp()
        try:
            self.binary = backends.Rendercar().binary
        except backends.Missing as e:
            raise unittest.SkipTest(str(e)) from e

    def path(self, name):
        return os.path.join(self.folder, name)

    def run_backend(self, *arguments):
        return subprocess.run([self.binary, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              stdin=subprocess.DEVNULL, timeout=30)

    def expect_refusal(self, done, codes, *words):
        self.assertIn(done.returncode, codes, done.stderr)
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        self.assertEqual(len(lines), 1, f"one sentence is wanted:\n{done.stderr}")
        for word in words:
            self.assertIn(word, lines[0])
        self.assertEqual(os.listdir(self.folder), [], "something was left behind")

    def test_an_unknown_flag(self):
        done = self.run_backend(f"--socket-path={self.path('s')}", "--no-such-flag")
        self.expect_refusal(done, [USAGE], "--no-such-flag")

    def test_neither_socket_nor_descriptor(self):
        self.expect_refusal(self.run_backend(), [USAGE], "--socket-path", "--fd")

    def test_a_descriptor_that_is_not_open(self):
        self.expect_refusal(self.run_backend("--fd=999"), [USAGE, UNAVAILABLE], "999")

    def test_a_missing_render_node(self):
        done = self.run_backend(f"--socket-path={self.path('s')}", "--virgl", "--render-node=/dev/dri/renderD999")
        self.expect_refusal(done, [UNAVAILABLE], "/dev/dri/renderD999")

    def test_a_render_node_that_is_a_plain_file(self):
        done = self.run_backend(f"--socket-path={self.path('s')}", "--virgl", "--render-node=/etc/hostname")
        self.expect_refusal(done, [USAGE, UNAVAILABLE], "/etc/hostname")

    def test_a_socket_path_too_long(self):
        done = self.run_backend(f"--socket-path={self.path('s' * 120)}")
        self.expect_refusal(done, [USAGE], "107")

    def test_a_folder_that_does_not_exist(self):
        done = self.run_backend(f"--socket-path={self.path('missing/gpu.sock')}")
        self.expect_refusal(done, [CANNOT_CREATE, UNAVAILABLE], "missing")

    def test_a_folder_that_is_not_writable(self):
        done = self.run_backend("--socket-path=/proc/gpu.sock")  # not even root can write there
        self.expect_refusal(done, [CANNOT_CREATE, NO_PERMISSION, UNAVAILABLE], "/proc/gpu.sock")

    def test_a_socket_path_where_a_plain_file_is(self):
        path = self.path("precious")
        with open(path, "w") as f:
            f.write("data")
        done = self.run_backend(f"--socket-path={path}")
        self.assertIn(done.returncode, [CANNOT_CREATE, UNAVAILABLE], done.stderr)
        with open(path) as f:
            self.assertEqual(f.read(), "data", "a file that is not a socket must never be replaced")

    def test_a_second_backend_on_a_busy_socket(self):
        path = self.path("gpu.sock")
        first = self.process("first", [self.binary, f"--socket-path={path}"])
        process.wait_until(lambda: os.path.exists(path), 30, "the first backend's socket")
        second = self.run_backend(f"--socket-path={path}")
        self.assertIn(second.returncode, [CANNOT_CREATE, UNAVAILABLE], second.stderr)
        self.assertIn(path, second.stderr)
        self.assertTrue(first.running())
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)  # the first one still listens

    def test_a_stale_socket_is_replaced(self):
        path = self.path("gpu.sock")
        with socket.socket(socket.AF_UNIX) as stale:
            stale.bind(path)
        backend = self.process("backend", [self.binary, f"--socket-path={path}"])

        def connects():
            with socket.socket(socket.AF_UNIX) as client:
                return client.connect_ex(path) == 0

        process.wait_until(connects, 30, "a connection to the replaced socket")
        self.assertEqual(backend.stop(), 0)
        self.assertFalse(os.path.exists(path), "the socket is left behind")

    def test_a_frontend_without_shared_memory_is_told_so(self):
        machine = self.machine(run="console", share=False)
        log = machine.backend_process
        process.wait_until(lambda: "share=on" in log.log() or not log.running(), 120, "the sentence about share=on")
        self.assertIn("share=on", log.log())
        self.assertIn(log.exit_code(), [None, PROTOCOL], log.tail())

    def test_a_frontend_that_hangs_up_at_once_leaves_nothing(self):
        path = self.path("gpu.sock")
        backend = self.process("backend", [self.binary, f"--socket-path={path}"])
        process.wait_until(lambda: os.path.exists(path), 30, "the socket")
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(path)
            client.sendall(b"\x01\x00")  # half a header
        self.assertIn(backend.wait(30), [0, PROTOCOL], backend.log())
        self.assertFalse(os.path.exists(path), "the socket is left behind")


if __name__ == "__main__":
    unittest.main()
