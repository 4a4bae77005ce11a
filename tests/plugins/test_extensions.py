"""Tasks, methods, strategies and formats by name: what distributions declare, and what their plugins answer."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tlzoo.errors import HookError, PluginError, UsageError
from tlzoo.interfaces import AdaptationMethod, ExportFormat, RegisteredTask, Strategy
from tlzoo.plugins.extensions import (
    EXTENSION_KINDS,
    ExtensionKind,
    declared_extensions,
    extension_names,
    find_extension,
    registered_extensions,
)
from tlzoo.plugins.tasks import distribution_of, task_of, task_type, unfitted_task
from tlzoo.tasks import Task

Ship = Callable[..., Path]

WANTED = {
    "tasks": RegisteredTask,
    "adaptation": AdaptationMethod,
    "strategies": Strategy,
    "formats": ExportFormat,
}
MADE = {
    "tasks": 'RegisteredTask("new", object)',
    "adaptation": 'AdaptationMethod("new", print)',
    "strategies": 'Strategy("new", print)',
    "formats": 'ExportFormat("new", print)',
}


@pytest.fixture(autouse=True)
def _forgotten() -> Iterator[None]:
    """What a test has shipped is imported anew by the next."""
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if name.startswith(("tlzoo_tide", "tlzoo_moon", "tlzoo_star", "tlzoo_sight")):
            del sys.modules[name]


def hook(kind: str, answer: str) -> str:
    """A plugin whose hook of this kind returns this expression."""
    return f"""
    from tlzoo.plugin import AdaptationMethod, ExportFormat, RegisteredTask, Strategy, hookimpl

    @hookimpl
    def register_{kind}():
        return {answer}
