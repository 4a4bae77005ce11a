"""Weights of a hub, against a loopback server that speaks its protocol."""

from __future__ import annotations

import hashlib
import json
import threading
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from tlzoo.errors import HashMismatch, Offline, SourceError
from tlzoo.interfaces import Weights
from tlzoo.registry.schema import HubSource
from tlzoo.weights.fetch import fetch_source

COMMIT = "a" * 40
CONTENT = bytes(range(256)) * 400
REPO = "tiny/net"
FILES = {"config.json": b'{"model_type": "bert"}', "model.safetensors": CONTENT, "1_Pooling/config.json": b"{}"}


def source(*paths: str, **pins: Any) -> HubSource:
    files = [{"path": path} for path in paths or FILES]
    return HubSource.model_validate({"repo": REPO, "files": files, **pins})


def get(wanted: HubSource, key: str = "nlp/tiny", **options: Any) -> Weights:
    return fetch_source(wanted, key, **options)


@pytest.fixture
def filled(hub: Any) -> Any:
    hub.repositories[REPO] = dict(FILES)
    hub.large = {"model.safetensors"}
    return hub


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "tlzoo.lock"


def test_the_files_of_a_repository_arrive_under_their_paths(filled: Any) -> None:
    weights = get(source())
    assert {name: path.read_bytes() for name, path in weights.files.items()} == FILES
    assert all(path == weights.folder / name for name, path in weights.files.items())


def test_only_the_files_asked_for_are_in_the_folder(filled: Any) -> None:
    folder = get(source("config.json")).folder
    assert [path.name for path in folder.rglob("*")] == ["config.json"]


def test_the_first_use_pins_commit_and_hashes_in_the_lock_file(filled: Any, lock: Path) -> None:
    get(source())
    entry = json.loads(lock.read_text())["hub"][REPO]
    assert entry["revision"] == COMMIT
    digest = hashlib.sha256(CONTENT).hexdigest()
    assert entry["files"]["model.safetensors"] == {"sha256": digest, "size": len(CONTENT)}


def test_a_second_use_needs_no_network(filled: Any) -> None:
    first = get(source())
    filled.requests.clear()
    assert get(source(), offline=True) == first
    assert filled.requests == []


