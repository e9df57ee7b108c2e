"""Admission policies and every object under the API server's own code: strict decoding, CEL, JSON patches.

Needs .cache/policytool/policytool, which scripts/build-policytool.sh builds. SPDX-License-Identifier: Apache-2.0"""
import copy
import json
import unittest

import tools
from tools import by_kind, default_objects

TOOL = tools.CACHE / "policytool/policytool"


def policytool(*arguments, objects):
    lines = "".join(json.dumps(each) + "\n" for each in objects)
    return tools.run([TOOL, *arguments], input=lines)


def launcher_pod(**annotations):
    """A pod as KubeVirt makes it for a VM, cut to what the policies look at."""
    return {
        "apiVersion": "v1", "kind": "Pod",
        "metadata": {"generateName": "virt-launcher-vm-", "labels": {"kubevirt.io": "virt-launcher", "vm.kubevirt.io/name": "vm"},
                     "annotations": {"kubevirt.io/domain": "vm", **{f"rendercar.dev/{k}": v for k, v in annotations.items()}}},
        "spec": {
            "automountServiceAccountToken": False, "restartPolicy": "Never",
            "securityContext": {"fsGroup": 107, "runAsUser": 107, "runAsGroup": 107, "runAsNonRoot": True},
            "initContainers": [{"name": "guest-console-log", "image": "launcher", "restartPolicy": "Always"}],
            "containers": [{"name": "compute", "image": "launcher", "volumeMounts": [
                {"name": "kubevirt-plugin-sockets", "mountPath": "/var/run/kubevirt-plugin"}]}],
            "volumes": [{"name": "private", "emptyDir": {}}, {"name": "kubevirt-plugin-sockets", "emptyDir": {}}],
        },
    }


def machine(kind="VirtualMachine", annotations=None, **spec):
    meta = {"annotations": annotations} if annotations is not None else {}
    if kind == "VirtualMachine":
        body = {"template": {"metadata": meta, "spec": {"domain": {}, **spec}}}
        return {"apiVersion": "kubevirt.io/v1", "kind": kind, "metadata": {"name": "vm"}, "spec": body}
    return {"apiVersion": "kubevirt.io/v1", "kind": kind, "metadata": {"name": "vm", **meta}, "spec": {"domain": {}, **spec}}


class DecodeTest(unittest.TestCase):
    def check(self, *values):
        code, out, err = policytool("decode", objects=default_objects(*values))
        self.assertEqual(code, 0, out + err)
        return out

    def test_every_object_decodes_strictly(self):
        out = self.check()
        foreign = [line for line in out.splitlines() if line.startswith("not a kind")]
        self.assertEqual({line.split(": ")[1].split()[1] for line in foreign}, {"CustomResourceDefinition", "Plugin", "PodMonitor", "PrometheusRule"})

    def test_objects_of_every_optional_part_decode_strictly(self):
        for value in ("openshift.enabled=true", "operator.enabled=true", "podDisruptionBudget.enabled=true", "node.privileged=true", "admission.apiVersion=v1beta1",
                      "classes.small.namespaces={a,b}", "image.pullSecrets={pull}"):
            with self.subTest(value=value):
                self.check("--set", value)

    def test_the_decoder_sees_a_misspelt_field(self):
        (daemonset,) = by_kind(copy.deepcopy(default_objects()), "DaemonSet")
        daemonset["spec"]["template"]["spec"]["containers"][0]["livenesProbe"] = {}
        code, out, _ = policytool("decode", objects=[daemonset])
        self.assertEqual(code, 1)
        self.assertIn("livenesProbe", out)


