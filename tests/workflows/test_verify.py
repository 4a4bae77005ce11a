"""`tlzoo verify`: the proof again, on data known by its contents, in a process without torch."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import pytest

import tlzoo
from tlzoo.artifact.manifest import KEY
from tlzoo.errors import ArtifactError, DataError

DATA = {"picture_file": "pictures", "text_file": "texts", "recording_file": "recordings"}


@pytest.mark.parametrize("name", DATA)
def test_every_modality_is_proven_again_on_the_data_it_came_from(zoo: Any, request: pytest.FixtureRequest, name: str):
    file, data = request.getfixturevalue(name), request.getfixturevalue(DATA[name])
    found = tlzoo.verify(file.path, data)
    assert found.missing == 0
    assert found.parity.samples == file.parity.samples
    assert found.parity.batches == (1, 2, 3, 7, 33)
    assert found.parity.max_abs_diff <= file.parity.tolerance
    assert found.exported_metrics == file.metrics["exported"]


def test_samples_are_known_by_what_they_hold_not_by_their_names(
    zoo: Any, picture_file: Any, picture_run: Any, tmp_path: Path
):
    test = picture_run.splits().test
    for number, (path, label) in enumerate(zip(test.inputs, test.targets, strict=True)):
        (tmp_path / "moved" / label).mkdir(parents=True, exist_ok=True)
        shutil.copy(path, tmp_path / "moved" / label / f"other{number}.png")
    found = tlzoo.verify(picture_file.path, tmp_path / "moved")
    assert (found.parity.samples, found.missing, found.n) == (len(test), 0, len(test))
    assert found.metrics == pytest.approx(picture_file.metrics["exported"], abs=1e-5)


def test_part_of_the_data_proves_a_part_and_says_what_is_missing(
    zoo: Any, text_file: Any, text_run: Any, tmp_path: Path
):
    test = text_run.splits().test
    rows = [f"{text},{label}" for text, label in zip(test.inputs, test.targets, strict=True)][:5]
    (tmp_path / "few.csv").write_text("\n".join(["text,label", *rows]) + "\n")
    found = tlzoo.verify(text_file.path, tmp_path / "few.csv")
    assert (found.parity.samples, found.missing) == (5, len(test) - 5)


def test_other_data_proves_nothing(zoo: Any, text_file: Any, tmp_path: Path):
    (tmp_path / "other.csv").write_text("text,label\nnever seen,good\nnor this,bad\n")
    with pytest.raises(DataError, match="None of the 2 samples"):
        tlzoo.verify(text_file.path, tmp_path / "other.csv")


def test_a_file_of_the_first_version_holds_no_answers_and_is_still_read(
    zoo: Any, text_file: Any, texts: Path, tmp_path: Path
):
    proto = onnx.load(text_file.path)
    [text] = [prop.value for prop in proto.metadata_props if prop.key == KEY]
    old = json.loads(text)
    for name in ("precision", "kept_fp32", "raw_input", "calibration", "reference", "measured", "sealed"):
        old.pop(name, None)
    for name in ("lengths", "worst", "drop", "thresholds"):
        old["parity"].pop(name)
    del proto.metadata_props[:]
    proto.metadata_props.add(key=KEY, value=json.dumps({**old, "version": 1}))
    onnx.save(proto, tmp_path / "old.onnx")
    assert tlzoo.load(tmp_path / "old.onnx").predict("a great film")[0].label in ("good", "bad")
    with pytest.raises(ArtifactError, match="no reference outputs"):
        tlzoo.verify(tmp_path / "old.onnx", texts)


def test_the_command_says_it_in_json_and_in_lines(command: Callable[..., Any], text_file: Any, texts: Path):
    document = command("verify", text_file.path, texts, "--json", "--quiet").json
    assert document["parity"]["top1_agreement"] == 1.0
    assert {"file", "missing", "n", "metrics", "exported_metrics", "worst"} <= set(document)
    done = command("verify", text_file.path, texts)
    assert (done.code, "passes its proof" in done.out) == (0, True)


def test_it_needs_no_torch_and_no_onnx(zoo: Any, picture_file: Any, pictures: Path):
    code = (
        "import sys\n"
        "class No:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] in ('torch', 'onnx', 'timm', 'transformers'): raise ImportError(name)\n"
        "sys.meta_path.insert(0, No())\n"
        "import tlzoo\n"
        "print(tlzoo.verify(sys.argv[1], sys.argv[2]).parity.samples)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(picture_file.path), str(pictures)],
        capture_output=True,
        text=True,
        env={**os.environ, **zoo.environment},
        check=False,
    )
    assert (done.stdout, done.returncode) == (f"{picture_file.parity.samples}\n", 0), done.stderr
