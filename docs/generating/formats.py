"""The files that tlzoo writes and reads, from the models that check them."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Mapping
from typing import Any

from generating.tables import code, table
from tlzoo import specs as specs_module
from tlzoo.artifact import manifest as manifest_module
from tlzoo.artifact.manifest import Manifest
from tlzoo.registry import schema as schema_module
from tlzoo.registry.schema import Checkpoint, RegistryFile
from tlzoo.runs import record as record_module
from tlzoo.runs.record import RunRecord
from tlzoo.weights.lockfile import LockFile

HOMES = (specs_module, schema_module, manifest_module, record_module)
REGISTRY_PAGE = "registry-file.md"
LIMITS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "maxLength": "{} characters or fewer",
    "minItems": "{} or more",
    "maxItems": "{} or fewer",
    "pattern": "pattern `{}`",
}


def registry() -> str:
    """A registry file and everything in it."""
    schema = RegistryFile.model_json_schema()
    return _sections("RegistryFile", schema, set(), order=["Checkpoint"])


def manifest() -> str:
    """The manifest and what it adds to the registry's models."""
    return _sections("Manifest", Manifest.model_json_schema(), _registry_models())


def lock() -> str:
    """`tlzoo.lock`."""
    return _sections("Lock", LockFile.model_json_schema(), _registry_models())


def run() -> str:
    """`run.json` and what it adds to the registry's models."""
    return _sections("RunRecord", RunRecord.model_json_schema(), _registry_models())


def _registry_models() -> set[str]:
    return {"Checkpoint", *Checkpoint.model_json_schema()["$defs"]}


def _sections(root: str, schema: Mapping[str, Any], known: set[str], order: list[str] | None = None) -> str:
    """A section for the root and for each of its models, but those that the registry's page has."""
    models: dict[str, Any] = {root: schema, **schema.get("$defs", {})}
    names = [root, *(order or []), *(name for name in models if name not in (root, *(order or [])))]
    return "\n\n".join(_model(name, models[name], known) for name in names if name not in known)


def _model(name: str, schema: Mapping[str, Any], known: set[str]) -> str:
    required = schema.get("required", [])
    rows = [
        (code(field), _type(said, known), _default(field, said, required), _meaning(said))
        for field, said in schema["properties"].items()
    ]
    listed = table(("field", "type", "default", "limits"), rows)
    parts = (f"## {name}", _target(name), _text(schema.get("description", "")), listed)
    return "\n\n".join(part for part in parts if part)


def _target(name: str) -> str:
    """What makes signatures elsewhere link to this section."""
    home = next((each for each in HOMES if getattr(getattr(each, name, None), "__module__", "") == each.__name__), None)
    return f"```{{py:class}} {home.__name__}.{name}\n:no-typesetting:\n```" if home else ""


def _type(said: Mapping[str, Any], known: set[str]) -> str:
    """A JSON type in words; a model by a link to its section."""
    if reference := said.get("$ref"):
        name = reference.rpartition("/")[2]
        return f"[{name}]({REGISTRY_PAGE if name in known else ''}#{name.lower()})"
    if "const" in said:
        return code(json.dumps(said["const"]))
    if "enum" in said:
        return ", ".join(code(json.dumps(each)) for each in said["enum"])
    if choices := said.get("oneOf") or said.get("anyOf"):
        return " or ".join(_type(each, known) for each in choices)
    if said.get("type") == "array":
        items = said.get("items") or {}
        inner = said.get("prefixItems") or [items]
        return f"array of {', '.join(dict.fromkeys(_type(each, known) for each in inner))}"
    if said.get("type") == "object" and isinstance(said.get("additionalProperties"), dict):
        return f"object of {_type(said['additionalProperties'], known)}"
    return str(said.get("type", "any"))


def _default(field: str, said: Mapping[str, Any], required: list[str]) -> str:
    if field in required:
        return "required"
    return code(json.dumps(said["default"])) if "default" in said else ""


def _meaning(said: Mapping[str, Any]) -> str:
    limits: list[str] = []
    for part in (said, *said.get("anyOf", []), said.get("items") or {}):
        limits += [text.format(part[key]) for key, text in LIMITS.items() if key in part]
    return "; ".join([*filter(None, [_text(said.get("description", ""))]), *limits])


def _text(docstring: str) -> str:
    """A docstring as Markdown: angle brackets outside of code are no tags."""
    pieces = re.split(r"(`[^`]*`)", inspect.cleandoc(docstring))
    return "".join(piece if piece.startswith("`") else piece.replace("<", "\\<") for piece in pieces)
