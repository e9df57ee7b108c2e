"""Alerts and recording rules of the chart under promtool: what must fire does, what must not does not.

SPDX-License-Identifier: Apache-2.0"""
import json
import pathlib
import re
import tempfile
import unittest

import tools
from tools import by_kind, default_objects

SESSION = 'namespace="team-a", pod="vm", node="n1", session="gpu0", share="s-0", render_node="software"'
NODE = 'node="n1", resource="rendercar.dev/render"'
SHARE = 'resource="rendercar_dev_render", unit="integer"'
HOOK = 'namespace="team-a", pod="vm", node="n1", hook="define_domain"'
AGENT = 'up{job="rendercar-system/rendercar-node", node="n1", pod="rendercar-node-x"}'


def constant(name, labels, value):
    return {f"{name}{{{labels}}}": f"{value}x120"}


def growing(name, labels, step, start=0):
    return {f"{name}{{{labels}}}": f"{start}+{step}x120"}


def shares(allocatable, used, phase="Running"):
    series = {f'kube_node_status_allocatable{{{SHARE}, node="n1"}}': f"{allocatable}x120"}
    for number in range(used):
        pod = f'namespace="team-a", pod="vm{number}"'
        series[f'kube_pod_init_container_resource_requests{{{SHARE}, {pod}, node="n1", container="rendercar"}}'] = "1x120"
        series[f'kube_pod_status_phase{{{pod}, phase="{phase}"}}'] = "1x120"
    return series


def screen(waiting, frames, display="secondary"):
    return {**growing("rendercar_frames_coalesced_total", SESSION, waiting),
            **growing("rendercar_frames_shown_total", SESSION, frames),
            **constant("rendercar_session_info", SESSION + f', acceleration="virgl", display="{display}"', 1)}


def fences(quick, slow):
    """Each 15 s so many within 100 ms, and so many within 1 s."""
    def bucket(le, step):
        return growing("rendercar_fence_duration_seconds_bucket", SESSION + f', le="{le}"', step)
    return {**bucket("0.1", quick), **bucket("1", quick + slow), **bucket("+Inf", quick + slow)}


def video_memory(used, limit):
    return {**constant("rendercar_resource_bytes", SESSION, used), **constant("rendercar_resource_limit_bytes", SESSION, limit)}


def memory(used, limit):
    where = 'namespace="team-a", pod="vm", node="n1", container="rendercar"'
    return {**constant("rendercar_container_memory_bytes", where, used), **constant("rendercar_container_memory_limit_bytes", where, limit)}


