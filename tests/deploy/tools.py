"""Real helm, kubectl and promtool for the deploy tests, and how to say that one is missing.

SPDX-License-Identifier: Apache-2.0"""
import functools
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CHART = ROOT / "deploy/helm/rendercar"
CACHE = ROOT / ".cache"
SKIPPED = 77  # what ctest is told by SKIP_RETURN_CODE

HELMS = {"helm3": CACHE / "helm/helm3/helm", "helm4": CACHE / "helm/helm4/helm"}
PROMTOOL = CACHE / "prometheus/promtool"
KUBECTL = CACHE / "helm/helm4/kubectl"

# The APIs of a cluster that has everything.
ALL_APIS = (
    "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
    "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy",
    "plugin.kubevirt.io/v1alpha1",
    "monitoring.coreos.com/v1",
)


def skip(reason):
    print(f"SKIP: {reason}", file=sys.stderr)
    sys.exit(SKIPPED)


def require_helm():
    for path in (*HELMS.values(), KUBECTL):
        if not path.exists():
            skip(f"{path} is missing; scripts/fetch-helm.sh fetches it")


def require_prometheus():
    if not PROMTOOL.exists():
        skip(f"{PROMTOOL} is missing; scripts/fetch-prometheus.sh fetches it")


def run(command, **more):
    """Runs and returns (exit code, stdout, stderr); never touches a cluster or the user's configuration."""
    env = {**os.environ, "KUBECONFIG": "/dev/null", "HELM_CACHE_HOME": "/tmp/rendercar-helm", "HELM_CONFIG_HOME": "/tmp/rendercar-helm",
           "HELM_DATA_HOME": "/tmp/rendercar-helm"}
    done = subprocess.run([str(part) for part in command], env=env, text=True, capture_output=True, check=False, **more)
    return done.returncode, done.stdout, done.stderr


def helm_template(helm, *arguments, apis=ALL_APIS, name="rendercar", namespace="rendercar-system"):
    """(exit code, manifests as YAML, stderr) of `helm template`."""
    command = [helm, "template", name, CHART, "--namespace", namespace]
    for api in apis:
        command += ["--api-versions", api]
    return run([*command, *arguments])


def as_objects(yaml_text):
    """Kubernetes objects of a YAML stream, read by kubectl, so that no YAML library is needed."""
    if not yaml_text.strip():
        return []
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(yaml_text)
        file.flush()
        code, out, err = run([KUBECTL, "annotate", "--local", "-f", file.name, "rendercar.test/none-", "-o", "json"])
    if code != 0:
        raise AssertionError(f"kubectl cannot read the manifests: {err}")
    decoder, objects, at = json.JSONDecoder(), [], 0
    while at < len(out):
        value, at = decoder.raw_decode(out, at)
        objects += value["items"] if value["kind"] == "List" else [value]
        while at < len(out) and out[at].isspace():
            at += 1
    for each in objects:
        if each["metadata"].get("annotations") == {}:
            del each["metadata"]["annotations"]
    return objects


@functools.lru_cache(maxsize=None)
def default_objects(*arguments):
    """The chart's objects on a cluster that has every API."""
    code, out, err = helm_template(HELMS["helm4"], *arguments)
    if code != 0:
        raise AssertionError(err)
    return as_objects(out)


def exported_metrics():
    """Names of all metrics in the sources of our programs."""
    text = "".join(path.read_text() for folder in ("common", "sidecar", "node") for path in (ROOT / folder).rglob("*.*")
                   if path.suffix in (".cc", ".h") and not path.stem.endswith("_test"))
    histograms = re.findall(r'"(rendercar_\w+)",\s*(?:prometheus::)?MetricType::Histogram', text)
    return set(re.findall(r'"(rendercar_\w+)"', text)) | {name + part for name in histograms for part in ("_bucket", "_sum", "_count")}


def by_kind(objects, kind):
    return [each for each in objects if each["kind"] == kind]


def main():
    unittest.main(verbosity=1)
