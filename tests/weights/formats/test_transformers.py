"""Configurations of transformers as a registry's entry holds them."""

from __future__ import annotations

import json

import pytest

from tlzoo.weights.formats.transformers import transformers_arguments


@pytest.mark.parametrize("architecture", ["bert", "wav2vec2", "vit"])
def test_what_differs_from_the_default_makes_the_configuration_again(architecture: str):
    from transformers import AutoConfig

    config = AutoConfig.for_model(architecture, hidden_size=48, num_labels=7, hidden_act="relu")
    given = transformers_arguments(config)
    assert given == json.loads(json.dumps(given))
    assert (given["hidden_size"], given["hidden_act"]) == (48, "relu")
    assert not {"model_type", "transformers_version", "id2label", "label2id", "num_labels", "architectures"} & set(
        given
    )
    again = AutoConfig.for_model(architecture, **given, num_labels=7)
    assert again.to_diff_dict() == config.to_diff_dict()
