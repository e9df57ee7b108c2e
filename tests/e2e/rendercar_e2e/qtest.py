"""A driver over QEMU's qtest socket: enough of virtio-pci and virtio-gpu to bring a device to DRIVER_OK, without a guest.

SPDX-License-Identifier: Apache-2.0
"""

import socket

# virtio 1.2: 4.1.4 (capabilities), 4.1.4.3 (common configuration), 2.1 (status).
COMMON, DEVICE = 1, 4
ACKNOWLEDGE, DRIVER, DRIVER_OK, FEATURES_OK = 1, 2, 4, 8
F_VERSION_1_HIGH, F_INDIRECT, F_EVENT_IDX, F_EDID = 1, 1 << 28, 1 << 29, 1 << 1
BAR_ADDRESS, RINGS_ADDRESS = 0xE0000000, 0x100000


class Qtest:
    def __init__(self, path):
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(60)
        self._socket.connect(path)
        self._file = self._socket.makefile("rw")

    def command(self, line):
        self._file.write(line + "\n")
        self._file.flush()
        while True:
            answer = self._file.readline().split()
            if not answer:
                raise ConnectionError("QEMU closed the qtest socket")
            if answer[0] in ("OK", "FAIL"):
                return answer[1:]

    def read(self, size, address):
        return int(self.command(f"read{size} {address:#x}")[0], 16)

    def write(self, size, address, value):
        self.command(f"write{size} {address:#x} {value:#x}")

    def close(self):
        self._file.close()
        self._socket.close()


class PciDevice:
    """The device in `slot` of bus 0 of the machine `pc`."""

    def __init__(self, qtest, slot):
        self.qtest, self._base = qtest, 0x80000000 | slot << 11

    def read(self, offset):
        self.qtest.command(f"outl 0xcf8 {self._base | offset & ~3:#x}")
        return int(self.qtest.command("inl 0xcfc")[0], 16) >> 8 * (offset & 3)

    def write(self, offset, value):
        self.qtest.command(f"outl 0xcf8 {self._base | offset:#x}")
        self.qtest.command(f"outl 0xcfc {value:#x}")

    def map_virtio(self):
        """Maps the modern BAR and returns {capability type: address}."""
        self.write(0x20, BAR_ADDRESS)
        self.write(0x24, 0)
        self.write(4, self.read(4) & 0xFFFF0000 | 6)  # memory and bus master
        addresses, at = {}, self.read(0x34) & 0xFF
        while at:
            if self.read(at) & 0xFF == 9:
                addresses[self.read(at + 3) & 0xFF] = BAR_ADDRESS + (self.read(at + 8) & 0xFFFFFFFF)
            at = self.read(at + 1) & 0xFF
        return addresses


class GpuDriver:
    def __init__(self, qtest, slot):
        self.qtest, self.device = qtest, PciDevice(qtest, slot)

    def probe(self):
        """Up to FEATURES_OK, and a look at num_capsets as Linux has."""
        addresses = self.device.map_virtio()
        self.common = addresses[COMMON]
        for status in (0, ACKNOWLEDGE, ACKNOWLEDGE | DRIVER):
            self.set_status(status)
        self._field("l", 0, 0)
        offered = self.qtest.read("l", self.common + 4)
        self._field("l", 8, 0)
        self._field("l", 12, offered & (F_INDIRECT | F_EVENT_IDX | F_EDID))
        self._field("l", 8, 1)
        self._field("l", 12, F_VERSION_1_HIGH)
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK)
        self.qtest.read("l", addresses[DEVICE] + 12)

    def start(self):
        for queue in (0, 1):
            self._field("w", 22, queue)
            self._field("w", 24, self.qtest.read("w", self.common + 24))
            base = RINGS_ADDRESS + queue * 0x10000
            for offset, address in ((32, base), (40, base + 0x4000), (48, base + 0x8000)):
                self._field("l", offset, address)
                self._field("l", offset + 4, 0)
            self._field("w", 28, 1)
        self.set_status(ACKNOWLEDGE | DRIVER | FEATURES_OK | DRIVER_OK)

    def set_status(self, status):
        self._field("b", 20, status)

    def _field(self, size, offset, value):
        self.qtest.write(size, self.common + offset, value)
