"""What the Container Device Interface's specification (0.5.0, which the runtimes of Debian 12 know) says a file must look like, as a JSON schema of our own words.

SPDX-License-Identifier: Apache-2.0
"""

import jsonschema

_NAME = "^[A-Za-z0-9]([A-Za-z0-9_.:-]*[A-Za-z0-9])?$"
_ID = {"type": "integer", "minimum": 0, "maximum": 0xFFFFFFFF}
_DEVICE_NODE = {
    "type": "object", "additionalProperties": False, "required": ["path"],
    "properties": {
        "path": {"type": "string", "pattern": "^/"}, "hostPath": {"type": "string", "pattern": "^/"},
        "type": {"enum": ["b", "c", "u", "p"]}, "major": {"type": "integer"}, "minor": {"type": "integer"},
        "fileMode": {"type": "integer", "minimum": 0, "maximum": 0o7777}, "permissions": {"type": "string", "pattern": "^[rwm]+$"},
        "uid": _ID, "gid": _ID,
    },
}
_EDITS = {
    "type": "object", "additionalProperties": False, "minProperties": 1,
    "properties": {
        "env": {"type": "array", "items": {"type": "string", "pattern": "^[^=]+=.*$"}},
        "deviceNodes": {"type": "array", "items": _DEVICE_NODE},
        "mounts": {"type": "array", "items": {"type": "object", "required": ["hostPath", "containerPath"]}},
    },
}
SCHEMA = {
    "$schema": "http://json-schema.org/draft-07/schema#",
    "type": "object", "additionalProperties": False, "required": ["cdiVersion", "kind", "devices"],
    "properties": {
        "cdiVersion": {"enum": ["0.3.0", "0.4.0", "0.5.0"]},
        "kind": {"type": "string", "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?/[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?$"},
        "annotations": {"type": "object"},
        "devices": {
            "type": "array", "minItems": 1,
            "items": {"type": "object", "additionalProperties": False, "required": ["name", "containerEdits"],
                      "properties": {"name": {"type": "string", "pattern": _NAME}, "annotations": {"type": "object"},
                                     "containerEdits": _EDITS}},
        },
        "containerEdits": _EDITS,
    },
}


def check(spec):
    """Raises a ValidationError that says where `spec` (a decoded file) breaks the specification."""
    jsonschema.validate(spec, SCHEMA, cls=jsonschema.Draft7Validator)
