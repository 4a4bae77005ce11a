"""`tlzoo plugins check`: each stage finds what is wrong, whatever the plugin does to the process it is run in."""

from __future__ import annotations

import json
import os
import textwrap
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.release import every_other

from tlzoo.cli import main
from tlzoo.io.files import temporary_folder
from tlzoo.plugins.authoring import child, trial
from tlzoo.plugins.authoring.inspection import PluginCheck

Ship = Callable[..., Path]
GOOD = "from tlzoo import hookimpl\n@hookimpl\ndef freeze(model, policy): ...\n"


def check(capfd: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, dict[str, Any], str]:
    """Exit code, the one document on stdout, and stderr."""
    capfd.readouterr()
    code = main(["plugins", "check", *map(str, arguments), "--json"])
    out, err = capfd.readouterr()
    return code, json.loads(out), err


def failing(document: dict[str, Any]) -> dict[str, str]:
    return {row["name"]: row["message"] for row in document["checks"] if not row["passed"]}


def imported(name: str, limit: float = 120) -> dict[str, PluginCheck]:
    """The checks of the stage `import`, by name."""
    return {done.name: done for done in trial.try_import(name, f"tlzoo-{name}", limit) if done.stage == "import"}


@pytest.mark.parametrize(
    ("code", "cause"),
    every_other(
        [
            ("raise ValueError('no such luck')", "no such luck"),
            ("raise GeneratorExit", "GeneratorExit"),
            ("import sys; sys.exit(0)", "SystemExit"),
            ("import os; os._exit(0)", "ended with exit code 0 before it finished"),
            ("import os; os._exit(7)", "exit code 7"),
            ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "SIGSEGV"),
            ("while True: print('x' * 65536)", "not finish within 1 s"),
            ("import sys\nwhile True: sys.stderr.write('x' * 65536)", "not finish within 1 s"),
            ("import subprocess, time; subprocess.Popen(['sleep', '60']); time.sleep(60)", "not finish within 1 s"),
            (
                "import subprocess; subprocess.Popen(['sleep', '60'], start_new_session=True).wait()",
                "not finish within 1 s",
            ),
            ("while True: pass", "not finish within 1 s"),
            ("def broken(:", "plugin.py, line 1"),
            ("import tlzoo\n@tlzoo.hookimpl\ndef freze(model): ...", "did you mean 'freeze'"),
            ("import tlzoo\n@tlzoo.hookimpl\ndef freeze(modell): ...", "modell"),
            ("from tlzoo.registry.sources import fetch", "import from tlzoo.plugin instead"),
        ]
    ),
)
def test_an_import_that_goes_wrong_is_reported_and_over_in_time(ship: Ship, code: str, cause: str):
    ship("tides", code)
    done = imported("tides", 1 if "not finish" in cause else 120)["import"]
    assert (done.passed, cause in done.message, len(done.message) < 1000) == (False, True, True), done.message


@pytest.mark.parametrize("code", ["import torch", "try:\n    import torch.nn\nexcept ImportError:\n    pass"])
def test_an_import_of_torch_is_reported_with_its_place_though_it_is_caught(ship: Ship, code: str):
    ship("tides", f"from tlzoo_tides import middle\n{GOOD}", files={"middle.py": code})
    done = imported("tides")["without torch"]
    line = code.count("\n", 0, code.index("import")) + 1
    assert (done.passed, f"imports torch, at tlzoo_tides/middle.py line {line}" in done.message) == (False, True)


def test_what_it_imports_in_its_hooks_or_for_types_does_not_count(ship: Ship):
    types = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import timm\ndef hook():\n    import torch\n"
    ship("tides", f"import importlib.util\nfound = importlib.util.find_spec('torch')\n{types}{GOOD}")
    assert [done.passed for done in imported("tides").values()] == [True, True]


@pytest.mark.parametrize("head", ["from tlzoo import hookimpl as mine", "import tlzoo\nmine = tlzoo.hookimpl"])
def test_its_hooks_are_reported_wherever_they_stand(ship: Ship, head: str):
    code = f"{head}\nfrom tlzoo_tides.more import *\n@mine(specname='freeze')\ndef own(model): ...\n"
    ship("tides", code, files={"more.py": f"{head}\n@mine\ndef build_head(task): ...\n"})
    assert imported("tides")["import"].message == "hooks: build_head, freeze"


def test_a_call_in_another_process_tells_at_once_and_what_is_printed_is_no_answer(ship: Ship, tmp_path: Path):
    code = """
        import os, time

        def slow(tell, until):
            os.system("echo 1")
            print(2)
            tell({"told": 3})
            while not os.path.exists(until):
                time.sleep(0.05)
            tell({"told": 4})
    """
    ship("tides", code)
    told = child.run_in_child("tlzoo_tides.plugin:slow", 120, {}, until=str(tmp_path / "until"))
    assert next(told) == {"told": 3}
    (tmp_path / "until").touch()
    assert list(told) == [{"told": 4}, {"fault": "", "hint": "", "imported": []}]


