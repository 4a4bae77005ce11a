"""Downloads behind an address that break, are killed, or meet a server that plays tricks."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tlzoo.errors import HashMismatch, Offline, SourceError
from tlzoo.registry.schema import UrlSource
from tlzoo.weights import download
from tlzoo.weights.fetch import fetch_source

CONTENT = os.urandom(300_000)
DIGEST = hashlib.sha256(CONTENT).hexdigest()
Answer = tuple[int, dict[str, str], bytes]


class Server:
    """Answers as a web server does, and breaks off the answers that `breaks` names after so many bytes."""

    def __init__(self, site: Any) -> None:
        self.url, self.site = f"{site.url}/w.bin", site
        self.content, self.etag, self.ranges = CONTENT, '"1"', True
        self.breaks: list[int | None] = []
        self.asked: list[tuple[str | None, str | None]] = []
        site.answer_to = self.answer

    def answer(self, headers: Any) -> Answer:
        span, unless = headers.get("Range"), headers.get("If-Range")
        self.asked.append((span, unless))
        begin = int(re.findall(r"\d+", span)[0]) if span else 0
        total, sent = len(self.content), {"ETag": self.etag, "Connection": "close"}
        if not self.ranges or not begin or unless not in (None, self.etag):
            status, begin = 200, 0
        else:
            status, sent["Content-Range"] = 206, f"bytes {begin}-{total - 1}/{total}"
        end = self.breaks.pop(0) if self.breaks else None
        sent["Content-Length"] = str(total - begin)
        return status, sent, self.content[begin:][:end]


@pytest.fixture
def server(site: Any, monkeypatch: pytest.MonkeyPatch) -> Server:
    monkeypatch.setenv("TLZOO_TRUSTED_HOSTS", "localhost")
    monkeypatch.setattr(download, "PAUSE_S", 0.0)
    return Server(site)


def source(server: Server) -> UrlSource:
    return UrlSource(url=server.url, sha256=DIGEST, size=len(CONTENT))


def get(server: Server, key: str = "vision/tiny") -> bytes:
    return fetch_source(source(server), key).files["w.bin"].read_bytes()


def left_over(cache: Path, size: int, version: str | None = '"1"', content: bytes = CONTENT) -> None:
    """What an earlier run left when it was stopped."""
    (cache / "partial").mkdir(parents=True)
    (cache / "partial" / DIGEST).write_bytes(content[:size])
    if version is not None:
        quoted = version.replace('"', '\\"')
        (cache / "partial" / f"{DIGEST}.json").write_text(f'{{"version": "{quoted}"}}')


def test_a_connection_that_breaks_is_resumed_in_the_same_run(server: Server, cache: Path) -> None:
    server.breaks = [100_000, 50_000]
    assert get(server) == CONTENT
    assert server.asked == [(None, None), ("bytes=100000-", '"1"'), ("bytes=150000-", '"1"')]
    assert list((cache / "partial").iterdir()) == []


def test_what_is_broken_again_and_again_is_offline_and_resumes_in_the_next_run(server: Server) -> None:
    server.breaks = [20_000] * download.ATTEMPTS
    with pytest.raises(Offline, match="could not be reached"):
        get(server)
    server.asked.clear()
    assert get(server) == CONTENT
    assert server.asked == [(f"bytes={20_000 * download.ATTEMPTS}-", '"1"')]


def test_a_killed_download_resumes_where_it_was(server: Server, cache: Path) -> None:
    whole, answer = threading.Event(), server.answer

    def slow(headers: Any) -> Answer:
        status, sent, body = answer(headers)
        if not whole.is_set():  # the connection stays open, and the rest never comes
            del sent["Connection"]
            body = body[:100_000]
        return status, sent, body

    server.site.answer_to = slow
    code = (
        "import sys\nfrom tlzoo.registry.schema import UrlSource\nfrom tlzoo.weights.fetch import fetch_source\n"
        "fetch_source(UrlSource.model_validate_json(sys.argv[1]), 'vision/tiny')\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, source(server).model_dump_json()])
    part = cache / "partial" / DIGEST
    deadline = time.monotonic() + 20
    while not part.is_file() or part.stat().st_size < 100_000:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    whole.set()
    assert [path for path in cache.glob("weights/*/*/*") if not path.name.startswith(".download.")] == []
    server.asked.clear()
    assert get(server) == CONTENT
    assert server.asked == [("bytes=100000-", '"1"')]


def test_a_server_that_ignores_ranges_starts_over(server: Server, cache: Path) -> None:
    left_over(cache, 1000)
    server.ranges = False
    assert get(server) == CONTENT
    assert server.asked == [("bytes=1000-", '"1"')]


def test_a_file_that_changed_meanwhile_starts_over(server: Server, cache: Path) -> None:
    left_over(cache, 1000, '"0"', bytes(1000))
    assert get(server) == CONTENT
    assert server.asked == [("bytes=1000-", '"0"')]


def test_a_beginning_whose_version_nobody_knows_is_resumed_too(server: Server, cache: Path) -> None:
    left_over(cache, 1000, None)
    assert get(server) == CONTENT
    assert server.asked == [("bytes=1000-", None)]


def test_a_resumed_file_with_a_wrong_hash_is_fetched_once_more_from_scratch(server: Server, cache: Path) -> None:
    left_over(cache, 1000, content=bytes(1000))
    assert get(server) == CONTENT
    assert server.asked == [("bytes=1000-", '"1"'), (None, None)]


def test_a_server_with_wrong_bytes_is_asked_twice_at_most(server: Server, cache: Path) -> None:
    left_over(cache, 1000)
    server.content = CONTENT[::-1]
    with pytest.raises(HashMismatch, match="changed"):
        get(server)
    assert len(server.asked) == 2
    assert list((cache / "partial").iterdir()) == []


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 5])
def test_a_beginning_that_is_whole_or_too_long_is_judged_by_its_hash(server: Server, cache: Path, size: int) -> None:
    left_over(cache, size, content=CONTENT + bytes(5))
    assert get(server) == CONTENT
    assert server.asked == ([] if size == len(CONTENT) else [(None, None)])


@pytest.mark.parametrize("span", ["bytes 0-299999/300000", "bytes 1000-299999/999999", "nonsense", ""])
def test_a_rest_that_is_not_the_one_asked_for_is_not_appended(server: Server, cache: Path, span: str) -> None:
    left_over(cache, 1000)
    answer = server.answer
    server.site.answer_to = lambda headers: (
        (206, {"Content-Range": span}, answer({})[2]) if headers.get("Range") else answer(headers)
    )
    assert get(server) == CONTENT


def test_a_range_that_cannot_be_satisfied_starts_over(server: Server, cache: Path) -> None:
    left_over(cache, 1000)
    answer = server.answer
    server.site.answer_to = lambda headers: (416, {}, b"") if headers.get("Range") else answer(headers)
    assert get(server) == CONTENT


@pytest.mark.parametrize("length", ["300001", "99999999999999"])
def test_an_announced_length_over_the_pinned_one_is_refused_at_once(server: Server, cache: Path, length: str) -> None:
    server.site.answer_to = lambda headers: (200, {"Content-Length": length, "Connection": "close"}, CONTENT)
    with pytest.raises(HashMismatch, match="more than the pinned 300000 bytes"):
        get(server)
    assert list((cache / "partial").iterdir()) == []


def test_a_body_without_a_length_is_cut_at_the_pinned_size(server: Server, cache: Path) -> None:
    endless = b"".join(b"10000\r\n" + bytes(0x10000) + b"\r\n" for _ in range(20))
    server.site.answer_to = lambda headers: (200, {"Transfer-Encoding": "chunked", "Connection": "close"}, endless)
    with pytest.raises(HashMismatch, match="more than the pinned"):
        get(server)


def test_while_another_process_writes_the_partial_file_this_one_uses_its_own(server: Server, cache: Path) -> None:
    left_over(cache, 1000)
    with FileLock(cache / "locks" / f"partial--{DIGEST}"):
        assert get(server) == CONTENT
    assert server.asked == [(None, None)]
    assert (cache / "partial" / DIGEST).stat().st_size == 1000


def test_a_disk_without_room_is_reported_before_anything_is_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage(0, 0, len(CONTENT) - 1))
    with pytest.raises(SourceError, match="are free") as caught:
        get(server)
    assert "tlzoo cache gc" in caught.value.hint
    assert server.asked == []


@pytest.mark.release
def test_eight_processes_on_a_cold_cache_share_one_download(server: Server) -> None:
    code = (
        "import sys\nfrom tlzoo.registry.schema import UrlSource\nfrom tlzoo.weights.fetch import fetch_source\n"
        "print(fetch_source(UrlSource.model_validate_json(sys.argv[1]), 'vision/tiny').files['w.bin'])\n"
    )
    command = [sys.executable, "-c", code, source(server).model_dump_json()]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(8)]
    printed = {process.communicate(timeout=60)[0].strip() for process in processes}
    assert [process.returncode for process in processes] == [0] * 8
    assert [Path(path).read_bytes() == CONTENT for path in printed] == [True]
    assert server.asked == [(None, None)]
