"""Data that is odd, hostile or changes meanwhile: said in one line, exit code 2, and nothing is lost or kept wrong."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.io.inputs import delimited
from tlzoo.preprocess.image import ImagePreprocessor
from tlzoo.progress import set_quiet

Command = Callable[..., Any]
ODD = "a\nb\x1b[2J\udce9.png"


@pytest.fixture(autouse=True)
def spoken() -> None:
    """Progress is on, whatever a test before left."""
    set_quiet(False)


@pytest.fixture
def odd(pictures: Path, tmp_path: Path) -> Path:
    """Pictures, one with a name that no line holds."""
    data = Path(shutil.copytree(pictures, tmp_path / "odd"))
    shutil.copy(data / "red" / "000.png", data / "red" / ODD)
    return data


def test_a_name_with_control_characters_is_escaped_on_one_line(
    command: Command, zoo: Any, odd: Path, picture_file: Any, tmp_path: Path
):
    (odd / "red" / ODD).write_bytes(b"")
    (odd / "red" / f"{ODD}.md").write_bytes(b"x")
    done = command("finetune", "vision/test-resnet", odd, "--out", tmp_path / "run")
    named = str(odd / "red" / r"a\nb\x1b[2J\udce9.png")
    assert done.code == 2
    assert done.err.splitlines()[-1].startswith(f"Error: File {named} is empty (zero bytes).")
    done = command("finetune", "vision/test-resnet", odd, "--out", tmp_path / "run", "--skip-broken", "5%")
    assert done.code == 0, done.err
    assert any(line.endswith(f"such as {named}.md") for line in done.err.splitlines())
    assert "\x1b" not in done.err
    run = tlzoo.Run.load(tmp_path / "run")
    assert len(run.splits().train) == run.data.n_train
    done = command("predict", picture_file.path, odd)
    assert any(line.startswith("Skipped: ") and named in line for line in done.err.splitlines())


def test_a_file_of_such_a_name_is_read(command: Command, zoo: Any, odd: Path, tmp_path: Path):
    done = command("finetune", "vision/test-resnet", odd, "--out", tmp_path / "run", "--json", "-q")
    assert (done.code, done.json["read"]["data"]["used"]) == (0, 37), done.err


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.csv", "text,label\n", "has no rows"),
        ("a.jsonl", "\n\n", "has no rows"),
        ("a.csv", "", "has zero bytes"),
        ("a.csv", "text,label\n" + "great film,good\n" * 9, "only one"),
    ],
)
def test_tables_without_rows_or_of_one_class(
    command: Command, zoo: Any, text_file: Any, tmp_path: Path, name: str, content: str, said: str
):
    (tmp_path / name).write_text(content)
    done = command("finetune", "nlp/test-bert", tmp_path / name, "--out", tmp_path / "run")
    assert (done.code, said in done.err) == (2, True), done.err
    if "only" not in said:
        for form in ("--json", "--jsonl", "-q"):
            done = command("predict", text_file.path, tmp_path / name, form)
            assert (done.code, said in done.err, done.out) == (2, True, ""), done.err


def test_labels_of_ten_thousand_letters(command: Command, zoo: Any, make_texts: Any, tmp_path: Path):
    data = make_texts(tmp_path / "texts.csv", 10)
    data.write_text(data.read_text().replace(",good", f",{'g' * 10_000}").replace(",bad", f",{'b' * 10_000}"))
    for line in (
        ("finetune", "nlp/test-bert", data, "--out", tmp_path / "run"),
        ("export", tmp_path / "run", "--out", tmp_path / "run.onnx"),
        ("evaluate", tmp_path / "run.onnx", data),
        ("predict", tmp_path / "run.onnx", data),
    ):
        done = command(*line)
        assert (done.code, max(map(len, done.err.splitlines() or [""])) < 3_500) == (0, True), done.err


def test_a_table_that_grows_while_it_is_read(
    command: Command, zoo: Any, make_texts: Any, text_file: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    data, row = make_texts(tmp_path / "texts.csv", 10), delimited._row

    def growing(path: Path, *more: Any) -> Any:
        with path.open("a") as file:
            file.write("one more film,good\n")
        return row(path, *more)

    monkeypatch.setattr(delimited, "_row", growing)
    for line in (
        ("finetune", "nlp/test-bert", data, "--out", tmp_path / "run"),
        ("evaluate", text_file.path, data),
        ("predict", text_file.path, data),
    ):
        done = command(*line)
        assert (done.code, f"File {data} changed while it was read." in done.err) == (2, True), done.err
    assert not (tmp_path / "run").exists()


@pytest.fixture
def replaced(
    make_pictures: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> tuple[Path, Path]:
    """Pictures whose features are in no cache yet, and one of them that is another as soon as it is decoded, while
    there is a file `armed` beside."""
    data, armed = make_pictures(tmp_path / "replaced", seed=sum(request.node.name.encode())), tmp_path / "armed"
    armed.touch()
    file, decode = data / "red" / "003.png", ImagePreprocessor.__call__

    def replacing(self: ImagePreprocessor, inputs: Any) -> Any:
        if armed.exists() and str(file) in map(str, inputs):
            shutil.copy(data / "blue" / "003.png", file)
            os.utime(file, (1, 1))
        return decode(self, inputs)

    monkeypatch.setattr(ImagePreprocessor, "__call__", replacing)
    return data, file


@pytest.mark.parametrize("more", [(), ("--no-cache",), ("--strategy", "finetune", "--epochs", "1")], ids=" ".join)
def test_a_file_that_is_replaced_before_it_is_decoded_ends_a_training(
    command: Command, zoo: Any, replaced: Any, tmp_path: Path, more: tuple[str, ...]
):
    data, file = replaced
    done = command("finetune", "vision/test-resnet", data, "--out", tmp_path / "run", *more)
    assert (done.code, f"File {file} changed while it was read." in done.err) == (2, True), done.err
    assert not (tmp_path / "run").exists()


def test_features_of_a_replaced_file_are_not_kept(command: Command, zoo: Any, replaced: Any, tmp_path: Path):
    data, file = replaced
    original = Path(shutil.copytree(data, tmp_path / "original"))
    assert command("finetune", "vision/test-resnet", data, "--out", tmp_path / "run").code == 2
    (tmp_path / "armed").unlink()
    shutil.copy(original / "red" / "003.png", file)
    again = tlzoo.finetune("vision/test-resnet", data, out=tmp_path / "again")
    right = tlzoo.finetune("vision/test-resnet", original, out=tmp_path / "right", cache=False)
    assert again.metrics == pytest.approx(right.metrics)


def test_a_file_that_is_replaced_ends_an_evaluation(
    command: Command, replaced: Any, picture_run: Any, picture_file: Any
):
    data, file = replaced
    original = file.read_bytes()
    for model in (picture_run.path, picture_file.path):
        file.write_bytes(original)
        done = command("evaluate", model, data)
        assert (done.code, f"File {file} changed while it was read." in done.err) == (2, True), done.err
