"""Objects of our CRDs as the API server checks them, as far as JSON schema goes: for the stand-in. SPDX-License-Identifier: Apache-2.0"""
import pathlib
import sys

import jsonschema

from apiserver import Refusal

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "operator-api/crds"))
import crds  # noqa: E402
import crds_test  # noqa: E402

SCHEMAS = {each["spec"]["names"]["kind"]: jsonschema.Draft7Validator(crds_test.closed(crds_test.schema_of(each))) for each in crds.definitions()}


def validate(new, old):
    """Refuses what the schema does, unknown fields too, and a GpuSession that moves."""
    schema = SCHEMAS.get(new["kind"])
    if schema is None:
        return
    problems = [f"{'.'.join(map(str, error.absolute_path))}: {error.message}"
                for error in schema.iter_errors({**new, "metadata": {}})]
    if new["kind"] == "GpuSession" and old and old["spec"] != new["spec"]:
        problems.append("spec: a session's place cannot change; another pod is another session")
    if problems:
        raise Refusal(422, "Invalid", "; ".join(problems))
