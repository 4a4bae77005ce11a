"""A hub repository of a text model as a registry entry, from its own configuration. Nothing is downloaded here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from torch import nn
from transformers import CONFIG_MAPPING
from transformers.models.auto import modeling_auto as auto

from tlzoo.errors import RegistryError, first_line
from tlzoo.plugin import Checkpoint, count_stages, meta_device, transformers_arguments
from tlzoo_nlp.encoder import check_readable, choose_attention, positions, random_network, width
from tlzoo_nlp.stages import stages_of
from tlzoo_nlp.tokenizer import RULES, SENTENCE_RULES, VOCABULARIES, sentence_rules

if TYPE_CHECKING:
    from transformers import PreTrainedConfig

    from tlzoo.plugin import Repository, StageRecord

LONGEST = 512
"""Tokens: longer texts than this are cut even where the model would read on."""
_TEXT_MAPPINGS = (
    auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    auto.MODEL_FOR_SEQUENCE_CLASSIFICATION_MAPPING_NAMES,
    auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES,
)
_NOT_TEXT = {"perceiver", "pop2piano", "trocr", "wav2vec2", "whisper"}
NOT_EXPORTABLE = {
    *("falcon_mamba", "fnet", "funnel", "jamba", "longformer", "mamba", "mamba2", "nystromformer", "recurrent_gemma"),
    *("mixtral", "qwen3_moe", "reformer", "rwkv", "xlnet", "zamba", "zamba2"),
}
"""Whose networks torch.onnx cannot export with a batch and a length that vary (tried with transformers 5.23)."""
_BESIDE_TOKENIZER = (*RULES, "merges.txt", *SENTENCE_RULES)
_LABELS = {"id2label", "label2id", "problem_type", "task_specific_params", "finetuning_task", "num_labels"}


def resolve(id: str, repository: Repository) -> Checkpoint | None:
    """The entry of a text encoder, a decoder of texts, or the encoder of an encoder-decoder; else `None`.

    Raises RegistryError where it is a text model that cannot be used, with the reason.
    """
    document = repository.documents.get("config.json", {})
    kind = document.get("model_type")
    if not isinstance(kind, str) or kind not in CONFIG_MAPPING or not _reads_texts(kind, document):
        return None
    if kind in NOT_EXPORTABLE:
        raise RegistryError(
            f"{id}: a model of type {kind!r} cannot be exported to ONNX.", hint="Choose another checkpoint."
        )
    config, stages = _network(id, kind, document)
    return Checkpoint.model_validate(
        {
            "id": id,
            "builder": "nlp",
            "architecture": kind,
            "config": transformers_arguments(config),
            "source": repository.source(("config.json", *repository.weights(), *_tokenizer_files(id, repository))),
            "license": repository.license,
            "tasks": ("text-classification",),
            "parameters": sum(stage.parameters for stage in stages),
            "feature_dim": width(config),
            "stages": stages,
            "preprocess": {"kind": "text", "max_length": _longest(repository, config)},
            "pretrained_on": repository.datasets,
            "languages": repository.languages,
            "paper": repository.paper,
        }
    )


def _reads_texts(kind: str, document: Mapping[str, Any]) -> bool:
    other = {"vision_config", "audio_config", "text_config"} & document.keys()
    return not other and kind not in _NOT_TEXT and any(kind in names for names in _TEXT_MAPPINGS)


def _network(id: str, kind: str, document: Mapping[str, Any]) -> tuple[PreTrainedConfig, tuple[StageRecord, ...]]:
    """The configuration, and without memory for any weight, the parameters of each stage."""
    try:
        # a number of labels becomes a name for each of them, however large it is
        config = CONFIG_MAPPING[kind].from_dict({k: v for k, v in document.items() if k not in _LABELS})
        choose_attention(config)
        check_readable(config)
        with meta_device():
            network = random_network(config)
        stages = stages_of(network, "network")
    except Exception as cause:
        raise RegistryError(
            f"{id}: a {kind!r} network cannot be built from its config.json: {first_line(cause)}",
            hint="Choose another checkpoint.",
        ) from cause
    return config, count_stages(nn.ModuleDict({"network": network}), stages)


def _longest(repository: Repository, config: PreTrainedConfig) -> int:
    """The shortest of what the tokenizer, Sentence-Transformers' file, the positions and this plugin allow."""
    documents = repository.documents
    limits = (
        documents.get("tokenizer_config.json", {}).get("model_max_length"),
        sentence_rules(documents).get("max_seq_length"),
        positions(config),
    )
    return min([LONGEST, *(int(limit) for limit in limits if isinstance(limit, int | float) and limit >= 1)])


def _tokenizer_files(id: str, repository: Repository) -> list[str]:
    """What the tokenizer is made of; raises RegistryError where there is none."""
    whole = ["tokenizer.json"] if "tokenizer.json" in repository.sizes else sorted(VOCABULARIES & set(repository.sizes))
    if not whole:
        raise RegistryError(
            f"{id} has no tokenizer: neither tokenizer.json nor {', '.join(sorted(VOCABULARIES))}.",
            hint="Choose another checkpoint.",
        )
    return [*whole, *(name for name in _BESIDE_TOKENIZER if name in repository.sizes)]
