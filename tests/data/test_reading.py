from pathlib import Path

import pytest

from tlzoo.data import read
from tlzoo.errors import DataError, UsageError


def plant(root: Path, *names: str, content: bytes = b"x") -> Path:
    for name in names:
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return root


def names(samples) -> list[str]:
    return [Path(path).name for path in samples.inputs]


def test_sub_folders_are_classes_in_sorted_order(tmp_path):
    plant(tmp_path, "dog/2.jpg", "dog/1.PNG", "cat/3.webp", "cat/deep/4.jpg")
    train = read(tmp_path, "image").train
    assert names(train) == ["3.webp", "4.jpg", "1.PNG", "2.jpg"]
    assert train.labels == ("cat", "cat", "dog", "dog")
    assert all(Path(path).is_absolute() for path in train.inputs)


def test_hidden_files_and_other_kinds_of_files_are_passed_over(tmp_path):
    plant(tmp_path, "a/1.png", "a/._1.png", "a/notes.txt", "b/2.png", ".git/3.png", "__MACOSX/a/1.png", "README.md")
    assert names(read(tmp_path, "image").train) == ["1.png", "2.png"]


def test_train_and_test_folders_are_both_halves(tmp_path):
    plant(tmp_path, "train/a/1.wav", "train/b/2.wav", "test/b/3.wav")
    collection = read(tmp_path, "audio")
    assert (collection.train.labels, collection.test.labels) == (("a", "b"), ("b",))


def test_a_validation_folder_beside_both_halves_is_said_to_be_unread(tmp_path, capsys):
    plant(tmp_path, "train/a/1.wav", "train/b/2.wav", "test/b/3.wav", "val/a/4.wav")
    collection = read(tmp_path, "audio")
    assert (len(collection.train), len(collection.test)) == (2, 1)
    assert "val" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["val", "holdout"])
def test_a_folder_that_is_neither_train_nor_test_is_not_dropped_in_silence(tmp_path, other):
    plant(tmp_path, "train/a/1.wav", "train/b/2.wav", f"{other}/b/3.wav")
    with pytest.raises(DataError, match=f"{other}/"):
        read(tmp_path, "audio")


def test_a_class_may_be_called_train(tmp_path):
    plant(tmp_path, "train/1.jpg", "plane/2.jpg", "test/3.jpg")
    assert read(tmp_path, "image").train.labels == ("plane", "test", "train")


def test_text_files_are_read_as_texts(tmp_path):
    plant(tmp_path, "pos/1.txt", content="\ufeffgrößer\n".encode())
    plant(tmp_path, "neg/1.txt", content=b"bad")
    assert read(tmp_path, "text").train.inputs == ("bad", "größer\n")


@pytest.mark.parametrize(
    "files", [("1.jpg", "2.jpg"), ("b/c/2.jpg", "1.jpg"), ("train.jpg", "test.jpg"), ("only/1.jpg", "only/2.jpg")]
)
def test_unlabelled_folders_may_be_flat_or_nested(tmp_path, files):
    plant(tmp_path, *files)
    train = read(tmp_path, "image", labelled=False).train
    assert (len(train), train.labels) == (2, None)


def test_unlabelled_data_keeps_train_and_test_apart(tmp_path):
    plant(tmp_path, "train/1.jpg", "test/2.jpg")
    collection = read(tmp_path, "image", labelled=False)
    assert (names(collection.train), names(collection.test)) == (["1.jpg"], ["2.jpg"])


def test_one_class_is_enough_where_the_caller_says_so(tmp_path):
    plant(tmp_path, "a/1.jpg")
    assert read(tmp_path, "image", minimum_classes=1).train.labels == ("a",)


def test_paths_in_a_table_start_at_the_table(tmp_path, monkeypatch):
    plant(tmp_path, "data/pictures/1.png", "data/pictures/2.png")
    (tmp_path / "data" / "list.csv").write_text("path,label\npictures/1.png,a\npictures/2.png, b\n")
    monkeypatch.chdir(tmp_path)
    train = read("data/list.csv", "image").train
    assert [str(tmp_path / "data" / "pictures" / f"{n}.png") for n in (1, 2)] == list(train.inputs)
    assert train.labels == ("a", "b")


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("1.png,a\ngone.png,b\n", "'gone.png' in line 3"),
        ("1.png,a\n.,b\n", r"'\.' in line 3"),
        ("1.png,a\nnotes.txt,b\n", "'notes.txt' in line 3, no image"),
        ("1.png,a\nempty.png,b\n", "empty.png has zero bytes"),
    ],
)
def test_a_row_whose_file_cannot_be_used_is_named(tmp_path, rows, named):
    plant(tmp_path, "1.png", "notes.txt")
    plant(tmp_path, "empty.png", content=b"")
    (tmp_path / "list.csv").write_text(f"path,label\n{rows}")
    with pytest.raises(DataError, match=named):
        read(tmp_path / "list.csv", "image")


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ((), "empty"),
        (("1.jpg", "2.jpg"), "no sub-folders"),
        (("a/1.jpg", "a/2.jpg"), "only one class, 'a'"),
        (("a/1.jpg", "b/2.wav"), "b has no image files"),
        (("train/a/1.jpg", "train/b/1.jpg", "test/a/1.jpg", "test/c/1.jpg", "test/d/1.jpg"), "'c', 'd'"),
        (("train.csv", "train.tsv"), "train.csv and train.tsv"),
    ],
)
def test_a_bad_folder_is_refused(tmp_path, files, named):
    plant(tmp_path, *files)
    with pytest.raises(DataError, match=named) as caught:
        read(tmp_path, "image")
    assert caught.value.hint


def test_an_empty_class_folder_is_named(tmp_path):
    plant(tmp_path, "a/1.jpg")
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="b has no image files"):
        read(tmp_path, "image")


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"", "zero bytes"), (b" \n", "no text"), (b"h\xe9", "UTF-8"), (b"a\n\0", "NUL byte in line 2")],
)
def test_a_text_file_that_holds_no_text_is_named(tmp_path, content, named):
    plant(tmp_path, "a/1.txt")
    plant(tmp_path, "b/2.txt", content=content)
    with pytest.raises(DataError, match=f"2.txt.*{named}"):
        read(tmp_path, "text")


def test_a_zero_byte_picture_is_named(tmp_path):
    plant(tmp_path, "a/1.jpg")
    plant(tmp_path, "b/2.jpg", content=b"")
    with pytest.raises(DataError, match=r"2\.jpg has zero bytes"):
        read(tmp_path, "image")


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "nowhere", "image")


def test_an_unlabelled_folder_without_files_is_refused(tmp_path):
    with pytest.raises(DataError, match="no image files"):
        read(tmp_path, "image", labelled=False)


def test_an_unknown_modality_is_refused(tmp_path):
    with pytest.raises(UsageError, match="'smell'"):
        read(tmp_path, "smell")
