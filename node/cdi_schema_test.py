#!/usr/bin/env python3
"""The CDI specification that the agent writes, against the schema of our own words, and that schema against files that are wrong.

SPDX-License-Identifier: Apache-2.0
"""

import copy
import json
import os
import subprocess
import sys
import tempfile
import time
import unittest

import jsonschema

FOLDER = os.path.dirname(os.path.abspath(__file__))
NODE = os.environ.get("RENDERCAR_NODE", os.path.join(FOLDER, "../build/release/bin/rendercar-node"))
sys.path.insert(0, os.path.join(FOLDER, "../tests/e2e"))
from rendercar_e2e import cdi

PATIENCE_S = 60
GPU = "sys/devices/pci0000:00/0000:03:00.0"
FULL = {
    "cdiVersion": "0.5.0", "kind": "rendercar.dev/render",
    "containerEdits": {"env": ["A=", "B=c=d"]},
    "devices": [{"name": "0000-03-00.0", "containerEdits": {
        "deviceNodes": [{"path": "/dev/dri/renderD128", "hostPath": "/dev/dri/renderD129", "type": "c", "major": 226, "minor": 129,
                         "fileMode": 0o666, "permissions": "rw", "uid": 0, "gid": 105}],
        "mounts": [{"hostPath": "/a", "containerPath": "/b", "options": ["ro", "bind"], "type": "bind"}],
        "hooks": [{"hookName": "createContainer", "path": "/bin/true", "args": ["true"], "env": ["A=b"], "timeout": 5}]}}],
}
EDITS = ("devices", 0, "containerEdits")
DEVICE, MOUNT, HOOK = ((*EDITS, kind, 0) for kind in ("deviceNodes", "mounts", "hooks"))
WRONG = [
    (("cdiVersion",), "1"), (("cdiVersion",), "0.6.0"), (("kind",), "render"), (("kind",), "1.dev/render"), (("kind",), "a.dev/b.c"),
    (("kind",), "a.dev/"), (("devices",), []), (("annotations",), {}), (("devices", 0, "name"), ""), (("devices", 0, "name"), "a/b"),
    (("devices", 0, "name"), "a-"), (("devices", 0, "annotations"), {}), (EDITS, {}), ((*EDITS, "devicenodes"), []), ((*EDITS, "env"), ["A"]),
    ((*EDITS, "env"), ["=b"]), ((*DEVICE, "path"), "dri"), ((*DEVICE, "hostPath"), ""), ((*DEVICE, "type"), "x"), ((*DEVICE, "major"), "226"),
    ((*DEVICE, "minor"), 2**63), ((*DEVICE, "fileMode"), "0666"), ((*DEVICE, "fileMode"), 0o1000), ((*DEVICE, "permissions"), "rx"),
    ((*DEVICE, "permissions"), ""), ((*DEVICE, "uid"), -1), ((*DEVICE, "gid"), 2**32), ((*DEVICE, "mode"), 6), ((*MOUNT, "hostPath"), "a"),
    ((*MOUNT, "containerPath"), 3), ((*MOUNT, "options"), "ro"), ((*MOUNT, "type"), ""), ((*MOUNT, "readOnly"), True),
    ((*HOOK, "hookName"), "later"), ((*HOOK, "path"), "true"), ((*HOOK, "args"), "true"), ((*HOOK, "env"), ["A"]), ((*HOOK, "timeout"), -1),
    ((*HOOK, "dir"), "/"),
]
NEEDED = [("cdiVersion",), ("kind",), ("devices",), ("devices", 0, "name"), EDITS, (*DEVICE, "path"), (*MOUNT, "hostPath"),
          (*MOUNT, "containerPath"), (*HOOK, "hookName"), (*HOOK, "path")]


def changed(path, value=None):
    """FULL with the value at `path` replaced, or without it."""
    spec = copy.deepcopy(FULL)
    at = spec
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    if value is None:
        del at[path[-1]]
    return spec


def make_gpu(folder):
    """A GPU as the kernel shows it, below `folder`."""
    node = os.path.join(folder, GPU, "drm/renderD128")
    for path in (node, *(os.path.join(folder, p) for p in ("sys/class/drm", "sys/bus/pci/drivers/amdgpu", "dev/dri", "kubelet"))):
        os.makedirs(path)
    for name, text in {"vendor": "0x1002", "device": "0x73bf", "numa_node": "0", "drm/renderD128/dev": "226:128"}.items():
        with open(os.path.join(folder, GPU, name), "w", encoding="ascii") as f:
            f.write(text + "\n")
    os.symlink("../../../bus/pci", os.path.join(folder, GPU, "subsystem"))
    os.symlink("../../../bus/pci/drivers/amdgpu", os.path.join(folder, GPU, "driver"))
    os.symlink("../../../0000:03:00.0", os.path.join(node, "device"))
    os.symlink("../../devices/pci0000:00/0000:03:00.0/drm/renderD128", os.path.join(folder, "sys/class/drm/renderD128"))
    with open(os.path.join(folder, "dev/dri/renderD128"), "w", encoding="ascii"):
        pass


class Cdi(unittest.TestCase):
    def written(self, folder):
        """What the agent writes for the machine below `folder`."""
        make_gpu(folder)
        config, file = (os.path.join(folder, name) for name in ("node.yaml", "cdi/rendercar.dev-render.json"))
        with open(config, "w", encoding="ascii") as f:
            f.write(f"apiVersion: rendercar.dev/v1alpha1\nkind: NodeConfig\ncdiDirectory: {folder}/cdi\n")
        agent = subprocess.Popen([
            NODE, f"--config={config}", f"--kubelet-dir={folder}/kubelet", f"--session-root={folder}/sessions", f"--sysfs-root={folder}/sys",
            f"--dev-root={folder}/dev", "--pod-resources-socket=none", "--proc-root=none", "--metrics-address=127.0.0.1:0"])
        try:
            end = time.monotonic() + PATIENCE_S
            while not os.path.exists(file) and agent.poll() is None and time.monotonic() < end:
                time.sleep(0.02)
            with open(file, encoding="utf-8") as f:
                return json.load(f)
        finally:
            agent.terminate()
            agent.wait()

    def test_what_the_agent_writes_is_right(self):
        with tempfile.TemporaryDirectory() as folder:
            spec = self.written(folder)
        cdi.check(spec)
        self.assertEqual([d["name"] for d in spec["devices"]], ["0000-03-00.0"])

    def test_every_field_of_the_specification_is_right(self):
        jsonschema.Draft7Validator.check_schema(cdi.SCHEMA)
        cdi.check(FULL)

    def test_what_runtimes_refuse_or_ignore_is_wrong(self):
        for path, value in WRONG:
            with self.subTest(path=path, value=value), self.assertRaises(jsonschema.ValidationError):
                cdi.check(changed(path, value))

    def test_what_is_needed_must_be_there(self):
        for path in NEEDED:
            with self.subTest(path=path), self.assertRaises(jsonschema.ValidationError):
                cdi.check(changed(path))


if __name__ == "__main__":
    sys.exit(unittest.main())
