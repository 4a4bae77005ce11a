"""The programs of docs/languages.md and the README, run on odd pictures, against what the runtime makes of them."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import tlzoo
from tlzoo.exporting.formats.web import vendored
from tlzoo.preprocess.image import load_image

DOCUMENT = Path(__file__).parents[2] / "docs" / "languages.md"
DRIVER = """
import { readFile } from "node:fs/promises";
import * as ort from "./ort.wasm.min.mjs";
import { classify, open } from "./tlzoo.mjs";

const [pixels, width, height] = process.argv.slice(2);
ort.env.wasm.numThreads = 1;
ort.env.wasm.wasmBinary = await readFile("ort-wasm-simd-threaded.wasm");
const model = await open(ort, await readFile("photos.onnx"));
const answers = await classify(ort, model, new Uint8Array(await readFile(pixels)), Number(width), Number(height));
console.log(JSON.stringify(answers));
"""


def program(language: str, name: str = "") -> str:
    """The one program in this language; among several the one whose first line is a comment of its name."""
    head = rf"// {re.escape(name)}\n" if name else ""
    [found] = re.findall(rf"^```{language}\n{head}(.*?)^```$", DOCUMENT.read_text(), re.DOTALL | re.MULTILINE)
    return str(found)


@pytest.fixture(scope="module")
def place(shared_zoo: Any, picture_run: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos.onnx, which takes pictures of any size, and a.jpg, which lies on its side."""
    folder = tmp_path_factory.mktemp("languages")
    with shared_zoo.open():
        picture_run.export(folder / "photos.onnx", raw_input=True)
    exif = Image.Exif()
    exif[0x0112] = 6
    pixels = np.zeros((90, 140, 3), np.uint8)
    pixels[:, :50] = (220, 40, 30)
    Image.fromarray(pixels).save(folder / "a.jpg", exif=exif)
    return folder


@pytest.fixture(scope="module")
def answer(place: Path) -> Any:
    """The runtime's answer."""
    return tlzoo.load(place / "photos.onnx").predict(place / "a.jpg")[0]


def test_plain_python_gives_the_runtime_s_answer(place: Path, answer: Any):
    done = subprocess.run(
        [sys.executable, "-c", program("python")], cwd=place, capture_output=True, text=True, check=True
    )
    label, score = done.stdout.split()
    assert label == answer.label
    assert float(score) == pytest.approx(answer.score, abs=1e-5)


@pytest.mark.needs("node", "npm")  # npm fetches onnxruntime-web
def test_javascript_gives_the_runtime_s_answer(place: Path, answer: Any):
    with pytest.MonkeyPatch.context() as online:
        online.setenv("TLZOO_OFFLINE", "0")
        online.setenv("HF_HUB_OFFLINE", "0")
        fetched = vendored.fetch_library(vendored.ONNXRUNTIME)
    for path, file in vendored.ONNXRUNTIME.files.items():
        shutil.copy(fetched[file.name], place / Path(path).name)
    (place / "tlzoo.mjs").write_text(program("js", "tlzoo.mjs"))
    (place / "driver.mjs").write_text(DRIVER)
    upright = load_image(place / "a.jpg", "a.jpg")
    (place / "a.rgb").write_bytes(upright.tobytes())
    size = map(str, upright.size)
    done = subprocess.run(
        ["node", "driver.mjs", "a.rgb", *size], cwd=place, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stderr == ""
    scores = {given["label"]: given["score"] for given in json.loads(done.stdout)}
    assert next(iter(scores)) == answer.label
    assert scores == pytest.approx(answer.scores, abs=1e-4)


def test_every_program_reads_the_labels_and_the_probabilities_from_the_file():
    for text in (program("python"), program("js", "tlzoo.mjs"), program("cpp", "classify.cpp"), program("csharp")):
        assert '"tlzoo.manifest"' in text
        assert "probabilities" in text
