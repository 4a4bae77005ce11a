"""The manifest in a file: which one is refused and in which words, and what the proof says it compared."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tlzoo.artifact.manifest import KEY, VERSION, Parity, parse_manifest
from tlzoo.errors import ArtifactError

FIRST = json.loads((Path(__file__).parents[2] / "fuzz" / "manifest.json").read_text())


def changed(**fields: Any) -> dict[str, str]:
    return {KEY: json.dumps({**FIRST, **fields})}


def refused(metadata: dict[str, str]) -> tuple[str, str]:
    with pytest.raises(ArtifactError) as error:
        parse_manifest(metadata, "m.onnx")
    return error.value.message, error.value.hint


@pytest.mark.parametrize("version", [1, VERSION])
def test_all_versions_up_to_this_are_read(version: int):
    found = parse_manifest({"other": "x", **changed(version=version)}, "m.onnx")
    assert (found.version, found.task, found.labels) == (version, "image-classification", ("no", "yes"))


def test_a_newer_one_asks_for_an_upgrade():
    assert refused(changed(version=VERSION + 1, strange=1)) == (
        f"m.onnx has a manifest of version {VERSION + 1}; this tlzoo reads up to {VERSION}.",
        "Upgrade: pip install --upgrade tlzoo",
    )


def test_without_one_it_is_no_file_of_tlzoo():
    for metadata in ({}, {"tlzoo.reference": "{}"}):
        assert refused(metadata) == (
            "m.onnx has no tlzoo manifest: it was not exported by tlzoo.",
            "Export one: tlzoo export RUN --out FILE.onnx",
        )


@pytest.mark.parametrize(
    ("metadata", "where"),
    [
        ({KEY: ""}, "Expecting value: line 1 column 1 (char 0)."),
        ({KEY: "[]"}, "'list' object has no attribute 'get'."),
        ({KEY: "[" * 100_000}, ""),
        (changed(version="x"), "version: "),
        (changed(version=str(VERSION + 1)), "version: "),
        (changed(version=True), "version: "),
        (changed(version=0), "version: "),
        (changed(labels=1), "labels: "),
        (changed(strange=1), "strange: "),
    ],
)
def test_a_broken_one_is_named(metadata: dict[str, str], where: str):
    message, hint = refused(metadata)
    assert message.startswith(f"m.onnx has a broken manifest: {where}")
    assert hint == "Export it again."


def test_columns_are_those_of_the_data():
    assert parse_manifest(changed(), "m.onnx").columns == {}
    columns = {"text_column": "review"}
    assert parse_manifest(changed(data={"columns": columns}), "m.onnx").columns == columns


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "1,200 held-out samples"),
        ({"drawn_from": 5000}, "1,200 of 5,000 held-out samples"),
        ({"whole": 1000}, "1,200 windows of 1,000 held-out samples"),
        ({"whole": 1000, "drawn_from": 5000}, "1,200 windows of 1,000 of 5,000 held-out samples"),
    ],
)
def test_a_proof_says_how_many_samples_were_compared(fields: dict[str, int], said: str):
    assert Parity.model_validate({**FIRST["parity"], "samples": 1200, **fields}).counted == said
