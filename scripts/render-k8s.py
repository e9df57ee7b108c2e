#!/usr/bin/env python3
"""Renders the Helm chart into the plain manifests of deploy/k8s; --check only compares. Needs scripts/fetch-helm.sh.

SPDX-License-Identifier: Apache-2.0"""
import os
import pathlib
import re
import shutil
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
HELM = ROOT / ".cache/helm/helm4/helm"
CHART = ROOT / "deploy/helm/rendercar"
OUT = ROOT / "deploy/k8s"
CRDS = ROOT / "operator-api/crds"
CRD_COPIES = CHART / "files/crds"  # a chart holds its files itself
ALWAYS = "admission.when=always,kubevirt.plugin.when=always,monitoring.podMonitor.when=always,monitoring.rules.when=always,openshift.enabled=true"
VALIDATING = "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy"

# File -> templates of the chart that it holds.
FILES = {
    "base/crds.yaml": ["crds/crds"],
    "base/node.yaml": ["node/serviceaccount", "node/configmap", "node/daemonset", "node/networkpolicy"],
    "kubevirt/policies.yaml": ["admission/injection", "admission/classes"],
    "kubevirt/plugin.yaml": ["kubevirt/plugin"],
    "monitoring/monitors.yaml": ["monitoring/podmonitor"],
    "monitoring/rules.yaml": ["monitoring/rules"],
    "monitoring/dashboards.yaml": ["monitoring/dashboards"],
    "overlays/openshift/scc.yaml": ["node/openshift"],
    "overlays/operator/rbac.yaml": ["operator/rbac", "operator/policy"],
    # Patches of what overlays/full has.
    "overlays/operator/node.yaml": ["node/daemonset", "node/networkpolicy"],
    "overlays/operator/monitors.yaml": ["monitoring/podmonitor"],
}
# The node agent's part of the KubeVirt plugin (its node hook) is a patch of overlays/full, so that the base is for any cluster.
WITHOUT_PLUGIN = {"node/daemonset"}
HEADER = "# Made by scripts/render-k8s.py from the Helm chart; change that. SPDX-License-Identifier: Apache-2.0\n"


def render(template, name):
    with_operator = name.startswith("overlays/operator/")
    values = ALWAYS
    if with_operator:
        values += ",operator.enabled=true"
    elif template in WITHOUT_PLUGIN:
        values = ALWAYS.replace("admission.when=always,kubevirt.plugin.when=always,", "")
    command = [HELM, "template", "rendercar", CHART, "--namespace", "rendercar-system", "--set", values, "--api-versions", VALIDATING,
               "--show-only", f"templates/{template}.yaml"]
    env = {**os.environ, "KUBECONFIG": "/dev/null"}
    return subprocess.run(list(map(str, command)), env=env, text=True, capture_output=True, check=True).stdout


def plain(text):
    """Without what only Helm needs: its labels, the names of templates, empty lines between objects."""
    text = re.sub(r"^# Source: .*\n", "", text, flags=re.M)
    text = re.sub(r"^ *(helm\.sh/chart|app\.kubernetes\.io/managed-by): .*\n", "", text, flags=re.M)
    documents = [part.strip("\n") for part in re.split(r"^---\n", text, flags=re.M)]
    return "".join(f"---\n{part}\n" for part in documents if part)


def copy_crds(only_check):
    """Copies our CRDs into the chart; which of them differ when only looking."""
    wanted = {path.name: path.read_text() for path in CRDS.glob("*.yaml")}
    if only_check:
        found = {path.name: path.read_text() for path in CRD_COPIES.glob("*.yaml")}
        return [f"operator-api/crds/{name}" for name in sorted(set(wanted) | set(found)) if wanted.get(name) != found.get(name)]
    shutil.rmtree(CRD_COPIES, ignore_errors=True)
    CRD_COPIES.mkdir(parents=True)
    for name, text in wanted.items():
        (CRD_COPIES / name).write_text(text)
    return []


def main():
    if not HELM.exists():
        sys.exit("render-k8s: helm is missing; run scripts/fetch-helm.sh")
    stale = copy_crds(sys.argv[1:] == ["--check"])
    for name, templates in FILES.items():
        text = HEADER + "".join(plain(render(template, name)) for template in templates)
        path = OUT / name
        if sys.argv[1:] != ["--check"]:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        elif not path.exists() or path.read_text() != text:
            stale.append(name)
    if stale:
        sys.exit(f"render-k8s: {', '.join(stale)} differ from the chart; run scripts/render-k8s.py")


if __name__ == "__main__":
    main()
