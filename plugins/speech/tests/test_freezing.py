"""Freeze policies on every architecture, tiny and with random weights."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch.nn.functional import cross_entropy

from tlzoo.errors import UsageError
from tlzoo.models import lora
from tlzoo.models.freezing import freeze, train_mode
from tlzoo.models.model import TaskModel, build_model, load_backbone
from tlzoo.registry.schema import Checkpoint
from tlzoo.tasks import make_task

Tiny = Callable[..., Checkpoint]
LINEARS = {
    "whisper": {"k_proj", "v_proj", "q_proj", "out_proj", "fc1", "fc2"},
    "hubert": {"projection", "k_proj", "v_proj", "q_proj", "out_proj", "intermediate_dense", "output_dense"},
    # its attention reads the weights of its projections past the layers
    "wavlm": {"projection", "gru_rel_pos_linear", "intermediate_dense", "output_dense"},
    "ge2e-lstm": {"linear"},
}


def model_of(tiny: Tiny, architecture: str) -> TaskModel:
    torch.manual_seed(0)
    checkpoint = tiny(architecture)
    return build_model(checkpoint, make_task("audio-classification", ("a", "b")), load_backbone(checkpoint, None))


@pytest.mark.parametrize("architecture", LINEARS)
def test_every_adapter_trains_and_merging_keeps_names_and_outputs(tiny: Tiny, architecture: str):
    model = model_of(tiny, architecture)
    plain = list(model.state_dict())
    frozen = freeze(model, "lora:2")
    assert LINEARS[architecture] == {name.split(".lora_")[0].split(".")[-1] for name in lora.adapter_names(model)}
    optimizer = torch.optim.AdamW([p for p in model.parameters() if p.requires_grad], lr=1e-2)
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    inputs = list(model.parts.example_inputs.values())
    for _ in range(2):
        train_mode(model, frozen)
        optimizer.zero_grad()
        cross_entropy(model(*inputs), torch.tensor([0, 1])).backward()
        optimizer.step()
    assert frozen.trainable == {name for name, t in model.state_dict().items() if not torch.equal(t, before[name])}
    with torch.no_grad():
        trained = model.eval()(*inputs)
        lora.merge(model)
        torch.testing.assert_close(model(*inputs), trained, rtol=0, atol=1e-5 * float(trained.abs().max()))
    assert plain == list(model.state_dict())


def test_a_group_norm_of_the_convolutions_is_a_norm(tiny: Tiny):
    trained = freeze(model_of(tiny, "wav2vec2"), "norm").trainable
    assert "backbone.model.feature_extractor.conv_layers.0.layer_norm.weight" in trained
    assert not any("conv.weight" in name or "parametrizations" in name for name in trained)


def test_ge2e_has_no_norms_to_train(tiny: Tiny):
    with pytest.raises(UsageError, match="no normalisation layers") as error:
        freeze(model_of(tiny, "ge2e-lstm"), "norm")
    assert "`freeze='all'`" in error.value.hint
