"""The Helm chart under real helm 3 and helm 4: lint, every switch, values refused in words, what the objects promise.

SPDX-License-Identifier: Apache-2.0"""
import itertools
import json
import re
import unittest

import tools
from tools import ALL_APIS, HELMS, by_kind, default_objects, helm_template

# Values that must be refused, and what the sentence must say. Schema and template both count.
REFUSED = {
    ("node.bogus=1",): "bogus",
    ("bogus=1",): "bogus",
    ("classes.small.bogus=1",): "bogus",
    ("node.config.bogus=1",): "bogus",
    ("node.config.resources[0].replicas=0",): "replicas",
    ("node.config.resources[0].replicas=many",): "replicas",
    ("node.config.resources[0].bogus=1",): "bogus",
    ("node.config.resources[0].name=a.b/c", "node.config.resources[1].name=a.b/c", "classDefaults.resource=a.b/c"): "twice",
    ("node.config.software=sometimes",): "software",
    ("monitoring.podMonitor.sessionsFrom=both",): "sessionsFrom",
    ("node.kubeletRootDir=relative",): "kubeletRootDir",
    ("node.kubeletRootDir=/ends/with/",): "kubeletRootDir",
    ("node.metricsPort=0",): "metricsPort",
    ("node.logLevel=loud",): "logLevel",
    ("node.image.digest=sha256:short",): "digest",
    ("image.pullPolicy=Perhaps",): "pullPolicy",
    ("classes.small.heads=17",): "heads",
    ("classes.small.resolution=big",): "resolution",
    ("classes.small.display=holographic",): "display",
    ("classes.Small.heads=1",): "Small",
    ("classes.small.resources.limits.memory=lots",): "memory",
    ("admission.when=maybe",): "when",
    ("monitoring.rules.alerts.SessionDown.for=soon",): "for",
    ("monitoring.rules.alerts.NoSuchAlert.for=1m",): "NoSuchAlert",
    ("classes.small.resource=example.org/other",): '(it offers: rendercar.dev/render)',
    ("classDefaults.resources.limits.memory=null",): "has no memory",
    ("classes.small.heads=2",): "headless VMs have no screens",
    ("classes.small.extraArgs={--heads=3}",): "use the class's own keys",
    ("kubevirt.plugin.when=always", "admission.when=never"): "a sidecar that nobody injects",
    ("kubevirt.plugin.when=never", "admission.when=always"): "a sidecar and no GPU device",
    ("node.enabled=false", "monitoring.podMonitor.when=always"): "nothing to scrape",
    ("node.enabled=false", "podDisruptionBudget.enabled=true"): "no pods to keep",
    ("serviceAccount.create=false", "openshift.enabled=true"): "default account",
    ("serviceAccount.create=false", "operator.enabled=true"): "default account",
    ("node.enabled=false", "operator.enabled=true"): "enable both or none",
    ("operator.metricsPort=0",): "metricsPort",
    ("operator.apiServerPorts={}",): "apiServerPorts",
}

SWITCHES = {
    "node.enabled": ("true", "false"),
    "admission.when": ("auto", "never"),
    "kubevirt.plugin.when": ("auto", "never"),
    "monitoring.rules.when": ("auto", "never"),
}
SINGLE = (
    "kubevirt.plugin.hook=cel", "node.config.nfdDirectory=/etc/kubernetes/node-feature-discovery/features.d", "node.privileged=true", "podDisruptionBudget.enabled=true", "openshift.enabled=true",
    "operator.enabled=true", "crds.install=false", "serviceAccount.create=false", "networkPolicy.enabled=false", "monitoring.dashboards.enabled=false",
    "admission.classPolicy.enabled=false", "admission.apiVersion=v1beta1", "classes.small=null", "classes.small.acceleration3d=false",
    "classes.small.namespaces={team-a,team-b}", "monitoring.rules.alerts.GuestErrors.enabled=false", "image.registry=registry.example.org/gpu",
    "commonLabels.team=gpu", "fullnameOverride=gpu", "node.updateStrategy.type=OnDelete", "image.pullSecrets={pull}",
)


def set_flags(values):
    return [part for value in values for part in ("--set", value)]


def template_pairs(text):
    """What separates objects, without the comments in which helm versions differ."""
    return re.sub(r"^(---|# Source: .*)?\n", "", text, flags=re.M)


