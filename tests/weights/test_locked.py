"""`tlzoo lock` and `tlzoo pull --locked`, against a hub on loopback, and training with the network cut afterwards."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tlzoo import plugins, registry
from tlzoo.cli import main
from tlzoo.errors import SourceError
from tlzoo.registry import schema
from tlzoo.weights import lockfile
from tlzoo.weights.fetch import fetch
from tlzoo.weights.pins import pinned_sha256

COMMIT = "a" * 40
CONTENT = bytes(range(256)) * 40
DIGEST = hashlib.sha256(CONTENT).hexdigest()
REPO = "tiny/net"


def entry(id: str, source: dict[str, Any], **facts: Any) -> dict[str, Any]:
    shape = {"architecture": "x", "tasks": ["text-classification"], "parameters": 1, "feature_dim": 1}
    return {"id": id, **shape, "preprocess": {"kind": "text", "max_length": 8}, "source": source, **facts}


FILE = {"kind": "file", "files": [{"path": "mine.bin", "sha256": DIGEST, "size": len(CONTENT)}]}
HUB = {"kind": "hub", "repo": REPO, "files": [{"path": "config.json"}, {"path": "model.bin"}]}
URL = {"kind": "url", "url": "https://example.org/w.bin", "sha256": DIGEST, "size": 5}
PYPI = {
    "kind": "pypi",
    "project": "tiny",
    "version": "1.0",
    "archive": "tiny-1.0-py3-none-any.whl",
    "members": [{"path": "tiny/w.bin", "sha256": DIGEST, "size": 5}],
}


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes the user's own registry."""
    (tmp_path / "mine.bin").write_bytes(CONTENT)
    monkeypatch.setenv("TLZOO_REGISTRY", str(tmp_path / "own.json"))

    def write(*entries: dict[str, Any]) -> None:
        (tmp_path / "own.json").write_text(json.dumps({"checkpoints": entries}))

    return write


@pytest.fixture
def filled(hub: Any, write: Any) -> Any:
    """A hub with a repository, and the entries mine/hub and mine/file."""
    hub.repositories[REPO] = {"config.json": b"{}", "model.bin": CONTENT}
    hub.large = {"model.bin"}
    write(entry("mine/hub", HUB), entry("mine/file", FILE))
    return hub


def locked(tmp_path: Path) -> dict[str, Any]:
    return json.loads((tmp_path / "tlzoo.lock").read_text())["checkpoints"]


def test_every_file_is_locked_with_hash_and_size_and_the_commit(filled: Any, tmp_path: Path) -> None:
    assert main(["lock", "mine/hub", "mine/file"]) == 0
    there = locked(tmp_path)
    assert list(there) == ["mine/file", "mine/hub"]
    assert (there["mine/hub"]["kind"], there["mine/hub"]["origin"]) == ("hub", REPO)
    assert there["mine/hub"]["revision"] == COMMIT
    assert there["mine/hub"]["files"] == {
        "config.json": {"sha256": hashlib.sha256(b"{}").hexdigest(), "size": 2},
        "model.bin": {"sha256": DIGEST, "size": len(CONTENT)},
    }
    assert there["mine/file"]["files"]["mine.bin"]["sha256"] == DIGEST


def test_what_the_entry_pins_is_locked_without_fetching_it(write: Any, tmp_path: Path, cache: Path) -> None:
    write(entry("mine/url", URL), entry("mine/wheel", PYPI))
    assert main(["lock", "mine/url", "mine/wheel"]) == 0
    there = locked(tmp_path)
    assert there["mine/url"]["origin"] == URL["url"]
    assert there["mine/wheel"]["origin"] == PYPI["archive"]
    assert list(cache.glob("weights/*")) == []


def test_the_lock_is_sorted_with_a_file_on_each_line(filled: Any, tmp_path: Path) -> None:
    assert main(["lock", "mine/hub"]) == 0
    first = (tmp_path / "tlzoo.lock").read_text()
    assert main(["lock", "mine/file"]) == 0
    assert main(["lock"]) == 0
    both = (tmp_path / "tlzoo.lock").read_text()
    assert set(first.splitlines()) - set(both.splitlines()) <= {"    }"}
    assert sum("sha256" in line for line in both.splitlines()) == 2 + 3
    assert json.loads(both) == json.loads(json.dumps(json.loads(both), sort_keys=True))


def test_locking_again_changes_nothing(filled: Any, tmp_path: Path) -> None:
    assert main(["lock", "mine/hub"]) == 0
    first = (tmp_path / "tlzoo.lock").read_bytes()
    assert main(["lock"]) == 0
    assert (tmp_path / "tlzoo.lock").read_bytes() == first


