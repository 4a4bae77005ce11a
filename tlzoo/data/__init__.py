"""Labelled data: read it from folders and tables, split it, fingerprint it. Torch-free."""

from __future__ import annotations

from tlzoo.data.columns import Columns, check_columns, check_used
from tlzoo.data.reading import endings_of, read, read_labelled
from tlzoo.data.samples import Samples, TrainTestSamples, content_digests, fingerprint
from tlzoo.data.splits import SampleSplits, read_splits, split

__all__ = [
    "Columns",
    "SampleSplits",
    "Samples",
    "TrainTestSamples",
    "check_columns",
    "check_used",
    "content_digests",
    "endings_of",
    "fingerprint",
    "read",
    "read_labelled",
    "read_splits",
    "split",
]