# Alert -> (series that make it fire, the labels it then has), (series that must not, ...). Samples are 15 s apart, for 30 min;
# what is looked at is minute 28. Steps are a sample's.
CASES = {
    "SessionDown": ((constant("rendercar_session_up", SESSION, 0), SESSION),
                    [constant("rendercar_session_up", SESSION, 1), {f"rendercar_session_up{{{SESSION}}}": "1x110 0x9"}]),
    "RendererCrashLoop": ((growing("rendercar_renderer_deaths_total", SESSION, 1), SESSION),
                          [growing("rendercar_renderer_deaths_total", SESSION, 0, start=50),
                           {f"rendercar_renderer_deaths_total{{{SESSION}}}": "0x100 1x20"}]),
    "RendererHangs": (({f"rendercar_watchdog_kills_total{{{SESSION}}}": "0x105 1x20"}, SESSION),
                      [growing("rendercar_watchdog_kills_total", SESSION, 0, start=7)]),
    "BackendRestarts": ((growing("rendercar_backend_restarts_total", SESSION, 1), SESSION),
                        [{f"rendercar_backend_restarts_total{{{SESSION}}}": "0x100 1x20"}]),
    "FencesStuck": (({**growing("rendercar_fences_created_total", SESSION, 0, start=9),
                      **growing("rendercar_fences_signaled_total", SESSION, 0, start=7)}, SESSION),
                    [{**growing("rendercar_fences_created_total", SESSION, 5, start=3), **growing("rendercar_fences_signaled_total", SESSION, 5)},
                     {**growing("rendercar_fences_created_total", SESSION, 0, start=9), **growing("rendercar_fences_signaled_total", SESSION, 0, start=9)}]),
    "FenceLatency": ((fences(quick=10, slow=10), SESSION), [fences(quick=990, slow=1), fences(quick=0, slow=0), {}]),
    "VideoMemoryNearQuota": ((video_memory(950, 1000), SESSION), [video_memory(500, 1000), video_memory(5, 0)]),
    "SandboxKills": (({f"rendercar_sandbox_kills_total{{{SESSION}}}": "0x105 1x20"}, SESSION), [growing("rendercar_sandbox_kills_total", SESSION, 0, start=3)]),
    "HookRefusals": (({f'rendercar_hook_calls_total{{{HOOK}, result="INVALID_ARGUMENT"}}': "0x105 1x20"}, HOOK + ', result="INVALID_ARGUMENT"'),
                     [growing("rendercar_hook_calls_total", HOOK + ', result="ok"', 3),
                      growing("rendercar_hook_calls_total", HOOK + ', result="INVALID_ARGUMENT"', 0, start=2)]),
    "DisplayStalled": ((screen(900, 0), SESSION), [screen(900, 450), screen(0, 0), screen(900, 0, display="headless")]),
    "GuestErrors": ((growing("rendercar_guest_errors_total", SESSION + ', kind="invalid_resource"', 1500), SESSION + ', kind="invalid_resource"'),
                    [growing("rendercar_guest_errors_total", SESSION + ', kind="invalid_resource"', 15)]),
    "SidecarMemoryNearLimit": ((memory(1900, 2000), 'namespace="team-a", pod="vm", node="n1"'),
                               [memory(500, 2000), memory(500, 0), constant("rendercar_container_memory_bytes", SESSION, 500)]),
    "RenderNodeUnhealthy": ((constant("rendercar_node_render_node_healthy", NODE + ', render_node="0000-03-00.0", driver="amdgpu"', 0),
                             'node="n1", render_node="0000-03-00.0", driver="amdgpu"'),
                            [constant("rendercar_node_render_node_healthy", NODE + ', render_node="0000-03-00.0", driver="amdgpu"', 1)]),
    "PluginNotRegistered": ((constant("rendercar_node_registered", NODE, 0), NODE),
                            [constant("rendercar_node_registered", NODE, 1), {f"rendercar_node_registered{{{NODE}}}": "1x111 0x8"}]),
    "NoFreeShare": ((shares(2, 2), 'resource="rendercar_dev_render"'), [shares(2, 1), shares(2, 2, phase="Succeeded"), shares(2, 0), {}]),
    "AllocationsFail": (({f'rendercar_node_allocations_total{{{NODE}, result="UNAVAILABLE"}}': "0x105 2x20"}, NODE + ', result="UNAVAILABLE"'),
                        [growing("rendercar_node_allocations_total", NODE + ', result="ok"', 4),
                         growing("rendercar_node_allocations_total", NODE + ', result="UNAVAILABLE"', 0, start=3)]),
    "NodeConfigInvalid": ((constant("rendercar_node_config_valid", 'node="n1"', 0), 'node="n1"'),
                          [constant("rendercar_node_config_valid", 'node="n1"', 1)]),
    "MetricsStale": (({AGENT: "0x120"}, 'node="n1", pod="rendercar-node-x"'),
                     [{AGENT: "1x120"}, {'up{job="another", node="n1", pod="x"}': "0x120"}]),
}

