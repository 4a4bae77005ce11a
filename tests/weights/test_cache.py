"""The cache of verified files, the lock file, what pip and the hub say, each in one line."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlzoo.errors import HashMismatch, Offline, SourceError
from tlzoo.registry.schema import Checkpoint
from tlzoo.weights import cache as store
from tlzoo.weights import hub_api, lockfile, pypi
from tlzoo.weights.cache import FetchRequest, PinnedFile, fetch_or_cache, verify_files
from tlzoo.weights.lockfile import LockedCheckpoint, LockedFile, LockedRepository, LockFile

SHA, COMMIT = "ab" * 32, "a" * 40
ASK, AWAY = FetchRequest("my/net", offline=False), FetchRequest("my/net", offline=True)


def pinned(name: str, content: bytes) -> PinnedFile:
    return PinnedFile(name, hashlib.sha256(content).hexdigest(), len(content))


FILES = [pinned("a", b"abc"), pinned("deep/b", b"12345")]


def fill(folder: Path, **other: bytes) -> None:
    (folder / "deep").mkdir(parents=True, exist_ok=True)
    (folder / "a").write_bytes(other.get("a", b"abc"))
    (folder / "deep" / "b").write_bytes(other.get("b", b"12345"))


@pytest.fixture
def folder(cache: Path) -> Path:
    """Where the weights go."""
    return store.source_folder("my/net", "{}")


def test_a_source_has_a_folder_of_its_own(cache: Path):
    name = hashlib.sha256(b"{}").hexdigest()[:16]
    assert store.source_folder("my/net", "{}") == cache / "weights" / "my" / "net" / name
    assert store.pins_path(Path("x/y")) == Path("x/y.files.json")


def test_the_first_file_that_is_not_whole_is_told(folder: Path):
    assert verify_files(folder, []) is None
    assert verify_files(folder, FILES) == "a is missing"
    fill(folder)
    assert verify_files(folder, FILES) is None
    fill(folder, b=b"1234")
    assert verify_files(folder, FILES) == "deep/b has 4 bytes, not 5"
    fill(folder, b=b"12346")
    digest = hashlib.sha256(b"12346").hexdigest()
    assert verify_files(folder, FILES) == f"deep/b has sha256 {digest[:16]}…, not {FILES[1].sha256[:16]}…"


def test_what_is_here_is_not_downloaded(folder: Path):
    fill(folder)
    weights = fetch_or_cache(AWAY, folder, FILES, lambda into: pytest.fail("downloaded"))
    assert (weights.folder, weights.files) == (folder, {"a": folder / "a", "deep/b": folder / "deep" / "b"})


def test_what_is_missing_is_downloaded_and_pinned(folder: Path):
    fetch_or_cache(ASK, folder, FILES, fill)
    assert verify_files(folder, FILES) is None
    assert json.loads(store.pins_path(folder).read_text()) == {
        file.name: {"sha256": file.sha256, "size": file.size} for file in FILES
    }
    assert [path for path in folder.parent.iterdir() if "download" in path.name] == []


def test_what_is_damaged_is_replaced_file_by_file(folder: Path):
    fill(folder, a=b"ABC")
    (folder / "more").write_bytes(b"kept")
    fetch_or_cache(ASK, folder, FILES, fill)
    assert (verify_files(folder, FILES), (folder / "more").exists()) == (None, True)


def test_without_a_network_what_is_missing_or_damaged_says_what_to_type(folder: Path, cache: Path):
    hint = "tlzoo pull my/net"
    with pytest.raises(Offline) as missing:
        fetch_or_cache(AWAY, folder, FILES, fill)
    assert missing.value.message == f"my/net is not in the cache {cache}, and the network is switched off."
    assert missing.value.hint == f"Fetch it first: TLZOO_OFFLINE=0 HF_HUB_OFFLINE=0 {hint}"
    fill(folder, a=b"AB")
    with pytest.raises(HashMismatch) as damaged:
        fetch_or_cache(AWAY, folder, FILES, fill)
    assert damaged.value.message == (
        f"my/net: a has 2 bytes, not 3 in the cache {folder}, and the network is switched off."
    )
    assert damaged.value.hint == f"Fetch it again: TLZOO_OFFLINE=0 HF_HUB_OFFLINE=0 {hint}"


def test_other_bytes_than_pinned_are_refused(folder: Path):
    with pytest.raises(HashMismatch) as refused:
        fetch_or_cache(ASK, folder, FILES, lambda into: fill(into, a=b"AB"))
    assert refused.value.message == "my/net: the download does not match its pins: a has 2 bytes, not 3."
    assert not folder.exists()


@pytest.mark.parametrize(("needed", "right"), [(0, True), (10**9, True), (10**9 + 1, False)])
def test_a_disk_needs_room(cache: Path, monkeypatch: pytest.MonkeyPatch, needed: int, right: bool):
    monkeypatch.setattr(store.shutil, "disk_usage", lambda folder: SimpleNamespace(free=10**9))
    if right:
        store.check_disk_space("my/net", needed)
        return
    with pytest.raises(SourceError) as refused:
        store.check_disk_space("my/net", needed)
    assert refused.value.message == f"my/net: 1.00 GB are needed in the cache {cache}, but 1.00 GB are free."


def test_a_cache_that_cannot_be_written_is_told(cache: Path):
    with pytest.raises(SourceError) as refused, store.partial_folder("my/net"):
        raise OSError(28, "No space left on device", "/x")
    assert refused.value.message == "my/net: /x cannot be written: No space left on device."
    assert refused.value.hint == "Choose another folder with TLZOO_CACHE, or free disk space."


def locked(**fields: Any) -> LockedCheckpoint:
    file = LockedFile(sha256=SHA, size=3)
    return LockedCheckpoint(**{"entry": SHA, "kind": "url", "origin": "https://e.org", "files": {"w": file}, **fields})


def repository(revision: str, *files: str) -> LockedRepository:
    return LockedRepository(revision=revision, files={name: LockedFile(sha256=SHA, size=3) for name in files})


def test_a_lock_is_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TLZOO_LOCK", raising=False)
    assert lockfile.path() == tmp_path / "tlzoo.lock"
    monkeypatch.setenv("TLZOO_LOCK", "~/x.lock")
    assert lockfile.path() == Path("~/x.lock").expanduser()
    monkeypatch.setenv("TLZOO_LOCK", "")
    assert lockfile.path() == tmp_path / "tlzoo.lock"
    (tmp_path / "w").write_bytes(b"abc")
    assert lockfile.hash_file(tmp_path / "w") == LockedFile(sha256=hashlib.sha256(b"abc").hexdigest(), size=3)


def test_a_repositorys_pins_grow_at_one_commit_and_are_replaced_at_another(cache: Path):
    assert lockfile.read() == LockFile()
    lockfile.record_repository("me/net", repository(COMMIT, "a"))
    text = lockfile.path().read_text()
    assert "checkpoints" not in json.loads(text)
    lockfile.record_repository("me/net", repository(COMMIT, "a"))
    assert lockfile.path().read_text() == text
    lockfile.record_repository("me/net", repository(COMMIT, "b"))
    lockfile.record_repository("me/other", repository(COMMIT, "c"))
    assert {name: sorted(each.files) for name, each in lockfile.read().hub.items()} == {
        "me/net": ["a", "b"], "me/other": ["c"],
    }  # fmt: skip
    lockfile.record_repository("me/net", repository("b" * 40, "d"))
    found = lockfile.read().hub["me/net"]
    assert (found.revision, list(found.files)) == ("b" * 40, ["d"])
    lockfile.record_checkpoints({"my/net": locked()}, lockfile.path())
    lockfile.record_checkpoints({"my/two": locked()}, lockfile.path())
    whole = lockfile.read()
    assert (sorted(whole.hub), sorted(whole.checkpoints)) == (["me/net", "me/other"], ["my/net", "my/two"])


def test_a_lock_is_sorted_with_objects_of_one_level_on_a_line():
    text = lockfile._lines({"b": {"y": 1, "x": [2]}, "a": {"d": {"e": 1}, "c": 3}})
    assert text == ('{\n  "a": {\n    "c": 3,\n    "d": {"e": 1}\n  },\n  "b": {"x": [2], "y": 1}\n}')
    assert lockfile._lines([3, {"b": 1, "a": 2}]) == '[3, {"a": 2, "b": 1}]'


def test_a_seal_is_of_the_entry_under_its_name(tmp_path: Path):
    entry = lockfile.sealed("my/net", locked())
    assert lockfile.is_whole("my/net", entry)
    assert lockfile.is_whole("my/net", locked())
    assert not lockfile.is_whole("my/other", entry)
    assert not lockfile.is_whole("my/net", entry.model_copy(update={"origin": "else"}))
    file = tmp_path / "x.lock"
    for version, seal, right in ((3, entry.seal, True), (3, None, False), (2, None, True), (2, SHA, False)):
        made = LockFile(version=version, checkpoints={"my/net": locked(seal=seal)})  # type: ignore[arg-type]
        file.write_text(made.model_dump_json(exclude_none=True))
        if right:
            assert list(lockfile.read(file).checkpoints) == ["my/net"]
            continue
        with pytest.raises(SourceError) as refused:
            lockfile.read(file)
        assert refused.value.message == (
            f"Lock file {file} is damaged, or was changed by hand: its entry 'my/net' is not what was written."
        )


@pytest.mark.parametrize(
    ("write", "reason"),
    [
        (lambda file: file.mkdir(), "it is not a file"),
        (lambda file: file.write_text('{"x": 1}'), "x: Extra inputs are not permitted"),
    ],
)
def test_a_lock_that_cannot_be_read_says_why(tmp_path: Path, write: Callable[[Path], Any], reason: str):
    write(tmp_path / "x.lock")
    with pytest.raises(SourceError) as refused:
        lockfile.read(tmp_path / "x.lock")
    assert refused.value.message == f"Lock file {tmp_path / 'x.lock'} cannot be read: {reason}."
    assert refused.value.hint == "Restore it from version control, or delete it to pin again."


SOURCES = {
    "url": {"kind": "url", "url": "https://example.org/w.bin", "sha256": SHA, "size": 3},
    "file": {"kind": "file", "files": [{"path": "w", "sha256": SHA, "size": 3}]},
    "package": {"kind": "package", "package": "my", "files": [{"path": "w", "sha256": SHA, "size": 3}]},
}


@pytest.mark.parametrize(
    ("source", "id", "found"),
    [("url", "my/net", True), ("url", "my/x", False), ("file", "my/net", False), ("package", "my/net", False)],
)
def test_a_locked_entry_is_of_its_id_and_names_no_local_files(cache: Path, source: str, id: str, found: bool):
    shape = {"architecture": "x", "tasks": ["text-classification"], "parameters": 1, "feature_dim": 1}
    entry = Checkpoint.model_validate(
        {"id": id, **shape, "preprocess": {"kind": "text", "max_length": 8}, "source": SOURCES[source]}
    )
    assert lockfile.locked_entry("my/net") is None
    lockfile.record_checkpoints({"my/net": locked(resolved=entry), "my/plain": locked()}, lockfile.path())
    assert lockfile.locked_entry("my/net") == (entry if found else None)
    assert lockfile.locked_entry("my/plain") is None


def test_a_listing_is_of_the_commit_that_was_asked_for():
    large, small = SimpleNamespace(sha256=SHA), SimpleNamespace(sha256=None)
    files = [
        SimpleNamespace(rfilename="a", size=3, lfs=large), SimpleNamespace(rfilename="b", size=None, lfs=None),
        SimpleNamespace(rfilename="c", size=5, lfs=small),
    ]  # fmt: skip
    asked: list[Any] = []

    def hub(sha: str | None, siblings: Any) -> Any:
        info = SimpleNamespace(sha=sha, siblings=siblings)
        return SimpleNamespace(model_info=lambda *given, **named: asked.append((given, named)) or info)

    found = hub_api.listing(hub(COMMIT, files), "me/net", None)
    assert (found.revision, found.sizes, found.sha256) == (COMMIT, {"a": 3, "b": 0, "c": 5}, {"a": SHA})
    assert hub_api.listing(hub(COMMIT, None), "me/net", "b" * 40)[:3] == ("b" * 40, {}, {})
    assert asked[1] == (("me/net",), {"revision": "b" * 40, "files_metadata": True, "timeout": 30.0})
    with pytest.raises(SourceError) as refused:
        hub_api.listing(hub(None, []), "me/net", None)
    assert (refused.value.message, refused.value.hint) == ("The hub names no commit of me/net.", "Check HF_ENDPOINT.")


def answered(status: int) -> Exception:
    error = RuntimeError("no")
    error.response = SimpleNamespace(status_code=status)  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("cause", "kind", "message"),
    [
        (answered(503), SourceError, "The hub answered 503 for me/net."),
        (ValueError("a\n b"), SourceError, "The hub's description of me/net cannot be used: a b"),
        (KeyError("x"), SourceError, "The hub's description of me/net cannot be used: 'x'"),
        (TypeError(), SourceError, "The hub's description of me/net cannot be used: TypeError"),
        (AttributeError("x"), SourceError, "The hub's description of me/net cannot be used: x"),
        (OSError("no\nroute"), Offline, "The hub could not be asked for me/net: OSError: no route."),
    ],
)
def test_what_the_hub_says_is_one_line(cause: Exception, kind: type[Exception], message: str):
    error = hub_api.hub_error(cause, "me/net")
    assert (type(error), error.message) == (kind, message)


ARCHIVE = "my_net-1.2-py3-none-any.whl"


@pytest.mark.parametrize(
    ("output", "kind", "message"),
    [
        ([], SourceError, f"my/net: {ARCHIVE} could not be downloaded: pip gave no reason."),
        (["x", "ERROR: One.", "ERROR: Two."], SourceError, f"my/net: {ARCHIVE} could not be downloaded: Two."),
        (["ERROR: Exception:"], SourceError, f"my/net: {ARCHIVE} could not be downloaded: pip gave no reason."),
        (
            ["ERROR: No matching distribution found for x"],
            SourceError,
            f"my/net: the package index has no file {ARCHIVE} of my-net.",
        ),
        (
            ["Could not fetch URL http://x: refused - skipping", "ERROR: No matching distribution found for x"],
            Offline,
            f"my/net: no package index could be reached for {ARCHIVE}: Could not fetch URL http://x: refused.",
        ),
        (
            ["Could not fetch URL http://x: 404 Client Error", "ERROR: No matching distribution found for x"],
            SourceError,
            f"my/net: the package index has no file {ARCHIVE} of my-net.",
        ),
        (
            ["error: incomplete-download", "ERROR: Broken."],
            Offline,
            f"my/net: no package index could be reached for {ARCHIVE}: Broken.",
        ),
    ],
)
def test_what_pip_says_is_one_line(output: list[str], kind: type[Exception], message: str):
    error = pypi._pip_error(output, "my-net", ARCHIVE, "my/net")
    assert (type(error), error.message) == (kind, message)


@pytest.mark.parametrize(
    ("archive", "options"),
    [
        (ARCHIVE, ["py", "3", ["none"], ["any"], "1.2"]),
        ("my_net-2.0-cp311-cp311-linux_x86_64.whl", ["cp", "311", ["cp311"], ["linux_x86_64"], "2.0"]),
        ("my_net-2.0-py2.py3-none-any.whl", ["py", "3", ["none"], ["any"], "2.0"]),
        ("my_net-2.0-cp39-abi3.none-b.a.whl", ["cp", "39", ["abi3", "none"], ["a", "b"], "2.0"]),
    ],
)
def test_pip_is_told_which_wheel(archive: str, options: list[Any]):
    language, python, abis, platforms, version = options
    assert pypi._wheel_tags("my-net", archive, "my/net") == [
        f"--implementation={language}", f"--python-version={python}", *(f"--abi={each}" for each in abis),
        *(f"--platform={each}" for each in platforms), f"my-net=={version}",
    ]  # fmt: skip


def test_a_name_that_is_no_wheels_is_refused():
    with pytest.raises(SourceError, match=r"^my/net: x\.whl is not the name of a wheel: ") as refused:
        pypi._wheel_tags("my-net", "x.whl", "my/net")
    assert refused.value.hint == "Tell the registry's author."
