"""`tlzoo pull`, with a user's own registry whose weights lie on this machine, and with the real index."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tlzoo.cli import main

CONTENT = bytes(range(256)) * 40


@pytest.fixture(autouse=True)
def own_registry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A cold cache, and entries `mine/a` and `mine/b` with one file each."""
    entries = []
    for name in "ab":
        (tmp_path / f"{name}.bin").write_bytes(CONTENT)
        file = {"path": f"{name}.bin", "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
        entry = {"id": f"mine/{name}", "architecture": "x", "source": {"kind": "file", "files": [file]}}
        shape = {"tasks": ["text-classification"], "parameters": 1, "feature_dim": 1}
        entries.append({**entry, **shape, "preprocess": {"kind": "text", "max_length": 8}})
    (tmp_path / "own.json").write_text(json.dumps({"checkpoints": entries}))
    monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "own.json"))
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    for name in ("TLZOO_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


def test_pull_says_where_the_verified_files_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "mine/a", "mine/b", "mine/a", "--json"]) == 0
    pulled = json.loads(capsys.readouterr().out)
    assert [(row["id"], row["bytes"]) for row in pulled] == [("mine/a", len(CONTENT)), ("mine/b", len(CONTENT))]
    path = Path(pulled[0]["files"]["a.bin"])
    assert path.read_bytes() == CONTENT
    assert path.parent == Path(pulled[0]["folder"])


def test_pull_prints_a_row_per_checkpoint(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "mine/a"]) == 0
    heading, row = capsys.readouterr().out.splitlines()
    assert heading == "id\tbytes\tfolder"
    assert row.startswith("mine/a\t10,240\t")


def test_an_unknown_id_stops_before_anything_is_fetched(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "mine/a", "mine/zebra"]) == 2
    assert "mine/zebra" in capsys.readouterr().err
    assert not (tmp_path / "cache").exists()


def test_other_bytes_than_pinned_are_one_line_and_exit_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "a.bin").write_bytes(CONTENT[::-1])
    assert main(["pull", "mine/a"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert "a.bin" in line


def test_no_network_is_one_line_and_exit_2(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "PIP_CONFIG_FILE": os.devnull,
        "PIP_FIND_LINKS": "",
        "PIP_INDEX_URL": "http://127.0.0.1:9/simple",
        "PIP_RETRIES": "0",
    }
    code = "import sys; from tlzoo.cli import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "pull", "vision/mobilenetv2"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert line.startswith("Error: vision/mobilenetv2: ")


def test_switched_off_the_network_is_named(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TLZOO_OFFLINE", "1")
    assert main(["pull", "vision/mobilenetv2"]) == 2
    assert "tlzoo pull vision/mobilenetv2" in capsys.readouterr().err