def test_another_lock_file_may_be_named(filled: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock", "mine/file", "--out", str(tmp_path / "other.lock"), "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["lock"] == str(tmp_path / "other.lock")
    row = {"id": "mine/file", "source": "file this machine", "files": 1, "bytes": len(CONTENT)}
    assert document["checkpoints"] == [row]
    assert "mine/file" in lockfile.read(tmp_path / "other.lock").checkpoints
    assert not (tmp_path / "tlzoo.lock").exists()


def test_a_runs_checkpoint_is_locked(filled: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run").mkdir()
    record = json.loads((Path(__file__).parents[1] / "runs" / "version_2.json").read_text())
    record["checkpoint"] = registry.get("mine/file").model_dump(mode="json", exclude_none=True)
    (tmp_path / "run" / "run.json").write_text(json.dumps(record))
    assert main(["lock", "--run", str(tmp_path / "run")]) == 0
    assert list(locked(tmp_path)) == ["mine/file"]
    assert main(["lock", "--run", str(tmp_path)]) == 2
    assert "is not a run folder: it has no run.json" in capsys.readouterr().err


def test_with_nothing_to_lock_the_command_says_what_to_type(write: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["lock"]) == 2
    assert "tlzoo lock ID" in capsys.readouterr().err


def test_a_lock_file_of_version_1_is_read_and_written_as_version_3(filled: Any, tmp_path: Path) -> None:
    old = {"version": 1, "hub": {"some/other": {"revision": "b" * 40, "files": {"x": {"sha256": DIGEST, "size": 1}}}}}
    (tmp_path / "tlzoo.lock").write_text(json.dumps(old))
    assert lockfile.read().version == 1
    fetch(registry.get("mine/hub"))
    assert main(["lock", "mine/hub"]) == 0
    assert lockfile.read().version == 3
    assert set(lockfile.read().hub) == {"some/other", REPO}


def test_the_lock_pins_a_pickle_and_a_first_use_does_not(filled: Any) -> None:
    fetch(registry.get("mine/hub"))
    assert pinned_sha256(registry.get("mine/hub"), "model.bin") is None
    assert main(["lock", "mine/hub"]) == 0
    assert pinned_sha256(registry.get("mine/hub"), "model.bin") == DIGEST


def test_pull_locked_fetches_all_of_it_and_nothing_else(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", "mine/hub", "mine/file"]) == 0
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cold"))
    capsys.readouterr()
    assert main(["pull", "--locked", "--json"]) == 0
    pulled = json.loads(capsys.readouterr().out)
    assert [(row["id"], sorted(row["files"])) for row in pulled] == [
        ("mine/file", ["mine.bin"]),
        ("mine/hub", ["config.json", "model.bin"]),
    ]
    before = (tmp_path / "tlzoo.lock").read_bytes()
    filled.requests.clear()
    assert fetch(registry.get("mine/hub"), offline=True).files["model.bin"].read_bytes() == CONTENT
    assert filled.requests == []
    assert (tmp_path / "tlzoo.lock").read_bytes() == before


def test_pull_locked_needs_the_lock_alone_and_not_what_a_first_use_saw(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(["lock", "mine/hub"]) == 0
    document = json.loads((tmp_path / "tlzoo.lock").read_text())
    del document["hub"]
    (tmp_path / "tlzoo.lock").write_text(json.dumps(document))
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cold"))
    assert main(["pull", "--locked"]) == 0
    assert fetch(registry.get("mine/hub"), offline=True).files["model.bin"].read_bytes() == CONTENT


def test_bytes_that_differ_from_the_lock_are_refused(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["lock", "mine/hub"]) == 0
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cold"))
    filled.repositories[REPO]["model.bin"] = CONTENT[::-1]
    assert main(["pull", "--locked"]) == 2
    assert "model.bin" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        (entry("mine/file", {"kind": "file", "files": [{**FILE["files"][0], "sha256": "0" * 64}]}), "mine.bin has"),
        (entry("mine/file", {"kind": "file", "files": [{**FILE["files"][0], "path": "b.bin"}]}), "the file b.bin"),
        (entry("mine/file", URL), "source is url"),
        (entry("mine/file", FILE, parameters=2), "the entry's sha256 is"),
    ],
)
def test_an_entry_that_changed_since_is_refused_naming_both(
    filled: Any, write: Any, capsys: pytest.CaptureFixture[str], changed: dict[str, Any], said: str
) -> None:
    assert main(["lock", "mine/file"]) == 0
    write(changed)
    assert main(["pull", "--locked"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert said in line
    assert "tlzoo.lock differ" in line
    assert "tlzoo lock mine/file" in line
    assert main(["lock", "mine/file"]) == 0 or "url" in said


def test_an_id_that_is_not_locked_is_named(filled: Any, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pull", "--locked"]) == 2
    assert "tlzoo.lock does not exist" in capsys.readouterr().err
    assert main(["lock", "mine/file"]) == 0
    assert main(["pull", "--locked", "mine/hub"]) == 2
    assert "tlzoo lock mine/hub" in capsys.readouterr().err


LOOKING = """
from tlzoo import hookimpl
from tlzoo.registry.schema import Checkpoint


@hookimpl
def resolve_checkpoint(id, repository):
    return Checkpoint.model_validate_json({entry!r})
"""


def test_an_entry_that_no_registry_lists_is_in_the_lock_itself(
    filled: Any, tmp_path: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    write()
    site = tmp_path / "site"
    info = site / "tlzoo_looking-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tlzoo-looking\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[tlzoo]\nlooking = tlzoo_looking\n")
    described = json.dumps(entry("looking/net", HUB, config={"width": 2, "depth": 1}))  # the lock sorts its keys
    (site / "tlzoo_looking.py").write_text(LOOKING.format(entry=described))
    monkeypatch.syspath_prepend(site)
    plugins.import_plugin.cache_clear()
    assert main(["lock", "looking/net"]) == 0
    assert locked(tmp_path)["looking/net"]["resolved"]["id"] == "looking/net"
    monkeypatch.setenv("TLZOO_PLUGINS", "")  # nobody can be asked any more
    plugins.import_plugin.cache_clear()
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cold"))
    assert main(["pull", "--locked"]) == 0
    assert fetch(registry.get("looking/net"), offline=True).files["model.bin"].read_bytes() == CONTENT
    plugins.import_plugin.cache_clear()


def test_a_lock_cannot_bring_an_entry_that_names_local_files(filled: Any, write: Any) -> None:
    from tlzoo.weights.locked import lock_checkpoint

    found = lock_checkpoint(registry.get("mine/file"), listed=False)
    lockfile.record_checkpoints({"mine/file": found}, lockfile.path())
    write()
    assert lockfile.locked_entry("mine/file") is None


def test_a_damaged_lock_is_named(filled: Any, tmp_path: Path) -> None:
    (tmp_path / "tlzoo.lock").write_text('{"version": 4}')
    with pytest.raises(SourceError, match=r"tlzoo\.lock cannot be read: version: "):
        lockfile.read()


def test_an_entry_that_was_changed_is_named(filled: Any, tmp_path: Path) -> None:
    assert main(["lock", "mine/hub"]) == 0
    text = (tmp_path / "tlzoo.lock").read_text()
    for old, new in ((DIGEST, "0" * 64), ('"mine/hub"', '"mine/hud"'), ('"seal"', '"sea1"')):
        (tmp_path / "tlzoo.lock").write_text(text.replace(old, new))
        with pytest.raises(SourceError, match=r"tlzoo\.lock"):
            lockfile.read()


def test_a_lock_that_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "tlzoo.lock")
    with pytest.raises(SourceError, match="it is not a file"):
        lockfile.read()


CUT = """
import socket


def cut(*args, **options):
    raise AssertionError("the network was asked")


socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = cut
"""


@pytest.mark.release
def test_after_pull_locked_training_runs_with_the_network_cut(
    hub: Any, shared_zoo: Any, pictures: Path, tmp_path: Path, write: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with shared_zoo.open():
        known = registry.get("vision/test-resnet")
    assert isinstance(known.source, schema.FileSource)
    (file,) = known.source.files
    hub.repositories[REPO] = {"model.safetensors": Path(file.path).read_bytes()}
    source = {"kind": "hub", "repo": REPO, "files": [{"path": "model.safetensors"}]}
    write({**known.model_dump(mode="json", exclude_none=True), "id": "vision/mine", "source": source})
    assert main(["lock", "vision/mine"]) == 0
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cold"))
    assert main(["pull", "--locked"]) == 0
    (tmp_path / "cut").mkdir()
    (tmp_path / "cut" / "sitecustomize.py").write_text(CUT)
    environment = {**os.environ, "TLZOO_OFFLINE": "1", "PYTHONPATH": str(tmp_path / "cut"), "HF_ENDPOINT": ""}
    arguments = ["finetune", "vision/mine", str(pictures), "--out", str(tmp_path / "run"), "--json"]
    hub.requests.clear()
    done = subprocess.run(
        [sys.executable, "-m", "tlzoo", *arguments], env=environment, capture_output=True, text=True, timeout=420
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["metrics"]
    assert hub.requests == []
