"""From a checkpoint and its local files to a backbone: build the network, load the weights strictly, name its parts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import torch
from huggingface_hub.errors import StrictDataclassError
from torch import nn
from transformers import AutoModel, PreTrainedConfig

import tlzoo
from tlzoo.errors import RegistryError, SourceError, first_line
from tlzoo.plugin import (
    AudioSpec,
    Backbone,
    Checkpoint,
    Stage,
    Weights,
    count_stages,
    transformers_arguments,
    transformers_config,
    transformers_network,
    weights_mismatch,
)
from tlzoo_speech.ctranslate2 import read_variables
from tlzoo_speech.ge2e import GE2E_STAGES, HIDDEN, SpeakerEncoder
from tlzoo_speech.spectral import RATE
from tlzoo_speech.waveform import EXTRACTOR, PLAIN_TRAINING, Normalise, WaveformBackbone, waveform_stages
from tlzoo_speech.whisper import WhisperBackbone, whisper_names_from_ctranslate2, whisper_stages

if TYPE_CHECKING:
    from tlzoo.plugin import FeatureKind

Parts = tuple[nn.Module, int, tuple[Stage, ...], dict[str, Any]]


def build(checkpoint: Checkpoint, spec: AudioSpec, weights: Weights | None, output: FeatureKind) -> Backbone:
    """The backbone of a checkpoint of this plugin, with random weights where `weights` is `None`."""
    if spec.sample_rate != RATE:
        raise RegistryError(
            f"Entry {checkpoint.id!r}: sample rate {spec.sample_rate} Hz, but its network takes {RATE} Hz.",
            hint="Correct `preprocess.sample_rate` in the registry file.",
        )
    samples = round(spec.seconds * RATE)
    try:
        module, feature_dim, stages, config = _parts(checkpoint, samples, weights, pooled=output == "vector")
    except (StrictDataclassError, TypeError, ValueError) as cause:
        raise RegistryError(
            f"Entry {checkpoint.id!r}: a {checkpoint.architecture!r} cannot be built from its config: "
            f"{first_line(cause)}.",
            hint="Correct `config` in the registry file.",
        ) from cause
    if feature_dim != checkpoint.feature_dim:
        raise RegistryError(
            f"Entry {checkpoint.id!r}: feature_dim is {checkpoint.feature_dim}, but its network has {feature_dim}.",
            hint="Correct `feature_dim` in the registry file.",
        )
    return Backbone(
        module=module.eval(),
        feature_dim=feature_dim,
        stages=stages,
        example_inputs={"audio": 0.1 * torch.randn(2, samples, generator=torch.Generator().manual_seed(0))},
        dynamic_axes={"audio": {0: "batch"}},
        output=output,
        preprocess=spec.model_copy(update={"mark_end": True}) if _needs_ends(module) else spec,
        config=config,
    )


def _needs_ends(module: nn.Module) -> bool:
    """Whether the network tells a sound from its padding."""
    return isinstance(module, WaveformBackbone) and module.normalise == "sound"


def describe(checkpoint: Checkpoint, samples: int) -> dict[str, Any]:
    """What a registry entry says of the network beside its name: `parameters`, `feature_dim` and `stages`.

    Under `torch.device("meta")` this takes no memory for the weights.
    """
    module, feature_dim, stages, _ = _parts(checkpoint, samples, None, pooled=True)
    records = count_stages(module, stages)
    total = sum(record.parameters for record in records)
    return {"feature_dim": feature_dim, "parameters": total, "stages": records}


def _parts(checkpoint: Checkpoint, samples: int, weights: Weights | None, *, pooled: bool) -> Parts:
    match checkpoint.architecture:
        case "whisper":
            return _whisper(checkpoint, samples, weights, pooled=pooled)
        case "ge2e-lstm":
            return _speaker_encoder(checkpoint, samples, weights)
        case _:
            return _waveform(checkpoint, samples, weights, pooled=pooled)


def _whisper(checkpoint: Checkpoint, samples: int, weights: Weights | None, *, pooled: bool) -> Parts:
    converted = weights is not None and "model.bin" in weights.files and "ctranslate2" in checkpoint.tags
    config = _config(checkpoint, None if converted else weights)
    module = WhisperBackbone(config, samples, pooled)
    if weights is not None and converted:
        variables = read_variables(weights.files["model.bin"], "encoder/")
        _load_strictly(module.encoder, whisper_names_from_ctranslate2(variables), checkpoint)
    elif weights is not None:
        module.encoder = transformers_network(checkpoint, config, weights)[0].encoder
    module.cut_positions()
    return module, config.d_model, whisper_stages(config.encoder_layers), transformers_arguments(config)


def _waveform(checkpoint: Checkpoint, samples: int, weights: Weights | None, *, pooled: bool) -> Parts:
    config = _config(checkpoint, weights)
    if weights is None:
        model = AutoModel.from_config(config, dtype=torch.float32)
    else:
        model, _ = transformers_network(checkpoint, config, weights)
    if getattr(model, "masked_spec_embed", None) is not None:  # UniSpeech's kind has it, masking or not
        model.masked_spec_embed = None
    extractor = _extractor(checkpoint, weights)
    over: Normalise = "sound" if extractor["return_attention_mask"] else "window"
    module = WaveformBackbone(model, over if extractor["do_normalize"] else None, pooled)
    feature_dim = config.output_hidden_size if getattr(config, "add_adapter", False) else config.hidden_size
    return module, feature_dim, waveform_stages(config), {**transformers_arguments(config), **extractor}


def _speaker_encoder(checkpoint: Checkpoint, samples: int, weights: Weights | None) -> Parts:
    module = SpeakerEncoder(samples)
    if weights is not None:
        stored = tlzoo.read_state(checkpoint, weights, _only_file(checkpoint, weights), inside="model_state")
        # the loss's scale and offset are stored beside the network
        state = {name: value for name, value in stored.items() if not name.startswith("similarity_")}
        _load_strictly(module, state, checkpoint)
    return module, HIDDEN, GE2E_STAGES, {}


def _config(checkpoint: Checkpoint, weights: Weights | None) -> PreTrainedConfig:
    """The checkpoint's, without what makes training random."""
    config: PreTrainedConfig = transformers_config(checkpoint, weights)
    for name, value in PLAIN_TRAINING.items():
        setattr(config, name, value)
    return config


