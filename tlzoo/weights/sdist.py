"""A source distribution from the indexes that pip is configured with; `pip download` would run its build to read it."""

from __future__ import annotations

import ast
import html
import netrc
import os
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit
from urllib.request import url2pathname

import httpx2 as httpx
from packaging.utils import canonicalize_name

from tlzoo.io.disk import write_errors
from tlzoo.io.network.https import TooSlow, enforce_rate

_ACCEPT = {"Accept": "application/vnd.pypi.simple.v1+html, text/html;q=0.9", "Accept-Encoding": "identity"}


class IndexUnreachable(Exception):
    """No index answered, or the download broke; the text says why."""


def download(project: str, path: Path, report: Callable[[int, int], None]) -> bool:
    """Write the file of this name to `path`; False where no index has it. Raises IndexUnreachable.

    `report` is given the bytes so far and the total (0: unknown).
    """
    settings = _pip_settings()
    failure: Exception | None = None
    with _client(settings) as client:
        for page in _pages(project, settings):
            try:
                for link in _links(client, page):
                    if unquote(urlsplit(link).path).rpartition("/")[2] == path.name:
                        _write(client, link, page, path, report)
                        return True
            except httpx.HTTPStatusError as cause:
                failure = failure if cause.response.status_code == 404 else cause
            except (httpx.TransportError, TooSlow) as cause:
                failure = cause
    if failure is not None:
        raise IndexUnreachable(" ".join(str(failure).split()) or type(failure).__name__)
    return False


def _write(client: httpx.Client, link: str, page: str, path: Path, report: Callable[[int, int], None]) -> None:
    if link.startswith("file:"):
        shutil.copyfile(url2pathname(urlsplit(link).path), path)
        return
    with (
        client.stream("GET", link, auth=_credentials(link, page)) as response,
        write_errors(path),
        path.open("wb") as file,
    ):
        response.raise_for_status()
        total = int(response.headers.get("content-length", 0))
        report(0, total)
        for chunk in enforce_rate(response.iter_raw()):
            report(file.tell() + len(chunk), total)
            file.write(chunk)


def _pip_settings() -> dict[str, str]:
    """How `pip download` is configured: by files for all commands, for itself, and by the environment."""
    command = [sys.executable, "-P", "-m", "pip", "config", "list"]
    listed = subprocess.run(command, capture_output=True, encoding="utf-8", check=False).stdout
    settings: dict[str, str] = {}
    for section in ("global", "download", ":env:"):
        for name, value in re.findall(rf"^{section}\.(\S+?)=(.+)$", listed, re.MULTILINE):
            settings[name] = ast.literal_eval(value)
    return settings


def _client(settings: dict[str, str]) -> httpx.Client:
    """An HTTP client with pip's proxy and certificates, for https, this machine and hosts that pip is to trust."""
    trusted = settings.get("trusted-host", "").split()
    proxy = settings.get("proxy")

    def check_scheme(request: httpx.Request) -> None:
        host = request.url.host
        if request.url.scheme != "https" and host not in ("localhost", "127.0.0.1", "::1", *trusted):
            raise httpx.UnsupportedProtocol(f"{host} uses http, and is not a trusted-host of pip")

    return httpx.Client(
        verify=ssl.create_default_context(cafile=settings.get("cert")),
        proxy=proxy if proxy is None or "://" in proxy else f"http://{proxy}",
        timeout=float(settings.get("timeout") or settings.get("default-timeout") or 30),
        follow_redirects=True,
        event_hooks={"request": [check_scheme]},
    )


def _pages(project: str, settings: dict[str, str]) -> Iterator[str]:
    """The addresses and folders that may name the file; where no index is configured, in the one that pip asks then."""
    from pip._internal.models.index import PyPI

    yield from settings.get("find-links", "").split()
    if settings.get("no-index", "").lower() not in ("1", "true", "yes", "on"):
        indexes = [settings.get("index-url") or PyPI.simple_url, *settings.get("extra-index-url", "").split()]
        yield from (f"{index.rstrip('/')}/{canonicalize_name(project)}/" for index in indexes)


def _links(client: httpx.Client, page: str) -> Iterator[str]:
    """The addresses that a page names: one of the simple repository API, or a folder."""
    if page.startswith(("http:", "https:")):
        response = client.get(page, headers=_ACCEPT, auth=_credentials(page, page)).raise_for_status()
        base, text = str(response.url), response.text
    else:
        place = Path(url2pathname(urlsplit(page).path) if page.startswith("file:") else page).absolute()
        if place.is_dir() and not (place / "index.html").is_file():
            yield from (each.as_uri() for each in place.iterdir())
            return
        place = place / "index.html" if place.is_dir() else place
        base, text = place.as_uri(), place.read_text("utf-8") if place.is_file() else ""
    for quoted in re.findall(r"""href\s*=\s*["']([^"'#]+)""", text):
        yield urljoin(base, html.unescape(quoted))


def _credentials(url: str, page: str) -> tuple[str, str] | None:
    """Those in the address, in its index's on the same host, or in the user's netrc file."""
    host = urlsplit(url).hostname or ""
    for parts in (urlsplit(url), urlsplit(page)):
        if parts.username and parts.hostname == host:
            return unquote(parts.username), unquote(parts.password or "")
    with suppress(OSError, netrc.NetrcParseError):
        found = netrc.netrc(os.environ.get("NETRC")).authenticators(host)
        return (found[0], found[2] or "") if found else None
    return None
