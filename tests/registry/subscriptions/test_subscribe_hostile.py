"""Servers and registries that mean harm or are broken: refused by name, the old copy in use, nothing left behind."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from tlzoo import registry
from tlzoo.errors import Offline, RegistryError, SourceError, TlzooError, UsageError
from tlzoo.registry.reading import check_file, check_published
from tlzoo.registry.schema import HttpsUrl
from tlzoo.registry.subscriptions import config, fetch, subscribe

DIRECT = [
    "http://example.org/r.json",
    "file:///etc/passwd",
    "data:application/json,{}",
    "ftp://example.org/r.json",
    "https://user:secret@example.org/r.json",
    "https://2130706433/r.json",
    "https://017700000001/r.json",
    "https://0177.0.0.1/r.json",
    "https://0x7f000001/r.json",
    "https://0x7f.1/r.json",
    "https://127.1/r.json",
    "https://example.org/a/../r.json",
    "https://example.org/%2e%2e/r.json",
    "https://example.org/%2E%2E%2Fr.json",
    "https://example.org\\@localhost/r.json",
    "https://example.org/%5c..%5cr.json",
    "https://example.org/\0r.json",
    "https://example.org/%00r.json",
    "https://example.org/r.json\r\nHost: inside",
    "https://exa\tmple.org/r.json",
    "https://exämple.org/r.json",
    "https://example.org:99999/r.json",
    "https://[::1/r.json",
    "https:///r.json",
    "https://example.org/" + "a" * 3000,
]
INSIDE = [
    "https://127.0.0.1/r.json",
    "https://[::1]/r.json",
    "https://[::ffff:127.0.0.1]/r.json",
    "https://[fe80::1]/r.json",
    "https://10.0.0.1/r.json",
    "https://169.254.169.254/latest/meta-data",
]


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def added(publisher: Any, entry: Any) -> Any:
    """The publisher, after its registry with `acme/net` was added by the name `acme`."""
    document = {"schema_version": 1, "checkpoints": [entry("acme/net")]}
    subscribe.add(publisher.publish(document), unpinned=True, name="acme")
    return publisher


def refused() -> TlzooError:
    """Why the update failed, after a look that the old copy is in use and that nothing else was stored."""
    (outcome,) = subscribe.update()
    assert outcome.error is not None
    assert outcome.error.hint
    assert "\n" not in str(outcome.error)
    assert registry.get("acme/net").architecture == "net"
    assert len(list(config.copies_folder().iterdir())) == 1
    return outcome.error


@pytest.mark.parametrize("url", DIRECT)
def test_an_odd_address_is_refused_before_a_socket_is_opened(no_sockets: None, url: str) -> None:
    with pytest.raises(UsageError):
        subscribe.add(url, unpinned=True)


@pytest.mark.parametrize("url", INSIDE)
def test_an_address_inside_is_refused_before_a_socket_is_opened(no_sockets: None, url: str) -> None:
    with pytest.raises(SourceError, match="not public"):
        subscribe.add(url, unpinned=True)


@pytest.mark.parametrize("url", DIRECT)
def test_an_entry_may_not_name_an_odd_address(entry: Any, url: str) -> None:
    source = {"kind": "url", "url": url, "sha256": "0" * 64, "size": 1}
    content = json.dumps({"checkpoints": [entry(source=source)]}).encode()
    (fault, *_) = check_published(content).faults
    assert (fault.entry, fault.field) == ("vision/net", "source.url.url")


@pytest.mark.parametrize("url", INSIDE)
def test_a_published_entry_may_not_name_an_address_inside(
    entry: Any, no_sockets: None, tmp_path: Path, url: str
) -> None:
    source = {"kind": "url", "url": url, "sha256": "0" * 64, "size": 1}
    content = json.dumps({"checkpoints": [entry(source=source)]}).encode()
    assert [(f.entry, f.field) for f in check_published(content).faults] == [("vision/net", "source.url")]
    (tmp_path / "r.json").write_bytes(content)
    assert check_file(tmp_path / "r.json").faults == ()


@pytest.mark.parametrize(
    "url", ["https://example.org/r.json", "https://a.b:8443/r.json?x=1#y", "https://[2606:4700::1]/"]
)
def test_a_plain_address_is_taken_as_it_is(url: str) -> None:
    assert TypeAdapter(HttpsUrl).validate_python(url) == url


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "it is empty"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"\xef\xbb\xbf \n<html>", "web page"),
        (b"\xff\xfe{}", "not JSON in UTF-8"),
        (b'\xef\xbb\xbf{"checkpoints": []}', "byte order mark"),
        (b'{"checkpoints": [' + b"[" * 100_000, "not JSON"),
        (b"[]", "must be a JSON object"),
        (b'{"checkpoints": []} x', "data after the end"),
        (b'{"checkpoints": {}}', "field 'checkpoints'"),
        (b'{"checkpoints": NaN}', "NaN"),
        (b'{"checkpoints": [], "checkpoints": []}', "duplicate key 'checkpoints'"),
        (b'{"checkpoints": [], "color": 1}', "field 'color'"),
        (b'{"checkpoints": [], "schema_version": 9}', "schema_version"),
        (b'{"checkpoints": [], "sequence": -1}', "sequence"),
        (b'{"checkpoints": [], "sequence": 1e999}', "sequence"),
        (b'{"checkpoints": [3]}', "entry '0'"),
    ],
)
def test_what_is_no_registry_is_refused_with_the_reason(added: Any, content: bytes, said: str) -> None:
    added.publish(content)
    assert said in refused().message


def test_every_fault_of_a_file_is_found_at_once(entry: Any, tmp_path: Path) -> None:
    twice = json.dumps(entry("a/twice")).replace('"size": 1', '"size": 1, "size": 2')
    odd = [entry("a/x", colour="red"), entry("a/y"), entry("a/y"), entry("a/z", parameters=0), entry("A", tasks=[])]
    content = f'{{"checkpoints": [{twice}, {", ".join(map(json.dumps, odd))}], "more": 1}}'.encode()
    (tmp_path / "r.json").write_bytes(content)
    found = {(fault.entry, fault.field) for fault in check_file(tmp_path / "r.json").faults}
    assert found == {
        ("a/twice", "source.size"), ("a/x", "colour"), ("a/y", "id"), ("a/z", "parameters"), ("A", "id"),
        ("A", "tasks"), ("", "more"),
    }  # fmt: skip


@pytest.mark.parametrize(
    "source",
    [
        {"kind": "file", "files": [{"path": "/etc/passwd", "sha256": "0" * 64, "size": 1}]},
        {"kind": "package", "package": "os", "files": [{"path": "x", "sha256": "0" * 64, "size": 1}]},
    ],
)
def test_a_remote_registry_names_nothing_on_this_machine(added: Any, entry: Any, source: Any) -> None:
    added.publish({"checkpoints": [entry("acme/net", source=source)]})
    assert "source.kind" in refused().message


@pytest.mark.parametrize("path", ["../up", "a/../../b", "/etc/x", "a\\b", "a\0b", "C:/x", ""])
def test_a_member_stays_in_its_archive(added: Any, entry: Any, path: str) -> None:
    members = [{"path": path, "sha256": "0" * 64, "size": 1}]
    source = {"kind": "pypi", "project": "p", "version": "1", "archive": "p-1.tar.gz", "members": members}
    added.publish({"checkpoints": [entry("acme/net", source=source)]})
    assert "members.0.path" in refused().message


def head(handler: Any, length: int | None, status: int = 200, **headers: str) -> None:
    handler.send_response(status)
    if length is not None:
        handler.send_header("Content-Length", str(length))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.close_connection = True


def test_a_body_that_says_it_is_too_large_is_not_begun(added: Any) -> None:
    added.pages["/registry.json"] = lambda handler: head(handler, 100_000_000)
    assert "more than 83,886,080 bytes" in refused().message


def test_a_body_without_end_is_cut_at_the_limit(added: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetch, "MAX_BYTES", 8 * 2**20)
    sent = []

    def flood(handler: Any) -> None:
        head(handler, None)
        while len(sent) < 1000:
            handler.wfile.write(b" " * 2**20)
            sent.append(1)

    added.pages["/registry.json"] = flood
    assert "sends more than" in refused().message
    assert len(sent) < 30


def test_a_body_that_is_shorter_than_said_is_refused(added: Any) -> None:
    def cut(handler: Any) -> None:
        head(handler, 1000)
        handler.wfile.write(b'{"checkpoints": []}')

    added.pages["/registry.json"] = cut
    error = refused()
    assert isinstance(error, Offline)
    assert "received 19 bytes" in error.message


def test_a_chunked_body_that_breaks_off_is_refused(added: Any) -> None:
    def cut(handler: Any) -> None:
        head(handler, None, Transfer_Encoding="chunked")
        handler.wfile.write(b'13\r\n{"checkpoints": []}\r\n')

    added.pages["/registry.json"] = cut
    assert isinstance(refused(), Offline)


def test_a_compressed_body_is_refused(added: Any) -> None:
    body = gzip.compress(b" " * 10**7)

    def bomb(handler: Any) -> None:
        head(handler, len(body), Content_Encoding="gzip")
        handler.wfile.write(body)

    added.pages["/registry.json"] = bomb
    assert "compressed" in refused().message


@pytest.mark.parametrize(
    "target",
    [
        "http://localhost:{port}/r.json",
        "https://127.0.0.1:{port}/r.json",
        "https://2130706433:{port}/r.json",
        "https://[::1]:{port}/r.json",
        "https://u:p@localhost:{port}/r.json",
        "file:///etc/passwd",
        "data:application/json,%7B%7D",
        "//127.0.0.1:{port}/r.json",
    ],
)
def test_a_redirect_elsewhere_than_https_outside_is_refused(added: Any, target: str) -> None:
    location = target.format(port=added.url.rpartition(":")[2])
    added.pages["/registry.json"] = lambda handler: head(handler, 0, 302, Location=location)
    added.requests.clear()
    assert "is refused" in refused().message
    assert [path for path, _ in added.requests] == ["/registry.json"]


def test_a_redirect_to_the_same_site_is_followed(added: Any, entry: Any) -> None:
    added.publish({"checkpoints": [entry("acme/moved")]}, path="/new.json")
    added.pages["/registry.json"] = lambda handler: head(handler, 0, 301, Location="/new.json")
    assert subscribe.update()[0].state == "updated"
    assert registry.get("acme/moved").id == "acme/moved"


@pytest.mark.parametrize("status", [204, 206, 304, 403, 500, 503])
def test_another_status_is_refused(publisher: Any, status: int) -> None:
    publisher.pages["/registry.json"] = lambda handler: head(handler, 0, status)
    with pytest.raises(SourceError, match=f"answered {status}"):
        subscribe.add(f"{publisher.url}/registry.json", unpinned=True)
    assert config.read() == ()


def test_a_signature_that_is_too_long_is_refused(publisher: Any, entry: Any) -> None:
    url = publisher.publish({"checkpoints": [entry()]})
    publisher.pages["/registry.json.sig"] = b"A" * 5000
    with pytest.raises(SourceError, match="more than 1,024 bytes"):
        subscribe.add(url, key="A" * 43 + "=")


@pytest.mark.parametrize("where", ["before the headers", "in the body"])
def test_a_server_that_stalls_is_given_up(added: Any, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.3)
    over, ended = threading.Event(), threading.Event()

    def stall(handler: Any) -> None:
        if where == "in the body":
            head(handler, 100)
            handler.wfile.write(b"{")
        over.wait(60)
        ended.set()

    added.pages["/registry.json"] = stall
    assert isinstance(refused(), Offline)
    assert not ended.is_set()  # the server was still at it
    over.set()


@pytest.mark.parametrize("what", ["headers", "body"])
def test_a_slow_drip_is_given_up(added: Any, monkeypatch: pytest.MonkeyPatch, what: str) -> None:
    monkeypatch.setattr(fetch, "TIMEOUT_S", 0.4)
    monkeypatch.setattr(fetch, "MAX_BODY_S", 0.8)
    drops = 600
    sent = []

    def drip(handler: Any) -> None:
        if what == "body":
            head(handler, 10**6)
        else:
            handler.wfile.write(b"HTTP/1.1 200 OK\r\nX-Slow: ")
        for number in range(drops):
            handler.wfile.write(b" ")
            sent.append(number)
            time.sleep(0.1)

    added.pages["/registry.json"] = drip
    assert isinstance(refused(), Offline)
    assert len(sent) < drops  # it was given up before the end of it


def test_an_etag_that_is_no_plain_text_is_not_kept(added: Any, entry: Any) -> None:
    body = json.dumps({"checkpoints": [entry("acme/net"), entry("acme/two")]}).encode()

    def odd(handler: Any) -> None:
        head(handler, len(body), ETag='"' + "x" * 5000 + '"')
        handler.wfile.write(body)

    added.pages["/registry.json"] = odd
    assert subscribe.update()[0].state == "updated"
    assert config.read()[0].held.etag is None  # type: ignore[union-attr]


def test_a_registry_of_the_users_configuration_is_not_an_odd_address_either() -> None:
    with pytest.raises(ValidationError):
        config.Subscription(name="a", url="https://0x7f.1/r.json", unpinned=True)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    with (tmp_path / "large.json").open("wb") as file:
        file.truncate(fetch.MAX_BYTES + 1)
    with pytest.raises(RegistryError, match="the limit is 80 MiB"):
        subscribe.add(str(tmp_path / "large.json"))


@pytest.mark.parametrize(
    "fields",
    [
        {"id": "vision/" + "a" * 300},
        {"source": {"kind": "file", "files": [{"path": "a\0b", "sha256": "0" * 64, "size": 1}]}},
        {"source": {"kind": "hub", "repo": "a/b", "files": [{"path": "c/" + "a" * 300}]}},
    ],
)
def test_what_no_file_can_be_called_is_no_entry(entry: Any, tmp_path: Path, fields: dict[str, Any]) -> None:
    (tmp_path / "r.json").write_text(json.dumps({"checkpoints": [entry(**fields)]}))
    with pytest.raises(RegistryError, match="entry 'vision/"):
        registry.load(tmp_path / "r.json", allow_files=True)
