"""The published JSON Schema: as the code generates it, and true of the registry that is shipped."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tlzoo.registry.schema import schema_document

ROOT = Path(__file__).resolve().parents[2]
SCHEMA = json.loads((ROOT / "registry.schema.json").read_text("utf-8"))
TYPES: dict[str, Any] = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": (int, float),
    "null": type(None),
    "boolean": bool,
}


def faults(value: Any, schema: dict[str, Any]) -> list[str]:
    """What the schema finds wrong, by the keywords that it uses (JSON Schema 2020-12)."""
    if "$ref" in schema:
        return faults(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            wrong = [faults(value, choice) for choice in schema[several]]
            return [] if [] in wrong else [f"{value!r} is none of {several}"]
    found = [] if "type" not in schema or isinstance(value, TYPES[schema["type"]]) else [f"{value!r}: {schema['type']}"]
    if "const" in schema and value != schema["const"]:
        found.append(f"{value!r} is not {schema['const']!r}")
    if "enum" in schema and value not in schema["enum"]:
        found.append(f"{value!r} is not in {schema['enum']}")
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        found.append(f"{value!r} does not match {schema['pattern']}")
    if isinstance(value, int | float) and not schema.get("exclusiveMinimum", float("-inf")) < value:
        found.append(f"{value} is too small")
    if isinstance(value, list):
        found += [fault for item in value for fault in faults(item, schema.get("items", {}))]
        found += ["too few"] * (len(value) < schema.get("minItems", 0))
    if isinstance(value, dict):
        found += [f"{name} is missing" for name in schema.get("required", ()) if name not in value]
        for name, item in value.items():
            if name in schema.get("properties", {}):
                found += faults(item, schema["properties"][name])
            elif schema.get("additionalProperties") is False:
                found.append(f"{name} is unknown")
    return found


def test_the_file_is_what_the_code_generates() -> None:
    assert schema_document() == SCHEMA, "Run: python tools/registry_schema.py"


def test_the_built_in_registry_meets_it() -> None:
    assert faults(json.loads((ROOT / "registry.json").read_text("utf-8")), SCHEMA) == []


@pytest.mark.parametrize(
    "change",
    [{"colour": "red"}, {"id": "no slash"}, {"tasks": []}, {"parameters": 0}, {"source": {"kind": "ftp"}}, {"tags": 3}],
)
def test_a_wrong_entry_does_not_meet_it(change: dict[str, Any]) -> None:
    document = json.loads((ROOT / "registry.json").read_text("utf-8"))
    document["checkpoints"][0] |= change
    assert faults(document, SCHEMA)
