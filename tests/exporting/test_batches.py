"""What a proof runs: each held-out sample once, of many a drawn part, and torch once for all precisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlzoo
from tlzoo.exporting import batches, context
from tlzoo.exporting.batches import BATCHES, LARGE, LIMIT, WHOLE, draw_samples, plan_batches
from tlzoo.runtime import Predictor

ROOM = 30
"""A limit small enough for the small data of these tests."""


@pytest.mark.parametrize("count", [1, 2, 5, 27, 28, 60, 130, 387, 388, 389, 499, 500, 900])
def test_every_input_runs_once_and_all_together_no_more_than_the_limit(count: int):
    parts = plan_batches(count)
    once = [int(at) for part in parts if not part.again for at in part.positions]
    assert sorted(once) == list(range(count))
    assert sum(len(part.positions) for part in parts) <= max(LIMIT, count)
    assert all(set(part.positions) <= set(once) for part in parts)


@pytest.mark.parametrize("count", [1, 3, 32, 64, 65, 97, 98, 200, 388, 389, 500, 900])
def test_every_batch_size_is_tried(count: int):
    tried = Counter[int]()
    for part in plan_batches(count):
        tried[part.size] += len(part.positions)
    assert set(tried) == {*BATCHES, WHOLE, LARGE}
    assert all(tried[size] >= min(size, count) for size in tried)
    assert tried[LARGE] == LARGE


def test_few_samples_are_all_drawn_and_many_in_proportion_by_the_seed():
    groups = ["rare"] * 3 + ["usual"] * 700 + ["often"] * 1200
    assert draw_samples(groups[:LIMIT], [1] * LIMIT, 0) == list(range(LIMIT))
    drawn = draw_samples(groups, [1] * len(groups), 0)
    assert len(drawn) == len(set(drawn)) == LIMIT
    assert drawn == sorted(drawn) == draw_samples(groups, [1] * len(groups), 0)
    assert drawn != draw_samples(groups, [1] * len(groups), 1)
    counts = Counter(groups[at] for at in drawn)
    assert counts["rare"] >= 1
    assert counts["usual"] / counts["often"] == pytest.approx(700 / 1200, abs=0.02)


def test_samples_of_many_windows_are_as_many_inputs():
    sizes = [7, 1, 40] * 100
    drawn = draw_samples([None] * 300, sizes, 0)
    assert LIMIT - 40 < sum(sizes[at] for at in drawn) <= LIMIT
    assert len(draw_samples(["a", "b"], [600, 700], 0)) == 1


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> dict[str, Counter[str]]:
    """How many samples torch and each precision's file are given, arrays that no sample has aside."""
    found: dict[str, Counter[str]] = {"file": Counter(), "torch": Counter()}
    outputs, both = Predictor.outputs, context.outputs_and_features

    def answered(self: Any, inputs: Any, *given: Any, **more: Any) -> Any:
        found["file"][self.manifest.precision] += len(inputs)
        return outputs(self, inputs, *given, **more)

    def evaluated(model: Any, data: Any, *given: Any) -> Any:
        found["torch"]["samples"] += len(data)
        return both(model, data, *given)

    monkeypatch.setattr(Predictor, "outputs", answered)
    monkeypatch.setattr(context, "outputs_and_features", evaluated)
    return found


@pytest.mark.parametrize(("run", "most"), [("text_run", 16), ("picture_run", 6)])
def test_each_precision_runs_once_over_the_drawn_samples_and_torch_once_for_all(
    zoo: Any, counted: Any, request: pytest.FixtureRequest, tmp_path: Path, run: str, most: int
):
    exported = request.getfixturevalue(run).export(tmp_path / "model.onnx", precision="auto")
    again = sum(max(size, most) for size in BATCHES) + LARGE
    assert exported.parity.samples == most
    assert counted["torch"] == {"samples": most}
    assert set(counted["file"]) >= {"fp32", "fp16"}
    assert all(count == most + again <= LIMIT for count in counted["file"].values())


