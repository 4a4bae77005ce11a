"""Data as models take them: arrays, targets, contexts, and long inputs in windows whose outputs become whole again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np
import pytest

from tlzoo.data.dataset import TaskDataset, make_dataset
from tlzoo.data.samples import Samples
from tlzoo.errors import DataError
from tlzoo.tasks.base import Output, Task
from tlzoo.tasks.windows import Window, WindowOutputs

WIDTH, STEP = 4, 3


@dataclass(frozen=True)
class Letters(Task):
    """Whether each letter of a text is a vowel: a target is a string of 0 and 1, and long texts come in windows."""

    contextual: ClassVar[bool] = True
    headline: ClassVar[str] = "accuracy"

    @property
    def outputs(self) -> tuple[Output, ...]:
        """A score of each letter, and one of the whole."""
        return (Output("vowels", ("batch", "letters")), Output("length", ("batch", 1)))

    def windows(self, input: str, preprocessor: Any) -> Sequence[Window] | None:
        """Four letters each, three letters apart."""
        if len(input) <= WIDTH:
            return None
        starts = range(0, len(input) - WIDTH + STEP, STEP)
        return [Window(input[start : start + WIDTH], start) for start in starts]

    def cut(self, target: str, window: Window) -> str:
        """The places in the window."""
        return target[window.start : window.start + len(window.input)]

    def merge(self, parts: Sequence[WindowOutputs]) -> tuple[dict[str, np.ndarray], Any]:
        """Each letter from the last window that holds it; lengths are where the last ends."""
        vowels = np.zeros(parts[-1].window.start + len(parts[-1].window.input), np.float32)
        for part in parts:
            vowels[part.window.start : part.window.start + len(part.window.input)] = part.outputs["vowels"]
        text = "".join(part.context[: STEP if part is not parts[-1] else None] for part in parts)
        return {"vowels": vowels, "length": np.array([len(vowels)], np.float32)}, text

    def check_known(self, targets: Sequence[str]) -> None:
        """0 and 1 alone."""
        if strange := {sign for target in targets for sign in target} - {"0", "1"}:
            raise DataError(f"Labels not in the training data: {', '.join(sorted(strange))}.")

    def collate(self, targets: Sequence[str], contexts: Sequence[Any]) -> dict[str, np.ndarray]:
        """`vowels` [N, longest], -100 where a text is over."""
        assert [len(target) for target in targets] == [len(context) for context in contexts]
        rows = np.full((len(targets), max(map(len, targets))), -100)
        for row, target in zip(rows, targets, strict=True):
            row[: len(target)] = [int(sign) for sign in target]
        return {"vowels": rows}

    def metrics(self, outputs: Mapping[str, Any], targets: Sequence[str], contexts: Sequence[str]) -> dict[str, float]:
        """The share of letters that are right; contexts are the texts."""
        assert [len(target) for target in targets] == [len(context) for context in contexts]
        pairs = zip(outputs["vowels"], targets, strict=True)
        right = [float(score) == int(sign) for row, target in pairs for score, sign in zip(row, target, strict=True)]
        return {"accuracy": float(np.mean(right))}


@dataclass
class Spelling:
    """A preprocessor of letters, padded, whose contexts are the texts themselves; `asked` counts for what it ran."""

    asked: list[str] = field(default_factory=list)

    def __call__(self, inputs: Sequence[str]) -> dict[str, np.ndarray]:
        longest = max(map(len, inputs))
        codes = np.array([[ord(sign) for sign in text.ljust(longest, "\0")] for text in inputs])
        return {"letters": codes, "attention_mask": (codes != 0).astype(np.int64)}

    def with_contexts(self, inputs: Sequence[str]) -> tuple[dict[str, np.ndarray], list[str]]:
        self.asked += inputs
        return self(inputs), list(inputs)


def vowels(text: str) -> str:
    return "".join(str(int(sign in "aeiou")) for sign in text)


TASK = Letters("text-letters")
TEXTS = ("aardvarks", "bee", "cow", "antelopes")
SAMPLES = Samples(TEXTS, tuple(map(vowels, TEXTS)), "text")
WINDOWS = ["aard", "dvar", "rks", "bee", "cow", "ante", "elop", "pes"]


def by_the_model(data: TaskDataset) -> dict[str, Any]:
    """What a model gives that is right of every input, ragged outputs without padding."""
    rows = [np.array([int(sign) for sign in vowels(text)], np.float32) for text in data.inputs]
    return {"vowels": rows, "length": np.array([[len(row)] for row in rows], np.float32)}


def test_short_inputs_stay_whole_and_have_no_windows():
    data = make_dataset(SAMPLES.subset([1, 2]), TASK, Spelling())
    assert (data.windows, data.whole, data.samples, len(data)) == (None, None, 2, 2)
    assert (data.inputs, data.targets, data.sample_targets) == (("bee", "cow"), ("011", "010"), ("011", "010"))
    assert data.modality == "text"


def test_long_inputs_come_in_windows_with_the_targets_that_lie_in_them():
    data = make_dataset(SAMPLES, TASK, Spelling())
    assert list(data.inputs) == WINDOWS
    assert list(data.targets or ()) == list(map(vowels, WINDOWS))
    assert (data.samples, len(data)) == (4, 8)
    assert [[window.start for window in each] for each in data.windows or ()] == [[0, 3, 6], [0], [0], [0, 3, 6]]
    assert data.sample_targets == SAMPLES.targets
    assert data.arrays([3, 0])["letters"].shape == (2, 4)
    assert data.collated([3, 4])["vowels"].tolist() == [[0, 1, 1], [0, 1, 0]]
    assert data.collated([0, 3])["vowels"].tolist() == [[1, 1, 0, 0], [0, 1, 1, -100]]


def test_copies_of_samples_are_counted_once_whole_or_in_windows():
    assert make_dataset(SAMPLES.subset([1, 2, 1, 1]), TASK, Spelling()).distinct() == 2
    assert make_dataset(SAMPLES.subset([0, 3, 0, 1, 1]), TASK, Spelling()).distinct() == 3


def test_outputs_of_windows_become_those_of_whole_samples_and_are_measured_as_such():
    data = make_dataset(SAMPLES, TASK, Spelling())
    outputs, contexts = data.merge_outputs(by_the_model(data))
    assert contexts == list(TEXTS)
    assert [row.astype(int).tolist() for row in outputs["vowels"]] == [
        [int(sign) for sign in vowels(text)] for text in TEXTS
    ]
    assert np.asarray(outputs["length"]).tolist() == [[9], [3], [3], [9]]
    assert data.metrics(by_the_model(data)) == {"accuracy": 1.0}
    wrong = by_the_model(data)
    wrong["vowels"][3] = 1 - wrong["vowels"][3]  # bee, all of it
    assert data.metrics(wrong) == {"accuracy": pytest.approx(21 / 24)}


def test_without_windows_outputs_are_those_of_the_samples():
    data = make_dataset(SAMPLES.subset([1, 2]), TASK, Spelling())
    outputs = by_the_model(data)
    merged, contexts = data.merge_outputs(outputs)
    assert merged is outputs
    assert contexts == ["bee", "cow"]


def test_lengths_are_asked_for_once_and_only_where_outputs_vary():
    data = make_dataset(SAMPLES, TASK, Spelling())
    assert data.lengths([3, 0]) == [3, 4]
    seen: list[Any] = []
    again = replace(data, preprocessor=lambda inputs: seen.append(inputs) or Spelling()(inputs))
    assert again.lengths([4, 3]) == again.lengths([3, 4]) == [3, 3]
    assert seen == [["cow", "bee"]]
    assert replace(data, preprocessor=lambda inputs: {"letters": np.zeros((len(inputs), 4))}).lengths([0]) is None
    whole = make_dataset(SAMPLES, replace_outputs(Output("length", ("batch", 1))), Spelling())
    assert whole.lengths([0]) is None


def replace_outputs(*outputs: Output) -> Task:
    """The task with outputs of its own."""

    class Other(Letters):
        @property
        def outputs(self) -> tuple[Output, ...]:
            return outputs

    return Other("text-letters")


def test_contexts_are_asked_for_once_and_only_by_a_task_that_wants_them():
    spelling = Spelling()
    data = make_dataset(SAMPLES, TASK, spelling)
    assert data.contexts([3, 3, 0]) == ["bee", "bee", "aard"]
    assert data.contexts(range(8)) == WINDOWS
    assert sorted(set(spelling.asked)) == sorted(set(WINDOWS))
    assert spelling.asked.count("aard") == 1
    assert data.lengths(range(8)) == list(map(len, WINDOWS))
    assert sorted(spelling.asked) == sorted(WINDOWS)

    class Uncurious(Letters):
        contextual: ClassVar[bool] = False

    spelling.asked.clear()
    assert make_dataset(SAMPLES, Uncurious("text-letters"), spelling).contexts([0, 1]) == [None, None]
    assert spelling.asked == []


def test_a_copy_of_other_inputs_knows_nothing_of_the_first_ones_contexts_and_lengths():
    data = make_dataset(SAMPLES, TASK, Spelling())
    assert (data.contexts([0]), data.lengths([0])) == (["aard"], [4])
    other = replace(data, inputs=("ox",), targets=("10",), windows=None, whole=None)
    assert (other.contexts([0]), other.lengths([0])) == (["ox"], [2])


def test_labels_that_the_task_does_not_know_are_refused_and_unlabelled_data_are_not_asked():
    with pytest.raises(DataError, match=r"not in the training data: x\. The first is sample 2, 'cow'"):
        make_dataset(Samples(("bee", "cow"), ("011", "0x0"), "text"), TASK, Spelling())
    with pytest.raises(DataError, match=r"not in the training data: x\. The first is sample 1, 'aardvarks'"):
        make_dataset(Samples(("aardvarks",), ("11010x000",), "text"), TASK, Spelling())
    with pytest.raises(DataError, match=r"The first is sample 1, 'bee \| cow'"):
        make_dataset(Samples((("bee", "cow"),), ("0x0",), "text"), TASK, Spelling())
    data = make_dataset(Samples(TEXTS, None, "text"), TASK, Spelling())
    assert (data.targets, data.samples, len(data)) == (None, 4, 8)


def test_some_samples_are_taken_with_all_of_their_windows():
    data = make_dataset(SAMPLES, TASK, Spelling())
    some = data.subset([3, 1])
    assert list(some.inputs) == ["ante", "elop", "pes", "bee"]
    assert (some.samples, list(some.sample_targets)) == (2, [vowels("antelopes"), vowels("bee")])
    assert some.metrics(by_the_model(some)) == {"accuracy": 1.0}
    assert list(data.first(2).inputs) == WINDOWS[:4]
    assert [data.sample_of(at) for at in range(8)] == [0, 0, 0, 1, 2, 3, 3, 3]
    short = make_dataset(SAMPLES.subset([1, 2]), TASK, Spelling())
    assert list(short.subset([1]).inputs) == ["cow"]
    assert (short.sample_of(1), list(short.first(9).inputs)) == (1, ["bee", "cow"])
