"""Every model type that reads texts loads with weights and a tokenizer, or is refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from shared_fixtures.families import page, texts
from shared_fixtures.families.tiny import tiny_document
from tlzoo_nlp.encoder import random_network
from tlzoo_nlp.plugin import load_backbone, resolve_checkpoint
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import CONFIG_MAPPING, AutoModel

from tlzoo import Repository, Weights
from tlzoo.errors import TlzooError
from tlzoo.preprocess import make_preprocessor

pytestmark = pytest.mark.release


def write(kind: str, folder: Path) -> dict[str, Path]:
    """What a hub would hold of a tiny network of this type, with a tokenizer of twenty words."""
    config = CONFIG_MAPPING[kind].from_dict(tiny_document(kind))
    torch.manual_seed(0)
    network = AutoModel.from_config(config) if config.is_encoder_decoder else random_network(config)
    network.save_pretrained(folder)  # of an encoder and decoder a hub holds both
    (folder / "config.json").write_text(json.dumps(tiny_document(kind)))
    words = {"[UNK]": 0, **{f"w{number}": number for number in range(1, 20)}}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text('{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return {path.name: path for path in folder.iterdir()}


@pytest.mark.parametrize("kind", sorted(page.read()["texts"].keys() - texts.LEFT_OUT.keys()))
def test_a_network_loads_with_its_tokenizer_or_is_refused(kind: str, tmp_path: Path):
    documents = {"config.json": tiny_document(kind), "tokenizer_config.json": {}}
    sizes = dict.fromkeys((*documents, "model.safetensors", "tokenizer.json"), 10)
    described = Repository("tiny/net", "a" * 40, sizes, {"model.safetensors": "0" * 64}, documents, None, (), ())
    try:
        found = resolve_checkpoint("hf/tiny/net", described)
    except TlzooError:
        return
    assert found is not None
    backbone = load_backbone(found, Weights(tmp_path, write(kind, tmp_path)), "vector")
    assert backbone is not None
    arrays = make_preprocessor(backbone.preprocess)(["w3 w4 w5", "w7 w8 w9 w3 w4"])
    with torch.no_grad():
        vectors = backbone.module(*(torch.from_numpy(arrays[name]) for name in ("input_ids", "attention_mask")))
    assert vectors.shape == (2, found.feature_dim)
