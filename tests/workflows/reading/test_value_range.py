"""Pictures of more than 8 bits: the range of values is learnt from the training part, said, kept and exported."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tlzoo
from tlzoo.errors import InputError, UsageError

NETWORK = "vision/test-vit"


def written(folder: Path, centre: float, step: float, kind: type, ending: str) -> Path:
    """Two classes that differ by a few of many values, far from the ends of their type."""
    rng = np.random.default_rng(0)
    for label, value in (("healthy", centre), ("lesion", centre + step)):
        (folder / label).mkdir(parents=True)
        for at in range(12):
            pixels = rng.normal(value, step / 6, (40, 40)).astype(kind)
            Image.fromarray(pixels).save(folder / label / f"{at:02}{ending}")
    return folder


@pytest.mark.parametrize(
    ("centre", "step", "kind", "ending"),
    [
        (1480, 70, np.uint16, ".png"),
        pytest.param(-1000, 200, np.int32, ".tif", marks=pytest.mark.release),
        pytest.param(0.2, 0.02, np.float32, ".tif", marks=pytest.mark.release),
    ],
    ids=["12 bits in 16", "Hounsfield", "floating point"],
)
def test_the_range_in_use_is_learnt_and_goes_into_the_file(
    zoo: Any, tmp_path: Path, centre: float, step: float, kind: type, ending: str, capfd: pytest.CaptureFixture[str]
):
    data = written(tmp_path / "scans", centre, step, kind, ending)
    run = tlzoo.finetune(NETWORK, data, out=tmp_path / "run")
    assert run.metrics["accuracy"] == 1
    said = capfd.readouterr().err
    assert "Pictures of more than 8 bits: the values " in said
    assert "become black to white, here and in what is exported" in said
    low, high = json.loads((run.path / "preprocess.json").read_text())["value_range"]
    assert centre - step < low < centre < centre + step < high < centre + 2 * step
    run.export(tmp_path / "run.onnx")
    predictor = tlzoo.load(tmp_path / "run.onnx")
    files = sorted(data.rglob(f"*{ending}"))
    assert [each.label for each in predictor.predict(files)] == [file.parent.name for file in files]
    assert predictor.predict(np.asarray(Image.open(files[-1])))[0].label == "lesion"
    levels = predictor.prepare([files[0], files[-1]])["image"]
    assert levels[0].mean() < 120 < 140 < levels[1].mean()


def test_a_range_given_by_hand_is_kept(zoo: Any, tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    data = written(tmp_path / "scans", 1480, 70, np.uint16, ".png")
    run = tlzoo.finetune(NETWORK, data, out=tmp_path / "run", preprocess={"value_range": (1000, 2000)})
    assert json.loads((run.path / "preprocess.json").read_text())["value_range"] == [1000, 2000]
    assert "Pictures of more than 8 bits" not in capfd.readouterr().err
    for wrong in ((5, 5), "5", (float("nan"), 1)):
        with pytest.raises(UsageError, match="value_range"):
            tlzoo.finetune(NETWORK, data, out=tmp_path / "no", preprocess={"value_range": wrong})


def test_a_model_of_8_bits_refuses_what_it_cannot_place(picture_file: Any, tmp_path: Path):
    predictor = tlzoo.load(picture_file.path)
    dark = next(written(tmp_path / "dark", 1480, 70, np.uint16, ".png").rglob("*.png"))
    signed = next(written(tmp_path / "signed", -1000, 200, np.int32, ".tif").rglob("*.tif"))
    for file, why in ((dark, "no value above"), (signed, "was not trained on such")):
        with pytest.raises(InputError, match=why) as caught:
            predictor.predict(file)
        assert str(file) in caught.value.message