"""


def entries(plugin: str, *lines: str) -> str:
    """The entry points of a plugin, and further lines."""
    return "\n".join(["[tlzoo]", f"{plugin} = tlzoo_{plugin}.plugin", *lines, ""])


def test_a_declaration_names_plugin_and_distribution_and_nothing_is_imported(
    ship: Ship, monkeypatch: pytest.MonkeyPatch
):
    for plugin in ("tide", "moon"):
        declared = entries(plugin, "[tlzoo.tasks]", f"of-{plugin} = {plugin}", f"also-{plugin} = {plugin}")
        ship(plugin, "raise RuntimeError('imported')", entries=declared)
    mine = [one for one in declared_extensions("tasks") if one.value in ("tide", "moon")]
    assert mine == [
        ("tlzoo-moon", "1.2", "also-moon", "moon"),
        ("tlzoo-moon", "1.2", "of-moon", "moon"),
        ("tlzoo-tide", "1.2", "also-tide", "tide"),
        ("tlzoo-tide", "1.2", "of-tide", "tide"),
    ]
    assert declared_extensions("formats") == []
    assert extension_names("tasks", ["own"]).startswith("own, ")
    assert "moon/of-moon" in extension_names("tasks", ["own"])
    monkeypatch.setenv("TLZOO_PLUGINS", "tide")
    assert {one.value for one in declared_extensions("tasks")} == {"tide"}
    assert not [name for name in sys.modules if name.startswith(("tlzoo_tide", "tlzoo_moon"))]


@pytest.mark.parametrize("kind", EXTENSION_KINDS)
def test_a_declared_name_stands_for_what_the_plugin_answers(ship: Ship, kind: ExtensionKind):
    ship("tide", hook(kind, f"[{MADE[kind]}]"), entries=entries("tide", f"[tlzoo.{kind}]", "new = tide"))
    for name in ("new", "tide/new"):
        found = find_extension(kind, name)
        assert found is not None
        assert (found.plugin, found.value.name) == ("tide", "new")
        assert isinstance(found.value, WANTED[kind])
    assert find_extension(kind, "newer") is None


def test_a_name_with_its_plugin_needs_no_declaration(ship: Ship):
    ship("tide", hook("strategies", f"[{MADE['strategies']}]"))
    found = find_extension("strategies", "tide/new")
    assert found is not None
    assert found.plugin == "tide"
    assert find_extension("strategies", "new") is None


def test_a_name_that_two_distributions_declare_names_both_and_how_to_choose(ship: Ship):
    for plugin in ("tide", "moon"):
        ship(plugin, hook("tasks", f"[{MADE['tasks']}]"), entries=entries(plugin, "[tlzoo.tasks]", f"new = {plugin}"))
    with pytest.raises(PluginError) as caught:
        find_extension("tasks", "new")
    for part in ("task 'new'", "tlzoo-moon 1.2", "tlzoo-tide 1.2"):
        assert part in caught.value.message
    for part in ("moon/new", "tide/new"):
        assert part in caught.value.hint
        found = find_extension("tasks", part)
        assert found is not None
        assert found.plugin == part.partition("/")[0]


SINGULAR = {"tasks": "task", "adaptation": "adaptation method", "strategies": "strategy", "formats": "format"}


@pytest.mark.parametrize("kind", EXTENSION_KINDS)
def test_what_a_plugin_does_not_have_is_reported_with_what_it_has(ship: Ship, kind: ExtensionKind):
    ship("tide", hook(kind, f"[{MADE[kind]}]"))
    ship("moon")
    ship("star", hook(kind, "None"))
    with pytest.raises(UsageError, match=f"no {SINGULAR[kind]} 'old' in plugin 'tide'") as caught:
        find_extension(kind, "tide/old")
    assert "tide/new" in caught.value.hint
    for plugin in ("moon", "star"):  # without the hook, and with one that has nothing
        with pytest.raises(UsageError, match=f"no {SINGULAR[kind]} 'new' in plugin '{plugin}'") as caught:
            find_extension(kind, f"{plugin}/new")
        assert f"registers no {SINGULAR[kind]}" in caught.value.hint


@pytest.mark.parametrize("answer", [f"[{MADE['tasks']}]", "[]", "None"])
def test_a_declared_name_that_the_plugin_does_not_register_is_its_fault(ship: Ship, answer: str):
    ship("tide", hook("tasks", answer), entries=entries("tide", "[tlzoo.tasks]", "old = tide"))
    for name in ("old", "tide/old"):
        with pytest.raises(PluginError, match=r"task 'old' is declared by plugin 'tide' \(.*tide.*\).*register_tasks"):
            find_extension("tasks", name)


def test_a_plugin_that_is_not_here_says_what_to_install():
    with pytest.raises(PluginError, match="'ghost'") as caught:
        find_extension("tasks", "ghost/new")
    assert "tlzoo plugins install tlzoo-ghost" in caught.value.hint


@pytest.mark.parametrize("kind", EXTENSION_KINDS)
@pytest.mark.parametrize(
    ("answer", "said"),
    [("7", "returned int, not a list"), ("[7]", "returned int, not {}"), ("'new'", "returned str, not {}"),
     ("[{made}, {made}]", "returned the duplicate name 'new'"), ("1 / 0", "ZeroDivisionError")],
    ids=["number", "numbers", "text", "twice", "fails"],
)  # fmt: skip
def test_a_hook_that_answers_with_something_else_is_named_with_its_distribution(
    ship: Ship, kind: ExtensionKind, answer: str, said: str
):
    ship("tide", hook(kind, answer.replace("{made}", MADE[kind])))
    with pytest.raises(HookError) as caught:
        registered_extensions(kind, "tide")
    for part in (f"register_{kind}", "'tide'", "tlzoo-tide 1.2", said.format(WANTED[kind].__name__)):
        assert part in caught.value.message


TASK = """
    from dataclasses import dataclass
    from typing import ClassVar

    from tlzoo.plugin import Output, RegisteredTask, Task, hookimpl

    @dataclass(frozen=True)
    class Sights(Task):
        depth: int = 1
        family: ClassVar[str] = "{family}"
        plugin: ClassVar[str] = "{plugin}"
        modalities: ClassVar[frozenset[str]] = frozenset({{"image"}})
        headline: ClassVar[str] = "error"
        monitor: ClassVar[str] = "error"
        directions: ClassVar[dict] = {{"error": "min"}}

        @property
        def outputs(self):
            return (Output("depths", ("batch", self.depth)),)

    @hookimpl
    def register_tasks():
        return [RegisteredTask("sights", {task})]
