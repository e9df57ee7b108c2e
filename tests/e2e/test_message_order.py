"""The order in which this QEMU sends vhost-user messages is the one that tests/message_orders holds for its release.

RENDERCAR_E2E_RECORD=1 prints what was seen instead, for a release that has no file yet.
SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import re
import subprocess
import time
import unittest

from rendercar_e2e.case import EndToEndTest
from rendercar_e2e.machine import QEMU, REPOSITORY
from rendercar_e2e.qmp import Qmp, QmpError
from rendercar_e2e.qtest import GpuDriver, Qtest

SLOT = 4
ACCEL = os.environ.get("RENDERCAR_E2E_ACCEL", "tcg")


def qemu_version():
    text = subprocess.run([QEMU, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.search(r"version (\d+)\.(\d+)", text).groups()


class MessageOrder(EndToEndTest):
    def setUp(self):
        super().setUp()
        self.version = ".".join(qemu_version())
        self.file = os.path.join(REPOSITORY, "tests/message_orders", f"qemu-{self.version}.json")
        self.recording = os.environ.get("RENDERCAR_E2E_RECORD") == "1"
        if not self.recording and not os.path.exists(self.file):
            self.skipTest(f"SKIPPED: no message order is recorded of QEMU {self.version}; "
                          f"run this with RENDERCAR_E2E_RECORD=1 and write {self.file}")
        self.expected = None if self.recording else json.load(open(self.file))

    def path(self, name):
        return os.path.join(self.folder, name)

    def start_qemu(self):
        backend = self.process("backend", self.backend().command(self.path("gpu.sock"), False))
        self.wait(lambda: os.path.exists(self.path("gpu.sock")), backend)
        qemu = self.process("qemu", [
            QEMU, "-accel", ACCEL, "-machine", "pc,memory-backend=mem", "-m", "128M", "-nodefaults",
            "-object", "memory-backend-memfd,id=mem,size=128M,share=on", "-vga", "none", "-display", "none",
            "-chardev", f"socket,id=gpu,path={self.path('gpu.sock')}",
            "-device", f"vhost-user-gpu-pci,chardev=gpu,addr={SLOT}",
            # Firmware would look for this device too; a driver of ours must be the only one.
            "-bios", self.no_firmware(),
            "-qtest", f"unix:{self.path('qtest.sock')},server=on,wait=off", "-qtest-log", "/dev/null",
            "-qmp", f"unix:{self.path('qmp.sock')},server=on,wait=off",
            "--trace", "vhost_user_write", "-D", self.path("trace.log")])
        self.wait(lambda: os.path.exists(self.path("qmp.sock")), qemu)
        self.qmp = Qmp(self.path("qmp.sock"), 60)
        self.addCleanup(self.qmp.close)
        self.qtest = Qtest(self.path("qtest.sock"))
        self.addCleanup(self.qtest.close)
        self.seen = 0

    def no_firmware(self):
        """64 KiB of code that halts, for the processor to have something to run."""
        with open(self.path("halt.bin"), "wb") as f:
            f.write(b"\xf4\xeb\xfd" + b"\xf4" * (0x10000 - 0x10 - 3) + b"\xea\x00\x00\x00\xf0" + b"\x00" * 11)
        return self.path("halt.bin")

    def wait(self, condition, process):
        deadline = time.monotonic() + 60
        while not condition():
            self.assertTrue(process.running(), process.tail())
            self.assertLess(time.monotonic(), deadline, process.tail())
            time.sleep(0.02)

    def expect(self, phase):
        """All that was sent since the last look; QMP and qtest answer after it was."""
        def look():
            with open(self.path("trace.log"), errors="replace") as f:
                return [int(x) for x in re.findall(r"vhost_user_write .*?req[:=]\s*(\d+)", f.read())][self.seen:]
        sent = look()
        deadline = time.monotonic() + 10
        while not self.recording and sent != self.expected[phase] and time.monotonic() < deadline:
            time.sleep(0.05)  # the log is written behind
            sent = look()
        if self.recording:
            time.sleep(1)
            sent = look()
            print(f'  "{phase}": {sent},')
        else:
            self.assertEqual(sent, self.expected[phase], f"phase {phase} of QEMU {self.version}")
        self.seen += len(sent)

    def test_it_sends_what_the_replays_send(self):
        self.start_qemu()
        driver = GpuDriver(self.qtest, SLOT)
        self.expect("realize")
        driver.probe()
        self.expect("probe")
        driver.start()
        self.expect("start")
        for _ in range(3):
            self.qmp.command("stop")
            self.expect("stop")
            self.qmp.command("cont")
            self.expect("start")
        for _ in range(3):
            self.qmp.command("system_reset")
            self.expect("reset")
            driver.probe()
            self.expect("probe")
            driver.start()
            self.expect("start")

    def test_a_migration_is_refused_and_leaves_the_device_running(self):
        self.start_qemu()
        driver = GpuDriver(self.qtest, SLOT)
        driver.probe()
        driver.start()
        with self.assertRaisesRegex(QmpError, "LOG_SHMFD"):
            self.qmp.command("migrate", uri="exec:cat >/dev/null")
        self.assertIn("LOG_SHMFD", self.qmp.command("human-monitor-command", command_line="savevm x"))
        self.assertTrue(self.qmp.command("query-status")["running"])


if __name__ == "__main__":
    unittest.main()
