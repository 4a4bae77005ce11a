"""benchmarks/compare.py: fails where a figure got worse by more than the factor, and for nothing else."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
BEFORE = {"load": (2.0, "s"), "peak": (100.0, "MiB"), "pictures": (50.0, "/s"), "accuracy": (0.9, "share")}


def written(path: Path, figures: dict[str, tuple[float, str]], benchmark: str = "probe") -> Path:
    named = {name: {"value": value, "unit": unit} for name, (value, unit) in figures.items()}
    path.write_text(json.dumps({"benchmark": benchmark, "figures": named}))
    return path


def compared(tmp_path: Path, after: dict[str, tuple[float, str]], *options: str, **given: Any) -> Any:
    paths = written(tmp_path / "before.json", BEFORE), written(tmp_path / "after.json", after, **given)
    command = [sys.executable, BENCHMARKS / "compare.py", *paths, *options]
    return subprocess.run(command, capture_output=True, text=True)


@pytest.mark.parametrize(
    ("changed", "worse"),
    [
        ({}, None),
        ({"load": (2.19, "s")}, None),
        ({"load": (2.21, "s")}, "load"),
        ({"load": (0.1, "s")}, None),
        ({"peak": (120.0, "MiB")}, "peak"),
        ({"pictures": (40.0, "/s")}, "pictures"),
        ({"pictures": (500.0, "/s")}, None),
        ({"pictures": (0.0, "/s")}, "pictures"),
        ({"accuracy": (0.1, "share")}, None),
        ({"load": (float("nan"), "s")}, "load"),
        ({"load": (2.0, "ms")}, "load"),
    ],
)
def test_what_got_worse_by_more_than_the_factor_fails_by_name(
    tmp_path: Path, changed: dict[str, tuple[float, str]], worse: str | None
):
    done = compared(tmp_path, {**BEFORE, **changed}, "--max", "1.1")
    assert done.stderr == ""
    last = done.stdout.splitlines()[-1]
    assert (done.returncode, last.rpartition(": ")[2]) == ((1, worse) if worse else (0, last))


def test_a_figure_that_is_gone_fails_and_a_new_one_does_not(tmp_path: Path):
    after = {name: figure for name, figure in BEFORE.items() if name != "peak"}
    assert compared(tmp_path, {**after, "other": (9.0, "s")}).returncode == 1
    assert compared(tmp_path, {**BEFORE, "other": (9.0, "s")}).returncode == 0


def test_the_factor_is_the_caller_s(tmp_path: Path):
    assert compared(tmp_path, {**BEFORE, "load": (2.9, "s")}, "--max", "1.5").returncode == 0


def test_two_benchmarks_are_not_compared_and_what_is_no_run_is_named(tmp_path: Path):
    two = compared(tmp_path, BEFORE, benchmark="memory")
    assert (two.returncode, "two benchmarks" in two.stderr) == (2, True)


@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (None, "cannot be read: No such file or directory."),
        ("", "is not JSON."),
        ("[]", "is not what a benchmark's --json writes"),
        ('{"benchmark": "probe", "figures": []}', "is not what a benchmark's --json writes"),
        ('{"benchmark": "probe", "figures": {}}', "has no figures."),
        ('{"benchmark": "probe", "figures": {"load": 2}}', "has no number with a unit for the figure 'load'."),
        ('{"benchmark": "probe", "figures": {"load": {"value": "2", "unit": "s"}}}', "for the figure 'load'."),
        ('{"benchmark": "probe", "figures": {"load": {"value": 1%s, "unit": "s"}}}' % ("0" * 400), "'load'."),
    ],
)
def test_what_cannot_be_compared_is_one_line_with_the_file_and_never_a_pass(
    tmp_path: Path, content: str | None, wrong: str
):
    path = tmp_path / "other.json"
    if content is not None:
        path.write_text(content)
    for pair in ((path, written(tmp_path / "after.json", BEFORE)), (tmp_path / "after.json", path)):
        done = subprocess.run([sys.executable, BENCHMARKS / "compare.py", *pair], capture_output=True, text=True)
        assert (done.returncode, done.stdout) == (2, "")
        (line,) = done.stderr.splitlines()
        assert line.startswith(str(path))
        assert wrong in line


@pytest.mark.parametrize("most", ["nan", "inf", "0", "-1", "fast"])
def test_a_factor_that_cannot_be_is_refused(tmp_path: Path, most: str):
    done = compared(tmp_path, {**BEFORE, "load": (9.0, "s")}, f"--max={most}")
    assert (done.returncode, "--max" in done.stderr) == (2, True)


def test_every_benchmark_writes_its_figures_for_it():
    scripts = {path for path in BENCHMARKS.glob("*.py") if "parse_args()" in path.read_text()}
    kept = {path for path in scripts if "add_option(parser)" in path.read_text() and "keep(" in path.read_text()}
    assert scripts - kept == {BENCHMARKS / "compare.py"}


def test_a_real_benchmark_s_file_is_compared_with_itself(tmp_path: Path):
    path = tmp_path / "startup.json"
    code = (
        "import sys; sys.argv = ['startup.py']; import figures; figures.keep('tlzoo --help', 31.0, 'ms'); "
        f"figures.write(__import__('pathlib').Path({str(path)!r}))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, check=True)
    done = subprocess.run([sys.executable, BENCHMARKS / "compare.py", path, path], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "tlzoo --help" in done.stdout


@pytest.mark.release
@pytest.mark.parametrize("modality", ["vision", "nlp"])
def test_the_samples_of_the_benchmarks_can_be_had(tmp_path: Path, modality: str):
    folder = str(tmp_path / "samples")
    code = f"import pathlib, samples; print(*samples.prepare({modality!r}, pathlib.Path({folder!r}), 40, 20))"
    done = subprocess.run([sys.executable, "-c", code], cwd=BENCHMARKS, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert all(Path(each).exists() for each in done.stdout.split())
