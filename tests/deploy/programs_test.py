"""What manifests say to our programs is what the programs understand: flags, and the agent's configuration.

Needs the programs (RENDERCAR_BIN, set by ctest). SPDX-License-Identifier: Apache-2.0"""
import json
import os
import pathlib
import re
import tempfile
import unittest
import xml.etree.ElementTree as ElementTree

import tools
from tools import by_kind, default_objects

BIN = pathlib.Path(os.environ.get("RENDERCAR_BIN", tools.ROOT / "build/release/bin"))


def flags_of(program):
    code, out, err = tools.run([BIN / program, "--help"])
    if code != 0:
        raise AssertionError(err)
    return set(re.findall(r"--[a-z0-9-]+", out))


def names(arguments):
    return {argument.split("=")[0] for argument in arguments if argument.startswith("--")}


def injected_arguments():
    return {argument for policy in by_kind(default_objects("--set", "classes.small.acceleration3d=false"), "MutatingAdmissionPolicy")
            for argument in re.findall(r'"(--[^"]+)"', policy["spec"]["mutations"][0]["jsonPatch"]["expression"])}


class ProgramsTest(unittest.TestCase):
    def agent(self):
        (daemonset,) = by_kind(default_objects(), "DaemonSet")
        return daemonset["spec"]["template"]["spec"]["containers"][0]

    def test_the_agent_knows_its_flags(self):
        self.assertLessEqual(names(self.agent()["args"]), flags_of("rendercar-node"))

    def test_agent_and_operator_know_the_flags_that_they_have_together(self):
        (daemonset,) = by_kind(default_objects("--set", "operator.enabled=true"), "DaemonSet")
        spec = daemonset["spec"]["template"]["spec"]
        for container in (*spec["initContainers"], *spec["containers"]):
            program = container.get("command", ["/usr/bin/rendercar-node"])[0].split("/")[-1]
            self.assertLessEqual(names(container["args"]), flags_of(program), container["name"])

    def test_the_sidecar_knows_the_flags_that_policies_give_it(self):
        self.assertLessEqual(names(injected_arguments()), flags_of("rendercar-sidecar"))

    def test_the_sidecar_knows_the_flags_of_vm_pods(self):
        for name in ("pod.yaml", "podman.yaml"):
            (pod,) = tools.as_objects((tools.ROOT / "deploy/k8s/vm-pod" / name).read_text())
            (sidecar,) = [each for each in [*pod["spec"].get("initContainers", []), *pod["spec"]["containers"]] if each["name"] == "rendercar"]
            self.assertLessEqual(names(sidecar["args"]), flags_of("rendercar-sidecar"))

    def test_the_agent_takes_the_configuration_that_the_chart_renders(self):
        for values in ((), ("--set-json", 'node.config={"software":"never","drain":["0000:03:00.0"],"resources":'
                            '[{"name":"rendercar.dev/render","videoMemoryPerShare":"2Gi","select":{"drivers":["amdgpu"]}},'
                            '{"name":"rendercar.dev/soft","select":{"software":true},"replicas":16}]}')):
            (config,) = [each for each in by_kind(default_objects(*values), "ConfigMap") if "node.yaml" in each["data"]]
            with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
                file.write(config["data"]["node.yaml"])
                file.flush()
                code, out, err = tools.run([BIN / "rendercar-node", "--check-config", f"--config={file.name}"])
            self.assertEqual(code, 0, out + err)

    def test_kubevirt_asks_where_the_sidecar_serves(self):
        source = (tools.ROOT / "sidecar/kubevirt/place.h").read_text()
        directory = re.search(r'kPluginDir\[\] = "(.*?)"', source).group(1)
        (plugin,) = by_kind(default_objects(), "Plugin")
        socket = plugin["spec"]["domainHooks"][0]["sidecar"]["socketPath"]
        self.assertEqual(socket, directory + "/hook.sock")
        # KubeVirt takes no socket outside the directory of the plugin's own name, and none of more than 107 bytes.
        self.assertTrue(socket.startswith(f"/var/run/kubevirt-plugin/{plugin['metadata']['name']}/"))
        self.assertLess(len(socket), 108)
        self.assertIn(f"--socket-dir={directory}", injected_arguments())

    def test_kubevirt_asks_the_agent_where_it_serves_the_node_hook(self):
        (plugin,) = by_kind(default_objects(), "Plugin")
        (hook,) = plugin["spec"]["nodeHooks"]
        self.assertIn(f"--kubevirt-node-hook={hook['socket']}", self.agent()["args"])
        self.assertEqual(hook["permittedHooks"], ["PreMigrationSource"])
        self.assertTrue(hook["socket"].startswith("/var/run/kubevirt/plugins/"))

    def test_the_sidecar_knows_the_flags_of_the_hook_annotation(self):
        (machine,) = tools.as_objects((tools.ROOT / "deploy/k8s/kubevirt/examples/hook-annotation.yaml").read_text())
        (hook,) = json.loads(machine["spec"]["template"]["metadata"]["annotations"]["hooks.kubevirt.io/hookSidecars"])
        # KubeVirt knows these members alone: no environment, resources, ports, probes or volumes.
        self.assertLessEqual(set(hook), {"image", "imagePullPolicy", "command", "args", "configMap", "pvc"})
        self.assertLessEqual(names(hook["args"]), flags_of("rendercar-sidecar"))

    def test_the_device_that_the_plugin_adds_is_the_one_that_the_sidecar_defines(self):
        (plugin,) = by_kind(default_objects("--set", "kubevirt.plugin.hook=cel"), "Plugin")
        for hook, size, heads in zip(plugin["spec"]["domainHooks"], ("1280x800", "1280x800"), (1, 1)):
            added = [json.loads(value) for value in re.findall(r'Value: (".*?")}', hook["cel"]["expression"])]
            code, out, err = tools.run([BIN / "rendercar-sidecar", "define", "--format=kubevirt", f"--resolution={size}", f"--heads={heads}",
                                        "--socket-path=/var/run/kubevirt-plugin/rendercar/gpu0.sock"])
            self.assertEqual(code, 0, err)
            arguments = ElementTree.fromstring(out).iter("{http://libvirt.org/schemas/domain/qemu/1.0}arg")
            self.assertEqual(added, [each.get("value") for each in arguments])


if __name__ == "__main__":
    tools.require_helm()
    for program in ("rendercar-node", "rendercar-sidecar"):
        if not (BIN / program).exists():
            tools.skip(f"{BIN / program} is not built")
    tools.main()
