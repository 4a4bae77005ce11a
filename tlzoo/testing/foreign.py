"""Checks that a plugin says `None` to what is not its own, so that the core, or an error that helps, can answer."""

from __future__ import annotations

from typing import Any
from unittest import SkipTest

from tlzoo import plugins
from tlzoo.data.dataset import make_dataset
from tlzoo.errors import TlzooError
from tlzoo.interfaces import Repository
from tlzoo.plugins.preprocess import checkpoint_preprocessor
from tlzoo.specs import PluginSpec
from tlzoo.testing.base import SuiteBase, requires

STRANGER = "conformance-stranger"
"""A name that no plugin, architecture, policy or method has."""


class Foreign(SuiteBase):
    """Hooks asked for what another plugin, or nobody, knows."""

    def _hook(self, name: str) -> Any:
        """The plugin's own hook, with no default behind it; the check is skipped where it has none."""
        loaded = plugins.import_plugin(self.installed().name)
        if name not in loaded.hooks:
            raise SkipTest(f"It has no hook {name!r}.")
        return getattr(loaded.manager.hook, name)

    def _gets_none(self, hook: str, what: str, *, or_hint: bool = False, **given: Any) -> None:
        """Assert that the answer is `None`, or an error of tlzoo's that says what to do where that is allowed."""
        ask = self._hook(hook)
        try:
            answer = ask(**given)
        except Exception as error:
            if or_hint and isinstance(error, TlzooError) and error.hint:
                return
            raise AssertionError(
                f"{hook} fails on {what} with {type(error).__name__}: {error}. "
                f"Answer None{', or raise a TlzooError with a hint' if or_hint else ''}."
            ) from error
        assert answer is None, f"{hook} answers {what} with {type(answer).__name__}. Answer None to what is not yours."

    def test_an_entry_of_another_plugin_gets_none(self) -> None:
        """`load_backbone` answers `None` to an entry that another plugin builds, whatever its architecture is.

        Fix: begin the hook with `if checkpoint.plugin != "<name>": return None`.
        """
        foreign = self.entry().model_copy(update={"id": f"{STRANGER}/model", "builder": STRANGER})
        output = self.first_output()
        what = f"an entry of plugin {STRANGER!r}"
        self._gets_none("load_backbone", what, checkpoint=foreign, weights=None, output=output)

    def test_an_unknown_architecture_gets_none_or_a_hint(self) -> None:
        """`load_backbone` answers an architecture it does not know with `None`, or a TlzooError with a hint.

        Fix: look the architecture up before building it.
        """
        unknown = self.entry().model_copy(update={"id": f"{self.plugin}/{STRANGER}", "architecture": STRANGER})
        output = self.first_output()
        what = f"architecture {STRANGER!r}"
        self._gets_none("load_backbone", what, or_hint=True, checkpoint=unknown, weights=None, output=output)

    def test_ids_of_others_are_not_resolved(self) -> None:
        """`resolve_checkpoint` answers ids and repositories that are not its own with `None`, or an error with a hint.

        Fix: look at the prefix of the id, and at the repository's own configuration, before answering.
        """
        repository = Repository(
            name=f"{STRANGER}/model",
            revision="0" * 40,
            sizes={"config.json": 2, "model.safetensors": 8},
            sha256={},
            documents={"config.json": {"model_type": STRANGER, "architectures": [STRANGER]}},
            license=None,
            languages=(),
            tags=(),
        )
        self._gets_none("resolve_checkpoint", "an id of another plugin", id=f"{STRANGER}/model", repository=None)
        what, id = "a repository of unknown kind", f"hf/{STRANGER}/model"
        self._gets_none("resolve_checkpoint", what, or_hint=True, id=id, repository=repository)

    @requires("test_outputs_are_as_declared")
    def test_an_unknown_freeze_policy_gets_none(self) -> None:
        """`freeze` answers a policy that it does not know with `None`: the core then knows it, or names all there are.

        Fix: end the hook with `return None`.
        """
        self._hook("freeze")
        self._gets_none("freeze", f"policy {STRANGER!r}", model=self.model(), policy=STRANGER)

    @requires("test_outputs_are_as_declared")
    def test_an_unknown_adaptation_gets_none(self) -> None:
        """`adapt_domain` answers a method that it does not know with `None`: the core then knows it, or names all.

        Fix: end the hook with `return None`.
        """
        self._hook("adapt_domain")
        model, samples = self.model(), self.collection()
        unlabelled = type(samples)(samples.inputs, None, samples.modality)
        preprocessor = checkpoint_preprocessor(self.entry(), self.backbone().preprocess)
        target = make_dataset(unlabelled, model.task, preprocessor)
        what = f"method {STRANGER!r}"
        self._gets_none("adapt_domain", what, model=model, source=None, target=target, method=STRANGER, options={})

    def test_preprocessing_of_another_plugin_gets_none(self) -> None:
        """`make_preprocessor` answers a specification that names another plugin with `None`.

        Fix: begin the hook with `if spec.kind != "plugin" or spec.plugin != "<name>": return None`.
        """
        self._gets_none(
            "make_preprocessor", "another plugin's specification", spec=PluginSpec(plugin=STRANGER, options={})
        )
