"""What is wrong with a registry file is said with the entry and the field where it stands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import RegistryError
from tlzoo.registry import reading
from tlzoo.registry.reading import CheckedFile, Fault, check_file, check_published, file_stamp, read_checkpoints
from tlzoo.registry.schema import FileSource

SHA = "ab" * 32
URL = {"kind": "url", "url": "https://example.org/w.safetensors", "sha256": SHA, "size": 3}
ENTRY = {
    "id": "my/net", "architecture": "net", "tasks": ["text-classification"], "parameters": 10, "feature_dim": 4,
    "preprocess": {"kind": "text", "max_length": 8}, "source": URL,
}  # fmt: skip
FILES = {"kind": "file", "files": [{"path": "w", "sha256": SHA, "size": 7}, {"path": "/a/x", "sha256": SHA, "size": 5}]}
PACKAGE = {"kind": "package", "package": "my.weights", "files": [{"path": "w", "sha256": SHA, "size": 7}]}
LOCAL = "is for registries on this machine; published ones have pypi, hub or url"


def faults(content: str | bytes) -> list[str]:
    """What is wrong with a published registry of this content."""
    raw = content if isinstance(content, bytes) else content.encode()
    return [str(fault) for fault in check_published(raw).faults]


def document(*entries: Any, **fields: Any) -> str:
    return json.dumps({"checkpoints": [*entries], **fields})


@pytest.mark.parametrize(
    ("fault", "text"),
    [
        (Fault("my/net", "source.url", "wrong"), "entry 'my/net', field 'source.url': wrong"),
        (Fault("my/net", "", "wrong"), "entry 'my/net': wrong"),
        (Fault("", "sequence", "wrong"), "field 'sequence': wrong"),
        (Fault("", "", "wrong"), "the file: wrong"),
    ],
)
def test_a_fault_says_where_it_is(fault: Fault, text: str):
    assert str(fault) == text


def test_a_valid_file_has_its_ids_and_sequence():
    checked = check_published(document(ENTRY, {**ENTRY, "id": "my/other"}, sequence=7).encode())
    assert checked == CheckedFile(("my/net", "my/other"), 7, ())
    assert check_published(document().encode()) == CheckedFile()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", ["the file: it is empty"]),
        (b"\xef\xbb\xbf \n", ["the file: it is empty"]),
        (b"<!DOCTYPE html>", ["the file: it is a web page, not JSON"]),
        (b"\n <HTML>", ["the file: it is a web page, not JSON"]),
        (b"\xef\xbb\xbf{}", ["the file: it begins with a byte order mark; save it as UTF-8 without one"]),
        (b"[]", ["the file: it must be a JSON object with 'checkpoints'"]),
        (b"{}", ["field 'checkpoints': Field required"]),
        (b'{"checkpoints": [], "x": 1}', ["field 'x': Extra inputs are not permitted"]),
        (b'{"checkpoints": [], "sequence": NaN}', ["the file: NaN is not a JSON number"]),
        (b'{"checkpoints": []} x', ["the file: it is not JSON in UTF-8, line 1: unexpected data after the end"]),
        (b'{"checkpoints":\n[],}', ["the file: it is not JSON in UTF-8, line 2: trailing comma"]),
        (b'{"checkpoints": {}}', ["field 'checkpoints': Input should be a valid array"]),
        (b'{"checkpoints": [], "checkpoints": []}', ["field 'checkpoints': duplicate key 'checkpoints'"]),
        (b'{"checkpoints": [3]}', None),
    ],
)
def test_a_file_that_is_none_is_told_so(content: bytes, said: list[str] | None):
    found = faults(content)
    if said is None:
        assert found[0].startswith("entry '0': ")
    else:
        assert found == said


def test_what_breaks_after_an_entry_says_after_which():
    assert faults(document(ENTRY)[:-2] + ",") == [
        "the file: it is not JSON in UTF-8 after entry 'my/net', line 1: Expecting value"
    ]


def test_an_entry_is_named_by_its_id_or_else_by_its_place():
    nameless = {name: value for name, value in ENTRY.items() if name != "id"}
    assert faults(document(ENTRY, nameless)) == ["entry '1', field 'id': Field required"]
    assert faults(document({**nameless, "id": ""}))[0].startswith("entry '0', field 'id'")
    assert faults(document({**nameless, "id": 3}))[0].startswith("entry '0', field 'id'")
    assert faults(document({**ENTRY, "parameters": 0})) == [
        "entry 'my/net', field 'parameters': Input should be greater than 0"
    ]


def test_long_names_and_messages_are_shortened(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "_SHOWN", 4)
    ((one,), (two,)) = (
        check_published(document({**ENTRY, "id": id, "x": 1}).encode()).faults for id in ("a/bc", "a/bcd")
    )
    assert (one.entry, two.entry) == ("a/bc", "a/bc...")
    assert one.message == "Extr...tted"
    assert reading._shortened("12345678") == "12345678"
    assert reading._shortened("123456789") == "1234...6789"


def test_a_duplicate_id_is_told_once():
    assert faults(document(ENTRY, ENTRY, ENTRY)) == ["entry 'my/net', field 'id': duplicate id 'my/net'"]
    assert check_published(document(ENTRY, ENTRY, ENTRY).encode()).ids == ("my/net", "my/net")


def test_an_entry_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch):
    text = json.dumps(ENTRY)
    monkeypatch.setattr(reading, "MAX_ENTRY", len(text))
    assert faults(document(ENTRY)) == []
    monkeypatch.setattr(reading, "MAX_ENTRY", len(text) - 1)
    assert faults(document(ENTRY)) == [
        f"entry 'my/net': it has {len(text):,} characters; the limit of an entry is {len(text) - 1:,}"
    ]


def test_no_more_faults_are_told_than_anybody_reads(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reading, "MAX_FAULTS", 2)
    wrong = [{**ENTRY, "id": f"my/{n}", "x": 1} for n in range(4)]
    assert len(faults(document(*wrong[:2]))) == 2
    assert faults(document(*wrong))[2:] == ["the file: it has more than 2 faults; what follows was not read"]


def test_duplicate_keys_and_constants_within_an_entry_have_their_place():
    text = (
        json.dumps(ENTRY).replace('"size": 3', '"size": 3, "size": 3').replace('"parameters": 10', '"parameters": NaN')
    )
    found = faults(f'{{"checkpoints": [{text}]}}')
    assert found[:2] == [
        "entry 'my/net', field 'source.size': duplicate key 'size'",
        "entry 'my/net': NaN is not a JSON number",
    ]


@pytest.mark.parametrize(
    ("source", "published", "said"),
    [
        (FILES, True, [f"entry 'my/net', field 'source.kind': 'file' {LOCAL}"]),
        (FILES, False, []),
        (PACKAGE, True, [f"entry 'my/net', field 'source.kind': 'package' {LOCAL}"]),
        (
            PACKAGE,
            False,
            ["entry 'my/net', field 'source.package': this registry file is not inside the package 'my.weights'"],
        ),
        (URL, True, []),
        ({**URL, "url": "https://127.0.0.1/x"}, False, []),
    ],
)
def test_a_source_may_be_where_it_can_be_fetched(
    tmp_path: Path, source: dict[str, Any], published: bool, said: list[str]
):
    file = tmp_path / "r.json"
    file.write_text(document({**ENTRY, "source": source}))
    assert [str(fault) for fault in check_file(file, published=published).faults] == said


def test_an_address_inside_a_network_is_refused_where_it_is_published():
    (said,) = faults(document({**ENTRY, "source": {**URL, "url": "https://127.0.0.1/x"}}))
    assert said.startswith("entry 'my/net', field 'source.url': https://127.0.0.1/x is refused: ")


@pytest.mark.parametrize(
    ("folder", "right"), [("my/weights", True), ("my/weights/deep", True), ("weights", False), ("my", False)]
)
def test_a_packages_registry_lies_inside_it(tmp_path: Path, folder: str, right: bool):
    file = tmp_path / folder / "r.json"
    file.parent.mkdir(parents=True)
    file.write_text(document({**ENTRY, "source": PACKAGE}))
    assert (check_file(file).faults == ()) == right


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ({**FILES, "files": [*FILES["files"], {"path": "b/w", "sha256": SHA, "size": 7}]}, "w"),
        ({"kind": "hub", "repo": "me/net", "files": [{"path": "a/w"}, {"path": "a/w"}]}, "a/w"),
    ],
)
def test_two_files_of_one_name_are_a_fault(tmp_path: Path, source: dict[str, Any], name: str):
    file = tmp_path / "r.json"
    file.write_text(document({**ENTRY, "source": source}))
    assert [str(fault) for fault in check_file(file).faults] == [
        f"entry 'my/net', field 'source': two files are named {name!r}"
    ]


def test_files_of_a_hub_may_have_one_name_in_two_folders():
    source = {"kind": "hub", "repo": "me/net", "files": [{"path": "a/w"}, {"path": "b/w"}]}
    assert faults(document({**ENTRY, "source": source})) == []


def test_a_users_own_files_are_named_from_where_the_registry_lies(tmp_path: Path):
    file = tmp_path / "r.json"
    file.write_text(document({**ENTRY, "source": FILES}))
    ((checkpoint, text),) = read_checkpoints(file, allow_files=True)
    assert isinstance(checkpoint.source, FileSource)
    assert [each.path for each in checkpoint.source.files] == [str(tmp_path / "w"), "/a/x"]
    assert [(each.sha256, each.size) for each in checkpoint.source.files] == [(SHA, 7), (SHA, 5)]
    assert json.loads(text)["source"]["files"][0]["path"] == str(tmp_path / "w")
    with pytest.raises(RegistryError) as refused:
        list(read_checkpoints(file, allow_files=False))
    assert refused.value.message == f"Registry {file}: entry 'my/net', field 'source.kind': 'file' {LOCAL}."
    assert refused.value.hint == (
        f"List all faults: tlzoo registry validate {file}. To stop using it, remove it from "
        "TLZOO_REGISTRY, or: tlzoo registry remove NAME"
    )


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    hint = "Check its path; the registries in use: tlzoo registry list"
    for path, reason in ((tmp_path / "none", "No such file or directory"), (tmp_path, "it is not a file")):
        for read in (check_file, file_stamp, lambda path: list(read_checkpoints(path, True))):
            with pytest.raises(RegistryError) as refused:
                read(path)  # type: ignore[operator]
            assert (refused.value.message, refused.value.hint) == (f"Registry {path} cannot be read: {reason}.", hint)
    with pytest.raises(RegistryError, match=r"cannot be read: .*null"):
        file_stamp(Path("a\0b"))


def test_a_file_of_just_the_limit_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "r.json"
    file.write_text(document(ENTRY))
    status = file.stat()
    monkeypatch.setattr(reading, "MAX_BYTES", status.st_size)
    assert file_stamp(file) == (status.st_mtime_ns, status.st_size, status.st_ino)
    monkeypatch.setattr(reading, "MAX_BYTES", status.st_size - 1)
    with pytest.raises(RegistryError) as refused:
        file_stamp(file)
    assert refused.value.message == f"Registry {file} has 0 MiB; the limit is 0 MiB."
    assert refused.value.hint == "Split it into several files."
