"""What reading a damaged or hostile archive raises."""

from __future__ import annotations

import struct
import tarfile
import zipfile
import zlib

BROKEN_ARCHIVE = (
    zipfile.BadZipFile, tarfile.TarError, zlib.error, struct.error, EOFError, KeyError, NotImplementedError,
    OverflowError, RuntimeError, ValueError,
)  # fmt: skip
"""RuntimeError is that of an encrypted member, and as RecursionError of headers that announce each other."""
