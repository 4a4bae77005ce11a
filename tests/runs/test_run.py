"""Run folders: written whole, read back to the bit, and refused with a reason when torn, foreign or out of date."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from shared_fixtures.sealed import edit_record, seal_files

import tlzoo
from tlzoo import Run
from tlzoo.errors import DataError, RunError, UsageError
from tlzoo.training.evaluation import measure, outputs


@pytest.fixture
def copy(zoo: Any, picture_run: Any, tmp_path: Path) -> Path:
    """A copy of the run on pictures, to be damaged."""
    return Path(shutil.copytree(picture_run.path, tmp_path / "copy"))


def test_a_run_comes_back_as_it_was(zoo: Any, picture_run: Any):
    again = Run.load(picture_run.path)
    assert again == picture_run
    first, second = picture_run.model(), again.model()
    data = again.dataset(again.splits().test)
    np.testing.assert_array_equal(outputs(first, data)["logits"], outputs(second, data)["logits"])
    assert not second.training


def test_a_run_is_safetensors_json_and_csv_alone(zoo: Any, picture_run: Any):
    files = {path.name for path in picture_run.path.iterdir()}
    tensors = {"model.safetensors", "reference.safetensors"}
    answers = {"out_of_fold.csv"}  # of cross-validation: few samples are held out
    assert files == {"run.json", "preprocess.json", "history.jsonl", "trained_on.json"} | tensors | answers


def test_a_run_tells_what_it_was_made_from(zoo: Any, picture_run: Any, pictures: Path):
    document = json.loads((picture_run.path / "run.json").read_text())
    assert document["checkpoint"]["id"] == "vision/test-resnet"
    assert document["labels"] == ["blue", "green", "red"]
    assert document["data"]["path"] == str(pictures)
    assert (document["data"]["n_train"], document["data"]["n_validation"], document["data"]["n_test"]) == (24, 6, 6)
    assert {"tlzoo", "tlzoo-vision", "torch", "onnxruntime"} <= set(document["versions"])
    assert document["options"]["strategy"] == "probe"


def test_the_metrics_of_a_probe_are_those_that_torch_measures(zoo: Any, picture_run: Any, pictures: Path):
    assert tlzoo.evaluate(picture_run.path, pictures).n == 36
    model, data = picture_run.model(), picture_run.dataset(picture_run.splits().test)
    measured = measure(model, data)
    assert measured == pytest.approx(picture_run.metrics, abs=1e-4)


@pytest.mark.parametrize("kind", ["folder", "file"])
def test_an_existing_out_is_refused_before_any_work_and_left_alone(zoo: Any, pictures: Path, tmp_path: Path, kind: str):
    out = tmp_path / "out"
    if kind == "folder":
        out.mkdir()
    else:
        out.write_text("precious")
    with pytest.raises(RunError, match="already exists"):
        tlzoo.finetune("vision/test-resnet", pictures, out=out)
    assert [path.name for path in tmp_path.iterdir()] == ["out"]
    assert kind == "folder" or out.read_text() == "precious"


def test_an_out_that_cannot_be_written_is_refused_before_any_work(zoo: Any, tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(RunError, match="is not a folder"):
        tlzoo.finetune("vision/test-resnet", tmp_path / "no data", out=tmp_path / "file" / "run")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def rename_tensor(path: Path) -> None:
    state = load_file(path)
    state["head.other"] = state.pop("head.weight")
    save_file(state, path)


TORN: dict[str, tuple[str, Callable[[Path], None]]] = {
    "torn weights": ("model.safetensors", cut),
    "no weights": ("model.safetensors", Path.unlink),
    "weights of another model": ("model.safetensors", rename_tensor),
    "empty weights": ("model.safetensors", lambda path: path.write_bytes(b"") and None),
    "torn reference": ("reference.safetensors", cut),
    "no reference": ("reference.safetensors", Path.unlink),
    "torn run.json": ("run.json", cut),
    "run.json of another kind": ("run.json", lambda path: path.write_text("[1, 2]") and None),
    "no preprocess.json": ("preprocess.json", Path.unlink),
    "torn preprocess.json": ("preprocess.json", cut),
}


@pytest.mark.parametrize("case", TORN)
def test_a_damaged_run_is_refused_on_one_line_that_names_it(copy: Path, case: str):
    name, damage = TORN[case]
    damage(copy / name)
    with pytest.raises(RunError) as error:
        Run.load(copy).model()
    assert str(copy) in error.value.message
    assert "\n" not in str(error.value)
    assert error.value.hint


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path):
    with pytest.raises(RunError, match=r"no run\.json"):
        Run.load(tmp_path)


def test_a_run_of_another_version_is_refused_by_its_number(copy: Path):
    document = json.loads((copy / "run.json").read_text())
    (copy / "run.json").write_text(json.dumps({**document, "version": 1}))
    with pytest.raises(RunError, match="version 1"):
        Run.load(copy)


@pytest.mark.parametrize("task", ["image-banana", "banana", ""])
def test_a_run_of_a_task_that_is_none_is_refused_with_its_folder(copy: Path, task: str):
    edit_record(copy, task=task)
    with pytest.raises(RunError) as error:
        Run.load(copy)
    assert str(copy) in error.value.message


def test_a_checkpoint_with_unknown_fields_is_refused_by_the_first(copy: Path):
    document = json.loads((copy / "run.json").read_text())
    edit_record(copy, checkpoint={**document["checkpoint"], "favourite": "colour"})
    with pytest.raises(RunError, match="favourite"):
        Run.load(copy)


@pytest.mark.parametrize("tensor", ["head.weight", "backbone.net.conv1.0.weight", "backbone.net.bn1.running_mean"])
def test_weights_that_are_not_those_that_were_saved_are_noticed_by_their_outputs(copy: Path, tensor: str):
    state = load_file(copy / "model.safetensors")
    state[tensor] = state[tensor] + np.float32(0.05)
    save_file(state, copy / "model.safetensors")
    seal_files(copy)
    with pytest.raises(RunError, match="does not return the outputs"):
        Run.load(copy).model()


@pytest.fixture
def own_data(zoo: Any, make_texts: Any, tmp_path: Path) -> Path:
    """Data that may be changed."""
    return Path(make_texts(tmp_path / "own.csv"))


def test_heldout_data_that_changed_or_moved_are_refused_and_other_data_can_be_named(
    own_data: Path, texts: Path, tmp_path: Path
):
    run = tlzoo.finetune("nlp/test-bert", own_data, out=tmp_path / "run")
    content = own_data.read_text()
    own_data.write_text(content.replace("awful", "gentle"))
    with pytest.raises(DataError, match="has changed"):
        run.splits()
    own_data.unlink()
    with pytest.raises(DataError, match="no longer at") as error:
        run.splits()
    assert "`data`" in error.value.hint
    assert len(run.heldout(texts)) == 80
    own_data.write_text(content)
    assert len(run.splits().test) == run.data.n_test


def test_the_same_seed_splits_the_same_and_no_sample_is_in_two_parts(zoo: Any, picture_run: Any):
    first, second = picture_run.splits(), picture_run.splits()
    assert first == second
    everything = [*first.train.inputs, *first.validation.inputs, *first.test.inputs]
    assert len(everything) == len(set(everything)) == 36


def test_a_test_set_of_ones_own_is_held_out_whole_even_with_one_class(
    zoo: Any, make_pictures: Any, pictures: Path, tmp_path: Path
):
    test = make_pictures(tmp_path / "test", 5, ("red",), seed=8)
    run = tlzoo.finetune("vision/test-resnet", pictures, test=test, out=tmp_path / "run")
    assert (run.data.n_test, run.data.n_train + run.data.n_validation) == (5, 36)


HEAD = """
    class Deep(nn.Module):
        def __init__(self, outputs):
            super().__init__()
            self.layers = nn.Sequential(nn.Linear(12, 7), nn.Tanh(), nn.Linear(7, outputs))

        def forward(self, x):
            return self.layers(x)

    @hookimpl
    def build_head(backbone, task, options):
        return Head(Deep(len(task.labels)), lambda outputs, batch: cross_entropy(outputs["logits"], batch["labels"]))
