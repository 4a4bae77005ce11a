"""Real short texts with human sentiment scores, of four domains: tweets, films, products, news.

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

from tlzoo.errors import DataError, UsageError
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
DOMAINS = {
    "tweets": "tweets_GroundTruth.txt",
    "films": "movieReviewSnippets_GroundTruth.txt",
    "products": "amazonReviewSnippets_GroundTruth.txt",
    "news": "nytEditorialSnippets_GroundTruth.txt",
}
LABELS = ("negative", "positive")
CLEAR = 0.5

Row = tuple[str, str]


def prepare(folder: Path, *, n_train: int, n_test: int, seed: int = 0, domain: str = "tweets") -> tuple[Path, Path]:
    """Write `train.csv` and `test.csv` (columns text, label) into `folder`; return their paths.

    A mean score above 0.5 is positive, below -0.5 negative; what lies between is left out. Both files hold as many
    of either label (one more positive where a number is odd), and no text twice, not even in other case or
    punctuation. The same seed gives the same files, and the same test file whatever `n_train` is.

    Raises UsageError for an unknown domain or more texts than it has, SourceError where the data cannot be fetched.
    """
    if domain not in DOMAINS:
        raise UsageError(f"Unknown domain {domain!r}.", hint=f"Domains: {', '.join(DOMAINS)}")
    if n_train < 2 or n_test < 2:
        raise UsageError(f"n_train={n_train}, n_test={n_test}: both labels need a text.", hint="Ask for 2 or more.")
    order = random.Random(seed)
    train: list[Row] = []
    test: list[Row] = []
    for label, rows in _by_label(_scored(domain)).items():
        extra = int(label == "positive")
        for_test, for_train = (n_test + extra) // 2, (n_train + extra) // 2
        if for_test + for_train > len(rows):
            raise UsageError(
                f"{domain} has {len(rows)} {label} texts; {for_test + for_train} are requested.",
                hint="Lower n_train or n_test.",
            )
        order.shuffle(rows)
        test += rows[:for_test]
        train += rows[for_test : for_test + for_train]
    return _write(folder / "train.csv", train, seed), _write(folder / "test.csv", test, seed)


def _scored(domain: str) -> Iterator[tuple[float, str]]:
    """Mean score and text of each row of a domain, HTML entities resolved."""
    archive = fetch_source(SOURCE, "demo/vader").files[ARCHIVE.name]
    with tarfile.open(archive, "r:gz") as tar:
        file = tar.extractfile(f"hutto_ICWSM_2014/{DOMAINS[domain]}")
        if file is None:
            raise DataError(f"{DOMAINS[domain]} is not a file in {archive}.")
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


def _write(path: Path, rows: Sequence[Row], seed: int) -> Path:
    shuffled = list(rows)
    random.Random(seed).shuffle(shuffled)
    with atomic_file(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file)
        table.writerow(("text", "label"))
        table.writerows(shuffled)
    return path
