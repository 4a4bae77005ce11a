"""The model types of transformers that read texts, each as the hub repository of a tiny network."""

from __future__ import annotations

from functools import partial

from tlzoo_nlp import resolving
from transformers import CONFIG_MAPPING

from shared_fixtures.families.tiny import tiny_document
from shared_fixtures.families.verdicts import Family, hub_repository
from tlzoo.interfaces import Repository

LEFT_OUT = {"gpt-sw3": "its checkpoints name the model type gpt2"}


def names() -> list[str]:
    """The model types that the plugin `nlp` takes for those of texts."""
    kinds = [kind for kind in CONFIG_MAPPING if resolving._reads_texts(kind, CONFIG_MAPPING[kind].sub_configs)]
    return sorted(set(kinds) - set(LEFT_OUT))


def family(kind: str, model: str = "") -> Family:
    """The family of a model type, which is its own model."""
    return Family("nlp", kind, "", partial(_repository, kind))


def _repository(kind: str) -> Repository:
    return hub_repository(kind, {"config.json": tiny_document(kind), "tokenizer_config.json": {}})
