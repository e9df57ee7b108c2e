#!/usr/bin/env python3
"""Makes the Grafana dashboards of the chart: fleet, node and VM. --check only compares with what is there.

SPDX-License-Identifier: Apache-2.0"""
import json
import pathlib
import sys

OUT = pathlib.Path(__file__).resolve().parent.parent / "deploy/helm/rendercar/dashboards"
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
SESSION = 'namespace=~"$namespace", pod=~"$pod", session=~"$session"'
NODE = 'node=~"$node"'

GOOD, BAD = "green", "red"


def panel(title, kind, queries, unit="short", help_text="", width=8, height=8, **options):
    """`queries`: a list of (PromQL, legend)."""
    return {"title": title, "kind": kind, "queries": queries, "unit": unit, "help": help_text, "width": width, "height": height, **options}


def graph(title, queries, unit="short", help_text="", **more):
    return panel(title, "timeseries", queries, unit, help_text, **more)


def stat(title, query, help_text, unit="short", bad_from=None, bad_below=None):
    steps = [{"color": GOOD, "value": None}]
    if bad_from is not None:
        steps.append({"color": BAD, "value": bad_from})
    if bad_below is not None:
        steps = [{"color": BAD, "value": None}, {"color": GOOD, "value": bad_below}]
    return panel(title, "stat", [(query, "")], unit, help_text, width=4, height=4, steps=steps)


def table(title, queries, help_text="", **more):
    return panel(title, "table", queries, "short", help_text, **more)


FLEET = [
    stat("Sessions", "count(rendercar_session_up) or vector(0)", "VM GPUs, up or not."),
    stat("Sessions down", "count(rendercar_session_up == 0) or vector(0)", "Sessions that no VM can use.", bad_from=1),
    stat("Shares offered", 'sum(rendercar_node_shares{state="healthy"})', "Shares of healthy GPUs in the cluster.", bad_below=1),
    stat("Unhealthy GPUs", "count(rendercar_node_render_node_healthy == 0) or vector(0)", "Render nodes that take no new sessions.", bad_from=1),
    stat("Nodes not registered", "count(rendercar_node_registered == 0) or vector(0)", "Nodes whose kubelet does not know the resource.", bad_from=1),
    stat("Renderer deaths, 1 h", "round(sum(increase(rendercar_renderer_deaths_total[1h]))) or vector(0)", "Renderer processes that ended by themselves.", bad_from=1),
    graph("Sessions by node", [("count by (node) (rendercar_session_up)", "{{node}}")]),
    graph("Shares offered by node", [('sum by (node) (rendercar_node_shares{state="healthy"})', "{{node}}")]),
    graph("GPU commands by node", [("sum by (node) (rate(rendercar_commands_total[$__rate_interval]))", "{{node}}")], "cps"),
    graph("Frames shown by node", [("sum by (node) (rate(rendercar_frames_shown_total[$__rate_interval]))", "{{node}}")], "cps"),
    graph("Sidecar memory by node", [("sum by (node) (rendercar_container_memory_bytes)", "{{node}}")], "bytes"),
    graph("Sidecar CPU by node", [("sum by (node) (rate(rendercar_container_cpu_seconds_total[$__rate_interval]))", "{{node}}")], "none", "CPUs in use."),
    graph("Fence latency by node, 95 in 100", [("histogram_quantile(0.95, sum by (node, le) (rate(rendercar_fence_duration_seconds_bucket[$__rate_interval])))", "{{node}}")], "s",
          "How long guests wait for their GPU work."),
    graph("Video memory of quota", [("topk(5, max by (namespace, pod) (rendercar_resource_bytes / (rendercar_resource_limit_bytes > 0)))", "{{namespace}}/{{pod}}")], "percentunit",
          "The five VMs that are nearest to their limit."),
    graph("KubeVirt's calls", [("sum by (hook, result) (rate(rendercar_hook_calls_total[$__rate_interval]))", "{{hook}} {{result}}")], "cps",
          "Calls of the hooks by result; anything but ok is a VM that does not start, or a refused migration."),
    table("Busiest VMs", [("topk(10, sum by (namespace, pod, node, render_node) (rate(rendercar_commands_total[5m])))", "")],
          "The ten VMs with most GPU commands a second.", width=12),
    table("VMs with most GPU memory", [("topk(10, sum by (namespace, pod, node, render_node) (rendercar_resource_bytes))", "")],
          "Host bytes of the guest's resources.", width=12),
    table("Versions", [("count by (component, version) (rendercar_build_info)", "")], "What runs where, by component.", width=12, height=6),
    graph("Trouble", [("sum(rate(rendercar_guest_errors_total[$__rate_interval]))", "guest errors"),
                      ("sum(rate(rendercar_renderer_deaths_total[$__rate_interval]))", "renderer deaths"),
                      ("sum(rate(rendercar_watchdog_kills_total[$__rate_interval]))", "watchdog kills"),
                      ("sum(rate(rendercar_sandbox_kills_total[$__rate_interval]))", "sandbox kills"),
                      ("sum(rate(rendercar_queue_stalls_total[$__rate_interval]))", "queue stalls"),
                      ("sum(rate(rendercar_backend_restarts_total[$__rate_interval]))", "backend restarts")],
          "cps", "Events a second in the whole cluster.", width=12, height=6),
]

