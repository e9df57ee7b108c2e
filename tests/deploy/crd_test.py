"""The CRDs by Kubernetes' own CRD code: decoding, structural schema, CEL and its cost, and objects that must pass or must not.

SPDX-License-Identifier: Apache-2.0"""
import copy
import json
import sys
import unittest

import tools

sys.path.insert(0, str(tools.ROOT / "operator-api/crds"))
try:
    import crds
except ImportError as missing:
    tools.skip(f"{missing}; install the Debian package python3-yaml")

TOOL = tools.CACHE / "policytool/crdtool"


def crdtool(*objects):
    lines = "".join(json.dumps(each) + "\n" for each in (*crds.definitions(), *objects))
    code, out, err = tools.run([TOOL], input=lines)
    if code not in (0, 1):
        raise AssertionError(err)
    return out.splitlines()[len(crds.definitions()):], out


class CrdTest(unittest.TestCase):
    maxDiff = None

    def test_the_api_server_takes_the_definitions(self):
        _, out = crdtool()
        self.assertEqual(out.splitlines(), [f"ok: CustomResourceDefinition {name}" for name in
                                            ("gpusessions.rendercar.dev", "renderpools.rendercar.dev")])

    def test_it_takes_them_as_the_chart_renders_them(self):
        tools.require_helm()
        rendered = tools.by_kind(tools.default_objects(), "CustomResourceDefinition")
        lines, _ = crdtool(*rendered)
        self.assertEqual([line.split(":")[0] for line in lines], ["ok", "ok"], lines)
        self.assertEqual([each["spec"] for each in rendered], [each["spec"] for each in crds.definitions()])

    def test_it_takes_the_examples_and_whatever_must_pass(self):
        objects = [*crds.examples(), *(each for _, each in crds.RIGHT)]
        lines, _ = crdtool(*objects)
        self.assertEqual([line for line in lines if not line.startswith("ok: ")], [])
        self.assertEqual(len(lines), len(objects))

    def test_it_refuses_what_is_wrong_in_words(self):
        lines, _ = crdtool(*(each for _, each, _ in (*crds.WRONG, *crds.WRONG_BY_CEL)))
        for (why, _, words), line in zip((*crds.WRONG, *crds.WRONG_BY_CEL), lines):
            with self.subTest(why=why):
                self.assertTrue(line.startswith("wrong: "), line)
                self.assertIn(words, line)

    def test_it_refuses_changes_of_what_is_fixed(self):
        (pool,) = [each for each in crds.examples() if each["metadata"]["name"] == "workstations"]
        (session,) = [each for each in crds.examples() if each["kind"] == "GpuSession"]
        renamed, moved, grown = copy.deepcopy(pool), copy.deepcopy(session), copy.deepcopy(pool)
        renamed["spec"]["resourceName"] = "rendercar.dev/other"
        moved["spec"]["nodeName"] = "worker-2"
        grown["spec"]["shares"]["replicas"] = 3
        lines, _ = crdtool({"old": pool, "new": renamed}, {"old": session, "new": moved}, {"old": pool, "new": grown})
        self.assertIn("resourceName cannot change", lines[0])
        self.assertIn("a session's place cannot change", lines[1])
        self.assertEqual(lines[2], "ok: RenderPool workstations")


if __name__ == "__main__":
    if not TOOL.exists():
        tools.skip(f"{TOOL} is missing; scripts/build-policytool.sh builds it (root, ten minutes)")
    tools.main()
