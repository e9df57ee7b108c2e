"""Grafana dashboards: generated, laid out without overlap, every query parsed by promtool and made of metrics that exist.

SPDX-License-Identifier: Apache-2.0"""
import json
import re
import sys
import tempfile
import unittest

import tools
from tools import by_kind, default_objects

QUERIES = tools.ROOT / "scripts/dashboard-queries.py"


def boards():
    (config,) = [each for each in by_kind(default_objects(), "ConfigMap") if "grafana_dashboard" in each["metadata"]["labels"]]
    return {name: json.loads(text) for name, text in config["data"].items()}


def queries():
    code, out, err = tools.run([sys.executable, QUERIES])
    if code != 0:
        raise AssertionError(err)
    return [line.split("\t") for line in out.splitlines()]


class DashboardsTest(unittest.TestCase):
    def test_they_are_what_the_script_makes(self):
        code, _, err = tools.run([sys.executable, tools.ROOT / "scripts/make-dashboards.py", "--check"])
        self.assertEqual(code, 0, err)

    def test_the_chart_ships_three(self):
        self.assertEqual(sorted(boards()), ["rendercar-fleet.json", "rendercar-node.json", "rendercar-vm.json"])

    def test_links_lead_to_dashboards_that_exist(self):
        known = {f"/d/{board['uid']}" for board in boards().values()}
        for name, board in boards().items():
            self.assertEqual({link["url"] for link in board["links"]}, known - {f"/d/{board['uid']}"}, name)

    def test_panels_do_not_overlap(self):
        for name, board in boards().items():
            taken = set()
            for panel in board["panels"]:
                at = panel["gridPos"]
                cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
                self.assertFalse(cells & taken, f"{name}: {panel['title']}")
                self.assertLessEqual(at["x"] + at["w"], 24, f"{name}: {panel['title']}")
                taken |= cells

    def test_every_variable_that_a_query_uses_is_defined(self):
        for name, board in boards().items():
            defined = {each["name"] for each in board["templating"]["list"]} | {"__rate_interval"}
            for panel in board["panels"]:
                for target in panel["targets"]:
                    self.assertLessEqual(set(re.findall(r"\$(\w+)", target["expr"])), defined, f"{name}: {panel['title']}")

    def test_promtool_parses_every_query(self):
        rules = [{"record": f"panel:{number}:check", "expr": query} for number, (_, _, query) in enumerate(queries())]
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump({"groups": [{"name": "panels", "rules": rules}]}, file)
            file.flush()
            code, out, err = tools.run([tools.PROMTOOL, "check", "rules", file.name])
        self.assertEqual(code, 0, out + err)

    def test_every_query_is_of_metrics_that_our_programs_export(self):
        known = tools.exported_metrics()
        for board, panel, query in queries():
            self.assertLessEqual(set(re.findall(r"rendercar_\w+", query)), known, f"{board}: {panel}")


if __name__ == "__main__":
    tools.require_helm()
    tools.require_prometheus()
    tools.main()
