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


def test_lines_tell_of_copies_and_what_to_type_next(command: Command, text_run: Any, make_texts: Any, tmp_path: Path):
    target = make_texts(tmp_path / "target.csv", seed=4)
    with target.open("a", encoding="utf-8") as file:
        file.writelines(target.read_text(encoding="utf-8").splitlines(keepends=True)[1:])
    done = command("adapt", text_run.path, "--target", target, "--out", tmp_path / "adapted", "--method", "coral")
    assert done.code == 0
    assert f"adapted by coral to 160 unlabelled samples (80 of them copies) of {target}" in done.out
    assert f"tlzoo export {tmp_path / 'adapted'}" in done.out


def test_lines_tell_number_interval_and_verdict_and_what_was_seen(
    command: Command, text_run: Any, make_texts: Any, tmp_path: Path
):
    target = make_texts(tmp_path / "target.csv", seed=4)
    rows = target.read_text().splitlines()
    (tmp_path / "three.csv").write_text("\n".join([rows[0], rows[1], rows[2], rows[-1]]) + "\n")
    given = ["--target", target, "--test", tmp_path / "three.csv"]
    done = command("adapt", text_run.path, *given, "--out", tmp_path / "adapted")
    (line,) = [line for line in done.out.splitlines() if line.startswith("Target, 3 labelled samples: accuracy ")]
    assert "(95%: " in line
    assert line.endswith("no difference beyond chance")
    assert f"adapted by coral to 80 unlabelled samples of {target}" in done.out
    assert "3 of these 3 are among the target samples" in done.out
    assert "3 labelled target samples are too few" in done.err
    document = command("adapt", text_run.path, *given, "--out", tmp_path / "again", "--json", "--quiet").json
    facts = document["adapted"]
    assert (facts["n_labelled"], facts["n_labelled_in_target"], facts["n_copies"]) == (3, 3, 0)
    assert facts["target_change"]["verdict"] == "chance"
    assert facts["source_change"]["difference"]["level"] == document["interval"]["level"] == 0.95
