"""rendercar-operator against a stand-in of the API server that lists in pages, watches, expires, throttles, fails, conflicts and goes away.

Needs rendercar-operator (RENDERCAR_BIN, set by ctest), protoc, openssl, and Debian's python3-grpcio, python3-jsonschema and python3-yaml.
SPDX-License-Identifier: Apache-2.0"""
import json
import os
import pathlib
import shutil
import subprocess
import sys
import unittest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import fixture
from fixture import BASE, BIN, GROUP, NODE, PATIENCE_S, OperatorTest, node, pool, wait_for

try:
    import yaml

    import apiserver
    import crd_check
except ImportError as missing:
    fixture.skip(missing)

RBAC = fixture.ROOT / "deploy/k8s/overlays/operator/rbac.yaml"


class PoolTest(OperatorTest):
    def test_pools_of_the_node_become_the_agents_configuration_and_go_again(self):
        self.start()
        self.config_with("replicas: 3")
        self.api.put(GROUP, "renderpools", pool("large", nodeSelector={"zone": "a"}, resourceName="rendercar.dev/large", shares={"replicas": 2},
                                                videoMemory={"perShare": "2Gi"}, isolation={"sessionOwner": 107}))
        text = self.config_with("rendercar.dev/large")
        self.assertNotIn("rendercar.dev/render\n", text)
        self.assertIn("/var/run/cdi", text)  # what pools do not speak of stays
        self.assertIn("107", text)
        self.api.put("", "nodes", node(shares=4, zone="b"))
        self.assertEqual(self.config_with("replicas: 3"), BASE)
        self.api.put("", "nodes", node(shares=4, zone="a"))
        self.config_with("rendercar.dev/large")
        self.api.delete(GROUP, "renderpools", "", "large")
        self.config_with("replicas: 3")

    def test_the_agent_takes_what_is_written(self):
        self.start()
        for each in crd_check.crds.examples():
            if each["kind"] == "RenderPool":
                each["spec"].pop("nodeSelector", None)
                self.api.put(GROUP, "renderpools", each)
        self.config_with("rendercar.dev/software")
        text = self.config_with("rendercar.dev/workstation")
        self.assertLess(text.index("rendercar.dev/workstation"), text.index("rendercar.dev/software"))  # by priority
        checked = subprocess.run([BIN / "rendercar-node", f"--config={self.config}", "--check-config"], capture_output=True, text=True, check=False)
        self.assertEqual(checked.returncode, 0, checked.stderr)

    def test_a_real_agent_follows_the_pools(self):
        (self.dir / "kubelet").mkdir()
        self.start()
        self.config_with("replicas: 3")
        socket = self.dir / "real.sock"
        with (self.dir / "agent").open("w") as out:
            self.processes.append(subprocess.Popen(
                [BIN / "rendercar-node", f"--config={self.config}", f"--kubelet-dir={self.dir}/kubelet", f"--session-root={self.dir}/sessions",
                 f"--sysfs-root={self.dir}/none", f"--dev-root={self.dir}/none", "--metrics-address=none", "--pod-resources-socket=none",
                 f"--api-socket={socket}"], stderr=out))
        wait_for("the agent", socket.exists)

        def offered():
            done = subprocess.run([BIN / "rendercarctl", f"--socket={socket}", "nodes", "-o", "json"], capture_output=True, text=True, check=False)
            return [(each["resource"], each["shares"]) for each in json.loads(done.stdout).get("render_nodes", [])] if done.returncode == 0 else None

        wait_for("nothing", lambda: offered() == [])
        self.api.put(GROUP, "renderpools", pool("soft", software="always", resourceName="rendercar.dev/soft", shares={"replicas": 5}))
        wait_for("the pool's shares", lambda: offered() == [("rendercar.dev/soft", 5)])
        self.api.delete(GROUP, "renderpools", "", "soft")
        wait_for("nothing again", lambda: offered() == [])

    def test_the_leader_says_what_pools_offer(self):
        self.api.put("", "nodes", node("worker-2", shares=5, zone="b"))
        self.api.put(GROUP, "renderpools", pool("all"))
        self.api.put(GROUP, "renderpools", pool("late", priority=-1, nodeSelector={"zone": "b"}))
        self.api.put(GROUP, "renderpools", pool("none", nodeSelector={"zone": "c"}, resourceName="a.b/c"))
        self.agent.add("vm")
        process = self.start()
        status = lambda name: self.api.get(GROUP, "renderpools", "", name)
        found = wait_for("a session", lambda: (status("all") if status("all").get("status", {}).get("readySessions") == 1 else None))
        self.assertEqual({key: found["status"][key] for key in ("nodes", "shares", "sessions")}, {"nodes": 2, "shares": 9, "sessions": 1})
        self.assertEqual((self.condition(found)["status"], self.condition(found)["reason"]), ("True", "Offered"))
        wait_for("a rival", lambda: self.condition(status("late")).get("reason") == "ResourceNameTaken")
        self.assertIn("RenderPool all offers", self.condition(status("late"))["message"])
        wait_for("no nodes", lambda: self.condition(status("none")).get("reason") == "NoNodes")
        self.wait_for_metric(process, "rendercar_operator_leader 1")

    def test_a_base_that_is_wrong_leaves_the_last_configuration_and_is_told(self):
        self.start()
        self.api.put(GROUP, "renderpools", pool("first", resourceName="rendercar.dev/first"))
        text = self.config_with("rendercar.dev/first")
        (self.dir / "base.yaml").write_text(BASE + "bogus: 1\n")
        (event,) = wait_for("an event", lambda: self.api.list("events.k8s.io", "events"))
        self.assertEqual((event["reason"], event["type"], event["regarding"]["kind"]), ("ConfigRefused", "Warning", "RenderPool"))
        self.assertIn("bogus", event["note"])
        self.assertEqual(self.config.read_text(), text)


