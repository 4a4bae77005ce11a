import csv
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tlzoo.data import read
from tlzoo.errors import DataError
from tlzoo.io.texts import is_blank
from tlzoo.tasks import make_task

TEXT = make_task("text-classification")
readable = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), min_size=1, max_size=40).filter(
    lambda text: not is_blank(text)
)
label = st.sampled_from(["good", "bad", 'größer, "quoted"', "-1"])
pairs = st.lists(st.tuples(readable, label), min_size=2, max_size=12).filter(lambda rows: len({y for _, y in rows}) > 1)
relaxed = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60, deadline=None)


def csv_of(rows, delimiter=","):
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerows([("text", "label"), *rows])
    return out.getvalue().encode()


def jsonl_of(rows):
    return "".join(json.dumps({"text": x, "label": y}, ensure_ascii=False) + "\n" for x, y in rows).encode()


def parquet_of(rows):
    out = io.BytesIO()
    pq.write_table(pa.table({"text": [x for x, _ in rows], "label": [y for _, y in rows]}), out)
    return out.getvalue()


WRITERS = {"csv": csv_of, "tsv": lambda rows: csv_of(rows, "\t"), "jsonl": jsonl_of, "parquet": parquet_of}


@relaxed
@given(pairs, st.sampled_from(sorted(WRITERS)), st.booleans())
def test_what_a_table_holds_comes_back_unchanged(tmp_path, rows, kind, mark):
    prefix = b"\xef\xbb\xbf" if mark and kind != "parquet" else b""
    file = tmp_path / f"data.{kind}"
    file.write_bytes(prefix + WRITERS[kind](rows))
    train = read(file, TEXT).train
    assert (tuple(x for x, _ in rows), tuple(y for _, y in rows)) == (train.inputs, train.targets)


@relaxed
@given(st.binary(min_size=1, max_size=200), st.sampled_from(sorted(WRITERS)))
def test_arbitrary_bytes_are_read_or_refused_by_name(tmp_path, data, kind):
    file = tmp_path / f"data.{kind}"
    file.write_bytes(data)
    with pytest.raises(DataError, match=r"data\."):
        read(file, TEXT, training=True)


def test_other_column_names_are_options(tmp_path):
    file = tmp_path / "a.csv"
    file.write_text("tweet,mood\nhi,1\nho,2\n")
    assert read(file, TEXT, columns={"text_column": "tweet", "label_column": "mood"}).train.targets == ("1", "2")


def test_labels_that_are_numbers_or_truth_values_become_strings(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"text": "a", "label": 1}\n\n{"text": "b", "label": true}\n')
    assert read(file, TEXT).train.targets == ("1", "true")


def test_an_unlabelled_table_needs_no_label_column(tmp_path):
    file = tmp_path / "a.tsv"
    file.write_text("text\nhi\nho\n")
    train = read(file, TEXT, labelled=False).train
    assert (train.inputs, train.targets) == (("hi", "ho"), None)


def test_a_folder_of_train_and_test_tables_is_both_halves(tmp_path):
    (tmp_path / "train.csv").write_text("text,label\na,x\nb,y\n")
    (tmp_path / "test.jsonl").write_text('{"text": "c", "label": "x"}\n')
    collection = read(tmp_path, TEXT)
    assert (collection.train.inputs, collection.test.inputs) == (("a", "b"), ("c",))


