"""Which method adapts a model: the checkpoint's plugin is asked first, then the core, then others by name."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from tlzoo.adaptation import methods
from tlzoo.adaptation.methods import adapt_model, adapt_with_coral
from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import DataError, HookError, UsageError
from tlzoo.features.extract import Features
from tlzoo.interfaces import Head
from tlzoo.models.model import TaskModel
from tlzoo.tasks import make_task
from tlzoo.training.strategies.probe_fit import FittedProbe

TASK: Any = make_task("text-classification", ("a", "b"))


def model_of(head: nn.Module | None = None) -> TaskModel:
    parts: Any = SimpleNamespace(module=nn.Identity(), output="vector", feature_dim=2)
    chosen = Head(head or nn.Linear(2, 2), lambda *given: None)  # type: ignore[arg-type, return-value]
    return TaskModel(SimpleNamespace(plugin="demo"), TASK, parts, chosen)  # type: ignore[arg-type]


MODEL, ADAPTED = model_of(), model_of()
SOURCE: Any = "source"
TARGET: Any = "target"


class Extension:
    """A plugin's method that returns this."""

    def __init__(self, plugin: str = "other", answer: Any = ADAPTED) -> None:
        self.plugin, self.answer = plugin, answer

    def run(self, name: str, **given: Any) -> Any:
        assert name == "adapt"
        assert given == {"model": MODEL, "source": SOURCE, "target": TARGET, "options": {"x": 1}}
        return self.answer

    def wrong(self, what: str) -> HookError:
        return HookError(what, hint="")


class World:
    """What plugins there are."""

    def __init__(self) -> None:
        self.hooks: dict[tuple[str, str], Any] = {}
        self.registered: dict[str, dict[str, Any]] = {}
        self.named: Any = None
        self.asked: list[tuple[str, str]] = []

    def call(self, hook: str, plugin: str, kinds: Any, *, default: Any, method: str, **given: Any) -> Any:
        assert hook == "adapt_domain"
        assert given == {"model": MODEL, "source": SOURCE, "target": TARGET, "options": {"x": 1}}
        assert default(**given) is None
        self.asked.append((plugin, method))
        return self.hooks.get((plugin, method))


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    monkeypatch.setattr(methods.plugins, "call", made.call)
    monkeypatch.setattr(methods, "registered_extensions", lambda kind, plugin: made.registered.get(plugin, {}))
    monkeypatch.setattr(methods, "PluginExtension", lambda kind, plugin, answer: Extension(plugin, answer))
    monkeypatch.setattr(methods, "find_extension", lambda kind, method: made.named)
    monkeypatch.setattr(methods, "warn_name_conflict", lambda kind, method: made.asked.append(("warn", method)))
    monkeypatch.setattr(methods, "adapt_with_coral", lambda *given: (ADAPTED, 0.25))
    return made


def adapted(method: str) -> tuple[str, dict[str, Any]]:
    model, name, facts = adapt_model(MODEL, SOURCE, TARGET, method, {"x": 1})
    assert model is ADAPTED
    return name, facts


@pytest.mark.parametrize("method", ["auto", "coral"])
def test_the_core_is_asked_where_the_checkpoints_plugin_does_not_know(method: str, world: World):
    assert adapted(method) == ("coral", {"l2": 0.25})
    assert world.asked == [("demo", method), ("warn", method)]
    world.hooks["demo", method] = ADAPTED
    assert adapted(method) == (f"demo/{method}", {})


def test_another_plugins_method_is_asked_by_its_name(world: World):
    world.named = Extension()
    assert adapted("new") == ("other/new", {})
    assert world.asked == [("demo", "new")]
    world.named = None
    with pytest.raises(UsageError, match="'new'"):
        adapted("new")


def test_a_method_of_a_plugin_is_registered_or_known_to_its_hook(world: World):
    world.registered["other"] = {"new": ADAPTED}
    assert adapted("other/new") == ("other/new", {})
    assert world.asked == []
    world.hooks["other", "old"] = ADAPTED
    assert adapted("other/old") == ("other/old", {})
    assert world.asked == [("other", "old")]
    with pytest.raises(UsageError, match="'none'"):
        adapted("other/none")


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        (None, "returned NoneType, not a model"),
        (model_of(nn.Identity()), "returned a model whose head is Identity, another kind than before"),
        ("nan", "returned a model whose head.bias has NaN or infinity"),
    ],
)
def test_what_a_method_returns_is_a_model_like_the_one_before(answer: Any, problem: str, world: World):
    if answer == "nan":
        answer = model_of()
        with torch.no_grad():
            answer.head.bias[1] = float("nan")
    world.named = Extension(answer=answer)
    with pytest.raises(HookError) as caught:
        adapted("new")
    assert caught.value.message == problem


def data_of(count: int, targets: Any) -> TaskDataset:
    preprocessor: Any = None  # features are given
    return TaskDataset([f"text {at}" for at in range(count)], targets, preprocessor, TASK)


def test_coral_fits_on_the_first_and_chooses_on_the_rest(monkeypatch: pytest.MonkeyPatch):
    seen: list[Any] = []

    def fit(train: Any, held: Any, target: np.ndarray, objective: Any) -> FittedProbe:
        seen.extend([train, held, target])
        return FittedProbe(torch.tensor([[1.0, 2], [3, 4]]), torch.tensor([5.0, 6]), 0.5, {})

    source, target = data_of(5, list("ababa")), data_of(20, None)
    rows = [Features(np.arange(10, dtype=np.float32).reshape(5, 2)), Features(np.ones((20, 2), np.float32))]
    monkeypatch.setattr(methods, "extract", lambda model, *sets: rows if sets == (source, target) else None)
    monkeypatch.setattr(methods, "coral_probe", fit)
    model, l2 = adapt_with_coral(MODEL, source, target, {"n_train": 3, "label_smoothing": 0.1})
    assert l2 == 0.5
    (train_x, train_y), (held_x, held_y), target_x = seen
    assert (train_x.tolist(), held_x.tolist()) == ([[0, 1], [2, 3], [4, 5]], [[6, 7], [8, 9]])
    assert (list(train_y), list(held_y)) == ([0, 1, 0], [1, 0])
    assert target_x is rows[1].rows
    assert model.head.weight.tolist() == [[1, 2], [3, 4]]
    assert model.head.bias.tolist() == [5, 6]
    assert model.backbone is MODEL.backbone


def test_coral_needs_labels_of_the_source_and_twenty_target_samples():
    target = data_of(20, None)
    for source in (None, data_of(5, None)):
        with pytest.raises(UsageError) as caught:
            adapt_with_coral(MODEL, source, target, {"n_train": 3})
        assert caught.value.message == "CORAL needs the labelled source data."
        assert caught.value.hint == "Restore the data that the run was trained on."
    with pytest.raises(DataError, match=r"CORAL needs 20 target samples or more, not 19: "):
        adapt_with_coral(MODEL, data_of(5, list("ababa")), data_of(19, None), {"n_train": 3})
