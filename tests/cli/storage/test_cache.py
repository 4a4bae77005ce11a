"""`tlzoo cache`: what it lists, what it finds damaged, what it removes and what it leaves alone."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tlzoo.cli import main
from tlzoo.registry.schema import FileSource, LocalFile
from tlzoo.weights.fetch import fetch_source

CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()
DAY = 86400


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


FETCH = """
import sys
from tlzoo.registry.schema import FileSource
from tlzoo.weights.fetch import fetch_source
print(fetch_source(FileSource.model_validate_json(sys.argv[1]), sys.argv[2]).folder, flush=True)
sys.stdin.read()
"""


def source(cache: Path) -> FileSource:
    (cache.parent / "w.bin").write_bytes(CONTENT)
    return FileSource(files=(LocalFile(path=str(cache.parent / "w.bin"), sha256=DIGEST, size=len(CONTENT)),))


def fetched(cache: Path, key: str = "vision/tiny", age: float = 0) -> Path:
    """Weights in the cache, put there by a process that has ended, and last used so long ago (seconds)."""
    command = [sys.executable, "-c", FETCH, source(cache).model_dump_json(), key]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
    return aged(Path(done.stdout.strip()), age)


def aged(path: Path, seconds: float) -> Path:
    for each in (*(path.rglob("*") if path.is_dir() else ()), path):
        os.utime(each, (time.time() - seconds, time.time() - seconds))
    return path


def file(path: Path, content: bytes = CONTENT, age: float = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return aged(path, age)


@pytest.fixture
def run(cache: Path, capsys: pytest.CaptureFixture[str]) -> Any:
    """Runs `tlzoo cache` with --json; returns its document, or where `code` is 2 its error."""

    def run(*arguments: str, code: int = 0) -> Any:
        assert main(["cache", *arguments, "--json"]) == code
        printed = capsys.readouterr()
        return json.loads(printed.out) if printed.out else printed.err

    return run


def test_every_kind_is_listed_with_its_size_and_last_use(cache: Path, run: Any) -> None:
    folder = fetched(cache, age=DAY)
    file(cache / "converted" / f"{DIGEST}.safetensors")
    file(cache / "graphs" / "g.onnx")
    file(cache / "activations" / "key" / "features.bin")
    file(cache / "partial" / DIGEST)
    file(cache / "resolved" / "a.json")
    file(cache / "registry" / "indexes" / "a.sqlite")
    file(cache / "demo-data" / "vision" / "0.png")
    file(cache / "temporary" / ".work.0badcafe.0badcafe.part" / "model.onnx")
    file(cache / "something else" / "x")
    listed = run("list")
    assert {row["kind"] for row in listed["entries"]} == set(listed["kinds"])
    assert listed["bytes"] == 9 * len(CONTENT)
    (weights,) = (row for row in listed["entries"] if row["kind"] == "weights")
    assert (weights["checkpoint"], weights["bytes"]) == ("vision/tiny", len(CONTENT))
    assert weights["path"] == str(folder.relative_to(cache))
    assert listed["kinds"]["graphs"] == {"entries": 1, "bytes": len(CONTENT)}


def test_without_a_subcommand_the_entries_are_listed(cache: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fetched(cache, "hf/org/name")
    assert main(["cache"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading == "kind\tbytes\tused\tentry"
    assert row.startswith("weights\t10,240\t")
    assert "hf/org/name" in row


def test_no_cache_at_all_is_an_empty_one(run: Any) -> None:
    assert run("list")["entries"] == []
    assert run("verify")["verified"] == 0
    assert run("gc")["freed"] == 0


def test_a_whole_cache_is_verified(cache: Path, run: Any) -> None:
    fetched(cache)
    copy = file(cache / "converted" / "a.safetensors")
    file(copy.with_name("a.safetensors.sha256"), DIGEST.encode())
    assert run("verify") == {"folder": str(cache), "verified": 2, "damaged": []}


def test_what_is_damaged_is_named_and_removed_when_asked(cache: Path, run: Any) -> None:
    (fetched(cache) / "w.bin").write_bytes(CONTENT[::-1])
    file(file(cache / "converted" / "a.safetensors").with_name("a.safetensors.sha256"), b"0" * 64)
    document = run("verify", code=2)
    assert [(row["kind"], row["removed"]) for row in document["damaged"]] == [
        ("converted", False),
        ("weights", False),
    ]
    assert "w.bin has sha256" in document["damaged"][1]["fault"]
    assert [row["removed"] for row in run("verify", "--remove")["damaged"]] == [True] * 2
    assert run("verify")["verified"] == 0
    assert run("list")["entries"] == []


def test_gc_alone_removes_only_downloads_that_nobody_took_up(cache: Path, run: Any) -> None:
    fetched(cache, age=999 * DAY)
    old = file(cache / "partial" / DIGEST, age=2 * DAY)
    file(old.with_name(f"{DIGEST}.json"), b"{}", age=2 * DAY)
    new = file(cache / "partial" / ("0" * 64), age=60)
    file(cache / "weights" / "vision" / "tiny" / ".download.00000000.abcdef01.part" / "w.bin")
    aged(cache / "weights" / "vision" / "tiny" / ".download.00000000.abcdef01.part", 2 * DAY)
    file(cache / "activations" / ".key.00000000.abcdef01.part" / "0.bin")
    aged(cache / "activations" / ".key.00000000.abcdef01.part", 2 * DAY)
    assert run("gc")["freed"] == 3 * len(CONTENT)
    assert sorted(cache.glob("partial/*")) == [new]
    assert [row["kind"] for row in run("list")["entries"]] == ["partial", "weights"]


TEMPORARY = """
import sys
from tlzoo.io.files import atomic_file, cache_folder, temporary_folder
with temporary_folder() as folder, atomic_file(cache_folder() / "graphs" / "g.onnx") as part:
    (folder / "a").write_text("a")
    part.write_text("a")
    print(flush=True)
    sys.stdin.read()
