"""https, and only to the outside: no address that somebody else wrote may lead into the user's own network.

A host's name is resolved once, every address that it has is judged, and the connection goes to exactly those. Hosts
named in TLZOO_TRUSTED_HOSTS (comma separated) may have any address and port; no other may, before or after redirects.
SSL_CERT_FILE and the https proxy of the environment are honoured; behind a proxy, a name that only the proxy can
resolve is the proxy's to judge.
"""

from __future__ import annotations

import base64
import contextlib
import http.client
import ipaddress
import os
import re
import socket
import ssl
import string
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from tlzoo.errors import Offline, SourceError

__all__ = ["PACE", "Pace", "Refused", "check", "chunks", "explained", "is_public", "is_trusted", "open_https"]

TIMEOUT_S = 30.0
UNREACHABLE = (OSError, http.client.HTTPException)
_REDIRECTS = 5
_MOVED = {301, 302, 303, 307, 308}
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
_ASSIGNED = ipaddress.IPv6Network("2000::/3")


class Refused(Exception):
    """An address that nobody else may send us to; the text says why, to follow `is refused: `."""


@dataclass(frozen=True)
class Pace:
    """The least that a server must send: `bytes` in every `seconds`."""

    bytes: int = 60 * 1024
    seconds: float = 60.0


PACE = Pace()


def open_https(
    url: str, *, headers: Mapping[str, str] | None = None, timeout: float = TIMEOUT_S
) -> http.client.HTTPResponse:
    """The answer to a GET, whatever its status, after at most five redirects; to be closed by the caller.

    `timeout` in seconds holds for connecting, for the whole answer up to its body, and for each read of the body.
    Raises Refused (before a socket is opened, wherever the address alone shows it) and UNREACHABLE.
    """
    sent = {"User-Agent": "tlzoo", "Accept-Encoding": "identity", **(headers or {}), "Connection": "close"}
    for _ in range(_REDIRECTS + 1):
        parts = check(url)
        response = _ask(parts, sent, timeout)
        location = response.headers.get("Location")
        if response.status not in _MOVED or not location:
            return response
        response.close()
        # header bytes that are no ASCII are shown as Latin-1; they and blanks belong percent-encoded
        _check_characters(location)
        url = urljoin(url, quote(location, safe=string.punctuation, encoding="latin-1"))
        if urlsplit(url).netloc != parts.netloc:
            sent = {name: value for name, value in sent.items() if name.lower() not in ("authorization", "cookie")}
    raise Refused(f"it redirects more than {_REDIRECTS} times")


def chunks(response: http.client.HTTPResponse, pace: Pace | None = None) -> Iterator[bytes]:
    """The body in pieces as they come; raises TimeoutError below the pace, and ConnectionError at an early end."""
    pace = pace or PACE
    since, came = time.monotonic(), 0
    while chunk := response.read1(1 << 20):
        yield chunk
        came += len(chunk)
        now = time.monotonic()
        if now - since >= pace.seconds:
            if came < pace.bytes:
                raise TimeoutError(f"only {came} bytes came in {now - since:.0f} seconds")
            since, came = now, 0
    if response.length:
        raise ConnectionError(f"the connection broke, {response.length} bytes before the end")


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Turn Refused into SourceError and UNREACHABLE into Offline; `what` begins their line, such as `ID: URL`."""
    try:
        yield
    except Refused as cause:
        raise SourceError(
            f"{what} is refused: {cause}.", hint="If that host is yours and meant, name it in TLZOO_TRUSTED_HOSTS."
        ) from cause
    except UNREACHABLE as cause:
        if getattr(cause, "filename", None) is not None:
            raise  # it is about a file of ours
        reason = " ".join(str(cause).split()) or type(cause).__name__
        raise Offline(
            f"{what} could not be reached: {reason}.", hint="Check the network or the https proxy."
        ) from cause


def check(url: str) -> SplitResult:
    """Refuse what the address alone shows to be wrong, without any socket; return its parts. Raises Refused."""
    _check_characters(url)
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as cause:
        raise Refused(f"it is no address: {cause}") from cause
    if parts.scheme != "https" or not host:
        raise Refused(f"it leads to {parts.scheme or 'no scheme'}, not https")
    if "@" in parts.netloc:
        raise Refused("it carries credentials")
    literal = _literal(host)
    if is_trusted(host):
        return parts
    if literal is not None and not is_public(literal):
        raise Refused(f"{host} is not public")
    if port is not None and port != 443 and port < 1024:
        raise Refused(f"port {port} is not one of the web's")
    return parts


def is_trusted(host: str) -> bool:
    """Whether TLZOO_TRUSTED_HOSTS names the host."""
    names = os.environ.get("TLZOO_TRUSTED_HOSTS", "").split(",")
    return host.lower() in {name.strip().lower() for name in names if name.strip()}


def is_public(address: str) -> bool:
    """Whether an IP address is one of the public internet, also where an IPv6 address wraps one of IPv4."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return is_public(str(inner))
        if ip not in _ASSIGNED:
            return False
    return ip.is_global and not ip.is_multicast


