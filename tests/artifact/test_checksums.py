"""SHA256SUMS of an exported folder: written as sha256sum reads it, and checked file by file."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from tlzoo.artifact import checksums
from tlzoo.errors import ArtifactError


def filled(folder: Path, **files: str) -> Path:
    for name, content in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def digest(content: str) -> str:
    return hashlib.sha256(content.encode()).hexdigest()


def test_all_files_are_listed_in_order_below_the_folder(tmp_path: Path):
    filled(tmp_path, b="two", a__z="one", c="three")
    checksums.write(tmp_path)
    sums = tmp_path / "SHA256SUMS"
    assert sums.read_text() == f"{digest('one')}  a/z\n{digest('two')}  b\n{digest('three')}  c\n"
    assert checksums.check(sums) == {
        tmp_path / "a" / "z": digest("one"),
        tmp_path / "b": digest("two"),
        tmp_path / "c": digest("three"),
    }


def test_a_folder_that_holds_one_folder_alone_has_the_list_in_that(tmp_path: Path):
    filled(tmp_path, inner__a="one", inner__b="two")
    checksums.write(tmp_path)
    assert not (tmp_path / "SHA256SUMS").exists()
    assert (tmp_path / "inner" / "SHA256SUMS").read_text() == f"{digest('one')}  a\n{digest('two')}  b\n"


@pytest.mark.parametrize("files", [{"a": "one"}, {"a__b": "one", "c__d": "two"}])
def test_any_other_folder_has_it_itself(tmp_path: Path, files: dict[str, str]):
    checksums.write(filled(tmp_path, **files))
    assert (tmp_path / "SHA256SUMS").is_file()


HINT = (
    "Take another copy of the folder, or export it again; after a change of your own, write the new sha256sum of the "
    "file into SHA256SUMS."
)


def refused(sums: Path) -> ArtifactError:
    with pytest.raises(ArtifactError) as error:
        checksums.check(sums)
    return error.value


def test_a_file_that_changed_or_went_is_named(tmp_path: Path):
    checksums.write(filled(tmp_path, a="one", b="two"))
    sums = tmp_path / "SHA256SUMS"
    (tmp_path / "b").write_text("TWO")
    error = refused(sums)
    assert error.message == (
        f"{tmp_path / 'b'} is damaged, or was changed after its export: it is not what {sums} states."
    )
    assert error.hint == HINT
    (tmp_path / "b").unlink()
    assert refused(sums).message == f"{tmp_path / 'b'} is missing, or {sums} is damaged."


@pytest.mark.parametrize(
    "change", [lambda text: text[1:], lambda text: text + text, lambda text: f"\n{text}", str.upper]
)
def test_lines_that_are_no_checksum_and_name_are_damage(tmp_path: Path, change: object):
    checksums.write(filled(tmp_path, a="one"))
    sums = tmp_path / "SHA256SUMS"
    sums.write_text(change(sums.read_text()))  # type: ignore[operator]
    assert refused(sums).message == f"{sums} is damaged: it has lines that are no checksum and name."


def test_a_list_that_cannot_be_read_says_why(tmp_path: Path):
    assert refused(tmp_path / "none").message == f"{tmp_path / 'none'} cannot be read: No such file or directory."
    (tmp_path / "bad").write_bytes(b"\xff")
    assert refused(tmp_path / "bad").message == f"{tmp_path / 'bad'} is damaged: it is no text."
    (tmp_path / "folder").mkdir()
    assert refused(tmp_path / "folder").message == f"{tmp_path / 'folder'} cannot be read: it is a folder."


@pytest.mark.parametrize("name", ["../b", "x/../../b", "/etc/hostname"])
def test_a_name_outside_of_the_folder_is_damage(tmp_path: Path, name: str):
    sums = filled(tmp_path / "inside", a="one") / "SHA256SUMS"
    (tmp_path / "b").write_text("two")
    sums.write_text(f"{'0' * 64}  {name}\n")
    assert refused(sums).message == f"{sums} is damaged: it names {sums.parent / name}, which is not in its folder."


def test_what_is_no_file_is_not_called_missing(tmp_path: Path):
    checksums.write(filled(tmp_path, a="one"))
    (tmp_path / "a").unlink()
    (tmp_path / "a").mkdir()
    assert refused(tmp_path / "SHA256SUMS").message.startswith(f"{tmp_path / 'a'} is not a file")
