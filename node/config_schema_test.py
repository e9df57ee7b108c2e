#!/usr/bin/env python3
"""The JSON schema of the node agent's configuration against a validator, and against the agent itself: both say the same.

SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import subprocess
import sys
import tempfile
import unittest

import jsonschema
import yaml

FOLDER = os.path.dirname(os.path.abspath(__file__))
NODE = os.environ.get("RENDERCAR_NODE", os.path.join(FOLDER, "../build/release/bin/rendercar-node"))
HEAD = "apiVersion: rendercar.dev/v1alpha1\nkind: NodeConfig\n"

RIGHT = {
    "head only": "",
    "every key": """\
software: never
sessionOwner: 107
cdiDirectory: /var/run/cdi
nfdDirectory: /etc/nfd
drain: ["0000:03:00.0"]
health: {crashes: 9, crashPods: 3, crashWindowSeconds: 60}
resources:
- name: rendercar.dev/large
  select: {drivers: [amdgpu], pciIds: ["1002:73BF", "8086:*"], addresses: ["0000:41:00.0"], minVideoMemory: 8Gi, software: false}
  deny: {drivers: [nouveau], maxVideoMemory: 1000000}
  replicas: 2
  videoMemoryPerShare: 2Gi
  overcommit: true
  maxSharesPerContainer: 1
  allowSameNode: true
  placement: packed
  limits: {contexts: 64, submit-size: 512Ki, renderer-time: 50}
  fairness: shares
  failover: {nodes: true, software: true}
""",
    "an even part": "resources: [{videoMemoryPerShare: even, replicas: 3}]",
    "no resources": "resources: []",
}
WRONG = {
    "an unknown key": "colour: red",
    "an unknown key of a resource": "resources: [{replica: 3}]",
    "an unknown key of a selector": "resources: [{select: {driver: [amdgpu]}}]",
    "an unknown word": "software: perhaps",
    "an unknown placement": "resources: [{placement: random}]",
    "an unknown limit": "resources: [{limits: {fish: 3}}]",
    "all the time and more": "resources: [{limits: {renderer-time: 101}}]",
    "no time at all": "resources: [{limits: {renderer-time: 0}}]",
    "a watchdog that never sleeps": "resources: [{limits: {watchdog-ms: 5}}]",
    "nothing in flight": "resources: [{limits: {in-flight: 0}}]",
    "a vendor without a device": "resources: [{select: {pciIds: ['10de']}}]",
    "a PCI id in other letters": "resources: [{deny: {pciIds: ['10de:xxxx']}}]",
    "a limit that is no number": "resources: [{limits: {contexts: many}}]",
    "a fairness that is none": "resources: [{fairness: weighted}]",
    "a failover that is none": "resources: [{failover: {software: 3}}]",
    "no share": "resources: [{replicas: 0}]",
    "too many shares": "resources: [{replicas: 1025}]",
    "no number": "resources: [{replicas: many}]",
    "bytes of an unknown unit": "resources: [{videoMemoryPerShare: 2GB}]",
    "a name without a domain": "resources: [{name: gpu}]",
    "a name of the system": "resources: [{name: kubernetes.io/gpu}]",
    "a list that is none": "drain: all",
    "a resource that is no map": "resources: [gpu]",
    "a selector that is no map": "resources: [{select: amdgpu}]",
    "a flag that is none": "resources: [{overcommit: 3}]",
    "a negative uid": "sessionOwner: -1",
    "no pods": "health: {crashPods: 0}",
    "a window of no time": "health: {crashWindowSeconds: 0}",
}


class Schema(unittest.TestCase):
    def setUp(self):
        with open(os.path.join(FOLDER, "config.schema.json"), encoding="utf-8") as f:
            schema = json.load(f)
        jsonschema.Draft7Validator.check_schema(schema)
        self.validator = jsonschema.Draft7Validator(schema)

    def agent(self, flags, text):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            return subprocess.run([NODE, f"--config={file.name}", *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                  text=True, check=False), file.name

    def test_what_is_right_is_right_for_both(self):
        for what, text in RIGHT.items():
            with self.subTest(what):
                self.assertEqual([e.message for e in self.validator.iter_errors(yaml.safe_load(HEAD + text))], [])
                done, _ = self.agent(["--check-config"], HEAD + text)
                self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_what_is_wrong_is_wrong_for_both_and_named_with_its_line(self):
        for what, text in WRONG.items():
            with self.subTest(what):
                self.assertFalse(self.validator.is_valid(yaml.safe_load(HEAD + text)))
                done, file = self.agent(["--check-config"], HEAD + text)
                self.assertEqual(done.returncode, 78, done.stderr)
                self.assertIn(f"{file}:3: ", done.stderr)
                self.assertIn("expected", done.stderr)
                self.assertIn("found", done.stderr)

    def test_a_file_of_another_kind_is_wrong_for_both(self):
        for text in ("kind: NodeConfig\n", HEAD.replace("NodeConfig", "Pod"), HEAD.replace("v1alpha1", "v9")):
            with self.subTest(text):
                self.assertFalse(self.validator.is_valid(yaml.safe_load(text)))
                self.assertEqual(self.agent(["--check-config"], text)[0].returncode, 78)

    def test_what_the_agent_prints_is_right(self):
        for what, text in RIGHT.items():
            with self.subTest(what):
                done, _ = self.agent(["--print-config"], HEAD + text)
                self.assertEqual([e.message for e in self.validator.iter_errors(yaml.safe_load(done.stdout))], [])


if __name__ == "__main__":
    sys.exit(unittest.main())
