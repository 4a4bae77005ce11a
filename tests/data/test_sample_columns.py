"""What a table or a path says of a sample beside its target: its part, its group and its weight."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tlzoo.data import read, read_splits
from tlzoo.data.columns import Columns
from tlzoo.data.sample_columns import check_group_by, facts_of_row, group_of_file
from tlzoo.errors import DataError, UsageError
from tlzoo.io.inputs.report import ReadReport
from tlzoo.tasks import make_task
from tlzoo.tasks.row import Row

TASK: Any = make_task("text-classification")
SEVERAL: Any = make_task("image-multilabel")
NAMES = {"split_column": "s", "group_column": "g", "weight_column": "w"}


def row(**cells: Any) -> Row:
    return Row(Path("t.csv"), "line 2", cells, ("s", "g", "w"), NAMES)


@pytest.mark.parametrize(
    ("cell", "part"),
    [
        ("train", "train"), ("Training", "train"), (" TRAIN ", "train"), ("val", "validation"), ("Valid", "validation"),
        ("dev", "validation"), ("VALIDATION", "validation"), ("validate", "validation"), ("Test", "test"),
        ("testing", "test"),
    ],
)  # fmt: skip
def test_a_part_may_be_spelled_as_tables_spell_it(cell: str, part: str):
    assert facts_of_row(row(s=cell), ("split_column",)).part == part


@pytest.mark.parametrize(("cell", "said"), [("tset", "'tset' in 's', which names no part"), ("", "no 's'")])
def test_another_part_is_named_with_its_row(cell: str, said: str):
    with pytest.raises(DataError, match="in line 2") as caught:
        facts_of_row(row(s=cell), ("split_column",))
    assert said in caught.value.message


def test_a_label_whose_training_samples_all_weigh_nothing_is_named(tmp_path: Path):
    table = tmp_path / "t.csv"
    rows = [(f"text {at}", "ab"[at % 2], at % 2) for at in range(40)]
    table.write_text("text,label,w\n" + "".join(f"{text},{label},{weight}\n" for text, label, weight in rows))
    with pytest.raises(DataError, match=r"the weight 0 to each training sample of a label, .*: 'a'"):
        read_splits(table, None, TASK, {"weight_column": "w"}, 0)
    assert read_splits(table, None, TASK, {}, 0).train.weights == ()


@pytest.mark.parametrize(("cell", "weight"), [("2", 2.0), (0, 0.0), ("0.25", 0.25), (1e3, 1000.0), (" 3 ", 3.0)])
def test_a_weight_is_a_number_that_is_not_negative(cell: Any, weight: float):
    assert facts_of_row(row(w=cell), ("weight_column",)).weight == weight


@pytest.mark.parametrize(
    "cell", ["-1", "heavy", "nan", "inf", "", None, True, float("nan"), "-0.001", "1,5", "1_000", "1e308", "1e-400"]
)
def test_no_weight_is_named_with_its_row(cell: Any):
    with pytest.raises(DataError, match="in line 2"):
        facts_of_row(row(w=cell), ("weight_column",))


def test_a_weight_is_written_as_the_table_writes_numbers():
    found = facts_of_row(replace(row(w="1.250,5"), options={"decimal": ","}), ("weight_column",))
    assert found.weight == 1250.5


@pytest.mark.parametrize(("cell", "group"), [("p1", "p1"), (" p1", "p1"), (7, "7"), (7.0, "7"), (7.5, "7.5")])
def test_a_group_is_known_by_what_is_written(cell: Any, group: str):
    assert facts_of_row(row(g=cell), ("group_column",)).group == group


def test_a_table_has_them_only_where_they_are_named(tmp_path: Path):
    table = tmp_path / "t.csv"
    table.write_text("text,label,split,group,weight\nx,a,odd,,heavy\ny,b,odd,,heavy\n")
    found = read(table, TASK).train
    assert (found.groups, found.weights, found.parts) == ((), (), ())
    with pytest.raises(DataError, match="has no column 'patient'") as caught:
        read(table, TASK, columns={"group_column": "patient"})
    assert caught.value.hint == "Name the right one: `columns={'group_column': 'NAME'}`"
    assert read(table, TASK, columns={"group_column": "patient"}, optional=("group_column",)).train.groups == ()


def test_rows_are_divided_as_the_column_says(tmp_path: Path):
    table = tmp_path / "t.csv"
    rows = [f"text {at},{'ab'[at % 2]},{('train', 'val', 'Test', 'train')[at // 2]}" for at in range(8)]
    table.write_text("\n".join(["text,label,part", *rows]) + "\n")
    columns: Columns = {"split_column": "part"}
    report = ReadReport()
    found = read(table, TASK, columns=columns, training=True, report=report)
    assert (report.layout, report.used) == ("a table, parts by the column 'part'", 8)
    assert found.test is not None
    assert found.validation is not None
    assert [part.inputs for part in (found.train, found.validation, found.test)] == [
        ("text 0", "text 1", "text 6", "text 7"),
        ("text 2", "text 3"),
        ("text 4", "text 5"),
    ]
    measured = read(table, TASK, columns=columns)
    assert measured.test == found.test
    assert len(measured.train) == 6
    table.write_text("text,label,part\nx,a,test\ny,b,test\n")
    assert len(read(table, TASK, columns=columns).train) == 2
    with pytest.raises(DataError, match="none has train in 'part'"):
        read(table, TASK, columns=columns, training=True)


def test_a_test_part_beside_test_rows_is_one_too_many(tmp_path: Path):
    (tmp_path / "train.csv").write_text("text,label,part\nx,a,train\ny,b,test\n")
    (tmp_path / "test.csv").write_text("text,label\nz,a\n")
    with pytest.raises(DataError, match="has a test part, and 1 rows with test in 'part'"):
        read(tmp_path, TASK, columns={"split_column": "part"}, training=True)
    (tmp_path / "train.csv").write_text("text,label,part\nx,a,train\ny,b,val\n")
    found = read(tmp_path, TASK, columns={"split_column": "part"})
    assert found.test is not None
    assert found.test.inputs == ("z",)


@pytest.mark.parametrize(
    ("name", "cells", "what"),
    [("group_column", "pq", "groups: 'p', 'q'"), ("weight_column", "12", "weights: '1.0', '2.0'"),
     ("split_column", ("train", "test"), "parts: 'test', 'train'")],
)  # fmt: skip
def test_rows_of_one_file_must_say_the_same_of_it(tmp_path: Path, name: Any, cells: Any, what: str):
    (tmp_path / "x.png").write_bytes(b"x")
    table = tmp_path / "t.csv"
    table.write_text(f"path,label,c\nx.png,a,{cells[0]}\nx.png,b,{cells[1]}\n")
    with pytest.raises(DataError, match=f"different {what}"):
        read(table, SEVERAL, columns={name: "c"})
    table.write_text(f"path,label,c\nx.png,a,{cells[0]}\nx.png,b,{cells[0]}\n")
    found = read(table, SEVERAL, columns={name: "c"}).train
    assert found.targets == ("a;b",)
    if name != "split_column":
        assert len(getattr(found, f"{name.removesuffix('_column')}s")) == 1


def test_the_words_of_a_sentence_have_the_group_of_its_first(tmp_path: Path):
    table = tmp_path / "t.csv"
    table.write_text("sentence,word,tag,book\n1,Ann,B-P,x\n1,ran,O,x\n2,Bob,B-P,y\n")
    found = read(table, make_task("text-tokens"), columns={"group_column": "book"}).train
    assert (found.inputs, found.groups) == (("Ann ran", "Bob"), ("x", "y"))


@pytest.mark.parametrize(
    ("path", "by", "classes", "group"),
    [
        ("cat/p1/x.png", "folder", True, "p1"),
        ("cat/p1/day 2/x.png", "folder", True, "p1"),
        ("p1/x.png", "folder", False, "p1"),
        ("cat/P017_2.png", r"(P\d+)_", True, "P017"),
        ("cat/P017/2.png", r"^cat/(P\d+)/", True, "P017"),
    ],
)
def test_a_files_path_says_its_group(path: str, by: str, classes: bool, group: str):
    assert group_of_file(Path("/data") / path, Path("/data"), by, classes=classes) == group


@pytest.mark.parametrize(("path", "by"), [("cat/x.png", "folder"), ("cat/x.png", r"(P\d+)")])
def test_a_file_without_a_group_is_named(path: str, by: str):
    with pytest.raises(DataError, match=r"File /data/cat/x\.png has no group"):
        group_of_file(Path("/data") / path, Path("/data"), by, classes=True)


@pytest.mark.parametrize(
    ("by", "said"), [("(", "is no regular expression"), ("P", "has no group"), ("(P)(x)", "has 2 groups")]
)
def test_a_pattern_has_one_group_in_parentheses(by: str, said: str):
    with pytest.raises(UsageError, match=said) as caught:
        check_group_by(by, {})
    assert caught.value.parameter == "group_by"
    check_group_by("folder", {})
    check_group_by("(?P<patient>P)", {})
    with pytest.raises(UsageError, match="both say what groups are"):
        check_group_by("folder", {"group_column": "g"})


def test_folders_of_classes_have_groups_only_when_asked(tmp_path: Path):
    for place in ("cat/p1/1.txt", "cat/p2/2.txt", "dog/p1/3.txt"):
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_text(place)
    assert read(tmp_path, TASK).train.groups == ()
    assert read(tmp_path, TASK, group_by="folder").train.groups == ("p1", "p2", "p1")
    (tmp_path / "dog" / "4.txt").write_text("no folder")
    with pytest.raises(DataError, match=r"4\.txt has no group: it lies in no folder below that of its class"):
        read(tmp_path, TASK, group_by="folder")