NODE_PANELS = [
    stat("Registered", f"min(rendercar_node_registered{{{NODE}}})", "1 when the kubelet knows the resource.", bad_below=1),
    stat("GPUs", f"count(rendercar_node_render_node_healthy{{{NODE}}})", "Render nodes that the agent found."),
    stat("Unhealthy GPUs", f"count(rendercar_node_render_node_healthy{{{NODE}}} == 0) or vector(0)", "GPUs that take no new sessions.", bad_from=1),
    stat("Shares", f'sum(rendercar_node_shares{{{NODE}, state="healthy"}})', "Shares of healthy GPUs.", bad_below=1),
    stat("Sessions", f"count(rendercar_session_up{{{NODE}}}) or vector(0)", "VM GPUs on this node."),
    stat("Allocations, 1 h", f"round(sum(increase(rendercar_node_allocations_total{{{NODE}}}[1h]))) or vector(0)", "Allocate calls of the kubelet."),
    table("GPUs", [(f"rendercar_node_render_node_healthy{{{NODE}}}", "")], "1: healthy.", width=12),
    graph("Shares by GPU and state", [(f"sum by (render_node, state) (rendercar_node_shares{{{NODE}}})", "{{render_node}} {{state}}")], width=12),
    graph("GPU commands by VM", [(f"sum by (namespace, pod) (rate(rendercar_commands_total{{{NODE}}}[$__rate_interval]))", "{{namespace}}/{{pod}}")], "cps"),
    graph("GPU memory by VM", [(f"sum by (namespace, pod) (rendercar_resource_bytes{{{NODE}}})", "{{namespace}}/{{pod}}")], "bytes"),
    graph("Sidecar CPU by VM", [(f"sum by (namespace, pod) (rate(rendercar_container_cpu_seconds_total{{{NODE}}}[$__rate_interval]))", "{{namespace}}/{{pod}}")],
          "none", "CPUs in use: software rendering shows here."),
    graph("Sidecar memory by VM", [(f"sum by (namespace, pod) (rendercar_container_memory_bytes{{{NODE}}})", "{{namespace}}/{{pod}}")], "bytes"),
    graph("Fence latency by VM, 95 in 100",
          [(f"histogram_quantile(0.95, sum by (namespace, pod, le) (rate(rendercar_fence_duration_seconds_bucket{{{NODE}}}[$__rate_interval])))", "{{namespace}}/{{pod}}")], "s"),
    graph("Video memory of quota by VM",
          [(f"max by (namespace, pod) (rendercar_resource_bytes{{{NODE}}} / (rendercar_resource_limit_bytes{{{NODE}}} > 0))", "{{namespace}}/{{pod}}")], "percentunit"),
    graph("Sidecar pressure by VM",
          [(f'sum by (namespace, pod, resource) (rate(rendercar_container_pressure_seconds_total{{{NODE}, tasks="some"}}[$__rate_interval]))', "{{namespace}}/{{pod}} {{resource}}")],
          "percentunit", "Part of the time in which something waited for CPU, memory or disk. Empty where the kernel does not tell (cgroup version 1)."),
    graph("Allocations", [(f"sum by (result) (rate(rendercar_node_allocations_total{{{NODE}}}[$__rate_interval]))", "{{result}}")], "cps"),
    graph("Registrations", [(f"sum by (result) (rate(rendercar_node_registrations_total{{{NODE}}}[$__rate_interval]))", "{{result}}")], "cps",
          "Attempts to register with the kubelet; one at each start of the kubelet is usual."),
]

