"""Loading plugins: real distributions on sys.path, good ones and every kind of bad one."""

from __future__ import annotations

import inspect
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import tlzoo
from tlzoo import plugins
from tlzoo.errors import DataError, HookError, PluginError
from tlzoo.interfaces import Backbone, Freeze, Graph, Head
from tlzoo.plugins import hookspecs
from tlzoo.plugins.preprocess import plugin_preprocessor
from tlzoo.registry.schema import Checkpoint
from tlzoo.specs import PluginSpec

HEAVY = ("torch", "transformers", "timm", "onnxruntime", "numpy")
GOOD = """
    from tlzoo import Freeze, hookimpl

    @hookimpl
    def freeze(model, policy):
        return Freeze(frozenset({policy}))
"""
Install = Callable[..., None]
SPECIFIED = {
    name: tuple(inspect.signature(hook).parameters)
    for name, hook in vars(hookspecs).items()
    if hasattr(hook, "tlzoo_spec")
}
"""Every hook's arguments."""


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """A function that puts a distribution with one plugin module on sys.path."""
    monkeypatch.delenv("TLZOO_PLUGINS", raising=False)
    plugins.import_plugin.cache_clear()
    modules = set(sys.modules)

    def add(
        name: str,
        code: str = GOOD,
        *,
        distribution: str = "",
        version: str = "1.2",
        entry: str = "",
        requires: str = "pluggy",
    ) -> None:
        distribution = distribution or f"tlzoo-{name}"
        module = distribution.replace("-", "_") + "_module"
        site = tmp_path / distribution
        info = site / f"{distribution.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (site / f"{module}.py").write_text(textwrap.dedent(code))
        head = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        (info / "METADATA").write_text(f"{head}Requires-Dist: {requires}\n")
        (info / "entry_points.txt").write_text(entry or f"[tlzoo]\n{name} = {module}\n")
        monkeypatch.syspath_prepend(site)

    yield add
    plugins.import_plugin.cache_clear()
    for module in set(sys.modules) - modules:
        if module.endswith("_module"):
            del sys.modules[module]


def names() -> set[str]:
    return {plugin.name for plugin in plugins.enabled_plugins()}


def ask(name: str, **options: object) -> object:
    return plugins.call("freeze", name, Freeze, model=None, policy="all", **options)


def test_a_plugin_is_listed_with_its_distribution_and_version_without_being_imported(install: Install):
    install("good", "raise RuntimeError('imported')")
    assert plugins.InstalledPlugin("good", "tlzoo-good", "1.2", "tlzoo_good_module") in plugins.enabled_plugins()
    assert "tlzoo_good_module" not in sys.modules


def test_a_hook_is_asked_by_keyword_and_its_answer_returned(install: Install):
    install("good")
    assert Freeze(frozenset({"all"})) == ask("good")
    assert plugins.import_plugin("good").hooks == ["freeze"]


def test_one_plugin_is_asked_and_not_the_others(install: Install):
    install("good")
    install("other", GOOD.replace("frozenset({policy})", "frozenset({'other'})"))
    assert Freeze(frozenset({"all"})) == ask("good")


def test_a_plugin_may_be_an_object_inside_a_module(install: Install):
    code = """
        from tlzoo import Freeze, hookimpl

        class Plugin:
            @hookimpl
            def freeze(self, policy):
                return Freeze(frozenset({policy}))

        plugin = Plugin()
    """
    install("object", code, entry="[tlzoo]\nobject = tlzoo_object_module:plugin\n")
    assert Freeze(frozenset({"all"})) == ask("object")


