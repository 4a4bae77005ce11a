"""Features by ONNX Runtime: equal to torch's, from a graph that is exported once and never believed unchecked."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from PIL import Image
from torch import nn

from tlzoo.errors import ExportError, TrainingError
from tlzoo.features.cut import find_cut
from tlzoo.features.extract import extract
from tlzoo.features.prefix import cut_prefix
from tlzoo.interfaces import Head
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import eager_outputs_and_features


def by_torch(model: TaskModel, data: Any) -> np.ndarray:
    return np.concatenate([eager_outputs_and_features(model, data.arrays([i]))[1] for i in range(len(data))])


def by_runtime(model: TaskModel, *datasets: Any) -> list[np.ndarray]:
    """The one vector of each sample of each data set."""
    found = extract(model, *datasets)
    assert all(each.lengths is None for each in found)
    return [each.rows for each in found]


def graph_of(zoo: Any) -> Path:
    [graph] = (zoo / "graphs").glob("*.onnx")
    return graph


@pytest.fixture
def cold(zoo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache without graphs."""
    monkeypatch.setenv("TLZOO_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("kind", ["picture", "text", "recording"])
def test_features_through_onnx_runtime_equal_torchs_sample_by_sample(
    zoo: Any, kind: str, request: pytest.FixtureRequest
):
    run = request.getfixturevalue(f"{kind}_run")
    data, model = run.dataset(run.splits().test), run.model()
    [computed] = by_runtime(model, data)
    expected = by_torch(model, data)
    assert (len(data), model.parts.feature_dim) == computed.shape
    np.testing.assert_allclose(computed, expected, atol=1e-4 * np.abs(expected).max())


def test_a_second_call_exports_nothing(cold: Path, picture_run: Any):
    model, data = picture_run.model(), picture_run.dataset(picture_run.splits().test)
    [first] = by_runtime(model, data)
    before = graph_of(cold).stat()
    [second] = by_runtime(picture_run.model(), data)
    after = graph_of(cold).stat()
    assert (before.st_ino, before.st_mtime_ns) == (after.st_ino, after.st_mtime_ns)
    np.testing.assert_array_equal(first, second)


def test_a_damaged_kept_graph_is_replaced(cold: Path, picture_run: Any):
    model, data = picture_run.model(), picture_run.dataset(picture_run.splits().test)
    [good] = by_runtime(model, data)
    whole = graph_of(cold).read_bytes()
    proto = onnx.load_from_string(whole)
    largest = max(proto.graph.initializer, key=lambda tensor: len(tensor.raw_data))
    largest.raw_data = largest.raw_data[::-1]
    other_weights = proto.SerializeToString()
    for damaged in (b"", whole[: len(whole) // 2], b"no graph at all", other_weights):
        graph_of(cold).write_bytes(damaged)
        shutil.rmtree(cold / "activations")
        np.testing.assert_array_equal(good, by_runtime(model, data)[0])
        assert whole == graph_of(cold).read_bytes()
    assert [graph_of(cold).name] == [path.name for path in (cold / "graphs").iterdir()]


def test_a_buffer_that_is_not_saved_is_part_of_the_key(cold: Path, picture_run: Any):
    model, data = picture_run.model(), picture_run.dataset(picture_run.splits().test)
    [before] = by_runtime(model, data)
    with torch.no_grad():
        model.backbone.mean.add_(0.3)
    [after] = by_runtime(model, data)
    assert len(list((cold / "graphs").glob("*.onnx"))) == 2
    assert np.abs(after - before).max() > 1e-2


def test_a_module_that_changed_around_the_same_weights_is_noticed(cold: Path, picture_run: Any):
    model, data = picture_run.model(), picture_run.dataset(picture_run.splits().test)
    [before] = by_runtime(model, data)
    kept = graph_of(cold).name
    was = model.backbone.forward
    model.backbone.forward = lambda image: 1.5 * was(image)  # no weight tells: the keys stay the same
    [after] = by_runtime(model, data)
    assert kept == graph_of(cold).name
    np.testing.assert_allclose(1.5 * before, after, atol=1e-4 * np.abs(after).max())
    np.testing.assert_allclose(after, by_torch(model, data), atol=1e-4 * np.abs(after).max())


class Brightness(nn.Module):
    """Features that are minus infinity for a black picture."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.float().mean(dim=(1, 2)).log()


class Nowhere(nn.Module):
    """Features that are no numbers."""

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image.float().mean(dim=(1, 2)) + float("nan")


def with_module(model: TaskModel, module: nn.Module) -> TaskModel:
    parts = replace(model.parts, module=module, feature_dim=3)
    return TaskModel(model.checkpoint, model.task, parts, Head(nn.Identity(), model.loss))


def test_a_sample_without_finite_features_is_named(cold: Path, picture_run: Any, tmp_path: Path):
    samples = picture_run.splits().test
    black = tmp_path / "black.png"
    Image.new("RGB", (64, 64)).save(black)
    data = replace(picture_run.dataset(samples), inputs=(*samples.inputs[:3], str(black)))
    with pytest.raises(TrainingError, match=r"black\.png"):
        extract(with_module(picture_run.model(), Brightness()), data)


def test_a_graph_of_nan_is_no_graph(cold: Path, picture_run: Any):
    data = picture_run.dataset(picture_run.splits().test)
    with pytest.raises(ExportError, match="differs from torch"):
        extract(with_module(picture_run.model(), Nowhere()), data)
    assert list((cold / "graphs").iterdir()) == []


class Averaged(nn.Module):
    """A backbone's features in four parts, normalised and averaged: torch and the exporter both say `mean`."""

    def __init__(self, backbone: nn.Module, width: int) -> None:
        super().__init__()
        self.backbone, self.norm = backbone, nn.RMSNorm(width // 4)

    def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
        return self.norm(self.backbone(*inputs).unflatten(1, (4, -1))).mean(dim=1)


def test_what_the_exporter_calls_its_own_values_is_no_matter(cold: Path, picture_run: Any):
    model = picture_run.model()
    model.backbone = Averaged(model.backbone, model.parts.feature_dim)
    model.head = nn.Sequential(nn.ReLU(), nn.Linear(model.parts.feature_dim // 4, 3))
    model.head[1].weight.requires_grad_(True)
    model.backbone.requires_grad_(False)
    cut = find_cut(model.eval())
    assert cut is not None
    prefix = cut_prefix(model, cut, torch.device("cpu"))
    arrays = picture_run.dataset(picture_run.splits().test).arrays([0, 1])
    [found], [expected] = prefix.open()(arrays), prefix.eager(arrays)
    np.testing.assert_allclose(found, expected, atol=1e-4 * np.abs(expected).max())
