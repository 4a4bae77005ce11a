"""Answers in files that can be gone on with after an end at any byte."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tlzoo.errors import UsageError
from tlzoo.runtime.predictions import Failure
from tlzoo.runtime.results import find_resume_point, prediction_file, write_predictions
from tlzoo.tasks.base import Prediction
from tlzoo.tasks.classification.task import LabelPrediction

NAMES = ["plain", 'with "quotes", commas', "two\nlines", "tab\there", "ünïcode", "carriage\rreturn", "", "last"]


def answer(name: str) -> Any:
    if name == "plain":
        return Failure(name, "cannot be read")
    share = 0.5 + len(name) / 100
    return LabelPrediction("a", share, {"a": share, "b": 1 - share}, input=name)


def write(path: Path, names: Sequence[str] = NAMES, *, resume: bool = False, make: Any = answer) -> list[str]:
    """Write the answers and return the names of those that had to be made."""
    made: list[str] = []

    def answers(rest: Any) -> Iterator[Any]:
        for name, _ in rest:
            made.append(name)
            yield make(name)

    into = prediction_file(path, LabelPrediction.columns(), resume=resume, embeddings=False)
    resumed = find_resume_point(into, iter([(name, name) for name in names]))
    write_predictions(into, resumed, answers(resumed.inputs), lambda done: None)
    return made


@pytest.mark.parametrize("ending", ["jsonl", "csv", "tsv"])
def test_a_file_cut_at_any_byte_becomes_the_same_file_again(tmp_path: Path, ending: str):
    whole = tmp_path / f"whole.{ending}"
    write(whole)
    content = whole.read_bytes()
    path, part = tmp_path / f"cut.{ending}", tmp_path / f"cut.{ending}.part"
    for length in range(len(content) + 1):
        part.write_bytes(content[:length])
        made = write(path, resume=True)
        assert path.read_bytes() == content
        assert not part.exists()
        assert len(made) >= 1
        path.unlink()
    assert made == ["last"]


@dataclass(frozen=True)
class AnyPrediction(Prediction):
    found: Any


@pytest.mark.parametrize("ending", ["csv", "tsv"])
@pytest.mark.parametrize(
    ("value", "cell"),
    [
        (("a", "b"), "a;b"),
        (("a", ("b",)), '["a", ["b"]]'),
        (["a;b", "c"], '["a;b", "c"]'),
        ((1, 2.5), "[1, 2.5]"),
        ({"ä": (1, None)}, '{"ä": [1, null]}'),
        (True, "true"),
        (None, ""),
    ],
)
def test_a_cell_holds_no_pythons_own_notation(tmp_path: Path, ending: str, value: Any, cell: str):
    into = prediction_file(tmp_path / f"a.{ending}", AnyPrediction.columns(), resume=False, embeddings=False)
    record = into.encode(AnyPrediction(value, input="x").as_row())
    [cells] = csv.reader([record], delimiter="," if ending == "csv" else "\t")
    assert cells == ["x", cell, ""]
    assert "'" not in "".join(AnyPrediction(value).as_line().values())


@settings(deadline=None, max_examples=50)
@given(names=st.lists(st.text(max_size=8), max_size=6), cut=st.floats(0, 1), ending=st.sampled_from(["jsonl", "csv"]))
def test_names_of_any_characters_come_back(
    tmp_path_factory: pytest.TempPathFactory, names: list[str], cut: float, ending: str
):
    folder = tmp_path_factory.mktemp("any")
    write(folder / f"whole.{ending}", names)
    content = (folder / f"whole.{ending}").read_bytes()
    (folder / f"cut.{ending}.part").write_bytes(content[: int(cut * len(content))])
    write(folder / f"cut.{ending}", names, resume=True)
    assert (folder / f"cut.{ending}").read_bytes() == content


def test_a_path_that_is_no_utf8_is_written_in_json(tmp_path: Path):
    write(tmp_path / "a.jsonl", ["\udcff.png"])
    assert json.loads((tmp_path / "a.jsonl").read_text())["input"] == "\udcff.png"


def half_done(path: Path) -> Path:
    write(path)
    part = path.with_name(path.name + ".part")
    part.write_bytes(path.read_bytes()[:-20])
    path.unlink()
    return part


def test_other_inputs_are_refused(tmp_path: Path):
    half_done(tmp_path / "a.jsonl")
    with pytest.raises(UsageError, match="as input 2"):
        write(tmp_path / "a.jsonl", [NAMES[0], *reversed(NAMES)], resume=True)
    with pytest.raises(UsageError, match="no more inputs"):
        write(tmp_path / "a.jsonl", NAMES[:3], resume=True)


def surer(name: str) -> Any:
    return LabelPrediction("a", 0.9, {"a": 0.9, "b": 0.1}, input=name)


def test_another_models_answers_are_refused_and_kept(tmp_path: Path):
    part = half_done(tmp_path / "a.jsonl")
    content = part.read_bytes()
    with pytest.raises(UsageError, match="another prediction"):
        write(tmp_path / "a.jsonl", resume=True, make=surer)
    assert part.read_bytes() == content


def test_an_existing_file_is_never_overwritten(tmp_path: Path):
    write(tmp_path / "a.jsonl")
    for resume, said in ((False, "already exists"), (True, "is complete: nothing is left")):
        with pytest.raises(UsageError, match=said):
            write(tmp_path / "a.jsonl", resume=resume)
    half_done(tmp_path / "b.jsonl")
    with pytest.raises(UsageError, match="unfinished"):
        write(tmp_path / "b.jsonl")


def test_endings_and_embeddings_that_do_not_fit_are_refused(tmp_path: Path):
    with pytest.raises(UsageError, match=r"\.jsonl"):
        prediction_file(tmp_path / "a.xlsx", ("input",), resume=False, embeddings=False)
    with pytest.raises(UsageError, match="Embeddings"):
        prediction_file(tmp_path / "a.csv", ("input",), resume=False, embeddings=True)
