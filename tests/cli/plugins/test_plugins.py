"""`tlzoo plugins` in a real environment of its own: list, install and uninstall a small real wheel."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
import zipfile
from pathlib import Path

import pytest
from shared_fixtures.needs import missing

from tlzoo.cli import main
from tlzoo.cli.plugins.listing import COLUMNS
from tlzoo.errors import UsageError
from tlzoo.plugins.authoring.status import status
from tlzoo.plugins.installer import requirement

REPOSITORY = Path(__file__).parents[3]


def make_wheel(folder: Path, distribution: str, name: str) -> Path:
    """A wheel with one plugin that must never be imported by these commands."""
    module = distribution.replace("-", "_")
    info = f"{module}-1.2.dist-info"
    files = {
        f"{module}.py": "raise SystemExit('imported')\n",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        f"{info}/entry_points.txt": f"[tlzoo]\n{name} = {module}\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    path = folder / f"{module}-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for member, content in {**files, f"{info}/RECORD": record}.items():
            wheel.writestr(member, content)
    return path


class Environment:
    """A virtual environment that sees this one's packages and this repository's tlzoo."""

    def __init__(self, folder: Path, made_by: str) -> None:
        venv.create(folder, with_pip=False, symlinks=True)
        self.python = folder / "bin" / "python"
        site = next(folder.glob("lib/python*/site-packages"))
        packages = [path for path in sys.path if path.endswith("site-packages")]
        (site / "tlzoo-under-test.pth").write_text("\n".join([str(REPOSITORY), *packages]) + "\n")
        if made_by == "uv":
            with (folder / "pyvenv.cfg").open("a") as settings:
                settings.write("uv = 0.9.0\n")

    def tlzoo(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        code = "import sys; from tlzoo.cli import main; sys.exit(main(sys.argv[1:]))"
        environment = {k: v for k, v in os.environ.items() if k not in ("TLZOO_PLUGINS", "PYTHONPATH")}
        environment |= {"PIP_NO_INDEX": "1", "UV_OFFLINE": "1"}
        return subprocess.run(
            [str(self.python), "-c", code, *arguments], capture_output=True, text=True, env=environment, timeout=120
        )

    def listed(self) -> dict[str, dict[str, str]]:
        done = self.tlzoo("plugins", "list", "--json")
        assert done.returncode == 0, done.stderr
        return {row["distribution"]: row for row in json.loads(done.stdout)}


@pytest.fixture(scope="module", params=["venv", "uv"])
def environment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Environment:
    if request.param == "uv" and not shutil.which("uv"):
        missing("uv")
    return Environment(tmp_path_factory.mktemp(request.param) / "env", request.param)


def test_a_plugin_is_installed_listed_and_uninstalled_without_being_imported(environment: Environment, tmp_path: Path):
    wheel = make_wheel(tmp_path, "tlzoo-genomes", "genomes")
    installed = environment.tlzoo("plugins", "install", str(wheel))
    assert (installed.returncode, installed.stdout) == (0, ""), installed.stderr
    assert "tlzoo-genomes 1.2" in installed.stderr
    row = environment.listed()["tlzoo-genomes"]
    expected = {"name": "genomes", "version": "1.2", "module": "tlzoo_genomes", "status": "ok"}
    assert expected == {field: row[field] for field in expected}
    removed = environment.tlzoo("plugins", "uninstall", "genomes")
    assert removed.returncode == 0, removed.stderr
    assert removed.stderr.strip().splitlines()[-1] == "Uninstalled tlzoo-genomes."
    assert "tlzoo-genomes" not in environment.listed()


def test_a_failed_installation_says_why_in_one_line(environment: Environment):
    done = environment.tlzoo("plugins", "install", "tlzoo-that-nobody-wrote")
    assert (done.returncode, done.stdout) == (2, "")
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: Could not install tlzoo-that-nobody-wrote: ")
    assert "Traceback" not in done.stderr


def test_only_plugins_can_be_uninstalled(environment: Environment):
    done = environment.tlzoo("plugins", "uninstall", "pydantic")
    assert done.returncode == 2
    assert "pydantic" in done.stderr


def test_an_option_in_place_of_a_package_never_reaches_the_installer(environment: Environment):
    done = environment.tlzoo("plugins", "install", "--", "--index-url=https://example.org")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: '--index-url=https://example.org' is not a package.")


@pytest.mark.parametrize("spec", ["--help", "-r", " -e", "tlzoo-x --index-url=x", "tlzoo-x\t-i x", "", " ", "a\nb"])
def test_what_an_installer_would_take_for_an_option_is_refused(spec: str):
    with pytest.raises(UsageError, match="is not a package"):
        requirement(spec)


@pytest.mark.parametrize(
    ("spec", "given"),
    [
        ("vision", "tlzoo-vision"),
        ("nlp==0.1.0", "tlzoo-nlp==0.1.0"),
        ("vision[x]", "tlzoo-vision[x]"),
        ("./vision", "./vision"),
        ("visions", "visions"),
        ("speech/x.whl", "speech/x.whl"),
        ("git+https://example.org/x@v1", "git+https://example.org/x@v1"),
    ],
)
def test_short_names_are_first_party_distributions_whatever_follows_them(spec: str, given: str):
    assert requirement(spec) == given


def unpack(folder: Path, distribution: str, name: str) -> Path:
    """The wheel's contents in a folder of their own."""
    with zipfile.ZipFile(make_wheel(folder, distribution, name)) as wheel:
        wheel.extractall(folder / distribution)
    return folder / distribution


