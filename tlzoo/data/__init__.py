"""Labelled data: read it from folders and tables, split it, fingerprint it. Torch-free."""

from __future__ import annotations

from tlzoo.data.reading import Columns, endings_of, read
from tlzoo.data.samples import Collection, Kind, Samples, contents, fingerprint, split

__all__ = ["Collection", "Columns", "Kind", "Samples", "contents", "endings_of", "fingerprint", "read", "split"]
