from collections import Counter
from dataclasses import dataclass

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlzoo.data import Samples, fingerprint, read_splits, split
from tlzoo.errors import DataError, InputError, UsageError
from tlzoo.tasks import Task, make_task

TASK = make_task("text-classification")

counts = st.dictionaries(st.text(min_size=1, max_size=5), st.integers(2, 30), min_size=2, max_size=6)
shares = st.floats(0.01, 0.99)


def texts(counted: dict[str, int]) -> Samples:
    labels = tuple(label for label, n in counted.items() for _ in range(n))
    return Samples(tuple(f"text {i}" for i in range(len(labels))), labels, "text")


@given(counts, shares, st.integers(0, 2**32 - 1))
def test_a_split_loses_and_doubles_nothing(counted, share, seed):
    samples = texts(counted)
    rest, part = split(samples, share, seed, TASK)
    both = [*zip(rest.inputs, rest.targets, strict=True), *zip(part.inputs, part.targets, strict=True)]
    assert Counter(zip(samples.inputs, samples.targets, strict=True)) == Counter(both)


@given(counts, shares, st.integers(0, 2**32 - 1))
def test_a_split_keeps_every_label_in_both_halves_in_its_share(counted, share, seed):
    rest, part = split(texts(counted), share, seed, TASK)
    assert set(counted) == set(rest.targets) == set(part.targets)
    held = Counter(part.targets)
    assert all(abs(held[label] - n * share) <= 1 for label, n in counted.items())


@given(counts, shares, st.integers(0, 2**32 - 1))
def test_a_split_is_the_same_every_time(counted, share, seed):
    samples = texts(counted)
    assert split(samples, share, seed, TASK) == split(samples, share, seed, TASK)


def test_another_seed_gives_another_split():
    samples = texts({"a": 50, "b": 50})
    assert split(samples, 0.2, 0, TASK) != split(samples, 0.2, 1, TASK)


def test_a_label_with_one_sample_cannot_be_split_and_is_named():
    with pytest.raises(DataError, match="'rare'"):
        split(texts({"a": 5, "rare": 1}), 0.2, 0, TASK)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(UsageError):
        split(texts({"a": 5, "b": 5}), share, 0, TASK)


def test_unlabelled_samples_are_split_as_one_kind():
    rest, part = split(Samples(tuple("abcdefghij"), None, "text"), 0.3, 0, TASK)
    assert (len(rest), len(part), rest.targets, part.targets) == (7, 3, None, None)


def test_a_subset_keeps_the_order_asked_for():
    assert Samples(("c", "a"), ("z", "x"), "text") == Samples(("a", "b", "c"), ("x", "y", "z"), "text").subset([2, 0])


@dataclass(frozen=True)
class Tagged(Task):
    """A task whose targets are lists of labels, which do not group samples."""

    def labels_in(self, target):
        """All of them."""
        return target


def test_targets_that_are_no_strings_are_split_so_that_the_rest_keeps_every_label():
    targets = (*([label, "x"] for label in "aabbccddee"), ["rare", "x"])
    samples = Samples(tuple(f"text {i}" for i in range(11)), targets, "text")
    for seed in range(20):
        rest, part = split(samples, 0.3, seed, Tagged("text-tags"))
        assert (len(rest), len(part)) == (8, 3)
        assert {label for target in rest.targets for label in target} == {*"abcde", "rare", "x"}
    with pytest.raises(DataError, match="No sample can be held out"):
        split(samples.subset([0, 2, 4]), 0.3, 0, Tagged("text-tags"))


@dataclass(frozen=True)
class Grouped(Task):
    """A task whose splits keep pairs in proportion."""

    def group(self, target):
        """Its first two."""
        return tuple(target[:2])


def test_groups_are_kept_in_proportion_whatever_they_are():
    targets = tuple([at % 2, at % 3, at] for at in range(60))
    samples = Samples(tuple(map(str, range(60))), targets, "text")
    rest, part = split(samples, 0.2, 0, Grouped("text-groups"))
    assert {(a, b): 2 for a in range(2) for b in range(3)} == Counter(tuple(target[:2]) for target in part.targets)
    assert len(rest) == 48
    with pytest.raises(DataError, match=r"\(1, 1\)"):
        split(samples.subset([0, 1, 6]), 0.2, 0, Grouped("text-groups"))


def test_a_fifth_is_held_out_and_a_fifth_of_the_rest_for_validation(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(50)))
    parts = read_splits(table, None, TASK, {}, 3)
    assert [len(part) for part in (parts.train, parts.validation, parts.test)] == [32, 8, 10]
    assert len({*parts.train.inputs, *parts.validation.inputs, *parts.test.inputs}) == 50
    assert parts == read_splits(table, None, TASK, {}, 3) != read_splits(table, None, TASK, {}, 4)


