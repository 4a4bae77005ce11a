"""Each file below a folder is read or counted, whatever lies there."""

from __future__ import annotations

import os
import random
from collections import Counter
from pathlib import Path

import pytest

from tlzoo.errors import DataError
from tlzoo.io.inputs.folders import FolderWalk, count_beside, count_files, folder_names, is_hidden
from tlzoo.io.inputs.report import (
    BESIDE,
    BESIDE_TABLE,
    HIDDEN,
    LINK_INSIDE,
    LINK_TWICE,
    OTHER_KIND,
    SPECIAL,
    UNREAD_PART,
    ReadReport,
    Reason,
)

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


def write(folder: Path, *names: str, content: bytes = b"x") -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def walked(folder: Path, endings: tuple[str, ...] = (".png",), modality: str = "image") -> tuple[list[str], ReadReport]:
    walk = FolderWalk(folder, endings, modality)
    return [Path(each).relative_to(folder).as_posix() for each in walk.files()], walk.report


def counts(report: ReadReport) -> dict[Reason, int]:
    return {reason: kinds.total() for reason, kinds in report.left_out.items()}


@pytest.mark.parametrize(
    ("name", "hidden"), [(".git", True), ("__MACOSX", True), ("a.txt", False), ("__MACOSX2", False)]
)
def test_some_names_are_hidden(name: str, hidden: bool):
    assert is_hidden(name) is hidden


def test_files_below_a_folder_come_in_order(tmp_path: Path):
    write(tmp_path, "b/z.TXT", "b/a.txt", "a.txt", "c.md", ".hidden/a.txt", "__MACOSX/a.txt", ".d.txt", "f.txt/x.txt")
    os.symlink(tmp_path / "c.md", tmp_path / "e.txt")
    found, report = walked(tmp_path, (".txt",), "text")
    assert found == ["a.txt", "b/a.txt", "b/z.TXT", "e.txt", "f.txt/x.txt"]
    assert counts(report) == {HIDDEN: 3, OTHER_KIND: 1}
    assert report.left_out[OTHER_KIND] == Counter({".md": 1})


def test_a_folder_that_is_not_there_is_named(tmp_path: Path):
    with pytest.raises(DataError) as error:
        walked(tmp_path / "none")
    assert error.value.message == f"Folder {tmp_path / 'none'} cannot be read: No such file or directory."
    assert error.value.hint == "Check the path."


def test_what_a_file_is_called_matters_less_than_what_it_is(tmp_path: Path):
    write(tmp_path, "phone", "phone.HEIC", "scan.jpg_large", content=PNG)
    write(tmp_path, "notes.md", "song.wav", content=b"RIFF\0\0\0\0WAVE")
    os.symlink(tmp_path / "phone", tmp_path / "elsewhere")
    found, report = walked(tmp_path)
    assert found == ["phone", "phone.HEIC", "scan.jpg_large"]
    assert report.left_out == {OTHER_KIND: Counter({"": 1, ".md": 1, ".wav": 1})}
    assert walked(tmp_path, (".flac",), "audio")[0] == ["notes.md", "song.wav"]


def test_a_link_to_a_folder_elsewhere_is_followed_once(tmp_path: Path):
    store, data = tmp_path / "store", tmp_path / "data"
    write(store, "more/1.png", "more/deep/2.png")
    write(data, "red/0.png")
    for name, target in (("red/again", "more"), ("red/camera", "more"), ("red/part", "more/deep")):
        os.symlink(store / target, data / name)
    found, report = walked(data)
    assert found == ["red/0.png", "red/again/1.png", "red/again/deep/2.png"]
    assert counts(report) == {LINK_TWICE: 2}


