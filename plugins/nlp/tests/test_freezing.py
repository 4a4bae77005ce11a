"""Freeze policies on GPT-2, whose linear layers are transformers' Conv1D."""

from __future__ import annotations

import pytest
import torch
from torch.nn.functional import cross_entropy

from tlzoo.models import lora
from tlzoo.models.freezing import freeze, train_mode
from tlzoo.models.model import TaskModel, build_model, load_backbone
from tlzoo.registry.schema import Checkpoint, Member, PypiSource
from tlzoo.specs import TextSpec
from tlzoo.tasks import make_task

CHECKPOINT = Checkpoint(
    id="nlp/tiny-gpt2",
    architecture="gpt2",
    config={"n_embd": 32, "n_layer": 2, "n_head": 2, "vocab_size": 50, "n_positions": 16, "bos_token_id": 1},
    source=PypiSource(
        project="x", version="1", archive="x-1.tar.gz", members=(Member(path="x-1/x", sha256="0" * 64, size=1),)
    ),
    tasks=("text-classification",),
    parameters=1,
    feature_dim=32,
    preprocess=TextSpec(max_length=16),
)


@pytest.fixture
def model() -> TaskModel:
    torch.manual_seed(0)
    return build_model(CHECKPOINT, make_task("text-classification", ("a", "b")), load_backbone(CHECKPOINT, None))


def outputs(model: TaskModel) -> torch.Tensor:
    with torch.no_grad():
        return model.eval()(*model.parts.example_inputs.values())


def test_gpt2s_layers_take_adapters_and_merge_them(model: TaskModel):
    plain = list(model.state_dict())
    frozen = freeze(model, "lora:4")
    assert len(lora.adapter_names(model)) == 2 * 2 * len(("c_attn", "c_proj", "c_fc", "c_proj"))
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    for _ in range(2):
        train_mode(model, frozen)
        optimizer.zero_grad()
        cross_entropy(model(*model.parts.example_inputs.values()), torch.tensor([0, 1])).backward()
        optimizer.step()
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    assert frozen.trainable == moved
    trained = outputs(model)
    lora.merge(model)
    assert plain == list(model.state_dict())
    torch.testing.assert_close(outputs(model), trained, rtol=0, atol=1e-5 * float(trained.abs().max()))


def test_gpt2s_norms_are_two_per_layer_and_the_last(model: TaskModel):
    norms = {name.rpartition(".")[0] for name in freeze(model, "norm").trainable} - {"head"}
    at = "backbone.network"
    assert norms == {f"{at}.h.0.ln_1", f"{at}.h.0.ln_2", f"{at}.h.1.ln_1", f"{at}.h.1.ln_2", f"{at}.ln_f"}
