"""What the Container Device Interface's specification (0.5.0, which the runtimes of Debian 12 know) says a file must look like, as a JSON schema of our own words.

All fields of the public schema, with the values that the specification and its library take, which the public schema leaves open. No other fields: a misspelt
one would be ignored in silence by runtimes.

SPDX-License-Identifier: Apache-2.0
"""

import jsonschema

_NAME = "^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$"
_KIND = "^[A-Za-z]([A-Za-z0-9_.-]*[A-Za-z0-9])?/[A-Za-z]([A-Za-z0-9_-]*[A-Za-z0-9])?$"
_UINT32 = {"type": "integer", "minimum": 0, "maximum": 0xFFFFFFFF}
_INT64 = {"type": "integer", "minimum": -2**63, "maximum": 2**63 - 1}
_PATH = {"type": "string", "pattern": "^/"}
_STRINGS = {"type": "array", "items": {"type": "string"}}
_ENV = {"type": "array", "items": {"type": "string", "pattern": "^[^=]+="}}


def _object(required, **properties):
    return {"type": "object", "additionalProperties": False, "required": required, "properties": properties}


_DEVICE_NODE = _object(
    ["path"], path=_PATH, hostPath=_PATH, type={"enum": ["b", "c", "u", "p"]}, major=_INT64, minor=_INT64,
    fileMode={"type": "integer", "minimum": 0, "maximum": 0o777}, permissions={"type": "string", "pattern": "^[rwm]+$"},
    uid=_UINT32, gid=_UINT32)
_MOUNT = _object(["hostPath", "containerPath"], hostPath=_PATH, containerPath=_PATH, options=_STRINGS, type={"type": "string", "minLength": 1})
_HOOK = _object(
    ["hookName", "path"],
    hookName={"enum": ["prestart", "createRuntime", "createContainer", "startContainer", "poststart", "poststop"]},
    path=_PATH, args=_STRINGS, env=_ENV, timeout=_UINT32)
_EDITS = {
    **_object([], env=_ENV, deviceNodes={"type": "array", "items": _DEVICE_NODE}, mounts={"type": "array", "items": _MOUNT},
              hooks={"type": "array", "items": _HOOK}),
    "minProperties": 1,
}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    **_object(
        ["cdiVersion", "kind", "devices"], cdiVersion={"enum": ["0.3.0", "0.4.0", "0.5.0"]}, kind={"type": "string", "pattern": _KIND},
        devices={"type": "array", "minItems": 1,
                 "items": _object(["name", "containerEdits"], name={"type": "string", "pattern": _NAME}, containerEdits=_EDITS)},
        containerEdits=_EDITS),
}


def check(spec):
    """Raises a ValidationError that says where `spec` (a decoded file) breaks the specification."""
    jsonschema.validate(spec, SCHEMA, cls=jsonschema.Draft7Validator)