@pytest.mark.parametrize(
    ("name", "content", "named"),
    [
        ("a.csv", b"", "zero bytes"),
        ("a.csv", b"text,label\n", "no rows"),
        ("a.csv", b"words,label\nhi,x\nho,y\n", "'text'.*'words'.*'text_column': 'NAME'"),
        ("a.csv", b"text,kind\nhi,x\nho,y\n", "'label'.*'kind'.*'label_column': 'NAME'"),
        ("a.csv", b"text,label\nhi,x\nho,\n", "'label' in line 3"),
        ("a.csv", b"text,label\nhi,x\n  ,y\n", "'text' in line 3"),
        ("a.csv", b'text,label\n"two\nlines",x\nho\n', "1 cells in line 4"),
        ("a.csv", b"text,label\nhi,x\nho, yes,y\n", "3 cells in line 3"),
        ("a.csv", b'text,label\nhi,x\n"ho,y\n', "line 3"),
        ("a.csv", b"text,text\nhi,x\n", "duplicate"),
        ("a.csv", b"text,label\nhi,x\nh\0o,y\n", "NUL byte in line 3"),
        ("a.csv", b"text,label\nhi,x\nh\xe9,y\n", "UTF-8.*line 3"),
        ("a.csv", b"text,label\nhi,x\nho,x\n", "only one class, 'x'"),
        ("a.jsonl", b'{"text": "a", "label": "x"}\n{"text": \n', "line 2"),
        ("a.jsonl", b'{"text": "a", "label": "x"}\n[1]\n', "line 2"),
        ("a.jsonl", b"[" * 100_000, "line 1"),
        ("a.jsonl", b'{"text": "a", "label": "x"}\n{"text": "b"}\n', "'label' in line 2"),
        ("a.jsonl", b'{"text": "a", "label": "x"}\n{"text": ["b"], "label": "y"}\n', "list as 'text' in line 2"),
        ("a.parquet", b"PAR1 not really", "Parquet"),
        ("a.xls", b"x", "not in a table format"),
    ],
)
def test_a_bad_table_is_refused_with_the_place(tmp_path, name, content, named):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(DataError, match=named) as caught:
        read(file, TEXT, training=True)
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_a_missing_value_in_parquet_is_named_by_its_row(tmp_path):
    pq.write_table(pa.table({"text": ["a", "b"], "label": ["x", None]}), tmp_path / "a.parquet")
    with pytest.raises(DataError, match="'label' in row 2"):
        read(tmp_path / "a.parquet", TEXT)


def test_a_very_long_cell_is_read(tmp_path):
    (tmp_path / "a.csv").write_text(f"text,label\n{'x' * 200_000},a\nb,b\n")
    assert len(read(tmp_path / "a.csv", TEXT).train.inputs[0]) == 200_000


@pytest.mark.parametrize("task", ["text-classification", "text-multilabel"])
@pytest.mark.parametrize(
    ("row", "column"),
    [
        ({"text": "a\ud83d b", "label": "good"}, "text"),
        ({"text": "b", "label": "g\udc00"}, "label"),
        ({"text": "b", "label": "good;\ud83d"}, "label"),
    ],
)
def test_half_a_surrogate_pair_is_refused_in_its_place(tmp_path, task, row, column):
    file = tmp_path / "a.jsonl"
    file.write_text("\n".join(map(json.dumps, [{"text": "a \U0001f600", "label": "bad"}, row])))
    with pytest.raises(DataError, match=f"a.jsonl has half a surrogate pair in '{column}' in line 2"):
        read(file, make_task(task))


def test_half_a_surrogate_pair_in_a_list_of_labels_is_refused(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text(json.dumps({"text": "a", "label": ["x", "\ud83d"]}))
    with pytest.raises(DataError, match="half a surrogate pair in 'label' in line 1"):
        read(file, make_task("text-multilabel"))


def test_a_class_folder_whose_name_is_not_utf8_is_refused(tmp_path):
    for name in ("good", "gr\udcfc\udcdf"):
        folder = tmp_path / name
        try:
            folder.mkdir()
        except OSError:
            pytest.skip("the file system takes UTF-8 alone")
        (folder / "1.txt").write_text("x")
    with pytest.raises(DataError, match=r"Class folder .* has a name that is not UTF-8\. Rename it\."):
        read(tmp_path, TEXT)


def test_a_file_may_be_named_by_bytes_that_are_not_utf8(tmp_path):
    try:
        (tmp_path / "\udcfc.png").write_bytes(b"x")
    except OSError:
        pytest.skip("the file system takes UTF-8 alone")
    (tmp_path / "a.jsonl").write_text(json.dumps({"path": "\udcfc.png", "label": "a"}))
    assert read(tmp_path / "a.jsonl", make_task("image-classification")).train.inputs == (str(tmp_path / "\udcfc.png"),)
