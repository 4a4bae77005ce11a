"""Every family of text backbones, tiny and with random weights: shapes, stages, padding, ONNX."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from tlzoo_nlp.plugin import load_backbone

from tlzoo import Backbone
from tlzoo.errors import RegistryError, UsageError
from tlzoo.registry.schema import Checkpoint, Member, PypiSource
from tlzoo.specs import ImageSpec, TextSpec

VOCABULARY, LENGTH = 101, 64
TINY = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 37,
    "vocab_size": VOCABULARY,
    "max_position_embeddings": LENGTH,
}
FROM_PAD = {**TINY, "max_position_embeddings": LENGTH + 2}
FAMILIES: dict[str, dict[str, Any]] = {
    "bert": TINY,
    "roberta": FROM_PAD,
    "xlm-roberta": FROM_PAD,
    "distilbert": {
        "dim": 32,
        "n_layers": 2,
        "n_heads": 4,
        "hidden_dim": 37,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": LENGTH,
    },
    "gpt2": {
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 4,
        "vocab_size": VOCABULARY,
        "n_positions": LENGTH,
        "bos_token_id": 1,
        "eos_token_id": 1,
    },
    "albert": {**TINY, "embedding_size": 16},
    "electra": {**TINY, "embedding_size": 16},
    "mpnet": FROM_PAD,
    "deberta-v2": {
        **TINY,
        "relative_attention": True,
        "position_biased_input": False,
        "pos_att_type": ["p2c", "c2p"],
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_buckets": 16,
        "conv_kernel_size": 3,
        "conv_act": "gelu",
    },
    "modernbert": {**TINY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2},
    "t5": {"d_model": 32, "num_layers": 2, "num_heads": 4, "d_kv": 8, "d_ff": 37, "vocab_size": VOCABULARY},
    "bart": {
        "d_model": 32,
        "encoder_layers": 2,
        "decoder_layers": 1,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 37,
        "decoder_ffn_dim": 37,
        "vocab_size": VOCABULARY,
        "max_position_embeddings": LENGTH,
    },
    "opt": {**TINY, "ffn_dim": 37, "word_embed_proj_dim": 32},
    "qwen2": {**TINY, "num_key_value_heads": 2},
}
EXPORTED = [
    "bert",
    *(pytest.param(family, marks=pytest.mark.release) for family in ("gpt2", "mpnet", "deberta-v2", "t5")),
]
SOURCE = PypiSource(
    project="x", version="1", archive="x-1.tar.gz", members=(Member(path="x-1/x", sha256="0" * 64, size=1),)
)


def checkpoint(family: str, **changes: Any) -> Checkpoint:
    fields: dict[str, Any] = {
        "id": f"nlp/tiny-{family}",
        "architecture": family,
        "config": FAMILIES.get(family, {}),
        "source": SOURCE,
        "tasks": ("text-classification",),
        "parameters": 1,
        "feature_dim": 32,
        "preprocess": TextSpec(max_length=LENGTH),
    }
    return Checkpoint(**{**fields, **changes})


def build(family: str, output: Any = "vector") -> Backbone:
    torch.manual_seed(0)
    return load_backbone(checkpoint(family), None, output)


def random_batch(texts: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids and a mask whose rows end at different places."""
    draw = torch.Generator().manual_seed(texts)
    input_ids = torch.randint(3, VOCABULARY, (texts, length), generator=draw)
    mask = torch.ones_like(input_ids)
    for row in range(1, texts):
        mask[row, max(1, length - 3 * row) :] = 0
    return input_ids * mask, mask


@pytest.mark.parametrize("family", FAMILIES)
def test_a_text_gives_one_vector_or_one_per_token(family: str):
    input_ids, mask = random_batch(3, 11)
    with torch.no_grad():
        vector, sequence = (build(family, output).module(input_ids, mask) for output in ("vector", "sequence"))
    assert (tuple(vector.shape), tuple(sequence.shape)) == ((3, 32), (3, 11, 32))
    expected = torch.stack([row[kept == 1].mean(dim=0) for row, kept in zip(sequence, mask, strict=True)])
    torch.testing.assert_close(vector, expected)


