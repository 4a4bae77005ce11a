"""The seals of a run folder: no file of it can be damaged or changed without a word."""

from __future__ import annotations

import json
import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.errors import RunError
from tlzoo.io.files import seal_of
from tlzoo.runs.record import check_run, read_record

READ = ("preprocess.json", "trained_on.json", "model.safetensors", "reference.safetensors")


@pytest.fixture
def copy(picture_run: Any, tmp_path: Path) -> Path:
    return Path(shutil.copytree(picture_run.path, tmp_path / "run"))


def opened(path: Path) -> None:
    """Read all of a run."""
    run = tlzoo.Run.load(path)
    run.trained_on()
    run.model()


def flip(file: Path, at: int) -> None:
    content = bytearray(file.read_bytes())
    content[at] ^= 1 << at % 8
    file.write_bytes(content)


def test_every_file_of_a_run_is_hashed_in_its_record(copy: Path):
    record = read_record(copy)
    assert set(record.files) == {file.name for file in copy.iterdir()} - {"run.json"}
    assert set(READ) <= set(record.files)
    assert json.loads((copy / "run.json").read_text())["seal"] == seal_of(record.document())


@pytest.mark.parametrize("name", READ)
def test_a_flipped_bit_is_noticed_when_the_file_is_read(copy: Path, name: str, zoo: Any):
    size = (copy / name).stat().st_size
    for at in (0, size // 3, size - 1, *random.Random(0).sample(range(size), 3)):
        flip(copy / name, at)
        with pytest.raises(RunError, match="damaged") as error:
            opened(copy)
        assert str(copy / name) in error.value.message
        whole = error.value.hint.partition("Undamaged: ")[2]
        assert "history.jsonl" in whole
        assert name not in whole
        flip(copy / name, at)
    opened(copy)


def test_a_flipped_bit_of_the_record_is_noticed_or_changes_nothing(copy: Path):
    before, size = read_record(copy), (copy / "run.json").stat().st_size
    said = []
    for at in random.Random(0).sample(range(size), 200):
        flip(copy / "run.json", at)
        try:
            assert read_record(copy) == before
        except RunError as error:
            said.append(error.message)
        flip(copy / "run.json", at)
    assert len(said) > 150
    assert all(str(copy) in message for message in said)


@pytest.mark.parametrize("name", READ)
def test_a_file_that_is_gone_is_missed(copy: Path, name: str, zoo: Any):
    (copy / name).unlink()
    with pytest.raises(RunError, match="missing"):
        opened(copy)


CHANGES: dict[str, Callable[[dict[str, Any]], Any]] = {
    "accuracy": lambda document: document["metrics"].update(accuracy=0.999),
    "license": lambda document: document["checkpoint"].update(license="MIT"),
    "labels": lambda document: document["labels"].reverse(),
    "version": lambda document: document.update(version=2),
    "no seal": lambda document: document.pop("seal"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_other_record_ships(copy: Path, tmp_path: Path, zoo: Any, change: str):
    document = json.loads((copy / "run.json").read_text())
    CHANGES[change](document)
    (copy / "run.json").write_text(json.dumps(document))
    with pytest.raises(RunError, match="damaged"):
        tlzoo.export(copy, out=tmp_path / "model.onnx")
    assert not (tmp_path / "model.onnx").exists()


def test_no_other_preprocessing_ships(copy: Path, tmp_path: Path, zoo: Any):
    spec = json.loads((copy / "preprocess.json").read_text())
    (copy / "preprocess.json").write_text(json.dumps({**spec, "crop": 0.8}))
    with pytest.raises(RunError, match=r"preprocess\.json is damaged"):
        tlzoo.export(copy, out=tmp_path / "model.onnx")


def test_how_a_record_is_written_down_does_not_count(copy: Path):
    before = read_record(copy)
    (copy / "run.json").write_text(json.dumps(json.loads((copy / "run.json").read_text()), indent=7, sort_keys=True))
    assert read_record(copy) == before


def test_verify_checks_every_file_of_a_run(command: Callable[..., Any], copy: Path):
    found = {Path(each["file"]).name for each in command("verify", copy, "--seal", "--json").json}
    assert found == {file.name for file in copy.iterdir()}
    flip(copy / "history.jsonl", 0)
    done = command("verify", copy, "--seal")
    assert done.code == 2
    assert "history.jsonl is damaged" in done.err
    shutil.copy(Path(__file__).with_name("version_2.json"), copy / "run.json")
    assert "without checksums" in command("verify", copy, "--seal").err


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize(
    ("replaced", "said"),
    [
        (Path.mkdir, "it is a folder"),
        (lambda file: file.symlink_to(file.name), "Too many levels of symbolic links"),
        pytest.param(os.mkfifo, "it is a named pipe", marks=pytest.mark.needs("mkfifo")),
    ],
)
def test_what_is_no_file_any_more_is_named_at_once(copy: Path, name: str, replaced: Callable[[Path], None], said: str):
    (copy / name).unlink()
    replaced(copy / name)
    with pytest.raises(RunError) as error:
        check_run(copy)
    assert error.value.message == f"{copy / name} cannot be read: {said}."
    assert "history.jsonl" in error.value.hint


def test_the_files_of_a_damaged_record_are_told_by_what_it_states(copy: Path):
    text = (copy / "run.json").read_text()
    (copy / "run.json").write_text(text.replace('"seed"', '"sead"', 1))
    with pytest.raises(RunError, match=r"run\.json is damaged") as error:
        read_record(copy)
    assert "Unchanged by what it states:" in error.value.hint
    assert "model.safetensors" in error.value.hint
    assert not error.value.parameter


@pytest.mark.parametrize(("content", "said"), [(None, "is missing"), ("", "cannot be read: it is empty")])
def test_a_run_without_its_record_is_still_known_as_one(
    command: Callable[..., Any], copy: Path, content: str | None, said: str
):
    (copy / "run.json").unlink()
    if content is not None:
        (copy / "run.json").write_text(content)
    for line in (("verify", copy, "--seal"), ("export", copy, "--out", copy.parent / "x.onnx")):
        done = command(*line)
        assert done.code == 2
        assert f"run.json {said}" in done.err
    with pytest.raises(RunError, match="is not a run folder"):
        read_record(copy.parent)


def test_whoever_may_read_one_file_of_a_run_may_read_all(picture_run: Any):
    assert len({file.stat().st_mode for file in picture_run.path.iterdir()}) == 1