class ChartTest(unittest.TestCase):
    def test_lint_is_clean_under_both_helms(self):
        for name, helm in HELMS.items():
            for more in ([], set_flags(["admission.when=always", "kubevirt.plugin.when=always", "monitoring.rules.when=always"])):
                with self.subTest(helm=name, more=more):
                    code, out, err = tools.run([helm, "lint", "--strict", tools.CHART, *more])
                    self.assertEqual(code, 0, out + err)

    def test_both_helms_render_the_same(self):
        texts = [helm_template(helm)[1] for helm in HELMS.values()]
        self.assertEqual(template_pairs(texts[0]), template_pairs(texts[1]))

    def test_every_combination_of_switches_renders_or_is_refused_in_words(self):
        for combination in itertools.product(*SWITCHES.values()):
            values = [f"{key}={value}" for key, value in zip(SWITCHES, combination)]
            with self.subTest(values=values):
                code, out, err = helm_template(HELMS["helm4"], *set_flags(values))
                self.assertEqual(code, 0, err)
                self.assertEqual("kind: DaemonSet" in out, combination[0] == "true")
                self.assertEqual("kind: MutatingAdmissionPolicy\n" in out, combination[1] == "auto")
                self.assertEqual("kind: Plugin\n" in out, combination[2] == "auto")
                self.assertEqual("kind: PrometheusRule\n" in out, combination[3] == "auto")

    def test_every_single_switch_renders_objects_that_kubectl_reads(self):
        for value in SINGLE:
            with self.subTest(value=value):
                self.assertGreater(len(default_objects("--set", value)), 8)

    def test_sessions_are_scraped_at_one_place_only(self):
        monitors = {each["metadata"]["name"]: each["spec"]["podMetricsEndpoints"][0] for each in tools.by_kind(default_objects(), "PodMonitor")}
        self.assertEqual(set(monitors), {"rendercar-node", "rendercar-sessions"})
        (drop,) = monitors["rendercar-node"]["metricRelabelings"]
        self.assertEqual((drop["action"], drop["sourceLabels"]), ("drop", ["__name__", "session"]))
        for name, session, dropped in (("rendercar_commands_total", "vm", True), ("rendercar_guest_errors_total", "vm", True),
                                       ("rendercar_gpu_memory_bytes", "vm", False), ("rendercar_node_shares", "", False)):
            self.assertEqual(re.fullmatch(drop["regex"], f"{name};{session}") is not None, dropped, name)
        (agent,) = tools.by_kind(default_objects("--set", "monitoring.podMonitor.sessionsFrom=node"), "PodMonitor")
        endpoint = agent["spec"]["podMetricsEndpoints"][0]
        self.assertTrue(endpoint["honorLabels"])
        self.assertNotIn("metricRelabelings", endpoint)

    def test_a_cluster_without_optional_apis_gets_the_node_agent_and_our_kinds(self):
        code, out, err = helm_template(HELMS["helm3"], apis=())
        self.assertEqual(code, 0, err)
        kinds = sorted(each["kind"] for each in tools.as_objects(out))
        self.assertEqual(kinds, ["ConfigMap", "ConfigMap", "CustomResourceDefinition", "CustomResourceDefinition", "DaemonSet", "NetworkPolicy",
                                 "ServiceAccount"])

    def test_our_kinds_are_upgraded_with_the_chart_and_outlive_it(self):
        definitions = by_kind(default_objects(), "CustomResourceDefinition")
        self.assertEqual({each["metadata"]["name"] for each in definitions}, {"gpusessions.rendercar.dev", "renderpools.rendercar.dev"})
        for each in definitions:
            self.assertEqual(each["metadata"]["annotations"], {"helm.sh/resource-policy": "keep"})
        self.assertFalse((tools.CHART / "crds").exists(), "helm never upgrades that folder")
        for each in by_kind(default_objects("--set", "crds.keep=false"), "CustomResourceDefinition"):
            self.assertNotIn("annotations", each["metadata"])
        self.assertEqual(by_kind(default_objects("--set", "crds.install=false"), "CustomResourceDefinition"), [])

    def test_an_older_cluster_gets_the_beta_policy_api(self):
        apis = ["admissionregistration.k8s.io/v1beta1/MutatingAdmissionPolicy", *ALL_APIS[1:]]
        _, out, _ = helm_template(HELMS["helm4"], apis=apis)
        versions = {each["apiVersion"] for each in tools.as_objects(out) if each["kind"] == "MutatingAdmissionPolicy"}
        self.assertEqual(versions, {"admissionregistration.k8s.io/v1beta1"})

    def test_bad_values_are_refused_with_a_sentence_that_names_them(self):
        for values, words in REFUSED.items():
            with self.subTest(values=values):
                code, out, err = helm_template(HELMS["helm4"], *set_flags(values))
                self.assertNotEqual(code, 0, out[:200])
                self.assertIn(words, err)

    def test_helm3_refuses_the_same(self):
        for values in list(REFUSED)[::6]:
            with self.subTest(values=values):
                self.assertNotEqual(helm_template(HELMS["helm3"], *set_flags(values))[0], 0)

    def test_objects_have_unique_names_and_the_recommended_labels(self):
        objects = default_objects()
        names = [(each["kind"], each["metadata"].get("namespace"), each["metadata"]["name"]) for each in objects]
        self.assertEqual(len(names), len(set(names)))
        for each in objects:
            if each["kind"].endswith("Binding"):
                continue
            self.assertEqual(each["metadata"]["labels"]["app.kubernetes.io/part-of"], "rendercar", each["kind"])

    def test_two_releases_do_not_meet(self):
        first = {(each["kind"], each["metadata"]["name"]) for each in default_objects()}
        _, out, _ = helm_template(HELMS["helm4"], name="other")
        second = {(each["kind"], each["metadata"]["name"]) for each in tools.as_objects(out)}
        # The plugin's name is a directory that the policies mount; KubeVirt has one such plugin. A cluster has each kind once.
        self.assertEqual({each for each in first & second if each[0] != "CustomResourceDefinition"}, {("Plugin", "rendercar")})

    def test_names_fit_when_the_release_name_is_long(self):
        _, out, err = helm_template(HELMS["helm4"], name="r" * 53)
        self.assertEqual(err, "")
        for each in tools.as_objects(out):
            self.assertLessEqual(len(each["metadata"]["name"]), 63)

    def test_the_node_agent_has_few_privileges(self):
        (daemonset,) = by_kind(default_objects(), "DaemonSet")
        spec = daemonset["spec"]["template"]["spec"]
        (container,) = spec["containers"]
        self.assertFalse(spec["automountServiceAccountToken"])
        self.assertNotIn("hostNetwork", spec)
        self.assertNotIn("hostPID", spec)
        self.assertEqual(spec["securityContext"]["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertEqual(container["securityContext"], {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                                                        "capabilities": {"drop": ["ALL"]}})
        writable = {mount["name"] for mount in container["volumeMounts"] if not mount.get("readOnly")}
        self.assertEqual(writable, {"device-plugins", "node-hooks", "run", "state"})  # sockets, and session directories

    def test_the_node_agent_sees_processes_only_when_asked_to_tell_gpu_use(self):
        (daemonset,) = by_kind(default_objects("--set", "node.gpuUse=true"), "DaemonSet")
        spec = daemonset["spec"]["template"]["spec"]
        self.assertTrue(spec["hostPID"])
        self.assertEqual(spec["containers"][0]["securityContext"]["capabilities"], {"drop": ["ALL"], "add": ["SYS_PTRACE"]})

    def test_the_chart_gives_nobody_rights(self):
        kinds = {each["kind"] for each in default_objects()}
        self.assertFalse(kinds & {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "Secret"}, kinds)

    def test_the_operator_alone_gets_a_token_and_rights(self):
        objects = default_objects("--set", "operator.enabled=true")
        (daemonset,) = by_kind(objects, "DaemonSet")
        spec = daemonset["spec"]["template"]["spec"]
        self.assertFalse(spec["automountServiceAccountToken"])
        agent, operator = spec["containers"]
        (once,) = spec["initContainers"]
        self.assertIn("--one-shot", once["args"])
        self.assertNotIn("api-access", [mount["name"] for mount in agent["volumeMounts"]])
        self.assertIn("--config=/run/rendercar-config/node.yaml", agent["args"])
        self.assertIn("--api-uid=65534", agent["args"])
        for each in (once, operator):
            self.assertIn("--config=/run/rendercar-config/node.yaml", each["args"])
            self.assertEqual(each["securityContext"], {
                "runAsNonRoot": True, "runAsUser": 65534, "runAsGroup": 0, "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]}})
        self.assertIn("--lease-name=rendercar-operator", operator["args"])
        (policy,) = by_kind(objects, "NetworkPolicy")
        self.assertEqual([each["port"] for each in policy["spec"]["egress"][0]["ports"]], [443, 6443])
        (account,) = by_kind(objects, "ServiceAccount")
        for kind in ("ClusterRoleBinding", "RoleBinding"):
            (binding,) = by_kind(objects, kind)
            self.assertEqual(binding["subjects"], [{"kind": "ServiceAccount", "name": account["metadata"]["name"], "namespace": "rendercar-system"}])
        for role in (*by_kind(objects, "ClusterRole"), *by_kind(objects, "Role")):
            self.assertNotIn("*", json.dumps(role["rules"]))

    def test_a_class_may_take_what_a_pool_offers(self):
        default_objects("--set", "operator.enabled=true", "--set", "classes.small.resource=rendercar.dev/workstation")

    def test_the_schema_takes_what_the_agent_takes(self):
        agents = json.loads((tools.ROOT / "node/config.schema.json").read_text())
        charts = json.loads((tools.CHART / "values.schema.json").read_text())["definitions"]
        self.assertEqual(charts["nodeConfig"]["properties"],
                         {key: each for key, each in agents["properties"].items() if key not in ("apiVersion", "kind")})
        for name, definition in agents["definitions"].items():
            self.assertEqual(charts[name], definition, name)

    def test_host_directories_that_the_configuration_names_are_mounted(self):
        (daemonset,) = by_kind(default_objects("--set", "node.config.cdiDirectory=/var/run/cdi"), "DaemonSet")
        spec = daemonset["spec"]["template"]["spec"]
        self.assertIn({"name": "cdi", "mountPath": "/var/run/cdi"}, spec["containers"][0]["volumeMounts"])

    def test_the_readme_documents_every_value(self):
        code, _, err = tools.run([tools.ROOT / "scripts/chart-docs.py", "--check"])
        self.assertEqual(code, 0, err)


if __name__ == "__main__":
    tools.require_helm()
    tools.main()