"""


@pytest.fixture
def sights(ship: Ship) -> Callable[..., None]:
    """Ships a plugin whose task is `sights`, of pictures."""

    def install(family: str = "sights", plugin: str = "sight", task: str = "Sights") -> None:
        code = TASK.format(family=family, plugin=plugin, task=task)
        ship("sight", code, entries=entries("sight", "[tlzoo.tasks]", "sights = sight"))

    return install


def test_a_plugins_task_is_made_as_runs_and_files_keep_it(sights: Callable[..., None]):
    sights()
    made: Any = task_of("image-sights", (), {"depth": 4}, "sight")
    assert (made.name, made.plugin, made.settings()) == ("image-sights", "sight", {"depth": 4})
    assert made.outputs[0].axes == ("batch", 4)
    assert task_of(made.name, made.labels, made.settings(), made.plugin) == made
    assert task_of("image-sights") == type(made)("image-sights")
    assert task_type("sights") is task_type("sight/sights") is type(made)
    assert issubclass(type(made), Task)
    assert distribution_of("sight") == "tlzoo-sight 1.2"
    assert distribution_of("") == distribution_of("ghost") == ""


@pytest.mark.parametrize(("name", "plugin"), [("image-sights", "sight"), ("image-classification", "")])
def test_settings_that_a_task_does_not_take_are_refused(sights: Callable[..., None], name: str, plugin: str):
    sights()
    with pytest.raises(UsageError, match=f"The task '{name}'.* does not take the settings height=4: .*'height'"):
        task_of(name, (), {"height": 4}, plugin)


def test_a_checkpoint_is_trained_for_a_plugins_task_of_its_modality(sights: Callable[..., None]):
    sights()
    served = ("image-classification",)
    for wanted in ("sights", "sight/sights", "image-sights"):
        found = unfitted_task(served, wanted)
        assert found is not None
        assert (found.name, found.plugin) == ("image-sights", "sight")
    with pytest.raises(UsageError, match="'sights' is for image, not for text"):
        unfitted_task(("text-classification",), "sights")
    assert unfitted_task(("text-classification", "image-classification"), "sights") == found
    own = unfitted_task(("image-sights", "image-classification"), None)
    assert own is not None
    assert own.name == "image-sights"
    core = unfitted_task(("image-strange", "image-classification"), None)
    assert core is not None
    assert core.name == "image-classification"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"task": "dict"}, "is not a subclass of Task"),
        ({"task": "Sights('image-sights')"}, "is not a subclass of Task"),
        ({"family": "views"}, "with the family 'sights'"),
        ({"plugin": "other"}, "belongs to plugin 'other'"),
        ({"plugin": ""}, "belongs to plugin ''"),
    ],
    ids=["another class", "no class", "another family", "another plugin", "no plugin"],
)
def test_a_task_that_does_not_say_where_it_is_from_is_refused(
    sights: Callable[..., None], changes: dict[str, str], said: str
):
    sights(**changes)
    with pytest.raises(HookError, match="'sights' of plugin 'sight'") as caught:
        task_type("sights")
    assert said in caught.value.message


def test_a_task_that_nobody_knows_is_reported_with_those_that_are_there(sights: Callable[..., None]):
    sights()
    with pytest.raises(UsageError, match="`task='views'` is unknown") as caught:
        task_type("views")
    assert "classification, multilabel, regression" in caught.value.hint
    assert "sight/sights" in caught.value.hint


@pytest.mark.parametrize("name", ["a/b", "Brief", "../evil", "7", "", "x y"])
def test_a_name_that_could_not_be_typed_is_refused(ship: Ship, name: str):
    ship("tide", hook("formats", f"[ExportFormat({name!r}, print)]"))
    with pytest.raises(HookError, match="returned the name") as caught:
        registered_extensions("formats", "tide")
    assert "lower-case letters" in caught.value.hint


@pytest.mark.parametrize("name", ["/new", "tide/", "/", " /new", "../new", "//new"])
@pytest.mark.parametrize("kind", EXTENSION_KINDS)
def test_a_name_with_an_empty_half_does_not_send_to_a_plugin_without_a_name(kind: ExtensionKind, name: str):
    with pytest.raises(UsageError, match="does not have the form PLUGIN/NAME") as error:
        find_extension(kind, name)
    assert repr(name) in str(error.value)
    assert "tlzoo-" not in str(error.value)


@pytest.mark.parametrize("value", ["nowhere", "moon"])
def test_a_name_declared_for_a_plugin_of_somebody_else_blames_who_declares_it(ship: Ship, value: str):
    ship("moon", "", entries=entries("moon"))
    ship("tide", "", entries=entries("tide", "[tlzoo.strategies]", f"glance = {value}"))
    assert not [one for one in declared_extensions("strategies") if one.name == "glance"]
    with pytest.raises(PluginError, match=rf"tlzoo-tide 1\.2 declares .* 'glance' of plugin '{value}', which it does"):
        find_extension("strategies", "glance")


def test_a_plugin_that_is_not_here_and_one_that_is_much_like_it(ship: Ship):
    ship("tide", "", entries=entries("tide"))
    for name in ("TIDE", "tides"):
        with pytest.raises(PluginError, match="Did you mean 'tide'"):
            find_extension("tasks", f"{name}/x")
