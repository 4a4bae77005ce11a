"""Prediction from an exported file: every kind of input, one or many, in order, with probabilities."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tlzoo
from tlzoo.errors import InputError, UsageError
from tlzoo.tasks.probabilities import softmax


@pytest.fixture
def sees(picture_file: Any) -> Any:
    """A predictor for pictures."""
    return tlzoo.load(picture_file.path)


@pytest.fixture
def reads(text_file: Any) -> Any:
    """A predictor for texts."""
    return tlzoo.load(text_file.path)


@pytest.fixture
def hears(recording_file: Any) -> Any:
    """A predictor for recordings."""
    return tlzoo.load(recording_file.path)


def scores(predictions: list[Any]) -> np.ndarray:
    return np.array([list(prediction.scores.values()) for prediction in predictions])


def test_held_out_samples_get_the_labels_of_their_folders(zoo: Any, sees: Any, picture_run: Any):
    samples = picture_run.splits().test
    assert tuple(prediction.label for prediction in sees.predict(samples.inputs)) == samples.targets


def test_probabilities_sum_to_one_and_the_label_is_the_likeliest(sees: Any, pictures: Path):
    for prediction in sees.predict(sorted((pictures / "red").iterdir())):
        assert list(prediction.scores) == list(sees.labels) == ["blue", "green", "red"]
        assert math.isclose(sum(prediction.scores.values()), 1, abs_tol=1e-6)
        assert prediction.score == max(prediction.scores.values()) == prediction.scores[prediction.label]


def test_a_picture_is_the_same_as_path_string_bytes_array_or_pillow_image(sees: Any, pictures: Path):
    path = pictures / "red" / "001.png"
    pixels = np.asarray(Image.open(path))
    given = [path, str(path), path.read_bytes(), pixels, Image.open(path)]
    predictions = sees.predict(given)
    assert [prediction.input for prediction in predictions] == [str(path), str(path), None, None, None]
    np.testing.assert_array_equal(scores(predictions), np.repeat(scores(predictions[:1]), 5, axis=0))


def test_a_recording_is_the_same_as_path_bytes_array_or_array_with_rate(hears: Any, recordings: Path):
    import soundfile

    path = recordings / "tone" / "001.wav"
    samples, rate = soundfile.read(path, dtype="float32")
    predictions = hears.predict([path, str(path), path.read_bytes(), samples, (samples, rate)])
    assert hears.predict((samples, rate)) == hears.predict([(samples, rate)])
    np.testing.assert_allclose(scores(predictions), np.repeat(scores(predictions[:1]), 5, axis=0), atol=1e-6)


def test_a_single_input_of_any_kind_gives_a_list_of_one(sees: Any, reads: Any, pictures: Path):
    path = pictures / "blue" / "000.png"
    content = path.read_bytes()
    singles = [path, str(path), content, bytearray(content), memoryview(content), np.asarray(Image.open(path))]
    assert [len(sees.predict(single)) for single in [*singles, Image.open(path)]] == [1] * 7
    assert [prediction.input for prediction in reads.predict("a fine film")] == ["a fine film"]


def test_nothing_gives_nothing_and_an_iterator_is_enough(reads: Any):
    assert reads.predict([]) == []
    assert len(reads.predict(word for word in ("good", "bad"))) == 2


def test_texts_of_different_lengths_keep_their_order_at_any_batch_size(reads: Any):
    texts = [" ".join(["great film of the room"] * count) for count in (9, 1, 5, 30, 2, 7, 1)] + ["sad", ""]
    together, alone = reads.predict(texts, batch=3), [reads.predict(text)[0] for text in texts]
    assert [prediction.input for prediction in together] == texts
    np.testing.assert_allclose(scores(together), scores(alone), atol=1e-5)


@pytest.mark.parametrize("batch", [1, 2, 5, 100])
def test_the_batch_size_changes_nothing(sees: Any, pictures: Path, batch: int):
    paths = sorted(pictures.rglob("*.png"))[::5]
    np.testing.assert_allclose(scores(sees.predict(paths, batch=batch)), scores(sees.predict(paths)), atol=1e-5)


def test_a_picture_that_cannot_be_read_is_named(sees: Any, pictures: Path, tmp_path: Path):
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"no picture")
    for batch in (1, 32):
        with pytest.raises(InputError, match=r"bad\.png"):
            sees.predict([pictures / "red" / "000.png", bad], batch=batch)
    with pytest.raises(InputError, match=r"gone\.png"):
        sees.predict(tmp_path / "gone.png")
    with pytest.raises(InputError, match="floating-point values"):
        sees.predict(np.zeros((5, 5)))


def test_what_is_no_text_is_named_by_its_place(reads: Any):
    with pytest.raises(InputError, match=r"Input 2 .* bytes"):
        reads.predict(["a long text about a film", "short", b"bytes"], batch=1)


def test_a_file_is_loaded_by_string_too_and_knows_what_it_is(picture_file: Any):
    predictor = tlzoo.load(str(picture_file.path))
    assert predictor.manifest.checkpoint.id == "vision/test-resnet"
    assert predictor.task.name == "image-classification"


def test_encoded_bytes_of_another_format_are_read_too(sees: Any, pictures: Path):
    stream = io.BytesIO()
    Image.open(pictures / "green" / "002.png").save(stream, "BMP")
    expected = sees.predict(pictures / "green" / "002.png")[0].scores
    assert sees.predict(stream.getvalue())[0].scores == expected


def test_no_input_has_no_rows_of_any_output(sees: Any):
    assert sees.logits([]).shape == (0, 3)
    assert sees.outputs([], ("probabilities",))["probabilities"].shape == (0, 3)
    assert len(sees.embeddings([])) == 0


TEXTS = ["b", "abcdef", "c", "cab"]


@pytest.mark.parametrize("batch", [1, 2, 32])
def test_outputs_as_long_as_their_text_are_a_list_and_hold_nothing_of_the_padding(two_outputs: Any, batch: int):
    names = ("tags", "state", "probabilities")
    found = two_outputs().outputs(TEXTS, names, batch=batch)
    assert tuple(found) == names
    assert isinstance(found["state"], np.ndarray)
    for name in ("tags", "probabilities"):
        assert [row.shape for row in found[name]] == [(len(text), 3) for text in TEXTS]
    for text, tags, state, shares in zip(TEXTS, *found.values(), strict=True):
        letters = np.array([ord(letter) - 96 for letter in text], np.float32)
        np.testing.assert_allclose(tags, letters[:, None] * np.float32([1, -1, 0.5]), rtol=1e-6)
        np.testing.assert_allclose(state, letters.sum() * np.float32([0.5, 0.25]), rtol=1e-6)
        np.testing.assert_allclose(shares, softmax(tags), atol=1e-6)


def test_without_names_outputs_are_those_of_the_task(two_outputs: Any):
    predictor = two_outputs()
    assert list(predictor.outputs(TEXTS)) == ["tags", "state"]
    arrays = predictor.run(predictor.prepare(TEXTS))
    assert {name: rows.shape for name, rows in arrays.items()} == {"tags": (4, 6, 3), "state": (4, 2)}


@pytest.mark.parametrize("batch", [1, 3])
def test_answers_are_made_of_all_outputs_in_the_order_of_the_inputs(two_outputs: Any, batch: int):
    answers = two_outputs().predict(TEXTS, batch=batch)
    assert [answer.as_row() for answer in answers] == [
        {"input": "b", "tags": [0], "state": [1.0, 0.5]},
        {"input": "abcdef", "tags": [0] * 6, "state": [10.5, 5.25]},
        {"input": "c", "tags": [0], "state": [1.5, 0.75]},
        {"input": "cab", "tags": [0] * 3, "state": [3.0, 1.5]},
    ]


def test_what_a_file_answers_with_may_be_said_and_is_checked(picture_file: Any, pictures: Path):
    predictor = tlzoo.load(picture_file.path, answers=tlzoo.LabelPrediction)
    [answer] = predictor.predict(next(pictures.rglob("*.png")))
    assert isinstance(answer, tlzoo.LabelPrediction)
    with pytest.raises(UsageError, match="answers with LabelPrediction, not ValuePrediction") as error:
        tlzoo.load(picture_file.path, answers=tlzoo.ValuePrediction)
    assert error.value.parameter == "answers"
