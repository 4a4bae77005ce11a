from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlzoo.data import Samples, fingerprint, split
from tlzoo.errors import DataError, InputError, UsageError

counts = st.dictionaries(st.text(min_size=1, max_size=5), st.integers(2, 30), min_size=2, max_size=6)
shares = st.floats(0.01, 0.99)


def texts(counted: dict[str, int]) -> Samples:
    labels = tuple(label for label, n in counted.items() for _ in range(n))
    return Samples(tuple(f"text {i}" for i in range(len(labels))), labels, "text")


@given(counts, shares, st.integers(0, 2**32 - 1))
def test_a_split_loses_and_doubles_nothing(counted, share, seed):
    samples = texts(counted)
    rest, part = split(samples, share, seed)
    both = [*zip(rest.inputs, rest.labels, strict=True), *zip(part.inputs, part.labels, strict=True)]
    assert Counter(zip(samples.inputs, samples.labels, strict=True)) == Counter(both)


@given(counts, shares, st.integers(0, 2**32 - 1))
def test_a_split_keeps_every_label_in_both_halves_in_its_share(counted, share, seed):
    rest, part = split(texts(counted), share, seed)
    assert set(counted) == set(rest.labels) == set(part.labels)
    held = Counter(part.labels)
    assert all(abs(held[label] - n * share) <= 1 for label, n in counted.items())


@given(counts, shares, st.integers(0, 2**32 - 1))
def test_a_split_is_the_same_every_time(counted, share, seed):
    samples = texts(counted)
    assert split(samples, share, seed) == split(samples, share, seed)


def test_another_seed_gives_another_split():
    samples = texts({"a": 50, "b": 50})
    assert split(samples, 0.2, 0) != split(samples, 0.2, 1)


def test_a_label_with_one_sample_cannot_be_split_and_is_named():
    with pytest.raises(DataError, match="'rare'"):
        split(texts({"a": 5, "rare": 1}), 0.2, 0)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_outside_0_to_1_is_refused(share):
    with pytest.raises(UsageError):
        split(texts({"a": 5, "b": 5}), share, 0)


def test_unlabelled_samples_are_split_as_one_kind():
    rest, part = split(Samples(tuple("abcdefghij"), None, "text"), 0.3, 0)
    assert (len(rest), len(part), rest.labels, part.labels) == (7, 3, None, None)


def test_a_subset_keeps_the_order_asked_for():
    assert Samples(("c", "a"), ("z", "x"), "text") == Samples(("a", "b", "c"), ("x", "y", "z"), "text").subset([2, 0])


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


def test_a_file_that_is_gone_is_named_by_the_fingerprint(tmp_path):
    with pytest.raises(InputError, match=r"gone\.png"):
        fingerprint(Samples((str(tmp_path / "gone.png"),), ("x",), "image"))
