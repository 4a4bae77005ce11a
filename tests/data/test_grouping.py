"""Groups stay in one part, labels keep their shares, and too few groups are told with their number."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlzoo.data import Samples, read_splits, split, validation_copies
from tlzoo.data.grouping import deal, joined
from tlzoo.errors import DataError, UsageError
from tlzoo.tasks import make_task

TASK: Any = make_task("text-classification")
NUMBERS: Any = make_task("text-regression")


def table(path: Path, rows: list[Any], head: str = "text,label,patient") -> Path:
    path.write_text("\n".join([head, *(",".join(map(str, row)) for row in rows)]) + "\n")
    return path


def patients(count: int, groups: int, labels: str = "aab") -> list[Any]:
    random = np.random.default_rng(0)
    return [(f"text {at}", random.choice(list(labels)), f"p{at % groups}") for at in range(count)]


def test_what_is_joined_by_any_key_is_together():
    assert joined("abca") == [[0, 3], [1], [2]]
    assert joined("aabbc", "xyyzw") == [[0, 1, 2, 3], [4]]
    assert joined("abcd", "xxyz", "mnnm") == [[0, 1, 2, 3]]


@given(
    st.lists(st.tuples(st.sampled_from("abcdefgh"), st.sampled_from("xyz")), min_size=1, max_size=60), st.integers(0)
)
def test_whole_units_are_dealt_and_the_first_part_keeps_each_label(pairs: list[tuple[str, str]], seed: int):
    groups, labels = [each[0] for each in pairs], [each[1] for each in pairs]
    parts = deal(joined(groups), labels, (0.6, 0.2, 0.2), np.random.default_rng(seed), keep=True)
    assert sorted(at for part in parts for at in part) == list(range(len(pairs)))
    where = [{groups[at] for at in part} for part in parts]
    assert sum(map(len, where)) == len(set(groups))
    assert {labels[at] for at in parts[0]} == set(labels)


@pytest.mark.parametrize("seed", range(5))
def test_groups_are_apart_and_labels_in_proportion(tmp_path: Path, seed: int):
    path = table(tmp_path / "t.csv", patients(400, 41, "aaabbc"))
    splits = read_splits(path, None, TASK, {"group_column": "patient"}, seed)
    assert sum(splits.groups().values()) == 41
    assert splits.groups()["test"] in (7, 8, 9)
    whole = Counter(label for part in splits.by_name().values() for label in part.targets or ())
    for part, share in zip(splits.by_name().values(), (0.64, 0.16, 0.2), strict=True):
        assert len(part) / 400 == pytest.approx(share, abs=0.03)
        for label, count in Counter(part.targets).items():
            assert count / len(part) == pytest.approx(whole[label] / 400, abs=0.06)
    assert splits == read_splits(path, None, TASK, {"group_column": "patient"}, seed)
    assert splits != read_splits(path, None, TASK, {"group_column": "patient"}, seed + 1)


def test_numbers_have_groups_too(tmp_path: Path):
    rows = [(f"text {at}", at / 7, f"p{at % 10}") for at in range(100)]
    splits = read_splits(table(tmp_path / "t.csv", rows), None, NUMBERS, {"group_column": "patient"}, 0)
    assert {name: len(part) for name, part in splits.by_name().items()} == {
        "training": 60,
        "validation": 20,
        "test": 20,
    }


def test_a_copy_in_another_group_joins_the_two():
    samples = Samples(("x", "y", "x", "z", "w"), ("a", "a", "a", "a", "a"), "text", groups=("p", "p", "q", "q", "r"))
    rest, part = split(samples, 0.2, 0, TASK)
    assert (set(rest.groups), set(part.groups)) == ({"p", "q"}, {"r"})


def test_few_groups_leave_one_for_each_part(tmp_path: Path):
    rows = [(f"text {at}", "ab"[at % 2], f"p{at // 10}") for at in range(30)]
    splits = read_splits(table(tmp_path / "t.csv", rows), None, TASK, {"group_column": "patient"}, 0)
    assert splits.groups() == {"training": 1, "validation": 1, "test": 1}
    with pytest.raises(DataError, match="has 2 groups of training samples; 3 are needed, for training, validation and"):
        read_splits(table(tmp_path / "t.csv", rows[:20]), None, TASK, {"group_column": "patient"}, 0)


def test_where_each_group_has_a_label_alone_none_can_be_held_out(tmp_path: Path):
    rows = [(f"text {at}", "abcd"[at % 4], f"p{at % 4}") for at in range(40)]
    with pytest.raises(DataError, match="No group can be held out: each has a label that no other group") as caught:
        read_splits(table(tmp_path / "t.csv", rows), None, TASK, {"group_column": "patient"}, 0)
    assert caught.value.parameter == "data"


def test_a_label_in_too_few_groups_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = [*patients(90, 9, "ab"), ("rare", "c", "p0"), ("rare too", "c", "p0")]
    splits = read_splits(table(tmp_path / "t.csv", rows), None, TASK, {"group_column": "patient"}, 0)
    assert "c" in (splits.train.targets or ())
    assert "The test data lacks labels that are in too few groups: 'c'." in capsys.readouterr().err


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_group_in_two_parts_is_named(tmp_path: Path, part: str):
    path = table(tmp_path / "t.csv", patients(90, 9))
    other = table(tmp_path / "o.csv", [("new", "a", "p8"), ("newer", "b", "p9")])
    given: dict[str, Any] = {"test": None, part: other}
    with pytest.raises(
        DataError, match=rf"Group 'p8' is on both sides: 10 .* training data and 1 in the {part} data\."
    ):
        read_splits(path, given.pop("test"), TASK, {"group_column": "patient"}, 0, **given)


def test_groups_in_a_split_column_are_checked(tmp_path: Path):
    rows = [(f"text {at}", "ab"[at % 2], f"p{at}", ["train", "val", "test"][at % 3]) for at in range(30)]
    path = table(tmp_path / "t.csv", rows, "text,label,patient,split")
    columns: Any = {"group_column": "patient", "split_column": "split"}
    assert read_splits(path, None, TASK, columns, 0).groups() == {"training": 10, "validation": 10, "test": 10}
    path = table(path, [*rows, ("again", "a", "p1", "train")], "text,label,patient,split")
    with pytest.raises(DataError, match="Group 'p1' is on both sides"):
        read_splits(path, None, TASK, columns, 0)


def test_a_set_without_the_column_cannot_be_checked_which_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    path = table(tmp_path / "t.csv", patients(90, 9))
    other = table(tmp_path / "o.csv", [("new", "a"), ("newer", "b")], "text,label")
    splits = read_splits(path, other, TASK, {"group_column": "patient"}, 0)
    assert set(splits.groups()) == {"training", "validation"}
    assert "Whether groups of the test data are in the training data is not known" in capsys.readouterr().err


def test_a_validation_set_is_read_as_a_test_set_is(tmp_path: Path):
    path = table(tmp_path / "t.csv", patients(60, 9, "ab"))
    own = table(tmp_path / "v.csv", [("text 0", "a"), ("new", "a"), ("newer", "a")], "text,label")
    splits = read_splits(path, None, TASK, {}, 0, validation=own)
    assert (len(splits.validation), len(splits.train), len(splits.test)) == (3, 48, 12)
    assert (splits.own_validation, splits.held_out) == (True, True)
    assert validation_copies(splits) == int("text 0" in splits.train.inputs)
    assert set(splits.reports) == {"data", "validation"}
    both = read_splits(path, own, TASK, {}, 0, validation=own)
    assert (len(both.train), both.held_out) == (60, False)
    table(own, [("new", "x")], "text,label")
    with pytest.raises(DataError, match="The validation data has labels that are not in the training data: 'x'"):
        read_splits(path, None, TASK, {}, 0, validation=own)


@pytest.mark.parametrize("part", ["val", "test", "Test", "dev"])
def test_a_folder_of_the_data_that_is_given_as_a_part_is_not_read_with_it(
    tmp_path: Path, part: str, capsys: pytest.CaptureFixture[str]
):
    for half in ("train", part):
        for label in "ab":
            (tmp_path / half / label).mkdir(parents=True)
            for at in range(5):
                (tmp_path / half / label / f"{at}.txt").write_text(f"{half} {label} {at}")
    splits = read_splits(tmp_path, None, TASK, {}, 0, validation=tmp_path / part)
    assert set(splits.validation.inputs) == {f"{part} {label} {at}" for label in "ab" for at in range(5)}
    assert (len(splits.train), len(splits.test), splits.held_out) == (8, 2, True)
    assert read_splits(tmp_path, tmp_path / part, TASK, {}, 0).test.inputs == splits.validation.inputs
    assert capsys.readouterr().err == ""


def test_of_a_set_in_two_parts_one_is_read_and_the_other_counted(tmp_path: Path):
    path = table(tmp_path / "t.csv", patients(60, 9, "ab"))
    for half in ("train", "test"):
        table(tmp_path / f"{half}.csv", [(f"{half} a", "a"), (f"{half} b", "b")], "text,label")
    path = path.rename(tmp_path.parent / f"{tmp_path.name}.csv")
    tested = read_splits(path, tmp_path, TASK, {}, 0)
    assert tested.test.inputs == ("test a", "test b")
    assert tested.reports["test"].facts()["left_out"] == {"training_part": {".csv": 2}}
    own = read_splits(path, None, TASK, {}, 0, validation=tmp_path)
    assert own.validation.inputs == ("train a", "train b")
    assert own.reports["validation"].facts()["left_out"] == {"test_part": {".csv": 2}}


@pytest.mark.parametrize("part", ["test", "validation"])
def test_a_part_of_the_column_is_not_given_beside_it(tmp_path: Path, part: str):
    rows = [(f"text {at}", "ab"[at % 2], ["train", "val", "test"][at % 3]) for at in range(30)]
    path = table(tmp_path / "t.csv", rows, "text,label,split")
    given: dict[str, Any] = {"test": None, part: path}
    with pytest.raises(UsageError, match=f"which has {part} rows") as caught:
        read_splits(path, given.pop("test"), TASK, {"split_column": "split"}, 0, **given)
    assert caught.value.parameter == part


def test_a_part_that_the_column_lacks_is_split_off_and_it_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = [(f"text {at}", "ab"[at % 2], "test" if at < 10 else "train") for at in range(60)]
    path = table(tmp_path / "t.csv", rows, "text,label,split")
    splits = read_splits(path, None, TASK, {"split_column": "split"}, 0)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (40, 10, 10)
    assert "no row is for validation in 'split': a fifth of the training rows is taken" in capsys.readouterr().err


def test_weights_stay_with_their_samples_and_may_not_all_be_0(tmp_path: Path):
    rows = [(f"text {at}", "ab"[at % 2], at) for at in range(30)]
    splits = read_splits(table(tmp_path / "t.csv", rows, "text,label,w"), None, TASK, {"weight_column": "w"}, 0)
    for part in splits.by_name().values():
        assert part.weights == tuple(float(str(text).split()[1]) for text in part.inputs)
    nothing = table(tmp_path / "t.csv", [(*row[:2], 0) for row in rows], "text,label,w")
    with pytest.raises(DataError, match="gives each training sample the weight 0"):
        read_splits(nothing, None, TASK, {"weight_column": "w"}, 0)


def test_groups_of_texts_in_a_table_are_no_files(tmp_path: Path):
    with pytest.raises(UsageError, match=r"has no effect: .* is a table of texts"):
        read_splits(table(tmp_path / "t.csv", patients(30, 5)), None, TASK, {}, 0, group_by="folder")
