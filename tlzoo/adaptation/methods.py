"""The methods of domain adaptation by name: the core's, the checkpoint's plugin's, and those that plugins register."""

from __future__ import annotations

from collections.abc import Mapping
from types import NoneType
from typing import Any

from tlzoo import plugins
from tlzoo.adaptation.coral import coral_probe
from tlzoo.data.dataset import Dataset
from tlzoo.errors import DataError, UsageError
from tlzoo.features.extract import features
from tlzoo.models.heads import head_from, objective_of
from tlzoo.models.model import Model
from tlzoo.plugins.extensions import (
    PluginExtension,
    extension_names,
    find_extension,
    registered_extensions,
    warn_name_conflict,
)
from tlzoo.training.strategies.probe_fit import labelled

METHODS = ("auto", "coral")


def adapt_model(
    model: Model, source: Dataset | None, target: Dataset, method: str, options: Mapping[str, Any]
) -> tuple[Model, str]:
    """Adapt a model by the method of this name; with it comes the name of the method that did it.

    `plugin/name` is a method of any plugin, registered or known to its hook `adapt_domain`; another name is asked of
    the checkpoint's plugin, then of the core, then of the plugins that declare it. Raises UsageError for a method that
    nobody knows, HookError where a plugin's fails, and what the method raises.
    """
    given: dict[str, Any] = {"model": model, "source": source, "target": target, "options": options}
    plugin, slash, short = method.rpartition("/")
    if slash:
        if short in (own := registered_extensions("adaptation", plugin)):
            return _adapted(PluginExtension("adaptation", plugin, own[short]), given), method
        if (found := _asked(plugin, short, given)) is None:
            raise UsageError(f"Plugin {plugin!r} has no adaptation method {short!r}.", hint=f"Methods: {_methods()}")
        return found, method
    own_plugin = model.checkpoint.plugin
    if (answer := _asked(own_plugin, method, given)) is not None:
        return answer, f"{own_plugin}/{method}"
    if method in METHODS:
        warn_name_conflict("adaptation", method)
        return core_adapt(method=method, **given), "coral"
    if (named := find_extension("adaptation", method)) is None:
        raise UsageError(f"Unknown adaptation method {method!r}.", hint=f"Methods: {_methods()}")
    return _adapted(named, given), f"{named.plugin}/{method}"


def _asked(plugin: str, method: str, given: Mapping[str, Any]) -> Model | None:
    """What a plugin's hook makes of a method, `None` where it does not know it."""
    found = plugins.call("adapt_domain", plugin, (Model, NoneType), default=_none, method=method, **given)
    return found if isinstance(found, Model) else None


def _none(**given: Any) -> None:
    return None


def _methods() -> str:
    return extension_names("adaptation", METHODS)


def _adapted(method: PluginExtension, given: Mapping[str, Any]) -> Model:
    answer = method.run("adapt", **given)
    if not isinstance(answer, Model):
        raise method.wrong(f"gave {type(answer).__name__}, no model")
    return answer


def core_adapt(model: Model, source: Dataset | None, target: Dataset, method: str, options: Mapping[str, Any]) -> Model:
    """CORAL with a linear head refitted on aligned source features; the backbone stays as it is.

    `options["n_train"]` says how many of the source samples train; the rest chooses the regularisation. Raises
    UsageError for another method and without source data, DataError for a single target sample.
    """
    if method not in METHODS:
        raise UsageError(f"Unknown adaptation method {method!r}.", hint=f"Methods: {', '.join(METHODS)}")
    if source is None or source.targets is None:
        raise UsageError("CORAL needs the labelled source data.", hint="Restore the data that the run was trained on.")
    if len(target) < 2:
        raise DataError("One target sample has no covariance.", hint="Give more target data, better hundreds.")
    objective = objective_of(model.task, {})
    source_x, target_x = features(model, source, target)
    cut = int(options["n_train"])
    train, held = (labelled(source_x, source, objective, part) for part in (range(cut), range(cut, len(source))))
    probe = coral_probe(train, held, target_x.rows, objective)
    return model.with_head(head_from(model.parts, probe.weight, probe.bias, model.task))
