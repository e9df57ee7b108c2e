"""The API as a foreign client sees it: a node agent, a sidecar that was given a share, a guest that draws; Python and reflection alone.

Needs the programs (RENDERCAR_BIN, RENDERCAR_GPU_LOAD, set by ctest) and Debian's python3-grpcio. SPDX-License-Identifier: Apache-2.0"""
import os
import subprocess
import sys
import tarfile
import threading
import time
import unittest

from fixture import BIN, INVENTORY, PATIENCE_S, ROOT, SESSIONS, NodeAndSidecar, main, wait_for

import grpc
import reflection

sys.path.insert(0, str(ROOT / "tests/e2e"))
from rendercar_e2e.picture import Picture  # noqa: E402


class ApiTest(NodeAndSidecar):
    def refused(self, code, reason, client, method, /, service=SESSIONS, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            client.call(service, method, **fields)
        self.assertEqual(caught.exception.code(), code)
        self.assertEqual(reflection.error_info(caught.exception), (reason, "rendercar.dev"))

    def test_reflection_tells_of_every_service(self):
        for client in (self.node, self.sidecar):
            self.assertLessEqual({SESSIONS, INVENTORY, "grpc.health.v1.Health"}, set(client.services()))

    def test_both_serve_health(self):
        for client in (self.node, self.sidecar):
            self.assertEqual(client.channel.unary_unary("/grpc.health.v1.Health/Check")(b"", timeout=PATIENCE_S), b"\x08\x01")  # status: SERVING

    def test_a_sidecar_still_serves_v1alpha1(self):
        (session,) = self.sidecar.call("rendercar.v1alpha1.ControlService", "ListSessions").sessions
        self.assertEqual((session.name, session.share), ("sessions/gpu0", self.share))
        info = self.sidecar.call("rendercar.v1alpha1.ControlService", "GetServerInfo")
        self.assertEqual([share.session for share in info.shares], ["sessions/gpu0"])
        self.assertTrue(info.preflight)

    def test_the_node_shows_the_session_of_its_sidecar(self):
        (session,) = self.node.call(SESSIONS, "ListSessions").sessions
        self.assertEqual((session.name, session.share), (self.name, self.share))
        self.assertTrue(session.frontend_connected)
        self.assertGreater(session.usage.fences, 0)
        self.assertGreater(session.usage.fence_seconds, 0)
        again = self.node.call(SESSIONS, "GetSession", name=session.name)
        self.assertEqual(again.backend_pid, session.backend_pid)

    def test_the_node_has_an_inventory(self):
        (node,) = self.node.call(INVENTORY, "ListRenderNodes").render_nodes
        self.assertEqual((node.id, node.driver, node.shares, node.resource), ("software", "llvmpipe", 4, "rendercar.dev/render"))
        self.assertEqual((node.healthy, node.used_shares), (True, 1))
        node = wait_for("what the probe found", lambda: [each for each in self.node.call(INVENTORY, "ListRenderNodes").render_nodes if each.capsets])[0]
        self.assertIn("virgl2", node.capsets)
        self.assertIn("llvmpipe", node.gl_renderer)
        shares = {each.id: each for each in self.node.call(INVENTORY, "ListShares").shares}
        self.assertEqual(shares[self.share].session, self.name)
        self.assertEqual(sorted(shares), [f"software-{number}" for number in range(4)])
        self.assertEqual([each.session for each in shares.values() if each.id != self.share], [""] * 3)
        self.assertEqual(self.node.call(INVENTORY, "GetServerInfo").component, "node")

    def test_pages_and_filters(self):
        page = self.node.call(INVENTORY, "ListShares", page_size=3)
        self.assertEqual(len(page.shares), 3)
        rest = self.node.call(INVENTORY, "ListShares", page_size=3, page_token=page.next_page_token)
        self.assertEqual([each.id for each in rest.shares], ["software-3"])
        self.assertEqual(len(self.sidecar.call(SESSIONS, "ListSessions", filter="state=ready AND connected=true").sessions), 1)
        self.assertEqual(len(self.sidecar.call(SESSIONS, "ListSessions", filter="state!=ready").sessions), 0)

    def test_a_read_mask_leaves_what_it_names(self):
        for client, name in ((self.node, self.name), (self.sidecar, "sessions/gpu0")):
            (session,) = client.call(SESSIONS, "ListSessions", read_mask={"paths": ["name", "usage.commands"]}).sessions
            self.assertEqual(session.name, name)
            self.assertEqual({field.name for field, _ in session.ListFields()}, {"name", "usage"})
            self.assertEqual({field.name for field, _ in session.usage.ListFields()}, {"commands"})
            session = client.call(SESSIONS, "GetSession", name=name, read_mask={"paths": ["share"]})
            self.assertEqual([field.name for field, _ in session.ListFields()], ["share"])
            session = client.call(SESSIONS, "GetSession", name=name, read_mask={"paths": ["*"]})
            self.assertEqual((session.name, session.share), (name, self.share))
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", self.node, "ListSessions", read_mask={"paths": ["colour"]})
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", self.sidecar, "GetSession", name="sessions/gpu0", read_mask={"paths": ["usage.colour"]})

    def test_an_impossible_upgrade_leaves_the_backend_alone(self):
        before = self.session().backend_pid
        upgrade = lambda code, reason, binary: self.refused(code, reason, self.sidecar, "UpgradeSession", name="sessions/gpu0", binary=binary)
        upgrade(grpc.StatusCode.NOT_FOUND, "BINARY_NOT_FOUND", "/nonexistent/rendercar-backend")
        upgrade(grpc.StatusCode.INVALID_ARGUMENT, "BINARY_NOT_ALLOWED", "bin/rendercar-backend")
        upgrade(grpc.StatusCode.UNAVAILABLE, "UPGRADE_FAILED", "/bin/false")
        anybodys = self.dir / "anybodys"
        anybodys.write_text("#!/bin/sh\n")
        anybodys.chmod(0o777)
        upgrade(grpc.StatusCode.PERMISSION_DENIED, "BINARY_NOT_ALLOWED", str(anybodys))
        self.assertEqual((self.session().backend_pid, self.session().frontend_connected), (before, True))

    @unittest.skipIf(os.getuid() != 0, "SKIPPED: needs root, to become somebody else")
    def test_another_uid_is_turned_away_and_told_how_to_be_let_in(self):
        self.dir.chmod(0o755)
        (self.dir / "run").chmod(0o755)
        for socket, log in ((self.socket, "rendercar-sidecar.log"), (self.node_socket, "rendercar-node.log")):
            done = subprocess.run(["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", str(BIN / "rendercarctl"), f"--socket={socket}", "info"],
                                  text=True, capture_output=True, check=False, timeout=PATIENCE_S, cwd="/")
            self.assertEqual(done.returncode, 69, done.stderr)
            self.assertIn("uid 65534", done.stderr)
            self.assertIn("uid=65534", (self.dir / log).read_text())

    def test_a_ninth_watcher_is_refused(self):
        streams = [self.sidecar.call(SESSIONS, "WatchSessions", timeout=PATIENCE_S) for _ in range(8)]
        try:
            for stream in streams:
                next(stream)
            with self.assertRaises(grpc.RpcError) as caught:
                next(self.sidecar.call(SESSIONS, "WatchSessions", timeout=PATIENCE_S))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertEqual(reflection.error_info(caught.exception), ("TOO_MANY_WATCHERS", "rendercar.dev"))
        finally:
            for stream in streams:
                stream.cancel()

        def one_more():
            try:
                stream = self.sidecar.call(SESSIONS, "WatchSessions", timeout=PATIENCE_S)
                next(stream)
                stream.cancel()
                return True
            except grpc.RpcError:
                return False
        wait_for("room for another", one_more)

    def test_errors_have_reasons(self):
        self.refused(grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", self.sidecar, "GetSession", name="sessions/nobody")
        self.refused(grpc.StatusCode.NOT_FOUND, "SESSION_NOT_FOUND", self.node, "GetSession", name=f"shares/{self.share}/sessions/nobody")
        self.refused(grpc.StatusCode.NOT_FOUND, "SHARE_NOT_FOUND", self.node, "GetSession", name="shares/software-9/sessions/gpu0")
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", self.node, "GetSession", name="gpu0")
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", self.sidecar, "ListSessions", filter="colour=red")
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, "VM_CONNECTED", self.sidecar, "DeleteSession", name="sessions/gpu0")
        self.refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "NO_FREE_SHARE", self.sidecar, "CreateSession", session_id="more")
        self.refused(grpc.StatusCode.UNIMPLEMENTED, "NOT_AT_A_NODE", self.node, "CreateSession", session_id="more")
        self.refused(grpc.StatusCode.ALREADY_EXISTS, "SESSION_EXISTS", self.sidecar, "CreateSession", session_id="gpu0")
        self.refused(grpc.StatusCode.NOT_FOUND, "SHARE_NOT_FOUND", self.sidecar, "CreateSession", session_id="more", session={"share": "software-9"})
        self.refused(grpc.StatusCode.UNIMPLEMENTED, "FORMAT_UNKNOWN", self.sidecar, "GetDeviceDefinition", name="sessions/gpu0", format=99)
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", self.sidecar, "DeleteSession", name="sessions/gpu0", request_id="x" * 65)

    def test_limits_change_only_while_no_vm_is_connected(self):
        change = {"session": {"name": "sessions/gpu0", "video_memory_limit_bytes": 1 << 28}, "update_mask": {"paths": ["video_memory_limit_bytes"]}}
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, "VM_CONNECTED", self.sidecar, "UpdateSession", **change)
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "FIELD_INVALID", self.sidecar, "UpdateSession",
                     session={"name": "sessions/gpu0"}, update_mask={"paths": ["share"]})

    def test_a_renderer_is_restarted_and_the_watcher_is_told_nothing_is_lost(self):
        deaths = self.session().usage.renderer_deaths
        self.node.call(SESSIONS, "RestartRenderer", name=self.name, request_id="once")
        self.node.call(SESSIONS, "RestartRenderer", name=self.name, request_id="once")
        self.refused(grpc.StatusCode.INVALID_ARGUMENT, "REQUEST_ID_REUSED", self.node, "RestartRenderer", name="shares/software-3/sessions/gpu0", request_id="once")
        wait_for("the renderer's death", lambda: self.session().usage.renderer_deaths == deaths + 1)
        wait_for("its successor", lambda: self.session().usage.renderer_up)
        self.assertTrue(self.session().frontend_connected)
        self.assertIn("RendererRestarted", [event.reason for event in self.session().events])
        self.assertEqual(self.session().usage.renderer_deaths, deaths + 1)

    def test_a_drained_node_and_sidecar_take_nothing_new(self):
        self.assertTrue(self.node.call(INVENTORY, "Drain", reason="driver update").draining)
        (node,) = self.node.call(INVENTORY, "ListRenderNodes").render_nodes
        self.assertEqual((node.healthy, node.problem), (False, "drained: driver update"))
        self.assertEqual(len(self.node.call(SESSIONS, "ListSessions").sessions), 1)
        self.assertFalse(self.node.call(INVENTORY, "Drain", end=True).draining)
        self.assertTrue(self.node.call(INVENTORY, "ListRenderNodes").render_nodes[0].healthy)
        self.sidecar.call(INVENTORY, "Drain", reason="moving")
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, "DRAINING", self.sidecar, "CreateSession", session_id="more")
        self.sidecar.call(INVENTORY, "Drain", end=True)

    def test_rendercarctl_shows_all_of_it_in_80_columns(self):
        for command in (["sessions", "list"], ["nodes"], ["shares"], ["top", "--count=1", "--interval=0.2"], ["watch", "--count=2"]):
            for socket in (self.socket, self.node_socket):
                text = self.ctl(*command, socket=socket)
                self.assertTrue(all(len(line) <= 80 for line in text.splitlines()), text)
                self.assertNotIn("\033", text)
        self.assertIn(f"{self.share}/gpu0", self.ctl("top", "--count=1", "--interval=0.2", socket=self.node_socket))
        self.assertIn("synced", self.ctl("watch", "--count=2"))
        self.assertIn("VM connected:", self.ctl("sessions", "get", f"{self.share}/gpu0", socket=self.node_socket))
        self.ctl("sessions", "get", "nobody", code=69)

    def test_a_screenshot_is_a_png_of_what_the_guest_shows(self):
        for name, socket in (("gpu0", self.socket), (f"{self.share}/gpu0", self.node_socket)):
            path = self.dir / f"{socket.name}.png"
            self.assertEqual(self.ctl("screenshot", name, f"--file={path}", socket=socket), f"{path} (128 x 96)\n")
            picture = Picture.from_file(path)
            self.assertEqual((picture.width, picture.height), (128, 96))
            self.assertEqual(len(picture.colours_in(0, 0, 128, 96)), 1)  # of one colour, as gpu-load draws
            self.ctl("screenshot", name, f"--file={path}", socket=socket, code=73)
        pieces = list(self.node.call(SESSIONS, "CaptureScreenshot", name=self.name))
        self.assertEqual({(piece.width_px, piece.height_px) for piece in pieces}, {(128, 96)})
        self.assertTrue(b"".join(piece.png for piece in pieces).startswith(b"\x89PNG"))
        self.ctl("screenshot", "gpu0", "--head=1", code=73)
        with self.assertRaises(grpc.RpcError) as caught:
            list(self.node.call(SESSIONS, "CaptureScreenshot", name=self.name, head=15))
        self.assertEqual(reflection.error_info(caught.exception), ("NO_SCREENSHOT", "rendercar.dev"))

    def test_a_support_bundle_is_a_tar_of_what_helps(self):
        path = self.dir / "bundle.tar"
        self.ctl("support-bundle", f"--file={path}", socket=self.node_socket)
        with tarfile.open(path) as bundle:
            names = {member.name for member in bundle.getmembers()}
            text = {name: bundle.extractfile(f"rendercar-support/{name}").read().decode()
                    for name in ("sessions.yaml", "configuration.txt", "metrics.txt", "log.txt")}
        self.assertLessEqual({"rendercar-support/versions.txt", "rendercar-support/shares.yaml"}, names)
        self.assertIn(self.name, text["sessions.yaml"])
        self.assertIn("software: always", text["configuration.txt"])
        self.assertIn("registered with the kubelet", text["log.txt"])
        self.ctl("support-bundle", f"--file={path}", code=73)

    def test_a_sidecar_tells_what_it_goes_by(self):
        told = self.sidecar.call(INVENTORY, "GetDiagnostics")
        self.assertIn('metrics-address="off"', told.configuration)
        self.assertIn("sidecar serves", "".join(told.log_lines))

    def test_z_a_watch_goes_on_over_a_restart_of_the_sidecar(self):
        seen, token = [], [""]
        stop = threading.Event()

        def watch():
            while not stop.is_set():
                try:
                    for change in self.node.call(SESSIONS, "WatchSessions", timeout=PATIENCE_S, resume_token=token[0]):
                        token[0] = change.resume_token
                        seen.append((change.change, change.session.name, change.session.state, change.session.frontend_connected))
                        if stop.is_set():
                            return
                except grpc.RpcError:
                    time.sleep(0.05)

        # Numbers of WatchSessionsResponse.Change.
        added, deleted, synced = 1, 3, 4
        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        wait_for("the first list", lambda: any(change[0] == synced for change in seen))
        self.assertEqual(seen[0][:2], (added, self.name))
        self.load.terminate()
        self.load.wait()
        wait_for("the VM's end", lambda: any(not change[3] and change[2] == 2 for change in seen[2:]))
        self.sidecar_process.terminate()
        self.sidecar_process.wait()
        wait_for("the session's end", lambda: any(change[0] == deleted for change in seen))
        count = len(seen)
        self.start_sidecar()
        wait_for("its return", lambda: any(change[0] == added for change in seen[count:]))
        stop.set()

    def test_zz_limits_change_without_a_vm_and_the_log_says_who_did_it(self):
        wait_for("no VM", lambda: not self.session().frontend_connected)
        self.refused(grpc.StatusCode.FAILED_PRECONDITION, "NO_RENDERER", self.sidecar, "RestartRenderer", name="sessions/gpu0")
        change = {"video_memory_limit_bytes": 1 << 28, "display": {"heads": 2}}
        mask = {"paths": ["video_memory_limit_bytes", "display.heads"]}
        changed = self.node.call(SESSIONS, "UpdateSession", session={"name": self.name, **change}, update_mask=mask)
        self.assertEqual((changed.name, changed.video_memory_limit_bytes, changed.display.heads), (self.name, 1 << 28, 2))
        (event,) = wait_for("an event", lambda: [each for each in self.session().events if each.reason == "LimitsUpdated"])
        self.assertIn("screens 1 of 1280x800 -> 2 of 1280x800", event.message)
        for log, name in (("rendercar-node.log", self.name), ("rendercar-sidecar.log", "sessions/gpu0")):
            (line,) = [line for line in (self.dir / log).read_text().splitlines() if "UpdateSession" in line and line.endswith("result=OK") and name in line]
            self.assertIn(f"uid {os.getuid()} ", line)
        self.sidecar_process.terminate()
        self.sidecar_process.wait()
        self.refused(grpc.StatusCode.UNAVAILABLE, "SIDECAR_UNREACHABLE", self.node, "GetSession", name=self.name)


if __name__ == "__main__":
    main()
