from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from tlzoo.data import read
from tlzoo.errors import DataError, UsageError
from tlzoo.tasks import Input, Task, make_task
from tlzoo.tasks.row import Row

IMAGE, AUDIO, TEXT = (make_task(f"{modality}-classification") for modality in ("image", "audio", "text"))


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
    train = read(tmp_path, IMAGE).train
    assert names(train) == ["3.webp", "4.jpg", "1.PNG", "2.jpg"]
    assert train.targets == ("cat", "cat", "dog", "dog")
    assert all(Path(path).is_absolute() for path in train.inputs)


def test_hidden_files_and_other_kinds_of_files_are_passed_over(tmp_path):
    plant(tmp_path, "a/1.png", "a/._1.png", "a/notes.txt", "b/2.png", ".git/3.png", "__MACOSX/a/1.png", "README.md")
    assert names(read(tmp_path, IMAGE).train) == ["1.png", "2.png"]


def test_train_and_test_folders_are_both_halves(tmp_path):
    plant(tmp_path, "train/a/1.wav", "train/b/2.wav", "test/b/3.wav")
    collection = read(tmp_path, AUDIO)
    assert (collection.train.targets, collection.test.targets) == (("a", "b"), ("b",))


def test_a_validation_folder_beside_both_halves_is_said_to_be_unread(tmp_path, capsys):
    plant(tmp_path, "train/a/1.wav", "train/b/2.wav", "test/b/3.wav", "val/a/4.wav")
    collection = read(tmp_path, AUDIO)
    assert (len(collection.train), len(collection.test)) == (2, 1)
    assert "val" in capsys.readouterr().err


@pytest.mark.parametrize("other", ["val", "holdout"])
def test_a_folder_that_is_neither_train_nor_test_is_not_dropped_in_silence(tmp_path, other):
    plant(tmp_path, "train/a/1.wav", "train/b/2.wav", f"{other}/b/3.wav")
    with pytest.raises(DataError, match=f"{other}/"):
        read(tmp_path, AUDIO)


def test_a_class_may_be_called_train(tmp_path):
    plant(tmp_path, "train/1.jpg", "plane/2.jpg", "test/3.jpg")
    assert read(tmp_path, IMAGE).train.targets == ("plane", "test", "train")


def test_text_files_are_read_as_texts(tmp_path):
    plant(tmp_path, "pos/1.txt", content="\ufeffgrößer\n".encode())
    plant(tmp_path, "neg/1.txt", content=b"bad")
    assert read(tmp_path, TEXT).train.inputs == ("bad", "größer\n")


@pytest.mark.parametrize(
    "files", [("1.jpg", "2.jpg"), ("b/c/2.jpg", "1.jpg"), ("train.jpg", "test.jpg"), ("only/1.jpg", "only/2.jpg")]
)
def test_unlabelled_folders_may_be_flat_or_nested(tmp_path, files):
    plant(tmp_path, *files)
    train = read(tmp_path, IMAGE, labelled=False).train
    assert (len(train), train.targets) == (2, None)


def test_unlabelled_data_keeps_train_and_test_apart(tmp_path):
    plant(tmp_path, "train/1.jpg", "test/2.jpg")
    collection = read(tmp_path, IMAGE, labelled=False)
    assert (names(collection.train), names(collection.test)) == (["1.jpg"], ["2.jpg"])


def test_one_class_is_enough_where_the_caller_says_so(tmp_path):
    plant(tmp_path, "a/1.jpg")
    assert read(tmp_path, IMAGE).train.targets == ("a",)


def test_paths_in_a_table_start_at_the_table(tmp_path, monkeypatch):
    plant(tmp_path, "data/pictures/1.png", "data/pictures/2.png")
    (tmp_path / "data" / "list.csv").write_text("path,label\npictures/1.png,a\npictures/2.png, b\n")
    monkeypatch.chdir(tmp_path)
    train = read("data/list.csv", IMAGE).train
    assert [str(tmp_path / "data" / "pictures" / f"{n}.png") for n in (1, 2)] == list(train.inputs)
    assert train.targets == ("a", "b")


@pytest.mark.parametrize(
    ("rows", "named"),
    [
        ("1.png,a\ngone.png,b\n", "'gone.png' in line 3"),
        ("1.png,a\n.,b\n", r"'\.' in line 3"),
        ("1.png,a\nnotes.txt,b\n", "'notes.txt' in line 3, which is not a supported image"),
        ("1.png,a\nempty.png,b\n", "empty.png is empty"),
    ],
)
def test_a_row_whose_file_cannot_be_used_is_named(tmp_path, rows, named):
    plant(tmp_path, "1.png", "notes.txt")
    plant(tmp_path, "empty.png", content=b"")
    (tmp_path / "list.csv").write_text(f"path,label\n{rows}")
    with pytest.raises(DataError, match=named):
        read(tmp_path / "list.csv", IMAGE)