def _load_strictly(module: nn.Module, state: Mapping[str, torch.Tensor], checkpoint: Checkpoint) -> None:
    expected = module.state_dict()
    _check_names(checkpoint, sorted(expected.keys() - state.keys()), "lack")
    _check_names(checkpoint, sorted(state.keys() - expected.keys()), "have the unexpected")
    shapes = [name for name in sorted(state) if state[name].shape != expected[name].shape]
    _check_names(checkpoint, shapes, "have the wrong shape for")
    module.load_state_dict(state, strict=True)


def _check_names(checkpoint: Checkpoint, names: list[str], problem: str) -> None:
    if names:
        raise weights_mismatch(checkpoint, problem, names)


def _only_file(checkpoint: Checkpoint, weights: Weights) -> str:
    found = [name for name in sorted(weights.files) if name.endswith((".pt", ".pth", ".bin"))]
    if len(found) != 1:
        raise SourceError(
            f"{checkpoint.id!r} needs one .pt file, its source has {len(found)}.",
            hint=f"Fetch them again: tlzoo pull {checkpoint.id}",
        )
    return found[0]


def _extractor(checkpoint: Checkpoint, weights: Weights | None) -> dict[str, bool]:
    """What transformers' feature extractor does to the samples: whether it normalises them, and whether over the sound
    alone, for which it makes an attention mask.
    """
    options: Mapping[str, Any] = checkpoint.config
    if weights is not None and "preprocessor_config.json" in weights.files:
        options = json.loads(weights.files["preprocessor_config.json"].read_text("utf-8"))
    return {name: bool(options.get(name, default)) for name, default in EXTRACTOR.items()}
