"""A node agent, a sidecar that was given a share, a guest that draws: what tests of the API and of rendercarctl look at.

Needs the programs (RENDERCAR_BIN, RENDERCAR_GPU_LOAD, set by ctest) and Debian's python3-grpcio. SPDX-License-Identifier: Apache-2.0"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

try:
    import grpc  # noqa: F401

    import reflection
except ImportError as missing:
    print(f"SKIP: {missing}; install the Debian package python3-grpcio", file=sys.stderr)
    sys.exit(77)

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BIN = pathlib.Path(os.environ.get("RENDERCAR_BIN", ROOT / "build/release/bin"))
GPU_LOAD = pathlib.Path(os.environ.get("RENDERCAR_GPU_LOAD", ROOT / "build/release/test/gpu-load"))
SESSIONS, INVENTORY = "rendercar.v1.SessionService", "rendercar.v1.InventoryService"
PATIENCE_S = 120  # a guard against hanging for ever; nothing here measures time


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE_S} s")


class NodeAndSidecar(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="rendercar-api-"))
        cls.processes = []
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        cls.addClassCleanup(cls.stop_all)
        for name in ("kubelet", "sessions", "run"):
            (cls.dir / name).mkdir()
        allocation = cls.dir / "allocation.env"
        cls.start(BIN / "fake-kubelet", f"--dir={cls.dir}/kubelet", "--allocate=rendercar.dev/render=1", "--host-paths", "--stay",
                  f"--output-env={allocation}")
        wait_for("the kubelet's socket", (cls.dir / "kubelet/kubelet.sock").exists)
        cls.node_socket = cls.dir / "node.sock"
        cls.start(BIN / "rendercar-node", f"--kubelet-dir={cls.dir}/kubelet", f"--session-root={cls.dir}/sessions", "--software=always",
                  "--metrics-address=none", "--pod-resources-socket=none", f"--api-socket={cls.node_socket}", f"--capset-probe={BIN}/rendercar-renderer")
        wait_for("an allocation", lambda: allocation.exists() and allocation.stat().st_size > 0)
        shell = subprocess.run(["env", "-i", "bash", "-c", f". {allocation}; env -0"], capture_output=True, text=True, check=True).stdout
        cls.allocated = dict(line.split("=", 1) for line in shell.split("\0") if line)
        cls.share = cls.allocated["RENDERCAR_SHARE_IDS"]
        cls.name = f"shares/{cls.share}/sessions/gpu0"
        cls.socket = cls.dir / "run/control.sock"
        cls.start_sidecar()
        wait_for("the node agent's API", cls.node_socket.exists)
        cls.node, cls.sidecar = reflection.Client(cls.node_socket), reflection.Client(cls.socket)
        cls.load = cls.start(GPU_LOAD, cls.dir / "run/gpu0.sock")
        wait_for("a guest that draws", lambda: cls.session().usage.renderer_up and cls.session().usage.commands > 100)

    @classmethod
    def start_sidecar(cls):
        """With what Allocate answered, and nothing else."""
        run = cls.dir / "run"
        cls.sidecar_process = cls.start(BIN / "rendercar-sidecar", f"--socket-dir={run}", f"--control-socket={cls.socket}", "--create-session=gpu0",
                                        "--metrics-address=off", env={**cls.allocated, "PATH": os.environ["PATH"]})
        wait_for("the session's socket", (run / "gpu0.sock").exists)
        wait_for("the sidecar's API", cls.socket.exists)

    @classmethod
    def start(cls, *command, env=None):
        with open(cls.dir / f"{pathlib.Path(command[0]).name}.log", "ab") as log:
            cls.processes.append(subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, cwd=cls.dir, env=env))
        return cls.processes[-1]

    @classmethod
    def stop_all(cls):
        for process in reversed(cls.processes):
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @classmethod
    def session(cls):
        return cls.sidecar.call(SESSIONS, "GetSession", name="sessions/gpu0")

    def ctl(self, *arguments, socket=None, code=0):
        done = subprocess.run([str(BIN / "rendercarctl"), f"--socket={socket or self.socket}", *map(str, arguments)], text=True, capture_output=True,
                              check=False, timeout=60, cwd=self.dir, env={**os.environ, "TERM": "dumb"})
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout


def main():
    for program in ("fake-kubelet", "rendercar-node", "rendercar-sidecar", "rendercar-backend", "rendercar-renderer", "rendercarctl"):
        if not (BIN / program).exists():
            print(f"SKIP: {BIN / program} is not built", file=sys.stderr)
            sys.exit(77)
    unittest.main(verbosity=1)
