"""The proof itself: what it measures, what it lets pass, and that planted defects do not get by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tlzoo.errors import ParityError
from tlzoo.exporting.check import THRESHOLDS, ArrayCase, prove
from tlzoo.preprocess import make_preprocessor
from tlzoo.runtime import Predictor, load
from tlzoo.runtime.session import open_session
from tlzoo.tasks import make_task
from tlzoo.tasks.agreement import differences
from tlzoo.training.evaluation import outputs

Tamper = Callable[[np.ndarray], np.ndarray]


@pytest.fixture
def proven(zoo: Any, picture_run: Any) -> tuple[tuple[str, ...], dict[str, np.ndarray]]:
    """Held-out pictures and what torch says of them."""
    samples = picture_run.splits().test
    found = outputs(picture_run.model(), picture_run.dataset(samples))
    assert list(found) == ["logits"]
    return samples.inputs, {"logits": np.asarray(found["logits"])}


def tampered(file: Any, tensor: str, change: Tamper) -> Predictor:
    """A predictor on the file with one of its weights changed."""
    proto = onnx.load(file.path)
    [weight] = [stored for stored in proto.graph.initializer if stored.name == tensor]
    weight.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(weight).copy()), tensor))
    manifest = file.load().manifest
    return Predictor(open_session(proto.SerializeToString()), manifest, make_preprocessor(manifest.preprocess))


def test_a_good_file_is_proven_on_every_sample_at_every_batch_size_that_the_samples_fill(
    zoo: Any, picture_file: Any, proven: Any
):
    inputs, reference = proven
    proof = prove(load(picture_file.path), inputs, reference)
    assert proof.parity.samples == len(inputs)
    assert proof.parity.batches == (1, 2, 3, 7, 33)
    assert proof.parity.top1_agreement == 1.0
    assert list(proof.exported) == ["logits"]
    logits = reference["logits"]
    assert np.abs(proof.exported["logits"] - logits).max() <= proof.parity.max_abs_diff <= proof.parity.tolerance
    [alone] = proof.parity.outputs.values()
    assert list(proof.parity.outputs) == ["logits"]
    assert alone.max_abs_diff == proof.parity.max_abs_diff
    assert (alone.scale, alone.tolerance) == (proof.parity.scale, proof.parity.tolerance)
    centred = logits - logits.mean(axis=1, keepdims=True)
    assert proof.parity.scale == pytest.approx(np.abs(centred).max())
    assert proof.parity.tolerance == pytest.approx(THRESHOLDS["fp32"].difference * proof.parity.scale)


def swap_rows(weight: np.ndarray) -> np.ndarray:
    return weight[::-1].copy()


def nudge(weight: np.ndarray) -> np.ndarray:
    weight[0] += 1e-2
    return weight


def poison(weight: np.ndarray) -> np.ndarray:
    weight[0] = np.nan
    return weight


@pytest.mark.parametrize("tensor", ["head.weight", "head.bias"])
@pytest.mark.parametrize("change", [swap_rows, nudge, poison])
def test_a_head_that_is_not_the_trained_one_is_found_and_the_worst_sample_named(
    zoo: Any, picture_file: Any, proven: Any, tensor: str, change: Tamper
):
    inputs, reference = proven
    predictor = tampered(picture_file, tensor, change)
    with pytest.raises(ParityError) as error:
        prove(predictor, inputs, reference)
    difference = differences(predictor.outputs(inputs, finite=False)["logits"], reference["logits"])
    near = {inputs[i] for i in range(len(inputs)) if difference[i] >= 0.999 * difference.max()}
    assert any(name in error.value.message for name in near)
    assert "\n" not in str(error.value)


def test_preprocessing_that_swaps_colours_is_found(zoo: Any, picture_file: Any, proven: Any):
    inputs, reference = proven
    good = load(picture_file.path)
    proper = make_preprocessor(good.manifest.preprocess)
    swapped = load(picture_file.path, preprocessor=lambda given: {"image": proper(given)["image"][..., ::-1]})
    with pytest.raises(ParityError, match="differs most on"):
        prove(swapped, inputs, reference)


@pytest.mark.parametrize("change", [lambda image: 255 - image, lambda image: image & 254], ids=["labels", "logits"])
def test_an_error_that_only_one_batch_size_shows_is_found(zoo: Any, picture_file: Any, proven: Any, change: Tamper):
    inputs, reference = proven
    predictor = load(picture_file.path)
    session = predictor._session

    class Odd:
        """The session, but for batches of three."""

        def run(self, names: Any, given: dict[str, np.ndarray]) -> Any:
            image = given["image"]
            return session.run(names, {"image": change(image) if len(image) == 3 else image})

    predictor._session = Odd()
    with pytest.raises(ParityError):
        prove(predictor, inputs, reference)


def test_nan_is_no_agreement_even_where_it_stands_at_the_right_label(zoo: Any, picture_file: Any, proven: Any):
    inputs, reference = proven
    blue = reference["logits"].argmax(axis=1) == 0
    assert blue.any()
    chosen = [given for given, is_blue in zip(inputs, blue, strict=True) if is_blue]
    with pytest.raises(ParityError, match="by up to inf"):
        prove(tampered(picture_file, "head.bias", poison), chosen, {"logits": reference["logits"][blue]})


def test_a_file_that_cannot_run_at_a_batch_size_is_found(zoo: Any, picture_file: Any, proven: Any):
    inputs, reference = proven
    proto = onnx.load(picture_file.path)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 6
    manifest = picture_file.load().manifest
    fixed = Predictor(open_session(proto.SerializeToString()), manifest, make_preprocessor(manifest.preprocess))
    assert len(inputs) == 6
    with pytest.raises(ParityError, match="in batches of 1"):
        prove(fixed, inputs, reference)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("number", [np.nan, np.inf, -np.inf])
def test_reference_outputs_that_are_not_finite_prove_nothing(zoo: Any, picture_file: Any, proven: Any, number: float):
    inputs, reference = proven
    with pytest.raises(ParityError):
        prove(load(picture_file.path), inputs, {"logits": np.full_like(reference["logits"], number)})
    one = reference["logits"].copy()
    one[-1, 0] = number
    with pytest.raises(ParityError):
        prove(load(picture_file.path), inputs, {"logits": one})


def test_what_all_logits_of_a_sample_share_does_not_widen_the_tolerance(zoo: Any, picture_file: Any, proven: Any):
    inputs, reference = proven
    predictor = tampered(picture_file, "head.bias", lambda bias: bias + np.float32(1e4))
    with pytest.raises(ParityError):
        prove(predictor, inputs, {"logits": reference["logits"] + np.float32(1e4) + np.arange(3, dtype=np.float32)})


def test_a_long_text_is_named_by_its_beginning(zoo: Any, text_run: Any, text_file: Any):
    long = "good " * 200
    with pytest.raises(ParityError) as error:
        prove(load(text_file.path), [long], {"logits": np.array([[30.0, -30.0]], dtype=np.float32)})
    assert "good good" in error.value.message
    assert len(error.value.message) < 400


TEXTS = ("b", "abcdef", "c", "cab")


@pytest.fixture
def letters(two_outputs: Any) -> tuple[Any, dict[str, Any]]:
    """A predictor of two outputs, and what the model that it was made of gives for TEXTS."""
    predictor = two_outputs()
    return predictor, dict(predictor.outputs(TEXTS))


def test_a_file_of_two_outputs_is_proven_in_each(letters: Any):
    predictor, reference = letters
    reference["state"] = reference["state"] + np.float32([[0], [0], [5e-4], [0]])
    parity = prove(predictor, TEXTS, reference).parity
    assert set(parity.outputs) == {"tags", "state"}
    for name, largest in (("tags", 6.0), ("state", 10.5)):
        assert parity.outputs[name].scale == pytest.approx(largest)
        assert parity.outputs[name].tolerance == pytest.approx(THRESHOLDS["fp32"].difference * largest)
    assert parity.outputs["tags"].max_abs_diff == 0
    assert parity.outputs["state"].max_abs_diff == pytest.approx(5e-4, rel=1e-3)
    # those of the output that is nearest to its tolerance
    assert (parity.max_abs_diff, parity.scale, parity.tolerance) == tuple(parity.outputs["state"].model_dump().values())
    assert (parity.top1_agreement, parity.worst, parity.samples) == (1.0, 2, 4)


@pytest.mark.parametrize(
    ("planted", "text", "name", "figures"),
    [
        ({"scale": (0.5, 0.2)}, "abcdef", "state", ("1.05", "0.00105", "0.0%")),
        ({"weight": (1, -1, 0.6)}, "abcdef", "tags", ("0.6", "0.0006", "0.0%")),
    ],
)
def test_of_two_outputs_the_figures_are_those_of_the_one_that_differs(
    letters: Any, two_outputs: Any, planted: Any, text: str, name: str, figures: tuple[str, ...]
):
    _, reference = letters
    bad = two_outputs(**planted)
    with pytest.raises(ParityError) as error:
        prove(bad, TEXTS, reference)
    difference, tolerance, agreement = figures
    assert f"by up to {difference} ({tolerance} allowed)" in error.value.message
    assert f"answers agree on {agreement} of 4 held-out samples" in error.value.message
    assert error.value.message.endswith(f"it differs most on {text!r}.")
    other = "tags" if name == "state" else "state"
    proof = prove(bad, TEXTS, {**reference, name: bad.outputs(TEXTS)[name]})
    assert proof.parity.outputs[name].max_abs_diff == proof.parity.outputs[other].max_abs_diff == 0


def test_a_sample_whose_size_differs_is_no_agreement(letters: Any):
    predictor, reference = letters
    reference["tags"] = [*reference["tags"][:-1], reference["tags"][-1][:-1]]
    with pytest.raises(ParityError, match=r"by up to inf.*differs most on 'cab'"):
        prove(predictor, TEXTS, reference)


@pytest.mark.filterwarnings("ignore:invalid value encountered:RuntimeWarning")
@pytest.mark.parametrize("number", [np.nan, np.inf])
@pytest.mark.parametrize("name", ["tags", "state"])
def test_no_number_in_any_output_is_proven_by_its_like(two_outputs: Any, name: str, number: float):
    predictor = two_outputs(**{"weight" if name == "tags" else "scale": [number] * (3 if name == "tags" else 2)})
    reference = predictor.outputs(TEXTS, finite=False)
    assert not np.isfinite(reference[name][0]).any()
    with pytest.raises(ParityError, match="by up to inf"):
        prove(predictor, TEXTS, reference)


def test_the_headline_metric_of_all_outputs_may_not_lose_too_much(letters: Any, two_outputs: Any):
    predictor, reference = letters
    slightly = two_outputs(scale=(0.5, 0.25 - 1e-6))

    def measure(outputs: Any) -> float:
        assert set(outputs) == {"tags", "state"}
        return 1.0 if np.array_equal(outputs["state"], reference["state"]) else 0.9

    assert prove(predictor, TEXTS, reference, measure=measure).parity.drop == 0
    with pytest.raises(ParityError, match=r"found drops by 10\.00 points"):
        prove(slightly, TEXTS, reference, measure=measure)
    assert prove(slightly, TEXTS, reference).parity.top1_agreement == 1.0


@pytest.mark.parametrize(("planted", "allowed"), [({}, True), ({"weight": (1, -1, 0.5001)}, False)])
def test_other_lengths_are_tried_in_every_output_without_their_padding(
    letters: Any, two_outputs: Any, planted: Any, allowed: bool
):
    _, reference = letters
    predictor = two_outputs(**planted)
    arrays = predictor.prepare(["z" * 40, "abc"])
    right = two_outputs().run(arrays)
    right["tags"][1, 3:] = 7  # behind the end of the shorter one
    short = {**reference, "tags": predictor.outputs(TEXTS)["tags"]}
    if allowed:
        assert prove(
            predictor, TEXTS, short, cases=[ArrayCase("at a length of 40", arrays, right, 40)]
        ).parity.lengths == (40,)
    else:
        with pytest.raises(ParityError, match=r"At a length of 40 .* differs .* by 0\.0026"):
            prove(predictor, TEXTS, short, cases=[ArrayCase("at a length of 40", arrays, right, 40)])


class Numbers:
    """A predictor of numbers that is off by a little where its input lies among the first."""

    task = make_task("text-regression", ("score",))

    def __init__(self, values: np.ndarray, off: float) -> None:
        self.values, self.off = values, off

    def outputs(self, inputs: Any, *, batch: int, finite: bool) -> dict[str, np.ndarray]:
        at = np.array([int(text) for text in inputs])
        return {"logits": self.values[at] + self.off * (at == 0)[:, None]}


@pytest.mark.parametrize(("off", "allowed"), [(0.0012, True), (0.0042, False)])
def test_a_number_among_the_first_may_differ_by_the_share_of_the_scale_of_all(off: float, allowed: bool):
    values = np.random.default_rng(0).normal(5, 3, (400, 1))
    values[300] = 45
    predictor, texts = Numbers(values, off), [str(at) for at in range(400)]
    if allowed:
        assert prove(predictor, texts, {"logits": values}).parity.top1_agreement == 1.0
    else:
        with pytest.raises(ParityError, match="answers agree on 99"):
            prove(predictor, texts, {"logits": values})