@pytest.mark.parametrize(
    ("code", "cause"),
    [
        ("raise ValueError('no such luck')", "no such luck"),
        ("import a_module_that_is_not_there", "a_module_that_is_not_there"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("raise GeneratorExit", "GeneratorExit"),
        ("class Own(BaseException): __str__ = None\nraise Own", "Own"),
        ("def broken(:", "SyntaxError"),
        (GOOD.replace("def freeze", "def freze"), "freze"),
        (GOOD.replace("def freeze", "def freze"), "did you mean 'freeze'"),
        ("import tlzoo.parts", "import from tlzoo.plugin instead"),
        (GOOD.replace("(model, policy)", "(model, policies)"), "policies"),
    ],
    ids=[
        "raises",
        "missing import",
        "exits",
        "ends",
        "untold",
        "syntax",
        "misspelt",
        "meant",
        "gone",
        "unknown argument",
    ],
)
def test_a_plugin_that_cannot_load_is_named_with_version_cause_and_way_out(install: Install, code: str, cause: str):
    install("bad", code)
    with pytest.raises(PluginError) as caught:
        plugins.import_plugin("bad")
    for part in ("bad", "tlzoo-bad 1.2", cause):
        assert part in caught.value.message
    assert "tlzoo plugins uninstall tlzoo-bad" in caught.value.hint


def test_two_distributions_that_claim_one_name_are_both_named(install: Install):
    install("twin", distribution="tlzoo-castor")
    install("twin", distribution="tlzoo-pollux", version="3")
    with pytest.raises(PluginError) as caught:
        plugins.import_plugin("twin")
    assert "tlzoo-castor 1.2" in caught.value.message
    assert "tlzoo-pollux 3" in caught.value.message
    assert "tlzoo plugins uninstall" in caught.value.hint


def test_a_distribution_found_twice_counts_once(install: Install, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    install("good")
    copy = tmp_path / "copy" / "tlzoo_good-1.1.dist-info"
    copy.mkdir(parents=True)
    (copy / "METADATA").write_text("Metadata-Version: 2.1\nName: TLZOO_good\nVersion: 1.1\n")
    (copy / "entry_points.txt").write_text("[tlzoo]\ngood = nowhere\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(copy.parent)])
    assert [plugin.version for plugin in plugins.enabled_plugins() if plugin.name == "good"] == ["1.2"]


def test_a_distribution_with_unreadable_metadata_does_not_hide_the_others(install: Install):
    install("good")
    install("torn", entry="[tlzoo]\nthis is no entry point\n")
    assert {"good"} <= names()
    assert "torn" not in names()


def test_the_environment_selects_plugins(install: Install, monkeypatch: pytest.MonkeyPatch):
    install("good")
    install("other")
    monkeypatch.setenv("TLZOO_PLUGINS", "other, third")
    assert {"other"} == names()
    with pytest.raises(PluginError, match="TLZOO_PLUGINS"):
        plugins.import_plugin("good")
    monkeypatch.setenv("TLZOO_PLUGINS", "")
    assert set() == names()


@pytest.mark.parametrize(("name", "package"), [("nlp", "tlzoo-nlp"), ("genomes", "tlzoo-genomes")])
def test_a_missing_plugin_says_what_to_install(name: str, package: str, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delenv("TLZOO_PLUGINS", raising=False)
    with pytest.raises(PluginError) as caught:
        plugins.find(name)
    assert f"tlzoo plugins install {package}" in caught.value.hint


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ("return 'all of it'", "str"),
        ("raise KeyError('layer')", "KeyError"),
        ("raise SystemExit(0)", "SystemExit"),
        ("return None", "returns nothing from"),
    ],
)
def test_a_hook_that_fails_is_wrapped_with_plugin_and_version(install: Install, body: str, cause: str):
    install("bad", GOOD.replace("return Freeze(frozenset({policy}))", body))
    with pytest.raises(HookError) as caught:
        ask("bad")
    for part in ("freeze", "tlzoo-bad 1.2", cause):
        assert part in caught.value.message


def test_an_error_meant_for_the_user_passes_a_hook_unchanged(install: Install):
    code = GOOD.replace("return Freeze(frozenset({policy}))", "raise DataError('too few', hint='add some')")
    install("good", "\n    from tlzoo.errors import DataError" + code)
    with pytest.raises(DataError, match="too few"):
        ask("good")


@pytest.mark.needs("posix")
def test_being_stopped_during_a_hook_is_not_blamed_on_the_plugin(install: Install):
    stop = "__import__('signal').raise_signal(15)"
    install("good", GOOD.replace("return Freeze(frozenset({policy}))", stop))
    before = signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(143))
    try:
        with pytest.raises(SystemExit):
            ask("good")
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.parametrize("code", [129, 130, 143])
def test_a_plugin_that_exits_as_after_a_signal_is_named(install: Install, code: int):
    install("good", GOOD.replace("return Freeze(frozenset({policy}))", f"raise SystemExit({code})"))
    with pytest.raises(HookError, match=f"tlzoo-good 1.2.* failed: SystemExit: {code}"):
        ask("good")


def test_the_core_answers_where_a_plugin_does_not(install: Install):
    def default(model: object, policy: str) -> Freeze:
        return Freeze(frozenset({f"core {policy}"}))

    install("silent", GOOD.replace("return Freeze(frozenset({policy}))", "return None"))
    install("hookless", "")
    expected = Freeze(frozenset({"core all"}))
    assert expected == ask("silent", default=default)
    assert expected == ask("hookless", default=default)


@pytest.mark.parametrize("requires", ["tlzoo>=9", "tlzoo[train]<0.1", "tlzoo==1.*; python_version > '3'"])
def test_a_plugin_for_another_tlzoo_is_refused_before_it_is_imported(install: Install, requires: str):
    install("foreign", "raise ValueError('imported')", requires=requires)
    with pytest.raises(PluginError) as caught:
        plugins.import_plugin("foreign")
    for part in ("tlzoo-foreign 1.2", requires.partition(";")[0], f"tlzoo {tlzoo.__version__}"):
        assert part in caught.value.message


@pytest.mark.parametrize("requires", ["tlzoo[train]>=0.1,<0.2", "tlzoo>=9; extra == 'x'", "tlzoo-x>=9", "tlzoo >>= 1"])
def test_requirements_that_do_not_exclude_this_tlzoo_do_not_matter(install: Install, requires: str):
    install("good", requires=requires)
    assert Freeze(frozenset({"all"})) == ask("good")


def test_a_slow_import_says_who_is_slow_and_how_to_go_on(
    install: Install, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    install("slow", "import time; time.sleep(0.3)")
    install("quick")
    plugins.import_plugin("quick")
    monkeypatch.setattr("tlzoo.plugins.manager._SLOW_IMPORT_S", 0.05)
    assert plugins.import_plugin("slow").hooks == []
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    for part in ("'slow'", "tlzoo-slow 1.2", "Ctrl-C", "TLZOO_PLUGINS", "tlzoo plugins uninstall tlzoo-slow"):
        assert part in said


def test_ctrl_c_during_an_import_is_not_blamed_on_the_plugin(install: Install, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(signal, "getsignal", lambda number: signal.default_int_handler)
    install("slow", "raise KeyboardInterrupt")
    with pytest.raises(KeyboardInterrupt):
        plugins.import_plugin("slow")


WANTED = {
    "resolve_checkpoint": Checkpoint,
    "load_backbone": Backbone,
    "build_head": Head,
    "freeze": Freeze,
    "adapt_domain": object,
    "export": Graph,
    "make_preprocessor": object,
    "register_tasks": object,
    "register_adaptation": object,
    "register_strategies": object,
    "register_formats": object,
}


def test_every_hook_has_a_type_of_answer():
    assert set(WANTED) == set(SPECIFIED)


@pytest.mark.parametrize("hook", sorted(name for name, kind in WANTED.items() if kind is not object))
def test_an_answer_of_the_wrong_type_names_hook_plugin_and_both_types(install: Install, hook: str):
    arguments = ", ".join(SPECIFIED[hook])
    install("wrong", f"from tlzoo import hookimpl\n@hookimpl\ndef {hook}({arguments}): return ['wrong']")
    with pytest.raises(HookError) as caught:
        plugins.call(hook, "wrong", WANTED[hook], **dict.fromkeys(SPECIFIED[hook]))
    for part in (hook, "tlzoo-wrong 1.2", "list", WANTED[hook].__name__):
        assert part in caught.value.message


def test_a_preprocessor_that_cannot_be_called_names_its_plugin(install: Install):
    install("wrong", "from tlzoo import hookimpl\n@hookimpl\ndef make_preprocessor(spec): return ['wrong']")
    with pytest.raises(HookError, match=r"tlzoo-wrong 1\.2.*list"):
        plugin_preprocessor(PluginSpec(plugin="wrong"))


def test_an_adaptation_that_is_no_model_names_its_plugin(install: Install):
    from tlzoo.models.model import TaskModel

    install("wrong", "from tlzoo import hookimpl\n@hookimpl\ndef adapt_domain(model): return ['wrong']")
    with pytest.raises(HookError, match=r"adapt_domain.*tlzoo-wrong 1\.2.*list, not TaskModel"):
        plugins.call("adapt_domain", "wrong", TaskModel, **dict.fromkeys(SPECIFIED["adapt_domain"]))


@pytest.mark.parametrize(
    "arguments", [None, ["--help"], ["models"], ["models", "--json"], ["plugins"], ["plugins", "list", "--json"]]
)
def test_the_light_path_imports_nothing_heavy(arguments: list[str] | None):
    run = "import tlzoo" if arguments is None else f"from tlzoo.cli import main; assert main({arguments}) == 0"
    code = f"{run}; import sys; print(sorted(set({HEAVY}) & set(sys.modules)), file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=dict(os.environ))
    assert (done.returncode, done.stderr.strip().splitlines()[-1]) == (0, "[]"), done.stderr
