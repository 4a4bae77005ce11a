"""What an export may be asked for: unknown words and places that cannot be written are refused at once."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlzoo.artifact.manifest import KEY
from tlzoo.errors import DataError, ExportError, UsageError
from tlzoo.exporting.choices import PRECISIONS, can_be_replaced, check_choices, check_export
from tlzoo.options import Thresholds
from tlzoo.specs import ImageSpec, TextSpec


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("format", ["onnx", "triton", "web", "some/thing"])
def test_what_there_is_may_be_asked_for(precision: str, format: str, tmp_path: Path):
    check_choices(tmp_path / "new", precision, format)
    check_choices(tmp_path / "below" / "new", precision, format)


def test_an_unknown_precision_is_named_with_those_there_are(tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        check_choices(tmp_path / "new", "int4", "onnx")
    assert caught.value.message == "`precision='int4'` is unknown."
    assert (caught.value.hint, caught.value.parameter) == ("Choose one of: fp32, fp16, int8, auto.", "precision")


def test_thresholds_say_nothing_of_several_precisions(tmp_path: Path):
    asked = Thresholds(drop=1)
    for precision in ("fp32", "fp16", "int8"):
        check_choices(tmp_path / "new", precision, "onnx", asked)
    with pytest.raises(UsageError) as caught:
        check_choices(tmp_path / "new", "auto", "onnx", asked)
    assert caught.value.message == (
        f"`thresholds={asked.over({})}` cannot be combined with `precision='auto'`, which tries several."
    )
    assert caught.value.hint == "Choose one, such as `precision='int8'`."
    assert caught.value.parameter == "thresholds"


def test_an_unknown_format_is_named_with_those_there_are(tmp_path: Path):
    with pytest.raises(UsageError) as caught:
        check_choices(tmp_path / "new", "fp32", "tflite")
    assert "'tflite'" in caught.value.message
    assert all(known in caught.value.hint for known in ("onnx", "triton", "web"))


def refused(out: Path, format: str) -> str:
    """Why nothing can be written there."""
    with pytest.raises(ExportError) as caught:
        check_choices(out, "fp32", format)
    assert (caught.value.hint, caught.value.parameter) == ("Choose another `out`.", "out")
    start, reason = caught.value.message.split(" cannot be written: ")
    assert start == str(out)
    return reason


def test_what_is_in_the_way_is_said(tmp_path: Path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").touch()
    (tmp_path / "notes").write_text("mine")
    (tmp_path / "ours").write_bytes(b"onnx " + KEY.encode() + b" {}")
    assert refused(tmp_path / "folder", "onnx") == "it is a folder."
    assert refused(tmp_path / "notes", "onnx") == "it exists, and tlzoo did not export it."
    check_choices(tmp_path / "empty", "fp32", "onnx")
    check_choices(tmp_path / "ours", "fp32", "onnx")
    for name in ("folder", "empty", "ours"):
        assert refused(tmp_path / name, "web") == "it already exists."
    assert refused(tmp_path / "notes" / "new", "onnx") == f"{tmp_path / 'notes'} is not a folder."


def test_a_file_of_tlzoos_and_an_empty_one_can_be_replaced(tmp_path: Path):
    file = tmp_path / "file"
    assert not can_be_replaced(file)
    assert not can_be_replaced(tmp_path)
    for content, right in ((b"", True), (b"x", False), (KEY.encode(), True), (KEY.encode()[:-1], False)):
        file.write_bytes(content)
        assert can_be_replaced(file) is right
    file.write_bytes(b"\0" * 100_000 + KEY.encode() + b"\0")
    assert can_be_replaced(file)


def run_of(kind: type) -> Any:
    task = SimpleNamespace(modality="text")
    return SimpleNamespace(preprocess=kind.model_construct(), task=task)


ASKED: dict[str, Any] = {
    "data": None, "precision": "fp32", "raw_input": False, "format": "onnx", "thresholds": None, "sign": None,
}  # fmt: skip


def test_raw_input_is_of_pictures(tmp_path: Path):
    out = tmp_path / "new"
    check_export(run_of(TextSpec), out, **ASKED)
    check_export(run_of(ImageSpec), out, **{**ASKED, "raw_input": True})
    with pytest.raises(UsageError) as caught:
        check_export(run_of(TextSpec), out, **{**ASKED, "raw_input": True})
    assert caught.value.message == "`raw_input=True` needs an image model; this run takes text."
    assert (caught.value.hint, caught.value.parameter) == ("Leave it out.", "raw_input")


def test_data_and_keys_that_are_not_there_are_refused(tmp_path: Path):
    check_export(run_of(TextSpec), tmp_path / "new", **{**ASKED, "data": tmp_path})
    with pytest.raises(DataError) as caught:
        check_export(run_of(TextSpec), tmp_path / "new", **{**ASKED, "data": tmp_path / "no"})
    assert caught.value.parameter == "data"
    with pytest.raises(Exception) as error:  # noqa: PT011 - what it is depends on what is installed
        check_export(run_of(TextSpec), tmp_path / "new", **{**ASKED, "sign": tmp_path / "no.key"})
    assert error.value.parameter == "sign"  # type: ignore[attr-defined]
    with pytest.raises(UsageError, match="`precision='x'` is unknown"):
        check_export(run_of(TextSpec), tmp_path / "new", **{**ASKED, "precision": "x", "data": tmp_path / "no"})
