"""The guarded https connection: what is refused before a socket is opened, and what a bad server can do to us."""

from __future__ import annotations

import base64
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import Offline, SourceError
from tlzoo.io.network import https
from tlzoo.io.network.addresses import AddressRefused, is_public
from tlzoo.io.network.https import UNREACHABLE, MinimumRate, TooSlow, open_https

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def no_sockets(monkeypatch: pytest.MonkeyPatch) -> None:
    """Any socket, and any question to the resolver, fails the test."""

    def forbidden(*args: object, **options: object) -> None:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)


@pytest.fixture
def trusted(site: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("TLZOO_TRUSTED_HOSTS", "example.com, localhost")
    site.pages["/w.bin"] = (200, {"ETag": '"1"'}, b"whole")
    return site


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/w",
        "file:///etc/passwd",
        "data:text/plain,x",
        "ftp://example.org/w",
        "//example.org/w",
        "example.org/w",
        "https:///w",
        "https://user:secret@example.org/w",
        "https://@example.org/w",
        "https://example.org\\@127.0.0.1/w",
        "https://example.org/w\0",
        "https://example.org/\r\nHost: inside",
        "https://exam\tple.org/w",
        " https://example.org/w",
        "https://example.org/a b",
        "https://example.org:x/w",
        "https://example.org:99999/w",
        "https://example.org:22/w",
        "https://[::1/w",
        "https://127.0.0.1/w",
        "https://127.0.0.1./w",
        "https://2130706433/w",
        "https://017700000001/w",
        "https://0x7f000001/w",
        "https://0x7f.1/w",
        "https://127.1/w",
        "https://10.0.0.1:8443/w",
        "https://169.254.169.254/latest/meta-data",
        "https://0.0.0.0/w",
        "https://255.255.255.255/w",
        "https://224.0.0.1/w",
        "https://[::1]/w",
        "https://[::]/w",
        "https://[fe80::1]/w",
        "https://[fe80::1%25eth0]/w",
        "https://[::ffff:127.0.0.1]/w",
        "https://[::127.0.0.1]/w",
        "https://[64:ff9b::7f00:1]/w",
        "https://\u0661\u0662\u0667.0.0.1/w",
        "https://ex\u00e4mple.org/w",
    ],
)
def test_an_address_that_shows_it_is_wrong_is_refused_without_a_socket(no_sockets: None, url: str) -> None:
    with pytest.raises(AddressRefused), open_https(url):
        pass


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "10.1.2.3",
        "192.168.0.1",
        "172.16.0.1",
        "169.254.169.254",
        "100.64.0.1",
        "198.18.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::127.0.0.1",
        "fe80::1%eth0",
        "fec0::1",
        "fc00::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "64:ff9b::a00:1",
        "64:ff9b:1::a00:1",
        "2002:7f00:1::",
        "2001:db8::1",
        "2001::1",
    ],
)
def test_an_address_inside_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["93.184.215.14", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"])
def test_an_address_outside_is_public(address: str) -> None:
    assert is_public(address)


def test_a_name_that_leads_inside_is_refused(site: Any) -> None:
    with pytest.raises(AddressRefused, match="localhost has the address"), open_https(f"{site.url}/w.bin"):
        pass
    assert site.requests == []


def test_one_private_address_among_public_ones_is_enough_to_refuse(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = (socket.AF_INET, socket.SOCK_STREAM, 6, "")
    monkeypatch.setattr(
        socket, "getaddrinfo", lambda *a, **o: [(*kind, ("93.184.215.14", 443)), (*kind, ("10.0.0.1", 443))]
    )
    monkeypatch.setattr(socket, "socket", lambda *a: pytest.fail("a socket was opened"))
    with pytest.raises(AddressRefused, match=r"10\.0\.0\.1"), open_https("https://both.example/w"):
        pass


def test_a_name_is_resolved_once_for_each_connection(trusted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, resolve = [], socket.getaddrinfo

    def counting(host: str, *args: Any, **options: Any) -> Any:
        asked.append(host)
        return resolve(host, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", counting)
    with open_https(f"{trusted.url}/w.bin"):
        assert [host for host in asked if not host[0].isdecimal()] == ["localhost"]


def test_the_answer_has_status_headers_and_body(trusted: Any) -> None:
    with open_https(f"{trusted.url}/w.bin") as response:
        assert (response.status, response.headers["etag"], b"".join(response.chunks())) == (200, '"1"', b"whole")
    with open_https(f"{trusted.url}/absent") as response:
        assert response.status == 404


def test_headers_are_sent(trusted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    trusted.answer_to = lambda headers: (304, {}, b"") if headers["If-None-Match"] == '"1"' else (200, {}, b"new")
    with open_https(f"{trusted.url}/w.bin", headers={"If-None-Match": '"1"'}) as response:
        assert response.status == 304


def test_a_query_is_sent_and_a_relative_redirect_is_followed(trusted: Any) -> None:
    trusted.pages["/old?a=1&b=%20"] = (307, {"Location": "w.bin"}, b"")
    with open_https(f"{trusted.url}/old?a=1&b=%20") as response:
        assert response.status == 200
    assert trusted.requests == ["GET /old?a=1&b=%20", "GET /w.bin"]


@pytest.mark.parametrize(
    "target",
    [
        "https://127.0.0.1:{port}/w.bin",
        "//127.0.0.1:{port}/w.bin",
        "http://localhost:{port}/w.bin",
        "https://u:p@localhost:{port}/w.bin",
        "file:///etc/passwd",
        "https://[::ffff:7f00:1]:{port}/w.bin",
        "https://2130706433:{port}/w.bin",
        "https://localhost:{port}\\@127.0.0.1/w.bin",
        "https://localhost:{port}/a b",
    ],
)
def test_a_redirect_is_judged_as_the_first_address_was(trusted: Any, target: str) -> None:
    location = target.format(port=trusted.url.rpartition(":")[2])
    trusted.pages["/old"] = (302, {"Location": location}, b"")
    with pytest.raises(AddressRefused), open_https(f"{trusted.url}/old"):
        pass
    assert trusted.requests == ["GET /old"]


def test_redirects_without_end_stop(trusted: Any) -> None:
    trusted.pages["/loop"] = (302, {"Location": "/loop"}, b"")
    with pytest.raises(AddressRefused, match="more than 5 times"), open_https(f"{trusted.url}/loop"):
        pass
    assert len(trusted.requests) == 6


def test_an_authorization_does_not_go_to_another_host(trusted: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLZOO_TRUSTED_HOSTS", "127.0.0.1,localhost")
    port = trusted.url.rpartition(":")[2]
    trusted.pages["/old"] = (302, {"Location": f"https://127.0.0.1:{port}/w.bin"}, b"")
    with open_https(f"{trusted.url}/old", headers={"Authorization": "Bearer mine", "Accept": "a/b"}):
        pass
    assert [(seen.get("Authorization"), seen.get("Accept")) for seen in trusted.seen] == [
        ("Bearer mine", "a/b"),
        (None, "a/b"),
    ]


def test_errors_are_explained_in_one_line_each(site: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        pytest.raises(SourceError, match=r"^Registry x is refused: .*not public") as caught,
        https.network_errors("Registry x"),
        open_https(f"{site.url}/w.bin"),
    ):
        pass
    assert "TLZOO_TRUSTED_HOSTS" in caught.value.hint
    monkeypatch.setenv("TLZOO_TRUSTED_HOSTS", "127.0.0.1")
    with (
        pytest.raises(Offline, match=r"^Registry x could not be reached: ") as offline,
        https.network_errors("Registry x"),
        open_https("https://127.0.0.1:9/w.bin"),
    ):
        pass
    assert "\n" not in str(offline.value)


@pytest.fixture
def proxy(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """An https proxy that wants a password; yields the heads of what it was asked."""
    asked: list[str] = []
    listening = socket.create_server(("127.0.0.1", 0))

    def pass_on(source: socket.socket, target: socket.socket) -> None:
        while data := source.recv(65536):
            target.sendall(data)

    def serve() -> None:
        client, _ = listening.accept()
        asked.append(client.recv(65536).decode("ascii"))
        host, _, port = asked[0].split()[1].partition(":")
        server = socket.create_connection((host, int(port)))
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        threading.Thread(target=pass_on, args=(client, server), daemon=True).start()
        pass_on(server, client)

    def serve_quietly() -> None:
        with contextlib.suppress(OSError):
            serve()

    threading.Thread(target=serve_quietly, daemon=True).start()
    monkeypatch.setenv("https_proxy", f"http://me:se%20cret@127.0.0.1:{listening.getsockname()[1]}")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    yield asked
    listening.close()


def test_the_proxy_of_the_environment_is_used_with_its_password(trusted: Any, proxy: list[str]) -> None:
    with open_https(f"{trusted.url}/w.bin") as response:
        assert b"".join(response.chunks()) == b"whole"
    (head,) = proxy
    assert head.startswith(f"CONNECT {trusted.url.removeprefix('https://')} ")
    assert base64.b64encode(b"me:se cret").decode() in head


def test_a_name_that_leads_inside_is_refused_behind_a_proxy_too(site: Any, proxy: list[str]) -> None:
    with pytest.raises(AddressRefused, match="localhost has the address"), open_https(f"{site.url}/w.bin"):
        pass
    assert proxy == []


Speak = Callable[[Any], None]


@pytest.fixture
def speaking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Speak], str]]:
    """Starts a TLS server that does to each connection what it is given; returns its address."""
    import trustme

    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "speaking.pem")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "speaking.pem"))
    monkeypatch.setenv("TLZOO_TRUSTED_HOSTS", "localhost")
    listening = socket.create_server(("127.0.0.1", 0))
    stop = threading.Event()

    def serve(speak: Speak) -> None:
        while not stop.is_set():
            try:
                plain, _ = listening.accept()
                with context.wrap_socket(plain, server_side=True) as stream:
                    stream.recv(65536)
                    speak(stream)
            except OSError:
                continue

    def start(speak: Speak) -> str:
        threading.Thread(target=serve, args=(speak,), daemon=True).start()
        return f"https://localhost:{listening.getsockname()[1]}/w.bin"

    yield start
    stop.set()
    listening.close()


def drip(stream: Any, data: bytes, pause: float) -> None:
    for byte in data:
        stream.send(bytes([byte]))
        time.sleep(pause)


def test_a_server_that_says_nothing_times_out(speaking: Any) -> None:
    url = speaking(lambda stream: time.sleep(5))
    with pytest.raises(TooSlow), open_https(url, timeout=0.2):
        pass


def test_headers_that_come_byte_by_byte_time_out(speaking: Any) -> None:
    url = speaking(lambda stream: drip(stream, b"HTTP/1.1 200 OK\r\nX-Long: " + b"x" * 1000, 0.1))
    with pytest.raises(TooSlow), open_https(url, timeout=0.3):
        pass


def test_a_body_that_stalls_times_out(speaking: Any) -> None:
    def speak(stream: Any) -> None:
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome")
        time.sleep(5)

    with open_https(speaking(speak), timeout=1.5) as response, pytest.raises(TooSlow):
        list(response.chunks())


def test_a_body_that_drips_times_out(speaking: Any) -> None:
    def speak(stream: Any) -> None:
        stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        drip(stream, bytes(1000), 0.02)

    with open_https(speaking(speak), timeout=5) as response, pytest.raises(TooSlow, match="bytes arrived in"):
        list(response.chunks(MinimumRate(bytes=1000, seconds=0.3)))


def test_a_body_that_ends_early_is_a_broken_connection(speaking: Any) -> None:
    url = speaking(lambda stream: stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nsome"))
    with open_https(url, timeout=5) as response, pytest.raises(UNREACHABLE):
        list(response.chunks())