RECORDED = [
    (constant("rendercar_session_info", SESSION, 1), "cluster:rendercar_sessions:count", "{__name__=\"cluster:rendercar_sessions:count\"}", 1),
    ({}, "cluster:rendercar_sessions:count", "{__name__=\"cluster:rendercar_sessions:count\"}", 0),
    (shares(4, 3), "resource:rendercar_shares_free:sum", "resource:rendercar_shares_free:sum{resource=\"rendercar_dev_render\"}", 1),
    (constant("rendercar_node_shares", NODE + ', state="healthy", render_node="a"', 4), "node:rendercar_shares:sum",
     "node:rendercar_shares:sum{" + NODE + ', state="healthy"}', 4),
    (growing("rendercar_commands_total", SESSION + ', command="submit_3d", result="ok"', 150), "session:rendercar_commands:rate",
     "session:rendercar_commands:rate{" + SESSION + "}", 10),
    ({**growing("rendercar_commands_total", SESSION + ', command="submit_3d", result="ok"', 30),
      **growing("rendercar_commands_total", SESSION + ', command="submit_3d", result="error"', 10)},
     "session:rendercar_command_errors:ratio", "session:rendercar_command_errors:ratio{" + SESSION + "}", 0.25),
    (growing("rendercar_frames_shown_total", SESSION, 960), "session:rendercar_frames_shown:rate",
     "session:rendercar_frames_shown:rate{" + SESSION + "}", 64),
    ({**constant("rendercar_fences_created_total", SESSION, 9), **constant("rendercar_fences_signaled_total", SESSION, 7)},
     "session:rendercar_fences_waiting:sum", "session:rendercar_fences_waiting:sum{" + SESSION + "}", 2),
    (growing("rendercar_renderer_deaths_total", SESSION, 0, start=3), "session:rendercar_renderer_deaths:increase",
     "session:rendercar_renderer_deaths:increase{" + SESSION + "}", 0),
    (fences(quick=10, slow=0), "session:rendercar_fence_duration_seconds:p95", "session:rendercar_fence_duration_seconds:p95{" + SESSION + "}", 0.09500000000000001),
    ({name.replace("fence", "command").replace("le=", 'kind="3d", le='): values for name, values in fences(quick=10, slow=0).items()},
     "session:rendercar_command_duration_seconds:p95", "session:rendercar_command_duration_seconds:p95{" + SESSION + ', kind="3d"}', 0.09500000000000001),
    (video_memory(250, 1000), "session:rendercar_video_memory:ratio", "session:rendercar_video_memory:ratio{" + SESSION + "}", 0.25),
    ({**growing("rendercar_display_bytes_total", SESSION, 600), **growing("rendercar_flushed_pixels_total", SESSION, 600)},
     "session:rendercar_display_damage:ratio", "session:rendercar_display_damage:ratio{" + SESSION + "}", 0.25),
]


def rules(*arguments):
    (rule,) = by_kind(default_objects(*arguments), "PrometheusRule")
    return rule["spec"]


def alerts(*arguments):
    return {each["alert"]: each for group in rules(*arguments)["groups"] for each in group["rules"] if "alert" in each}


def test_of(series, query, expected):
    return {"interval": "15s", "input_series": [{"series": name, "values": values} for name, values in series.items()],
            "promql_expr_test": [{"expr": query, "eval_time": "28m", "exp_samples": expected}]}


