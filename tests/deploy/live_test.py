"""The whole chain of watching: our programs run and a guest draws, a real Prometheus with the chart's rules scrapes them, dashboards are
put to it, renderers are killed, the alert fires, reaches a real Alertmanager and its receiver, and resolves: once with a frontend that also
makes mistakes (every panel has data), once with a virtual machine.

Needs the programs (RENDERCAR_BIN, RENDERCAR_GPU_LOAD, set by ctest). SPDX-License-Identifier: Apache-2.0"""
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request
import xml.etree.ElementTree

import tools
from tools import by_kind, default_objects

sys.path.insert(0, str(tools.ROOT / "tests/e2e"))
from rendercar_e2e.backends import Missing  # noqa: E402 (found by the line above)
from rendercar_e2e.machine import Machine  # noqa: E402

BIN = pathlib.Path(os.environ.get("RENDERCAR_BIN", tools.ROOT / "build/release/bin"))
GPU_LOAD = pathlib.Path(os.environ.get("RENDERCAR_GPU_LOAD", tools.ROOT / "build/release/test/gpu-load"))
PATIENCE_S = 180  # a guard against hanging for ever; nothing here measures time

# Seconds instead of minutes.
FAST = ("--set", "monitoring.rules.window=10s", "--set", "monitoring.rules.alerts.RendererCrashLoop.threshold=1")
# Panels that show what this chain does not have: nothing failed so far, or nothing runs in a cgroup with a limit.
MAY_BE_EMPTY = {("vm", "Memory"), ("vm", "CPU"), ("node", "Sidecar CPU by VM"), ("node", "Sidecar memory by VM"), ("fleet", "Sidecar CPU by node"),
                ("fleet", "Sidecar memory by node"), ("node", "Allocations"),
                ("vm", "Pressure"), ("node", "Sidecar pressure by VM"), ("vm", "Recovery")}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_for(what, condition):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        try:
            value = condition()
        except (OSError, urllib.error.URLError, ValueError):
            value = None
        if value:
            return value
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within {PATIENCE_S} s")


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def children(pid):
    """(pid, program) of all descendants."""
    found = []
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        try:
            text = stat.read_text()
        except OSError:
            continue
        name, rest = text.split("(", 1)[1].rsplit(")", 1)
        if int(rest.split()[1]) == pid:
            child = int(stat.parent.name)
            found += [(child, name), *children(child)]
    return found


class Receiver(http.server.BaseHTTPRequestHandler):
    """What Alertmanager calls."""
    received = []

    def do_POST(self):  # noqa: N802 (the base class's name)
        Receiver.received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_):
        pass


