"""Every architecture, tiny and with random weights: shapes, stages, training, ONNX, and entries that cannot be."""

from __future__ import annotations

import io
import subprocess
import sys
from collections.abc import Callable

import numpy as np
import onnxruntime
import pytest
import torch
from tlzoo_speech.plugin import load_backbone

from tlzoo import Backbone
from tlzoo.errors import RegistryError, UsageError
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import AudioSpec, TextSpec

STABLE = {"do_stable_layer_norm": True, "feat_extract_norm": "layer", "conv_bias": True}
KINDS = {
    "whisper": ("whisper", {}),
    "wav2vec2": ("wav2vec2", {}),
    "wav2vec2, norm last": ("wav2vec2", STABLE),
    "hubert": ("hubert", {}),
    "wavlm": ("wavlm", {}),
    "ge2e-lstm": ("ge2e-lstm", {}),
}
Tiny = Callable[..., Checkpoint]


def built(tiny: Tiny, kind: str, output: str = "vector") -> Backbone:
    architecture, config = KINDS[kind]
    torch.manual_seed(0)
    backbone = load_backbone(checkpoint=tiny(architecture, **config), weights=None, output=output)
    assert isinstance(backbone, Backbone)
    return backbone


def exported(backbone: Backbone) -> onnxruntime.InferenceSession:
    program = torch.onnx.export(
        backbone.module,
        tuple(backbone.example_inputs.values()),
        dynamo=True,
        dynamic_shapes=({0: torch.export.Dim("batch")},),
        external_data=False,
        opset_version=20,
        input_names=["audio"],
        output_names=["features"],
        verbose=False,
    )
    file = io.BytesIO()
    program.save(file)
    return onnxruntime.InferenceSession(file.getvalue())


def differences(backbone: Backbone, session: onnxruntime.InferenceSession) -> list[float]:
    """The largest difference between torch and ONNX Runtime, for a batch of 1 and of 3."""
    samples = backbone.example_inputs["audio"].shape[1]
    found = []
    for batch in (1, 3):
        audio = 0.1 * torch.randn(batch, samples)
        with torch.no_grad():
            expected = backbone.module(audio).numpy()
        (actual,) = session.run(None, {"audio": audio.numpy()})
        assert actual.shape == expected.shape
        found.append(float(np.abs(actual - expected).max()))
    return found


LONG = ("hubert", "wavlm", "wav2vec2, norm last", "ge2e-lstm")
"""Exported with the release: by the layers of another here, or from real weights."""


@pytest.mark.parametrize(
    "kind", [pytest.param(kind, marks=[pytest.mark.release] if kind in LONG else []) for kind in KINDS]
)
def test_the_exported_graph_equals_torch_at_other_batches_than_the_example(tiny: Tiny, kind: str) -> None:
    backbone = built(tiny, kind)
    session = exported(backbone)
    assert session.get_inputs()[0].shape == ["batch", 8_000]
    assert max(differences(backbone, session)) < 1e-4


@pytest.mark.release
@pytest.mark.parametrize(("name", "seconds"), [("speech/whisper-tiny-en", 1.0), ("speech/resemblyzer", 1.6)])
def test_the_exported_graph_of_real_weights_equals_torch(
    real: Callable[..., object], name: str, seconds: float
) -> None:
    checkpoint, weights = real(name, seconds)
    backbone = load_backbone(checkpoint=checkpoint, weights=weights, output="vector")
    assert max(differences(backbone, exported(backbone))) < 1e-4


@pytest.mark.parametrize("kind", KINDS)
def test_stages_cover_every_parameter_once(tiny: Tiny, kind: str) -> None:
    backbone = built(tiny, kind)
    names = [name for name, _ in backbone.module.named_parameters()]
    assert [1] * len(names) == [sum(stage.owns(name) for stage in backbone.stages) for name in names]
    assert all(any(stage.owns(name) for name in names) for stage in backbone.stages)


@pytest.mark.parametrize("kind", KINDS)
def test_in_training_every_parameter_that_may_learn_gets_a_gradient_and_nothing_is_random_but_dropout(
    tiny: Tiny, kind: str
) -> None:
    module = built(tiny, kind).module.train()
    for layer in module.modules():
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    audio = 0.1 * torch.randn(2, 8_000)
    (module(audio) * torch.randn(1)).square().sum().backward()
    without = [name for name, value in module.named_parameters() if value.requires_grad and value.grad is None]
    assert without == []


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "ge2e-lstm"])
def test_the_vector_is_the_mean_of_the_sequence(tiny: Tiny, kind: str) -> None:
    vector, sequence = built(tiny, kind), built(tiny, kind, "sequence")
    audio = vector.example_inputs["audio"]
    with torch.no_grad():
        steps = sequence.module(audio)
        assert (steps.shape[0], steps.shape[2]) == (2, 32)
        np.testing.assert_allclose(steps.mean(dim=1).numpy(), vector.module(audio).numpy(), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_silence_gives_finite_features_and_gradients(tiny: Tiny, kind: str) -> None:
    module = built(tiny, kind).module
    audio = torch.zeros(2, 8_000, requires_grad=True)
    features = module(audio)
    features.sum().backward()
    assert torch.isfinite(features).all()
    assert all(value.grad is None or torch.isfinite(value.grad).all() for value in module.parameters())


def test_an_architecture_of_others_is_not_ours(tiny: Tiny) -> None:
    other = tiny("whisper").model_copy(update={"architecture": "resnet18"})
    assert load_backbone(checkpoint=other, weights=None, output="vector") is None


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"feature_dim": 31}, "feature_dim"),
        ({"preprocess": AudioSpec(sample_rate=8_000, seconds=1)}, "8000"),
        ({"preprocess": TextSpec(max_length=8)}, "text"),
        ({"config": {"d_model": 30, "encoder_attention_heads": 4}}, "config"),
    ],
)
def test_an_entry_that_contradicts_its_network_is_named(tiny: Tiny, change: dict[str, object], word: str) -> None:
    with pytest.raises(RegistryError, match="speech/tiny-whisper") as caught:
        load_backbone(checkpoint=tiny("whisper").model_copy(update=change), weights=None, output="vector")
    assert word in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize(("architecture", "output"), [("ge2e-lstm", "sequence"), ("whisper", "map")])
def test_an_output_that_does_not_exist_is_refused(tiny: Tiny, architecture: str, output: str) -> None:
    with pytest.raises(UsageError, match=output):
        load_backbone(checkpoint=tiny(architecture), weights=None, output=output)


def test_importing_the_plugin_imports_no_torch() -> None:
    code = "import sys, tlzoo_speech.plugin; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
