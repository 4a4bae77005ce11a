"""Real tweets, or other short texts, with human sentiment scores.

From the data of VADER (Hutto & Gilbert 2014, MIT licence), each text scored from -4 to 4 by about 20 people.
"""

from __future__ import annotations

import csv
import html
import random
import re
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from tlzoo.errors import DataError
from tlzoo.io.files import atomic_file
from tlzoo.registry.schema import Member, PypiSource
from tlzoo.weights.fetch import fetch_source

ARCHIVE = Member(
    path="vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
    sha256="d5bb07d87474b3eb8d30b4deccbc23f19d742a6c5718fbacc65485b70b95c5fa",
    size=2338514,
)
SOURCE = PypiSource(
    project="vaderSentiment", version="3.3.2", archive="vaderSentiment-3.3.2.tar.gz", members=(ARCHIVE,)
)
TABLE = "hutto_ICWSM_2014/tweets_GroundTruth.txt"
LABELS = ("negative", "positive")
CLEAR = 0.5

Row = tuple[str, str]


def prepare(folder: Path, *, n_train: int, n_test: int, table: str = TABLE) -> tuple[Path, Path]:
    """Write `train.csv` and `test.csv` (columns text, label) of a table of the data into `folder`; return their paths.

    A mean score above 0.5 is positive, below -0.5 negative; what lies between is left out. Both files hold as many
    of either label (one more positive where a number is odd), and no text twice, not even in other case or
    punctuation. The files are the same each time, and the test file whatever `n_train` is. Raises SourceError where the
    data cannot be fetched.
    """
    order = random.Random(0)
    train: list[Row] = []
    test: list[Row] = []
    for label, rows in _by_label(_scored(table)).items():
        extra = int(label == "positive")
        for_test, for_train = (n_test + extra) // 2, (n_train + extra) // 2
        order.shuffle(rows)
        test += rows[:for_test]
        train += rows[for_test : for_test + for_train]
    return _write(folder / "train.csv", train), _write(folder / "test.csv", test)


def _scored(table: str) -> Iterator[tuple[float, str]]:
    """Mean score and text of each row, HTML entities resolved."""
    archive = fetch_source(SOURCE, "demo/vader").files[ARCHIVE.name]
    with tarfile.open(archive, "r:gz") as tar:
        file = tar.extractfile(table)
        if file is None:
            raise DataError(f"{table} is not a file in {archive}.")
        content = file.read().decode("utf-8")
    for line in content.split("\n"):
        if line.strip():
            _, score, text = line.split("\t")
            yield float(score), html.unescape(text).strip()


def _by_label(scored: Iterator[tuple[float, str]]) -> dict[str, list[Row]]:
    rows: dict[str, list[Row]] = {label: [] for label in LABELS}
    seen: set[str] = set()
    for score, text in scored:
        words = re.sub(r"\W+", " ", text.casefold()).strip() or text
        if abs(score) > CLEAR and text and words not in seen:
            label = "positive" if score > 0 else "negative"
            rows[label].append((text, label))
        seen.add(words)
    return rows


def _write(path: Path, rows: Sequence[Row]) -> Path:
    shuffled = list(rows)
    random.Random(0).shuffle(shuffled)
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("text", "label"))
        table.writerows(shuffled)
    return path