VM_PANELS = [
    stat("Session", f"min(rendercar_session_up{{{SESSION}}})", "1 when the VM can use its GPU.", bad_below=1),
    stat("VM connected", f"max(rendercar_frontend_connected{{{SESSION}}})", "1 when a VM holds the device."),
    stat("Renderer", f"max(rendercar_renderer_up{{{SESSION}}})", "1 when 3D runs; 0 also while the guest used none."),
    stat("Renderer deaths", f"sum(rendercar_renderer_deaths_total{{{SESSION}}})", "Since the session began.", bad_from=1),
    stat("Fences waiting", f"sum(rendercar_fences_created_total{{{SESSION}}}) - sum(rendercar_fences_signaled_total{{{SESSION}}})",
         "GPU work that the guest waits for."),
    stat("Contexts", f"sum(rendercar_contexts{{{SESSION}}})", "3D contexts: about one a program that draws."),
    graph("Commands", [(f"sum by (command) (rate(rendercar_commands_total{{{SESSION}}}[$__rate_interval])) > 0", "{{command}}")], "cps",
          "virtio-gpu commands a second.", width=12),
    graph("Frames", [(f"sum(rate(rendercar_frames_shown_total{{{SESSION}}}[$__rate_interval]))", "shown"),
                     (f"sum(rate(rendercar_frames_coalesced_total{{{SESSION}}}[$__rate_interval]))", "merged into a later one")], "cps",
          "Screen updates a second.", width=12),
    graph("Fence latency", [(f"histogram_quantile({q}, sum by (le) (rate(rendercar_fence_duration_seconds_bucket{{{SESSION}}}[$__rate_interval])))", f"{int(q * 100)} in 100")
                            for q in (0.5, 0.95, 0.99)], "s", "From a fenced request's arrival to its fence's signal."),
    graph("Command latency, 95 in 100",
          [(f"histogram_quantile(0.95, sum by (kind, le) (rate(rendercar_command_duration_seconds_bucket{{{SESSION}}}[$__rate_interval])))", "{{kind}}")], "s",
          "From a request's arrival to its answer, by kind of command."),
    graph("Recovery", [(f"sum(rendercar_renderer_recovery_seconds_sum{{{SESSION}}}) / sum(rendercar_renderer_recovery_seconds_count{{{SESSION}}})", "mean")], "s",
          "From a renderer's death until its successor has all that the guest has; empty while none died."),
    graph("Queue", [(f"sum(rendercar_requests_in_flight{{{SESSION}}})", "requests in flight"),
                    (f"sum(rate(rendercar_queue_stalls_total{{{SESSION}}}[$__rate_interval]))", "stalls a second")], "short",
          "Requests that wait for the renderer or a fence; a stall leaves the rest in the guest's queue."),
    graph("Video memory of quota", [(f"max(rendercar_resource_bytes{{{SESSION}}} / (rendercar_resource_limit_bytes{{{SESSION}}} > 0))", "bytes"),
                                    (f"max(rendercar_contexts{{{SESSION}}} / (rendercar_contexts_limit{{{SESSION}}} > 0))", "contexts")], "percentunit"),
    graph("Damage", [(f"sum(rate(rendercar_display_bytes_total{{{SESSION}}}[$__rate_interval])) / 4 / (sum(rate(rendercar_flushed_pixels_total{{{SESSION}}}[$__rate_interval])) > 0)",
                      "sent of what was flushed")], "percentunit", "How much of what the guest flushed had changed and was sent."),
    graph("Bytes", [(f"sum(rate(rendercar_2d_bytes_total{{{SESSION}}}[$__rate_interval]))", "2D transfers"),
                    (f"sum(rate(rendercar_3d_bytes_total{{{SESSION}}}[$__rate_interval]))", "3D streams and transfers"),
                    (f"sum(rate(rendercar_display_bytes_total{{{SESSION}}}[$__rate_interval]))", "pixels to the VMM")], "Bps"),
    graph("Memory", [(f"sum(rendercar_resource_bytes{{{SESSION}}})", "guest's resources"),
                     ('sum(rendercar_container_memory_bytes{namespace=~"$namespace", pod=~"$pod"})', "sidecar"),
                     ('sum(rendercar_container_memory_limit_bytes{namespace=~"$namespace", pod=~"$pod"}) or vector(0)', "its limit")], "bytes"),
    graph("CPU", [('sum(rate(rendercar_container_cpu_seconds_total{namespace=~"$namespace", pod=~"$pod"}[$__rate_interval]))', "sidecar")], "none"),
    graph("Fences", [(f"sum(rate(rendercar_fences_created_total{{{SESSION}}}[$__rate_interval]))", "asked for"),
                     (f"sum(rate(rendercar_fences_signaled_total{{{SESSION}}}[$__rate_interval]))", "signaled")], "cps"),
    graph("Errors by kind", [(f"sum by (kind) (rate(rendercar_guest_errors_total{{{SESSION}}}[$__rate_interval]))", "{{kind}}")], "cps"),
    graph("Failed commands", [(f'sum by (command) (rate(rendercar_commands_total{{{SESSION}, result="error"}}[$__rate_interval]))', "{{command}}")], "cps"),
    graph("Resources", [(f"sum(rendercar_resources{{{SESSION}}})", "resources"), (f"sum(rendercar_contexts{{{SESSION}}})", "contexts")]),
    graph("Pressure", [('sum by (resource) (rate(rendercar_container_pressure_seconds_total{namespace=~"$namespace", pod=~"$pod", tasks="some"}[$__rate_interval]))', "{{resource}}")],
          "percentunit", "Part of the time in which something in the sidecar waited. Empty where the kernel does not tell (cgroup version 1)."),
    graph("Restarts and resets", [(f"sum(rendercar_renderer_starts_total{{{SESSION}}})", "renderer starts"),
                                  (f"sum(rendercar_watchdog_kills_total{{{SESSION}}})", "watchdog kills"),
                                  (f"sum(rendercar_sandbox_kills_total{{{SESSION}}})", "sandbox kills"),
                                  (f"sum(rendercar_backend_restarts_total{{{SESSION}}})", "backend restarts"),
                                  (f"sum(rendercar_device_resets_total{{{SESSION}}})", "device resets"),
                                  (f"sum(rendercar_display_sockets_total{{{SESSION}}})", "display sockets")]),
    table("What it is", [(f"rendercar_session_info{{{SESSION}}}", "")], "Acceleration, display, share and GPU.", width=24, height=4),
]


