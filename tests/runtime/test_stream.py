"""Streams of inputs: lazily read, in order, and a bad one is answered with its error."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count, islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import tlzoo
from tlzoo.errors import InputError, UsageError
from tlzoo.preprocess.prefetch import prefetch_map
from tlzoo.runtime import Failure, predictions
from tlzoo.runtime.stream import Chunk
from tlzoo.tasks.probabilities import softmax
from tlzoo.tasks.rows import OutputCollector


@pytest.fixture(scope="module")
def sees(picture_file: Any) -> Any:
    """A predictor for pictures."""
    return tlzoo.load(picture_file.path)


@pytest.fixture(scope="module")
def reads(text_file: Any) -> Any:
    """A predictor for texts."""
    return tlzoo.load(text_file.path)


def test_a_stream_answers_as_predict_does_and_in_order(sees: Any, pictures: Path):
    paths = sorted(pictures.rglob("*.png"))
    streamed = list(sees.stream(iter(paths), batch=5))
    assert [answer.input for answer in streamed] == [str(path) for path in paths]
    assert [answer.label for answer in streamed] == [answer.label for answer in sees.predict(paths)]


def test_an_endless_stream_is_read_no_further_than_the_threads_need(sees: Any, pictures: Path):
    path, read = pictures / "red" / "000.png", []

    def endless() -> Iterator[Path]:
        for number in count():
            read.append(number)
            yield path

    assert len(list(islice(sees.stream(endless(), batch=4), 20))) == 20
    assert len(read) < 200


@pytest.mark.parametrize("batch", [1, 3, 32])
def test_bad_inputs_are_answered_with_their_errors_and_the_others_as_ever(
    sees: Any, pictures: Path, tmp_path: Path, batch: int
):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no picture")
    good = sorted((pictures / "blue").iterdir())[:5]
    given = [good[0], broken, *good[1:4], b"neither", good[4], tmp_path / "gone.png"]
    answers = list(sees.stream(given, batch=batch))
    assert [isinstance(answer, Failure) for answer in answers] == [at in (1, 5, 7) for at in range(8)]
    assert "broken.png" in answers[1].error
    assert "Input 5" in answers[5].error
    expected = {answer.input: answer.label for answer in sees.predict(good)}
    assert {answer.input: answer.label for answer in answers if answer.error is None} == expected


def test_a_strict_stream_raises_at_the_bad_input_after_answering_those_before(sees: Any, pictures: Path):
    stream = sees.stream([pictures / "red" / "000.png", "gone.png"], strict=True)
    assert next(stream).input.endswith("000.png")
    with pytest.raises(InputError, match=r"gone\.png"):
        next(stream)


def test_what_is_no_text_does_not_keep_the_other_texts_from_an_answer(reads: Any):
    given = ["a fine film", 7, "awful", InputError("the cell is empty"), ""]
    answers = list(reads.stream(given, batch=2))
    assert [answer.error for answer in answers] == [
        None,
        "Input 1 is not a text but int. Give strings.",
        None,
        "the cell is empty",
        None,
    ]


def test_half_a_surrogate_pair_does_not_keep_the_other_texts_from_an_answer(reads: Any):
    answers = list(reads.stream(["a fine film", "a\ud83d b", "awful \U0001f600"], batch=2))
    assert [answer.error is None for answer in answers] == [True, False, True]
    assert answers[1].error.startswith("Input 1 has half a surrogate pair")
    with pytest.raises(InputError, match="Input 1 has half a surrogate pair"):
        reads.predict(["a fine film", "a\ud83d b"])


def test_texts_keep_their_order_over_windows_of_growing_length(reads: Any):
    texts = [" ".join(["film"] * (1 + 7 * number % 19)) + f" {number}" for number in range(60)]
    answers = list(reads.stream(iter(texts), batch=2))
    assert [answer.input for answer in answers] == texts
    alone = [reads.predict(text)[0].score for text in texts[::10]]
    np.testing.assert_allclose([answer.score for answer in answers[::10]], alone, atol=1e-5)


def test_top_k_keeps_the_likeliest_labels_first(sees: Any, pictures: Path):
    path = pictures / "red" / "001.png"
    full = sees.predict(path)[0].scores
    [answer] = sees.predict(path, top_k=2)
    assert list(answer.scores) == sorted(full, key=full.__getitem__, reverse=True)[:2]
    assert answer.score == answer.scores[answer.label]


def test_a_label_below_the_threshold_is_none(sees: Any, pictures: Path):
    path = pictures / "red" / "001.png"
    [sure] = sees.predict(path, threshold=0.0)
    [unsure] = sees.predict(path, threshold=1.0)
    assert (sure.label, unsure.label) == ("red", None)
    assert unsure.scores == sure.scores


def test_a_temperature_changes_probabilities_but_no_label(sees: Any, pictures: Path):
    paths = sorted((pictures / "red").iterdir())
    logits = sees.logits(paths)
    rows = OutputCollector(sees.task.outputs, len(paths))
    rows.put(range(len(paths)), {"logits": logits})
    stretch = Chunk(0, paths, rows, [None] * len(paths))
    plain, cooled = (
        list(predictions.decode_chunk(sees.task, stretch, value, predictions.PredictOptions())) for value in (1.0, 2.5)
    )
    assert [answer.input for answer in cooled] == list(map(str, paths))
    assert [answer.label for answer in plain] == [answer.label for answer in cooled]
    assert all(one.score > other.score for one, other in zip(plain, cooled, strict=True))
    expected = softmax(logits / 2.5).max(axis=1)
    np.testing.assert_allclose([answer.score for answer in cooled], expected, atol=1e-6)


def test_embeddings_are_what_the_head_sees(sees: Any, pictures: Path):
    paths = sorted((pictures / "red").iterdir())[:3]
    rows = sees.embeddings(paths)
    assert rows.shape[0] == 3
    assert rows.dtype == np.float32
    for answer, row in zip(sees.predict(paths, embeddings=True), rows, strict=True):
        np.testing.assert_array_equal(answer.embedding, row)


def test_prepare_and_run_are_what_logits_are_made_of(sees: Any, pictures: Path):
    paths = sorted((pictures / "red").iterdir())[:3]
    [(name, rows)] = sees.run(sees.prepare(paths)).items()
    assert name == "logits"
    np.testing.assert_array_equal(rows, sees.logits(paths))
    both = sees.run(sees.prepare(paths), ("embeddings", "logits"))
    assert list(both) == ["embeddings", "logits"]
    np.testing.assert_array_equal(both["logits"], rows)
    with pytest.raises(UsageError, match="'attention'"):
        sees.run(sees.prepare(paths), ("attention",))


@pytest.mark.parametrize("options", [{"top_k": 0}, {"threshold": 1.5}, {"batch": 0}])
def test_options_that_are_not_possible_are_refused(sees: Any, options: dict[str, Any]):
    with pytest.raises(UsageError):
        sees.stream([], **options)


@pytest.mark.parametrize("name", ["cuda", "CUDAExecutionProvider", "nonsense"])
def test_a_provider_that_is_not_there_is_an_error_and_never_the_cpu(picture_file: Any, name: str):
    with pytest.raises(UsageError, match=r"CUDAExecutionProvider|nonsense") as error:
        tlzoo.load(picture_file.path, providers=[name])
    assert "CPUExecutionProvider" in error.value.hint
    assert ("pip install onnxruntime-gpu" in error.value.hint) == (name != "nonsense")


def test_a_provider_that_gives_up_is_an_error_and_never_the_cpu(picture_file: Any, monkeypatch: pytest.MonkeyPatch):
    import onnxruntime

    there = ["CUDAExecutionProvider", "CPUExecutionProvider"]
    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: there)  # as of a wheel whose CUDA is missing
    with pytest.raises(UsageError, match="could not start CUDAExecutionProvider"):
        tlzoo.load(picture_file.path, providers=["cuda"])


def test_the_cpu_has_a_short_name(picture_file: Any):
    assert tlzoo.load(picture_file.path, providers=["cpu"]).providers == ("CPUExecutionProvider",)


def test_tasks_are_made_in_order_and_read_only_as_far_ahead_as_asked():
    read: list[int] = []

    def tasks() -> Iterator[int]:
        for number in range(50):
            read.append(number)
            yield number

    made = prefetch_map(tasks(), lambda number: number * number, threads=3, depth=4)
    assert [next(made) for _ in range(10)] == [number * number for number in range(10)]
    assert len(read) <= 15
    assert list(made) == [number * number for number in range(10, 50)]
