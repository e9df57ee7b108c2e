"""The node agent's API over TCP: who is let in by mutual TLS, who is refused and how, and certificates that are rotated under it.

Needs rendercar-node and rendercarctl (RENDERCAR_BIN, set by ctest), the programs fake-kubelet and openssl, and Debian's python3-grpcio.
SPDX-License-Identifier: Apache-2.0"""
import pathlib
import re
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest

from fixture import BIN, INVENTORY, SESSIONS, wait_for

import grpc
import reflection

CHANGER = "spiffe://cluster.example/rendercar/admin"


def openssl(*arguments):
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)


class Authority:
    """Signs certificates; each is a folder with ca.pem, cert.pem and key.pem."""

    def __init__(self, folder, name):
        self.folder = folder / name
        self.folder.mkdir()
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", 30, "-subj", f"/CN={name}",
                "-keyout", self.folder / "ca-key.pem", "-out", self.folder / "ca.pem")

    def issue(self, name, alternative=None, days=30):
        made = self.folder / re.sub(r"\W", "-", name)
        made.mkdir()
        extension = ["-addext", f"subjectAltName={alternative}"] if alternative else []
        openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", *extension,
                "-keyout", made / "key.pem", "-out", made / "request.pem")
        sign = ["x509", "-req", "-in", made / "request.pem", "-CA", self.folder / "ca.pem", "-CAkey", self.folder / "ca-key.pem",
                "-copy_extensions", "copy", "-out", made / "cert.pem"]
        try:
            openssl(*sign, "-days", days)
        except subprocess.CalledProcessError:  # from 3.4 on a time that is over must be named so
            openssl(*sign, "-not_before", "20200101000000Z", "-not_after", "20200102000000Z")
        shutil.copy(self.folder / "ca.pem", made / "ca.pem")
        return made


class TlsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.dir = pathlib.Path(tempfile.mkdtemp(prefix="rendercar-tls-"))
        cls.addClassCleanup(shutil.rmtree, cls.dir, ignore_errors=True)
        cls.ca, cls.other_ca = Authority(cls.dir, "ours"), Authority(cls.dir, "theirs")
        cls.reader = cls.ca.issue("monitoring")
        cls.changer = cls.ca.issue("admin", f"URI:{CHANGER}")
        cls.nobody = cls.ca.issue("nobody")
        cls.expired = cls.ca.issue("monitoring ", days=-1)
        cls.stranger = cls.other_ca.issue("monitoring")
        # Files are replaced by renaming a link to their folder, as Kubernetes does.
        (cls.dir / "server").symlink_to(cls.ca.issue("node", "DNS:localhost,IP:127.0.0.1"))
        (cls.dir / "kubelet").mkdir()
        cls.processes = []
        cls.addClassCleanup(cls.stop_all)
        cls.start("kubelet.log", BIN / "fake-kubelet", f"--dir={cls.dir}/kubelet", "--allocate=rendercar.dev/render=1", "--host-paths", "--stay",
                  f"--output-env={cls.dir}/allocation.env")
        wait_for("the kubelet's socket", (cls.dir / "kubelet/kubelet.sock").exists)
        cls.start("node.log", *cls.node(), "--api-reader=monitoring", f"--api-changer={CHANGER}")
        found = wait_for("the port", lambda: re.search(r"mutual TLS.*port\W+(\d+)", (cls.dir / "node.log").read_text()))
        cls.port = int(found.group(1))

    @classmethod
    def node(cls):
        server = cls.dir / "server"
        return (BIN / "rendercar-node", f"--kubelet-dir={cls.dir}/kubelet", f"--session-root={cls.dir}/sessions", "--software=always",
                "--metrics-address=none", "--pod-resources-socket=none", f"--api-socket={cls.dir}/node.sock", "--api-address=127.0.0.1:0",
                f"--api-cert={server}/cert.pem", f"--api-key={server}/key.pem", f"--api-client-ca={server}/ca.pem")

    @classmethod
    def start(cls, log, *command):
        with open(cls.dir / log, "wb") as output:
            cls.processes.append(subprocess.Popen([str(part) for part in command], stdout=output, stderr=output, cwd=cls.dir))

    @classmethod
    def stop_all(cls):
        for process in reversed(cls.processes):
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def client(self, certificate, ca=None):
        """A client with that certificate; None: without one."""
        pair = [(certificate / name).read_bytes() for name in ("key.pem", "cert.pem")] if certificate else [None, None]
        credentials = grpc.ssl_channel_credentials(((ca or self.ca).folder / "ca.pem").read_bytes(), *pair)
        client = reflection.Client.over(grpc.secure_channel(f"localhost:{self.port}", credentials))
        self.addCleanup(client.channel.close)
        return client

    def refused(self, code, client, method="ListShares", service=INVENTORY, **fields):
        with self.assertRaises(grpc.RpcError) as caught:
            client.call(service, method, **fields)
        self.assertEqual(caught.exception.code(), code, caught.exception.details())
        return caught.exception

    def test_a_reader_may_look_and_not_change(self):
        client = self.client(self.reader)
        self.assertEqual(len(client.call(INVENTORY, "ListShares").shares), 4)
        self.assertEqual(len(client.call(SESSIONS, "ListSessions").sessions), 0)
        for service, method in ((INVENTORY, "Drain"), (SESSIONS, "DeleteSession"), (SESSIONS, "RestartRenderer"), (SESSIONS, "UpdateSession"), (SESSIONS, "UpgradeSession"),
                                (SESSIONS, "CreateSession"), (INVENTORY, "GetDiagnostics")):
            error = self.refused(grpc.StatusCode.PERMISSION_DENIED, client, method, service)
            self.assertEqual(reflection.error_info(error), ("ROLE_NOT_ALLOWED", "rendercar.dev"), method)
        with self.assertRaises(grpc.RpcError) as caught:  # a guest's screen is not everybody's
            list(client.call(SESSIONS, "CaptureScreenshot", name="shares/software-0/sessions/gpu0"))
        self.assertEqual(caught.exception.code(), grpc.StatusCode.PERMISSION_DENIED)

    def test_a_changer_may_do_both(self):
        client = self.client(self.changer)
        self.assertTrue(client.call(INVENTORY, "Drain", reason="by TLS").draining)
        self.assertTrue(any("call=Drain" in line and CHANGER in line for line in (self.dir / "node.log").read_text().splitlines()))
        self.assertFalse(client.call(INVENTORY, "Drain", end=True).draining)
        self.assertEqual(len(client.call(INVENTORY, "ListShares").shares), 4)

    def test_a_name_without_a_role_is_refused_everywhere(self):
        client = self.client(self.nobody)
        with self.assertRaises(grpc.RpcError) as caught:
            client.services()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.PERMISSION_DENIED)
        self.assertIn("'nobody' has no role here", caught.exception.details())

    def test_no_certificate_another_authoritys_and_an_expired_one_end_in_the_handshake(self):
        for certificate in (None, self.stranger, self.expired):
            with self.subTest(certificate=certificate):
                with self.assertRaises(grpc.RpcError) as caught:
                    self.client(certificate).services()
                self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_plain_tcp_is_refused(self):
        client = reflection.Client.over(grpc.insecure_channel(f"localhost:{self.port}"))
        self.addCleanup(client.channel.close)
        with self.assertRaises(grpc.RpcError) as caught:
            client.services()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)

    def test_old_tls_is_refused(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
        context.set_ciphers("ALL:@SECLEVEL=0")
        with socket.create_connection(("127.0.0.1", self.port), 20) as plain, self.assertRaises((ssl.SSLError, ConnectionError)):
            context.wrap_socket(plain)

    def test_the_unix_socket_needs_no_certificate(self):
        client = reflection.Client(self.dir / "node.sock")
        self.assertFalse(client.call(INVENTORY, "Drain", end=True).draining)

    def ctl(self, certificate, *arguments):
        return subprocess.run([str(BIN / "rendercarctl"), f"--address=localhost:{self.port}", f"--ca={self.ca.folder}/ca.pem", f"--cert={certificate}/cert.pem",
                               f"--key={certificate}/key.pem", "--timeout=20", *arguments], text=True, capture_output=True, check=False, timeout=60)

    def test_rendercarctl_speaks_tls(self):
        done = self.ctl(self.reader, "shares")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("software-0", done.stdout)
        done = self.ctl(self.reader, "drain")
        self.assertEqual((done.returncode, done.stderr), (77, "rendercarctl: this certificate's role is for reading only\n"))
        self.assertEqual(self.ctl(self.stranger, "shares").returncode, 69)
        self.assertEqual(self.ctl(self.dir, "shares").returncode, 64)  # no such files

    def another_node(self):
        return [str(part).replace("node.sock", "another.sock") for part in self.node()]

    def test_the_server_does_not_start_without_what_it_needs(self):
        for flag, said in (("--api-client-ca", "without mutual TLS"), ("--api-cert", "without mutual TLS")):
            command = [part for part in self.another_node() if not part.startswith(flag)]
            done = subprocess.run([*command, "--api-reader=x"], text=True, capture_output=True, check=False, timeout=60)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(said, done.stderr)
        done = subprocess.run(self.another_node(), text=True, capture_output=True, check=False, timeout=60)
        self.assertEqual(done.returncode, 64)
        self.assertIn("nobody has a role", done.stderr)

    def shown_certificate(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.set_alpn_protocols(["h2"])
        with socket.create_connection(("127.0.0.1", self.port), 20) as plain, context.wrap_socket(plain) as secure:
            return ssl.DER_cert_to_PEM_cert(secure.getpeercert(True))

    def test_z_rotated_certificates_and_authorities_are_taken_over(self):
        client = self.client(self.reader)
        client.call(INVENTORY, "ListShares")
        successor = Authority(self.dir, "successor")
        server = successor.issue("node", "DNS:localhost,IP:127.0.0.1")
        link = self.dir / "server.new"
        link.symlink_to(server)
        link.rename(self.dir / "server")
        expected = (server / "cert.pem").read_text()
        wait_for("the new certificate", lambda: self.shown_certificate() == expected)
        reader = self.client(successor.issue("monitoring"), successor)
        self.assertEqual(len(reader.call(INVENTORY, "ListShares").shares), 4)
        with self.assertRaises(grpc.RpcError) as caught:  # signed by the authority of before
            self.client(self.changer, successor).services()
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAVAILABLE)
        client.call(INVENTORY, "ListShares")  # a connection that is there goes on


if __name__ == "__main__":
    for program in ("fake-kubelet", "rendercar-node", "rendercarctl"):
        if not (BIN / program).exists():
            print(f"SKIP: {BIN / program} is not built", file=sys.stderr)
            sys.exit(77)
    if shutil.which("openssl") is None:
        print("SKIP: openssl is missing; install the Debian package of that name", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=1)
