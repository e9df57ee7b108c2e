#!/usr/bin/env python3
"""The CRDs without Kubernetes: structural, closed enough, printable, and their examples by a JSON schema validator.

tests/deploy/crd_test.py has Kubernetes' own code say the same, and checks the rules in CEL. SPDX-License-Identifier: Apache-2.0"""
import json
import pathlib
import sys
import unittest

import jsonschema

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import crds  # noqa: E402

NODE_SCHEMA = crds.FOLDER.parent.parent / "node/config.schema.json"
# Of JSON schema, what a structural schema may say beside Kubernetes' own x-kubernetes-....
ALLOWED = {"type", "description", "properties", "additionalProperties", "items", "required", "default", "enum", "pattern", "format", "minimum",
           "maximum", "minLength", "maxLength", "maxItems", "maxProperties", "anyOf"}


def schema_of(definition):
    (version,) = definition["spec"]["versions"]
    return version["schema"]["openAPIV3Schema"]


def walk(schema, path="$"):
    yield path, schema
    for name, each in schema.get("properties", {}).items():
        yield from walk(each, f"{path}.{name}")
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from walk(schema[key], f"{path}[]")


def closed(schema):
    """As the API server treats it: unknown fields are refused (fieldValidation=Strict), metadata is its own business."""
    made = {key: value for key, value in schema.items() if not key.startswith("x-kubernetes-")}
    if "properties" in schema:
        made["properties"] = {key: closed(each) for key, each in schema["properties"].items()}
        made["additionalProperties"] = False
    elif schema.get("type") == "object" and "additionalProperties" not in schema:
        made["additionalProperties"] = True
    if isinstance(schema.get("items"), dict):
        made["items"] = closed(schema["items"])
    return made


class CrdsTest(unittest.TestCase):
    def setUp(self):
        self.kinds = {each["spec"]["names"]["kind"]: each for each in crds.definitions()}

    def complaints(self, value):
        schema = closed(schema_of(self.kinds[value["kind"]]))
        return [error.message for error in jsonschema.Draft7Validator(schema).iter_errors(value)]

    def test_names_scopes_and_conveniences(self):
        self.assertEqual({kind: each["spec"]["scope"] for kind, each in self.kinds.items()},
                         {"RenderPool": "Cluster", "GpuSession": "Namespaced"})
        for kind, each in self.kinds.items():
            with self.subTest(kind=kind):
                names, (version,) = each["spec"]["names"], each["spec"]["versions"]
                self.assertEqual(each["metadata"]["name"], f"{names['plural']}.rendercar.dev")
                self.assertTrue(names["shortNames"] and version["served"] and version["storage"])
                self.assertEqual(version["subresources"], {"status": {}})
                self.assertIn("Ready", [column["name"] for column in version["additionalPrinterColumns"]])
                self.assertEqual(schema_of(each)["properties"]["status"]["properties"]["conditions"]["x-kubernetes-list-map-keys"], ["type"])

    def test_schemas_are_structural(self):
        for kind, each in self.kinds.items():
            for path, schema in walk(schema_of(each)):
                with self.subTest(kind=kind, path=path):
                    self.assertEqual({key for key in schema if not key.startswith("x-kubernetes-")} - ALLOWED, set())
                    self.assertNotEqual("type" in schema, schema.get("x-kubernetes-int-or-string", False))
                    if schema.get("type") == "array":
                        self.assertIn("maxItems", schema, "CEL's cost is estimated by it")
                    if "default" in schema and schema["default"] != {}:
                        jsonschema.validate(schema["default"], closed(schema))

    def test_printer_columns_are_fields(self):
        for kind, each in self.kinds.items():
            paths = {path.replace("[]", "") for path, _ in walk(schema_of(each))} | {"$.metadata.creationTimestamp"}
            for column in each["spec"]["versions"][0]["additionalPrinterColumns"]:
                with self.subTest(kind=kind, column=column["name"]):
                    path = "$" + column["jsonPath"].replace('[?(@.type=="Ready")]', "")
                    self.assertIn(path, paths)

    def test_examples_and_right_objects_pass(self):
        self.assertGreaterEqual(len(crds.examples()), 3)
        for why, each in [*((e["metadata"]["name"], e) for e in crds.examples()), *crds.RIGHT]:
            with self.subTest(why=why):
                self.assertEqual(self.complaints(each), [])

    def test_wrong_objects_are_refused(self):
        for why, each, _ in crds.WRONG:
            with self.subTest(why=why):
                self.assertNotEqual(self.complaints(each), [])

    def test_a_pool_says_what_a_node_configuration_can(self):
        resource = json.loads(NODE_SCHEMA.read_text())["definitions"]["resource"]["properties"]
        spec = schema_of(self.kinds["RenderPool"])["properties"]["spec"]["properties"]
        self.assertEqual(set(spec["gpus"]["properties"]["select"]["properties"]), set(resource["select"] and json.loads(
            NODE_SCHEMA.read_text())["definitions"]["selector"]["properties"]))
        limits = set(spec["limits"]["properties"]) | {"displayBandwidth", "rendererMemory", "rendererDeaths", "watchdogMs"}
        self.assertEqual({"".join(part.capitalize() if i else part for i, part in enumerate(name.split("-")))
                          for name in resource["limits"]["properties"]}, limits)


if __name__ == "__main__":
    unittest.main(verbosity=1)
