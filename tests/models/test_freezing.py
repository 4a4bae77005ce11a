"""Freeze policies: exactly what they name moves in a real step of training, and nothing else by a single bit."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from tlzoo.errors import UsageError
from tlzoo.interfaces import Freeze
from tlzoo.models.freezing import freeze, is_normalisation, train_mode, unfreeze_plan
from tlzoo.models.model import TaskModel
from tlzoo.options import Finetune
from tlzoo.training import loop
from tlzoo.training.loop import train
from tlzoo.training.step_model import DatasetSplits

STEP = Finetune(epochs=1, batch=8, lr=1e-2, max_steps=2)


def sets(run: Any) -> DatasetSplits:
    parts = run.splits()
    return DatasetSplits(run.dataset(parts.train), run.dataset(parts.validation), run.dataset(parts.test))


def stage_names(model: TaskModel, *stages: str) -> set[str]:
    chosen = [stage for stage in model.parts.stages if stage.name in stages]
    assert len(chosen) == len(stages)
    names = {name for name, _ in model.backbone.named_parameters()}
    return {f"backbone.{name}" for name in names if any(stage.owns(name) for stage in chosen)}


def head_names(model: TaskModel) -> set[str]:
    return {f"head.{name}" for name, _ in model.head.named_parameters()}


def expected(model: TaskModel, policy: str) -> set[str]:
    """The parameters that a policy promises to train, in words other than the code's."""
    everything = {name for name, _ in model.named_parameters()}
    norms = {
        f"backbone.{at}.{name}"
        for at, module in model.backbone.named_modules()
        if isinstance(module, nn.BatchNorm2d)
        for name, _ in module.named_parameters()
    }
    return {
        "all": head_names(model),
        "none": everything,
        "until:layer2": stage_names(model, "layer3", "layer4") | head_names(model),
        "last:1": stage_names(model, "layer4") | head_names(model),
        "last:5": everything,
        "norm": norms | head_names(model),
    }[policy]


