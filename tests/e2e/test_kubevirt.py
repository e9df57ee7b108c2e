"""The sidecar under a stand-in for virt-launcher with KubeVirt's own domains: collected, defined twice through the lossy model in a
real libvirt that is configured as KubeVirt's, started, drawn on, started again in the same pod.

Two mount namespaces stand for two containers that share the hooks directory. SPDX-License-Identifier: Apache-2.0
"""

import json
import os
import shutil
import subprocess
import unittest
import xml.etree.ElementTree as ElementTree

from rendercar_e2e import process, scenes
from rendercar_e2e.backends import Missing
from rendercar_e2e.case import EndToEndTest
from rendercar_e2e.domain import Domain
from rendercar_e2e.drawing import BACKGROUND
from rendercar_e2e.libvirt import Libvirt, VirshError, find
from rendercar_e2e.machine import QEMU, REPOSITORY, guest_image
from rendercar_e2e.picture import Picture

FIXTURES = os.path.join(REPOSITORY, "sidecar/testdata/kubevirt")
BARS = scenes.bars(640, 480)
CUBE = scenes.cube(640, 480, BACKGROUND, 30)
STEP_TIMEOUT_S = 60
QEMU_NAMESPACE = "http://libvirt.org/schemas/domain/qemu/1.0"
ElementTree.register_namespace("qemu", QEMU_NAMESPACE)


def huge_pages_mib():
    with open("/proc/meminfo") as f:
        values = {line.split(":")[0]: int(line.split()[1]) for line in f}
    return values.get("HugePages_Free", 0) * values.get("Hugepagesize", 0) >> 10


class KubevirtDomain(Domain):
    """A domain whose GPU libvirt does not know as a video: its screen comes from QEMU."""

    def screenshot(self):
        path = self.path("screenshot")
        self.libvirt.virsh("qemu-monitor-command", self.name, json.dumps({
            "execute": "screendump", "arguments": {"filename": path, "device": "rendercar-gpu0"}}))
        return Picture.from_file(path)


