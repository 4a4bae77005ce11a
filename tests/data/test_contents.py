"""What is odd about labelled samples: copies, labels that look alike, small classes, rows with the same input."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tlzoo.data.contents import alike, describe_contents, merge_rows
from tlzoo.data.samples import Samples, TrainTestSamples
from tlzoo.errors import DataError
from tlzoo.io.inputs.report import ReadReport
from tlzoo.tasks import make_task

TASK: Any = make_task("text-classification")
SEVERAL: Any = make_task("image-multilabel")
PICTURES: Any = make_task("image-classification")
PLACE = Path("labels.csv")


def texts(*pairs: tuple[str, str]) -> Samples:
    return Samples(tuple(text for text, _ in pairs), tuple(label for _, label in pairs), "text")


@pytest.mark.parametrize(
    ("labels", "found"),
    [
        (["1", "1.0", "2"], [("1", "1.0")]),
        (["true", "True", "TRUE"], [("TRUE", "True", "true")]),
        (["caf\u00e9", "cafe\u0301"], [("cafe\u0301", "caf\u00e9")]),
        (["a\u200bb", "ab"], [("ab", "a\u200bb")]),
        (["new  york", "New York", "york"], [("New York", "new  york")]),
        (["nan", "NaN", "none"], [("NaN", "nan")]),
        (["a", "b", "1e", "\u00e4"], []),
        (["a", "a"], []),
    ],
)
def test_labels_that_look_alike(labels: list[str], found: list[tuple[str, ...]]):
    assert alike(labels) == found


def test_copies_of_all_parts_are_counted_and_so_are_small_classes():
    train = texts(("x", "a"), ("x", "a"), ("y", "a"), ("y", "b"), *((f"{at}", "a") for at in range(4)))
    report = ReadReport(used=10)
    describe_contents(TrainTestSamples(train, texts(("x", "b"), ("z", "b"))), TASK, report)
    assert (report.copies, report.contradicting, report.few) == (3, 2, {"b": 3})


def test_samples_without_labels_contradict_nothing():
    report = ReadReport(used=2)
    describe_contents(TrainTestSamples(Samples(("x", "x"), None, "text"), None), TASK, report)
    assert (report.copies, report.contradicting, report.few, report.alike) == (1, 0, {}, [])


def pictures(*pairs: tuple[str, str]) -> Samples:
    return Samples(tuple(path for path, _ in pairs), tuple(label for _, label in pairs), "image")


def test_rows_of_one_file_are_merged_where_a_sample_has_several_labels():
    report = ReadReport()
    given = pictures(("1.png", "warm"), ("2.png", ""), ("1.png", "round;warm"), ("1.png", ""), ("2.png", ""))
    merged = merge_rows(given, PLACE, SEVERAL, report)
    assert (merged.inputs, merged.targets, report.merged) == (("1.png", "2.png"), ("warm;round", ""), 3)


def test_rows_of_one_file_with_different_labels_are_refused_where_it_has_one():
    given = pictures(("1.png", "a"), ("1.png", "b"), ("2.png", "a"), ("3.png", "a"), ("3.png", "b"))
    with pytest.raises(DataError) as error:
        merge_rows(given, PLACE, PICTURES, ReadReport())
    assert error.value.message == "File labels.csv gives '1.png' different targets: 'a', 'b'; 2 files have several."
    assert "image-multilabel" in error.value.hint


def test_rows_that_repeat_themselves_stay_and_so_do_texts_that_were_labelled_twice():
    for given, task in (
        (pictures(("1.png", "a"), ("1.png", "a")), PICTURES),
        (texts(("x", "a"), ("x", "b")), TASK),
        (Samples(("1.png", "1.png"), None, "image"), PICTURES),
    ):
        report = ReadReport()
        assert merge_rows(given, PLACE, task, report) == given
        assert report.merged == 0