def test_links_into_the_data_and_loops_are_not_followed(tmp_path: Path):
    data = write(tmp_path / "data", "a/1.png", "b/2.png")
    for name, target in (("a/self", data / "a"), ("a/up", data), ("b/above", tmp_path), ("b/beside", data / "a")):
        os.symlink(target, data / name)
    found, report = walked(data)
    assert found == ["a/1.png", "b/2.png"]
    assert counts(report) == {LINK_INSIDE: 4}


def test_a_folder_that_is_named_by_a_link_is_read(tmp_path: Path):
    write(tmp_path / "real", "a/1.png")
    os.symlink(tmp_path / "real", tmp_path / "link")
    os.symlink(tmp_path / "real" / "a", tmp_path / "real" / "again")
    found, report = walked(tmp_path / "link")
    assert (found, counts(report)) == (["a/1.png"], {LINK_INSIDE: 1})


def test_a_link_to_nothing_is_an_input_by_its_name_and_a_pipe_is_none(tmp_path: Path):
    os.symlink(tmp_path / "gone", tmp_path / "1.png")
    os.symlink(tmp_path / "gone", tmp_path / "2.md")
    os.mkfifo(tmp_path / "3.png")
    found, report = walked(tmp_path)
    assert (found, counts(report)) == (["1.png"], {OTHER_KIND: 1, SPECIAL: 1})


def test_class_folders_may_be_links_and_files_beside_them_are_counted(tmp_path: Path):
    write(tmp_path / "store", "red/1.png")
    data = write(tmp_path / "data", "blue/2.png", "README.md", "3.png", ".cache/4.png")
    os.symlink(tmp_path / "store" / "red", data / "red")
    walk = FolderWalk(data, (".png",), "image")
    assert walk.files_by_folder() == {data / "blue": [f"{data}/blue/2.png"], data / "red": [f"{data}/red/1.png"]}
    assert walk.report.left_out == {BESIDE: Counter({".md": 1, ".png": 1}), HIDDEN: Counter({".png": 1})}
    assert folder_names(data) == ["blue", "red"]


def test_a_part_that_is_not_read_is_counted(tmp_path: Path):
    report = ReadReport()
    count_files(write(tmp_path, "a/1.png", "b.md"), UNREAD_PART, report)
    assert report.left_out == {UNREAD_PART: Counter({".png": 1, ".md": 1})}


def test_a_link_to_a_folder_in_what_is_not_read_counts_as_one(tmp_path: Path):
    write(tmp_path, ".cache/a/1.png", "b/2.png")
    os.symlink(tmp_path / "b", tmp_path / ".cache" / "linked")
    assert counts(walked(tmp_path)[1]) == {HIDDEN: 2}


def test_what_lies_beside_what_is_read_is_counted(tmp_path: Path):
    write(tmp_path, "train.csv", "pictures/1.png", "pictures/2.png", "notes/a.md", ".git/config")
    os.symlink(tmp_path / "pictures", tmp_path / "again")
    report, read = ReadReport(), {str(tmp_path / name) for name in ("train.csv", "pictures/1.png")}
    count_beside(tmp_path, BESIDE_TABLE, report, read.__contains__)
    assert report.left_out == {BESIDE_TABLE: Counter({"": 1, ".md": 1, ".png": 1}), HIDDEN: Counter({"": 1})}


@pytest.mark.parametrize("seed", range(5))
def test_of_any_mess_each_file_is_read_or_counted_once(tmp_path: Path, seed: int):
    draw, folders, files = random.Random(seed), [tmp_path], 0
    for at in range(120):
        place = draw.choice(folders)
        name = draw.choice(["", ".", "__MACOSX"]) + f"{at}" + draw.choice(["", ".png", ".PNG", ".md", ".tar.gz"])
        if draw.random() < 0.2:
            (place / name).mkdir()
            folders.append(place / name)
        else:
            (place / name).write_bytes(draw.choice([b"", PNG, b"text"]))
            files += 1
    found, report = walked(tmp_path)
    assert len(set(found)) == len(found)
    assert len(found) + sum(counts(report).values()) == files
