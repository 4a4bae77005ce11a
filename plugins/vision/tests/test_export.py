"""What the plugin builds survives the way to ONNX, at batches other than the example's."""

import onnxruntime
import pytest
import torch
from tlzoo_vision.backbone import build

from tlzoo import registry
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import ImageSpec
from tlzoo.weights.fetch import fetch

LITE0 = "vision/efficientnet-lite0"


def random_entry(architecture: str, feature_dim: int) -> Checkpoint:
    spec = ImageSpec(size=(160, 160), mean=(0.485, 0.456, 0.406), std=(0.229, 0.224, 0.225))
    like = registry.get(LITE0)
    changes = {"architecture": architecture, "feature_dim": feature_dim, "preprocess": spec, "tags": ()}
    return like.model_copy(update=changes)


@pytest.mark.parametrize(
    ("name", "output"),
    [
        pytest.param(LITE0, "vector", marks=pytest.mark.release),
        pytest.param("vision/mobilenetv2", "vector", marks=pytest.mark.release),
        pytest.param("test_vit", "vector", marks=pytest.mark.release),
        ("test_resnet", "map"),
    ],
)
def test_the_exported_backbone_equals_torch_at_any_batch(tmp_path, name, output):
    if "/" in name:
        checkpoint = registry.get(name)
        backbone = build(checkpoint, fetch(checkpoint), output)
    else:
        torch.manual_seed(0)
        backbone = build(random_entry(name, {"test_vit": 64, "test_resnet": 96}[name]), None, output)
    path = tmp_path / "backbone.onnx"
    shapes = {
        name: {axis: torch.export.Dim(label) for axis, label in axes.items()}
        for name, axes in backbone.dynamic_axes.items()
    }
    torch.onnx.export(
        backbone.module,
        tuple(backbone.example_inputs.values()),
        path,
        dynamo=True,
        opset_version=20,
        input_names=list(backbone.example_inputs),
        dynamic_shapes=shapes,
        external_data=False,
        verbose=False,
    )
    session = onnxruntime.InferenceSession(path.read_bytes(), providers=["CPUExecutionProvider"])
    for batch in (1, 3):
        images = torch.randint(0, 256, (batch, *backbone.preprocess.size, 3), dtype=torch.uint8)
        with torch.no_grad():
            expected = backbone.module(images)
        (found,) = session.run(None, {"image": images.numpy()})
        scale = float(expected.abs().max())
        assert (torch.from_numpy(found) - expected).abs().max() <= 1e-4 * max(1.0, scale)
