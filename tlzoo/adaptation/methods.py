"""The methods of domain adaptation by name: the core's, the checkpoint's plugin's, and those that plugins register."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

from tlzoo import plugins
from tlzoo.adaptation.coral import coral_probe
from tlzoo.data.dataset import TaskDataset
from tlzoo.errors import UsageError
from tlzoo.features.extract import extract
from tlzoo.models.heads import linear_head, probe_objective
from tlzoo.models.model import TaskModel, not_finite
from tlzoo.plugins.adaptation import METHODS, check_coral, unknown_method, unknown_method_of
from tlzoo.plugins.extensions import (
    SINGULAR,
    PluginExtension,
    find_extension,
    registered_extensions,
    split_plugin_name,
    warn_name_conflict,
)
from tlzoo.training.strategies.probe_fit import labelled_features


def adapt_model(
    model: TaskModel, source: TaskDataset | None, target: TaskDataset, method: str, options: Mapping[str, Any]
) -> tuple[TaskModel, str, dict[str, Any]]:
    """Adapt a model by the method of this name; also returns the name of the method used and what it has chosen.

    `plugin/name` is a method of any plugin, registered or known to its hook `adapt_domain`; another name is asked of
    the checkpoint's plugin, then of the core, then of the plugins that declare it. Raises UsageError for an unknown
    method, HookError where a plugin's fails, and what the method raises.
    """
    given: dict[str, Any] = {"model": model, "source": source, "target": target, "options": options}
    if "/" in method:
        plugin, short = split_plugin_name(SINGULAR["adaptation"], method)
        if short in (own := registered_extensions("adaptation", plugin)):
            return _adapt_with_method(PluginExtension("adaptation", plugin, own[short]), given), method, {}
        if (found := _adapt_with_plugin(plugin, short, given)) is None:
            raise unknown_method_of(plugin, short)
        return found, method, {}
    own_plugin = model.checkpoint.plugin
    if (answer := _adapt_with_plugin(own_plugin, method, given)) is not None:
        return answer, f"{own_plugin}/{method}", {}
    if method in METHODS:
        warn_name_conflict("adaptation", method)
        adapted, l2 = adapt_with_coral(model, source, target, options)
        return adapted, "coral", {"l2": l2}
    if (named := find_extension("adaptation", method)) is None:
        raise unknown_method(method)
    return _adapt_with_method(named, given), f"{named.plugin}/{method}", {}


def _adapt_with_plugin(plugin: str, method: str, given: Mapping[str, Any]) -> TaskModel | None:
    """The result of a plugin's hook, or `None` where it does not know the method."""
    found = plugins.call(
        "adapt_domain", plugin, (TaskModel, NoneType), default=lambda **given: None, method=method, **given
    )
    return found if isinstance(found, TaskModel) else None


def _adapt_with_method(method: PluginExtension, given: Mapping[str, Any]) -> TaskModel:
    answer = method.run("adapt", **given)
    if not isinstance(answer, TaskModel):
        raise method.wrong(f"returned {type(answer).__name__}, not a model")
    if type(answer.head) is not type(given["model"].head):
        raise method.wrong(f"returned a model whose head is {type(answer.head).__name__}, another kind than before")
    if name := not_finite(answer.state_dict().items()):
        raise method.wrong(f"returned a model whose {name} has NaN or infinity")
    return answer


def adapt_with_coral(
    model: TaskModel, source: TaskDataset | None, target: TaskDataset, options: Mapping[str, Any]
) -> tuple[TaskModel, float]:
    """The model with a linear head refitted on aligned source features, and the strength of its regularisation.

    `options["n_train"]` says how many of the source samples train; the rest chooses the strength. The other options are
    those of the head, such as `class_weights`. The backbone stays as it is. Raises UsageError for a task without a
    probe and without source data, DataError for fewer than 20 distinct target samples, whose moments say little.
    """
    if source is None or source.targets is None:
        raise UsageError("CORAL needs the labelled source data.", hint="Restore the data that the run was trained on.")
    check_coral(model.task, target.distinct(), target.samples)
    head = {name: value for name, value in options.items() if name != "n_train"}
    objective = probe_objective(model.task, head)
    source_x, target_x = extract(model, source, target)
    cut = int(options["n_train"])
    train, held = (
        labelled_features(source_x, source, objective, part) for part in (range(cut), range(cut, len(source)))
    )
    probe = coral_probe(train, held, target_x.rows, objective)
    return model.with_head(linear_head(model.parts, probe.weight, probe.bias, model.task, head)), probe.l2