def test_a_call_that_is_given_up_is_ended(ship: Ship, tmp_path: Path):
    ship("tides", "import os, time\ndef slow(tell):\n    tell({'pid': os.getpid()})\n    time.sleep(60)\n")
    told = child.run_in_child("tlzoo_tides.plugin:slow", 120, {})
    pid = next(told)["pid"]
    told.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_plugin_that_is_wrong_in_every_way_fails_each_check(ship: Ship, capfd: pytest.CaptureFixture[str]):
    code = "import torch\nimport tlzoo\n@tlzoo.hookimpl\ndef freze(model): ..."
    entries = "[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.conformance]\ntides = tlzoo_tides.nowhere:Suite\n"
    ship("tides", code, fields="Summary: none\n", entries=entries)
    status, document, err = check(capfd, "tides")
    assert (status, document["passed"]) == (2, False)
    wrong = failing(document)
    assert {"licence", "requirement", "suite", "import", "without torch"} == set(wrong)
    assert 'license = "Apache-2.0"' in wrong["licence"]
    assert "tlzoo>=0.1,<0.2" in wrong["requirement"]
    assert "no module 'tlzoo_tides.nowhere'" in wrong["suite"]
    assert "plugin.py line 1" in wrong["without torch"]
    assert err.startswith("Error: 'tides' fails 5 checks, first 'licence'")


def test_a_suite_that_fails_is_reported_row_by_row(ship: Ship, capfd: pytest.CaptureFixture[str]):
    suite = """
        from tlzoo.testing import PluginSuite

        class Suite(PluginSuite):
            plugin = "tides"
            checkpoint = "tides/none"
    """
    entries = "[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.conformance]\ntides = tlzoo_tides.suite:Suite\n"
    ship("tides", files={"suite.py": textwrap.dedent(suite)}, entries=entries)
    status, document, _ = check(capfd, "tlzoo_Tides")
    assert status == 2
    stages = [row["stage"] for row in document["checks"]]
    assert stages == sorted(stages, key=["static", "import", "conformance"].index)
    assert any("tides/none" in message for message in failing(document).values())


@pytest.mark.release
def test_a_suite_that_hangs_is_ended(ship: Ship):
    entries = "[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.conformance]\ntides = tlzoo_tides.suite:Suite\n"
    ship("tides", files={"suite.py": "import time; time.sleep(60)"}, entries=entries)
    (done,) = trial.try_suite("tides", 5)
    assert (done.passed, done.message) == (False, "it did not finish within 5 s")


def test_a_child_that_is_ended_leaves_no_temporary_folder():
    keep = "import tempfile, time\n\n\ndef keep(send):\n    send({'folder': tempfile.mkdtemp()})\n    time.sleep(60)\n"
    with temporary_folder() as folder:
        (folder / "keeping.py").write_text(keep)
        with pytest.MonkeyPatch.context() as patch:
            patch.syspath_prepend(folder)
            made, ended = child.run_in_child("keeping:keep", 5, {})
    assert "did not finish" in ended["fault"]
    assert not Path(made["folder"]).exists()


@pytest.mark.release
def test_the_check_that_runs_is_named_while_nothing_else_is_said(ship: Ship, monkeypatch: pytest.MonkeyPatch):
    steps = []

    @contextmanager
    def working(what: str) -> Iterator[Callable[[str], None]]:
        steps.append(what)
        yield steps.append

    monkeypatch.setattr(trial, "working", working)
    suite = """
    from tlzoo.testing import PluginSuite

    class Suite(PluginSuite):
        plugin = "tides"
        ids = ("tides/none",)
    """
    entries = "[tlzoo]\ntides = tlzoo_tides.plugin\n[tlzoo.conformance]\ntides = tlzoo_tides.suite:Suite\n"
    ship("tides", files={"suite.py": textwrap.dedent(suite)}, entries=entries)
    done = list(trial.try_suite("tides", 600))
    assert len(done) > 1
    assert steps == ["Starting the conformance suite of tides", *(f"Running {one.name}" for one in done)]


@pytest.mark.parametrize("what", ["nowhere", "tlzoo", "./nowhere", "nowhere.whl"])
def test_what_is_no_plugin_is_refused_in_one_line(what: str, capfd: pytest.CaptureFixture[str]):
    assert main(["plugins", "check", what]) == 2
    out, err = capfd.readouterr()
    assert (out, err.count("\n"), what.removeprefix("./") in err) == ("", 1, True)