"""


@pytest.mark.parametrize(
    ("strategy", "head", "trained"),
    [("probe", "linear", 12 * 3 + 3), ("finetune", "plugin", 12 * 12 + 12 + 12 * 7 + 7 + 7 * 3 + 3)],
)
def test_the_head_that_was_trained_is_built_again_also_where_the_plugin_has_one_of_its_own(
    toy: Any, make_pictures: Any, tmp_path: Path, strategy: str, head: str, trained: int
):
    data = make_pictures(tmp_path / "data", 6)
    options = {} if strategy == "probe" else {"epochs": 1, "batch": 8}
    run = tlzoo.finetune(toy(HEAD), data, out=tmp_path / "run", strategy=strategy, options=options)
    assert run.head == head
    assert run.frozen["trained"] == trained
    assert [output.axes for output in run.model().task.outputs] == [("batch", 3)]
    assert run.model().has_linear_head == (head == "linear")


SUBCLASS = """
    class Bounded(nn.Linear):
        def forward(self, x):
            return super().forward(x).tanh()

    @hookimpl
    def build_head(backbone, task, options):
        if options.get("head", "bounded") != "bounded":
            return None
        made = Bounded(12, len(task.labels))
        return Head(made, lambda outputs, batch: cross_entropy(outputs["logits"], batch["labels"]))
"""


@pytest.mark.parametrize(("asked", "head"), [(None, "plugin"), ("toy/bounded", "toy/bounded"), ("linear", "linear")])
def test_a_plugins_subclass_of_a_linear_layer_comes_back_as_what_it_is(
    toy: Any, make_pictures: Any, tmp_path: Path, asked: str | None, head: str
):
    data, options = make_pictures(tmp_path / "data", 6), {"epochs": 1, "batch": 8}
    run = tlzoo.finetune(
        toy(SUBCLASS), data, out=tmp_path / "run", strategy="finetune", freeze="all", head=asked, options=options
    )
    assert run.head == head
    model = Run.load(tmp_path / "run").model()
    assert model.has_linear_head == (head == "linear")
    assert type(model.head).__name__ == ("Linear" if head == "linear" else "Bounded")
    largest = float(np.abs(outputs(model, run.dataset(run.splits().test))["logits"]).max())
    assert largest <= 1 or head == "linear"


def test_a_head_that_the_plugin_does_not_have_is_refused_by_its_name(toy: Any, make_pictures: Any, tmp_path: Path):
    data, checkpoint = make_pictures(tmp_path / "data", 6), toy(SUBCLASS)
    with pytest.raises(UsageError, match="Plugin 'toy' has no head 'other' for image-classification"):
        tlzoo.finetune(checkpoint, data, out=tmp_path / "run", strategy="finetune", head="toy/other")
    with pytest.raises(UsageError, match=r"`head='toy/bounded'` contradicts .*fits a linear head") as error:
        tlzoo.finetune(checkpoint, data, out=tmp_path / "run", head="toy/bounded")
    assert "`strategy='finetune'`" in error.value.hint
    assert not (tmp_path / "run").exists()
