"""A transformers encoder or decoder of texts as a tlzoo backbone. Imported only when one is built: needs torch."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from tlzoo.errors import RegistryError
from tlzoo.plugin import (
    Backbone,
    Checkpoint,
    TextSpec,
    Weights,
    transformers_arguments,
    transformers_config,
    transformers_network,
    weights_mismatch,
)
from tlzoo_nlp.stages import stages_of
from tlzoo_nlp.tokenizer import with_tokenizer

if TYPE_CHECKING:
    from transformers import PreTrainedConfig, PreTrainedModel

    from tlzoo.plugin import Needs

EXAMPLE_LENGTH = 9
_POSITIONS_AFTER_PAD = {
    *("camembert", "data2vec-text", "esm", "ibert", "longformer", "mpnet", "roberta", "roberta-prelayernorm"),
    *("xlm-roberta", "xlm-roberta-xl", "xmod"),
}
_EAGER = {"longt5", "mt5", "pop2piano", "switch_transformers", "t5", "umt5"}
"""T5's family: torch.onnx cannot export its attention with a bias through PyTorch's fused kernel."""
AXES = {0: "batch", 1: "length"}


class Encoder(nn.Module):
    """`network` under `input_ids` and `attention_mask`, both int64 [N, L]; a mask of 0 marks padding.

    Returns [N, L, D] for `sequence`. For `vector`, [N, D]: the mean over the tokens under the mask, as in
    Sentence-BERT (Reimers & Gurevych 2019). Of both, a tuple in the order asked for. Token types are zeros.
    """

    def __init__(self, network: PreTrainedModel, output: Needs) -> None:
        super().__init__()
        self.network = network
        self.output = output

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor | tuple[Tensor, ...]:
        hidden: Tensor = self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        if isinstance(self.output, tuple):
            return tuple(hidden if kind == "sequence" else _mean(hidden, attention_mask) for kind in self.output)
        return hidden if self.output == "sequence" else _mean(hidden, attention_mask)


def _mean(hidden: Tensor, attention_mask: Tensor) -> Tensor:
    """The mean of [N, L, D] over the tokens under the mask, [N, D]."""
    mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
    return (hidden * mask).sum(dim=1) / mask.sum(dim=1).clamp(min=1)


def build_backbone(checkpoint: Checkpoint, spec: TextSpec, weights: Weights | None, output: Needs) -> Backbone:
    """The backbone of `checkpoint`, in eval mode and float32, pooler left out."""
    config = _configuration(checkpoint, weights)
    _check_length(checkpoint.id, spec, config)
    network = random_network(config) if weights is None else _pretrained(checkpoint, config, weights)
    return Backbone(
        module=Encoder(network, output).eval(),
        feature_dim=width(config),
        stages=stages_of(network, "network"),
        example_inputs=_example_inputs(config),
        dynamic_axes={"input_ids": AXES, "attention_mask": AXES},
        output=output,
        preprocess=spec if weights is None else with_tokenizer(spec, weights, config),
        config=transformers_arguments(config),
    )


def width(config: PreTrainedConfig) -> int:
    """How many numbers a token's vector has; OPT may project it before it is given out."""
    return int(getattr(config, "word_embed_proj_dim", None) or config.hidden_size)


def check_readable(config: PreTrainedConfig) -> None:
    """Raise ValueError where the configuration names no vocabulary (CANINE reads characters) or no width."""
    if not hasattr(config, "vocab_size"):
        raise ValueError("it has no vocabulary of tokens.")
    if not hasattr(config, "hidden_size"):
        raise ValueError("it does not say how wide a token's vector is.")


def _configuration(checkpoint: Checkpoint, weights: Weights | None) -> PreTrainedConfig:
    """The checkpoint's, without key-value cache."""
    config: PreTrainedConfig = transformers_config(checkpoint, weights)
    config.use_cache = False
    choose_attention(config)
    return config


def choose_attention(config: PreTrainedConfig) -> None:
    """PyTorch's own attention, whatever the configuration names: it may name code that is fetched from a hub."""
    config._attn_implementation = "eager" if config.model_type in _EAGER else None


def positions(config: PreTrainedConfig) -> int | None:
    """The most tokens of a text: RoBERTa's family and MPNet count from their padding id + 1; relative has no limit."""
    table: int | None = getattr(config, "max_position_embeddings", None)
    if table is None or not getattr(config, "position_biased_input", True):
        return None
    offset = (getattr(config, "pad_token_id", None) or 0) + 1 if config.model_type in _POSITIONS_AFTER_PAD else 0
    return table - offset


def _check_length(name: str, spec: TextSpec, config: PreTrainedConfig) -> None:
    most = positions(config)
    if most is not None and spec.max_length > most:
        raise RegistryError(
            f"{name}: max_length {spec.max_length} is more than the model's {most} positions.",
            hint=f"Use `preprocess={{'max_length': {most}}}`.",
            parameter="preprocess",
        )


def _network_class(config: PreTrainedConfig) -> tuple[Any, dict[str, Any]]:
    """The class without head for this configuration, and the arguments that leave out its pooler."""
    from transformers import MODEL_MAPPING

    kind = MODEL_MAPPING[type(config)]
    drop_pooler = "add_pooling_layer" in inspect.signature(kind.__init__).parameters
    return kind, {"add_pooling_layer": False} if drop_pooler else {}


def random_network(config: PreTrainedConfig) -> PreTrainedModel:
    """The network with random weights, without its decoder where an encoder stands before one."""
    kind, arguments = _network_class(config)
    return _encoder(kind(config, **arguments).float())


def _encoder(network: PreTrainedModel) -> PreTrainedModel:
    part: PreTrainedModel = network.get_encoder() if network.config.is_encoder_decoder else network
    return part


def _pretrained(checkpoint: Checkpoint, config: PreTrainedConfig, weights: Weights) -> PreTrainedModel:
    """The network with the folder's weights. What a head or pooler leaves over is fine; a layer too many is not: the
    entry then describes another model."""
    network, unused = transformers_network(checkpoint, config, weights, **_network_class(config)[1])
    parts = {child for child, _ in network.named_children()}
    surplus = [key for key in unused if _part(key, network.base_model_prefix) in parts]
    if surplus:
        raise weights_mismatch(checkpoint, "have the unexpected", surplus)
    return _encoder(network)


def _part(key: str, prefix: str) -> str:
    """The first part of a weight's name within the network."""
    return key.removeprefix(prefix + ".").partition(".")[0]


def _example_inputs(config: PreTrainedConfig) -> dict[str, Tensor]:
    """Two texts of random tokens, the second padded."""
    draw = torch.Generator().manual_seed(0)
    input_ids = torch.randint(0, config.vocab_size, (2, EXAMPLE_LENGTH), generator=draw)
    attention_mask = torch.ones_like(input_ids)
    attention_mask[1, EXAMPLE_LENGTH // 2 :] = 0
    return {"input_ids": input_ids, "attention_mask": attention_mask}
