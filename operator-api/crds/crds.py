"""The CRDs, their examples, and objects that must pass or must be refused: what the tests of two checkers share.

SPDX-License-Identifier: Apache-2.0"""
import pathlib

import yaml

FOLDER = pathlib.Path(__file__).resolve().parent


def _load(pattern):
    return [yaml.safe_load(path.read_text()) for path in sorted(FOLDER.glob(pattern))]


def definitions():
    return _load("rendercar.dev_*.yaml")


def examples():
    return _load("examples/*.yaml")


def pool(**spec):
    return {"apiVersion": "rendercar.dev/v1alpha1", "kind": "RenderPool", "metadata": {"name": "pool"}, "spec": spec}


def session(status=None, **spec):
    made = {"apiVersion": "rendercar.dev/v1alpha1", "kind": "GpuSession", "metadata": {"name": "session", "namespace": "team-a"},
            "spec": {"nodeName": "worker-1", "podName": "vm", "session": "shares/software-0/sessions/gpu0", **spec}}
    return {**made, "status": status} if status else made


RIGHT = [
    ("nothing said", pool()),
    ("bytes as numbers", pool(videoMemory={"perShare": 1 << 30, "overcommit": True}, gpus={"select": {"minVideoMemory": 0}})),
    ("even shares", pool(videoMemory={"perShare": "even"})),
    ("a range of memory", pool(gpus={"select": {"minVideoMemory": "8Gi", "maxVideoMemory": 17179869184}})),
    ("a session that nothing is known of", session()),
]

# (why, object, words of the refusal by Kubernetes)
WRONG = [
    ("an unknown field", pool(replicas=3), "spec.replicas"),
    ("an unknown field deep inside", pool(gpus={"select": {"driver": "amdgpu"}}), "driver"),
    ("no share at all", pool(shares={"replicas": 0}), "spec.shares.replicas"),
    ("a word for a number", pool(shares={"replicas": "four"}), "spec.shares.replicas"),
    ("no such placement", pool(shares={"placement": "random"}), "spec.shares.placement"),
    ("no PCI id", pool(gpus={"deny": {"pciIds": ["amd"]}}), "pciIds"),
    ("memory in no unit", pool(videoMemory={"perShare": "2 GB"}), "perShare"),
    ("more than all the time", pool(limits={"rendererTime": 101}), "rendererTime"),
    ("a resource without a domain", pool(resourceName="render"), "resourceName"),
    ("no such state", session({"state": "Fine"}), "status.state"),
    ("a condition without a reason",
     session({"conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-02T03:04:05Z", "message": ""}]}), "reason"),
    ("a session of no pod", session(podName=""), "podName"),
    ("too many events", session({"recentEvents": [{"time": "2026-01-02T03:04:05Z", "reason": "R"}] * 17}), "recentEvents"),
]

# What only rules say.
WRONG_BY_CEL = [
    ("a resource of Kubernetes", pool(resourceName="kubernetes.io/gpu"), "belong to Kubernetes"),
    ("overcommit of nothing", pool(videoMemory={"overcommit": True}), "overcommit says nothing"),
    ("an empty range", pool(gpus={"select": {"minVideoMemory": "16Gi", "maxVideoMemory": "8G"}}), "above maxVideoMemory"),
    ("an empty range to deny", pool(gpus={"deny": {"minVideoMemory": 9, "maxVideoMemory": "8"}}), "above maxVideoMemory"),
]