def test_a_cached_checkpoint_is_pinned_in_a_second_projects_lock_without_network(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(source())
    monkeypatch.setenv("TLZOO_LOCK", str(tmp_path / "other.lock"))
    get(source(), offline=True)
    assert json.loads((tmp_path / "other.lock").read_text())["hub"][REPO]["revision"] == COMMIT


def test_bytes_that_differ_from_the_lock_are_refused(
    filled: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    get(source())
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cold"))
    filled.repositories[REPO]["model.safetensors"] = CONTENT[::-1]
    with pytest.raises(HashMismatch, match=r"model\.safetensors"):
        get(source())
    assert [path for path in (tmp_path / "cold" / "weights").rglob("*") if path.is_file()] == []


def test_a_file_that_the_lock_does_not_have_yet_is_added_at_the_locked_commit(filled: Any, lock: Path) -> None:
    get(source("config.json"))
    get(source("config.json", "model.safetensors"), "nlp/other")
    assert set(json.loads(lock.read_text())["hub"][REPO]["files"]) == {"config.json", "model.safetensors"}


def test_what_the_registry_pins_is_checked_and_not_locked(filled: Any, lock: Path) -> None:
    pinned = {"path": "model.safetensors", "sha256": hashlib.sha256(CONTENT).hexdigest(), "size": len(CONTENT)}
    get(source(files=[pinned], revision=COMMIT))
    assert not lock.exists()
    with pytest.raises(HashMismatch):
        get(source(files=[{**pinned, "sha256": "0" * 64}], revision=COMMIT), "nlp/wrong")


def test_a_lock_that_contradicts_the_registry_is_refused(filled: Any) -> None:
    get(source("config.json"))
    wrong = {"path": "config.json", "sha256": "0" * 64, "size": 3}
    with pytest.raises(HashMismatch, match="pinned"):
        get(source(files=[wrong]))


def test_bytes_that_differ_from_the_hubs_own_listing_are_refused(filled: Any) -> None:
    listing = filled._listing(REPO, "main")
    filled._listing = lambda repo, revision: listing
    filled.repositories[REPO]["model.safetensors"] = CONTENT[::-1]
    with pytest.raises(HashMismatch, match="listing"):
        get(source())


def test_a_damaged_lock_file_is_named(filled: Any, lock: Path) -> None:
    lock.write_text("{")
    with pytest.raises(SourceError, match=r"tlzoo\.lock"):
        get(source())


def test_offline_a_first_use_is_refused_with_what_to_type(filled: Any) -> None:
    with pytest.raises(Offline) as caught:
        get(source(), offline=True)
    assert "tlzoo pull nlp/tiny" in caught.value.hint
    assert filled.requests == []


def test_a_hub_that_cannot_be_reached_is_reported_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Offline, match="nlp/tiny") as caught:
        get(source())
    assert "\n" not in str(caught.value)
    assert "HF_ENDPOINT" in caught.value.hint


def test_a_missing_repository_and_a_missing_file_are_source_errors(filled: Any) -> None:
    with pytest.raises(SourceError, match="no file nothing"):
        get(source("nothing.bin"))
    with pytest.raises(SourceError, match="tiny/absent"):
        get(HubSource.model_validate({"repo": "tiny/absent", "files": [{"path": "config.json"}]}))


def test_a_gated_repository_asks_for_a_token(filled: Any) -> None:
    filled.gated = {REPO}
    with pytest.raises(SourceError, match="refuses access") as caught:
        get(source())
    assert "HF_TOKEN" in caught.value.hint


def test_the_users_token_is_sent(filled: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "hf_tiny")
    get(source("config.json"))
    assert filled.tokens == {"Bearer hf_tiny"}


def test_two_checkpoints_fetched_at_once_are_both_in_the_lock(filled: Any, lock: Path) -> None:
    filled.repositories["tiny/other"] = dict(FILES)
    other = HubSource.model_validate({"repo": "tiny/other", "files": [{"path": "config.json"}]})
    threads = [threading.Thread(target=get, args=job) for job in ((source(), "nlp/a"), (other, "nlp/b"))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(json.loads(lock.read_text())["hub"]) == {REPO, "tiny/other"}


@pytest.mark.parametrize("pin", [{"size": 5, "sha256": hashlib.sha256(CONTENT).hexdigest()}, {"sha256": "0" * 64}])
def test_what_the_hub_lists_otherwise_than_pinned_is_not_downloaded(filled: Any, pin: dict[str, Any]) -> None:
    with pytest.raises(HashMismatch, match=r"lists model\.safetensors of tiny/net"):
        get(source(files=[{"path": "model.safetensors", **pin}]))
    assert [asked for asked in filled.requests if "/resolve/" in asked] == []


def test_files_that_were_whole_when_a_download_broke_come_once(filled: Any, cache: Path) -> None:
    broken, answer = True, filled.answer

    def breaking(method: str, path: str) -> tuple[int, dict[str, str], bytes]:
        status, headers, body = answer(method, path)
        return (403, {}, b"") if broken and path.endswith("1_Pooling/config.json") else (status, headers, body)

    filled.answer = breaking
    get_all = source("config.json", "model.safetensors", "1_Pooling/config.json")
    with pytest.raises(SourceError):
        get(get_all)
    assert list((cache / "weights").rglob("*.safetensors")) == []
    broken = False
    filled.requests.clear()
    assert get(get_all).files["model.safetensors"].read_bytes() == CONTENT
    assert [asked for asked in filled.requests if asked.startswith("GET") and "model.safetensors" in asked] == []
    assert list((cache / "partial").iterdir()) == []


@pytest.mark.parametrize("others", [False, True], ids=["alone", "beside another process"])
def test_a_download_that_failed_leaves_no_folder_among_the_weights(filled: Any, cache: Path, others: bool) -> None:
    answer = filled.answer
    filled.answer = lambda method, path: (403, {}, b"") if path.endswith("config.json") else answer(method, path)
    name = hashlib.sha256(f"{REPO}@{COMMIT}".encode()).hexdigest()[:32]
    (cache / "locks").mkdir(parents=True)
    lock = FileLock(cache / "locks" / f"partial--hub--{name}")
    with lock if others else nullcontext(), pytest.raises(SourceError):
        get(source("model.safetensors", "config.json"))
    assert list((cache / "weights").rglob(".download.*")) == []
    assert (cache / "partial").exists() is not others
