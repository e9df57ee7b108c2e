"""deploy/k8s/vm-pod as a real Pod: two confined containers, the GPU in the sidecar alone; the guest draws, metrics are scraped,
killed containers are started again in the same pod.

SPDX-License-Identifier: Apache-2.0
"""

import os
import re
import socket
import subprocess
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


class ContainerTest(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.env = env = pod.environment(self.folder)
        self.addCleanup(pod.release_storage)
        try:
            pod.require()
            pod.build_images(env, os.environ["RENDERCAR_BIN"], os.path.join(self.folder, "images.log"))
            pod.require_containers(env)
        except Missing as e:
            raise unittest.SkipTest(str(e)) from e


class PodTest(ContainerTest):
    def setUp(self):
        super().setUp()
        self.port = free_port()
        with open(YAML) as f:
            yaml = f.read()
        # The host's network, since traffic stays on loopback then; all else is as people use it.
        yaml = yaml.replace("0.0.0.0:9465", f"127.0.0.1:{self.port}").replace("\nspec:\n", "\nspec:\n  hostNetwork: true\n", 1)
        yaml = re.sub(r"      ports:\n        - name: rc-metrics\n          containerPort: 9465\n", "", yaml)
        self.pod = pod.Pod(self.env, yaml, self.folder)
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
        # One after the other: podman stops a pod, some time later, of which no container was running.
        self.restart(SIDECAR)
        self.wait_ready()
        self.kill(COMPUTE)
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


# In a mount namespace: a device file where the machine may have none, and the agent's specifications where runtimes look.
WITH_CDI = """set -e
mount -t tmpfs tmpfs /dev/dri
mknod -m 0600 /dev/dri/renderD128 c 1 3
mount --bind "$0" /var/run/cdi
exec "$@"
"""


class CdiTest(ContainerTest):
    """The agent's CDI files, resolved by a real runtime; the device is /dev/null under a render node's name."""

    def setUp(self):
        super().setUp()
        for name in ("/dev/dri", "/var/run/cdi"):
            if not os.path.exists(name):
                os.mkdir(name)
                self.addCleanup(os.rmdir, name)

    def make_sysfs(self):
        device = os.path.join(self.folder, "sys/devices/platform/vgem")
        node = os.path.join(device, "drm/renderD128")
        for name in (node, os.path.join(self.folder, "sys/bus/platform"), os.path.join(self.folder, "sys/class/drm"),
                     os.path.join(self.folder, "dev/dri"), os.path.join(self.folder, "kubelet")):
            os.makedirs(name)
        os.symlink("../../../bus/platform", os.path.join(device, "subsystem"))
        os.symlink("../..", os.path.join(node, "device"))
        os.symlink("../../devices/platform/vgem/drm/renderD128", os.path.join(self.folder, "sys/class/drm/renderD128"))
        for name, text in ((os.path.join(node, "dev"), "226:128\n"), (os.path.join(self.folder, "dev/dri/renderD128"), "")):
            with open(name, "w") as f:
                f.write(text)

    def start_agent(self):
        with open(os.path.join(self.folder, "node.yaml"), "w") as f:
            f.write(f"apiVersion: rendercar.dev/v1alpha1\nkind: NodeConfig\ncdiDirectory: {self.folder}/cdi\n")
        self.process("node", [
            os.path.join(os.environ["RENDERCAR_BIN"], "rendercar-node"), f"--config={self.folder}/node.yaml",
            f"--kubelet-dir={self.folder}/kubelet", f"--session-root={self.folder}/sessions", f"--sysfs-root={self.folder}/sys",
            f"--dev-root={self.folder}/dev", "--metrics-address=none", "--pod-resources-socket=none", "--proc-root=none"])
        process.wait_until(lambda: os.path.exists(os.path.join(self.folder, "cdi/rendercar.dev-render.json")), STEP_TIMEOUT_S,
                           "a CDI file")

    def test_an_unprivileged_container_opens_the_device_by_its_cdi_name(self):
        self.make_sysfs()
        self.start_agent()
        done = subprocess.run(
            ["unshare", "--mount", "--propagation", "private", "sh", "-c", WITH_CDI, os.path.join(self.folder, "cdi"),
             "podman", "run", "--rm", "--network=host", "--user=107:107", "--cap-drop=all", "--device=rendercar.dev/render=platform-vgem",
             "--entrypoint=/bin/sh", pod.image("sidecar"), "-ec", "exec 3<>/dev/dri/renderD128; id -u"],
            env=self.env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=180)
        self.assertEqual((done.returncode, done.stdout), (0, "107\n"), done.stderr)


if __name__ == "__main__":
    unittest.main()
