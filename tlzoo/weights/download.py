"""Downloads that go on where they broke, in this run or in an earlier one that was stopped or killed.

<root>/partial/<pinned sha256>             the bytes that came so far
<root>/partial/<pinned sha256>.json        what their server calls this version of the file (ETag, Last-Modified)

What lies there is trusted only after the whole file has the pinned sha256, so nothing worse than a second download
can come of it.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPResponse
from pathlib import Path

from tlzoo.errors import HashMismatch, SourceError
from tlzoo.io.files import file_lock
from tlzoo.io.https import UNREACHABLE, chunks, open_https
from tlzoo.progress import progress
from tlzoo.weights import cache

ATTEMPTS = 4
PAUSE_S = 0.5


def receive(url: str, pinned: cache.Pinned, folder: Path, key: str) -> None:
    """Put the whole file into `folder`, with the pinned sha256 and size.

    Raises Refused and UNREACHABLE as `open_https`, HashMismatch for other bytes than pinned, SourceError for a status
    that is an error.
    """
    with _partial(pinned, folder) as part:
        resumed = _receive_all(url, pinned, part, key)
        if resumed and cache.sha256_of(part) != pinned.sha256:
            _forget(part)
            _receive_all(url, pinned, part, key)
        if cache.sha256_of(part) != pinned.sha256:
            _forget(part)
            raise HashMismatch(
                f"{key}: {url} sends {pinned.size} bytes whose sha256 is not {pinned.sha256[:16]}….", hint=_CHANGED
            )
        os.replace(part, folder / pinned.name)
        _forget(part)


_CHANGED = "The file there has changed; tell the registry's author."


@contextmanager
def _partial(pinned: cache.Pinned, folder: Path) -> Iterator[Path]:
    """Where to collect the bytes: the place that the next run finds again, unless another process writes there."""
    kept = cache.root() / "partial"
    kept.mkdir(parents=True, exist_ok=True)
    with file_lock(cache.root() / "locks" / f"partial--{pinned.sha256}") as alone:
        yield kept / pinned.sha256 if alone else folder / f"{pinned.name}.part"


def _receive_all(url: str, pinned: cache.Pinned, part: Path, key: str) -> bool:
    """Fill `part` to the pinned size, in several attempts where the connection breaks; say whether one was resumed."""
    resumed = False
    before = _size(part)
    with progress(f"Downloading {pinned.name}", pinned.size, "bytes", before if before < pinned.size else 0) as advance:
        for attempt in range(1, ATTEMPTS + 1):
            done = _size(part)
            try:
                for count, taken_up in _receive_once(url, pinned, part, key):
                    resumed |= taken_up
                    advance(count)
                return resumed
            except UNREACHABLE:
                came = _size(part) not in (0, done)  # a server that sent nothing new is not asked again
                if attempt == ATTEMPTS or not came:
                    raise
            time.sleep(PAUSE_S * attempt)
    raise AssertionError("the last attempt returns or raises")


def _receive_once(url: str, pinned: cache.Pinned, part: Path, key: str) -> Iterator[tuple[int, bool]]:
    """Append to `part` what one answer brings; yield how many bytes were done just now and whether it was resumed."""
    done = _size(part)
    if done == pinned.size:
        yield 0, True
        return
    if done > pinned.size:
        _forget(part)
        done = 0
    response = open_https(url, headers=_range(part, done))
    if done and not _goes_on(response, done, pinned.size):
        if response.status != 200:
            response.close()
            response = open_https(url)
        done = 0
    with response:
        _check_answer(response, pinned, url, key, resumed=done > 0)
        _remember(part, response)
        with part.open("ab" if done else "wb") as file:
            for chunk in chunks(response):
                done += len(chunk)
                if done > pinned.size:
                    _forget(part)
                    raise _too_large(pinned, url, key)
                _append(file.fileno(), chunk, key)
                yield len(chunk), response.status == 206
    if done < pinned.size:
        _forget(part)
        raise HashMismatch(f"{key}: {url} sends {done} bytes, not the pinned {pinned.size}.", hint=_CHANGED)


def _range(part: Path, done: int) -> dict[str, str]:
    """The headers that ask for the rest, if the file there is still the one that the beginning is of."""
    if not done:
        return {}
    with contextlib.suppress(OSError, ValueError, AttributeError):
        version = json.loads(_version(part).read_bytes()).get("version")
        if isinstance(version, str) and version.isprintable():
            return {"Range": f"bytes={done}-", "If-Range": version}
    return {"Range": f"bytes={done}-"}


def _goes_on(response: HTTPResponse, done: int, size: int) -> bool:
    """Whether the answer is the rest that was asked for."""
    begin = re.fullmatch(rf"bytes {done}-(\d+)/({size}|\*)", response.headers.get("Content-Range", ""))
    return response.status == 206 and begin is not None


def _check_answer(response: HTTPResponse, pinned: cache.Pinned, url: str, key: str, *, resumed: bool) -> None:
    if response.status != (206 if resumed else 200):
        raise SourceError(f"{key}: {url} answered {response.status}.", hint="Try again later.")
    if not resumed and (response.length or 0) > pinned.size:
        raise _too_large(pinned, url, key)


def _too_large(pinned: cache.Pinned, url: str, key: str) -> HashMismatch:
    return HashMismatch(f"{key}: {url} sends more than the pinned {pinned.size} bytes.", hint=_CHANGED)


def _append(descriptor: int, chunk: bytes, key: str) -> None:
    try:
        left = memoryview(chunk)
        while left:
            left = left[os.write(descriptor, left) :]
    except OSError as cause:  # said here: to the caller an OSError means the network
        raise SourceError(
            f"{key}: cannot write to the cache {cache.root()}: {cause.strerror}.",
            hint="Make room with tlzoo cache gc, or choose another folder with TLZOO_CACHE.",
        ) from cause


def _remember(part: Path, response: HTTPResponse) -> None:
    """Keep the version's name for If-Range: a strong ETag, else the date of the last change."""
    if response.status == 200:
        etag = response.headers.get("ETag", "")
        version = etag if etag.startswith('"') else response.headers.get("Last-Modified")
        _version(part).write_text(json.dumps({"version": version}), encoding="utf-8")


def _version(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _forget(part: Path) -> None:
    for path in (part, _version(part)):
        path.unlink(missing_ok=True)


def _size(part: Path) -> int:
    return part.stat().st_size if part.is_file() else 0
