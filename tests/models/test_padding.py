"""Networks that let padding into their answers are refused before anything is trained."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from transformers import AutoModel, BertConfig, ConvBertConfig, RobertaConfig, YosoConfig

from tlzoo.errors import TrainingError
from tlzoo.models.padding import beside_a_longer_text, check_padding
from tlzoo.specs import ImageSpec, TextSpec

SPEC = TextSpec(max_length=48, pad_id=1)
TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 48, "vocab_size": 99}
KEEP_IT_OUT = [BertConfig(**TINY), RobertaConfig(**TINY, pad_token_id=1, max_position_embeddings=64)]
LET_IT_IN = [ConvBertConfig(**TINY, embedding_size=32), YosoConfig(**TINY, use_expectation=True)]


class LastStates(nn.Module):
    """A transformer's states for each token, or their mean over the attention mask."""

    def __init__(self, config, mean: bool) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.network, self.mean = AutoModel.from_config(config).eval(), mean

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        states = self.network(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        there = attention_mask[..., None].float()
        return (states * there).sum(1) / there.sum(1) if self.mean else states


def model_of(module: nn.Module, spec: Any = SPEC) -> Any:
    checkpoint, parts = SimpleNamespace(id="toy/net"), SimpleNamespace(preprocess=spec)
    return SimpleNamespace(backbone=module, checkpoint=checkpoint, parts=parts, eval=lambda: None)


class Held:
    """Data that are these arrays."""

    def __init__(self, rows: dict[str, np.ndarray]) -> None:
        self.rows = rows

    def __len__(self) -> int:
        return len(self.rows["attention_mask"])

    def arrays(self, positions: Any) -> dict[str, np.ndarray]:
        return {name: rows[list(positions)] for name, rows in self.rows.items()}


def texts(*lengths: int) -> dict[str, np.ndarray]:
    random, size = np.random.default_rng(0), max(lengths)
    there = np.arange(size) < np.array(lengths)[:, None]
    ids = np.where(there, random.integers(5, 99, (len(lengths), size)), 1)
    return {"input_ids": ids.astype(np.int64), "attention_mask": there.astype(np.int64)}


@pytest.mark.parametrize("mean", [True, False])
@pytest.mark.parametrize(
    "config", [BertConfig(**TINY), RobertaConfig(**TINY, pad_token_id=1, max_position_embeddings=64)]
)
def test_networks_that_keep_padding_out_pass(config, mean: bool):
    check_padding(model_of(LastStates(config, mean)), Held(texts(12, 12, 12)))


@pytest.mark.parametrize("lengths", [(12, 12, 12), (3, 20), (9,), (48, 48), (47, 48), (0, 48)])
@pytest.mark.parametrize(
    "config", [ConvBertConfig(**TINY, embedding_size=32), YosoConfig(**TINY, use_expectation=True)]
)
def test_networks_that_let_it_in_are_refused_even_where_all_texts_are_of_one_length(config, lengths: tuple[int, ...]):
    with pytest.raises(TrainingError, match=r"toy/net lets padding into its answers: .* changes them by \d") as error:
        check_padding(model_of(LastStates(config, True)), Held(texts(*lengths)))
    assert error.value.hint


def test_of_texts_of_full_length_a_quarter_is_put_beside_half():
    found = beside_a_longer_text(texts(48, 48), SPEC)
    assert found is not None
    assert found[1]["attention_mask"].sum(axis=1).tolist() == [12, 24]


def test_pictures_have_no_padding_to_try():
    spec = ImageSpec(size=(8, 8), mean=(0, 0, 0), std=(1, 1, 1))
    check_padding(model_of(nn.Identity(), spec), Held({}))


def test_the_shortest_text_is_put_beside_one_twice_as_long():
    found = beside_a_longer_text(texts(12, 5, 9), SPEC)
    assert found is not None
    [short, long], together = found
    assert (short["input_ids"].shape, long["input_ids"].shape) == ((1, 5), (1, 13))
    assert together["attention_mask"].sum(axis=1).tolist() == [5, 13]
    assert (together["input_ids"][0, 5:] == 1).all()
