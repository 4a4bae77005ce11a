"""Measuring files: what is called, with what, and what the figures are."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import parser

from tlzoo.errors import InputError, UsageError
from tlzoo.exporting.raw_input import add_resize_and_crop
from tlzoo.runtime.bench import BenchResult, _measure, bench, synthetic_inputs
from tlzoo.runtime.session import open_session

QUICK = {"batches": (1, 3), "threads": (1,), "seconds": 0.02}
ROW = BenchResult("a.onnx", "fp32", "onnxruntime", "cpu", 1, 4, "")


def test_every_batch_and_thread_count_has_a_row_with_figures(picture_file: Any):
    rows = bench([picture_file.path], batches=(1, 3), threads=(1, 2), seconds=0.02)
    assert [(row.threads, row.batch) for row in rows] == [(1, 1), (1, 3), (2, 1), (2, 3)]
    for row in rows:
        assert (row.shape, row.note, row.precision) == ("64x64x3", "", "fp32")
        assert row.calls >= 3
        assert 0 < row.p50_ms <= row.p95_ms <= row.p99_ms
        assert row.samples_per_s > 0


def test_figures_are_those_of_the_calls(monkeypatch: pytest.MonkeyPatch):
    now = [0.0]

    def call() -> None:
        now[0] += 0.01

    monkeypatch.setattr(time, "perf_counter", lambda: now[0])
    [row] = _measure([(ROW, call)], seconds=0.5)
    assert (row.p50_ms, row.p95_ms, row.samples_per_s) == pytest.approx((10, 10, 4 / 0.01))


def test_files_side_by_side_have_rows_each(picture_file: Any, tmp_path: Path):
    other = tmp_path / "other.onnx"
    other.write_bytes(picture_file.path.read_bytes())
    rows = bench([picture_file.path, other], **QUICK)
    assert [row.file for row in rows] == ["pictures.onnx", "other.onnx"] * 2


def test_files_of_different_kinds_are_refused(picture_file: Any, text_file: Any):
    with pytest.raises(UsageError, match="image, text"):
        bench([picture_file.path, text_file.path], **QUICK)


@pytest.mark.parametrize("kind", ["picture", "text", "recording"])
def test_made_up_arrays_are_what_the_graph_takes(request: pytest.FixtureRequest, kind: str):
    file = request.getfixturevalue(f"{kind}_file")
    session = open_session(file.path.read_bytes(), threads=1)
    arrays = synthetic_inputs(session, batch=3, length=7)
    assert tuple(arrays) == file.load().manifest.inputs
    assert len(session.run(["logits"], arrays)[0]) == 3
    if kind == "text":
        assert {array.shape for array in arrays.values()} == {(3, 7)}
    again = synthetic_inputs(session, batch=3, length=7)
    assert all(np.array_equal(arrays[name], again[name]) for name in arrays)


def test_given_inputs_are_measured_end_to_end_too(picture_file: Any, pictures: Path):
    files = sorted(pictures.rglob("*.png"))[:2]
    rows = bench([picture_file.path], inputs=files, **QUICK)
    assert [(row.engine, row.batch) for row in rows] == [
        (engine, batch) for batch in (1, 3) for engine in ("onnxruntime", "end to end")
    ]
    assert all(row.calls for row in rows)


def test_given_texts_have_their_own_length(text_file: Any):
    rows = bench([text_file.path], inputs=["fine film", "a very fine film"], batches=(1, 2), seconds=0.02)
    assert {row.batch: row.shape for row in rows} == {1: "4", 2: "6"}


def test_an_input_that_cannot_be_read_is_named(picture_file: Any, tmp_path: Path):
    with pytest.raises(InputError, match=r"gone\.png"):
        bench([picture_file.path], inputs=[tmp_path / "gone.png"], **QUICK)


def test_a_graph_that_fits_pictures_itself_takes_large_ones_of_one_size(picture_file: Any, pictures: Path):
    predictor, proto = picture_file.load(), onnx.load(picture_file.path)
    session = open_session(add_resize_and_crop(proto, predictor.manifest.preprocess).SerializeToString(), threads=1)
    arrays = synthetic_inputs(session, batch=2)
    assert arrays["image"].shape == (2, 480, 640, 3)
    assert len(session.run(["logits"], arrays)[0]) == 2


def test_a_way_that_cannot_run_says_why_and_the_others_go_on():
    def fails() -> object:
        raise RuntimeError("out of memory\nand more")

    rows = _measure([(ROW, fails), (ROW, "no compiler"), (ROW, lambda: None)], seconds=0.01)
    assert [(row.note, row.calls > 0) for row in rows] == [("out of memory", False), ("no compiler", False), ("", True)]


def test_other_ways_get_the_same_arrays_and_threads(picture_file: Any):
    seen = []

    def against(arrays: dict[str, np.ndarray], threads: int) -> dict[str, Any]:
        seen.append((threads, {name: array.shape for name, array in arrays.items()}))
        return {"other": lambda: None}

    rows = bench([picture_file.path], against=against, **QUICK)
    assert seen == [(1, {"image": (1, 64, 64, 3)}), (1, {"image": (3, 64, 64, 3)})]
    assert [row.engine for row in rows] == ["onnxruntime", "other"] * 2


def test_a_type_that_cannot_be_made_up_asks_for_data():
    model = parser.parse_model(
        '<ir_version: 10, opset_import: ["": 20]> g (string[n] x) => (string[n] y) { y = Identity(x) }'
    )
    with pytest.raises(UsageError, match="your own inputs"):
        synthetic_inputs(open_session(model.SerializeToString()), 1)
