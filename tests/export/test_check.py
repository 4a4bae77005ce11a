"""The proof itself: what it measures, what it lets pass, and that planted defects do not get by."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tlzoo.errors import ParityError
from tlzoo.export.check import THRESHOLDS, prove
from tlzoo.preprocess import make_preprocessor
from tlzoo.runtime import Predictor, load
from tlzoo.runtime.session import open_session
from tlzoo.training.evaluation import logits

Tamper = Callable[[np.ndarray], np.ndarray]


@pytest.fixture
def proven(zoo: Any, picture_run: Any) -> tuple[tuple[str, ...], np.ndarray]:
    """Held-out pictures and what torch says of them."""
    samples = picture_run.parts().test
    return samples.inputs, logits(picture_run.model(), picture_run.dataset(samples))


def tampered(file: Any, tensor: str, change: Tamper) -> Predictor:
    """A predictor on the file with one of its weights changed."""
    proto = onnx.load(file.path)
    [weight] = [stored for stored in proto.graph.initializer if stored.name == tensor]
    weight.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(weight).copy()), tensor))
    manifest = file.load().manifest
    return Predictor(open_session(proto.SerializeToString()), manifest, make_preprocessor(manifest.preprocess))


def test_a_good_file_is_proven_on_every_sample_at_every_batch_size(zoo: Any, picture_file: Any, proven: Any):
    inputs, reference = proven
    proof = prove(load(picture_file.path), inputs, reference)
    assert proof.parity.samples == len(inputs)
    assert proof.parity.batches == (1, 2, 3, 7, 32)
    assert proof.parity.top1_agreement == 1.0
    assert np.abs(proof.exported - reference).max() <= proof.parity.max_abs_diff <= proof.parity.tolerance
    centred = reference - reference.mean(axis=1, keepdims=True)
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
    difference = np.nan_to_num(np.abs(predictor.logits(inputs, finite=False) - reference), nan=np.inf).max(axis=1)
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
    blue = reference.argmax(axis=1) == 0
    assert blue.any()
    chosen = [given for given, is_blue in zip(inputs, blue, strict=True) if is_blue]
    with pytest.raises(ParityError, match="nan"):
        prove(tampered(picture_file, "head.bias", poison), chosen, reference[blue])


def test_a_file_that_cannot_run_at_a_batch_size_is_found(zoo: Any, picture_file: Any, proven: Any):
    inputs, reference = proven
    proto = onnx.load(picture_file.path)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 6
    manifest = picture_file.load().manifest
    fixed = Predictor(open_session(proto.SerializeToString()), manifest, make_preprocessor(manifest.preprocess))
    assert len(inputs) == 6
    with pytest.raises(ParityError, match="in batches of 1"):
        prove(fixed, inputs, reference)


def test_reference_outputs_that_are_not_finite_prove_nothing(zoo: Any, picture_file: Any, proven: Any):
    inputs, reference = proven
    with pytest.raises(ParityError):
        prove(load(picture_file.path), inputs, np.full_like(reference, np.nan))


def test_what_all_logits_of_a_sample_share_does_not_widen_the_tolerance(zoo: Any, picture_file: Any, proven: Any):
    inputs, reference = proven
    predictor = tampered(picture_file, "head.bias", lambda bias: bias + np.float32(1e4))
    with pytest.raises(ParityError):
        prove(predictor, inputs, reference + np.float32(1e4) + np.arange(3, dtype=np.float32))


def test_a_long_text_is_named_by_its_beginning(zoo: Any, text_run: Any, text_file: Any):
    long = "good " * 200
    with pytest.raises(ParityError) as error:
        prove(load(text_file.path), [long], np.array([[30.0, -30.0]], dtype=np.float32))
    assert "good good" in error.value.message
    assert len(error.value.message) < 400