def _check_characters(url: str) -> None:
    odd = re.search(r"[\x00-\x20\x7f\\]", url)
    if odd is not None:
        raise Refused(f"it holds the character {odd[0]!r}")


def _literal(host: str) -> str | None:
    """The host where it is an IP address; refuses numbers that only some programs read as one, such as 0x7f.1."""
    if not host.isascii() or "%" in host:
        raise Refused(f"{host!r} is not a host name in ASCII")
    with contextlib.suppress(ValueError):
        return str(ipaddress.ip_address(host))
    if re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", host.rstrip(".").rpartition(".")[2]):
        raise Refused(f"{host} is a number, not a name")
    return None


def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    """The host's socket addresses, every one of them public unless the user trusts the host; raises Refused."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as cause:
        raise Refused(f"{host!r} is not a host name") from cause
    if not is_trusted(host):
        for *_, address in found:
            if not is_public(str(address[0])):
                raise Refused(f"{host} has the address {address[0]}, which is not public")
    return found


def _ask(parts: SplitResult, headers: Mapping[str, str], timeout: float) -> http.client.HTTPResponse:
    connection = _connection(parts, timeout)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"

    late = threading.Event()

    def give_up() -> None:
        late.set()
        with contextlib.suppress(OSError, AttributeError):
            connection.sock.shutdown(socket.SHUT_RDWR)

    # each read has its time limit; a server that sends its headers byte by byte needs one for all of them
    watch = threading.Timer(2 * timeout, give_up)
    watch.daemon = True
    try:
        connection.connect()
        watch.start()
        connection.request("GET", quote(target, safe=string.punctuation), headers=dict(headers))
        response = connection.getresponse()
        if late.is_set():  # http.client takes headers that break off for headers that end
            raise TimeoutError(f"its headers took more than {2 * timeout:.0f} seconds")
        return response
    finally:
        watch.cancel()
        if connection.sock is not None:  # the answer keeps the socket open for as long as it needs it
            connection.sock.close()


def _connection(parts: SplitResult, timeout: float) -> http.client.HTTPSConnection:
    host, port = str(parts.hostname), parts.port or 443
    proxy = None if proxy_bypass(host) else getproxies().get("https")
    tls = ssl.create_default_context()
    if not proxy:
        return _GuardedConnection(host, port, timeout=timeout, context=tls)
    with contextlib.suppress(socket.gaierror):
        _addresses(host, port)
    way = urlsplit(proxy if "://" in proxy else f"//{proxy}")
    connection = http.client.HTTPSConnection(way.hostname or "", way.port or 3128, timeout=timeout, context=tls)
    secret = f"{unquote(way.username or '')}:{unquote(way.password or '')}".encode()
    authorization = {"Proxy-Authorization": f"Basic {base64.b64encode(secret).decode()}"} if way.username else {}
    connection.set_tunnel(host, port, authorization)
    return connection


class _GuardedConnection(http.client.HTTPSConnection):
    """Connects to exactly the addresses that were judged, so that a name cannot change its mind in between."""

    def __init__(self, host: str, port: int, *, timeout: float, context: ssl.SSLContext) -> None:
        self._tls = context
        super().__init__(host, port, timeout=timeout, context=context)

    def connect(self) -> None:
        failure: OSError = OSError(f"{self.host} has no address")
        for family, kind, protocol, _, address in _addresses(self.host, self.port):
            plain = socket.socket(family, kind, protocol)
            try:
                plain.settimeout(self.timeout)
                plain.connect(address)
                self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
                return
            except OSError as cause:
                plain.close()
                failure = cause
        raise failure