@pytest.mark.parametrize(
    ("files", "named"),
    [
        ((), "no sub-folders"),
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
        read(tmp_path, IMAGE, training=True)
    assert caught.value.hint


def test_an_empty_class_folder_is_named(tmp_path):
    plant(tmp_path, "a/1.jpg")
    (tmp_path / "b").mkdir()
    with pytest.raises(DataError, match="b has no image files"):
        read(tmp_path, IMAGE)


@pytest.mark.parametrize(
    ("content", "named"),
    [(b"", "is empty"), (b" \n", "no text"), (b"h\xe9", "UTF-8"), (b"a\n\0", "NUL byte in line 2")],
)
def test_a_text_file_that_holds_no_text_is_named(tmp_path, content, named):
    plant(tmp_path, "a/1.txt")
    plant(tmp_path, "b/2.txt", content=content)
    with pytest.raises(DataError, match=f"2.txt.*{named}"):
        read(tmp_path, TEXT)


def test_a_zero_byte_picture_is_named(tmp_path):
    plant(tmp_path, "a/1.jpg")
    plant(tmp_path, "b/2.jpg", content=b"")
    with pytest.raises(DataError, match=r"2\.jpg is empty"):
        read(tmp_path, IMAGE)


def test_a_path_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(DataError, match="does not exist"):
        read(tmp_path / "nowhere", IMAGE)


def test_an_unlabelled_folder_without_files_is_refused(tmp_path):
    with pytest.raises(DataError, match="no image files"):
        read(tmp_path, IMAGE, labelled=False)


def test_an_unknown_modality_is_refused(tmp_path):
    with pytest.raises(UsageError, match="'smell'"):
        read(tmp_path, make_task("smell-classification"))


def test_a_plugins_modality_is_read_from_files_of_its_endings(tmp_path):
    plant(tmp_path, "a/1.sniff", "a/2.wav", "b/3.SNIFF")
    found = read(tmp_path, make_task("smell-classification"), endings=(".sniff",))
    assert (names(found.train), found.train.targets, found.train.modality) == (
        ["1.sniff", "3.SNIFF"],
        ("a", "b"),
        "smell",
    )
    (tmp_path / "list.csv").write_text("path,label\na/1.sniff,a\na/2.wav,b\n")
    with pytest.raises(DataError, match=r"'a/2\.wav' in line 3, which is not a supported smell file"):
        read(tmp_path / "list.csv", make_task("smell-classification"), endings=(".sniff",))


@dataclass(frozen=True)
class Entailment(Task):
    """Whether one text follows from another: two inputs, and a column of its own that says how sure its author was."""

    columns: ClassVar[tuple[str, ...]] = ("label", "sure")
    holds: ClassVar[str] = "pairs of texts"

    @property
    def inputs(self) -> tuple[Input, ...]:
        """Premise and conclusion, which tables call `then`; of pictures two paths."""
        return (Input("premise"), Input("conclusion", "then"))

    def read(self, row: Row) -> dict[str, object]:
        """Label and how sure."""
        return {"label": row.text("label"), "sure": row.value("sure") if row.has("sure") else None}


PAIRS = Entailment("text-entailment")


def test_a_task_of_several_inputs_and_columns_reads_each_by_its_name_or_as_it_is_told(tmp_path):
    table = tmp_path / "t.jsonl"
    table.write_text('{"premise": "rain", "then": "wet", "label": "yes", "sure": 0.5}\n')
    found = read(table, PAIRS).train
    assert (found.inputs, found.targets) == ((("rain", "wet"),), ({"label": "yes", "sure": 0.5},))
    other = tmp_path / "other.csv"
    other.write_text("first,second,answer\nrain,wet,yes\n")
    columns = {"label_column": "answer", "others": {"premise": "first", "then": "second"}}
    found = read(other, PAIRS, columns=columns).train
    assert (found.inputs, found.targets) == ((("rain", "wet"),), ({"label": "yes", "sure": None},))
    assert read(other, PAIRS, columns=columns, labelled=False).train.targets is None


def test_an_input_that_is_missing_is_named_by_the_tables_own_column_and_the_option(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("premise,then,label\nrain,wet,yes\nsun,,no\n")
    with pytest.raises(DataError, match="no 'then' in line 3"):
        read(table, PAIRS)
    with pytest.raises(DataError, match="no column 'wetness'") as error:
        read(table, PAIRS, columns={"others": {"then": "wetness"}})
    assert error.value.hint == "Name the right one: `columns={'others': {'then': 'NAME'}}`"


def test_several_inputs_that_are_files_are_each_looked_for(tmp_path):
    plant(tmp_path, "1.png", "2.png")
    (tmp_path / "t.csv").write_text("premise,then,label\n1.png,2.png,yes\n")
    task = Entailment("image-entailment")
    assert read(tmp_path / "t.csv", task).train.inputs == ((str(tmp_path / "1.png"), str(tmp_path / "2.png")),)
    (tmp_path / "t.csv").write_text("premise,then,label\n1.png,3.png,yes\n")
    with pytest.raises(DataError, match=r"'3\.png' in line 2, which is not a file"):
        read(tmp_path / "t.csv", task)


def test_folders_of_classes_are_refused_by_a_task_that_reads_none_with_its_columns(tmp_path):
    plant(tmp_path, "a/1.txt", "b/2.txt")
    with pytest.raises(DataError, match="cannot be read as pairs of texts") as error:
        read(tmp_path, PAIRS)
    assert error.value.hint == "Give a table with the columns premise and conclusion and label and sure."


@dataclass(frozen=True)
class Lines(Task):
    """A layout of its own: `.lines` files, a sample each line."""

    endings: ClassVar[tuple[str, ...]] = (".lines",)

    def layouts(self, path: Path) -> Iterator[Row] | None:
        """The rows of a `.lines` file."""
        if path.suffix != ".lines":
            return None
        lines = path.read_text().splitlines()
        return (Row(path, f"line {at}", {"text": line}, ("text",)) for at, line in enumerate(lines, start=1))

    def read(self, row: Row) -> int:
        """How long the line is."""
        if "!" in row.text("text"):
            raise row.error("shouts", "Be calm.")
        return len(row.text("text"))


def test_a_tasks_own_layout_is_read_as_a_file_and_as_both_halves_of_a_folder(tmp_path):
    task = Lines("text-lines")
    (tmp_path / "train.lines").write_text("one\nthree\n")
    (tmp_path / "test.csv").write_text("text\nsix\n")
    found = read(tmp_path / "train.lines", task)
    assert (found.train.inputs, found.train.targets, found.test) == (("one", "three"), (3, 5), None)
    both = read(tmp_path, task)
    assert (both.train.targets, both.test.targets) == ((3, 5), (3,))
    (tmp_path / "train.csv").write_text("text\nsix\n")
    with pytest.raises(DataError, match=r"train\.csv and train\.lines"):
        read(tmp_path, task)


def test_a_layout_that_holds_nothing_or_what_the_task_refuses_is_named(tmp_path):
    task = Lines("text-lines")
    (tmp_path / "a.lines").write_text("")
    with pytest.raises(DataError, match=r"a\.lines has no samples"):
        read(tmp_path / "a.lines", task)
    (tmp_path / "a.lines").write_text("one\ntwo!\n")
    with pytest.raises(DataError, match=r"a\.lines shouts in line 2"):
        read(tmp_path / "a.lines", task)
    assert len(read(tmp_path / "a.lines", task, labelled=False).train) == 2


@pytest.mark.parametrize(
    ("task", "columns", "role"),
    [
        ("text-classification", {"others": {"tags": "x"}}, "tags"),
        ("text-classification", {"path_column": "x"}, "path"),
        ("image-classification", {"text_column": "x"}, "text"),
        ("text-tokens", {"label_column": "x"}, "label"),
    ],
)
def test_a_column_in_a_role_that_the_task_does_not_read_is_refused(
    tmp_path: Path, task: str, columns: dict[str, object], role: str
):
    (tmp_path / "a.csv").write_text("text,label\na,b\n")
    with pytest.raises(UsageError, match=f"{task} has no column role {role!r}") as error:
        read(tmp_path / "a.csv", make_task(task), columns=columns)
    assert "or give: `columns={" in error.value.hint


def test_links_to_nothing_and_empty_files_are_named_together(tmp_path):
    for name in ("a/1.png", "b/2.png"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "a" / "gone.png").symlink_to(tmp_path / "nothing")
    (tmp_path / "b" / "empty.png").touch()
    with (tmp_path / "b" / "sparse.png").open("wb") as file:
        file.truncate(2**40)
    with pytest.raises(DataError) as error:
        read(tmp_path, IMAGE)
    assert error.value.message.startswith("3 of 5 samples cannot be read: ")
    assert f"{tmp_path / 'a' / 'gone.png'} cannot be read: No such file or directory" in error.value.message
    assert f"{tmp_path / 'b' / 'empty.png'} is empty" in error.value.message
    assert f"{tmp_path / 'b' / 'sparse.png'} has more than 64 GiB" in error.value.message