def variable(name, label, query):
    return {"name": name, "label": label, "type": "query", "datasource": SOURCE, "query": {"query": query, "refId": name}, "definition": query,
            "refresh": 2, "includeAll": True, "multi": True, "sort": 1, "current": {"selected": True, "text": ["All"], "value": ["$__all"]}}


DASHBOARDS = {
    "fleet": ("Rendercar: fleet", FLEET, []),
    "node": ("Rendercar: node", NODE_PANELS, [variable("node", "Node", "label_values(rendercar_node_registered, node)")]),
    "vm": ("Rendercar: VM", VM_PANELS, [
        variable("namespace", "Namespace", "label_values(rendercar_session_up, namespace)"),
        variable("pod", "Pod", 'label_values(rendercar_session_up{namespace=~"$namespace"}, pod)'),
        variable("session", "Session", 'label_values(rendercar_session_up{namespace=~"$namespace", pod=~"$pod"}, session)')]),
}


def to_grafana(number, spec, x, y):
    defaults = {"unit": spec["unit"]}
    if "steps" in spec:
        defaults["thresholds"] = {"mode": "absolute", "steps": spec["steps"]}
    made = {
        "id": number, "type": spec["kind"], "title": spec["title"], "description": spec["help"], "datasource": SOURCE,
        "gridPos": {"x": x, "y": y, "w": spec["width"], "h": spec["height"]},
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "targets": [{"refId": chr(65 + at), "datasource": SOURCE, "expr": query, "legendFormat": legend or "__auto",
                     **({"format": "table", "instant": True} if spec["kind"] == "table" else {})}
                    for at, (query, legend) in enumerate(spec["queries"])],
    }
    if spec["kind"] == "stat":
        made["options"] = {"reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False}, "colorMode": "value", "graphMode": "none"}
    if spec["kind"] == "table":
        made["transformations"] = [{"id": "organize", "options": {"excludeByName": {"Time": True, "__name__": True, "instance": True, "job": True}}}]
    return made


def layout(panels):
    """Left to right in rows of 24 columns."""
    x = y = row = 0
    for number, spec in enumerate(panels, start=1):
        if x + spec["width"] > 24:
            x, y, row = 0, y + row, 0
        yield to_grafana(number, spec, x, y)
        x, row = x + spec["width"], max(row, spec["height"])


def dashboard(name, title, panels, variables):
    source = {"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus"}
    links = [{"title": other[0], "type": "link", "url": f"/d/rendercar-{key}", "keepTime": True} for key, other in DASHBOARDS.items() if key != name]
    return {"uid": f"rendercar-{name}", "title": title, "tags": ["rendercar"], "schemaVersion": 39, "version": 1, "editable": False, "refresh": "30s",
            "time": {"from": "now-1h", "to": "now"}, "links": links, "templating": {"list": [source, *variables]}, "panels": list(layout(panels))}


def main():
    stale = []
    OUT.mkdir(exist_ok=True)
    for name, (title, panels, variables) in DASHBOARDS.items():
        text = json.dumps(dashboard(name, title, panels, variables), indent=1) + "\n"
        path = OUT / f"{name}.json"
        if sys.argv[1:] != ["--check"]:
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(path.name)
    if stale:
        sys.exit(f"make-dashboards: {', '.join(stale)} differ; run scripts/make-dashboards.py")


if __name__ == "__main__":
    main()