def promtool_test(tests, spec=None):
    with tempfile.TemporaryDirectory() as directory:
        path = pathlib.Path(directory)
        (path / "rules.yml").write_text(json.dumps(spec or rules()))
        (path / "tests.yml").write_text(json.dumps({"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests}))
        return tools.run([tools.PROMTOOL, "test", "rules", path / "tests.yml"])


def firing(alert, labels, severity):
    name = f'ALERTS{{alertname="Rendercar{alert}", alertstate="firing", severity="{severity}"'
    return [{"labels": name + (", " + labels if labels else "") + "}", "value": 1}]


class RulesTest(unittest.TestCase):
    def test_promtool_finds_nothing_wrong(self):
        with tempfile.NamedTemporaryFile("w", suffix=".yml") as file:
            json.dump(rules(), file)
            file.flush()
            code, out, err = tools.run([tools.PROMTOOL, "check", "rules", file.name])
        self.assertEqual(code, 0, out + err)

    def test_every_alert_has_cases(self):
        self.assertEqual({f"Rendercar{name}" for name in CASES}, set(alerts()))

    def test_alerts_fire(self):
        known, tests = alerts(), []
        for name, ((series, labels), _) in CASES.items():
            severity = known[f"Rendercar{name}"]["labels"]["severity"]
            query = f'ALERTS{{alertstate="firing", alertname="Rendercar{name}"}}'
            tests.append(test_of(series, query, firing(name, labels, severity)))
        code, out, err = promtool_test(tests)
        self.assertEqual(code, 0, out + err)

    def test_alerts_do_not_fire(self):
        tests = [test_of(series, f'ALERTS{{alertstate="firing", alertname="Rendercar{name}"}}', [])
                 for name, (_, quiet) in CASES.items() for series in quiet]
        code, out, err = promtool_test(tests)
        self.assertEqual(code, 0, out + err)

    def test_a_quiet_cluster_has_no_alert_at_all(self):
        series = {**constant("rendercar_session_up", SESSION, 1), **screen(900, 900), **shares(4, 1), **memory(100, 2000),
                  **constant("rendercar_node_registered", NODE, 1), AGENT: "1x120"}
        code, out, err = promtool_test([test_of(series, "ALERTS", [])])
        self.assertEqual(code, 0, out + err)

    def test_recording_rules_give_what_they_are_named_for(self):
        code, out, err = promtool_test([test_of(series, query, [{"labels": labels, "value": value}])
                                        for series, query, labels, value in RECORDED])
        self.assertEqual(code, 0, out + err)
        recorded = {each["record"] for group in rules()["groups"] for each in group["rules"] if "record" in each}
        self.assertEqual(recorded, {query for _, query, _, _ in RECORDED})

    def test_durations_and_thresholds_are_values(self):
        changed = ("--set", "monitoring.rules.alerts.SessionDown.for=3s,monitoring.rules.alerts.RendererCrashLoop.threshold=1,monitoring.rules.window=20s")
        self.assertEqual(alerts(*changed)["RendercarSessionDown"]["for"], "3s")
        self.assertRegex(alerts(*changed)["RendercarRendererCrashLoop"]["expr"], r"\[20s\]\)\) > 1$")

    def test_an_alert_can_be_left_out(self):
        self.assertNotIn("RendercarGuestErrors", alerts("--set", "monitoring.rules.alerts.GuestErrors.enabled=false"))

    def test_annotations_use_only_labels_that_the_alert_has(self):
        for name, ((_, labels), _) in CASES.items():
            alert = alerts()[f"Rendercar{name}"]
            used = set(re.findall(r"\$labels\.(\w+)", alert["annotations"]["summary"] + alert["annotations"]["description"]))
            self.assertLessEqual(used, set(re.findall(r"(\w+)=", labels)), name)

    def test_each_alert_has_its_runbook_and_each_runbook_its_alert(self):
        pages = {path.name for path in (tools.ROOT / "docs/runbooks").glob("*.md")} - {"README.md"}
        linked = {alert["annotations"]["runbook_url"].rsplit("/", 1)[1] for alert in alerts().values()}
        self.assertEqual(linked, pages)

    def test_runbooks_say_what_it_means_how_to_look_and_what_to_do(self):
        for name, alert in alerts().items():
            text = (tools.ROOT / "docs/runbooks" / alert["annotations"]["runbook_url"].rsplit("/", 1)[1]).read_text()
            for heading in (f"# {name}", "## What it means", "## What the VM's owner sees", "## Look", "## Do"):
                self.assertIn(heading + "\n", text, name)
            self.assertLess(len(text.splitlines()), 70, name)

    def test_every_metric_of_ours_is_exported_by_our_programs(self):
        known = tools.exported_metrics()
        for name, alert in {**alerts(), "recording": {"expr": json.dumps(rules()["groups"][0])}}.items():
            used = set(re.findall(r"(?<![\w:])rendercar_\w+", alert["expr"])) - {"rendercar_dev_render"}
            self.assertLessEqual(used, known, name)

    def test_the_page_of_metrics_lists_every_one_and_no_other(self):
        exported = {name for name in tools.exported_metrics() if not re.search(r"_(bucket|sum|count)$", name)}
        page = (tools.ROOT / "docs/metrics.md").read_text()
        self.assertEqual(set(re.findall(r"^\| `(rendercar_\w+)`", page, re.MULTILINE)), exported)


if __name__ == "__main__":
    tools.require_helm()
    tools.require_prometheus()
    tools.main()
