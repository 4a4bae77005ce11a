"""The demo's texts: fetched by package, balanced, disjoint, the same every time."""

from __future__ import annotations

import csv
from pathlib import Path

from tlzoo.demo.tweets import prepare


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_texts_are_balanced_and_train_and_test_do_not_share_them(tmp_path: Path):
    train, test = map(rows, prepare(tmp_path, n_train=300, n_test=100))
    for part, size in ((train, 300), (test, 100)):
        assert size == len(part)
        assert size // 2 == sum(row["label"] == "positive" for row in part)
        assert {"positive", "negative"} == {row["label"] for row in part}
    texts = [row["text"].casefold() for row in train + test]
    assert len(texts) == len(set(texts))
    assert all(text.strip() for text in texts)


def test_the_same_bytes_are_written_again(tmp_path: Path):
    first, again = (prepare(tmp_path / name, n_train=50, n_test=20) for name in "ab")
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in again]


def test_the_test_file_does_not_depend_on_the_number_of_training_texts(tmp_path: Path):
    few = prepare(tmp_path / "few", n_train=20, n_test=40)[1]
    many = prepare(tmp_path / "many", n_train=400, n_test=40)[1]
    assert few.read_bytes() == many.read_bytes()


def test_labels_follow_the_sentiment_of_the_words(tmp_path: Path):
    train = rows(prepare(tmp_path, n_train=1000, n_test=20)[0])
    for word, label in (("love", "positive"), ("hate", "negative")):
        labels = [row["label"] for row in train if word in row["text"].lower().split()]
        assert labels.count(label) > 0.7 * len(labels)