class Kubevirt(EndToEndTest):
    def setUp(self):
        super().setUp()
        if os.geteuid() != 0:
            self.skipTest("two mount namespaces need root")
        os.chmod(self.folder, 0o755)
        try:
            self.libvirt = Libvirt(self.folder, False, os.environ["RENDERCAR_BIN"]).start()
        except Missing as e:
            raise unittest.SkipTest(str(e)) from e
        for name in ("hooks/hook-sidecar-0", "plugin", "control", "session"):
            os.makedirs(self.path(name))
            self.libvirt.own(self.path(name))
        self.own_tree()

    def tearDown(self):
        self.libvirt.close()
        super().tearDown()
        self.assertEqual(self.libvirt.helpers(), [], "a program of the pod was left")

    def path(self, *names):
        return os.path.join(self.folder, *names)

    def own_tree(self):
        for name in ("hooks",):
            self.libvirt.own(self.path(name))

    # The pod's parts

    def start_sidecar(self, protocol):
        """In a container of its own: what it sees as the hooks directory is a subdirectory of what virt-launcher sees."""
        hooks = self.path("hooks")
        mounts = f"mount --bind {hooks}/hook-sidecar-0 {hooks}" if protocol == "hooks" else "true"
        command = [self.path("bin/rendercar-sidecar"), "--share=hand-0", f"--session-dir={self.path('session')}",
                   f"--kubevirt={protocol}", f"--kubevirt-hooks-dir={hooks}", f"--kubevirt-plugin-dir={self.path('plugin')}",
                   f"--control-socket={self.path('control/sidecar.sock')}", "--metrics-address=off"]
        return self.process("sidecar", ["unshare", "--mount", "--propagation", "private", "sh", "-c",
                                        f'{mounts} && exec setpriv --reuid={self.libvirt.uid} --clear-groups --bounding-set=-all "$@"',
                                        "sh", *command], env=dict(os.environ, CONTAINER_NAME="hook-sidecar-0"))

    def launch(self, domain, vmi, protocol="hooks"):
        """The stand-in's two passes; the definition of the second."""
        with open(self.path("in.xml"), "w") as f:
            f.write(domain)
        with open(self.path("vmi.json"), "w") as f:
            json.dump(vmi, f)
        found = (["--hook-sidecars=1", f"--hooks-dir={self.path('hooks')}"] if protocol == "hooks"
                 else [f"--plugin-socket={self.path('plugin/hook.sock')}"])
        done = subprocess.run([os.path.join(os.environ["RENDERCAR_BIN"], "../test/fake-virt-launcher"), *found, f"--virsh={find('virsh')}",
                               f"--domain={self.path('in.xml')}", f"--vmi={self.path('vmi.json')}", f"--connect={self.libvirt.uri}"],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr + self.libvirt.describe())
        return done.stdout

    def fixture(self, name, folder, run, memory_mib=512, numa=False):
        """KubeVirt's domain with what this machine lacks taken out (its disks and network) and our guest put in."""
        tree = ElementTree.parse(os.path.join(FIXTURES, f"{name}.domain.xml"))
        domain, devices = tree.getroot(), tree.getroot().find("devices")
        for kind in ("disk", "interface", "filesystem", "serial", "console"):
            for element in devices.findall(kind):
                devices.remove(element)
        domain.find("memory").text = str(memory_mib << 20)
        self.boot(domain.find("os"), folder, run)
        ElementTree.SubElement(devices, "emulator").text = find(QEMU)
        for port, (kind, path) in enumerate((("file", "console.log"), ("unix", "shell.sock"))):
            serial = ElementTree.SubElement(devices, "serial", type=kind)
            source = ElementTree.SubElement(serial, "source", path=os.path.join(folder, path))
            source.set("mode" if kind == "unix" else "append", "bind" if kind == "unix" else "on")
            ElementTree.SubElement(serial, "target", port=str(port))
        for listen in devices.iter("listen"):
            listen.set("socket", os.path.join(folder, "virt-vnc"))
        for own in domain.find("cpu").findall("numa"):
            for cell in own.findall("cell"):
                cell.set("memory", str(memory_mib << 10))
                cell.set("unit", "KiB")
        if numa:
            cells = ElementTree.SubElement(domain.find("cpu"), "numa")
            for cell, cpus in enumerate(("0-1", "2-3")):
                ElementTree.SubElement(cells, "cell", id=str(cell), cpus=cpus, memory=str(memory_mib << 9), unit="KiB")
        return ElementTree.tostring(domain, encoding="unicode")

    def boot(self, element, folder, run):
        ElementTree.SubElement(element, "kernel").text = os.path.join(folder, "vmlinuz")
        ElementTree.SubElement(element, "initrd").text = os.path.join(folder, "initrd")
        ElementTree.SubElement(element, "cmdline").text = f"console=ttyS0 panic=-1 no_timer_check fbcon=nodefer rendercar.run={run}"

    def vmi(self, **annotations):
        return {"kind": "VirtualMachineInstance", "metadata": {"namespace": "default", "name": "vm", "annotations": {
            "rendercar.dev/resolution": "640x480", **{f"rendercar.dev/{k}": v for k, v in annotations.items()}}},
            "spec": {"evictionStrategy": "None"}}

    def guest(self, kind):
        folder = self.path(f"guest{kind}")
        shutil.copytree(guest_image(kind), folder)
        self.libvirt.own(folder)
        return folder

    def domain(self, xml, folder):
        name = ElementTree.fromstring(xml).find("name").text
        return KubevirtDomain(self.libvirt, name, folder, xml)

    # Tests

    def test_a_hook_sidecar_gives_a_numa_vm_a_second_screen_and_serves_a_second_start(self):
        sidecar = self.start_sidecar("hooks")
        folder = self.guest("2d")
        defined = self.launch(self.fixture("masquerade", folder, "paint:bars", numa=True), self.vmi(display="secondary"))
        self.assertEqual(defined.count("vhost-user-gpu-pci"), 1, defined)
        domain = self.domain(defined, folder)
        for _ in range(2):  # the second one as when the first start of a pod's VM failed: the same pod, the same socket
            domain.start()
            domain.wait_console("^PAINT READY")
            domain.expect_screen("the bars", BARS)
            domain.destroy()
        process.wait_until(lambda: len(self.libvirt.helpers("rendercar-backend")) == 1, STEP_TIMEOUT_S, "a backend that waits")
        self.shut_down(sidecar)

    def test_hugepages_are_shared_too(self):
        free = huge_pages_mib()
        if free < 512:
            self.skipTest(f"{free} MiB of free huge pages; 512 are needed (sysctl vm.nr_hugepages=256)")
        self.start_sidecar("plugin")
        folder = self.guest("2d")
        plain = self.fixture("hugepages", folder, "paint:bars")
        defined = self.launch(plain, self.vmi(display="secondary"), "plugin")
        self.assertIn("<hugepages", defined)
        domain = self.domain(defined, folder)
        domain.start()
        domain.wait_console("^PAINT READY")
        domain.expect_screen("the bars", BARS)
        domain.destroy()

    def shut_down(self, sidecar):
        done = subprocess.run([os.path.join(os.environ["RENDERCAR_BIN"], "../test/fake-virt-launcher"), "--shutdown", "--hook-sidecars=1",
                               f"--hooks-dir={self.path('hooks')}"], timeout=60)
        self.assertEqual(done.returncode, 0)
        self.assertEqual(sidecar.wait(STEP_TIMEOUT_S), 0)
        self.assertEqual(os.listdir(self.path("hooks/hook-sidecar-0")), [])

    def test_a_plugin_draws_in_3d_without_a_screen_of_kubevirts(self):
        sidecar = self.start_sidecar("plugin")
        folder = self.guest("3d")
        defined = self.launch(self.fixture("headless", folder, "scene:cube", memory_mib=1280), self.vmi(display="primary"), "plugin")
        domain = self.domain(defined, folder)
        domain.start()
        domain.wait_console("^GL_RENDERER: virgl")
        domain.wait_console("^SCENE READY cube")
        domain.expect_screen("the cube", CUBE, allowed=0.005)
        domain.destroy()
        self.assertEqual(sidecar.stop(), 0)
        self.assertEqual(os.listdir(self.path("plugin")), [])

    def test_every_domain_of_kubevirt_is_defined_by_libvirt(self):
        self.start_sidecar("plugin")
        refused = {}
        for name in sorted(f.removesuffix(".domain.xml") for f in os.listdir(FIXTURES) if f.endswith(".domain.xml")):
            with open(os.path.join(FIXTURES, f"{name}.domain.xml")) as f:
                plain = f.read()
            with open(os.path.join(FIXTURES, f"{name}.vmi.json")) as f:
                vmi = json.load(f)
            try:
                self.libvirt_takes(name, plain)
            except VirshError as e:  # what this libvirt refuses anyway says nothing about us
                refused[name] = str(e).splitlines()[0]
                continue
            self.assertIn("vhost-user-gpu-pci", self.launch(plain, vmi, "plugin"))
        print(f"refused by this machine's libvirt before we touch them: {refused}")
        self.assertLess(len(refused), 4, refused)

    def libvirt_takes(self, name, xml):
        path = self.path(f"{name}.xml")
        with open(path, "w") as f:
            f.write(xml)
        self.libvirt.virsh("define", path)
        self.libvirt.virsh("undefine", "--nvram", ElementTree.fromstring(xml).find("name").text)


if __name__ == "__main__":
    unittest.main()
