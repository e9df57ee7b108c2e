"""deploy/k8s is the chart rendered: the files, each overlay under two kubectls, the example VMs and pods.

SPDX-License-Identifier: Apache-2.0"""
import json
import sys
import unittest

import tools
from tools import CACHE, HELMS, KUBECTL, helm_template

K8S = tools.ROOT / "deploy/k8s"
HELM_LABELS = ("helm.sh/chart", "app.kubernetes.io/managed-by")

# Overlay -> the values that give the same, and the APIs of the cluster that it is for.
OVERLAYS = {
    "full": ((), tools.ALL_APIS),
    "node-only": (("--set", "monitoring.dashboards.enabled=false"), ()),
    "software": (("--set", "node.config.software=always"), tools.ALL_APIS),
    "operator": (("--set", "operator.enabled=true"), tools.ALL_APIS),
    "openshift": (("--set", "openshift.enabled=true"), tools.ALL_APIS),
}


def without_helm_labels(value):
    if isinstance(value, dict):
        return {key: without_helm_labels(each) for key, each in value.items() if key not in HELM_LABELS}
    return [without_helm_labels(each) for each in value] if isinstance(value, list) else value


def by_name(objects):
    return {(each["kind"], each["metadata"]["name"]): without_helm_labels(each) for each in objects}


def kustomize(overlay, kubectl=KUBECTL):
    code, out, err = tools.run([kubectl, "kustomize", K8S / "overlays" / overlay])
    if code != 0:
        raise AssertionError(err)
    return by_name(tools.as_objects(out))


class KustomizeTest(unittest.TestCase):
    maxDiff = 4000

    def test_the_files_are_what_the_script_renders(self):
        code, _, err = tools.run([sys.executable, tools.ROOT / "scripts/render-k8s.py", "--check"])
        self.assertEqual(code, 0, err)

    def test_each_overlay_equals_the_chart(self):
        for overlay, (values, apis) in OVERLAYS.items():
            with self.subTest(overlay=overlay):
                code, out, err = helm_template(HELMS["helm4"], *values, apis=apis)
                self.assertEqual(code, 0, err)
                built = kustomize(overlay)
                self.assertIn(("Namespace", "rendercar-system"), built)
                del built["Namespace", "rendercar-system"]
                charted = by_name(tools.as_objects(out))
                self.assertEqual(sorted(built), sorted(charted))
                for name, each in charted.items():
                    self.assertEqual(built[name], each)

    def test_every_overlay_is_tested(self):
        self.assertEqual({path.name for path in (K8S / "overlays").iterdir()}, set(OVERLAYS))

    def test_an_older_kubectl_builds_the_same(self):
        for overlay in OVERLAYS:
            self.assertEqual(kustomize(overlay, CACHE / "helm/helm3/kubectl"), kustomize(overlay))

    def test_example_vms_ask_for_classes_that_exist_and_may_be_drained(self):
        classes = {each["metadata"]["name"].removeprefix("rendercar-") for each in tools.by_kind(tools.default_objects(), "MutatingAdmissionPolicy")}
        for path in sorted((K8S / "kubevirt/examples").glob("*.yaml")):
            with self.subTest(example=path.name):
                (machine,) = tools.as_objects(path.read_text())
                template = machine["spec"]["template"]
                annotations = template["metadata"]["annotations"]
                if "hooks.kubevirt.io/hookSidecars" in annotations:
                    self.assertEqual(len(json.loads(annotations["hooks.kubevirt.io/hookSidecars"])), 1)
                else:
                    self.assertIn(annotations["rendercar.dev/class"], classes)
                self.assertIn(template["spec"]["evictionStrategy"], ("None", "External"))

    def test_vm_pods_are_confined_and_the_gpu_is_in_the_sidecar_alone(self):
        for name in ("pod.yaml", "podman.yaml"):
            (pod,) = tools.as_objects((K8S / "vm-pod" / name).read_text())
            spec = pod["spec"]
            self.assertEqual((spec["securityContext"]["runAsUser"], spec["automountServiceAccountToken"]), (107, False))
            for container in [*spec.get("initContainers", []), *spec["containers"]]:
                with self.subTest(pod=name, container=container["name"]):
                    self.assertEqual(container["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                                    "capabilities": {"drop": ["ALL"]}})
                    self.assertNotIn("livenessProbe", container)
                    if container["name"] != "rendercar":
                        self.assertNotIn("rendercar.dev/render", container["resources"]["limits"])

    def test_a_vm_pod_gives_qemu_the_socket_that_the_sidecar_serves(self):
        for name in ("pod.yaml", "podman.yaml"):
            text = (K8S / "vm-pod" / name).read_text()
            self.assertIn("--socket-dir=/var/run/rendercar/sockets\n", text)
            self.assertIn("--create-session=gpu0\n", text)
            self.assertIn("socket,id=rendercar-chr-gpu0,path=/var/run/rendercar/sockets/gpu0.sock\n", text)


if __name__ == "__main__":
    tools.require_helm()
    tools.main()
