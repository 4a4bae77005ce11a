"""What is held out of a data set: how many of each group, never the last of a label, and which errors say why not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo.data.samples import Samples
from tlzoo.data.splits import read_splits, split
from tlzoo.errors import DataError, HookError, UsageError
from tlzoo.tasks import make_task

TASK: Any = make_task("text-classification")
SEVERAL: Any = make_task("text-multilabel")
NUMBERS: Any = make_task("text-regression")


def texts(targets: list[Any] | None, count: int = 0) -> Samples:
    names = tuple(f"text {at}" for at in range(len(targets) if targets is not None else count))
    return Samples(names, None if targets is None else tuple(targets), "text")


@pytest.mark.parametrize(
    ("count", "share", "taken"),
    [(2, 0.01, 1), (2, 0.99, 1), (3, 0.5, 2), (5, 0.1, 1), (5, 0.3, 2), (5, 0.29, 1), (10, 0.25, 3), (4, 0.9, 3)],
)
def test_a_share_is_rounded_and_both_halves_hold_one(count: int, share: float, taken: int):
    for samples in (texts(["a"] * count), texts(None, count), texts([str(at) for at in range(count)])):
        task = NUMBERS if samples.targets and samples.targets[0] == "0" else TASK
        rest, part = split(samples, share, 0, task)
        assert (len(rest), len(part)) == (count - taken, taken)
        assert not set(rest.inputs) & set(part.inputs)


def test_each_group_is_split_by_itself_and_the_order_is_kept():
    samples = texts(["b", "a"] * 10)
    rest, part = split(samples, 0.2, 3, TASK)
    assert Counter(part.targets) == {"a": 2, "b": 2}
    for half in (rest, part):
        assert list(half.inputs) == sorted(half.inputs, key=lambda name: int(name.split()[1]))
    assert split(samples, 0.2, 3, TASK) == (rest, part)
    assert split(samples, 0.2, 4, TASK) != (rest, part)


def test_the_seed_says_which_samples_are_taken_for_ever():
    generator = np.random.default_rng(7)
    taken = [place for group in ([1, 3, 5, 7, 9], [0, 2, 4, 6, 8]) for place in generator.permutation(group)[:2]]
    part = split(texts(["b", "a"] * 5), 0.4, 7, TASK)[1]
    assert part.inputs == tuple(f"text {at}" for at in sorted(taken))


@pytest.mark.parametrize("share", [0, 1, -0.5, 2])
def test_a_share_is_between_0_and_1(share: float):
    with pytest.raises(UsageError) as error:
        split(texts(["a", "a"]), share, 0, TASK)
    assert (error.value.message, error.value.hint, error.value.parameter) == (
        f"The held-out share must be between 0 and 1, not {share}.",
        "Try 0.2.",
        "share",
    )


@pytest.mark.parametrize(
    ("samples", "what"),
    [
        (texts(["a", "a", "b"]), "Label 'b' has only 1 sample"),
        (texts(None, 1), "Only 1 sample is left"),
    ],
)
def test_one_sample_is_too_few(samples: Samples, what: str):
    with pytest.raises(DataError) as error:
        split(samples, 0.5, 0, TASK)
    assert error.value.message == f"{what}, too few to split."
    assert error.value.hint == "Add samples, or give a separate test set."


@pytest.mark.parametrize(
    ("labels", "tested", "said"),
    [
        (
            ["a"] * 9 + ["b"] * 2,
            False,
            "'b' has 2 samples. 3 of each are needed, for training, validation and testing.",
        ),
        (["a"] * 9 + ["b"], True, "'b' has 1 sample. 2 of each are needed, for training and validation."),
        (["a"] * 19 + [f"{at}" for at in range(8)], False, "'4' has 1 sample and 3 other labels. 3 of each are needed"),
    ],
)
def test_a_label_of_fewer_samples_than_parts_is_named_with_the_data(
    tmp_path: Path, labels: list[str], tested: bool, said: str
):
    path, test = table(tmp_path / "d.csv", *labels), table(tmp_path / "t.csv", "a", "b")
    with pytest.raises(DataError) as error:
        read_splits(path, test if tested else None, TASK, {}, 0)
    assert error.value.message.startswith(f"{path} has too few samples of some labels: ")
    assert said in error.value.message
    assert error.value.parameter == "data"
    assert "columns" not in error.value.hint


def test_a_column_of_free_text_for_labels_is_asked_about(tmp_path: Path):
    with pytest.raises(DataError, match="Or is another column that of the labels"):
        read_splits(table(tmp_path / "d.csv", *map(str, range(20))), None, TASK, {}, 0)


def copied(times: int, *labels: str) -> Samples:
    names = tuple(f"text {at}" for at, _ in enumerate(labels) for _ in range(times))
    return Samples(names, tuple(label for label in labels for _ in range(times)), "text")


@pytest.mark.parametrize("task", [TASK, SEVERAL])
def test_copies_stay_in_one_half_and_each_half_has_its_share(task: Any):
    samples = copied(3, *["a", "b"] * 10)
    rest, part = split(samples, 0.2, 0, task)
    assert not set(rest.inputs) & set(part.inputs)
    assert (len(rest), len(part)) == (48, 12)
    apart = split(samples, 0.2, 0, task, together=False)
    assert set(apart[0].inputs) & set(apart[1].inputs)


def test_copies_of_one_sample_are_one_sample():
    with pytest.raises(DataError, match=r"Label 'b' has only 1 sample \(3 copies of it\), too few to split."):
        split(copied(3, "a", "a", "b"), 0.5, 0, TASK)
    with pytest.raises(DataError, match="Every sample of label 'b' is a copy of one of another label"):
        split(Samples(("x", "y", "x"), ("a", "a", "b"), "text"), 0.5, 0, TASK)


def test_the_last_sample_of_a_label_is_never_held_out():
    samples = texts(["a;x", "a", "a;b", "a", "a;b", "a"])
    for seed in range(20):
        rest, part = split(samples, 0.5, seed, SEVERAL)
        assert len(part) == 3
        assert {"x", "b", "a"} == {label for target in rest.targets or () for label in SEVERAL.labels_in(target)}


@pytest.mark.parametrize(("share", "taken"), [(0.01, 1), (0.24, 2), (0.25, 3), (0.99, 9)])
def test_of_several_labels_a_share_of_all_samples_is_taken(share: float, taken: int):
    rest, part = split(texts(["a"] * 10), share, 0, SEVERAL)
    assert (len(rest), len(part)) == (10 - taken, taken)


def test_every_label_once_leaves_nothing_to_hold_out():
    with pytest.raises(DataError) as error:
        split(texts(["a", "b", "c"]), 0.5, 0, SEVERAL)
    assert error.value.message == "No sample can be held out: every sample has a label that occurs only once."
    assert error.value.hint == "Add samples, or give a separate test set."


def test_no_label_anywhere_is_one_group():
    rest, part = split(texts(["", "", "", ""]), 0.5, 0, SEVERAL)
    assert (len(rest), len(part)) == (2, 2)


def test_a_plugins_group_must_be_hashable():
    def group(self: Any, target: str) -> Any:
        return [target]

    odd: Any = type("Odd", (type(TASK),), {"group": group, "plugin": "odd"})(TASK.name, TASK.labels)
    with pytest.raises(HookError) as error:
        split(texts(["a", "a"]), 0.5, 0, odd)
    assert "`group` returns ['a'], which is not hashable, as a string or a tuple is." in str(error.value)
    fine: Any = type("Fine", (type(TASK),), {"plugin": "odd"})(TASK.name, TASK.labels)
    assert len(split(texts(["a", "a"]), 0.5, 0, fine)[1]) == 1


def table(path: Path, *labels: str) -> Path:
    rows = "".join(f"text {at} of {path.stem},{label}\n" for at, label in enumerate(labels))
    path.write_text(f"text,label\n{rows}")
    return path


def test_without_a_test_set_a_fifth_is_held_out_and_a_fifth_of_the_rest_validates(tmp_path: Path):
    path = table(tmp_path / "d.csv", *["a", "b"] * 25)
    splits = read_splits(path, None, TASK, {}, 5)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [32, 8, 10]
    assert splits.held_out
    assert splits.reports["data"].roles == {"text", "label"}
    train, test = split(Samples((*splits.train.inputs,), splits.train.targets, "text"), 0.2, 5, TASK)
    assert len(train) + len(test) == 32
    assert splits == read_splits(path, None, TASK, {}, 5)
    assert splits != read_splits(path, None, TASK, {}, 6)


def test_a_test_set_that_is_given_is_not_held_out(tmp_path: Path):
    path, test = table(tmp_path / "d.csv", *["a", "b"] * 5), table(tmp_path / "t.csv", "a", "b", "a")
    splits = read_splits(path, test, TASK, {}, 5)
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [8, 2, 3]
    assert not splits.held_out
    assert splits.test.inputs[0] == "text 0 of t"


def test_the_test_part_of_a_folder_is_taken(tmp_path: Path):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        table(tmp_path / name / "train.csv", *["a", "b"] * 5)
        table(tmp_path / name / "test.csv", *["a", "b"][: 1 + (name == "two")])
    splits = read_splits(tmp_path / "one", None, TASK, {}, 5)
    assert (len(splits.test), splits.held_out) == (1, False)
    assert len(read_splits(tmp_path / "one", tmp_path / "two", TASK, {}, 5).test) == 2


def test_labels_that_only_the_test_set_has_are_named(tmp_path: Path):
    path, test = table(tmp_path / "d.csv", *["a", "b"] * 5), table(tmp_path / "t.csv", "c", "b", "d")
    with pytest.raises(DataError) as error:
        read_splits(path, test, TASK, {}, 5)
    assert error.value.message == "The test data has labels that are not in the training data: 'c', 'd'."
    assert error.value.hint == "Add training samples with these labels, or remove them from the test data."


def test_an_error_names_the_argument_it_is_about(tmp_path: Path):
    path, one = table(tmp_path / "d.csv", *["a", "b"] * 5), table(tmp_path / "one.csv", "a", "a")
    empty = table(tmp_path / "empty.csv")
    for given, test, parameter in ((one, None, "data"), (path, empty, "test"), (empty, path, "data")):
        with pytest.raises(DataError) as error:
            read_splits(given, test, TASK, {}, 5)
        assert error.value.parameter == parameter
