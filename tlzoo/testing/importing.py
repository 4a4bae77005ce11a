"""Checks of a plugin as a distribution: what importing it costs, how it is registered, what its metadata says."""

from __future__ import annotations

from importlib import metadata
from types import ModuleType
from typing import Any

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name

from tlzoo import plugins
from tlzoo.plugins import hookspecs
from tlzoo.plugins.extensions import ExtensionKind, declared_extensions, registered_extensions
from tlzoo.testing import without_torch
from tlzoo.testing.base import SuiteBase, report_note


class Importing(SuiteBase):
    """Importing the plugin, its entry point, its distribution."""

    def test_importing_it_imports_no_heavy_library(self) -> None:
        """Importing the plugin's module imports no torch, transformers, timm, onnx or scikit-learn, and is quick.

        Fix: move such imports into the hooks that need them. Listing plugins and predicting must work where torch is
        not installed, and a guarded `try: import torch` costs its seconds all the same.
        """
        plugin = self.installed()
        answer = without_torch.run_without_torch(
            without_torch.import_module, str(self.folder() / "cache"), module=plugin.module
        )
        wanted = answer["imported"]
        assert not wanted, f"Importing {plugin.module} imports {', '.join(wanted)}. Import it inside the hooks instead."
        assert "error" not in answer, f"{plugin.module} cannot be imported without torch: {answer['error']}"
        assert answer["seconds"] <= self.import_seconds, (
            f"Importing {plugin.module} took {answer['seconds']:.1f} s ({self.import_seconds:g} are allowed). "
            "Move what is slow into the hooks."
        )

    def test_it_is_registered_and_its_hooks_are_well_named(self) -> None:
        """One distribution claims the name in the group `tlzoo`; every hook is one that tlzoo knows, and marked.

        Fix: name the entry point as the suite's `plugin`, spell hooks as in docs/hooks.md, and put `@tlzoo.hookimpl`
        before each.
        """
        loaded = plugins.import_plugin(self.installed().name)
        known = {name for name in vars(hookspecs) if hasattr(getattr(hookspecs, name), "tlzoo_spec")}
        assert loaded.hooks, (
            f"{loaded.installed} has no hook. Mark them with @tlzoo.hookimpl; there are: {', '.join(sorted(known))}"
        )
        module = loaded.manager.get_plugin(self.plugin)
        unmarked = sorted(
            name for name in known - set(loaded.hooks) if callable(getattr(module, name, None)) and _own(module, name)
        )
        assert not unmarked, f"{unmarked[0]} looks like a hook and is not marked. Put @tlzoo.hookimpl before it."

    def test_what_it_registers_is_declared(self) -> None:
        """The names that its hooks `register_…` answer are those of its entry points, and none is the core's.

        Fix: in pyproject.toml declare each as an entry point, such as `forecasting = "<plugin>"` in the group
        `tlzoo.tasks`; without it the name is not found until somebody writes `<plugin>/forecasting`.
        """
        plugin = self.installed().name
        for kind, own in _core_names().items():
            registered = set(registered_extensions(kind, plugin))
            known = {one.name for one in declared_extensions(kind) if one.value == plugin}
            assert registered <= known, (
                f"register_{kind} answers {min(registered - known)!r}. Declare it in group tlzoo.{kind}."
            )
            assert known <= registered, (
                f"Group tlzoo.{kind} declares {min(known - registered)!r}, which register_{kind} lacks."
            )
            clash = registered & own
            assert not clash, f"register_{kind} answers {min(clash)!r}, which is the core's. Choose another name."

    def test_its_distribution_has_a_licence_and_says_which_tlzoo_it_needs(self) -> None:
        """The distribution's metadata name a licence and require tlzoo; an upper bound is advised.

        Fix: in pyproject.toml set `license = "<SPDX expression>"` and depend on a range such as `tlzoo>=0.1,<0.2`.
        """
        plugin = self.installed()
        facts: Any = metadata.metadata(plugin.distribution)
        classified = any(line.startswith("License ::") for line in facts.get_all("Classifier") or ())
        assert facts.get("License-Expression") or facts.get("License") or classified, (
            f"{plugin} names no licence. Set `license` in its pyproject.toml to an SPDX expression such as Apache-2.0."
        )
        needed = [found for line in facts.get_all("Requires-Dist") or () if (found := _tlzoo(line))]
        if not needed:
            report_note(f"{plugin} does not require tlzoo. Add it to the dependencies, such as tlzoo>=0.1,<0.2.")
        elif not any(part.operator in ("<", "<=", "==", "~=") for found in needed for part in found.specifier):
            report_note(f"{plugin} requires {needed[0]} without an upper bound. Add one, such as tlzoo>=0.1,<0.2.")


def _core_names() -> dict[ExtensionKind, set[str]]:
    from tlzoo.exporting.choices import FORMATS
    from tlzoo.plugins.adaptation import METHODS
    from tlzoo.tasks import CORE
    from tlzoo.training.strategies.table import STRATEGIES

    return {
        "tasks": set(CORE),
        "adaptation": set(METHODS),
        "strategies": set(STRATEGIES),
        "formats": {"onnx", *FORMATS},
    }


def _tlzoo(line: str) -> Requirement | None:
    """The requirement, where it is one of tlzoo that always holds."""
    try:
        requirement = Requirement(line)
    except InvalidRequirement:
        return None
    wanted = canonicalize_name(requirement.name) == "tlzoo"
    return requirement if wanted and (requirement.marker is None or requirement.marker.evaluate()) else None


def _own(module: Any, name: str) -> bool:
    """Whether a function is of the plugin itself, not one that it imported from elsewhere under the hook's name."""
    if not isinstance(module, ModuleType):
        return True
    return getattr(getattr(module, name), "__module__", None) == module.__name__
