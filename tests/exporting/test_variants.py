"""The judgements on a variant: which of several is taken, and whether derived outputs and embeddings are right."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from tlzoo.artifact.manifest import Calibration, ProofLimits, SpeedMeasurement
from tlzoo.errors import ExportError, ParityError
from tlzoo.exporting import variants
from tlzoo.exporting.batches import BatchPart
from tlzoo.exporting.check import NOT_WRITTEN_HINT, ArrayCase, Proof
from tlzoo.exporting.variants import (
    VerifiedVariant,
    _check_derived,
    _check_difference,
    _check_embeddings,
    _speedup,
    select_fastest,
)
from tlzoo.tasks import make_task
from tlzoo.tasks.probabilities import softmax

TASK: Any = make_task("image-classification", ("a", "b"))
LIMITS = ProofLimits(difference=0.01, agreement=1.0, drop=0.5)
BASE: Any = SimpleNamespace(calibration=None)


def variant(precision: Any, size: int, speedup: float | None) -> VerifiedVariant:
    measured = None
    if speedup is not None:
        measured = SpeedMeasurement(bytes=size, fp32_bytes=100, speedup=speedup, batch=32, provider="CPU")
    proto: Any = SimpleNamespace(ByteSize=lambda: size)
    return VerifiedVariant(precision, proto, proof=None, measured=measured)  # type: ignore[arg-type]


FULL = variant("fp32", 100, None)


@pytest.mark.parametrize(
    ("fp16", "int8", "taken"),
    [
        ((50, 1.0), (25, 2.0), "int8"),
        ((50, 2.0), (25, 1.0), "fp16"),
        ((50, 0.9), (25, 0.9), "fp32"),
        ((50, 1.0), (60, 1.0), "fp16"),  # of equals the smallest
        ((50, 0.98), (25, 0.9), "fp16"),  # within three percent of the fastest
        ((50, 0.97), (25, 0.5), "fp32"),
        ((50, 1.02), (25, 1.05), "int8"),
        ((120, 1.02), (130, 1.02), "fp32"),
        (None, (25, 2.0), "int8"),
        ((50, 2.0), None, "fp16"),
        (None, None, "fp32"),
    ],
)
def test_the_fastest_is_taken_and_of_those_as_fast_the_smallest(
    fp16: Any, int8: Any, taken: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    made = {"fp16": fp16, "int8": int8}

    def reduce(base: Any, full: Any, precision: Any, thresholds: Any) -> VerifiedVariant:
        assert (base, full, thresholds) == (BASE, FULL, None)
        if made[precision] is None:
            raise ExportError(f"No {precision}.", hint="", parameter="precision")
        return variant(precision, *made[precision])

    monkeypatch.setattr(variants, "reduced_variant", reduce)
    assert select_fastest(BASE, FULL).precision == taken
    said = capsys.readouterr().err
    for precision, each in made.items():
        line = (
            f"{precision} rejected: No {precision}."
            if each is None
            else f"{precision} passes: {each[0] / 100:.2f} x the size, {each[1]:.2f} x as fast"
        )
        assert line in said


def test_what_was_not_measured_is_as_fast_as_itself():
    assert _speedup(FULL) == 1.0
    assert _speedup(variant("int8", 1, 0.5)) == 0.5


def proof_of(parts: list[tuple[list[int], Any]], cases: list[tuple[ArrayCase, Any]] | None = None) -> Proof:
    """A proof of these parts, by positions, and cases, with their outputs."""
    return Proof(
        None,  # type: ignore[arg-type]
        {},
        "",
        tuple((BatchPart(len(at), np.array(at)), outputs) for at, outputs in parts),
        tuple(cases or ()),
    )


LOGITS = np.array([[1.0, -1.0], [0.0, 4.0]], np.float32)


def base_of(temperature: float | None) -> Any:
    if temperature is None:
        return BASE
    found = Calibration(temperature=temperature, samples=20, ece_before=0.1, ece_after=0.0)
    return SimpleNamespace(calibration=found)


@pytest.mark.parametrize("temperature", [None, 2.0])
def test_derived_outputs_are_those_of_the_files_own_logits(temperature: float | None):
    (derived,) = TASK.derived
    right = softmax(LOGITS / (temperature or 1.0))
    good = {"logits": LOGITS, derived.name: right}
    case = ArrayCase("on silence", {}, {})
    _check_derived(base_of(temperature), TASK, proof_of([([0, 1], good)], [(case, good)]))
    near = {**good, derived.name: right + 0.9e-5}
    _check_derived(base_of(temperature), TASK, proof_of([([0, 1], near)]))
    wrong = {**good, derived.name: right + np.array([[0.0, 0.0], [0.0, 0.5]])}
    for proof, where in (
        (proof_of([([0, 1], good), ([0, 1], wrong)]), "in batches of 2"),
        (proof_of([([0, 1], good)], [(case, wrong)]), "on silence"),
    ):
        with pytest.raises(ParityError) as caught:
            _check_derived(base_of(temperature), TASK, proof)
        allowed = 1e-5 + 2.4e-7 * 4 / (temperature or 1.0)
        assert caught.value.message == (
            f"The output {derived.name!r} of the exported file is off by 0.5 ({allowed:.3g} allowed), {where}."
        )
        assert caught.value.hint == NOT_WRITTEN_HINT


def test_a_file_that_ignores_the_temperature_is_refused():
    (derived,) = TASK.derived
    with pytest.raises(ParityError):
        _check_derived(base_of(2.0), TASK, proof_of([([0, 1], {"logits": LOGITS, derived.name: softmax(LOGITS)})]))


@pytest.mark.parametrize(("off", "right"), [(0.0, True), (0.5, True), (0.51, False), (np.nan, False)])
def test_a_difference_may_be_as_large_as_is_allowed(off: float, right: bool):
    found = np.array([[0.0, 1.0 + off]])
    if right:
        _check_difference("x", found, np.array([[0.0, 1.0]]), 0.5, "here")
    else:
        with pytest.raises(ParityError, match=r"^The output 'x' of the exported file is off by (0\.51|inf) \(0\.5 all"):
            _check_difference("x", found, np.array([[0.0, 1.0]]), 0.5, "here")


FEATURES = np.random.default_rng(0).normal(size=(6, 8)).astype(np.float32)
FEATURES[0, 0] = 10.0  # the largest: 0.1 is allowed


def embedded(rows: np.ndarray) -> dict[str, np.ndarray]:
    return {"embeddings": rows}


def moved(rows: np.ndarray, by: float) -> np.ndarray:
    rows = rows.copy()
    rows[1, 1] += by
    return rows


def test_embeddings_of_fp32_are_within_the_share_of_their_scale():
    at = [4, 0, 1]
    for by, right in ((0.0, True), (0.2, False)):
        proof = proof_of([(at, embedded(moved(FEATURES[at], by)))])
        if right:
            _check_embeddings(FEATURES, proof, "fp32", LIMITS, False)
            continue
        with pytest.raises(ParityError) as caught:
            _check_embeddings(FEATURES, proof, "fp32", LIMITS, False)
        assert caught.value.message == (
            "The output 'embeddings' of the exported file is off by 0.2 (0.1 allowed), in batches of 3."
        )
        _check_embeddings(FEATURES, proof, "int8", LIMITS, False)  # by their directions alone
        _check_embeddings(FEATURES, proof, "fp32", LIMITS, True)


@pytest.mark.parametrize(
    ("precision", "extreme", "refused"),
    [("int8", False, True), ("int8", True, False), ("fp16", True, True), ("fp32", True, True)],
)
def test_in_cases_too_but_in_int8_not_in_extreme_ones(precision: Any, extreme: bool, refused: bool):
    case = ArrayCase("on silence", {}, embedded(FEATURES[:2]), extreme=extreme)
    proof = proof_of([([0, 1, 2], embedded(FEATURES[:3]))], [(case, embedded(-FEATURES[:2]))])
    if not refused:
        _check_embeddings(FEATURES, proof, precision, LIMITS, False)
        return
    with pytest.raises(ParityError, match=r", on silence\. No file") as caught:
        _check_embeddings(FEATURES, proof, precision, LIMITS, False)
    assert caught.value.hint == NOT_WRITTEN_HINT


def test_neighbours_are_looked_for_in_parts_and_not_in_cases():
    alike = 100 + FEATURES[:, ::-1] * 0.1  # all in one direction
    case = ArrayCase("on silence", {}, embedded(alike))
    turned = np.roll(alike, 1, axis=0)
    _check_embeddings(
        alike, proof_of([([*range(6)], embedded(alike))], [(case, embedded(turned))]), "int8", LIMITS, False
    )
    with pytest.raises(ParityError, match=r"are nearest to their own .*, in batches of 6\. No file"):
        _check_embeddings(alike, proof_of([([*range(6)], embedded(turned))]), "int8", LIMITS, False)