@pytest.mark.parametrize("family", FAMILIES)
def test_padding_does_not_change_a_texts_vector(family: str):
    module = build(family).module
    input_ids, mask = random_batch(4, 20)
    with torch.no_grad():
        batch = module(input_ids, mask)
        for row in range(4):
            kept = int(mask[row].sum())
            alone = module(input_ids[row : row + 1, :kept], mask[row : row + 1, :kept])
            torch.testing.assert_close(alone[0], batch[row], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("family", FAMILIES)
def test_stages_cover_every_parameter_once_from_embeddings_to_the_last_layer(family: str):
    backbone = build(family)
    for name, _ in backbone.module.named_parameters():
        assert [name] == [name for stage in backbone.stages if stage.owns(name)], name
    layers = ["layer.0"] if family == "albert" else ["layer.0", "layer.1"]
    last = ["final"] if family in ("gpt2", "modernbert", "opt", "qwen2", "t5") else []
    assert ["embeddings", *layers, *last] == [stage.name for stage in backbone.stages]


@pytest.mark.parametrize(
    ("family", "config", "inside"),
    [
        ("markuplm", {**TINY, "max_depth": 4, "xpath_unit_hidden_size": 8}, ["network.encoder.layer.1"]),
        (
            "xlm",
            {"emb_dim": 32, "n_layers": 2, "n_heads": 4, "n_words": VOCABULARY, "max_position_embeddings": LENGTH},
            [f"network.{part}.1" for part in ("attentions", "layer_norm1", "ffns", "layer_norm2")],
        ),
    ],
)
def test_a_layer_is_all_of_it_and_no_list_of_embeddings(family: str, config: dict[str, Any], inside: list[str]):
    stages = load_backbone(checkpoint(family, config=config), None, "vector").stages
    assert [stage.name for stage in stages] == ["embeddings", "layer.0", "layer.1"]
    assert list(stages[-1].prefixes) == inside


def layer_outputs(backbone: Backbone) -> dict[str, torch.Tensor]:
    """What the module of each `layer.<i>` stage returns for the example inputs."""
    outputs: dict[str, torch.Tensor] = {}

    def keep(name: str) -> Any:
        return lambda module, given, output: outputs.update({name: output[0] if isinstance(output, tuple) else output})

    layers = [stage for stage in backbone.stages if stage.name.startswith("layer.")]
    hooks = [backbone.module.get_submodule(s.prefixes[0]).register_forward_hook(keep(s.name)) for s in layers]
    with torch.no_grad():
        backbone.module(*backbone.example_inputs.values())
    for hook in hooks:
        hook.remove()
    return outputs


@pytest.mark.parametrize("family", FAMILIES)
def test_a_stage_changes_no_layer_before_it(family: str):
    backbone = build(family)
    names = [stage.name for stage in backbone.stages]
    for at, stage in enumerate(backbone.stages):
        before = layer_outputs(backbone)
        with torch.no_grad():
            for name, parameter in backbone.module.named_parameters():
                if stage.owns(name):
                    parameter += 0.1 * torch.randn_like(parameter)
        after = layer_outputs(backbone)
        for layer in before:
            same = torch.equal(before[layer], after[layer])
            assert same if names.index(layer) < at else names.index(layer) != at or not same, (stage.name, layer)


@pytest.mark.parametrize("family", FAMILIES)
def test_the_pooler_is_left_out(family: str):
    assert [name for name, _ in build(family).module.named_parameters() if "pooler" in name] == []


@pytest.mark.parametrize("family", EXPORTED)
def test_the_exported_graph_equals_torch_at_other_batches_and_lengths(family: str, tmp_path: Path):
    backbone = build(family)
    axes = {name: torch.export.Dim(name) for name in ("batch", "length")}
    program = torch.onnx.export(
        backbone.module,
        tuple(backbone.example_inputs.values()),
        dynamo=True,
        dynamic_shapes=[{at: axes[name] for at, name in named.items()} for named in backbone.dynamic_axes.values()],
        external_data=False,
        opset_version=20,
        input_names=list(backbone.example_inputs),
        verbose=False,
    )
    program.save(tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx", providers=["CPUExecutionProvider"])
    for size in ((1, 1), (1, 5), (3, 17), (7, LENGTH)):
        input_ids, mask = random_batch(*size)
        with torch.no_grad():
            expected = backbone.module(input_ids, mask).numpy()
        (actual,) = session.run(None, {"input_ids": input_ids.numpy(), "attention_mask": mask.numpy()})
        np.testing.assert_allclose(actual, expected, atol=1e-5)


def test_example_inputs_are_two_different_tensors_with_padding():
    inputs = build("bert").example_inputs
    assert list(inputs) == ["input_ids", "attention_mask"]
    assert {torch.int64} == {tensor.dtype for tensor in inputs.values()}
    assert not torch.equal(inputs["input_ids"], inputs["attention_mask"])
    assert {0, 1} == set(inputs["attention_mask"][1].tolist())


def test_random_weights_follow_torchs_seed():
    first, second = (build("bert").module.state_dict() for _ in range(2))
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_without_weights_the_preprocessing_stays_as_the_entry_says():
    assert TextSpec(max_length=LENGTH) == build("bert").preprocess


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"architecture": "no-such-model"}, "no-such-model"),
        ({"preprocess": TextSpec(max_length=LENGTH + 1)}, "64 positions"),
        ({"architecture": "roberta", "preprocess": TextSpec(max_length=LENGTH)}, "62 positions"),
        ({"preprocess": ImageSpec(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1))}, "image"),
    ],
)
def test_an_entry_that_cannot_be_built_is_a_registry_error(changes: dict[str, Any], cause: str):
    with pytest.raises(RegistryError, match=cause) as caught:
        load_backbone(checkpoint("bert", **changes), None, "vector")
    assert "\n" not in str(caught.value)
    assert caught.value.hint


def test_text_gives_no_map():
    with pytest.raises(UsageError):
        build("bert", "map")


def test_importing_the_plugin_imports_neither_torch_nor_transformers():
    code = "import tlzoo_nlp.plugin, sys; print({'torch', 'transformers', 'numpy'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
