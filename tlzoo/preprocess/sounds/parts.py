"""The parts of a sound file that a decoder reads one by one, and files with some of their bytes replaced."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from tlzoo.errors import InputError

COPY = "Copy it again."
_MIN_RATE, _MAX_RATE = 1, 768_000


class View:
    """Bytes of a file, from `start` to `stop`, as libsndfile wants one; some of them replaced.

    libsndfile seeks before the start of broken files, which Python prints a traceback for.
    """

    def __init__(
        self, file: BinaryIO, start: int = 0, stop: int | None = None, patches: Mapping[int, bytes] | None = None
    ) -> None:
        self._file, self._start, self._stop, self._patches = file, start, stop, patches or {}

    def read(self, count: int = -1) -> bytes:
        """The next bytes, as replaced."""
        if self._stop is None and not self._patches:
            return self._file.read(count)
        at = self._file.tell()
        if self._stop is not None:
            count = max(0, self._stop - at) if count < 0 else max(0, min(count, self._stop - at))
        data = self._file.read(count)
        for place, patch in self._patches.items():
            first, last = max(place, at), min(place + len(patch), at + len(data))
            if first < last:
                data = data[: first - at] + patch[first - place : last - place] + data[last - at :]
        return data

    def tell(self) -> int:
        """Where the next bytes are."""
        return self._file.tell() - self._start

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Where the view then is; unmoved where there is no such place."""
        if whence == io.SEEK_SET:
            offset += self._start
        elif whence == io.SEEK_END and self._stop is not None:
            offset, whence = offset + self._stop, io.SEEK_SET
        with contextlib.suppress(OSError, ValueError):
            if whence != io.SEEK_SET or offset >= self._start:
                self._file.seek(offset, whence)
        return self.tell()


@dataclass(frozen=True)
class Part:
    """One stream of sound: a file for the decoder, and how many frames it has to give at least."""

    file: View
    frames: int = 0


def truncated(name: str, why: str) -> InputError:
    """The error about a file that ends too early."""
    return InputError(f"{name} is truncated: {why}.", hint=COPY)


def damaged(name: str, why: str) -> InputError:
    """The error about a file that has lost some of its sound."""
    return InputError(f"{name} is damaged: {why}.", hint=COPY)


def is_filling(rest: bytes) -> bool:
    """Whether bytes behind a sound are none of it: zeros, or a tag with its title and artist."""
    return not rest.strip(b"\0") or rest.startswith((b"TAG", b"ID3", b"APETAGEX", b"LYRICSBEGIN"))


def check_rate(rate: float, name: str) -> None:
    """Raise InputError for a sample rate that no sound has."""
    if not _MIN_RATE <= rate <= _MAX_RATE:
        raise InputError(f"{name} has a sample rate of {rate:g} Hz.", hint=f"Supported: {_MIN_RATE} to {_MAX_RATE} Hz.")
