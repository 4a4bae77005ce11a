"""What can be told of a training from the checkpoint's entry alone."""

from __future__ import annotations

from typing import Any

import pytest

import tlzoo.registry
from tlzoo.errors import UsageError
from tlzoo.runs.checks import choose

IMAGE, TEXT, AUDIO = "vision/test-resnet", "nlp/test-bert", "speech/test-wav2vec2"


@pytest.mark.parametrize(
    ("checkpoint", "options", "said"),
    [
        (TEXT, {"mixup": 0.2}, "`mixup` is for pictures and recordings, not for text. Leave `mixup` out."),
        (TEXT, {"cutmix": 0.2}, "`cutmix` is for pictures, not for text. Leave `cutmix` out."),
        (AUDIO, {"cutmix": 0.2}, "`cutmix` is for pictures, not for audio. Leave `cutmix` out, or take `mixup`."),
        (TEXT, {"augment": "light-noflip"}, "`augment='light-noflip'` is for pictures, not for text."),
        (AUDIO, {"augment": "strong-noflip"}, "`augment='strong-noflip'` is for pictures, not for audio."),
        (IMAGE, {"monitor": "beauty"}, "`monitor='beauty'` is no metric of image-classification."),
    ],
)
def test_an_option_for_inputs_of_another_kind_is_refused(zoo: Any, checkpoint: str, options: dict[str, Any], said: str):
    with pytest.raises(UsageError) as caught:
        choose(tlzoo.registry.get(checkpoint), None, "finetune", "last:1", None, options)
    assert str(caught.value).startswith(said)
    assert caught.value.parameter == next(iter(options))


@pytest.mark.parametrize(
    ("task", "options", "said"),
    [
        ("image-regression", {"label_smoothing": 0.1}, "image-regression has no labels to smooth."),
        ("image-regression", {"class_weights": "balanced"}, "image-regression has no classes to weight."),
    ],
)
def test_an_option_that_the_task_does_not_have_is_refused(zoo: Any, task: str, options: dict[str, Any], said: str):
    with pytest.raises(UsageError) as caught:
        choose(tlzoo.registry.get(IMAGE), task, "finetune", "last:1", None, options)
    assert str(caught.value) == f"{said} Leave `{next(iter(options))}` out."


@pytest.mark.parametrize(
    ("checkpoint", "options"),
    [(IMAGE, {"mixup": 0.2}), (IMAGE, {"cutmix": 0.2}), (AUDIO, {"mixup": 0.2}), (TEXT, {"label_smoothing": 0.1})],
)
def test_what_suits_is_chosen(zoo: Any, checkpoint: str, options: dict[str, Any]):
    chosen = choose(tlzoo.registry.get(checkpoint), None, "finetune", "last:1", None, options)
    assert (chosen.strategy, chosen.policy) == ("finetune", "last:1")
    assert all(getattr(chosen.options, name) == value for name, value in options.items())
