"""A hub repository of a speech model as a registry entry, from its own configuration. Nothing is downloaded here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from transformers import CONFIG_MAPPING

from tlzoo.errors import RegistryError, first_line
from tlzoo.plugin import Checkpoint, meta_device, transformers_arguments
from tlzoo_speech.backbones import describe
from tlzoo_speech.spectral import RATE
from tlzoo_speech.waveform import EXTRACTOR

if TYPE_CHECKING:
    from tlzoo.plugin import Repository

SECONDS = 5.0
"""The window: speech commands and sentences fit, and attention over 30 s costs six times as much or more."""
_LABELS = {"id2label", "label2id", "problem_type", "task_specific_params", "finetuning_task", "num_labels"}


def resolve(id: str, repository: Repository) -> Checkpoint:
    """The entry of a repository whose model_type is one that this plugin builds.

    Raises RegistryError where its network hears another sample rate, or cannot be built.
    """
    document = repository.documents["config.json"]
    processor = repository.documents.get("preprocessor_config.json", {})
    rate = processor.get("sampling_rate", RATE)
    if rate != RATE:
        raise RegistryError(
            f"{id} takes {rate} Hz; the plugin 'speech' supports {RATE} Hz only.",
            hint="Choose another checkpoint.",
        )
    kind = str(document["model_type"])
    plain: dict[str, Any] = {
        "id": id,
        "builder": "speech",
        "architecture": kind,
        "config": {},
        "source": repository.source(_files(repository)),
        "license": repository.license,
        "tasks": ("audio-classification",),
        "parameters": 1,
        "feature_dim": 1,
        "preprocess": {"kind": "audio", "sample_rate": RATE, "seconds": SECONDS},
        "pretrained_on": repository.datasets,
        "languages": repository.languages,
        "paper": repository.paper,
    }
    try:
        config = CONFIG_MAPPING[kind].from_dict({k: v for k, v in document.items() if k not in _LABELS})
        plain["config"] = transformers_arguments(config)
        if kind != "whisper":
            plain["config"] |= {name: bool(processor[name]) for name in EXTRACTOR if name in processor}
        with meta_device():
            counted = describe(Checkpoint.model_validate(plain), round(SECONDS * RATE))
    except Exception as cause:
        raise RegistryError(
            f"{id}: a {kind!r} network cannot be built from its config.json: {first_line(cause)}",
            hint="Choose another checkpoint.",
        ) from cause
    return Checkpoint.model_validate({**plain, **counted})


def _files(repository: Repository) -> list[str]:
    beside = [name for name in ("preprocessor_config.json",) if name in repository.sizes]
    return ["config.json", *beside, *repository.weights()]
