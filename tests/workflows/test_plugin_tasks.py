"""Tasks that a plugin brings: trained, exported, proven and answered like the core's, with no change to the core."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from shared_fixtures.duo_plugin import HERE

import tlzoo
from tlzoo.artifact.manifest import parse_manifest
from tlzoo.errors import UsageError
from tlzoo.options import Options
from tlzoo.runtime.model_check import check_model

TRAINING = Options(epochs=4, batch=8, lr=1e-2, seed=0)


@pytest.fixture
def numbers(tmp_path: Path) -> Path:
    """Pictures, the brighter the higher their number."""
    random = np.random.default_rng(0)
    rows = ["path,label"]
    for at in range(60):
        value = random.uniform(-2, 2)
        pixels = np.full((10, 10, 3), 128 + 55 * value) + random.normal(0, 4, (10, 10, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{at}.png")
        rows.append(f"{at}.png,{value:.3f}")
    (tmp_path / "numbers.csv").write_text("\n".join(rows) + "\n")
    return tmp_path / "numbers.csv"


def _texts(folder: Path, length: int) -> Path:
    random = np.random.default_rng(0)
    words = "awful boring great fine film book good".split()
    rows = []
    for _ in range(60):
        text = " ".join(random.choice(words, length))
        rows.append({"text": text, "question": text, "reply": "great film", "label": float(random.normal())})
    (folder / "texts.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder / "texts.jsonl"


def test_a_task_takes_no_more_than_150_lines():
    source = (HERE / "tasks.py").read_text().split("@dataclass")
    assert sum(len(part.splitlines()) for part in source[:3]) <= 90
    assert len((HERE / "heads.py").read_text().splitlines()) <= 40
    assert len((HERE / "page.js").read_text().splitlines()) <= 20


@pytest.mark.parametrize("checkpoint", ["duo/means", "vision/test-resnet"])
def test_a_task_of_two_outputs_is_trained_exported_and_answered(
    duo: Any, numbers: Path, tmp_path: Path, checkpoint: str
):
    run = tlzoo.finetune(
        checkpoint, numbers, out=tmp_path / "run", task="duo/two", strategy="finetune", freeze="all", options=TRAINING
    )
    assert (run.task.name, run.record.plugin, run.record.settings) == ("image-two", "duo", {"unit": "points"})
    exported = run.export(tmp_path / "two.onnx")
    assert set(exported.parity.outputs) == {"sign", "size"}
    predictor = exported.load()
    pictures = [tmp_path / f"{at}.png" for at in range(6)]
    answers = predictor.predict(pictures)
    outputs = predictor.outputs(pictures)
    for at, answer in enumerate(answers):
        assert answer.as_row() == {
            "input": str(pictures[at]),
            "sign": ("minus", "plus")[int(outputs["sign"][at].argmax())],
            "size": pytest.approx(float(outputs["size"][at])),
        }
    measured = tlzoo.evaluate(exported.path, numbers)
    assert measured.metrics == pytest.approx(tlzoo.evaluate(run.path, numbers).metrics, abs=1e-4)
    assert tlzoo.verify(exported.path, numbers).metrics == pytest.approx(measured.metrics)


def test_its_name_alone_is_enough_where_one_plugin_declares_it(duo: Any, numbers: Path, tmp_path: Path):
    run = tlzoo.finetune("duo/means", numbers, out=tmp_path / "run", task="two", strategy="finetune", options=TRAINING)
    assert run.task.name == "image-two"
    with pytest.raises(UsageError, match="has no probe"):
        tlzoo.finetune("duo/means", numbers, out=tmp_path / "other", task="two")


def test_a_task_of_two_inputs_reads_trains_and_answers_pairs(duo: Any, tmp_path: Path):
    data = _texts(tmp_path, 6)
    run = tlzoo.finetune(
        "nlp/test-bert",
        data,
        out=tmp_path / "run",
        task="pair",
        strategy="finetune",
        freeze="all",
        options=TRAINING,
    )
    predictor = run.export(tmp_path / "pair.onnx").load()
    assert predictor.manifest.signature.task_inputs == ("question", "answer")
    by_order, by_name = (
        predictor.predict(given) for given in (("great film", "awful"), {"question": "great film", "answer": "awful"})
    )
    assert by_order == by_name
    [other] = predictor.predict([("great film", "great fine good")])
    assert by_order[0].size != other.size
    with pytest.raises(UsageError, match="lacks 'answer'"):
        predictor.predict({"question": "great film"})
    assert tlzoo.evaluate(run.path, data).n == 60


def test_a_task_with_windows_reads_whole_texts_and_answers_once_for_each(duo: Any, tmp_path: Path):
    data = _texts(tmp_path, 11)
    run = tlzoo.finetune(
        "nlp/test-bert", data, out=tmp_path / "run", task="longest", strategy="finetune", freeze="all", options=TRAINING
    )
    assert run.data.n_train == 38
    predictor = run.export(tmp_path / "longest.onnx").load()
    text = "awful boring great fine film book good awful"
    windows = ["awful boring great fine", "fine film book good", "good awful"]
    [whole], parts = predictor.predict([text]), predictor.outputs(windows)
    assert whole.size == pytest.approx(float(parts["size"].max()), abs=1e-5)
    several = predictor.predict([text, "fine", text, "great film"], batch=2)
    assert [answer.size for answer in several[::2]] == pytest.approx([whole.size] * 2, abs=1e-5)
    assert tlzoo.evaluate(run.path, data).metrics == pytest.approx(
        tlzoo.evaluate(tmp_path / "longest.onnx", data).metrics, abs=1e-4
    )


def test_a_task_whose_form_is_a_loop_ends_in_a_graph_with_one_bounded_loop(duo: Any, numbers: Path, tmp_path: Path):
    run = tlzoo.finetune(
        "duo/means", numbers, out=tmp_path / "run", task="steps", strategy="finetune", freeze="all", options=TRAINING
    )
    exported = run.export(tmp_path / "steps.onnx")
    manifest = exported.load().manifest
    assert manifest.signature.form == "loop"
    check_model(exported.path.read_bytes(), "tlzoo.manifest")
    assert tlzoo.evaluate(exported.path, numbers).metrics == pytest.approx(
        tlzoo.evaluate(run.path, numbers).metrics, abs=1e-4
    )


WITHOUT = """
import json, sys
import tlzoo
predictor = tlzoo.load(sys.argv[1], cache=False)
[answer] = predictor.predict([sys.argv[2]])
print(json.dumps(answer.as_row()))
"""


def test_without_its_plugin_a_file_answers_with_its_outputs_and_names_the_distribution(
    duo: Any, numbers: Path, tmp_path: Path
):
    run = tlzoo.finetune(
        "vision/test-resnet", numbers, out=tmp_path / "run", task="two", strategy="finetune", options=TRAINING
    )
    exported = run.export(tmp_path / "two.onnx")
    picture = str(tmp_path / "0.png")
    outputs = exported.load().outputs([picture])
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, str(exported.path), picture], capture_output=True, text=True, check=True
    )
    row = json.loads(done.stdout)
    assert row["outputs"]["sign"] == pytest.approx(outputs["sign"][0].tolist(), abs=1e-5)
    assert row["outputs"]["size"] == pytest.approx(float(outputs["size"][0]), abs=1e-5)
    assert "tlzoo-duo 1.0" in done.stderr


def test_its_manifest_goes_through_json(duo: Any, numbers: Path, tmp_path: Path):
    run = tlzoo.finetune("duo/means", numbers, out=tmp_path / "run", task="two", strategy="finetune", options=TRAINING)
    predictor = run.export(tmp_path / "two.onnx").load()
    again = parse_manifest(predictor.metadata, "it")
    assert again == predictor.manifest
    assert [output.axes for output in again.signature.task_outputs] == [("batch", 2), ("batch",)]
    assert (again.plugin, again.distribution) == ("duo", "tlzoo-duo 1.0")


def test_policies_heads_methods_strategies_and_formats_serve_any_checkpoint(
    duo: Any, pictures: Path, make_pictures: Any, tmp_path: Path, command: Any
):
    options = Options(epochs=1, batch=8, seed=0)
    run = tlzoo.finetune(
        "vision/test-resnet",
        pictures,
        out=tmp_path / "run",
        strategy="finetune",
        freeze="duo/bitfit",
        head="duo/cosine",
        options=options,
    )
    assert run.head == "duo/cosine"
    assert 0 < run.frozen["trained"] < 3000
    assert type(run.model().head).__name__ == "Cosine"
    exported = run.export(tmp_path / "folder", format="duo/named")
    assert (exported.path / "task.txt").read_text() == "image-classification"
    adapted = tlzoo.adapt(run, make_pictures(tmp_path / "other", 6, seed=3), out=tmp_path / "adapted", method="adabn")
    assert adapted.adapted["method"] == "adabn"
    fitted = tlzoo.finetune(
        "vision/test-vit", pictures, out=tmp_path / "head", strategy="duo/head-only", options=options
    )
    assert fitted.frozen["trained"] == fitted.model().head.weight.numel() + len(fitted.task.labels)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--freeze", "duo/nothing"), "no freeze policy 'nothing'"),
        (("--strategy", "finetune", "--head", "duo/nothing"), "no head 'nothing'"),
        (("--strategy", "duo/nothing"), "no strategy 'nothing'"),
        (("--task", "duo/nothing"), "no task 'nothing'"),
        (("--task", "nobody/nothing"), "No plugin 'nobody'"),
        (("--head", "duo/cosine"), "fits a linear head"),
    ],
)
def test_a_name_that_the_plugin_does_not_have_is_refused(
    duo: Any, command: Any, pictures: Path, tmp_path: Path, options: tuple[str, ...], said: str
):
    extra = ("--strategy", "finetune") if options[0] == "--freeze" else ()
    done = command("finetune", "vision/test-vit", pictures, "--out", tmp_path / "run", "--quiet", *options, *extra)
    assert done.code == 2
    assert said in done.err
    assert not (tmp_path / "run").exists()
