"""Hub repositories of text models become entries from their own configuration."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tlzoo_nlp.plugin import load_backbone, resolve_checkpoint
from tokenizers import Tokenizer, models
from transformers import AutoConfig, AutoModel, PreTrainedModel, T5EncoderModel

from tlzoo import Repository, Weights
from tlzoo.errors import RegistryError
from tlzoo.registry.schema import Checkpoint

BERT = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 20, "vocab_size": 9}
T5 = {"d_model": 16, "num_layers": 2, "num_heads": 2, "d_kv": 8, "d_ff": 20, "vocab_size": 9}
BART = {"d_model": 16, "encoder_layers": 2, "decoder_layers": 1, "encoder_ffn_dim": 20, "decoder_ffn_dim": 20}
TINY: dict[str, dict[str, Any]] = {
    "bert": BERT,
    "t5": T5,
    "bart": {**BART, "encoder_attention_heads": 2, "decoder_attention_heads": 2, "vocab_size": 9, "pad_token_id": 1},
    "opt": {**BERT, "ffn_dim": 20, "word_embed_proj_dim": 8},
    "llama": {**BERT, "num_key_value_heads": 1},
    "mobilebert": {**BERT, "embedding_size": 16, "true_hidden_size": 16, "intra_bottleneck_size": 16},
    "roc_bert": {**BERT, "pronunciation_vocab_size": 9, "shape_vocab_size": 9},
    "codegen": {"n_embd": 16, "n_layer": 2, "n_head": 4, "n_inner": 20, "rotary_dim": 4, "vocab_size": 9},
}
"""The last three have configurations without a padding token, or one that ends a text."""


def described(documents: dict[str, Any], *files: str) -> Repository:
    sizes = dict.fromkeys((*documents, *files), 10)
    return Repository(
        "tiny/net", "a" * 40, sizes, {"model.safetensors": "0" * 64}, documents, "MIT", ("en",), ("arxiv:1", "arxiv:2")
    )


def saved(model: PreTrainedModel, folder: Path, **options: Any) -> tuple[Checkpoint, Weights]:
    """The entry and the files of what a hub would hold."""
    model.save_pretrained(folder, **options)
    Tokenizer(models.WordLevel({f"w{i}": i for i in range(9)}, unk_token="w0")).save(str(folder / "tokenizer.json"))
    paths = {path.name: path for path in folder.iterdir()}
    small = {name for name in paths if name.endswith(".json") and name != "tokenizer.json"}
    documents = {name: json.loads(paths[name].read_text()) for name in small}
    found = resolve_checkpoint("hf/tiny/net", described(documents, *paths))
    assert found is not None
    return found, Weights(folder, {file.path: paths[file.path] for file in found.source.files})


def made(family: str) -> Any:
    torch.manual_seed(0)
    return AutoModel.from_config(AutoConfig.for_model(family, **TINY[family])).eval()


@pytest.mark.parametrize("family", TINY)
def test_an_entry_says_what_is_built_of_it(family: str, tmp_path: Path):
    model = made(family)
    found, weights = saved(model, tmp_path)
    assert (found.plugin, found.architecture, found.license, found.languages) == ("nlp", family, "MIT", ("en",))
    for given in (weights, None):
        backbone = load_backbone(found, given, "sequence")
        counts = {stage.name: 0 for stage in backbone.stages}
        for name, parameter in backbone.module.named_parameters():
            counts[next(stage.name for stage in backbone.stages if stage.owns(name))] += parameter.numel()
        assert counts == {stage.name: stage.parameters for stage in found.stages}
        assert found.parameters == sum(counts.values())
    ids, mask = load_backbone(found, weights, "sequence").example_inputs.values()
    encoder = model.get_encoder() if model.config.is_encoder_decoder else model
    with torch.no_grad():
        vectors = load_backbone(found, weights, "sequence").module(ids, mask)
        expected = encoder(input_ids=ids, attention_mask=mask).last_hidden_state
    assert vectors.shape[-1] == found.feature_dim
    torch.testing.assert_close(vectors[mask == 1], expected[mask == 1])


def test_an_encoder_that_was_saved_without_its_decoder_is_enough(tmp_path: Path):
    found, weights = saved(T5EncoderModel(AutoConfig.for_model("t5", **T5)), tmp_path)
    load_backbone(found, weights, "vector")


def test_weights_in_shards_are_read(tmp_path: Path):
    model = made("bert")
    found, weights = saved(model, tmp_path, max_shard_size="4KB")
    assert len([name for name in weights.files if name.endswith(".safetensors")]) > 1
    network = load_backbone(found, weights, "vector").module.network
    torch.testing.assert_close(network.embeddings.word_embeddings.weight, model.embeddings.word_embeddings.weight)


@pytest.mark.parametrize(
    ("documents", "expected"),
    [
        ({}, 512),
        ({"tokenizer_config.json": {"model_max_length": 128}}, 128),
        ({"tokenizer_config.json": {"model_max_length": 1e30}}, 512),
        ({"sentence_bert_config.json": {"max_seq_length": 256}}, 256),
        ({"config.json": {"model_type": "bert", **BERT, "max_position_embeddings": 64}}, 64),
    ],
)
def test_a_text_is_as_long_as_every_file_allows(documents: dict[str, Any], expected: int):
    given = {"config.json": {"model_type": "bert", **BERT}, **documents}
    found = resolve_checkpoint("hf/tiny/net", described(given, "model.safetensors", "vocab.txt"))
    assert found is not None
    assert found.preprocess.max_length == expected


def test_of_several_papers_none_is_named():
    given = described({"config.json": {"model_type": "bert", **BERT}}, "model.safetensors", "vocab.txt")
    found = resolve_checkpoint("hf/tiny/net", given)
    assert found is not None
    assert found.paper is None


@pytest.mark.parametrize(
    ("config", "files", "cause"),
    [
        ({"model_type": "mamba"}, ("model.safetensors", "vocab.txt"), "mamba"),
        ({"model_type": "bert", **BERT}, ("model.safetensors",), "tokenizer"),
        ({"model_type": "bert", **BERT}, ("tf_model.h5", "vocab.txt"), "tf_model.h5"),
        ({"model_type": "bert", **BERT}, ("pytorch_model.bin", "vocab.txt"), "sha256"),
        ({"model_type": "bert", **BERT, "quantization_config": {}}, ("model.safetensors", "vocab.txt"), "quantised"),
        ({"model_type": "bert", **BERT, "num_attention_heads": 3}, ("model.safetensors", "vocab.txt"), "heads"),
        ({"model_type": "bert", "hidden_size": "many"}, ("model.safetensors", "vocab.txt"), "hidden_size"),
        ({"model_type": "canine"}, ("model.safetensors", "vocab.txt"), "vocabulary"),
        ({"model_type": "blt"}, ("model.safetensors", "vocab.txt"), "wide"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(config: dict[str, Any], files: tuple[str, ...], cause: str):
    with pytest.raises(RegistryError, match=cause):
        resolve_checkpoint("hf/tiny/net", described({"config.json": config}, *files))


@pytest.mark.parametrize("config", [{}, {"model_type": "vit"}, {"model_type": "whisper"}, {"model_type": "no-such"}])
def test_what_reads_no_texts_is_left_to_others(config: dict[str, Any]):
    assert resolve_checkpoint("hf/tiny/net", described({"config.json": config})) is None
    assert resolve_checkpoint("nlp/other", None) is None
