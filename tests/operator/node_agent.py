"""A node agent as the operator sees it: rendercar.v1 on a unix socket, with the sessions that a test wants. SPDX-License-Identifier: Apache-2.0"""
import concurrent.futures
import pathlib
import subprocess
import sys

import grpc

ROOT = pathlib.Path(__file__).resolve().parents[2]


def messages(folder):
    """The API's messages, generated into `folder`."""
    subprocess.run(["protoc", f"-I{ROOT}/proto", "-I/usr/include", f"--python_out={folder}", *map(str, (ROOT / "proto/rendercar/v1").glob("*.proto"))],
                   check=True)
    sys.path.insert(0, str(folder))
    from rendercar.v1 import inventory_service_pb2, session_pb2, session_service_pb2
    return session_pb2, session_service_pb2, inventory_service_pb2


class NodeAgent:
    def __init__(self, socket, generated):
        self.socket = socket
        self.session_pb2, self.service_pb2, self.inventory_pb2 = generated
        self.sessions = []
        self.resource = "rendercar.dev/render"
        self.server = None

    def start(self):
        self.server = grpc.server(concurrent.futures.ThreadPoolExecutor(4))
        self.server.add_generic_rpc_handlers((
            self._service("SessionService", "ListSessions", self.service_pb2.ListSessionsRequest, self._sessions),
            self._service("InventoryService", "ListShares", self.inventory_pb2.ListSharesRequest, self._shares)))
        self.server.add_insecure_port(f"unix:{self.socket}")
        self.server.start()

    def stop(self):
        if self.server:
            self.server.stop(None).wait()
            self.server = None

    @staticmethod
    def _service(service, method, request, function):
        handler = grpc.unary_unary_rpc_method_handler(function, request_deserializer=request.FromString,
                                                      response_serializer=lambda message: message.SerializeToString())
        return grpc.method_handlers_generic_handler(f"rendercar.v1.{service}", {method: handler})

    def _sessions(self, *_):
        return self.service_pb2.ListSessionsResponse(sessions=self.sessions)

    def _shares(self, *_):
        return self.inventory_pb2.ListSharesResponse(shares=[
            self.inventory_pb2.Share(id=each.share, resource=self.resource) for each in self.sessions])

    def add(self, pod, share="software-0", session="gpu0", namespace="team-a", **more):
        made = self.session_pb2.Session(
            name=f"shares/{share}/sessions/{session}", share=share, render_node="software", state=self.session_pb2.Session.STATE_READY,
            acceleration=self.session_pb2.ACCELERATION_VIRGL, owner={"namespace": namespace, "pod": pod, "container": "rendercar"}, **more)
        made.create_time.seconds = 1_767_323_045
        self.sessions = [*self.sessions, made]
        return made

    def event(self, session, second, reason, message=""):
        made = session.events.add(reason=reason, message=message)
        made.time.seconds = 1_767_323_045 + second
