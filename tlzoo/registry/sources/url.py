"""One file behind an https address: pinned by sha256 and size, and never from inside the user's own network."""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import os
import socket
import ssl
import urllib.error
import urllib.request
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from tlzoo.errors import HashMismatch, Offline, SourceError
from tlzoo.parts import Weights
from tlzoo.progress import progress
from tlzoo.registry.schema import UrlSource
from tlzoo.registry.sources import cache

_TIMEOUT_S = 30.0
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class _Refused(Exception):
    """An address that a registry may not send us to."""


def fetch(source: UrlSource, request: cache.Request) -> Weights:
    """The file from the cache, or downloaded. Raises Offline, HashMismatch, SourceError.

    Hosts named in TLZOO_TRUSTED_HOSTS (comma separated) may have private or loopback addresses; no other may, before
    or after redirects. SSL_CERT_FILE and the https proxy of the environment are honoured.
    """
    name = unquote(PurePosixPath(urlsplit(source.url).path).name)
    name = name if name not in ("", "..") and not set(name) & set("/\\\0:") else "weights"
    files = [cache.Pinned(name, source.sha256, source.size)]

    def download(folder: Path) -> None:
        try:
            _receive(source, folder / name, request)
        except _Refused as cause:
            raise SourceError(
                f"{request.key}: {source.url} is refused: {cause}.",
                hint="If that host is yours and meant, name it in TLZOO_TRUSTED_HOSTS.",
            ) from cause
        except urllib.error.HTTPError as cause:
            raise SourceError(f"{request.key}: {source.url} answered {cause.code}.", hint="Try again later.") from cause
        except (urllib.error.URLError, TimeoutError, ConnectionError, http.client.HTTPException, ssl.SSLError) as cause:
            reason = getattr(cause, "reason", None) or cause
            raise Offline(
                f"{request.key}: {source.url} could not be reached: {reason}.",
                hint="Check the network or the https proxy.",
            ) from cause

    return cache.obtain(request, cache.place(request.key, source.model_dump_json()), files, download)


def _receive(source: UrlSource, path: Path, request: cache.Request) -> None:
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _GuardedHandler(),
        _GuardedRedirects(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
    ):
        opener.add_handler(handler)
    _check(source.url)
    asked = urllib.request.Request(source.url, headers={"User-Agent": "tlzoo", "Accept-Encoding": "identity"})
    with (
        opener.open(asked, timeout=_TIMEOUT_S) as response,
        path.open("xb") as file,
        progress(f"Downloading {path.name}", source.size, "bytes") as advance,
    ):
        left = source.size
        while chunk := response.read(min(cache.CHUNK, left + 1)):
            left -= len(chunk)
            if left < 0:
                raise HashMismatch(
                    f"{request.key}: {source.url} sends more than the pinned {source.size} bytes.",
                    hint="The file there has changed; tell the registry's author.",
                )
            file.write(chunk)
            advance(len(chunk))


def _check(url: str) -> None:
    """Refuse what is not https, carries a password, or is visibly inside; raises _Refused."""
    parts = urlsplit(url)
    if parts.scheme != "https" or not parts.hostname:
        raise _Refused(f"it leads to {parts.scheme or 'no scheme'}, not https")
    if "@" in parts.netloc:
        raise _Refused("it carries credentials")
    with contextlib.suppress(socket.gaierror):  # a proxy may know the name; without one, connecting says so
        _addresses(parts.hostname, parts.port or 443)


def _addresses(host: str, port: int) -> list[tuple[Any, ...]]:
    """The host's socket addresses, every one of them public unless the user trusts the host; raises _Refused."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    trusted = {name.strip().lower() for name in os.environ.get("TLZOO_TRUSTED_HOSTS", "").split(",")}
    if host.lower() not in trusted:
        for *_, address in found:
            if not _is_public(str(address[0])):
                raise _Refused(f"{host} has the address {address[0]}, which is not public")
    return found


def _is_public(address: str) -> bool:
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour
        if ip in _NAT64:
            inner = ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
        if inner is not None:
            return _is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class _GuardedConnection(http.client.HTTPSConnection):
    """Connects to exactly the addresses that were checked, so that a name cannot change its mind in between."""

    _proxied = False
    _tls: ssl.SSLContext

    def __init__(self, host: str, **options: Any) -> None:
        self._tls = options["context"]
        super().__init__(host, **options)

    def set_tunnel(self, *args: Any, **options: Any) -> None:
        self._proxied = True
        super().set_tunnel(*args, **options)

    def connect(self) -> None:
        if self._proxied:
            super().connect()
            return
        failure: OSError = OSError(f"{self.host} has no address")
        for family, kind, protocol, _, address in _addresses(self.host, self.port):
            plain = socket.socket(family, kind, protocol)
            try:
                plain.settimeout(_TIMEOUT_S)
                plain.connect(address)
                self.sock = self._tls.wrap_socket(plain, server_hostname=self.host)
                return
            except OSError as cause:
                plain.close()
                failure = cause
        raise failure


class _GuardedHandler(urllib.request.HTTPSHandler):
    def https_open(self, asked: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_GuardedConnection, asked, context=ssl.create_default_context())


class _GuardedRedirects(urllib.request.HTTPRedirectHandler):
    max_redirections = 5

    def redirect_request(
        self, asked: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> Any:
        _check(newurl)
        return super().redirect_request(asked, fp, code, msg, headers, newurl)
