"""How tables are written is said once: a run and its file remember it, and every command can be told otherwise."""

from __future__ import annotations

import csv
import gzip
import json
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.errors import UsageError


@pytest.fixture
def table(texts: Path, tmp_path: Path) -> Path:
    """The texts as Excel writes them in half of Europe: with ; between cells, in cp1252, and a letter beyond ASCII."""
    with texts.open(newline="", encoding="utf-8") as file:
        rows = [(f"caf\u00e9 {row['text']}", row["label"]) for row in csv.DictReader(file)]
    path = tmp_path / "texts.csv"
    with path.open("w", newline="", encoding="cp1252") as into:
        csv.writer(into, delimiter=";").writerows([("text", "label"), *rows])
    return path


def test_a_run_and_its_file_read_tables_as_it_was_trained(
    zoo: Any, command: Any, table: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    done = command("finetune", "nlp/test-bert", table, "--out", tmp_path / "run")
    assert done.code == 2
    assert "--encoding cp1252" in done.err
    done = command("finetune", "nlp/test-bert", table, "--out", tmp_path / "run", "--encoding", "cp1252")
    assert done.code == 0, done.err
    assert "a table, separated by ';', in cp1252" in done.err
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["data"]["columns"] == {"encoding": "cp1252"}
    run = tmp_path / "run"
    exported = tlzoo.export(run, tmp_path / "model.onnx")
    count = record["data"]["n_train"] + record["data"]["n_validation"] + record["data"]["n_test"]
    for model in (run, exported.path):
        assert tlzoo.evaluate(model, table).n == count
    packed = tmp_path / "texts.tsv.gz"
    packed.write_bytes(gzip.compress(table.read_bytes().decode("cp1252").encode()))
    done = command("evaluate", exported.path, packed, "--encoding", "utf-8", "--json", "-q")
    assert done.json["n"] == count
    assert command("evaluate", exported.path, packed, "--json", "-q").json["n"] == count, "what is surely UTF-8"
    done = command("evaluate", exported.path, packed, "--encoding", "cp1252")
    assert (done.code, "is UTF-8, not cp1252. Say so: --encoding utf-8" in done.err) == (2, True)
    other = tmp_path / "other.csv"
    other.write_text(table.read_text("cp1252").replace("text;label", "review;kind"))
    named = ("--text-column", "review", "--label-column", "kind")
    done = command("export", run, "--out", tmp_path / "proven.onnx", "--data", other, *named, "--json", "-q")
    assert done.json["read"]["used"] == count
    done = command("export", run, "--out", tmp_path / "m.onnx", "--data", table, "--path-column", "x", "-q")
    assert (done.code, "--path-column x has no effect" in done.err) == (2, True)
    done = command("export", run, "--out", tmp_path / "m.onnx", *named, "-q")
    assert (done.code, "no effect without --data" in done.err) == (2, True)
    found = command("predict", exported.path, table, "--encoding", "cp1252", "--json", "-q").json
    again = command("predict", exported.path, packed, "--json", "-q").json
    assert found["read"]["layout"] == "a table separated by ';' in cp1252"
    assert len(found["predictions"]) == count
    assert found["predictions"] == again["predictions"]
    done = command("predict", exported.path, table)
    assert (done.code, "--encoding cp1252" in done.err) == (2, True)


def test_what_says_how_tables_are_written_is_of_use(
    zoo: Any, command: Any, text_file: Any, texts: Path, pictures: Path
):
    done = command("predict", text_file.path, "hello", "--separator", ";")
    assert (done.code, "--separator has no effect" in done.err) == (2, True)
    done = command("evaluate", text_file.path, texts, "--decimal", ",")
    assert (done.code, "--decimal has no effect" in done.err) == (2, True)
    done = command("evaluate", text_file.path, texts, "--quoting", "some")
    assert (done.code, "--quoting cannot be 'some'" in done.err) == (2, True)
    with pytest.raises(UsageError, match="`separator` has no effect"):
        tlzoo.finetune("vision/test-vit", pictures, out="run", columns={"separator": ";"})


def test_text_makes_texts_of_paths_and_files_are_no_texts(
    zoo: Any, command: Any, text_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    done = command("predict", text_file.path, "no-such.csv", "good film", "--json")
    first, second = json.loads(done.out)["predictions"]
    assert "no file no-such.csv" in first["error"]
    assert second["label"]
    done = command("predict", text_file.path, "no-such.csv")
    assert (done.code, "if it is a text: --text" in done.err) == (2, True)
    [answer] = command("predict", text_file.path, "no-such.csv", "--text", "--json", "-q").json["predictions"]
    assert (answer["input"], "error" in answer) == ("no-such.csv", False)


def test_a_run_of_pictures_finds_them_in_another_folder(
    zoo: Any, command: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    files = [(str(file.relative_to(pictures)), file.parent.name) for file in sorted(pictures.rglob("*.png"))]
    table = tmp_path / "lists" / "photos.csv"
    table.parent.mkdir()
    with table.open("w", newline="") as into:
        csv.writer(into).writerows([("path", "label"), *((path.replace("/", "\\"), label) for path, label in files)])
    monkeypatch.chdir(pictures.parent)
    done = command("finetune", "vision/test-vit", table, "--out", tmp_path / "run", "--files", pictures.name, "-q")
    assert done.code == 0, done.err
    run = tmp_path / "run"
    exported = tlzoo.export(run, tmp_path / "model.onnx")
    assert str(pictures) not in json.dumps(tlzoo.load(exported.path).manifest.data)
    done = command("evaluate", exported.path, table)
    assert (done.code, "--files FOLDER" in done.err) == (2, True)
    assert command("evaluate", exported.path, table, "--files", pictures.name, "--json", "-q").json["n"] == len(files)
    found = command("predict", exported.path, table, "--files", pictures.name, "--json", "-q").json
    assert len(found["predictions"]) == len(files)
    adapted = ("adapt", run, "--target", table, "--out", tmp_path / "adapted", "--json", "-q")
    done = command(*adapted)
    assert (done.code, "--files FOLDER" in done.err) == (2, True)
    assert command(*adapted, "--files", pictures.name).json["adapted"]["n_target"] == len(files)