@pytest.mark.parametrize("policy", ["all", "none", "until:layer2", "last:1", "last:5", "norm"])
def test_a_step_moves_exactly_what_the_policy_names_and_no_buffer_of_what_it_freezes(
    zoo: Any, picture_run: Any, policy: str, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(loop, "_validate_start", lambda *given: None)  # else the model from before may be the best
    model = picture_run.model()
    frozen = freeze(model, policy)
    assert expected(model, policy) == frozen.trainable
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    train(model, [frozen], sets(picture_run), STEP)
    moved = {name for name, tensor in model.state_dict().items() if not torch.equal(tensor, before[name])}
    parameters = {name for name, _ in model.named_parameters()}
    assert frozen.trainable == moved & parameters
    trained_modules = {name.rpartition(".")[0] for name in frozen.trainable}
    buffers = {name for name in before if name not in parameters}
    assert {name for name in buffers if name.rpartition(".")[0] in trained_modules} == moved & buffers


def test_freezing_twice_gives_the_same(zoo: Any, picture_run: Any):
    model = picture_run.model()
    first = freeze(model, "last:2")
    freeze(model, "none")
    assert first == freeze(model, "last:2")
    assert first.trainable == {name for name, parameter in model.named_parameters() if parameter.requires_grad}


def test_layer_norms_count_as_norms_too(zoo: Any, text_run: Any):
    model = text_run.model()
    trained = freeze(model, "norm").trainable - head_names(model)
    assert trained
    assert all("LayerNorm" in name for name in trained)


def test_dropout_works_in_stages_that_train_and_rests_in_those_that_do_not(zoo: Any, text_run: Any):
    model = text_run.model()
    train_mode(model, freeze(model, "last:1"))
    states = {
        name: module.training
        for name, module in model.backbone.named_modules()
        if isinstance(module, nn.Dropout) and "layer." in name
    }
    assert states
    assert all(training == ("layer.1." in name) for name, training in states.items())


def test_what_stands_around_frozen_and_training_stages_rests_with_its_own_dropout(zoo: Any, recording_run: Any):
    model = recording_run.model()
    train_mode(model, freeze(model, "last:1"))
    awake = {name for name, module in model.backbone.named_modules() if module.training}
    assert "model.encoder.layers.0" in awake
    assert all(name.startswith("model.encoder.layers") for name in awake)


def test_an_unknown_stage_is_answered_with_those_there_are(zoo: Any, picture_run: Any):
    with pytest.raises(UsageError, match="no stage 'layer9'") as error:
        freeze(picture_run.model(), "until:layer9")
    assert "stem, layer1, layer2, layer3, layer4" in error.value.hint


@pytest.mark.parametrize("policy", ["everything", "", "until", "until:", "last:", "last:-1", "last:two", "last:²"])
def test_an_unknown_policy_is_answered_with_those_there_are(zoo: Any, picture_run: Any, policy: str):
    with pytest.raises(UsageError) as error:
        freeze(picture_run.model(), policy)
    assert all(name in error.value.hint for name in ("all", "none", "until:<stage>", "last:<n>", "norm", "lora:<rank>"))


def test_more_stages_than_there_are_is_answered_with_those_there_are(zoo: Any, picture_run: Any):
    with pytest.raises(UsageError, match="last:6") as error:
        freeze(picture_run.model(), "last:6")
    assert "stem, layer1, layer2, layer3, layer4" in error.value.hint


def headless(run: Any) -> TaskModel:
    return run.model().headless()


@pytest.mark.parametrize("policy", ["all", "until:layer4"])
def test_a_policy_that_leaves_nothing_to_train_is_refused(zoo: Any, picture_run: Any, policy: str):
    with pytest.raises(UsageError, match="nothing to train") as error:
        freeze(headless(picture_run), policy)
    assert "`freeze='none'`" in error.value.hint
    with pytest.raises(UsageError, match="nothing to train"):
        unfreeze_plan(headless(picture_run), policy.replace("all", "last:1"), 1, 3)


def test_gradual_unfreezing_adds_a_stage_from_the_output_side_as_far_as_the_policy_goes(zoo: Any, picture_run: Any):
    model = picture_run.model()
    plan = unfreeze_plan(model, "until:layer1", every=2, epochs=9)
    alone = [freeze(model, policy) for policy in ("all", "last:1", "last:2", "last:3")]
    assert [alone[i] for i in (0, 0, 1, 1, 2, 2, 3, 3, 3)] == plan
    assert unfreeze_plan(model, "none", every=1, epochs=20)[-1] == freeze(model, "none")
    assert unfreeze_plan(model, "last:2", every=3, epochs=2) == [alone[0]] * 2


@pytest.mark.parametrize(
    ("policy", "every", "epochs"), [("norm", 1, 1), ("all", 1, 1), ("lora:4", 1, 1), ("none", 0, 1), ("none", 1, 0)]
)
def test_gradual_unfreezing_refuses_what_has_no_stages_to_add(
    zoo: Any, picture_run: Any, policy: str, every: int, epochs: int
):
    with pytest.raises(UsageError) as error:
        unfreeze_plan(picture_run.model(), policy, every, epochs)
    assert error.value.hint


def own_norms() -> list[nn.Module]:
    from timm.layers import BatchNormAct2d, FrozenBatchNormAct2d, GroupNorm1, LayerNorm2d, RmsNorm
    from timm.layers.grn import GlobalResponseNorm
    from transformers.models.llama.modeling_llama import LlamaRMSNorm
    from transformers.models.t5.modeling_t5 import T5LayerNorm

    own = [layer(4) for layer in (BatchNormAct2d, FrozenBatchNormAct2d, GlobalResponseNorm, GroupNorm1, LayerNorm2d)]
    return [*own, RmsNorm(4), LlamaRMSNorm(4), T5LayerNorm(4), nn.GroupNorm(2, 4), nn.InstanceNorm1d(4)]


def test_the_norms_of_timm_and_transformers_are_norms():
    assert [type(m).__name__ for m in own_norms() if not is_normalisation(m)] == []


def test_what_only_sounds_like_a_norm_or_stands_beside_one_is_none():
    from timm.layers import ConvNormAct
    from timm.models.vision_transformer import LayerScale
    from transformers.models.wav2vec2.configuration_wav2vec2 import Wav2Vec2Config
    from transformers.models.wav2vec2.modeling_wav2vec2 import Wav2Vec2GroupNormConvLayer

    others = [LayerScale(4), Wav2Vec2GroupNormConvLayer(Wav2Vec2Config()), nn.Linear(4, 4), nn.Dropout()]
    assert [type(m).__name__ for m in others if is_normalisation(m)] == []
    trained = [m for m in ConvNormAct(4, 4).modules() if is_normalisation(m) and list(m.parameters(recurse=False))]
    assert [type(m).__name__ for m in trained] == ["BatchNormAct2d"]


def test_statistics_of_a_batch_norm_without_parameters_rest_where_its_stage_does_not_train_as_a_whole(
    zoo: Any, picture_run: Any
):
    model = picture_run.model()
    model.backbone.net.layer1[0].bn1 = nn.BatchNorm2d(model.backbone.net.layer1[0].bn1.num_features, affine=False)
    name = "backbone.net.layer1.0.bn1"
    assert [name in freeze(model, policy).eval_modules for policy in ("norm", "last:3", "last:4")] == [
        True,
        True,
        False,
    ]


def test_norm_is_refused_on_a_backbone_without_norms(toy: Any, make_pictures: Any, tmp_path: Any):
    import tlzoo

    with pytest.raises(UsageError, match="no normalisation") as error:
        tlzoo.finetune(
            toy(), make_pictures(tmp_path / "data"), out=tmp_path / "run", strategy="finetune", freeze="norm"
        )
    assert "`freeze='all'`" in error.value.hint


@pytest.mark.parametrize("names", ["frozenset({'backbone.mix.bias'})", "{'backbone.mix.bias'}"])
def test_a_plugins_own_policy_is_asked_first(toy: Any, make_pictures: Any, tmp_path: Any, names: str):
    import tlzoo

    id = toy(
        f"""
        from tlzoo import Freeze

        @hookimpl
        def freeze(model, policy):
            return Freeze({names}) if policy == "bias" else None
        """
    )
    options = {"epochs": 1, "batch": 8, "lr": 1e-2}
    run = tlzoo.finetune(
        id, make_pictures(tmp_path / "data"), out=tmp_path / "run", strategy="finetune", freeze="bias", options=options
    )
    weight = run.model().backbone.mix.weight
    torch.testing.assert_close(torch.eye(12) + 0.1, weight.detach(), rtol=0, atol=0)


def test_a_container_stays_as_in_evaluation_and_what_it_holds_trains(zoo: Any, picture_run: Any):
    model = picture_run.model()
    parts = dict(model.backbone.named_modules())
    container, frozen = (
        next(name for name in parts if name and any(parts[name].children())),
        next(name for name, part in parts.items() if isinstance(part, nn.BatchNorm2d)),
    )
    model.eval()
    train_mode(model, Freeze(frozenset(), frozenset({f"backbone.{frozen}"}), frozenset({f"backbone.{container}"})))
    assert not parts[container].training
    assert not parts[frozen].training
    inside = [part for name, part in parts.items() if name.startswith(f"{container}.") and name != frozen]
    assert inside
    assert all(part.training for part in inside)
