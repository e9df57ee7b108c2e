"""deploy/k8s/vm-pod as a real Pod: two confined containers, the GPU in the sidecar alone; the guest draws, metrics are scraped,
killed containers are started again in the same pod.

SPDX-License-Identifier: Apache-2.0
"""

import os
import re
import socket
import unittest
import urllib.request

from rendercar_e2e import pod, process, scenes
from rendercar_e2e.backends import Missing
from rendercar_e2e.case import EndToEndTest
from rendercar_e2e.drawing import BACKGROUND
from rendercar_e2e.machine import BOOT_TIMEOUT_S, REPOSITORY
from rendercar_e2e.picture import Picture
from rendercar_e2e.qmp import Qmp

YAML = os.path.join(REPOSITORY, "deploy/k8s/vm-pod/podman.yaml")
COMPUTE, SIDECAR = "vm-compute", "vm-rendercar"
STEP_TIMEOUT_S = 60


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class PodTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        env = pod.environment(self.folder)
        self.addCleanup(pod.release_storage)
        try:
            pod.require()
            pod.build_images(env, os.environ["RENDERCAR_BIN"], os.path.join(self.folder, "images.log"))
            pod.require_containers(env)
        except Missing as e:
            raise unittest.SkipTest(str(e)) from e
        self.port = free_port()
        with open(YAML) as f:
            yaml = f.read()
        # The host's network, since traffic stays on loopback then; all else is as people use it.
        yaml = yaml.replace("0.0.0.0:9465", f"127.0.0.1:{self.port}").replace("\nspec:\n", "\nspec:\n  hostNetwork: true\n", 1)
        yaml = re.sub(r"      ports:\n        - name: rc-metrics\n          containerPort: 9465\n", "", yaml)
        self.pod = pod.Pod(env, yaml, self.folder)
        self.addCleanup(self.pod.down)
        self.pod.down()  # what a run that was killed left
        self.pod.play()

    def expect_cube(self, boot):
        self.pod.wait_log(COMPUTE, "SCENE READY cube", boot, BOOT_TIMEOUT_S)
        self.assertIn("GL_RENDERER: virgl", self.pod.logs(COMPUTE))
        cube = scenes.cube(1280, 800, BACKGROUND, 30)

        def look():
            picture = self.screendump()
            picture.save_png(os.path.join(self.folder, "screen.png"))
            return (picture.width, picture.height) == (1280, 800) and picture.mismatch(cube, 5, 4) <= 0.005
        process.wait_until(look, STEP_TIMEOUT_S, f"the cube on the screen ({self.folder}/screen.png)", 0.5)

    def screendump(self):
        root = self.pod.root(COMPUTE)
        qmp = Qmp(f"{root}/run/vm/qmp.sock", STEP_TIMEOUT_S)
        try:
            qmp.command("screendump", filename="/run/vm/screen.ppm")
        finally:
            qmp.close()
        return Picture.from_ppm(f"{root}/run/vm/screen.ppm")

    def metrics(self):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=STEP_TIMEOUT_S) as answer:
            return answer.read().decode()

    def expect_confined(self, container):
        status = self.pod.status(container)
        self.assertEqual(status["Uid"].split(), ["107"] * 4)
        for kind in ("CapEff", "CapPrm", "CapBnd"):
            self.assertEqual(int(status[kind], 16), 0, kind)
        self.assertEqual((status["NoNewPrivs"], status["Seccomp"]), ("1", "2"))
        self.assertTrue(self.pod.inspect(container)["HostConfig"]["ReadonlyRootfs"])

    def expect_no_gpu_in_compute(self):
        root = self.pod.root(COMPUTE)
        self.assertFalse(os.path.exists(f"{root}/dev/dri"))
        mapped = open(f"/proc/{self.pod.pid(COMPUTE)}/maps").read()
        for library in ("virglrenderer", "libEGL_mesa", "libgallium", "_dri.so"):
            self.assertNotIn(library, mapped)

    def wait_ready(self):
        process.wait_until(lambda: "ready" in self.pod.podman("exec", SIDECAR, "rendercarctl", "sessions", "list", check=False),
                           STEP_TIMEOUT_S, "a session that is ready", 0.5)

    def restart(self, container):
        self.pod.podman("start", container)

    def kill(self, container):
        self.pod.podman("kill", container)
        process.wait_until(lambda: not self.pod.running(container), STEP_TIMEOUT_S, f"the end of {container}", 0.2)

    def test_a_pod_draws_and_survives_its_containers(self):
        self.expect_cube(boot=1)
        self.expect_confined(COMPUTE)
        self.expect_confined(SIDECAR)
        self.expect_no_gpu_in_compute()
        self.assertRegex(self.metrics(), r"(?m)^rendercar_renderer_up\{.*\} 1$")
        self.kill_the_vm_and_start_it_again()
        self.kill_the_sidecar_and_start_both_again()
        self.expect_nothing_left()

    def kill_the_vm_and_start_it_again(self):
        before = self.pod.pid(SIDECAR)
        self.kill(COMPUTE)
        self.wait_ready()
        self.restart(COMPUTE)
        self.expect_cube(boot=2)
        self.assertEqual(self.pod.pid(SIDECAR), before, "the sidecar is the same")

    def kill_the_sidecar_and_start_both_again(self):
        self.kill(SIDECAR)
        self.assertTrue(self.pod.running(COMPUTE), "QEMU lives on without its GPU")
        self.kill(COMPUTE)
        self.restart(SIDECAR)
        self.wait_ready()
        self.restart(COMPUTE)
        self.expect_cube(boot=3)

    def expect_nothing_left(self):
        self.pod.down()
        self.assertEqual(self.pod.containers(), [])
        left = [pid for pid in os.listdir("/proc") if pid.isdigit() and self.is_of_the_pod(pid)]
        self.assertEqual(left, [])

    def is_of_the_pod(self, pid):
        try:
            with open(f"/proc/{pid}/cmdline", "rb") as f:
                return pod.STORAGE.encode() in f.read() and process.alive(int(pid))
        except OSError:
            return False


if __name__ == "__main__":
    unittest.main()