def test_a_name_claimed_twice_is_a_conflict(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("TLZOO_PLUGINS", raising=False)
    for distribution in ("tlzoo-castor", "tlzoo-pollux"):
        monkeypatch.syspath_prepend(unpack(tmp_path, distribution, "twin"))
    twins = [(row["distribution"], row["status"]) for row in status() if row["name"] == "twin"]
    assert twins == [("tlzoo-castor", "conflict"), ("tlzoo-pollux", "conflict")]


def test_a_plugin_that_is_switched_off_is_listed_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.syspath_prepend(unpack(tmp_path, "tlzoo-genomes", "genomes"))
    monkeypatch.setenv("TLZOO_PLUGINS", "vision")
    assert [row["status"] for row in status() if row["name"] == "genomes"] == ["off"]


def test_plugins_without_a_command_lists_tab_separated(environment: Environment):
    done = environment.tlzoo("plugins")
    assert (done.returncode, done.stdout.splitlines()[0]) == (0, "\t".join(COLUMNS))


def test_a_wheel_with_a_member_outside_is_refused_before_any_installer_sees_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    path = make_wheel(tmp_path, "tlzoo-slip", "slip")
    with zipfile.ZipFile(path, "a") as wheel:
        wheel.writestr("../../slipped", "")
    assert main(["plugins", "install", str(path)]) == 2
    assert "'../../slipped' is outside the archive" in capsys.readouterr().err


@pytest.mark.parametrize("spec", ["./nowhere", "/nowhere/tlzoo-x[test]", "nowhere/x-1-py3-none-any.whl"])
def test_a_path_that_is_not_there_is_named(spec: str, capsys: pytest.CaptureFixture[str]):
    assert main(["plugins", "install", spec]) == 2
    assert f"Error: {Path(spec.partition('[')[0])} does not exist." in capsys.readouterr().err


def test_why_a_plugin_s_registry_is_left_out_is_one_clean_line(tmp_path: Path):
    folder = unpack(tmp_path, "tlzoo-ill", "ill")
    with next(folder.glob("*.dist-info/entry_points.txt")).open("a") as entries:
        entries.write("[tlzoo.registry]\nill = ../\x1b[31m:x\n")
    done = subprocess.run(
        [sys.executable, "-m", "tlzoo", "models", "--limit", "1"],
        env={**os.environ, "PYTHONPATH": str(folder), "TLZOO_PLUGINS": "ill"},
        capture_output=True,
        text=True,
    )
    (said,) = (line for line in done.stderr.splitlines() if "'ill'" in line)
    assert said.startswith("Warning: The registry of plugin 'ill' is ignored")
    assert "\x1b" not in said
