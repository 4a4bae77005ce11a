"""https, and only to the outside: no address that somebody else wrote may lead into the user's own network.

A host's name is resolved once, every address that it has is judged, and the connection goes to exactly those. Hosts
named in TLZOO_TRUSTED_HOSTS (comma separated) may have any address and port; no other may, before or after redirects.
SSL_CERT_FILE and the https proxy of the environment are honoured; behind a proxy, a name that only the proxy can
resolve is the proxy's to judge.
"""

from __future__ import annotations

import contextlib
import math
import socket
import ssl
import string
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

import httpcore2 as httpcore

from tlzoo.errors import Offline, SourceError
from tlzoo.io.network.addresses import AddressRefused, check_address, check_characters, is_public, is_trusted

__all__ = ["UNREACHABLE", "MinimumRate", "Response", "TooSlow", "enforce_rate", "network_errors", "open_https"]

TIMEOUT_S = 30.0
TooSlow = httpcore.ReadTimeout
UNREACHABLE = (httpcore.NetworkError, httpcore.ProtocolError, httpcore.ProxyError, httpcore.TimeoutException)
_REDIRECTS = 5
_MOVED = {301, 302, 303, 307, 308}


@dataclass(frozen=True)
class MinimumRate:
    """The least that a server must send: `bytes` in every `seconds`."""

    bytes: int = 60 * 1024
    seconds: float = 60.0


DEFAULT_RATE = MinimumRate()


@dataclass(frozen=True)
class Response:
    """What a server answered: the status, the headers by their names in lower case, and the body, still to be read."""

    status: int
    headers: Mapping[str, str]
    body: Iterator[bytes]

    def chunks(self, pace: MinimumRate | None = None) -> Iterator[bytes]:
        """The body in pieces as they come; raises UNREACHABLE below the pace and where it ends early."""
        return enforce_rate(self.body, pace)


def enforce_rate(chunks: Iterable[bytes], pace: MinimumRate | None = None) -> Iterator[bytes]:
    """The same pieces; raises TooSlow where they come below the pace."""
    pace = pace or DEFAULT_RATE
    since, came = time.monotonic(), 0
    for chunk in chunks:
        yield chunk
        came += len(chunk)
        now = time.monotonic()
        if now - since >= pace.seconds:
            if came < pace.bytes:
                raise TooSlow(f"only {came} bytes arrived in {now - since:.0f} seconds")
            since, came = now, 0


@contextmanager
def open_https(url: str, *, headers: Mapping[str, str] | None = None, timeout: float = TIMEOUT_S) -> Iterator[Response]:
    """The answer to a GET, whatever its status, after at most five redirects.

    `timeout` in seconds holds for connecting and for each read; twice of it for each answer up to its body. Raises
    AddressRefused (before a socket is opened, wherever the address alone shows it) and UNREACHABLE.
    """
    sent = {"User-Agent": "tlzoo", "Accept-Encoding": "identity", **(headers or {}), "Connection": "close"}
    for _ in range(_REDIRECTS + 1):
        parts = check_address(url)
        with _get(parts, sent, timeout) as answer:
            location = answer.headers.get("location")
            if answer.status not in _MOVED or not location:
                yield answer
                return
        # header bytes that are no ASCII are shown as Latin-1; they and blanks belong percent-encoded
        check_characters(location)
        url = urljoin(url, quote(location, safe=string.punctuation, encoding="latin-1"))
        if urlsplit(url).netloc != parts.netloc:
            sent = {name: value for name, value in sent.items() if name.lower() not in ("authorization", "cookie")}
    raise AddressRefused(f"it redirects more than {_REDIRECTS} times")