"""


def test_what_killed_processes_left_goes_and_what_is_being_written_stays(cache: Path, run: Any) -> None:
    command = [sys.executable, "-c", TEMPORARY]
    living, dead = (
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)
    )
    for process in (living, dead):
        assert process.stdout is not None
        process.stdout.readline()
    dead.kill()
    dead.communicate()
    assert [row["kind"] for row in run("list")["entries"]] == ["temporary"] * 4
    assert len(run("gc")["removed"]) == 2
    assert len(run("list")["entries"]) == 2
    assert run("gc", "--older-than", "0", "--max-gb", "0")["removed"] == []
    living.communicate("")
    assert living.returncode == 0
    assert [row["path"] for row in run("list")["entries"]] == ["graphs/g.onnx"]
    assert [path.name for path in cache.rglob(".*")] == []


def test_the_least_recently_used_go_until_the_rest_fits(cache: Path, run: Any) -> None:
    graphs = [file(cache / "graphs" / f"{day}.onnx", age=day * DAY) for day in (1, 2, 3, 4)]
    removed = run("gc", "--max-gb", str(2.5 * len(CONTENT) / 1e9))
    assert (removed["freed"], len(removed["removed"])) == (2 * len(CONTENT), 2)
    assert [path.exists() for path in graphs] == [True, True, False, False]


def test_what_was_not_used_for_so_long_goes(cache: Path, run: Any) -> None:
    old, new = fetched(cache, "a/old", age=40 * DAY), fetched(cache, "a/new", age=10 * DAY)
    run("gc", "--older-than", "30")
    assert (old.exists(), new.exists()) == (False, True)
    assert list(old.parent.iterdir()) == []


def test_a_kind_may_be_named_and_a_dry_run_removes_nothing(cache: Path, run: Any) -> None:
    graph, answer = file(cache / "graphs" / "g.onnx", age=DAY), file(cache / "resolved" / "s", age=DAY)
    assert run("gc", "--max-gb", "0", "--dry-run")["freed"] == 2 * len(CONTENT)
    assert run("gc", "--max-gb", "0", "--kind", "graphs")["freed"] == len(CONTENT)
    assert (graph.exists(), answer.exists()) == (False, True)
    assert "graphs" in run("gc", "--kind", "nonsense", code=2)
    assert "cannot be" in run("gc", "--max-gb", "-1", code=2)


def test_weights_in_use_by_a_process_stay_until_it_ends(cache: Path, run: Any) -> None:
    command = [sys.executable, "-c", FETCH, source(cache).model_dump_json(), "vision/tiny"]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    folder = aged(Path(process.stdout.readline().strip()), 999 * DAY)
    assert run("gc", "--max-gb", "0")["freed"] == 0
    assert (folder / "w.bin").is_file()
    process.communicate("")
    assert run("gc", "--max-gb", "0")["freed"] == len(CONTENT)
    assert not folder.exists()


def test_a_download_in_progress_stays(cache: Path, run: Any) -> None:
    part = file(cache / "partial" / DIGEST, age=9 * DAY)
    with FileLock(cache / "locks" / f"partial--{DIGEST}"):
        assert run("gc")["freed"] == 0
    assert part.exists()


def test_links_are_neither_followed_nor_removed(cache: Path, run: Any, tmp_path: Path) -> None:
    precious = file(tmp_path / "precious" / "0123456789abcdef" / "thesis.tex", age=999 * DAY)
    cache.mkdir()
    (cache / "graphs").symlink_to(precious.parent)
    (cache / "weights").mkdir()
    (cache / "weights" / "vision").symlink_to(tmp_path / "precious")
    (cache / "resolved").mkdir()
    (cache / "resolved" / "s").symlink_to(precious)
    (cache / "activations" / "key").mkdir(parents=True)
    (cache / "activations" / "key" / "inner").symlink_to(precious.parent)
    aged(cache / "activations" / "key", 0)
    os.utime(cache / "activations" / "key", (1, 1))
    removed = run("gc", "--max-gb", "0", "--older-than", "0")["removed"]
    assert [row["kind"] for row in removed] in ([], ["activations"])
    assert precious.read_bytes() == CONTENT
    assert (cache / "resolved" / "s").is_symlink()


def test_a_folder_that_is_no_cache_is_left_alone(tmp_path: Path, run: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    document = file(tmp_path / "home" / "documents" / "thesis.tex", age=999 * DAY)
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "home"))
    assert run("gc", "--max-gb", "0")["removed"] == []
    assert document.exists()


def test_weights_that_gc_removed_are_fetched_again(cache: Path, run: Any) -> None:
    folder = fetched(cache, age=DAY)
    run("gc", "--max-gb", "0")
    assert not folder.exists()
    assert fetch_source(source(cache), "vision/tiny").files["w.bin"].read_bytes() == CONTENT


def test_the_command_imports_no_torch(cache: Path) -> None:
    code = "import sys; from tlzoo.cli import main; main(['cache', 'list']); print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "False"


def test_a_pipe_in_the_cache_makes_nobody_wait_and_stays(cache: Path, run: Any) -> None:
    (cache / "resolved").mkdir(parents=True)
    os.mkfifo(cache / "resolved" / "pipe")
    assert run("list")["entries"] == []
    assert run("verify")["verified"] == 0
    run("gc", "--max-gb", "0", "--older-than", "0")
    assert (cache / "resolved" / "pipe").exists()
