"""Ask a server for a registry file: bounded in bytes and time, conditional, and trusted in nothing."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit, urlunsplit

from tlzoo.errors import Offline, SourceError
from tlzoo.io.network.https import MinimumRate, Response, TooSlow, network_errors, open_https
from tlzoo.io.network.offline import network_is_off
from tlzoo.io.signatures import MAX_BYTES as LARGEST_SIGNATURE
from tlzoo.io.signatures import SUFFIX
from tlzoo.registry.reading import MAX_BYTES

TIMEOUT_S = 30.0
"""For connecting, for the headers, and for each wait within the body."""
MAX_BODY_S = 600.0
"""For one whole body, however steadily it drips."""

_MAX_HEADER = 512


@dataclass(frozen=True)
class FetchResponse:
    """A body, and what the server wants to be asked next time; `content` is `None` for 304, not changed."""

    content: bytes | None
    etag: str | None = None
    last_modified: str | None = None


def fetch(url: str, *, etag: str | None = None, last_modified: str | None = None) -> FetchResponse:
    """The registry at an https address, unless it is still the one that these validators name.

    Raises Offline (the network is off, the server cannot be reached, stalls or breaks off) and SourceError (refused,
    another status than 200 and 304, compressed, larger than 80 MiB).
    """
    request_headers = {"Accept": "application/json"}
    if etag is not None:
        request_headers["If-None-Match"] = etag
    if last_modified is not None:
        request_headers["If-Modified-Since"] = last_modified
    return _get(url, request_headers, MAX_BYTES)


def fetch_signature(url: str) -> bytes | None:
    """The detached signature beside the registry; `None` where the server has none. Raises as `fetch`."""
    parts = urlsplit(url)
    try:
        return _get(urlunsplit(parts._replace(path=parts.path + SUFFIX)), {}, LARGEST_SIGNATURE).content
    except _NotFound:
        return None


class _NotFound(SourceError):
    """The server has nothing of this name."""


def _get(url: str, headers: Mapping[str, str], largest: int) -> FetchResponse:
    if network_is_off():
        raise Offline(
            f"{url} cannot be fetched: the network is switched off.",
            hint="Allow it once: TLZOO_OFFLINE=0 HF_HUB_OFFLINE=0 tlzoo registry add|update ...",
        )
    until = time.monotonic() + MAX_BODY_S
    with network_errors(url), open_https(url, headers=headers, timeout=TIMEOUT_S) as response:
        if response.status == 304 and {"If-None-Match", "If-Modified-Since"} & set(headers):
            return FetchResponse(None)
        _check_head(url, response, largest)
        body = _body(url, response, largest, until)
    return FetchResponse(body, _header(response, "etag"), _header(response, "last-modified"))


def _check_head(url: str, response: Response, largest: int) -> None:
    """Raise SourceError for an answer whose body is not wanted."""
    if response.status in (404, 410):
        raise _NotFound(f"{url} answered {response.status}: not found.", hint="Check the address.")
    if response.status != 200:
        raise SourceError(f"{url} answered {response.status}.", hint="Try again later, or ask who runs that server.")
    encoding = response.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise SourceError(
            f"{url} is sent compressed as {encoding!r}.", hint="The server must send the file uncompressed."
        )
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length) > largest:
        raise _too_large(url, largest)


def _body(url: str, response: Response, largest: int, until: float) -> bytes:
    body = bytearray()
    for chunk in response.chunks(MinimumRate(bytes=1, seconds=TIMEOUT_S)):
        body += chunk
        if len(body) > largest:
            raise _too_large(url, largest)
        if time.monotonic() > until:
            raise TooSlow(f"it took more than {MAX_BODY_S:.0f} seconds for {len(body)} bytes")
    return bytes(body)


def _too_large(url: str, largest: int) -> SourceError:
    return SourceError(
        f"{url} sends more than {largest:,} bytes.", hint="That is not a registry file; check the address."
    )


def _header(response: Response, name: str) -> str | None:
    value = response.headers.get(name)
    return value if value is not None and value.isascii() and value.isprintable() and len(value) < _MAX_HEADER else None
