"""The .deb packages of build/release/packages: names, contents, dependencies, scripts, units, man pages.

Needs scripts/package.sh to have run. SPDX-License-Identifier: Apache-2.0"""
import json
import os
import pathlib
import re
import shutil
import tempfile
import unittest

import tools

PACKAGES = pathlib.Path(os.environ.get("RENDERCAR_PACKAGES", tools.ROOT / "build/release/packages"))
NAMES = ("rendercar-backend", "rendercar-sidecar", "rendercar-shim", "rendercar-node", "rendercar-operator", "rendercarctl")

# Package -> what it must hold.
CONTENTS = {
    "rendercar-backend": ("usr/bin/rendercar-backend", "usr/libexec/rendercar/rendercar-renderer", "usr/share/man/man1/rendercar-backend.1",
                          "usr/share/qemu/vhost-user/40-rendercar-gpu.json"),
    "rendercar-sidecar": ("usr/bin/rendercar-sidecar", "usr/libexec/rendercar/rendercar-launcher", "usr/lib/systemd/user/rendercar-sidecar@.service", "usr/share/man/man1/rendercar-sidecar.1"),
    "rendercar-shim": ("usr/bin/rendercar-shim", "usr/share/qemu/vhost-user/45-rendercar-shim.json", "usr/share/man/man1/rendercar-shim.1"),
    "rendercar-node": ("usr/bin/rendercar-node", "usr/lib/systemd/system/rendercar-node.service", "etc/rendercar/node.yaml",
                       "usr/share/rendercar/config.schema.json", "usr/share/man/man8/rendercar-node.8"),
    "rendercar-operator": ("usr/bin/rendercar-operator", "usr/share/man/man8/rendercar-operator.8", "usr/share/rendercar/crds/rendercar.dev_renderpools.yaml"),
    "rendercarctl": ("usr/bin/rendercarctl", "usr/share/man/man1/rendercarctl.1"),
}


def package(name):
    (path,) = PACKAGES.glob(f"{name}_*.deb")
    return path


def field(name, key):
    return tools.run(["dpkg-deb", "--field", package(name), key])[1].strip()


class PackagesTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="rendercar-packages-"))
        cls.addClassCleanup(shutil.rmtree, cls.root)
        for name in NAMES:
            code, _, err = tools.run(["dpkg-deb", "--raw-extract", package(name), cls.root / name])
            assert code == 0, err

    def test_each_package_holds_what_it_is_for_and_a_licence(self):
        for name, paths in CONTENTS.items():
            files = {str(path.relative_to(self.root / name)) for path in (self.root / name).rglob("*") if path.is_file()}
            for path in (*paths, f"usr/share/doc/{name}/copyright"):
                self.assertIn(path, files, name)
            self.assertFalse([path for path in files if "/local/" in path or path.startswith("tmp")], name)

    def test_no_file_is_in_two_packages(self):
        seen = {}
        for name in NAMES:
            for path in (self.root / name).rglob("*"):
                where = str(path.relative_to(self.root / name))
                if path.is_file() and not where.startswith("DEBIAN/"):
                    self.assertNotIn(where, seen, name)
                    seen[where] = name

    def test_dependencies_are_found_in_the_programs(self):
        self.assertIn("libvirglrenderer1", field("rendercar-backend", "Depends"))
        for opened_by_name in ("libegl1", "libegl-mesa0", "libgl1", "libgl1-mesa-dri", "libgles2"):
            self.assertIn(opened_by_name, field("rendercar-backend", "Depends").split(", "))
        self.assertIn("libgrpc++", field("rendercar-node", "Depends"))
        self.assertRegex(field("rendercar-sidecar", "Depends"), r"rendercar-backend \(= [0-9.]+\)")
        self.assertNotIn("virgl", field("rendercarctl", "Depends"))

    def test_descriptions_are_a_line_and_a_text(self):
        for name in NAMES:
            first, *more = field(name, "Description").splitlines()
            self.assertLess(len(first), 80)
            self.assertGreater(len(more), 0, name)

    def test_the_configuration_survives_upgrades(self):
        self.assertEqual((self.root / "rendercar-node/DEBIAN/conffiles").read_text().split(), ["/etc/rendercar/node.yaml"])

    def test_scripts_are_shell_that_parses_and_stop_at_errors(self):
        for script in ("postinst", "prerm", "postrm"):
            path = self.root / "rendercar-node/DEBIAN" / script
            self.assertEqual(tools.run(["sh", "-n", path])[0], 0)
            self.assertIn("set -e", path.read_text())
            self.assertEqual(path.stat().st_mode & 0o777, 0o755)

    def test_units_start_programs_that_are_packaged_with_flags_that_these_know(self):
        for name, unit in (("rendercar-node", "usr/lib/systemd/system/rendercar-node.service"),
                           ("rendercar-sidecar", "usr/lib/systemd/user/rendercar-sidecar@.service")):
            text = (self.root / name / unit).read_text().replace("\\\n", " ")
            for command in re.findall(r"^ExecStart(?:Pre)?=(.*)$", text, flags=re.M):
                program, *flags = command.split()
                if program.endswith("/rendercar-launcher"):  # the flags are those of what it starts
                    self.assertTrue((self.root / name / program.lstrip("/")).exists())
                    program, *flags = flags
                binary = self.root / name / program.lstrip("/")
                known = set(re.findall(r"--[a-z0-9-]+", tools.run([binary, "--help"])[1]))
                self.assertLessEqual({flag.split("=")[0] for flag in flags if flag.startswith("--")}, known, command)

    def test_systemd_finds_nothing_wrong_with_the_units(self):
        if shutil.which("systemd-analyze") is None:
            self.skipTest("systemd-analyze is not installed (Debian package systemd)")
        unit = self.root / "rendercar-node.service"
        text = (self.root / "rendercar-node/usr/lib/systemd/system/rendercar-node.service").read_text()
        unit.write_text(text.replace("/usr/bin/rendercar-node", str(self.root / "rendercar-node/usr/bin/rendercar-node")))
        code, out, err = tools.run(["systemd-analyze", "verify", "--man=no", unit])
        ours = [line for line in (out + err).splitlines() if "rendercar-node.service" in line]
        self.assertEqual(ours, [])

    def test_the_packaged_configuration_is_valid(self):
        root = self.root / "rendercar-node"
        code, out, err = tools.run([root / "usr/bin/rendercar-node", "--check-config", f"--config={root}/etc/rendercar/node.yaml"])
        self.assertEqual(code, 0, out + err)

    def test_libvirt_is_told_of_the_packaged_backend_before_the_shim(self):
        told = []
        for name in ("rendercar-backend", "rendercar-shim"):
            path, = (self.root / name / "usr/share/qemu/vhost-user").iterdir()
            file = json.loads(path.read_text())
            self.assertEqual((file["type"], file["binary"]), ("gpu", f"/usr/bin/{name}"))
            told.append(path.name)
        self.assertEqual(told, sorted(told))

    def test_the_shim_needs_no_library(self):
        self.assertEqual(field("rendercar-shim", "Depends"), "")

    def test_the_backend_finds_its_renderer_where_the_package_puts_it(self):
        code, out, err = tools.run([self.root / "rendercar-backend/usr/bin/rendercar-backend", "--print-capabilities"])
        self.assertEqual(code, 0, err)
        self.assertIn("virgl", json.loads(out).get("features", []))

    def test_man_pages_are_without_warnings(self):
        if shutil.which("man") is None:
            self.skipTest("man is not installed (Debian package man-db)")
        pages = [path for name in NAMES for path in (self.root / name / "usr/share/man").rglob("*.[18]")]
        self.assertEqual(len(pages), len(NAMES))
        for page in pages:
            code, out, err = tools.run(["man", "--warnings", "-l", page])
            self.assertEqual((code, err), (0, ""), page.name)
            self.assertIn("OPTIONS", out)
            self.assertIn("SEE ALSO", out)


if __name__ == "__main__":
    for each in NAMES:
        if not list(PACKAGES.glob(f"{each}_*.deb")):
            tools.skip(f"{PACKAGES} has no package {each}; scripts/package.sh makes them")
    tools.main()