def test_of_more_samples_than_the_limit_a_part_is_drawn_and_the_sentence_says_so(
    zoo: Any, counted: Any, text_run: Any, texts: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(batches, "LIMIT", ROOM)
    exported = text_run.export(tmp_path / "model.onnx", data=texts, precision="fp16")
    assert (exported.parity.samples, exported.parity.drawn_from) == (ROOM, 80)
    assert exported.parity.counted == f"{ROOM} of 80 held-out samples"
    assert counted["torch"] == {"samples": ROOM}
    assert counted["file"] == {"fp32": ROOM + LARGE, "fp16": ROOM + LARGE}
    manifest = exported.load().manifest
    assert manifest.reference is not None
    assert manifest.reference.samples == ROOM
    assert manifest.interval is not None
    low, high = manifest.interval.low, manifest.interval.high
    assert low <= manifest.metrics["exported"][manifest.interval.metric] <= high
    found = tlzoo.verify(exported.path, texts)
    assert (found.parity.samples, found.n) == (ROOM, 80)


def test_a_run_by_gradient_descent_answers_its_validation_samples_once(
    zoo: Any, counted: Any, texts: Path, tmp_path: Path
):
    run = tlzoo.finetune("nlp/test-bert", texts, out=tmp_path / "run", strategy="finetune", epochs=1, probe=False)
    counted["file"].clear()
    run.export(tmp_path / "model.onnx")
    proof = run.data.n_test * (1 + len(BATCHES)) + LARGE
    assert counted["file"] == {"fp32": proof + run.data.n_validation}


@pytest.mark.parametrize("drawn", [False, True])
def test_the_command_says_how_many_of_how_many(
    command: Callable[..., Any],
    text_run: Any,
    texts: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    drawn: bool,
):
    monkeypatch.setattr(batches, "LIMIT", ROOM if drawn else LIMIT)
    done = command("export", text_run.path, "--data", texts, "--out", tmp_path / "model.onnx", "--quiet")
    assert (f"Proof: {ROOM} of 80 held-out samples" in done.out) == drawn
    assert "exported (95%: " in done.out


def described(count: int) -> list[tuple[int, int, bool]]:
    return [(part.size, len(part.positions), part.again) for part in plan_batches(count)]


@pytest.mark.parametrize(
    ("count", "parts"),
    [
        (1, [(32, 1, False), (1, 1, True), (2, 2, True), (3, 3, True), (7, 7, True), (33, 33, True)]),
        (5, [(32, 5, False), (1, 5, True), (2, 5, True), (3, 5, True), (7, 7, True), (33, 33, True)]),
        (64, [(32, 64, False), *((size, 28, True) for size in BATCHES), (33, 33, True)]),
        (65, [(32, 32, False), *((size, 28, True) for size in BATCHES), (33, 33, False)]),
        (388, [(32, 355, False), *((size, 28, True) for size in BATCHES), (33, 33, False)]),
        (389, [(32, 244, False), *((size, 28, False) for size in BATCHES), (33, 33, False)]),
    ],
)
def test_how_many_inputs_each_part_has(count: int, parts: list[tuple[int, int, bool]]):
    assert described(count) == parts
    assert all(part.where == f"in batches of {part.size}" for part in plan_batches(count))
    assert all((np.diff(part.positions) > 0).all() for part in plan_batches(count) if not part.again)


def test_a_sample_that_does_not_fit_is_left_out_unless_it_is_the_only_one(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(batches, "LIMIT", 10)
    assert draw_samples("aaa", [4, 3, 3], 0) == [0, 1, 2]
    for seed in range(5):
        drawn = draw_samples("aabb", [6, 6, 4, 4], seed)
        assert sum([6, 6, 4, 4][at] for at in drawn) in (10, 8)
        assert {"aabb"[at] for at in drawn} == {"a", "b"}
    assert draw_samples("a", [11], 0) == [0]
