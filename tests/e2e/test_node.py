"""The node agent on real render nodes: vgem's and a virtio-gpu that is unplugged, in a guest with Debian's kernel; a share is
allocated, opened by an unprivileged user, and our backend draws a 3D picture on it with --render-node.

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import unittest

from rendercar_e2e import backends, cdi
from rendercar_e2e.case import EndToEndTest
from rendercar_e2e.machine import REPOSITORY
from rendercar_e2e.node_guest import NodeGuest

CONFIG = """\
apiVersion: rendercar.dev/v1alpha1
kind: NodeConfig
software: never
cdiDirectory: /etc/cdi
resources:
- {name: rendercar.dev/render, select: {drivers: [vgem]}, replicas: 2}
- {name: rendercar.dev/display, select: {drivers: [virtio_gpu, virtio-pci]}, replicas: 3}
"""
RENDER_GROUP, UNPRIVILEGED = 105, 107


class Node(EndToEndTest):
    def setUp(self):
        super().setUp()
        programs = os.environ.get("RENDERCAR_BIN", os.path.join(REPOSITORY, "build/release/bin"))
        try:
            self.guest = NodeGuest(self.folder, programs)
            self._machines.append(self.guest)
            self.guest.start()
        except backends.Missing as e:
            raise unittest.SkipTest(str(e)) from e

    def write(self, path, text):
        """Writes a file in the guest, line by line (its shell takes lines)."""
        self.guest.run(f"mkdir -p {os.path.dirname(path)}; rm -f {path}")
        for line in text.splitlines():
            self.guest.run(f"echo '{line}' >>{path}")

    def prepare(self):
        """vgem gets the first number, so the other GPU is unplugged meanwhile; device files belong to a group as by udev."""
        guest = self.guest
        guest.run("ip link set lo up; mkdir -p /kubelet /etc/cdi /sessions")
        guest.run(f"echo vm:x:{UNPRIVILEGED}:{UNPRIVILEGED}::/:/bin/sh >/etc/passwd")
        guest.run(f"echo render:x:{RENDER_GROUP}:vm >/etc/group; echo vm:x:{UNPRIVILEGED}: >>/etc/group")
        self.unplug()
        guest.run("while read -r m; do insmod $m 2>/dev/null; done </vgem.list; test -c /dev/dri/renderD128")
        guest.run(f"chgrp {RENDER_GROUP} /dev/dri/renderD128; chmod 660 /dev/dri/renderD128")
        self.write("/config.yaml", CONFIG)

    def unplug(self):
        self.guest.run(f"echo 1 >/sys/bus/pci/devices/{self.guest.gpu_address}/remove")

    def rescan(self):
        self.guest.run("echo 1 >/sys/bus/pci/rescan")

    def start_agent(self):
        self.guest.run("rendercar-node --config=/config.yaml --kubelet-dir=/kubelet --session-root=/sessions "
                       "--capset-probe=/usr/bin/rendercar-renderer --pod-resources-socket=none >/agent.log 2>&1 &")
        self.guest.run("fake-kubelet --dir=/kubelet --allocate=rendercar.dev/render=1 --host-paths --output=/share.json "
                       "--output-env=/share.env --stay --timeout=120 >/kubelet.log 2>&1 &")
        self.guest.wait_for("test -s /share.env && cat /share.json", "the allocation", 120)

    def expect_metric(self, line):
        self.guest.wait_for(f"wget -q -O - http://127.0.0.1:9464/metrics | grep -F '{line}'", line)

    def enter_container(self):
        """What a runtime does with the share's CDI device: a /dev/dri of its own with that device file only."""
        allocation = json.loads(self.guest.run("cat /share.json"))
        spec = json.loads(self.guest.run("cat /etc/cdi/rendercar.dev-render.json"))
        cdi.check(spec)
        named = {f"{spec['kind']}={d['name']}": d["containerEdits"] for d in spec["devices"]}
        device, = named[allocation["cdi_devices"][0]["name"]]["deviceNodes"]
        self.assertEqual((device["path"], device["gid"]), ("/dev/dri/renderD128", RENDER_GROUP))
        major, minor = (int(x, 16) for x in self.guest.run(f"stat -c '%t %T' {device['hostPath']}").split())
        self.write("/container", "\n".join([
            "#!/bin/sh", "mount -t tmpfs none /dev/dri || exit 1",
            f"mknod -m {device['fileMode']:o} {device['path']} c {major} {minor} || exit 1",
            f"chgrp {device['gid']} {device['path']}", "exec su -s /bin/sh vm -c \"$1\""]))
        self.guest.run("chmod 755 /container")

    def in_container(self, command):
        return self.guest.run(f"unshare -m /container '{command}'", 300)

    def wait_for_list(self, devices, times):
        """Until the kubelet was told so many shares of the other GPU, for the so-many-th time."""
        line = f"rendercar.dev/display has {devices} devices, {devices} of them healthy"
        self.guest.wait_for(f"test $(grep -c '{line}' /kubelet.log) -ge {times}", f"`{line}` ({times} times)")

    def test_a_share_of_a_real_render_node_draws_in_3d_while_another_gpu_comes_and_goes(self):
        self.prepare()
        self.start_agent()
        share = self.guest.run(". /share.env; echo $RENDERCAR_SHARE_IDS $RENDERCAR_RENDER_NODES").split()
        self.assertEqual(share, ["platform-vgem-0", "/dev/dri/renderD128"])
        self.rescan()
        self.wait_for_list(3, 1)
        self.expect_metric('render_node="0000-00-04.0"')
        self.guest.run("grep -q 0000-00-04.0 /etc/cdi/*.json")
        self.unplug()
        self.wait_for_list(0, 2)  # the first was before it came
        self.guest.run("! grep -q 0000-00-04.0 /etc/cdi/*.json")
        self.rescan()
        self.wait_for_list(3, 2)

        self.enter_container()
        refused = self.guest.run("su -s /bin/sh vm -c 'exec 3<>/dev/dri/card0' 2>&1; true")
        self.assertIn("Permission denied", refused)
        session = self.guest.run(". /share.env; echo $RENDERCAR_SESSION_DIRS")
        drawn = self.in_container("rendercar-draw --backend=/usr/bin/rendercar-backend --render-node=/dev/dri/renderD128 "
                                  f"--stats-path={session}/vm.stats")
        self.assertIn("OPEN /dev/dri/renderD128", drawn)
        self.assertIn("PICTURE 64x64 WRONG 0", drawn)
        self.expect_metric('session="vm"')
        self.expect_metric("gl_renderer=")  # the agent's own probe of the node


if __name__ == "__main__":
    unittest.main()
