"""What a registry may hold: every list and text has a limit, and reading takes time in proportion to its bytes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlzoo import registry
from tlzoo.registry.reading import MAX_ENTRY, MAX_FAULTS, check_published
from tlzoo.specs import MAX_CHARACTERS, MAX_VALUES


@pytest.fixture(scope="module")
def entry() -> dict[str, Any]:
    return registry.get("vision/efficientnet-lite0").model_dump(mode="json", exclude_none=True)


def faults_of(*entries: Any) -> list[str]:
    document = json.dumps({"schema_version": 1, "checkpoints": entries}).encode()
    return [str(fault) for fault in check_published(document).faults]


def nested(depth: int) -> dict[str, Any]:
    return {"a": nested(depth - 1)} if depth else {}


HOSTILE: dict[str, tuple[Callable[[dict[str, Any]], dict[str, Any]], str]] = {
    "tags": (lambda entry: {"tags": [f"t{at}" for at in range(100_000)]}, "field 'tags'"),
    "one long tag": (lambda entry: {"tags": ["t" * 900_000]}, "field 'tags.0'"),
    "tasks": (lambda entry: {"tasks": ["image-classification"] * 20_000}, "field 'tasks'"),
    "languages": (lambda entry: {"languages": ["en"] * 20_000}, "field 'languages'"),
    "pretrained on": (lambda entry: {"pretrained_on": ["a"] * 20_000}, "field 'pretrained_on'"),
    "stages": (lambda entry: {"stages": [{"name": "a", "parameters": 1}] * 20_000}, "field 'stages'"),
    "metrics": (
        lambda entry: {"metrics": [{"name": "a", "dataset": "b", "value": 1, "source": "c"}] * 10_000},
        "field 'metrics'",
    ),
    "citation": (lambda entry: {"citation": "a" * 500_000}, "field 'citation'"),
    "paper": (lambda entry: {"paper": "a" * 500_000}, "field 'paper'"),
    "architecture": (lambda entry: {"architecture": "a" * 500_000}, "field 'architecture'"),
    "members": (
        lambda entry: {"source": {**entry["source"], "members": entry["source"]["members"] * 5000}},
        "field 'source.pypi.members'",
    ),
    "many options": (lambda entry: {"config": {f"k{at}": at for at in range(MAX_VALUES)}}, "field 'config'"),
    "long options": (lambda entry: {"config": {"k": "a" * (MAX_CHARACTERS + 1)}}, "field 'config'"),
    "long names of options": (lambda entry: {"config": {"a" * (MAX_CHARACTERS + 1): 1}}, "field 'config'"),
    "deep options": (lambda entry: {"config": nested(50)}, "field 'config'"),
    "all of it": (lambda entry: {"tags": ["t" * 100] * 20_000}, f"the limit of an entry is {MAX_ENTRY:,}"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_an_entry_that_holds_too_much_is_one_fault_with_its_field(entry: dict[str, Any], case: str):
    change, said = HOSTILE[case]
    [fault] = faults_of({**entry, **change(entry)})
    assert entry["id"] in fault
    assert said in fault
    assert len(fault) < 400


def test_a_long_id_is_not_repeated(entry: dict[str, Any]):
    [fault] = faults_of({**entry, "id": "vision/" + "a" * 900_000})
    assert len(fault) < 400


def test_the_largest_of_all_is_taken(entry: dict[str, Any]):
    assert faults_of({**entry, "tags": ["t" * 200] * 200, "languages": ["en"] * 7000, "config": {}}) == []


@pytest.mark.parametrize("field", ["kind", "a" * 400_000])
def test_a_long_value_or_name_of_a_field_is_not_repeated(entry: dict[str, Any], field: str):
    [fault, *_] = faults_of({**entry, "source": {**entry["source"], field: "b" * 400_000}})
    assert len(fault) < 1000
    assert entry["id"] in fault


def test_faults_end_where_nobody_reads_on(entry: dict[str, Any]):
    found = faults_of(*({"id": f"vision/x{at}"} for at in range(20_000)))
    assert len(found) == MAX_FAULTS + 1
    assert "more than 1,000 faults" in found[-1]


def test_a_command_names_the_file_the_entry_and_the_field(
    command: Callable[..., Any], entry: dict[str, Any], tmp_path: Path
):
    file = tmp_path / "hostile.json"
    document = {"schema_version": 1, "checkpoints": [{**entry, "tags": [f"t{at}" for at in range(100_000)]}]}
    file.write_text(json.dumps(document))
    done = command("registry", "validate", file)
    assert done.code == 2
    said = done.out + done.err
    assert str(file) in said
    assert "tags" in said
    assert len(said) < 2000


@pytest.mark.release
def test_twice_the_bytes_take_no_more_than_about_twice_the_time(entry: dict[str, Any]):
    """Quadratic work would take four times as long, and over four times the size sixteen times."""

    def seconds(count: int) -> float:
        document = json.dumps(
            {"schema_version": 1, "checkpoints": [{**entry, "id": f"vision/x{at}"} for at in range(count)]}
        )
        content, spent = document.encode(), []
        for _ in range(3):
            began = time.process_time()
            check_published(content)
            spent.append(time.process_time() - began)
        return min(spent)

    assert seconds(8000) < 8 * seconds(2000)