@contextmanager
def network_errors(what: str) -> Iterator[None]:
    """Turn AddressRefused into SourceError, UNREACHABLE into Offline; `what` begins their line, such as `ID: URL`."""
    try:
        yield
    except AddressRefused as cause:
        raise SourceError(
            f"{what} is refused: {cause}.", hint="If you trust that host, add it to TLZOO_TRUSTED_HOSTS."
        ) from cause
    except UNREACHABLE as cause:
        reason = " ".join(str(cause).split()) or type(cause).__name__
        raise Offline(
            f"{what} could not be reached: {reason}.", hint="Check the network or the https proxy."
        ) from cause


def _addresses(host: str, port: int) -> list[str]:
    """The host's IP addresses, every one of them public unless the user trusts the host; raises AddressRefused."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as cause:
        raise AddressRefused(f"{host!r} is not a host name") from cause
    except OSError as cause:
        raise httpcore.ConnectError(f"{host} has no address: {cause}") from cause
    addresses = [str(address[0]) for *_, address in found]
    inside = [address for address in addresses if not is_public(address)]
    if inside and not is_trusted(host):
        raise AddressRefused(f"{host} has the address {inside[0]}, which is not public")
    return addresses


@contextmanager
def _get(parts: SplitResult, headers: Mapping[str, str], timeout: float) -> Iterator[Response]:
    """One GET, without redirects."""
    host, port = str(parts.hostname), parts.port or 443
    target = quote(f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", safe=string.punctuation)
    url = httpcore.URL(scheme="https", host=host, port=port, target=target)
    limits = dict.fromkeys(("connect", "read", "write", "pool"), timeout)
    proxy = None if proxy_bypass(host) else getproxies().get("https")
    if proxy:
        with contextlib.suppress(httpcore.ConnectError):
            _addresses(host, port)
    network = _PublicOnlyBackend(time.monotonic() + 2 * timeout, guarded=not proxy)
    with (
        _pool(proxy, network) as pool,
        pool.stream(
            "GET", url, headers=[("Host", parts.netloc), *headers.items()], extensions={"timeout": limits}
        ) as response,
    ):
        network.until = math.inf  # from here on the caller's pace holds
        shown = {name.decode("ascii").lower(): value.decode("latin-1") for name, value in response.headers}
        yield Response(response.status, shown, response.iter_stream())


def _pool(proxy: str | None, network: _PublicOnlyBackend) -> httpcore.ConnectionPool:
    tls = ssl.create_default_context()
    if proxy is None:
        return httpcore.ConnectionPool(tls, network_backend=network)
    way = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    secret = (unquote(way.username).encode(), unquote(way.password or "").encode()) if way.username else None
    address = httpcore.URL(scheme=way.scheme, host=way.hostname or "", port=way.port or 3128, target="/")
    return httpcore.HTTPProxy(address, secret, ssl_context=tls, network_backend=network)


class _PublicOnlyBackend(httpcore.SyncBackend):
    """Connects to exactly the addresses that were judged, so that a name cannot change its mind in between."""

    def __init__(self, until: float, *, guarded: bool) -> None:
        self.until, self._guarded = until, guarded

    def connect_tcp(self, host: str, port: int, *args: Any, **options: Any) -> httpcore.NetworkStream:
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in _addresses(host, port) if self._guarded else [host]:
            try:
                return _DeadlineStream(super().connect_tcp(address, port, *args, **options), self)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as cause:
                failure = cause
        raise failure


class _DeadlineStream(httpcore.NetworkStream):
    """A connection that reads no longer than its network allows: headers that come byte by byte end some time."""

    def __init__(self, stream: httpcore.NetworkStream, network: _PublicOnlyBackend) -> None:
        self._stream, self._network = stream, network
        for name in ("write", "close", "get_extra_info"):
            setattr(self, name, getattr(stream, name))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        left = self._network.until - time.monotonic()
        if left <= 0:
            raise TooSlow("its headers took too long")
        return self._stream.read(max_bytes, min(left, timeout or left))

    def start_tls(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _DeadlineStream(self._stream.start_tls(*args, **options), self._network)
