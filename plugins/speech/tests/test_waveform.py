"""wav2vec 2.0 and its relatives: normalisation as published, and weights from a local folder loaded completely."""

from __future__ import annotations

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
import torch
from tlzoo_speech.plugin import load_backbone
from transformers import AutoConfig, AutoModel, Wav2Vec2FeatureExtractor

from tlzoo import Weights
from tlzoo.errors import SourceError
from tlzoo.preprocess import make_preprocessor
from tlzoo.registry.schema import Checkpoint, FileSource, LocalFile

Tiny = Callable[..., Checkpoint]
FAMILY = ["wav2vec2", "hubert", "wavlm"]


def saved(checkpoint: Checkpoint, folder: Path) -> torch.nn.Module:
    """A model of transformers' own making, written as its library writes it."""
    torch.manual_seed(1)
    model = AutoModel.from_config(AutoConfig.for_model(checkpoint.architecture, **checkpoint.config))
    model.save_pretrained(folder)
    return model.eval()


def weights_in(folder: Path) -> Weights:
    return Weights(folder, {path.name: path for path in folder.iterdir()})


@pytest.mark.parametrize("normalise", [True, False])
@pytest.mark.parametrize("architecture", FAMILY)
def test_a_folder_of_transformers_gives_the_same_features(
    tiny: Tiny, sweep: np.ndarray, tmp_path: Path, architecture: str, normalise: bool
) -> None:
    checkpoint = tiny(architecture)
    model = saved(checkpoint, tmp_path)
    (tmp_path / "preprocessor_config.json").write_text(json.dumps({"do_normalize": normalise}))
    backbone = load_backbone(checkpoint=checkpoint, weights=weights_in(tmp_path), output="sequence")
    sound = sweep[:8_000]
    values = Wav2Vec2FeatureExtractor(do_normalize=normalise)(sound, sampling_rate=16_000, return_tensors="pt")
    with torch.no_grad():
        expected = model(values.input_values).last_hidden_state
        actual = backbone.module(torch.from_numpy(sound)[None])
    torch.testing.assert_close(actual, expected, atol=1e-5, rtol=1e-5)


def test_an_old_pytorch_file_with_the_older_names_of_weight_norm_is_loaded(tiny: Tiny, tmp_path: Path) -> None:
    checkpoint = tiny("wav2vec2")
    model = saved(checkpoint, tmp_path)
    older = {"parametrizations.weight.original0": "weight_g", "parametrizations.weight.original1": "weight_v"}
    state = {}
    for name, value in model.state_dict().items():
        for new, old in older.items():
            name = name.replace(new, old)
        state[f"wav2vec2.{name}"] = value
    torch.save(state, tmp_path / "pytorch_model.bin")
    (tmp_path / "model.safetensors").unlink()
    content = (tmp_path / "pytorch_model.bin").read_bytes()
    pin = LocalFile(path="pytorch_model.bin", sha256=sha256(content).hexdigest(), size=len(content))
    checkpoint = checkpoint.model_copy(update={"source": FileSource(files=(pin,))})
    backbone = load_backbone(checkpoint=checkpoint, weights=weights_in(tmp_path), output="vector")
    for name, value in model.state_dict().items():
        if name != "masked_spec_embed":
            assert torch.equal(value, backbone.module.model.state_dict()[name]), name


def test_the_entrys_configuration_serves_where_the_folder_has_none(tiny: Tiny, tmp_path: Path) -> None:
    checkpoint = tiny("hubert")
    model = saved(checkpoint, tmp_path)
    (tmp_path / "config.json").unlink()
    backbone = load_backbone(checkpoint=checkpoint, weights=weights_in(tmp_path), output="vector")
    assert torch.equal(
        model.feature_projection.projection.weight, backbone.module.model.feature_projection.projection.weight
    )


def test_weights_that_lack_a_layer_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    saved(tiny("wav2vec2"), tmp_path)
    (tmp_path / "config.json").unlink()
    with pytest.raises(SourceError, match=r"speech/tiny-wav2vec2.*lack.*layers\.2"):
        load_backbone(checkpoint=tiny("wav2vec2", num_hidden_layers=3), weights=weights_in(tmp_path), output="vector")


def test_a_damaged_file_and_one_of_another_architecture_are_refused(tiny: Tiny, tmp_path: Path) -> None:
    saved(tiny("wav2vec2"), tmp_path)
    with pytest.raises(SourceError, match=r"wav2vec2.*hubert"):
        load_backbone(checkpoint=tiny("hubert"), weights=weights_in(tmp_path), output="vector")
    whole = (tmp_path / "model.safetensors").read_bytes()
    for content in (b"", whole[:100], whole[: len(whole) // 2]):
        (tmp_path / "model.safetensors").write_bytes(content)
        with pytest.raises(SourceError, match="cannot be loaded"):
            load_backbone(checkpoint=tiny("wav2vec2"), weights=weights_in(tmp_path), output="vector")


def extracted(sound: np.ndarray, samples: int, mask: bool) -> torch.Tensor:
    """What transformers' extractor gives the network for a sound in a window of so many samples."""
    extractor = Wav2Vec2FeatureExtractor(do_normalize=True, return_attention_mask=mask)
    given = extractor(sound, sampling_rate=16_000, padding="max_length", max_length=samples, return_tensors="pt")
    return given.input_values


SOUNDS = {
    "short": lambda sweep: sweep[2_000:5_000],
    "with an offset": lambda sweep: sweep[2_000:5_000] + np.float32(0.3),
    "ending in silence": lambda sweep: np.concatenate([sweep[2_000:4_000], np.zeros(1_500, np.float32)]),
    "as long as the window": lambda sweep: sweep[:8_000],
    "silent": lambda sweep: np.zeros(3_000, np.float32),
    "one sample": lambda sweep: sweep[100:101],
}


@pytest.mark.parametrize("mask", [True, False])
@pytest.mark.parametrize("kind", SOUNDS)
def test_a_sound_is_normalised_as_by_transformers_extractor(
    tiny: Tiny, sweep: np.ndarray, tmp_path: Path, kind: str, mask: bool
) -> None:
    checkpoint = tiny("wav2vec2")
    model = saved(checkpoint, tmp_path)
    options = {"do_normalize": True, "return_attention_mask": mask}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(options))
    sound = SOUNDS[kind](sweep)
    built = load_backbone(checkpoint=checkpoint, weights=weights_in(tmp_path), output="sequence")
    as_run = checkpoint.model_copy(update={"config": built.config})  # runs are loaded by the backbone's own config
    again = load_backbone(checkpoint=as_run, weights=None, output="sequence")
    again.module.load_state_dict(built.module.state_dict())
    for backbone in (built, again):
        audio = torch.from_numpy(make_preprocessor(backbone.preprocess)([sound, sweep[:8_000]])["audio"])
        with torch.no_grad():
            expected = model(extracted(sound, 8_000, mask)).last_hidden_state
            actual = backbone.module(audio)[:1]
        torch.testing.assert_close(actual, expected, atol=1e-4, rtol=1e-4)


def test_a_run_that_does_not_know_of_masks_normalises_the_window_as_before(tiny: Tiny) -> None:
    backbone = load_backbone(checkpoint=tiny("wav2vec2", do_normalize=True), weights=None, output="vector")
    assert backbone.module.normalise == "window"
    assert not backbone.preprocess.mark_end