def test_a_test_set_of_its_own_is_held_out_its_test_part_where_it_has_one(tmp_path):
    rows = "text,label\n" + "".join(f"text {i},{'ab'[i % 2]}\n" for i in range(10))
    (tmp_path / "t.csv").write_text(rows)
    (tmp_path / "own.csv").write_text("text,label\nother,a\n")
    folder = tmp_path / "both"
    folder.mkdir()
    (folder / "train.csv").write_text("text,label\nunread,never seen\n")
    (folder / "test.csv").write_text("text,label\nheld,b\n")
    for test, held in ((tmp_path / "own.csv", "other"), (folder, "held")):
        parts = read_splits(tmp_path / "t.csv", test, TASK, {}, 0)
        assert (len(parts.train), len(parts.validation), parts.test.inputs) == (8, 2, (held,))


def test_labels_that_only_the_test_set_has_are_named_and_a_class_alone_is_refused(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n" + "one,a\ntwo,b\n" * 5)
    (tmp_path / "own.csv").write_text("text,label\n" + "".join(f"text,new{i}\n" for i in range(7)))
    with pytest.raises(
        DataError, match=r"not in the training data: 'new0', 'new1', 'new2', 'new3', 'new4', and 2 more\."
    ):
        read_splits(tmp_path / "t.csv", tmp_path / "own.csv", TASK, {}, 0)
    (tmp_path / "one.csv").write_text("text,label\n" + "one,a\n" * 5)
    with pytest.raises(DataError, match="only one class, 'a'"):
        read_splits(tmp_path / "one.csv", None, TASK, {}, 0)


def test_the_fingerprint_depends_on_content_and_not_on_place(tmp_path):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
        (tmp_path / name / f"{name}.png").write_bytes(b"same")
    here, there = (Samples((str(tmp_path / n / f"{n}.png"),), ("x",), "image") for n in ("here", "there"))
    before = fingerprint(here)
    assert before == fingerprint(there)
    (tmp_path / "there" / "there.png").write_bytes(b"other")
    assert before != fingerprint(there)


@pytest.mark.parametrize(
    "other",
    [
        Samples(("a", "b"), ("x", "z"), "text"),
        Samples(("b", "a"), ("x", "y"), "text"),
        Samples(("a", "b"), None, "text"),
        Samples(("a",), ("x",), "text"),
        Samples(("ab", ""), ("x", "y"), "text"),
    ],
)
def test_the_fingerprint_differs_where_samples_do(other):
    assert fingerprint(Samples(("a", "b"), ("x", "y"), "text")) != fingerprint(other)


def test_the_fingerprint_takes_targets_that_are_lists_and_mappings():
    def of(*targets):
        return fingerprint(Samples(tuple("abc"[: len(targets)]), targets, "text"))

    assert of({"label": "x", "at": [1, 2]}) == of({"at": [1, 2], "label": "x"})
    found = [of({"label": "x", "at": [1, 2]}), of({"label": "x", "at": [2, 1]}), of(["x"]), of(["x", "y"]), of("x")]
    assert len(set(found)) == len(found)


def test_the_fingerprint_of_several_inputs_knows_which_is_which(tmp_path):
    def of(*inputs):
        return fingerprint(Samples((inputs,), ("x",), "text"))

    assert len({of("a", "b"), of("b", "a"), of("ab", ""), of("", "ab"), of("a", "b", "")}) == 5
    (tmp_path / "1").write_bytes(b"1")
    one = fingerprint(Samples(((str(tmp_path / "1"), str(tmp_path / "1")),), None, "image"))
    (tmp_path / "2").write_bytes(b"1")
    assert one == fingerprint(Samples(((str(tmp_path / "1"), str(tmp_path / "2")),), None, "image"))
    with pytest.raises(InputError, match="gone"):
        fingerprint(Samples(((str(tmp_path / "1"), str(tmp_path / "gone")),), None, "image"))


def test_a_file_that_is_gone_is_named_by_the_fingerprint(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png"):
        fingerprint(Samples((str(tmp_path / "gone.png"),), ("x",), "image"))


@pytest.mark.parametrize(("count", "held"), [(7, 1), (8, 2), (12, 2), (13, 3)])
def test_a_share_of_a_label_is_rounded_to_the_nearest_number(count, held):
    _, part = split(texts({"a": count, "b": count}), 0.2, 0, TASK)
    assert Counter(part.targets) == {"a": held, "b": held}