class Watched(unittest.TestCase):
    """Node agent and sidecar, something that draws, Prometheus and Alertmanager; for each class anew."""
    VALUES = FAST

    @classmethod
    def setUpClass(cls):
        Receiver.received.clear()
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="rendercar-live-"))
        cls.processes = []
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        cls.addClassCleanup(cls.stop_all)
        cls.start_programs()
        cls.start_watchers()

    @classmethod
    def start(cls, *command):
        log = open(cls.dir / f"{pathlib.Path(command[0]).name}-{len(cls.processes)}.log", "wb")  # noqa: SIM115 (the child's)
        cls.processes.append(subprocess.Popen([str(part) for part in command], stdout=log, stderr=log, cwd=cls.dir))
        log.close()
        return cls.processes[-1]

    @classmethod
    def stop_all(cls):
        for process in reversed(cls.processes):
            process.terminate()
        for process in reversed(cls.processes):
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    @classmethod
    def start_programs(cls):
        for name in ("kubelet", "sessions", "run"):
            (cls.dir / name).mkdir()
        cls.node_port, cls.sidecar_port = free_port(), free_port()
        cls.start(BIN / "fake-kubelet", f"--dir={cls.dir}/kubelet")
        wait_for("the kubelet's socket", (cls.dir / "kubelet/kubelet.sock").exists)
        cls.start(BIN / "rendercar-node", f"--kubelet-dir={cls.dir}/kubelet", f"--session-root={cls.dir}/sessions", "--software=always",
                  f"--metrics-address=127.0.0.1:{cls.node_port}")
        run = cls.dir / "run"
        cls.sidecar = cls.start(BIN / "rendercar-sidecar", "--share=hand-0", "--render-node=software", f"--session-dir={run}",
                                f"--socket-dir={run}", f"--control-socket={run}/c.sock", "--create-session=gpu0",
                                f"--metrics-address=127.0.0.1:{cls.sidecar_port}")
        wait_for("the session's socket", (run / "gpu0.sock").exists)
        cls.start_guest(run)
        wait_for("a renderer", cls.renderers)

    @classmethod
    def renderers(cls):
        return [pid for pid, name in children(cls.sidecar.pid) if name.startswith("rendercar-rende")]

    @classmethod
    def start_watchers(cls):
        receiver = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        cls.addClassCleanup(receiver.server_close)
        cls.addClassCleanup(receiver.shutdown)
        alertmanager, prometheus = free_port(), free_port()
        (cls.dir / "alertmanager.yml").write_text(json.dumps({
            "route": {"receiver": "test", "group_wait": "0s", "group_interval": "1s", "repeat_interval": "1h", "group_by": ["..."]},
            "receivers": [{"name": "test", "webhook_configs": [{"url": f"http://127.0.0.1:{receiver.server_port}/", "send_resolved": True}]}]}))
        (rule,) = by_kind(default_objects(*cls.VALUES), "PrometheusRule")
        (cls.dir / "rules.yml").write_text(json.dumps(rule["spec"]))
        session_labels = {"namespace": "team-a", "pod": "vm-1", "node": "n1"}
        (cls.dir / "prometheus.yml").write_text(json.dumps({
            "global": {"scrape_interval": "500ms", "scrape_timeout": "400ms", "evaluation_interval": "500ms"},
            "rule_files": ["rules.yml"],
            "alerting": {"alertmanagers": [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager}"]}]}]},
            "scrape_configs": [
                {"job_name": "rendercar-system/rendercar-node",
                 "static_configs": [{"targets": [f"127.0.0.1:{cls.node_port}"], "labels": {"node": "n1", "pod": "agent"}}]},
                {"job_name": "rendercar-system/rendercar-sessions",
                 "static_configs": [{"targets": [f"127.0.0.1:{cls.sidecar_port}"], "labels": session_labels}]}]}))
        prometheus_dir = tools.PROMTOOL.parent
        cls.start(prometheus_dir / "prometheus-alertmanager", f"--config.file={cls.dir}/alertmanager.yml", f"--storage.path={cls.dir}/am",
                  f"--web.listen-address=127.0.0.1:{alertmanager}", "--cluster.listen-address=")
        cls.start(prometheus_dir / "prometheus", f"--config.file={cls.dir}/prometheus.yml", f"--storage.tsdb.path={cls.dir}/tsdb",
                  f"--web.listen-address=127.0.0.1:{prometheus}")
        cls.url = f"http://127.0.0.1:{prometheus}"
        wait_for("samples of a guest that draws", lambda: cls.query("rate(rendercar_frames_shown_total[5s]) > 0"))

    @classmethod
    def query(cls, query):
        return json.loads(get(f"{cls.url}/api/v1/query?" + urllib.parse.urlencode({"query": query})))["data"]["result"]

    def alerts(self, name):
        found = json.loads(get(f"{self.url}/api/v1/alerts"))["data"]["alerts"]
        return [each for each in found if each["labels"]["alertname"] == name and each["state"] == "firing"]

    def notified(self, name, status):
        return [each for call in Receiver.received for each in call["alerts"] if each["labels"]["alertname"] == name and each["status"] == status]

    def expect_told(self, alert):
        """The alert is of our session, says what and where, and reached the receiver."""
        self.assertEqual((alert["labels"]["namespace"], alert["labels"]["pod"], alert["labels"]["session"]), ("team-a", "vm-1", "gpu0"))
        self.assertIn("team-a/vm-1", alert["annotations"]["summary"])
        page = alert["annotations"]["runbook_url"].rsplit("/", 1)[1]
        self.assertTrue((tools.ROOT / "docs/runbooks" / page).exists())
        wait_for("its notification", lambda: self.notified(alert["labels"]["alertname"], "firing"))

    def expect_end_of_alert(self, name):
        wait_for("its end", lambda: not self.alerts(name))
        wait_for("the notification of its end", lambda: self.notified(name, "resolved"))
        self.assertEqual(self.query("max(rendercar_session_up)")[0]["value"][1], "1", "the session outlives its renderers")


class LiveTest(Watched):
    @classmethod
    def start_guest(cls, run):
        cls.start(GPU_LOAD, run / "gpu0.sock", "--errors")

    def test_1_promtool_finds_nothing_wrong_with_what_is_scraped(self):
        for port in (self.node_port, self.sidecar_port):
            text = get(f"http://127.0.0.1:{port}/metrics")
            ours = "".join(line + "\n" for line in text.splitlines() if "exposer_" not in line)
            code, out, err = tools.run([tools.PROMTOOL, "check", "metrics"], input=ours)
            self.assertEqual(code, 0, out + err)

    def test_2_no_panel_is_empty(self):
        code, out, err = tools.run([sys.executable, tools.ROOT / "scripts/dashboard-queries.py", f"--url={self.url}", "--interval=10s"])
        lines = [line.split("\t") for line in out.splitlines()]
        self.assertGreater(len(lines), 50, err)
        empty = {(board, panel): query for board, panel, query, found in lines if found == "EMPTY" and (board, panel) not in MAY_BE_EMPTY}
        self.assertEqual(empty, {})
        self.assertIn(code, (0, 1))

    def test_3_a_guest_that_draws_raises_no_alarm(self):
        self.assertEqual([each["labels"]["alertname"] for each in json.loads(get(f"{self.url}/api/v1/alerts"))["data"]["alerts"]
                          if each["labels"]["alertname"] != "RendercarGuestErrors"], [])

    def test_4_killed_renderers_raise_the_alarm_and_quiet_ends_it(self):
        name = "RendercarRendererCrashLoop"
        killed = set()

        def kill_until_it_fires():
            for pid in set(self.renderers()) - killed:
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
            return self.alerts(name)

        (alert,) = wait_for("the alert", kill_until_it_fires)
        self.expect_told(alert)
        self.expect_end_of_alert(name)

    def test_5_dashboards_can_be_drawn(self):
        out = pathlib.Path(os.environ.get("RENDERCAR_PICTURES", self.dir / "pictures"))
        code, _, err = tools.run([sys.executable, tools.ROOT / "scripts/dashboard-pictures.py", f"--url={self.url}", f"--out={out}", "--minutes=0.5"])
        self.assertEqual(code, 0, err)
        for name in ("fleet", "node", "vm"):
            drawn = " ".join(xml.etree.ElementTree.parse(out / f"dashboard-{name}.svg").getroot().itertext())
            board = json.loads((tools.CHART / f"dashboards/{name}.json").read_text())
            for panel in board["panels"]:
                self.assertIn(panel["title"], drawn)


class SidecarsMachine(Machine):
    """A virtual machine whose GPU is the sidecar's session gpu0."""

    def path(self, name):
        return super().path("gpu0.sock" if name == "gpu.sock" else name)

    def start_backend(self):
        pass


class VirtualMachineTest(Watched):
    # One death is enough: how fast a guest under emulation starts a program anew is nothing to depend on.
    VALUES = ("--set", "monitoring.rules.window=20s", "--set", "monitoring.rules.alerts.RendererCrashLoop.threshold=0")

    @classmethod
    def start_guest(cls, run):
        try:
            cls.vm = SidecarsMachine(str(run), None, kind="3d", virgl=True, run="scene:cube,frames=0,report=5")
            cls.addClassCleanup(cls.vm.close)
            cls.vm.start()
        except Missing as error:
            raise unittest.SkipTest(str(error)) from error
        cls.vm.wait_console("^SCENE FRAME 5$")

    def draw_anew(self):
        self.vm.shell("killall scene; while pidof scene >/dev/null; do sleep 0.1; done")
        since = len(self.vm.console())
        self.vm.shell("scene cube --frames=0 --report=5 >/dev/ttyS0 2>&1 &")
        self.vm.wait_console("^SCENE FRAME 5$", since)

    def test_a_vm_whose_renderer_is_killed_raises_the_alarm_and_goes_on(self):
        name = "RendercarRendererCrashLoop"
        self.assertEqual(self.alerts(name), [])
        for _ in range(2):
            for pid in wait_for("a renderer", self.renderers):
                os.kill(pid, signal.SIGKILL)
            (alert,) = wait_for("the alert", lambda: self.alerts(name))
            self.expect_told(alert)
            self.draw_anew()
        self.expect_end_of_alert(name)
        wait_for("frames of the VM", lambda: self.query("rate(rendercar_frames_shown_total[5s]) > 0"))
        self.assertEqual(self.vm.hung_tasks(), [])


if __name__ == "__main__":
    tools.require_helm()
    tools.require_prometheus()
    for program in (BIN / "fake-kubelet", BIN / "rendercar-node", BIN / "rendercar-sidecar", BIN / "rendercar-backend", BIN / "rendercar-renderer", GPU_LOAD):
        if not program.exists():
            tools.skip(f"{program} is not built")
    tools.main()
