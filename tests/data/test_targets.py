"""Several labels per sample and numbers in tables, and how such samples are split."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tlzoo.data import Samples, read, split
from tlzoo.data.splits import read_splits
from tlzoo.errors import DataError
from tlzoo.io.inputs.report import ReadReport
from tlzoo.tasks import make_task

cells = st.lists(
    st.sets(st.sampled_from("abcde")).map(lambda labels: ";".join(sorted(labels))), min_size=2, max_size=30
)
shares = st.floats(0.05, 0.95)


def targets_of(path, family, training=True):
    return read(path, make_task(f"text-{family}"), training=training).train.targets


def test_cells_of_several_labels_may_be_empty_and_lose_spaces_and_repetitions(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,label\none,a; b\ntwo,\nthree,b;;b;\n")
    assert targets_of(table, "multilabel") == ("a;b", "", "b")


def test_lists_of_labels_are_read_from_json_lines_and_parquet(tmp_path):
    rows = [{"text": "one", "label": ["a", "b"]}, {"text": "two", "label": []}, {"text": "three", "label": ["c"]}]
    lines, parquet = tmp_path / "t.jsonl", tmp_path / "t.parquet"
    lines.write_text("".join(json.dumps(row) + "\n" for row in [*rows, {"text": "four", "label": "a;c"}]))
    pq.write_table(pa.Table.from_pylist([*rows, {"text": "four", "label": None}]), parquet)
    assert targets_of(lines, "multilabel") == ("a;b", "", "c", "a;c")
    assert targets_of(parquet, "multilabel") == ("a;b", "", "c", "")


def test_lists_of_labels_in_cells_of_csv_are_json_or_pythons(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text('text,label\none,"[""a"", ""b""]"\ntwo,[]\nthree,c\nfour,"[\'a\', \'b\']"\n')
    assert targets_of(table, "multilabel") == ("a;b", "", "c", "a;b")
    for cell, fault in (("[d]", "looks like a list"), ("['a' 'b']", "a list in 'label' that cannot be read")):
        table.write_text(f'text,label\none,"{cell}"\ntwo,c\n')
        with pytest.raises(DataError, match=f"{fault} in line 2"):
            targets_of(table, "multilabel")


def test_labels_that_are_written_in_several_ways_are_one_and_said(tmp_path):
    table = tmp_path / "t.jsonl"
    labels = ["caf\u00e9", "cafe\u0301", "the\u200b", "the", "the "]
    table.write_text("".join(json.dumps({"text": f"{at}", "label": label}) + "\n" for at, label in enumerate(labels)))
    for family in ("classification", "multilabel"):
        report = ReadReport()
        found = read(table, make_task(f"text-{family}"), report=report).train.targets
        assert found == ("caf\u00e9", "caf\u00e9", "the", "the", "the")
        blank = ["the "] if family == "classification" else []  # around a separator blanks say nothing
        ways = {"caf\u00e9": ["cafe\u0301", "caf\u00e9"], "the": ["the", *blank, "the\u200b"]}
        assert report.facts()["respelled"] == ways
        assert any("cafe\\u0301" in line for line in report.lines())


@pytest.mark.parametrize(
    ("labels", "said"), [(["x", "x ", "y"], {"x": ["x", "x "]}), (["x", " y", "x"], {}), (["x", "x", "y"], {})]
)
def test_blanks_around_a_label_are_said_where_it_is_written_without_too(
    labels: list[str], said: dict[str, list[str]], tmp_path
):
    table = tmp_path / "t.csv"
    table.write_text("text,label\n" + "".join(f"{at},{label}\n" for at, label in enumerate(labels)))
    for at, label in enumerate(labels):
        (tmp_path / "folders" / label).mkdir(parents=True, exist_ok=True)
        (tmp_path / "folders" / label / f"{at}.txt").write_text(f"{at}")
    for place in (table, tmp_path / "folders"):
        report = ReadReport()
        read(place, make_task("text-classification"), report=report)
        assert report.facts()["respelled"] == said


def test_numbers_as_labels_are_in_order_and_said_where_they_have_decimals(tmp_path):
    table = tmp_path / "t.csv"
    for labels, said in ((["10", "2", "1"], []), (["1.0", "0.0", "10.0"], ["0.0", "1.0", "10.0"])):
        table.write_text("text,label\n" + "".join(f"{at},{label}\n" for at, label in enumerate(labels * 3)))
        report, task = ReadReport(), make_task("text-classification")
        targets = read(table, task, report=report, training=True).train.targets
        assert list(task.fit(targets, "label").labels) == sorted(labels, key=float)
        assert report.numbers == said


def test_labels_that_may_stand_for_a_missing_one_are_said(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,label\none,nan\ntwo,None\nthree,a\nfour,NaN\n")
    report = ReadReport()
    read(table, make_task("text-classification"), report=report)
    assert report.missing_like == {"NaN": 1, "None": 1, "nan": 1}


def test_a_label_that_is_named_has_a_sample(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,toxic,spam\none,1,0\ntwo,0,0\n")
    task = make_task("text-multilabel")
    with pytest.raises(DataError, match="no sample with the label 'spam'") as caught:
        read(table, task, columns={"label_columns": ["toxic", "spam"]}, training=True)
    assert caught.value.parameter == "label_columns"
    found = read(table, task, columns={"label_columns": ["toxic", "spam"]})
    assert found.train.targets == ("toxic", "")


def test_a_list_is_no_label_of_one(tmp_path):
    table = tmp_path / "t.csv"
    for cell in ("['a', 'b']", "[1 0 1]", "[0, 1]"):
        table.write_text(f'text,label\none,"{cell}"\n')
        with pytest.raises(DataError, match="has a list as 'label' in line 2") as caught:
            targets_of(table, "classification", training=False)
        assert "`task='multilabel'`" in caught.value.hint


def test_a_table_says_how_it_was_understood_and_what_of_it_was_used(tmp_path):
    (tmp_path / "train.csv").write_text("text;label\none;a\ntwo;b\n")
    (tmp_path / "test.tsv").write_text("text\tlabel\none\ta\n")
    report = ReadReport()
    read(tmp_path, make_task("text-classification"), columns={"encoding": "cp1252"}, report=report)
    assert report.layout == "train.csv, separated by ';', in cp1252 and test.tsv, in cp1252"
    assert report.roles == {"text", "label", "encoding"}


def test_paths_in_a_table_may_have_backslashes_and_start_at_a_folder(tmp_path):
    (tmp_path / "photos" / "deep").mkdir(parents=True)
    (tmp_path / "photos" / "deep" / "a.txt.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    (tmp_path / "lists").mkdir()
    table = tmp_path / "lists" / "t.csv"
    table.write_text("path,label\ndeep\\a.txt.png,a\n")
    task = make_task("image-classification")
    with pytest.raises(DataError, match="is not a file") as caught:
        read(table, task)
    assert "`columns={'files': 'FOLDER'}`" in caught.value.hint
    found = read(table, task, columns={"files": str(tmp_path / "photos")})
    assert found.train.inputs == (str(tmp_path / "photos" / "deep" / "a.txt.png"),)


@pytest.mark.parametrize("cell", ["[1, 0, 1]", "[0, 1]", "[1.0, 0.0, 0.0]", "[true, false]"])
def test_a_list_of_zeros_and_ones_is_no_list_of_labels(tmp_path, cell):
    lines, table = tmp_path / "t.jsonl", tmp_path / "t.csv"
    lines.write_text(f'{{"text": "one", "label": {cell}}}\n{{"text": "two", "label": ["a"]}}\n')
    table.write_text(f'text,label\none,"{cell}"\ntwo,a\n')
    for path, place in ((lines, "line 1"), (table, "line 2")):
        with pytest.raises(DataError, match=f"zeros and ones where labels are expected in {place}"):
            targets_of(path, "multilabel")


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"text": "two"}, "has no 'label' in line 2"),
        ({"text": "two", "label": ["a;b"]}, "'a;b' in line 2"),
        ({"text": "two", "label": [["a"]]}, "list as 'label' in line 2"),
        ({"text": "two", "label": {"a": 1}}, "dict as 'label' in line 2"),
    ],
)
def test_cells_that_hold_no_labels_are_named_with_their_row(tmp_path, row, message):
    table = tmp_path / "t.jsonl"
    table.write_text(json.dumps({"text": "one", "label": ["a"]}) + "\n" + json.dumps(row) + "\n")
    with pytest.raises(DataError, match=message):
        targets_of(table, "multilabel")


def test_a_table_without_any_label_trains_nothing_but_can_be_measured(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,label\none,\ntwo,\n")
    with pytest.raises(DataError, match="no label in any row"):
        targets_of(table, "multilabel")
    assert targets_of(table, "multilabel", training=False) == ("", "")


def test_numbers_are_kept_as_they_are_written(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("text,label\none,1\ntwo, -2.50 \nthree,3e2\n")
    assert targets_of(table, "regression") == ("1", "-2.50", "3e2")


@pytest.mark.parametrize("cell", ["nan", "inf", "-inf", "1e39", "1_000", "tall", "", "true"])
def test_what_is_no_finite_number_is_named_with_file_and_row(tmp_path, cell):
    table = tmp_path / "t.csv"
    table.write_text(f"text,label\none,1\ntwo,{cell}\n")
    with pytest.raises(DataError, match=r"t\.csv has .* as 'label' in line 3"):
        targets_of(table, "regression")


@pytest.mark.parametrize("value", [float("nan"), None])
def test_a_number_that_is_missing_in_parquet_is_named_with_its_row(tmp_path, value):
    table = tmp_path / "t.parquet"
    pq.write_table(pa.table({"text": ["one", "two"], "label": pa.array([1.0, value], pa.float64())}), table)
    with pytest.raises(DataError, match="'label' in row 2"):
        targets_of(table, "regression")


def test_a_boolean_is_no_number(tmp_path):
    table = tmp_path / "t.jsonl"
    table.write_text('{"text": "one", "label": 1}\n{"text": "two", "label": true}\n')
    with pytest.raises(DataError, match="True as 'label' in line 2"):
        targets_of(table, "regression")


@pytest.mark.parametrize("family", ["multilabel", "regression"])
def test_a_folder_per_class_is_refused_and_a_table_asked_for(tmp_path, family):
    for name in ("1", "2"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.txt").write_text("text")
    with pytest.raises(DataError) as error:
        read(tmp_path, make_task(f"text-{family}"))
    assert "table" in error.value.hint


def test_a_label_that_only_the_test_table_has_is_named(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\none,a;b\ntwo,b\n")
    (tmp_path / "test.csv").write_text("text,label\nthree,a;c\n")
    with pytest.raises(DataError, match="'c'"):
        read(tmp_path, make_task("text-multilabel"), training=True)


@given(cells, shares, st.integers(0, 2**32 - 1))
def test_a_split_of_several_labels_loses_nothing_and_trains_on_every_label(drawn, share, seed):
    samples = Samples(tuple(f"text {i}" for i in range(len(drawn))), tuple(drawn), "text")
    each = [set(cell.split(";")) - {""} for cell in drawn]
    counts = Counter(label for labels in each for label in labels)
    if not any(all(counts[label] > 1 for label in labels) for labels in each):
        with pytest.raises(DataError, match="No sample can be held out"):
            split(samples, share, seed, make_task("text-multilabel"))
        return
    rest, part = split(samples, share, seed, make_task("text-multilabel"))
    assert sorted(rest.inputs + part.inputs) == sorted(samples.inputs)
    assert {label for cell in rest.targets for label in cell.split(";")} - {""} == set(counts)
    assert 1 <= len(part) <= max(1, round(len(drawn) * share + 0.5))
    assert split(samples, share, seed, make_task("text-multilabel")) == (rest, part)


@given(st.integers(2, 60), shares, st.integers(0, 2**32 - 1))
def test_a_split_of_numbers_is_random_and_of_the_share_asked_for(count, share, seed):
    samples = Samples(tuple(f"text {i}" for i in range(count)), tuple(str(i) for i in range(count)), "text")
    rest, part = split(samples, share, seed, make_task("text-regression"))
    assert sorted(rest.inputs + part.inputs) == sorted(samples.inputs)
    assert min(len(rest), len(part)) >= 1
    assert abs(len(part) - count * share) <= 1


@pytest.mark.parametrize("family", ["multilabel", "regression"])
def test_one_sample_cannot_be_split(family):
    with pytest.raises(DataError):
        split(Samples(("one",), ("1",), "text"), 0.2, 0, make_task(f"text-{family}"))


@pytest.mark.parametrize(("count", "held"), [(7, 1), (8, 2), (12, 2), (13, 3)])
def test_a_share_of_samples_with_several_labels_is_rounded_to_the_nearest_number(count, held):
    samples = Samples(tuple(f"text {i}" for i in range(count)), ("a;b",) * count, "text")
    assert len(split(samples, 0.2, 0, make_task("text-multilabel"))[1]) == held


def test_labels_that_are_measured_values_are_hinted_to_be_numbers(tmp_path):
    (tmp_path / "t.csv").write_text("text,label\n" + "".join(f"{at},{at / 7:.2f}\n" for at in range(40)))
    with pytest.raises(DataError, match="too few samples of some labels") as caught:
        read_splits(tmp_path / "t.csv", None, make_task("text-classification"), {}, 0)
    assert "`task='regression'`" in caught.value.hint