PYPROJECT = """
[project]
name = "tlzoo-tides"
version = "0.1"
license = "MIT"
dependencies = ["tlzoo[train]>=0.1,<0.2"]
[project.entry-points.tlzoo]
tides = "tlzoo_tides.plugin"
"""


@pytest.mark.parametrize("source", ["", "src"])
@pytest.mark.parametrize(("code", "failed"), [(GOOD, set()), ("raise SystemExit", {"import"})])
def test_a_project_is_checked_without_its_suite(
    tmp_path: Path, source: str, code: str, failed: set[str], capfd: pytest.CaptureFixture[str]
):
    package = tmp_path / source / "tlzoo_tides"
    package.mkdir(parents=True)
    (package / "plugin.py").write_text(code)
    (tmp_path / "pyproject.toml").write_text(PYPROJECT)
    (tmp_path / "LICENSE").write_text("MIT")
    status, document, err = check(capfd, tmp_path)
    assert (status, set(failing(document))) == (2 if failed else 0, failed)
    assert {row["stage"] for row in document["checks"]} == {"static", "import"}
    assert bool(err) == bool(failed)


def wheel(folder: Path, extra: str = "", plugin: str = "raise SystemExit") -> Path:
    info = "tlzoo_tides-0.1.dist-info"
    path = folder / "tlzoo_tides-0.1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("tlzoo_tides/plugin.py", plugin)
        file.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.4\nName: tlzoo-tides\nVersion: 0.1\nRequires-Dist: tlzoo\n"
        )
        file.writestr(f"{info}/entry_points.txt", "[tlzoo]\ntides = tlzoo_tides.plugin\n")
        if extra:
            file.writestr(extra, "x")
    return path


def test_a_wheel_is_checked_without_its_suite(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    status, document, _ = check(capfd, wheel(tmp_path, plugin="import torch"))
    assert (status, set(failing(document))) == (2, {"licence", "import", "without torch"})


@pytest.mark.parametrize("member", ["../evil.py", "/evil.py", "a/../../evil.py", "a\\..\\evil.py"])
def test_a_wheel_whose_members_leave_it_is_refused_by_name(
    tmp_path: Path, member: str, capfd: pytest.CaptureFixture[str]
):
    assert main(["plugins", "check", str(wheel(tmp_path, member))]) == 2
    assert repr(member) in capfd.readouterr().err
    assert not list(tmp_path.parent.glob("evil.py"))


def test_a_file_that_is_no_wheel_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    (tmp_path / "x.whl").write_bytes(b"PK\3\4 torn")
    assert main(["plugins", "check", str(tmp_path / "x.whl")]) == 2
    assert "is not a valid wheel" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("line", "named"),
    [
        ('name = "../../outside"', "'name'"),
        ('name = "/outside"', "'name'"),
        ('name = "a\\nRequires-Dist: b"', "'name'"),
        ('name = "a"\nversion = [1]', "'version'"),
        ('name = "a"\nlicense-files = ["/etc/*"]', "'license-files'"),
        ('name = "a"\nlicense-files = ["../*"]', "'license-files'"),
        ('name = "a"\ndependencies = 5', "'dependencies'"),
        ('name = "a"\nentry-points = {"a]\\n[b" = {c = "d"}}', "'entry-points'"),
        ('name = "a"\nx = ' + "[" * 20_000, "pyproject.toml"),
    ],
)
def test_a_field_that_would_name_files_elsewhere_or_break_the_metadata_is_refused(
    tmp_path: Path, line: str, named: str, capfd: pytest.CaptureFixture[str]
):
    project = tmp_path / "a" / "b"
    project.mkdir(parents=True)
    (project / "pyproject.toml").write_text(f"[project]\n{line}\n")
    assert main(["plugins", "check", str(project)]) == 2
    err = capfd.readouterr().err
    assert (err.count("\n"), named in err) == (1, True)
    assert not list(tmp_path.glob("**/outside*"))


@pytest.mark.needs("mkfifo")
def test_a_project_file_that_is_a_pipe_or_a_device_is_refused_at_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
):
    os.mkfifo(tmp_path / "pyproject.toml")
    assert main(["plugins", "check", str(tmp_path)]) == 2
    assert "it is a named pipe" in capfd.readouterr().err


def test_a_wheel_whose_stream_is_broken_is_refused(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    path = tmp_path / "x.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("a.py", "x = 1\n" * 99)
    path.write_bytes(path.read_bytes()[:34] + b"\xff" * 12 + path.read_bytes()[46:])
    assert main(["plugins", "check", str(path)]) == 2
    assert "is not a valid wheel" in capfd.readouterr().err
