"""Where runs are written: what a kill between a run's name and the removal of its snapshots left goes."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.release import every_other

import tlzoo
from tlzoo.errors import RunError
from tlzoo.io.locks import output_lock
from tlzoo.runs.paths import check_output_path, unfinished_dir
from tlzoo.workflows import train as workflow


@pytest.fixture
def killed(zoo: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Path]:
    """A run whose process was killed when it had its name, with its snapshots."""

    def make(strategy: str) -> Path:
        monkeypatch.setattr(workflow, "remove", lambda path: False)
        options = {"epochs": 2, "batch": 16, "lr": 1e-3}
        checkpoint = "vision/test-vit" if strategy == "lora" else "vision/test-resnet"
        tlzoo.finetune(checkpoint, pictures, out=tmp_path / "run", strategy=strategy, options=options)
        return tmp_path / "run"

    return make


@pytest.mark.parametrize("strategy", every_other(["lp-ft", "finetune", "lora"], 3))
def test_snapshots_of_a_run_that_is_there_are_removed(
    killed: Callable[[str], Path], strategy: str, capsys: pytest.CaptureFixture[str]
):
    run = killed(strategy)
    (run.parent / ".run.unfinished.0123abcd.gone").mkdir()
    assert unfinished_dir(run).exists()
    with pytest.raises(RunError, match="already exists"):
        check_output_path(run)
    assert [path.name for path in run.parent.iterdir()] == ["run"]
    assert f"{unfinished_dir(run)}, which a process that was killed left, is removed" in capsys.readouterr().err
    tlzoo.runs.run.RunFolder.load(run)


def test_snapshots_of_another_training_and_of_a_living_process_stay(killed: Callable[[str], Path], tmp_path: Path):
    run = killed("finetune")
    with output_lock(run, RunError), pytest.raises(RunError, match="already exists"):
        check_output_path(run)
    assert unfinished_dir(run).exists()
    shutil.move(run, tmp_path / "kept")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "history.jsonl").write_text('{"loss": 1.0}\n')
    with pytest.raises(RunError, match="already exists"):
        check_output_path(run)
    assert unfinished_dir(run).exists()
