"""`tlzoo adapt`: its JSON and what can be done with its run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

Command = Callable[..., Any]


def test_json_tells_the_run_its_metrics_and_how_it_was_adapted(
    command: Command, text_run: Any, make_texts: Any, tmp_path: Path
):
    target = make_texts(tmp_path / "target.csv", seed=4)
    out = tmp_path / "adapted"
    document = command("adapt", text_run.path, "--target", target, "--out", out, "--json", "--quiet").json
    assert (document["run"], document["adapted"]["method"]) == (str(out), "coral")
    assert document["adapted"]["n_target"] == 80
    assert set(document["metrics"]) == {"accuracy", "macro_f1", "log_loss"}
    assert command("evaluate", out, target, "--json", "--quiet").json["n"] == 80


def test_lines_tell_what_to_type_next(command: Command, text_run: Any, texts: Path, tmp_path: Path):
    done = command("adapt", text_run.path, "--target", texts, "--out", tmp_path / "adapted", "--method", "coral")
    assert done.code == 0
    assert f"tlzoo export {tmp_path / 'adapted'}" in done.out
