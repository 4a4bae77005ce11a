"""`run.json`: what an earlier tlzoo wrote is read to the last field, and what is wrong is named."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from tlzoo.errors import RunError
from tlzoo.runs.record import RunRecord, read_record, write_record

WRITTEN = Path(__file__).with_name("version_2.json")
"""The record of a run that the tlzoo before `runs/record.py` wrote, but for the data's path."""


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A folder with that record alone."""
    shutil.copy(WRITTEN, tmp_path / "run.json")
    return tmp_path


def changed(run: Path, **fields: Any) -> Path:
    document = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**document, **fields}))
    return run


def test_a_record_of_version_2_is_read_and_written_again_to_the_byte(run: Path, tmp_path: Path):
    (tmp_path / "again").mkdir()
    write_record(tmp_path / "again", read_record(run))
    assert (tmp_path / "again" / "run.json").read_bytes() == WRITTEN.read_bytes()


def test_its_fields_have_types(run: Path):
    record = read_record(run)
    assert (record.checkpoint.id, record.task, len(record.labels)) == (
        "vision/efficientnet-lite0",
        "image-classification",
        10,
    )
    assert (record.data.n_train, record.data.n_validation, record.data.n_test) == (800, 200, 500)
    assert record.interval is not None
    assert record.interval["low"] < record.metrics[record.interval["metric"]] < record.interval["high"]
    assert record.frozen is not None
    assert record.frozen["trained"] == 10 * (1280 + 1)
    assert record.adapted is None


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"version": 1}, "version 1"),
        ({"version": 4}, "version 4"),
        ({"metrics": {"accuracy": "high"}}, "metrics.accuracy"),
        ({"labels": None}, "labels"),
        ({"head": "round"}, "head"),
        ({"data": {}}, "data.path"),
        ({"interval": {"metric": "accuracy"}}, "interval.level"),
        ({"frozen": {"tensors": "many"}}, "frozen.tensors"),
    ],
)
def test_what_is_wrong_is_named_with_its_folder(run: Path, fields: dict[str, Any], said: str):
    with pytest.raises(RunError) as error:
        read_record(changed(run, **fields))
    assert said in error.value.message
    assert str(run) in error.value.message
    assert error.value.hint


NO_RECORD = ["", "{", "[]", "[1]", "null", "3", '"run"', "{}", '{"version": 2}', "\udcff", "[" * 200_000]


@pytest.mark.parametrize("text", NO_RECORD, ids=lambda text: ascii(text[:12]))
def test_a_file_that_is_no_record_is_refused(run: Path, text: str):
    (run / "run.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(RunError, match=r"run\.json cannot be read|version None"):
        read_record(run)


def test_a_missing_field_is_named(run: Path):
    document = json.loads((run / "run.json").read_text())
    del document["seconds"]
    (run / "run.json").write_text(json.dumps(document))
    with pytest.raises(RunError, match="seconds"):
        read_record(run)


def test_a_side_of_an_interval_may_have_no_bound(run: Path, tmp_path: Path):
    interval = {"metric": "rmse", "level": 0.95, "low": 0.0, "high": None}
    write_record(tmp_path, read_record(changed(run, interval=interval)))
    assert read_record(tmp_path).interval == interval
    assert json.loads((tmp_path / "run.json").read_text())["interval"] == interval


def test_a_field_that_somebody_added_is_no_reason_to_refuse_a_run(run: Path):
    before = read_record(run)
    data = {**before.data.model_dump(), "size": "3 GB"}
    assert read_record(changed(run, note="our best", data=data)) == before


def test_a_figure_that_is_no_number_comes_back_as_it_was(run: Path, tmp_path: Path):
    record = read_record(changed(run, metrics={"loss": float("inf"), "r2": float("-inf")}))
    (tmp_path / "again").mkdir()
    write_record(tmp_path / "again", record)
    assert read_record(tmp_path / "again").metrics == {"loss": float("inf"), "r2": float("-inf")}


ATOMS = st.none() | st.booleans() | st.integers() | st.text(max_size=5)
VALUES = ATOMS | st.lists(ATOMS, max_size=3) | st.dictionaries(st.text(max_size=3), ATOMS, max_size=3)


@settings(max_examples=25)
@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_options_of_any_kind_come_back(options: dict[str, Any]):
    document = {**json.loads(WRITTEN.read_text()), "options": options}
    record = TypeAdapter(RunRecord).validate_python(document)
    assert RunRecord.model_validate(json.loads(json.dumps(record.document()))) == record
