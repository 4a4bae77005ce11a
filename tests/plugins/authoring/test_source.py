"""What is read from a plugin's source without running it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

from tlzoo.plugins.authoring import source

Tree = Callable[[dict[str, str]], tuple[str, ...]]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """Writes files; returns the roots to look in."""

    def write(files: dict[str, str]) -> tuple[str, ...]:
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(textwrap.dedent(text), encoding="utf-8")
        return (str(tmp_path),)

    return write


def names(value: str, roots: tuple[str, ...]) -> list[str] | None:
    found = source.hooks(value, roots)
    return None if found is None else sorted(hook.name for hook in found)


def test_the_specifications_are_those_that_pluggy_knows():
    assert source.specifications()["freeze"] == ("model", "policy")
    assert len(source.specifications()) == 11


@pytest.mark.parametrize(
    "head",
    [
        "from tlzoo import hookimpl",
        "from tlzoo.plugins.hookspecs import hookimpl",
        "from tlzoo import hookimpl as mine\nhookimpl = mine",
        "import pluggy\nhookimpl = pluggy.HookimplMarker('tlzoo')",
        "from pluggy import HookimplMarker\nhookimpl = HookimplMarker('tlzoo')",
    ],
)
@pytest.mark.parametrize("decorator", ["@hookimpl", "@hookimpl(tryfirst=True)"])
def test_hooks_are_seen_however_the_marker_is_named(tree: Tree, head: str, decorator: str):
    code = f"{head}\n\n{decorator}\ndef freeze(model, policy): raise SystemExit\n\ndef export(model): ...\n"
    assert names("p", tree({"p.py": code})) == ["freeze"]


@pytest.mark.parametrize("decorator", ["tlzoo.hookimpl", "z.hookimpl"])
def test_hooks_are_seen_behind_the_module(tree: Tree, decorator: str):
    code = f"import tlzoo\nimport tlzoo as z\n\n@{decorator}\ndef freeze(model): ...\n"
    assert names("p", tree({"p.py": code})) == ["freeze"]


def test_another_projects_marker_is_none_of_ours(tree: Tree):
    code = "import pluggy\nhookimpl = pluggy.HookimplMarker('pytest')\n\n@hookimpl\ndef freeze(model): ...\n"
    assert names("p", tree({"p.py": code})) == []


def test_a_hook_may_be_named_apart_from_its_function(tree: Tree):
    code = "from tlzoo import hookimpl\n\n@hookimpl(specname='freeze')\ndef mine(model, policy, own=1): ...\n"
    (hook,) = source.hooks("p", tree({"p.py": code})) or ()
    assert (hook.name, hook.arguments, hook.line) == ("freeze", ("model", "policy"), 4)


def test_hooks_are_seen_in_conditions_and_in_modules_of_the_package(tree: Tree):
    roots = tree(
        {
            "p/__init__.py": "raise SystemExit",
            "p/plugin.py": """
                from tlzoo import hookimpl
                from p.more import export as export
                from .rest import *
                from json import loads

                try:
                    @hookimpl
                    def freeze(model, policy): ...
                except ImportError:
                    pass
            """,
            "p/more.py": "from tlzoo import hookimpl\n@hookimpl\ndef export(x): ...\n@hookimpl\ndef freze(x): ...\n",
            "p/rest.py": "import tlzoo\nfrom p import plugin\n@tlzoo.hookimpl\ndef build_head(task): ...\n",
        }
    )
    assert names("p.plugin", roots) == ["build_head", "export", "freeze"]


def test_hooks_of_an_object_are_its_class_s_methods(tree: Tree):
    code = """
        from tlzoo import hookimpl

        class Plugin:
            @hookimpl
            def freeze(self, model, policy): ...

            @staticmethod
            @hookimpl
            def export(model): ...

        plugin = Plugin()
    """
    found = source.hooks("p:plugin", tree({"p.py": code})) or []
    assert {hook.name: hook.arguments for hook in found} == {"freeze": ("model", "policy"), "export": ("model",)}


@pytest.mark.parametrize("code", ["from x import Base\nclass P(Base): ...\nplugin = P()", "plugin = make()", ""])
def test_hooks_that_only_running_would_tell_are_unknown(tree: Tree, code: str):
    assert source.hooks("p:plugin", tree({"p.py": code})) is None


def test_hooks_of_a_compiled_module_are_unknown(tree: Tree):
    assert source.hooks("p.plugin", tree({"p/__init__.py": "", f"p/plugin{source.EXTENSION_SUFFIXES[0]}": ""})) is None


@pytest.mark.parametrize("module", ["nowhere", "p.nowhere", "p.plugin.deeper"])
def test_a_module_that_is_not_there_is_named(tree: Tree, module: str):
    roots = tree({"p/__init__.py": "", "p/plugin.py": ""})
    with pytest.raises(LookupError, match=module):
        source.hooks(module, roots)


@pytest.mark.parametrize("code", ["def broken(:", "x = '\0'", "(" * 5000])
def test_what_is_no_python_is_named(tree: Tree, code: str):
    with pytest.raises(SyntaxError, match=r"p\.py"):
        source.hooks("p", tree({"p.py": code}))


def test_heavy_imports_are_found_where_importing_would_run_them(tree: Tree):
    roots = tree(
        {
            "p/__init__.py": "",
            "p/plugin.py": """
                from typing import TYPE_CHECKING
                from p import middle
                if TYPE_CHECKING:
                    import timm

                def hook():
                    import transformers
            """,
            "p/middle.py": "try:\n    from torch import nn\nexcept ImportError:\n    pass\n",
            "p/unused.py": "import timm\n",
        }
    )
    assert source.heavy_imports("p.plugin", ("torch", "timm", "transformers"), roots) == [
        "torch, at p/middle.py line 2"
    ]
