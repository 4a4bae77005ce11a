"""What docs/howto/task.md writes is a task that trains, exports, proves and answers, on any checkpoint of texts."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo import plugins
from tlzoo.plugins.authoring.creation import create
from tlzoo.testing.running import run, suites_of

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "task.md").read_text(encoding="utf-8")
FILES = re.findall(
    r"^(?:At the end of |In )?`(tlzoo_stars/\w+\.py|pyproject\.toml)`(?:, under `(.+)`)?:\n\n```\w+\n(.*?)^```$",
    PAGE,
    re.DOTALL | re.MULTILINE,
)
"""Of each file what the page adds, and the line that it goes under where that is not at the end."""


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plugin that the page begins with, and what the page adds to its files."""
    folder = create("stars", "text", tmp_path_factory.mktemp("page") / "tlzoo-stars").path
    for name, under, text in FILES:
        file = folder / name
        before = f"{file.read_text(encoding='utf-8')}\n\n" if file.exists() else ""
        assert under in before
        file.write_text(before.replace(under, f"{under}\n{text}") if under else before + text, encoding="utf-8")
    info = folder / "tlzoo_stars-0.1.0.dist-info"
    info.mkdir()
    groups = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]["entry-points"]
    lines = [f"[{group}]\n" + "\n".join(f"{k} = {v}" for k, v in table.items()) for group, table in groups.items()]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n")
    fields = "License-Expression: Apache-2.0\nLicense-File: LICENSE\nRequires-Dist: tlzoo<0.2,>=0.1\n"
    (info / "METADATA").write_text(f"Metadata-Version: 2.4\nName: tlzoo-stars\nVersion: 0.1.0\n{fields}")
    return folder


@pytest.fixture
def stars(zoo: Any, project: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The same, to be imported."""
    monkeypatch.syspath_prepend(project)
    plugins.import_plugin.cache_clear()
    yield project
    plugins.import_plugin.cache_clear()
    for name in [name for name in sys.modules if name.partition(".")[0] == "tlzoo_stars"]:
        del sys.modules[name]


@pytest.fixture
def reviews(stars: Path, tmp_path: Path) -> Path:
    """The samples of the page's suite."""
    from tlzoo_stars.conformance import TestRatings

    data: Path = TestRatings().samples(tmp_path)
    return data


def test_the_page_writes_a_task_of_at_most_120_lines():
    files = [name.rpartition("/")[2] for name, _, _ in FILES]
    assert files == ["ratings.py", "head.py", "plugin.py", "pyproject.toml", "conformance.py", "pyproject.toml"]
    assert sum(1 for _, _, text in FILES for line in text.splitlines() if line.strip()) <= 120


def test_what_it_types_works(
    stars: Path, reviews: Path, command: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    typed = [shlex.split(line) for line in PAGE.splitlines() if line.startswith("tlzoo ")]
    said = {}
    for _, name, *arguments in typed:
        if name == "plugins":
            continue
        done = command(name, *arguments)
        assert done.code == 0, done.err
        said[name] = done.out
    assert set(said) == {"finetune", "export", "verify", "predict"}
    assert "mae" in said["finetune"]
    assert said["predict"].splitlines()[0] == "input\trating\texpected"


def test_the_project_passes_the_static_check_and_its_own_linter(stars: Path, command: Callable[..., Any]):
    checks = command("plugins", "check", stars, "--json").json["checks"]
    assert [check for check in checks if not check["passed"]] == []
    ruff = [sys.executable, "-m", "ruff", "check", "--no-cache", "--exclude", "*.dist-info", "."]
    done = subprocess.run(ruff, cwd=stars, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.release
def test_any_checkpoint_of_the_modality_takes_the_task(stars: Path, reviews: Path, tmp_path: Path):
    options = {"epochs": 15, "batch": 8, "lr": 1e-2}
    trained = tlzoo.finetune(
        "nlp/test-bert",
        reviews,
        out=tmp_path / "run",
        task="ratings",
        strategy="finetune",
        freeze="all",
        options=options,
    )
    assert trained.record.settings == {"lowest": 1, "highest": 5}
    predictor = trained.export(tmp_path / "stars.onnx").load()
    worst, best = predictor.predict(["awful awful awful awful great", "great great great great great"])
    assert 1 <= worst.expected < best.expected <= 5
    assert worst.rating <= best.rating


@pytest.mark.release
def test_its_suite_passes(stars: Path):
    suites = suites_of("stars")
    assert list(suites) == ["", "ratings"]
    results = run(suites["ratings"])
    assert [(result.name, result.message) for result in results if not result.passed] == []
    assert "test_its_metrics_are_finite" in {result.name for result in results}


@pytest.mark.parametrize(("cell", "said"), [("many", "no whole number"), ("", "has no 'label'")])
def test_a_cell_that_is_no_rating_is_named_with_its_place(
    stars: Path, command: Callable[..., Any], tmp_path: Path, cell: str, said: str
):
    (tmp_path / "bad.csv").write_text(f"text,label\ngood,3\nfine,{cell}\n")
    done = command(
        "finetune",
        "stars/small",
        tmp_path / "bad.csv",
        "--task",
        "ratings",
        "--strategy",
        "finetune",
        "--out",
        tmp_path / "r",
    )
    assert done.code == 2
    assert said in done.err
    assert "line 3" in done.err
