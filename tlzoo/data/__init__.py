"""Labelled data: read it from folders and tables, split it, fingerprint it. Torch-free."""

from __future__ import annotations

from tlzoo.data.reading import Columns, endings_of, read
from tlzoo.data.samples import Collection, Samples, contents, fingerprint
from tlzoo.data.splits import Parts, read_parts, split

__all__ = [
    "Collection",
    "Columns",
    "Parts",
    "Samples",
    "contents",
    "endings_of",
    "fingerprint",
    "read",
    "read_parts",
    "split",
]
