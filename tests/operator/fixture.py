"""A test of rendercar-operator: a stand-in of the API server, a node agent in Python, the program, and ways to wait for what it does.

SPDX-License-Identifier: Apache-2.0"""
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "tests/fakes/apiserver"), str(ROOT / "tests/operator")]


def skip(missing):
    print(f"SKIP: {missing}; install the Debian packages python3-grpcio, python3-jsonschema and python3-yaml", file=sys.stderr)
    sys.exit(77)


try:
    import apiserver
    import crd_check
    import node_agent
except ImportError as missing_module:
    skip(missing_module)

os.environ["no_proxy"] = "*"  # curl would ask a proxy for localhost too
BIN = pathlib.Path(os.environ.get("RENDERCAR_BIN", ROOT / "build/release/bin"))
GROUP, NODE = "rendercar.dev", "worker-1"
BASE = "apiVersion: rendercar.dev/v1alpha1\nkind: NodeConfig\nsoftware: never\ncdiDirectory: /var/run/cdi\nresources:\n- {name: rendercar.dev/render, replicas: 3}\n"
used = set()  # (verb, group, resource) of all tests
PATIENCE_S = 120  # a guard against hanging for ever; nothing here measures time


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"{what}: not within {PATIENCE_S} s")


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


def certificate(folder, name):
    """(certificate and key of localhost, authority), each signed by an authority of its own."""
    made = folder / name
    made.mkdir()
    key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    openssl("req", "-x509", *key, "-days", 30, "-subj", f"/CN={name}", "-keyout", made / "ca-key.pem", "-out", made / "ca.pem")
    openssl("req", "-new", *key, "-subj", "/CN=apiserver", "-keyout", made / "key.pem", "-out", made / "request.pem")
    (made / "extensions").write_text("subjectAltName=DNS:localhost\n")
    openssl("x509", "-req", "-in", made / "request.pem", "-CA", made / "ca.pem", "-CAkey", made / "ca-key.pem", "-CAcreateserial", "-days", 30,
            "-extfile", made / "extensions", "-out", made / "cert.pem")
    return (made / "cert.pem", made / "key.pem"), made / "ca.pem"


def node(name=NODE, shares=0, **labels):
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels},
            "status": {"allocatable": {"cpu": "4", "rendercar.dev/render": str(shares)}}}


def pool(name, **spec):
    return {"apiVersion": "rendercar.dev/v1alpha1", "kind": "RenderPool", "metadata": {"name": name}, "spec": spec}


class OperatorTest(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.shared = pathlib.Path(tempfile.mkdtemp(prefix="rendercar-operator-"))
        cls.addClassCleanup(shutil.rmtree, cls.shared, ignore_errors=True)
        cls.generated = node_agent.messages(cls.shared)
        cls.certificates = [certificate(cls.shared, f"authority-{i}") for i in range(2)]

    def setUp(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="test-", dir=self.shared))
        self.config = self.dir / "config/node.yaml"
        (self.dir / "base.yaml").write_text(BASE)
        (self.dir / "token").write_text("token-1\n")
        shutil.copy(self.certificates[0][1], self.dir / "ca.pem")
        self.processes = []
        self.addCleanup(self.stop_all)
        self.api = apiserver.ApiServer(validate=crd_check.validate, certificate=self.certificates[0][0])
        self.addCleanup(lambda: self.api.stop())
        self.addCleanup(lambda: used.update(each[:3] for each in self.api.requests))
        self.api.put("", "nodes", node(shares=4, zone="a"))
        self.agent = node_agent.NodeAgent(self.dir / "node.sock", self.generated)
        self.agent.start()
        self.addCleanup(self.agent.stop)

    def command(self, name=NODE, *more):
        return [BIN / "rendercar-operator", f"--node-name={name}", f"--api-server={self.api.url}", f"--token-file={self.dir}/token",
                f"--ca-file={self.dir}/ca.pem", f"--node-api-socket={self.dir}/node.sock", f"--base-config={self.dir}/base.yaml",
                f"--config={self.config}", *more]

    def start(self, name=NODE, *more):
        log = self.dir / f"log-{len(self.processes)}"
        quick = ("--session-interval=1", "--usage-interval=1", "--pool-status-interval=1", "--lease-duration=4")
        with log.open("w") as out:
            process = subprocess.Popen(self.command(name, *quick, "--lease-namespace=system", f"--identity={name}", "--metrics-address=127.0.0.1:0",
                                                    *more), stderr=out)
        process.log = log
        self.processes.append(process)
        return process

    def stop_all(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.wait()

    def config_with(self, words):
        return wait_for(words, lambda: self.config.exists() and words in self.config.read_text() and self.config.read_text())

    def session(self, name="vm-gpu0", namespace="team-a"):
        return self.api.get(GROUP, "gpusessions", namespace, name)

    def session_when(self, what, condition, **more):
        return wait_for(what, lambda: (lambda found: found if found and "status" in found and condition(found["status"]) else None)(self.session(**more)))

    def condition(self, value, kind="Ready"):
        return {each["type"]: each for each in value.get("status", {}).get("conditions", [])}.get(kind, {})

    def wait_for_metric(self, process, words):
        wait_for(words, lambda: words in self.metrics(process))

    def metrics(self, process):
        port = wait_for("the metrics port", lambda: re.search(r"serving metrics.*port=(\d+)", process.log.read_text()))[1]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=PATIENCE_S) as answer:
            return answer.read().decode()
