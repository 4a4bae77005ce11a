"""A sample of `fuzz/`: whatever is in a document, reading it answers or raises a TlzooError of one line."""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

FUZZ = Path(__file__).parents[2] / "fuzz"
NAMES = (
    "csv", "tsv", "jsonl", "parquet", "conll", "manifest", "reference", "trained_on", "record", "registry", "wheel",
    "sdist", "tar", "lock", "predictions", "predictions_csv", "key",
)  # fmt: skip


@pytest.fixture(scope="module")
def loaders() -> Any:
    sys.path.insert(0, str(FUZZ))
    try:
        import loaders

        yield loaders
    finally:
        sys.path.remove(str(FUZZ))


def test_every_document_is_sampled_here(loaders: Any):
    assert set(NAMES) == set(loaders.documents.TARGETS)


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_document_is_read_or_refused(loaders: Any, name: str, pytestconfig: pytest.Config):
    whole = loaders.TARGETS[name][1]()
    rounds = 3000 if pytestconfig.option.markexpr == "release" else 150
    source = random.Random(11)
    for data in [*whole, *(loaders.mutated(source.choice(whole), whole, source) for _ in range(rounds))]:
        assert loaders.attempt(name, data) == "", data
