"""A plugin that is right passes every check: in a third party's pytest, without pytest, and by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cogapp import Cog

from tlzoo.errors import PluginError, UsageError
from tlzoo.testing import PluginSuite, run, running
from tlzoo.testing.__main__ import main
from tlzoo.testing.running import checks, suites_of

QUICK = ["test_it_is_registered_and_its_hooks_are_well_named", "test_stages_hold_every_parameter_once"]
TEN_LINES = """
from tlzoo.testing import PluginSuite

class TestConformance(PluginSuite):
    plugin = "tiny"
"""


def test_a_plugin_that_is_right_passes_every_check(tiny):
    results = run(tiny())
    assert [(result.name, result.message) for result in results if not result.passed] == []
    assert [result.name for result in results] == checks(PluginSuite)


def test_every_check_says_what_it_proves_and_how_to_fix_its_fault():
    for name in checks(PluginSuite):
        first, _, rest = (getattr(PluginSuite, name).__doc__ or "").partition("\n\n")
        assert (name, True, True) == (name, len(first) > 30, "Fix: " in rest)


def test_the_table_in_the_docs_is_that_of_the_checks():
    document = Path(__file__).parents[2] / "docs" / "conformance.md"
    assert Cog().main(["cog", "--check", str(document)]) == 0


@pytest.mark.release
def test_ten_lines_run_in_a_third_partys_pytest_and_leave_nothing_behind(tiny, tmp_path, registry_file):
    tiny()
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "test_tiny.py").write_text(TEN_LINES)
    (tmp_path / "temporary").mkdir()
    environment = {
        **os.environ,
        "PYTHONPATH": str(tmp_path / "site"),
        "TMPDIR": str(tmp_path / "temporary"),
        "TLZOO_REGISTRY": str(registry_file),
    }
    chosen = "example_inputs or heavy or policy or stages_hold"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--rootdir=.", "-k", chosen]
    ended = subprocess.run(command, cwd=tmp_path / "mine", env=environment, capture_output=True, text=True)
    assert (ended.returncode, "3 passed, 1 skipped" in ended.stdout) == (0, True), ended.stdout
    assert [path.name for path in (tmp_path / "temporary").iterdir() if path.name.startswith("tlzoo")] == []


def test_the_command_prints_one_document_whatever_the_plugin_prints(tiny, tmp_path, registry_file):
    tiny(built="print('building')", width="9")
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "TLZOO_REGISTRY": str(registry_file)}
    only = [word for name in ("test_outputs_are_as_declared", *QUICK) for word in ("--only", name)]
    command = [sys.executable, "-m", "tlzoo.testing", "tiny", "--json", *only]
    ended = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    document = json.loads(ended.stdout)
    assert (ended.returncode, document["passed"]) == (2, False)
    assert (document["plugin"], document["distribution"], document["version"]) == ("tiny", "tlzoo-tiny", "1.2")
    outcomes = {row["name"]: row["passed"] for row in document["results"]}
    assert outcomes == {QUICK[0]: True, "test_outputs_are_as_declared": False, QUICK[1]: True}
    messages = {row["name"]: row["message"] for row in document["results"]}
    assert messages[QUICK[1]] == "Skipped until test_outputs_are_as_declared passes."
    assert all(set(row) == {"name", "passed", "message", "seconds"} for row in document["results"])


def test_the_suite_of_a_plugins_own_is_found_by_its_entry_point(tiny, tmp_path):
    tiny(suite="tlzoo_tiny_suite:Suite")
    (tmp_path / "site" / "tlzoo_tiny_suite.py").write_text(TEN_LINES.replace("TestConformance", "Suite"))
    suite = suites_of("tiny")[""]
    assert (suite.__module__, suite.plugin) == ("tlzoo_tiny_suite", "tiny")


def test_a_plugin_may_have_a_suite_for_each_of_its_tasks(tiny, tmp_path, registry_file, monkeypatch, capsys):
    tiny(suite="tlzoo_tiny_suite:Suite", declared="tiny.sides = tlzoo_tiny_suite:Sides\n")
    monkeypatch.setenv("TLZOO_REGISTRY", str(registry_file))
    code = TEN_LINES.replace("TestConformance", "Suite") + "\nclass Sides(Suite):\n    task_name = 'regression'\n"
    (tmp_path / "site" / "tlzoo_tiny_suite.py").write_text(code)
    assert {name: suite.task_name for name, suite in suites_of("tiny").items()} == {"": "", "sides": "regression"}
    assert main(["tiny", "--json", "--only", QUICK[0]]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [row["name"] for row in document["results"]] == [QUICK[0], f"sides.{QUICK[0]}"]


@pytest.mark.parametrize("value", ["tlzoo_nowhere:Suite", "tlzoo_tiny:Suite", "tlzoo_tiny:Backbone", "tlzoo_tiny"])
def test_an_entry_point_that_leads_to_no_suite_is_named(tiny, value):
    tiny(suite=value)
    with pytest.raises(PluginError, match=value):
        suites_of("tiny")[""]


def test_without_one_the_suite_is_about_the_plugins_smallest_checkpoint():
    suite = suites_of("vision")[""]
    assert (suite.plugin, suite.weights, suite().entry().id) == ("vision", "random", "vision/mobilenetv3-small")


def test_a_plugin_without_entries_is_asked_to_ship_some(tiny):
    suite = type("Bare", (tiny(),), {"checkpoint": None})
    [result] = run(suite, ["test_its_entries_are_valid"])
    assert (result.passed, "registry file" in result.message) == (False, True)


def test_an_unknown_plugin_or_check_is_a_users_error(tiny, capsys):
    tiny()
    assert [main(["nothing-of-this-name"]), main(["tiny", "--only", "test_nothing"])] == [2, 2]
    with pytest.raises(UsageError):
        run(suites_of("tiny")[""], ["test_nothing"])
    printed = capsys.readouterr()
    assert (printed.out, len(printed.err.splitlines())) == ("", 2)


def test_the_table_says_what_failed_and_counts(tiny, registry_file, monkeypatch, capsys):
    tiny(hooks="def freeze(model, policy):\n    return None")
    monkeypatch.setenv("TLZOO_REGISTRY", str(registry_file))
    assert main(["tiny", "--only", QUICK[0], "--only", "test_its_entries_are_valid"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"FAIL {QUICK[0]}"
    assert lines[-1].startswith("1 passed, 1 failed")


def test_what_a_suite_made_is_gone_and_the_environment_as_it_was(tiny):
    suite, before = tiny(), dict(os.environ)
    folders: list[Path] = []
    suite.test_notes_its_folder = lambda self: folders.append(self.folder())  # type: ignore[attr-defined]
    assert [result.passed for result in run(suite, ["test_notes_its_folder"])] == [True]
    assert ([folder.exists() for folder in folders], dict(os.environ)) == ([False], before)


@pytest.mark.parametrize(("plugin", "told"), [("", "The suite names no plugin"), ("nobody", "No plugin 'nobody'")])
def test_a_suite_of_no_plugin_says_so_in_a_line(plugin: str, told: str):
    suite = type("TestNobody", (PluginSuite,), {"plugin": plugin})
    messages = {result.message for result in run(suite) if not result.passed}
    assert len(messages) == 1
    assert told in messages.pop()


@pytest.mark.release
def test_pytest_runs_the_checks_in_the_suite_s_order(tmp_path: Path):
    class Seen:
        def pytest_collection_finish(self, session: pytest.Session) -> None:
            self.names = [item.name for item in session.items]

    (tmp_path / "test_order.py").write_text(TEN_LINES)
    seen, options = Seen(), ["-q", "-p", "no:cacheprovider", "-p", "no:xdist", "-c", os.devnull]
    assert pytest.main([*options, "--collect-only", f"--rootdir={tmp_path}", str(tmp_path)], [seen]) == 0
    assert seen.names == checks(PluginSuite)


def test_each_result_is_reported_before_the_next_check_runs(tiny: Any):
    suite, events = tiny(), list[str]()
    for name in ("test_one", "test_two"):
        setattr(suite, name, lambda self, name=name: events.append(f"{name} runs"))
    results = run(suite, ["test_one", "test_two"], lambda result: events.append(f"{result.name} is told"))
    assert events == ["test_one runs", "test_one is told", "test_two runs", "test_two is told"]
    assert [result.name for result in results] == ["test_one", "test_two"]


@pytest.mark.release
def test_a_suite_may_use_fixtures_parameters_and_marks_of_pytest(tiny: Any):
    suite = tiny()

    @pytest.mark.parametrize("number", [1, 2])
    def test_number(self: PluginSuite, number: int, tmp_path: Path) -> None:
        if not tmp_path.is_dir() or number == 2:
            raise AssertionError("It is two.")

    suite.test_number = test_number
    found = {result.name: (result.passed, result.message) for result in run(suite, ["test_number"])}
    assert found == {"test_number[1]": (True, ""), "test_number[2]": (False, "It is two.")}


def test_where_pytest_is_missing_one_line_says_what_to_type():
    code = (
        "import sys; sys.modules['pytest'] = None; from tlzoo.testing.__main__ import main; sys.exit(main(['vision']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (2, "", 1)
    assert "pip install 'tlzoo[conformance]'" in done.stderr


@pytest.fixture
def policy_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_metadata: str) -> str:
    """A plugin that brings a freeze policy and no checkpoint."""
    info = tmp_path / "site" / "tlzoo_alone-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(tiny_metadata.replace("tlzoo-tiny", "tlzoo-alone"))
    (info / "entry_points.txt").write_text("[tlzoo]\nalone = tlzoo_alone\n")
    (tmp_path / "site" / "tlzoo_alone.py").write_text(
        "from tlzoo.plugin import Freeze, hookimpl\n\n@hookimpl\ndef freeze(model, policy):\n"
        "    names = {name for name, _ in model.named_parameters() if name.endswith('.bias')}\n"
        "    return Freeze(frozenset(names)) if policy == 'biases' else None\n"
    )
    monkeypatch.syspath_prepend(tmp_path / "site")
    return "alone"


def test_what_a_plugin_without_checkpoints_adds_is_tried_on_one_of_another(
    tiny: Any, policy_alone: str, tiny_entry: Any, monkeypatch: pytest.MonkeyPatch
):
    alone = type("Alone", (PluginSuite,), {"plugin": policy_alone})
    found = {result.name: result for result in run(alone)}
    assert [result for result in found.values() if not result.passed] == []
    assert "It has no checkpoint." in found["test_a_step_changes_only_what_trains"].message
    tiny()
    chosen = ["test_an_unknown_freeze_policy_gets_none", "test_its_own_policies_train_the_backbone"]
    tried = run(type("Tried", (alone,), {"checkpoint": tiny_entry, "policies": ("alone/biases",)}), chosen)
    assert [(result.passed, result.message) for result in tried] == [(True, "")] * 2


def test_a_check_of_one_plugin_lets_those_count_whose_checkpoints_it_names(
    tiny_entry: Any, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("TLZOO_PLUGINS", "alone")
    suites = [type("Of", (PluginSuite,), {"checkpoint": one}) for one in (None, "nlp/all-minilm-l6-v2", tiny_entry)]
    running._enable_plugins_of(suites)
    assert os.environ["TLZOO_PLUGINS"] == "alone,nlp,tiny"
