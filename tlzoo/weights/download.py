"""Downloads that resume where they broke, in this process or in an earlier one that was killed.

<root>/partial/<pinned sha256>             the bytes that came so far
<root>/partial/<pinned sha256>.json        what their server calls this version of the file (ETag, Last-Modified)

What lies there is trusted only after the whole file has the pinned sha256, so nothing worse than a second download
can come of it.
"""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tlzoo.errors import HashMismatch, SourceError
from tlzoo.io.disk import write_errors, write_text
from tlzoo.io.files import sha256_of
from tlzoo.io.locks import file_lock
from tlzoo.io.network.https import UNREACHABLE, Response, open_https
from tlzoo.progress import Advance, progress
from tlzoo.weights import cache

ATTEMPTS = 4
PAUSE_S = 0.5


def download_file(url: str, pinned: cache.PinnedFile, folder: Path, key: str) -> None:
    """Put the whole file into `folder`, with the pinned sha256 and size.

    Raises AddressRefused and UNREACHABLE as `open_https`, HashMismatch for other bytes than pinned, SourceError for a
    status that is an error.
    """
    with _partial(pinned, folder) as part:
        resumed = _download(url, pinned, part, key)
        if resumed and sha256_of(part) != pinned.sha256:
            _discard(part)
            _download(url, pinned, part, key)
        if sha256_of(part) != pinned.sha256:
            _discard(part)
            raise HashMismatch(
                f"{key}: {url} sends {pinned.size} bytes whose sha256 is not {pinned.sha256[:16]}….", hint=_CHANGED_HINT
            )
        os.replace(part, folder / pinned.name)
        _discard(part)


_CHANGED_HINT = "The published file has changed; tell the registry's author."


@contextmanager
def _partial(pinned: cache.PinnedFile, folder: Path) -> Iterator[Path]:
    """Where to collect the bytes: the place that the next run finds again, unless another process writes there."""
    kept = cache.root() / "partial"
    kept.mkdir(exist_ok=True)
    with file_lock(cache.root() / "locks" / f"partial--{pinned.sha256}") as alone:
        yield kept / pinned.sha256 if alone else folder / f"{pinned.name}.part"


def _download(url: str, pinned: cache.PinnedFile, part: Path, key: str) -> bool:
    """Fill `part` to the pinned size, in several attempts if the connection breaks; return whether it was resumed."""
    if _size(part) > pinned.size:
        _discard(part)
    before = _size(part)
    with progress(f"Downloading {pinned.name}", pinned.size, "bytes", before) as advance:
        for attempt in range(1, ATTEMPTS + 1):
            done = _size(part)
            try:
                if done < pinned.size:
                    _request(url, pinned, part, key, advance)
                return before > 0 or attempt > 1
            except UNREACHABLE:
                # a server that sent nothing new is not asked again
                if attempt == ATTEMPTS or _size(part) in (0, done):
                    raise
            time.sleep(PAUSE_S * attempt)
    raise AssertionError("the last attempt returns or raises")


def _request(url: str, pinned: cache.PinnedFile, part: Path, key: str, advance: Advance) -> None:
    """Ask once for what is missing, or for all of it where the server cannot resume."""
    done = _size(part)
    with open_https(url, headers=_range(part, done)) as answer:
        if done and _is_remainder(answer, done, pinned.size):
            return _write(answer, url, pinned, part, key, advance, done)
        if answer.status == 200:
            return _write(answer, url, pinned, part, key, advance, 0)
        if not done:
            raise SourceError(f"{key}: {url} answered {answer.status}.", hint="Try again later.")
    _discard(part)
    return _request(url, pinned, part, key, advance)


def _range(part: Path, done: int) -> dict[str, str]:
    """The headers that ask for the rest, if the file there is still the one that the beginning is of."""
    if not done:
        return {}
    try:
        version = json.loads(_version(part).read_bytes())["version"]
    except (OSError, ValueError, LookupError, TypeError):
        version = None
    known = isinstance(version, str) and version.isascii() and version.isprintable()
    return {"Range": f"bytes={done}-", **({"If-Range": version} if known else {})}


def _is_remainder(answer: Response, done: int, size: int) -> bool:
    """Whether the answer is the rest that was asked for."""
    begin = re.fullmatch(rf"bytes {done}-(\d+)/({size}|\*)", answer.headers.get("content-range", ""))
    return answer.status == 206 and begin is not None


def _write(
    answer: Response, url: str, pinned: cache.PinnedFile, part: Path, key: str, advance: Advance, done: int
) -> None:
    """Write the body behind the first `done` bytes of `part`, up to the pinned size."""
    too_large = HashMismatch(f"{key}: {url} sends more than the pinned {pinned.size} bytes.", hint=_CHANGED_HINT)
    if not done:
        if int(answer.headers.get("content-length", 0)) > pinned.size:
            raise too_large
        # for If-Range: a strong ETag, else the date of the last change
        etag = answer.headers.get("etag", "")
        version = etag if etag.startswith('"') else answer.headers.get("last-modified")
        write_text(_version(part), json.dumps({"version": version}))
    with write_errors(part), part.open("ab" if done else "wb") as file:
        for chunk in answer.chunks():
            done += len(chunk)
            if done > pinned.size:
                _discard(part)
                raise too_large
            file.write(chunk)
            file.flush()
            advance(len(chunk))
    if done < pinned.size:
        _discard(part)
        raise HashMismatch(f"{key}: {url} sends {done} bytes, not the pinned {pinned.size}.", hint=_CHANGED_HINT)


def _version(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _discard(part: Path) -> None:
    for path in (part, _version(part)):
        path.unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
