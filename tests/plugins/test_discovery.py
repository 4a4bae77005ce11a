"""Which plugins there are by their metadata, whose an error is, and for which tlzoo they are built."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlzoo import plugins
from tlzoo.errors import DataError, HookError, PluginError, UsageError
from tlzoo.plugins import adaptation, attribution, discovery
from tlzoo.plugins.attribution import attribute_errors, error_line, name_plugins, plugin_error, raised_by_plugin
from tlzoo.plugins.discovery import DamagedPlugin, InstalledPlugin, claimants, damaged_plugins, find, metadata_fault
from tlzoo.plugins.extensions import split_plugin_name, unknown_extension
from tlzoo.plugins.versions import tlzoo_requirements, unmet_requirement
from tlzoo.tasks import make_task
from tlzoo.version import __version__

Ship = Callable[..., Path]
OWN = InstalledPlugin("vision", "TLZOO.Vision", "1.0", "m")
TAKEN = InstalledPlugin("vision", "other", "2.0", "n")
FREE, RIVAL = InstalledPlugin("cells", "tlzoo-cells", "1.0", "m"), InstalledPlugin("cells", "cells", "2.0", "n")


def test_a_first_party_name_has_one_distribution():
    assert claimants("vision", [OWN, TAKEN, FREE]) == [OWN]
    assert claimants("vision", [TAKEN]) == []
    assert claimants("cells", [OWN, FREE, RIVAL]) == [FREE, RIVAL]
    assert str(FREE) == "tlzoo-cells 1.0"


@pytest.mark.parametrize(
    ("enabled", "name", "message", "hint"),
    [
        (
            [TAKEN],
            "vision",
            "Plugin name 'vision' belongs to tlzoo-vision, but other 2.0 claims it.",
            "Uninstall it: tlzoo plugins uninstall other",
        ),
        (
            [RIVAL, FREE],
            "cells",
            "Plugin name 'cells' is claimed by cells 2.0 and tlzoo-cells 1.0.",
            "Uninstall one: tlzoo plugins uninstall tlzoo-cells",
        ),
        ([], "cells", "No plugin 'cells' is installed.", "Install it: tlzoo plugins install tlzoo-cells"),
        ([FREE], "nlp", "No plugin 'nlp' is installed.", "Install it: tlzoo plugins install tlzoo-nlp"),
        (
            [FREE],
            "Cell",
            "No plugin 'Cell' is installed.",
            "Did you mean 'cells'? Otherwise install it: tlzoo plugins install tlzoo-Cell",
        ),
    ],
)
def test_a_plugin_that_cannot_be_had_says_what_to_do(
    monkeypatch: pytest.MonkeyPatch, enabled: list[InstalledPlugin], name: str, message: str, hint: str
):
    monkeypatch.setattr(discovery, "enabled_plugins", lambda: enabled)
    with pytest.raises(PluginError) as refused:
        find(name)
    assert (refused.value.message, refused.value.hint) == (message, hint)


def test_the_only_one_that_may_have_a_name_is_found(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(discovery, "enabled_plugins", lambda: [TAKEN, OWN, FREE])
    assert (find("vision"), find("cells")) == (OWN, FREE)


def test_a_plugin_that_is_switched_off_is_told_so(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("TLZOO_PLUGINS", "nlp, speech")
    assert {one.name for one in plugins.enabled_plugins()} == {"nlp", "speech"}
    assert "vision" in {one.name for one in plugins.declared_plugins()}
    with pytest.raises(PluginError) as refused:
        find("vision")
    assert refused.value.message == "Plugin 'vision' is switched off by TLZOO_PLUGINS."
    assert refused.value.hint == "Add its name there, or unset it."


def test_distributions_bring_plugins_or_registries(ship: Ship):
    ship("cells")
    ship("maps", entries="[tlzoo.registry]\nmaps = tlzoo_maps:r.json\n")
    ship("words", entries="[console_scripts]\nwords = tlzoo_words:main\n")
    found = discovery.contributors()
    assert found == sorted(found)
    assert {"tlzoo-cells", "tlzoo-maps", "tlzoo-vision"} <= set(found)
    assert "tlzoo-words" not in found


@pytest.mark.parametrize(
    ("entries", "name"),
    [
        ("[tlzoo]\ncells = tlzoo_cells\n", "cells"),
        ("[other]\nx = y\n[tlzoo]\n  my.cells =tlzoo_cells\n", "my.cells"),
        ("[tlzoo.registry]\nmaps = a:b\n", "my_cells"),
        ("[other]\nx = y\n", None),
        ("", None),
    ],
)
def test_a_distribution_whose_metadata_is_damaged_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, entries: str, name: str | None
):
    info = tmp_path / "tlzoo_my_cells-1.2.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("")
    (info / "entry_points.txt").write_text(entries)
    monkeypatch.setattr(sys, "path", [str(tmp_path), str(tmp_path)])
    fault = "METADATA has no Name and Version"
    expected = [] if name is None else [DamagedPlugin(name, "tlzoo-my-cells", "1.2", str(info), fault)]
    assert damaged_plugins() == expected
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: tlzoo-my-cells\nVersion: 1.2\n")
    assert damaged_plugins() == []


@pytest.mark.parametrize(
    ("fields", "whole"), [("Name: a\nVersion: 1\n", True), ("Name: a\n", False), ("Version: 1\n", False), ("", False)]
)
def test_metadata_needs_a_name_and_a_version(tmp_path: Path, fields: str, whole: bool):
    (tmp_path / "a-1.dist-info").mkdir()
    (tmp_path / "a-1.dist-info" / "METADATA").write_text(fields)
    assert (metadata_fault(metadata.Distribution.at(tmp_path / "a-1.dist-info")) == "") == whole


def test_a_folder_without_entry_points_has_none(tmp_path: Path):
    assert discovery._raw_entries(tmp_path) == ""


@pytest.mark.parametrize(
    ("requires", "unmet"),
    [
        (None, None),
        ([], None),
        (["numpy<1"], None),
        ([f"tlzoo=={__version__}"], None),
        (["tlzoo<0.0.1"], "tlzoo<0.0.1"),
        ([" TLZoo[train] <0.0.1"], " TLZoo[train] <0.0.1"),
        (["tlzoo-vision<0.0.1"], None),
        (["tlzoo<0.0.1; python_version < '3'"], None),
        (["tlzoo<0.0.1; python_version > '3'"], "tlzoo<0.0.1; python_version > '3'"),
        (["tlzoo?!", "tlzoo", "tlzoo<0.0.2", "tlzoo<0.0.1"], "tlzoo<0.0.2"),
        (["tlzoo>=0.0.1.dev0"], None),
    ],
)
def test_the_first_requirement_that_excludes_this_tlzoo(requires: list[str] | None, unmet: str | None):
    assert unmet_requirement(requires) == unmet


def test_requirements_on_tlzoo_have_their_specifiers():
    lines = ["tlzoo[train]>=0.1,<0.2", "numpy", "tlzoo-nlp>1", "tlzoo", "tlzoo>"]
    assert tlzoo_requirements(lines) == [("tlzoo[train]>=0.1,<0.2", "<0.2,>=0.1"), ("tlzoo", "")]


class Unspeakable(Exception):
    def __str__(self) -> str:
        raise RuntimeError


@pytest.mark.parametrize(
    ("cause", "line"),
    [
        (ValueError("a\n  b"), "ValueError: a b"),
        (ValueError(), "ValueError"),
        (KeyError("x"), "KeyError: 'x'"),
        (ValueError("a:"), "ValueError: a"),
        (Unspeakable(), "Unspeakable"),
    ],
)
def test_an_error_in_one_line(cause: Exception, line: str):
    assert error_line(cause) == line


def raising(ship: Ship, name: str, code: str) -> Any:
    """The function `act` of a plugin with this code."""
    ship(name, code=code)
    return __import__(f"tlzoo_{name}.plugin", fromlist=["act"]).act


def test_an_error_from_a_plugins_code_names_it_and_the_line(ship: Ship):
    act = raising(ship, "raises", "def act():\n    {}[1]\n")
    with pytest.raises(HookError) as caught, name_plugins():
        act()
    said = "Plugin 'raises' (tlzoo-raises 1.2) failed in plugin.py, line 2, in act: KeyError: 1"
    assert (caught.value.message, caught.value.hint) == (said, attribution.DEBUG_HINT)
    assert isinstance(caught.value.__cause__, KeyError)
    with pytest.raises(HookError) as caught, attribute_errors("Hook 'x'", "raises"):
        act()
    assert caught.value.message == "Hook 'x' of plugin 'raises' (tlzoo-raises 1.2) failed: KeyError: 1"
    assert caught.value.hint == attribution.DEBUG_HINT


def test_what_an_error_was_raised_from_counts_too(ship: Ship):
    act = raising(ship, "deeper", "def act():\n    raise ValueError('inner')\n")
    try:
        try:
            act()
        except ValueError as inner:
            raise RuntimeError("outer") from inner
    except RuntimeError as error:
        found = raised_by_plugin(error)
        assert found is not None
        assert found.message.endswith("line 2, in act: ValueError: inner")
    assert raised_by_plugin(ValueError("nobody's")) is None
    circle = ValueError("a")
    circle.__cause__ = circle
    assert raised_by_plugin(circle) is None


@pytest.mark.parametrize("guard", [name_plugins, lambda: attribute_errors("Hook 'x'", "vision")])
@pytest.mark.parametrize("error", [UsageError("No.", hint="Try."), KeyboardInterrupt()])
def test_errors_of_tlzoo_and_stops_pass(guard: Any, error: BaseException):
    inherited = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored where this runs under nohup
    try:
        with pytest.raises(type(error)) as caught, guard():
            raise error
    finally:
        signal.signal(signal.SIGINT, inherited)
    assert caught.value is error


def test_an_error_that_is_no_plugins_stays_as_it_is():
    with pytest.raises(ValueError, match="mine"), name_plugins():
        raise ValueError("mine")


def test_where_guests_were_asked_they_are_named(monkeypatch: pytest.MonkeyPatch):
    for called, who in ((set(), None), ({"vision"}, None), ({"b", "vision", "a"}, "plugin 'a' or plugin 'b'")):
        monkeypatch.setattr(attribution, "CALLED_PLUGINS", called)
        found = plugin_error(TypeError("x"))
        said = None if who is None else f"Something that {who} returned cannot be used: TypeError: x"
        assert (found and found.message) == said


@pytest.mark.parametrize(
    ("given", "split"), [("a/b", ("a", "b")), ("A_1.x-y/b/c", ("A_1.x-y", "b/c")), ("a/ b", ("a", " b"))]
)
def test_a_name_with_its_plugin_is_split_at_the_first_slash(given: str, split: tuple[str, str]):
    assert split_plugin_name("head", given) == split


@pytest.mark.parametrize(
    ("what", "parameter"), [("head", "head"), ("freeze policy", "freeze"), ("adaptation method", "method")]
)
@pytest.mark.parametrize("given", ["a/", "/b", "a/ ", "-a/b", "a", ""])
def test_a_name_without_one_half_is_refused(what: str, parameter: str, given: str):
    with pytest.raises(UsageError) as refused:
        split_plugin_name(what, given)
    assert refused.value.message == f"The {what} {given!r} does not have the form PLUGIN/NAME."
    assert refused.value.parameter == parameter


def test_an_unknown_name_is_answered_with_one_like_it_or_all(ship: Ship):
    ship("cells", entries="[tlzoo]\ncells = tlzoo_cells.plugin\n[tlzoo.adaptation]\nshift = cells\n")
    near = unknown_extension("adaptation", "CORAI", ("auto", "coral"))
    assert (near.message, near.hint) == ("`method='CORAI'` is unknown.", "Did you mean coral?")
    far = unknown_extension("adaptation", "zzz", ("auto", "coral"))
    assert (far.hint, far.parameter) == ("Choose one of: auto, coral, cells/shift.", "method")
    assert unknown_extension("tasks", "zzz", ("a",)).parameter == "task"
    assert adaptation.method_names() == "auto, coral, cells/shift"


HOOKED = "from tlzoo import hookimpl\n\n@hookimpl\ndef adapt_domain():\n    return None\n"


def test_a_method_is_the_cores_or_declared_or_a_hook_may_know_it(ship: Ship):
    ship("cells", entries="[tlzoo]\ncells = tlzoo_cells.plugin\n[tlzoo.adaptation]\nshift = cells\n")
    ship("hooked", HOOKED)
    for method in ("auto", "coral", "shift"):
        adaptation.check_method(method, "cells")
    adaptation.check_method("anything", "hooked")
    adaptation.check_method("hooked/anything", "cells")
    with pytest.raises(UsageError, match="`method='anything'` is unknown"):
        adaptation.check_method("anything", "cells")
    with pytest.raises(UsageError) as refused:
        adaptation.check_method("cells/other", "hooked")
    assert refused.value.message == "Plugin 'cells' (tlzoo-cells 1.2) has no adaptation method 'other'."
    assert (refused.value.hint, refused.value.parameter) == ("Methods: auto, coral, cells/shift.", "method")
    with pytest.raises(PluginError, match="is declared by plugin 'cells'"):
        adaptation.check_method("cells/shift", "hooked")
    found = [adaptation.is_coral(*case) for case in (("auto", "cells"), ("coral", "hooked"), ("shift", "cells"))]
    assert found == [True, False, False]


@pytest.mark.parametrize(
    ("distinct", "samples", "given"),
    [(19, 19, "19"), (19, 30, "19 (30 are given, most of them copies)"), (0, 0, "0")],
)
def test_coral_needs_twenty_distinct_samples(distinct: int, samples: int, given: str):
    task = make_task("image-classification", ("a", "b"))
    adaptation.check_coral(task, 20, 20)
    with pytest.raises(DataError) as refused:
        adaptation.check_coral(task, distinct, samples)
    assert refused.value.message.startswith(f"CORAL needs 20 target samples or more, not {given}: fewer say")


def test_coral_needs_a_probe():
    task: Any = SimpleNamespace(name="plain", supports=frozenset({"threshold"}))
    with pytest.raises(UsageError) as refused:
        adaptation.check_coral(task, 20, 20)
    assert refused.value.message == "CORAL fits a probe, a linear head on features, which plain does not support."
    assert refused.value.hint == "Choose a plugin's method: `method='PLUGIN/NAME'`. Methods: auto, coral."
    assert refused.value.parameter == "method"