class SessionTest(OperatorTest):
    def test_a_session_becomes_an_object_with_status_conditions_and_events_and_goes_with_it(self):
        told = self.agent.add("vm", video_memory_limit_bytes=1 << 30)
        told.usage.commands, told.usage.resource_bytes = 7, (3 << 20) + 1
        self.agent.event(told, 1, "BackendReady", "backend listens")
        self.start()
        found = self.session_when("a status", lambda status: True)
        self.assertEqual(found["spec"], {"nodeName": NODE, "podName": "vm", "containerName": "rendercar", "share": "software-0",
                                         "session": "shares/software-0/sessions/gpu0", "resourceName": "rendercar.dev/render"})
        self.assertEqual(found["status"]["videoMemory"], {"limit": "1024Mi", "used": "4Mi"})
        self.assertEqual((found["status"]["state"], self.condition(found)["status"], self.condition(found, "Connected")["status"]),
                         ("Ready", "True", "False"))
        (event,) = wait_for("an event", lambda: self.api.list("events.k8s.io", "events"))
        self.assertEqual((event["reason"], event["type"], event["regarding"]["name"], event["regarding"]["uid"], event["metadata"]["namespace"]),
                         ("BackendReady", "Normal", "vm-gpu0", found["metadata"]["uid"], "team-a"))
        self.agent.event(told, 2, "BackendEnded", "backend was killed by signal 11")
        told.state, told.state_message = told.STATE_BACKING_OFF, "starts again in 4 s"
        found = self.session_when("backing off", lambda status: status["state"] == "BackingOff")
        self.assertEqual((self.condition(found)["status"], self.condition(found)["message"]), ("False", "starts again in 4 s"))
        self.assertEqual([each["reason"] for each in found["status"]["recentEvents"]], ["BackendReady", "BackendEnded"])
        events = wait_for("two events", lambda: (lambda all: all if len(all) == 2 else None)(self.api.list("events.k8s.io", "events")))
        self.assertEqual({each["type"] for each in events}, {"Normal", "Warning"})
        self.agent.sessions = []
        wait_for("no session", lambda: self.session() is None)

    def test_usage_is_written_now_and_then(self):
        told = self.agent.add("vm")
        self.start()
        self.session_when("a status", lambda status: True)
        told.usage.frames = 5
        self.session_when("frames", lambda status: status.get("usage", {}).get("frames") == 5)

    def test_a_new_operator_takes_over_what_the_last_one_wrote(self):
        told = self.agent.add("vm")
        self.agent.event(told, 1, "BackendReady")
        self.agent.add("gone", share="software-1")
        first = self.start()
        self.session_when("a status", lambda status: True)
        wait_for("the other too", lambda: self.session("gone-gpu0"))
        wait_for("an event", lambda: self.api.list("events.k8s.io", "events"))
        first.kill()
        first.wait()
        since = self.condition(self.session())["lastTransitionTime"]
        self.agent.sessions = self.agent.sessions[:1]
        second = self.start()
        wait_for("the other to go", lambda: self.session("gone-gpu0") is None)
        self.assertEqual(self.condition(self.session())["lastTransitionTime"], since)
        self.assertEqual(len([each for each in self.api.list("events.k8s.io", "events") if each["regarding"]["name"] == "vm-gpu0"]), 1)
        second.terminate()
        self.assertEqual(second.wait(PATIENCE_S), 0)

    def test_a_pod_of_the_same_name_elsewhere_replaces_the_object(self):
        self.api.put(GROUP, "gpusessions", {
            "apiVersion": "rendercar.dev/v1alpha1", "kind": "GpuSession", "metadata": {"name": "vm-gpu0", "namespace": "team-a"},
            "spec": {"nodeName": "worker-9", "podName": "vm", "session": "shares/x/sessions/gpu0"}})
        self.api.put("", "nodes", node("worker-9"))
        self.agent.add("vm")
        self.start()
        wait_for("this node's", lambda: (self.session() or {"spec": {}})["spec"].get("nodeName") == NODE)

    def test_what_somebody_deletes_is_made_again(self):
        told = self.agent.add("vm")
        self.start()
        self.session_when("a status", lambda status: True)
        self.api.delete(GROUP, "gpusessions", "team-a", "vm-gpu0")
        told.usage.frames = 1
        self.session_when("it again", lambda status: status["usage"]["frames"] == 1)

    def test_sessions_of_nodes_that_are_gone_are_deleted_by_the_leader(self):
        self.api.put(GROUP, "gpusessions", {
            "apiVersion": "rendercar.dev/v1alpha1", "kind": "GpuSession", "metadata": {"name": "old", "namespace": "team-b"},
            "spec": {"nodeName": "removed", "podName": "vm", "session": "shares/x/sessions/gpu0"}})
        self.api.put(GROUP, "renderpools", pool("any"))
        self.start()
        wait_for("no orphan", lambda: self.session("old", "team-b") is None)

    def test_a_silent_agent_leaves_sessions_unknown_until_it_answers(self):
        self.agent.add("vm")
        process = self.start()
        self.session_when("a status", lambda status: status["state"] == "Ready")
        self.agent.stop()
        found = self.session_when("unknown", lambda status: status["state"] == "Unknown")
        self.assertEqual((self.condition(found)["status"], self.condition(found)["reason"]), ("Unknown", "NodeAgentSilent"))
        self.wait_for_metric(process, "rendercar_operator_node_api_up 0")
        self.agent.start()
        self.session_when("well again", lambda status: status["state"] == "Ready")

    def test_a_session_without_a_pod_is_counted_and_left_out(self):
        self.agent.add("", namespace="")
        self.agent.add("vm", share="software-1")
        process = self.start()
        wait_for("the other", self.session)
        self.assertEqual(len(self.api.list(GROUP, "gpusessions")), 1)
        self.wait_for_metric(process, 'rendercar_operator_sessions{pod="unknown"} 1')