class InjectionTest(unittest.TestCase):
    def admit(self, pod, *values, namespace="team-a"):
        policies = by_kind(default_objects(*values), "MutatingAdmissionPolicy")
        code, out, err = policytool("admit", namespace, objects=[*policies, pod])
        self.assertEqual(code, 0, err)
        return json.loads(out)

    def sidecar(self, pod):
        found = [each for each in pod["spec"].get("initContainers", []) if each["name"] == "rendercar"]
        self.assertEqual(len(found), 1)
        return found[0]

    def test_a_launcher_pod_that_asks_gets_a_native_sidecar_first(self):
        pod = self.admit(launcher_pod(**{"class": "small"}))
        self.assertEqual([each["name"] for each in pod["spec"]["initContainers"]], ["rendercar", "guest-console-log"])
        self.assertEqual(self.sidecar(pod)["restartPolicy"], "Always")

    def test_the_sidecar_gets_the_share_and_the_vm_container_none(self):
        pod = self.admit(launcher_pod(**{"class": "small"}))
        resources = self.sidecar(pod)["resources"]
        self.assertEqual(resources["limits"]["rendercar.dev/render"], "1")
        self.assertEqual(resources["requests"]["rendercar.dev/render"], "1")
        self.assertNotIn("resources", {key: value for key, value in pod["spec"]["containers"][0].items() if value})

    def test_equal_requests_and_limits_keep_a_guaranteed_pod_guaranteed(self):
        equal = {"cpu": "1", "memory": "1Gi"}
        sidecar = self.sidecar(self.admit(launcher_pod(**{"class": "small"}), "--set-json",
                                          f"classDefaults.resources={json.dumps({'requests': equal, 'limits': equal})}"))
        self.assertEqual(sidecar["resources"]["requests"], sidecar["resources"]["limits"])
        self.assertEqual(sidecar["resources"]["limits"], {**equal, "rendercar.dev/render": "1"})

    def test_the_sidecar_is_confined(self):
        sidecar = self.sidecar(self.admit(launcher_pod(**{"class": "small"})))
        self.assertEqual(sidecar["securityContext"], {
            "runAsUser": 107, "runAsGroup": 107, "runAsNonRoot": True, "privileged": False, "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}, "seccompProfile": {"type": "RuntimeDefault"}})

    def test_an_empty_folder_keeps_the_vms_service_account_token_out(self):
        sidecar = self.sidecar(self.admit(launcher_pod(**{"class": "small"})))
        (mount,) = [each for each in sidecar["volumeMounts"] if "serviceaccount" in each["mountPath"]]
        self.assertEqual(mount, {"name": "rendercar-control", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                                 "subPath": "no-token", "readOnly": True})

    def test_no_liveness_probe_can_kill_a_running_gpu(self):
        sidecar = self.sidecar(self.admit(launcher_pod(**{"class": "small"})))
        self.assertNotIn("livenessProbe", sidecar)
        self.assertNotIn("readinessProbe", sidecar)
        self.assertIn("startupProbe", sidecar)

    def test_plugin_sockets_are_mounted_by_sub_path_as_kubevirt_demands(self):
        sidecar = self.sidecar(self.admit(launcher_pod(**{"class": "small"})))
        (mount,) = [each for each in sidecar["volumeMounts"] if each["name"] == "kubevirt-plugin-sockets"]
        self.assertEqual(mount, {"name": "kubevirt-plugin-sockets", "mountPath": "/var/run/kubevirt-plugin/rendercar", "subPath": "rendercar"})

    def test_the_result_is_a_pod_that_decodes_strictly(self):
        pod = self.admit(launcher_pod(**{"class": "large"}))
        code, out, err = policytool("decode", objects=[pod])
        self.assertEqual(code, 0, out + err)

    def test_a_pod_without_init_containers_gets_the_sidecar_too(self):
        bare = launcher_pod(**{"class": "small"})
        del bare["spec"]["initContainers"]
        self.sidecar(self.admit(bare))

    def test_a_second_evaluation_changes_nothing(self):
        once = self.admit(launcher_pod(**{"class": "small"}))
        self.assertEqual(self.admit(copy.deepcopy(once)), once)

    def test_each_class_gives_its_own_sidecar(self):
        small, large = (self.sidecar(self.admit(launcher_pod(**{"class": name}))) for name in ("small", "large"))
        self.assertIn("--display=headless", small["args"])
        self.assertIn("--display=secondary", large["args"])
        self.assertNotEqual(small["resources"], large["resources"])

    def test_kubevirts_own_pod_gets_it(self):
        # As KubeVirt's template code renders it; the plugin volume is what its feature gate adds.
        (pod,) = tools.as_objects((tools.ROOT / "tests/deploy/data/launcher-pod.yaml").read_text())
        pod["metadata"]["annotations"]["rendercar.dev/class"] = "small"
        pod["spec"]["volumes"].append({"name": "kubevirt-plugin-sockets", "emptyDir": {}})
        after = self.admit(pod)
        self.assertEqual([each["name"] for each in after["spec"]["initContainers"]],
                         ["rendercar", "guest-console-log", "volumecontainerdisk"])
        self.assertEqual(len(after["spec"]["volumes"]), len(pod["spec"]["volumes"]) + 1)

    def test_others_are_left_alone(self):
        unasked = launcher_pod()
        unknown = launcher_pod(**{"class": "no-such-class"})
        no_annotations = launcher_pod()
        del no_annotations["metadata"]["annotations"]
        stranger = launcher_pod(**{"class": "small"})
        stranger["metadata"]["labels"] = {"app": "web"}
        no_plugins = launcher_pod(**{"class": "small"})
        no_plugins["spec"]["volumes"] = no_plugins["spec"]["volumes"][:1]
        for pod in (unasked, unknown, no_annotations, stranger, no_plugins):
            after = self.admit(copy.deepcopy(pod))
            self.assertNotIn("rendercar", [each["name"] for each in after["spec"]["initContainers"]])

    def test_a_class_for_some_namespaces_is_for_those_alone(self):
        limited = ("--set", "classes.small.namespaces={team-a,team-b}")
        self.sidecar(self.admit(launcher_pod(**{"class": "small"}), *limited, namespace="team-b"))
        other = self.admit(launcher_pod(**{"class": "small"}), *limited, namespace="team-c")
        self.assertNotIn("rendercar", [each["name"] for each in other["spec"]["initContainers"]])


class RefusalTest(unittest.TestCase):
    def complaints(self, what, *values, namespace="team-a"):
        policies = by_kind(default_objects(*values), "ValidatingAdmissionPolicy")
        _, _, err = policytool("admit", namespace, objects=[*policies, what])
        return [line for line in err.splitlines() if "condition" not in line]

    def test_an_unknown_class_is_refused_with_the_list_of_known_ones(self):
        for kind in ("VirtualMachine", "VirtualMachineInstance"):
            with self.subTest(kind=kind):
                (line,) = self.complaints(machine(kind, {"rendercar.dev/class": "huge"}, evictionStrategy="None"))
                self.assertIn('"huge", which this cluster does not have; it has: large, small', line)

    def test_a_forbidden_namespace_is_refused(self):
        limited = ("--set", "classes.small.namespaces={team-a}")
        asking = machine("VirtualMachine", {"rendercar.dev/class": "small"}, evictionStrategy="External")
        self.assertEqual(self.complaints(asking, *limited), [])
        (line,) = self.complaints(asking, *limited, namespace="team-x")
        self.assertIn("namespace team-x may not use", line)

    def test_live_migration_is_warned_about(self):
        for spec in ({}, {"evictionStrategy": "LiveMigrate"}):
            (line,) = self.complaints(machine("VirtualMachine", {"rendercar.dev/class": "small"}, **spec))
            self.assertIn("cannot live-migrate", line)

    def test_machines_that_ask_for_nothing_are_not_looked_at(self):
        for what in (machine(), machine(annotations={"a": "b"}), machine("VirtualMachineInstance"),
                     machine("VirtualMachineInstance", {"a": "b"})):
            self.assertEqual(self.complaints(what), [])


class OperatorTest(unittest.TestCase):
    """The operator of one node writes GpuSessions of that node alone."""

    def complaints(self, node, user="system:serviceaccount:rendercar-system:rendercar-node", **extra):
        policies = by_kind(default_objects("--set", "operator.enabled=true"), "ValidatingAdmissionPolicy")
        session = {"apiVersion": "rendercar.dev/v1alpha1", "kind": "GpuSession", "metadata": {"name": "vm-gpu0"},
                   "spec": {"nodeName": node, "podName": "vm", "session": "shares/a/sessions/gpu0"}}
        asking = json.dumps({"Name": user, "Extra": {f"authentication.kubernetes.io/{key.replace('_', '-')}": [value] for key, value in extra.items()}})
        code, _, err = policytool("admit", "team-a", asking, objects=[*policies, session])
        self.assertIn(code, (0, 1), err)
        return [line for line in err.splitlines() if "condition" not in line]

    def test_its_own_node_is_fine_and_another_is_refused(self):
        self.assertEqual(self.complaints("worker-1", node_name="worker-1"), [])
        (line,) = self.complaints("worker-2", node_name="worker-1")
        self.assertIn("the operator of node worker-1 may not write sessions of node worker-2", line)

    def test_tokens_without_a_node_and_other_users_are_left_to_their_rights(self):
        self.assertEqual(self.complaints("worker-2"), [])
        self.assertEqual(self.complaints("worker-2", pod_name="agent"), [])
        self.assertEqual(self.complaints("worker-2", user="admin", node_name="worker-1"), [])


if __name__ == "__main__":
    tools.require_helm()
    if not TOOL.exists():
        tools.skip(f"{TOOL} is missing; scripts/build-policytool.sh builds it (root, ten minutes)")
    tools.main()
