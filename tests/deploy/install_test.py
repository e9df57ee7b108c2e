"""The .deb packages as a user installs them: by apt, in a fresh Debian of this release, run there, removed without a trace.

Needs root, debootstrap, a Debian mirror (that of this machine) and scripts/package.sh to have run. SPDX-License-Identifier: Apache-2.0"""
import contextlib
import json
import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import time
import unittest

import tools

PACKAGES = pathlib.Path(os.environ.get("RENDERCAR_PACKAGES", tools.ROOT / "build/release/packages"))
PATIENCE_S = 120
# What is left of a purged package would stand there.
OURS = ("etc/rendercar", "usr/bin/rendercar*", "usr/lib*/rendercar*", "usr/libexec/rendercar", "usr/share/rendercar", "usr/share/qemu/vhost-user/*rendercar*",
        "usr/share/man/man*/rendercar*", "usr/lib/systemd/*/rendercar*", "var/lib/rendercar")


def os_release(key):
    return re.search(rf'^{key}="?([^"\n]*)', pathlib.Path("/etc/os-release").read_text(), re.M).group(1)


def mirror():
    for file in pathlib.Path("/etc/apt/sources.list.d").glob("*.sources"):
        found = re.search(r"^URIs: *(\S+)", file.read_text(), re.M)
        if found:
            return found.group(1)
    found = re.search(r"^deb (?:\[[^]]*\] )?(\S+)", pathlib.Path("/etc/apt/sources.list").read_text(), re.M)
    return found.group(1)


def base():
    """A tar of a minimal Debian of this machine's release, made once."""
    path = tools.CACHE / f"base/{os_release('VERSION_CODENAME')}.tar"
    if path.exists():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="rendercar-base-") as directory:
        code, out, err = tools.run(["debootstrap", "--variant=minbase", os_release("VERSION_CODENAME"), f"{directory}/root", mirror()])
        if code != 0:
            tools.skip(f"debootstrap failed: {(out + err)[-300:]}")
        made = path.with_suffix(".new")
        subprocess.run(["tar", "-C", f"{directory}/root", "--one-file-system", "-cf", made, "."], check=True)
        made.rename(path)
    return path


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="rendercar-install-", dir="/var/tmp"))
        cls.addClassCleanup(shutil.rmtree, cls.root, ignore_errors=True)
        subprocess.run(["tar", "-C", cls.root, "-xf", base()], check=True)
        for name in ("resolv.conf", "hosts"):
            with contextlib.suppress(FileNotFoundError):
                shutil.copyfile(f"/etc/{name}", cls.root / "etc" / name)
        shutil.copytree("/etc/apt/apt.conf.d", cls.root / "etc/apt/apt.conf.d", dirs_exist_ok=True)
        subprocess.run(["mount", "-t", "proc", "proc", cls.root / "proc"], check=True)
        cls.addClassCleanup(subprocess.run, ["umount", "-l", cls.root / "proc"], check=False)
        (cls.root / "packages").mkdir()
        for path in PACKAGES.glob("*.deb"):
            shutil.copyfile(path, cls.root / "packages" / path.name)
        # No service is started in there, as in any chroot of Debian's.
        policy = cls.root / "usr/sbin/policy-rc.d"
        policy.write_text("#!/bin/sh\nexit 101\n")
        policy.chmod(0o755)
        cls.inside("apt-get", "update")
        cls.inside("sh", "-c", "apt-get install -y --no-install-recommends /packages/*.deb")

    @classmethod
    def inside(cls, *command):
        code, out, err = tools.run(["chroot", cls.root, "env", "-i", "PATH=/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C.UTF-8",
                                    *command])
        assert code == 0, f"{command}: {(out + err)[-2000:]}"
        return out

    def wait_for(self, what, condition):
        end = time.monotonic() + PATIENCE_S
        while time.monotonic() < end:
            if condition():
                return
            time.sleep(0.1)
        self.fail(f"{what}: not within {PATIENCE_S} s")

    def test_1_programs_units_man_pages_and_configuration_are_there(self):
        for path in ("usr/share/man/man8/rendercar-node.8", "usr/share/man/man1/rendercarctl.1", "usr/share/man/man1/rendercar-sidecar.1"):
            self.assertTrue((self.root / path).exists() or (self.root / f"{path}.gz").exists(), path)
        self.assertTrue(any((self.root / prefix / "systemd/system/rendercar-node.service").exists() for prefix in ("lib", "usr/lib")))
        self.assertTrue((self.root / "etc/rendercar/node.yaml").exists())

    def test_2_dpkg_finds_nothing_changed(self):
        self.assertEqual(self.inside("sh", "-c", "dpkg --verify rendercar-node rendercar-sidecar rendercar-backend rendercarctl"), "")

    def test_3_what_is_installed_runs(self):
        self.assertIn("software", self.inside("rendercar-node", "--one-shot"))
        self.inside("rendercar-node", "--check-config", "--config=/etc/rendercar/node.yaml")
        told = json.loads(self.inside("rendercar-backend", "--print-capabilities"))
        self.assertIn("virgl", told["features"])

    def test_4_a_session_comes_up_and_the_command_line_sees_it(self):
        run = self.root / "run/try"
        run.mkdir(parents=True)
        with open(self.root / "sidecar.log", "wb") as log:
            sidecar = subprocess.Popen(["chroot", self.root, "rendercar-sidecar", "--share=hand-0", "--render-node=software", "--session-dir=/run/try",
                                        "--socket-dir=/run/try", "--control-socket=/run/try/c.sock", "--create-session=gpu0", "--metrics-address=off"],
                                       stdout=log, stderr=log)
        try:
            self.wait_for("the session's socket", (run / "gpu0.sock").exists)
            self.assertIn("ready", self.inside("rendercarctl", "--socket=/run/try/c.sock", "sessions", "list"))
            self.assertIn("vhost-user-gpu-pci", self.inside("rendercarctl", "--socket=/run/try/c.sock", "define", "gpu0"))
        finally:
            sidecar.terminate()
            sidecar.wait(30)
        self.assertFalse((run / "gpu0.sock").exists())

    def test_5_purging_leaves_nothing(self):
        self.inside("apt-get", "purge", "-y", "rendercar-node", "rendercar-sidecar", "rendercar-backend", "rendercarctl")
        self.assertEqual([str(path) for pattern in OURS for path in self.root.glob(pattern)], [])


if __name__ == "__main__":
    if os.geteuid() != 0 or shutil.which("debootstrap") is None:
        tools.skip("needs root and debootstrap (Debian package of that name)")
    if not list(PACKAGES.glob("rendercar-node_*.deb")):
        tools.skip(f"{PACKAGES} has no packages; scripts/package.sh makes them")
    tools.main()