class ServerTest(OperatorTest):
    def test_watches_survive_dropped_connections_bookmarks_and_versions_that_are_too_old(self):
        self.api.page_size = 2
        for i in range(5):
            self.api.put(GROUP, "renderpools", pool(f"p{i}", resourceName=f"rendercar.dev/p{i}"))
        self.start()
        self.config_with("rendercar.dev/p4")
        wait_for("bookmarks", lambda: self.api.bookmarks > 4)
        for i in range(4):
            self.api.drop_watches()
            if i >= 2:  # one is told by the status, one in the stream
                self.api.expire()
            self.api.put(GROUP, "renderpools", pool(f"q{i}", resourceName=f"rendercar.dev/q{i}"))
            self.config_with(f"rendercar.dev/q{i}")
        with self.api.store.lock:
            lists = [each for each in self.api.requests if each[:3] == ("list", GROUP, "renderpools")]
        self.assertLess(len(lists), 20)  # nobody lists in a loop

    def test_throttles_and_failures_only_delay(self):
        self.start()
        self.config_with("replicas: 3")
        self.api.refuse_next(3, 429, "TooManyRequests")
        self.api.refuse_next(2, 500, "InternalError")
        self.agent.add("vm")
        self.api.put(GROUP, "renderpools", pool("new", resourceName="rendercar.dev/new"))
        self.session_when("a status", lambda status: True)
        self.config_with("rendercar.dev/new")

    def test_a_rotated_token_and_a_rotated_authority_are_read(self):
        self.agent.add("vm")
        self.start()
        wait_for("a session", self.session)
        (self.dir / "token").write_text("token-2")
        with self.api.store.lock:
            self.api.tokens = {"token-2"}
        self.agent.add("vm2", share="software-1")
        wait_for("a session by the new token", lambda: self.session("vm2-gpu0"))
        port, store = self.api.port, self.api.store
        self.api.stop()
        shutil.copy(self.certificates[1][1], self.dir / "ca.pem")
        self.api = apiserver.ApiServer("token-2", crd_check.validate, self.certificates[1][0], port=port)
        self.api.store = store
        self.agent.add("vm3", share="software-2")
        wait_for("a session by the new authority", lambda: self.session("vm3-gpu0"))

    def test_a_server_of_a_foreign_authority_gets_no_token(self):
        shutil.copy(self.certificates[1][1], self.dir / "ca.pem")
        process = self.start()
        wait_for("a complaint", lambda: "certificate" in process.log.read_text().lower() or "SSL" in process.log.read_text())
        self.assertEqual(self.api.requests, [])

    def test_the_configuration_stays_while_the_server_is_away(self):
        self.api.put(GROUP, "renderpools", pool("mine", resourceName="rendercar.dev/mine"))
        process = self.start()
        text = self.config_with("rendercar.dev/mine")
        port, store = self.api.port, self.api.store
        self.api.stop()
        wait_for("a complaint", lambda: "cannot watch" in process.log.read_text())
        self.assertEqual(self.config.read_text(), text)
        self.api = apiserver.ApiServer("token-1", crd_check.validate, self.certificates[0][0], port=port)
        self.api.store = store
        self.api.put(GROUP, "renderpools", pool("more", resourceName="rendercar.dev/more"))
        self.config_with("rendercar.dev/more")

    def test_one_of_many_leads_and_another_follows_it(self):
        self.api.put("", "nodes", node("worker-2", shares=1))
        self.api.put(GROUP, "renderpools", pool("any"))
        holder = lambda: (self.api.get("coordination.k8s.io", "leases", "system", "rendercar-operator") or {"spec": {}})["spec"].get("holderIdentity")
        first = self.start()
        wait_for("a leader", lambda: holder() == NODE)
        second = self.start("worker-2")
        wait_for("the other to run", lambda: "watching RenderPools" in second.log.read_text())
        first.terminate()  # gives the lease back
        self.assertEqual(first.wait(PATIENCE_S), 0)
        wait_for("the other to lead", lambda: holder() == "worker-2")
        third = self.start()
        second.kill()  # does not
        wait_for("the next leader", lambda: holder() == NODE)
        self.assertIsNone(third.poll())

    def test_missing_rights_are_told_and_leave_the_rest(self):
        self.api.denied = {("list", "renderpools")}
        self.agent.add("vm")
        process = self.start()
        self.session_when("a status", lambda status: True)
        wait_for("a complaint", lambda: "renderpools is forbidden" in process.log.read_text())


