"""Lint and breaking-change checks of the API's definitions by buf: what is there, and that a change that breaks clients is caught.

Needs scripts/fetch-buf.sh. SPDX-License-Identifier: Apache-2.0"""
import pathlib
import shutil
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
BUF = ROOT / ".cache/buf/buf"
RELEASED = ROOT / "proto/rendercar/v1/released.binpb"


def buf(*arguments):
    done = subprocess.run([str(BUF), *map(str, arguments)], text=True, capture_output=True, check=False, cwd=ROOT)
    return done.returncode, done.stdout + done.stderr


class ProtoTest(unittest.TestCase):
    def changed(self, old, new):
        """A copy of proto/ in which one line of the session is another."""
        directory = pathlib.Path(tempfile.mkdtemp(prefix="rendercar-proto-"))
        self.addCleanup(shutil.rmtree, directory)
        shutil.copytree(ROOT / "proto", directory / "proto")
        file = directory / "proto/rendercar/v1/session.proto"
        text = file.read_text()
        self.assertIn(old, text)
        file.write_text(text.replace(old, new))
        return directory / "proto"

    def breaks(self, proto):
        return buf("breaking", proto, "--against", RELEASED)

    def test_lint_is_clean(self):
        self.assertEqual(buf("lint", ROOT / "proto"), (0, ""))

    def test_nothing_breaks_clients_of_what_was_released(self):
        self.assertEqual(self.breaks(ROOT / "proto"), (0, ""))

    def test_a_field_more_breaks_nobody(self):
        self.assertEqual(self.breaks(self.changed("  Owner owner = 27;", "  Owner owner = 27;\n  string more = 99;")), (0, ""))

    def test_another_number_another_type_and_a_field_less_are_caught(self):
        for old, new in (("Owner owner = 27", "Owner owner = 98"), ("string share = 2", "bytes share = 2"), ("  Owner owner = 27;", "")):
            with self.subTest(new=new):
                code, said = self.breaks(self.changed(old, new))
                self.assertNotEqual(code, 0)
                self.assertIn("session.proto", said)

    def test_lint_wants_every_call_explained(self):
        proto = self.changed("message Owner {", "service SilentService {\n  rpc Call(Owner) returns (Owner);\n}\n\nmessage Owner {")
        code, said = buf("lint", proto)
        self.assertNotEqual(code, 0)
        self.assertIn("Call", said)


if __name__ == "__main__":
    if not BUF.exists():
        print(f"SKIP: {BUF} is missing; scripts/fetch-buf.sh fetches it", file=sys.stderr)
        sys.exit(77)
    unittest.main(verbosity=1)
