"""The base of all end-to-end tests: a folder of its own, machines that are always ended, logs kept on failure.

SPDX-License-Identifier: Apache-2.0
"""

import os
import shutil
import tempfile
import unittest

from . import backends, process
from .machine import REPOSITORY, Machine


class EndToEndTest(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="rc-e2e-")
        self.addCleanup(self._remove_folder)
        self._machines, self._processes = [], []

    def backend(self):
        """The backend under test; a subclass that needs a certain one overrides this."""
        return backends.from_environment()

    def machine(self, **options):
        """A started machine that is ended with the test."""
        machine = Machine(self.folder, options.pop("backend", None) or self.backend(), **options)
        self._machines.append(machine)
        try:
            return machine.start()
        except backends.Missing as e:
            raise unittest.SkipTest(str(e)) from e

    def process(self, name, command, **popen):
        """A program that is ended with the test."""
        started = process.Process(name, command, os.path.join(self.folder, f"{name}.log"), **popen)
        self._processes.append(started)
        return started

    def tearDown(self):
        complaints = [c for m in self._machines for c in m.close()]
        for p in self._processes:
            p.stop()
        self.assertEqual(complaints, [], "something was left behind")

    def _remove_folder(self):
        if self._failed():
            kept = os.path.join(os.environ.get("RENDERCAR_E2E_KEEP", os.path.join(REPOSITORY, "build/e2e-failures")),
                                self.id().split(".", 1)[-1])
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(self.folder, kept, ignore=lambda folder, names: [
                n for n in names if not os.path.isfile(os.path.join(folder, n))])
            print(f"logs and pictures of the failure: {kept}")
        shutil.rmtree(self.folder)

    def _failed(self):
        result = self._outcome.result
        return any(test is self for test, _ in result.failures + result.errors)

    def assert_picture(self, picture, reference, step=1, tolerance=0, allowed=0.0):
        """At most a share `allowed` of the sampled pixels may differ from the computed reference."""
        wrong = picture.mismatch(reference, step, tolerance)
        if wrong > allowed:
            picture.save_png(os.path.join(self.folder, "wrong.png"))
        self.assertLessEqual(wrong, allowed, f"{wrong:.2%} of the pixels differ from the reference (wrong.png)")