class OneShotTest(OperatorTest):
    def one_shot(self):
        done = subprocess.run(self.command(NODE, "--one-shot"), capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return self.config.read_text()

    def test_the_configuration_is_there_before_the_agent_with_and_without_the_server(self):
        self.api.put(GROUP, "renderpools", pool("mine", resourceName="rendercar.dev/mine"))
        written = self.one_shot()
        self.assertIn("rendercar.dev/mine", written)
        self.api.refuse_next(9, 500, "InternalError")
        self.assertEqual(self.one_shot(), written)
        self.config.unlink()
        self.assertEqual(self.one_shot(), BASE)

    def test_wrong_flags_are_refused_in_words(self):
        for flag, words in (("--api-server=10.0.0.1", "http(s)://HOST:PORT"), ("--node-name=Not A Name", "no name of a node"),
                            ("--session-interval=0", "session-interval"), ("--bogus", "bogus")):
            done = subprocess.run([BIN / "rendercar-operator", "--node-name=a", flag], capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(words, done.stderr)
        alone = {key: value for key, value in os.environ.items() if not key.startswith("KUBERNETES_")}
        done = subprocess.run([BIN / "rendercar-operator", "--node-name=a"], capture_output=True, text=True, check=False, env=alone)
        self.assertEqual(done.returncode, 69)
        self.assertIn("--api-server", done.stderr)


class UsedRightsTest(unittest.TestCase):
    """After all others, which is the order of their names."""

    def granted(self):
        roles = [each for each in yaml.safe_load_all(RBAC.read_text()) if each and each["kind"] in ("ClusterRole", "Role")]
        return {(verb, group, resource) for role in roles for rule in role["rules"] for group in rule["apiGroups"]
                for resource in rule["resources"] for verb in rule["verbs"]}

    def test_what_was_done_is_what_the_manifests_allow(self):
        self.assertEqual(fixture.used - self.granted(), set())

    def test_nothing_is_allowed_that_was_not_done(self):
        if len(fixture.used) < 10:
            self.skipTest("the other tests did not run")
        # Server-side apply creates by PATCH; the API server asks for both rights.
        self.assertEqual(self.granted() - fixture.used - {("create", GROUP, "gpusessions")}, set())


if __name__ == "__main__":
    unittest.main(verbosity=1)
