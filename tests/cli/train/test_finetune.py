"""`tlzoo finetune`: its JSON, its lines, and that stopping it leaves nothing torn."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlzoo import Run, tasks
from tlzoo.cli.shared.output import span
from tlzoo.cli.train.finetune import _beside
from tlzoo.io.files import is_held
from tlzoo.options import core_options, strategies_taking
from tlzoo.runs import tensors
from tlzoo.tasks import make_task
from tlzoo.training import loop

Command = Callable[..., Any]


def test_json_has_the_keys_that_others_rely_on(command: Command, pictures: Path, tmp_path: Path):
    out = tmp_path / "run"
    document = command("finetune", "vision/test-resnet", pictures, "--out", out, "--json", "--quiet").json
    assert {"run", "task", "labels", "metrics", "seconds"} <= set(document)
    assert document["run"] == str(out)
    assert document["task"] == "image-classification"
    assert document["labels"] == ["blue", "green", "red"]
    assert set(document["metrics"]) == {"accuracy", "macro_f1", "log_loss"}
    assert document["n"] == {"train": 24, "validation": 6, "test": 6}
    assert document["seconds"] == document["timing"]["total"] > 0
    assert document["metrics"] == Run.load(out).metrics


def test_without_json_it_says_what_came_out_and_what_to_type_next(command: Command, texts: Path, tmp_path: Path):
    done = command("finetune", "nlp/test-bert", texts, "--out", tmp_path / "run")
    assert done.code == 0
    assert "accuracy" in done.out
    assert f"tlzoo export {tmp_path / 'run'}" in done.out
    assert "seed 0" in done.err


def test_an_interval_without_a_bound_is_no_reason_to_call_a_run_better():
    task = make_task("text-regression")
    interval: dict[str, Any] = {"metric": "rmse", "level": 0.95, "low": 0.0, "high": None}
    [line] = _beside(SimpleNamespace(task=task, interval=interval, baseline={"rmse": 5.0}))
    assert "The run is not better than that by more than chance" in line
    [line] = _beside(SimpleNamespace(task=task, interval={**interval, "high": 1.0}, baseline={"rmse": 5.0}))
    assert "not better" not in line


def test_a_side_without_a_bound_is_said():
    assert span(0.25, 1) == "0.2500 to 1.0000"
    assert span(0.0, None) == "0.0000 or more"
    assert span(None, 1.0) == "1.0000 or less"
    assert span(None, None, "+.4f") == "any value"


@pytest.mark.beside_probe
def test_the_summary_says_what_was_frozen_where_the_time_went_and_how_sure_the_metric_is(
    command: Command, pictures: Path, tmp_path: Path
):
    out = tmp_path / "run"
    options = ("--strategy", "finetune", "--freeze", "last:1", "--epochs", "1")
    done = command("finetune", "vision/test-vit", pictures, "--out", out, "--quiet", *options)
    run = Run.load(out)
    assert run.interval is not None
    assert run.frozen is not None
    assert [line.partition(":")[0] for line in done.out.splitlines()] == [
        f"Run {out}",
        "Baseline, the same answer to every input",
        "A probe of the same features",
        "Frozen",
        "Selected",
        "Time",
        "Next",
    ]
    assert f"(95%: {run.interval['low']:.4f} to {run.interval['high']:.4f})" in done.out
    assert (
        f"{run.frozen['parameters']:,} parameters in {run.frozen['tensors']} tensors, checked bit-identical" in done.out
    )
    assert f"{run.options['prefix']['share']:.0%} of the computation cached" in done.out
    assert f"tlzoo export {out}" in done.out


def test_where_nothing_is_frozen_it_says_so(command: Command, pictures: Path, tmp_path: Path):
    options = ("--strategy", "finetune", "--epochs", "1", "--max-steps", "1", "--quiet")
    done = command("finetune", "vision/test-resnet", pictures, "--out", tmp_path / "run", *options)
    assert "Frozen: nothing; trained: " in done.out


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--epochs", "5"), "--epochs has no effect with --strategy probe, the default."),
        (("--mixup", "0.2", "--strategy", "probe"), "--mixup has no effect with --strategy probe."),
        (("--l2", "0.1", "--strategy", "finetune"), "--l2 has no effect with --strategy finetune."),
        (("--layer-decay", "0.5", "--strategy", "lora"), "--layer-decay has no effect with --strategy lora."),
        (("--no-probe",), "--probe has no effect with --strategy probe, the default."),
        (("--rank", "4", "--strategy", "lp-ft"), "--rank has no effect with --strategy lp-ft."),
        (("--freeze", "last:1", "--strategy", "auto"), "--freeze has no effect with --strategy auto"),
        (("--no-cache", "--cache-precision", "fp16"), "--cache-precision has no effect with --no-cache."),
        (("--strategy", "finetune", "--views", "2"), "--views has no effect without --augment."),
        (("--strategy", "finetune", "--epochs", "1", "--patience", "3"), "--patience 3 has no effect with --epochs 1."),
        (
            ("--strategy", "finetune", "--freeze", "all", "--layer-decay", "0.5"),
            "--layer-decay 0.5 has no effect with --freeze all.",
        ),
        (("--strategy", "finetune", "--freeze", "all", "--l2-sp", "1"), "--l2-sp 1.0 has no effect with --freeze all."),
        (("--strategy", "lora", "--freeze", "lora:16", "--rank", "8"), "--freeze lora:16 contradicts --rank 8."),
        (("--label-column", "mood"), "--label-column mood has no effect: "),
        (("--column", "label=mood"), "--label-column mood has no effect: "),
        (
            ("--strategy", "finetune", "--augment", "light", "--views", "3"),
            "--views 3 has no effect with --freeze none.",
        ),
        (
            ("--strategy", "finetune", "--cache-gb", "3", "--no-probe"),
            "--cache-gb 3.0 has no effect with --freeze none.",
        ),
        (("--strategy", "", "--epochs", "1"), "--strategy '' is unknown"),
    ],
)
def test_an_option_without_effect_is_refused_by_its_flag(
    command: Command, pictures: Path, tmp_path: Path, options: tuple[str, ...], said: str
):
    done = command("finetune", "vision/test-resnet", pictures, "--out", tmp_path / "run", "--quiet", *options)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert said in done.err
    assert "`" not in done.err
    assert list(tmp_path.iterdir()) == []


def test_a_stage_that_never_starts_to_train_is_reported_and_quiet_silences_it(
    command: Command, pictures: Path, tmp_path: Path
):
    options = ("--strategy", "finetune", "--epochs", "1", "--unfreeze-every", "1", "--json")
    out = ("--out", tmp_path / "run")
    assert (
        "--unfreeze-every 1 with --epochs 1 trains only the head"
        in command("finetune", "vision/test-resnet", pictures, *out, *options).err
    )
    shutil.rmtree(tmp_path / "run")
    assert command("finetune", "vision/test-resnet", pictures, *out, *options, "--quiet").err == ""


def test_help_shows_of_every_option_its_meaning_range_default_and_strategies(
    command: Command, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("COLUMNS", "300")
    panels = re.split(r"╭─ (.*?) ─+╮", command("finetune", "--help").out)
    shown = dict(zip(panels[1::2], panels[2::2], strict=True))
    for name, option in core_options().items():
        names = strategies_taking(name)
        [panel] = [title for title, text in shown.items() if f"--{name.replace('_', '-')} " in text]
        assert panel == "Every strategy" or re.split(r"\W+", panel, maxsplit=1)[1].split(", ") == list(names)
        assert (panel == "Every strategy") == (len(names) == 5)
        line = next(line for line in shown[panel].splitlines() if f"--{name.replace('_', '-')} " in line)
        assert option.help in line
        assert option.allowed in line
        if option.default is not None and option.kind is not bool:
            assert (
                f"default {option.default:g}]" in line
                if option.kind is not str
                else f"default {option.default}]" in line
            )


def test_help_names_every_task(command: Command, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("COLUMNS", "300")
    [line] = [line for line in command("finetune", "--help").out.splitlines() if "--task " in line]
    assert f"{', '.join(sorted(tasks.CORE))}, or PLUGIN/NAME" in line


def test_a_plugins_strategy_is_given_options_of_its_own(duo: Any, command: Command, pictures: Path, tmp_path: Path):
    how = ("--strategy", "duo/fixed", "--l2", "0.5", "--quiet", "--option", "times=3")
    run = command("finetune", "vision/test-resnet", pictures, "--out", tmp_path / "run", "--json", *how).json
    assert (run["options"]["times"], run["options"]["l2"], run["options"]["told"]) == (3, 0.5, 3)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--option", "times=0"), "--option times cannot be 0. Give 1 or more."),
        (("--epochs", "3"), "--epochs has no effect with --strategy duo/fixed"),
        (("--option", "epochs=3"), "--option epochs has no effect with --strategy duo/fixed"),
        (("--option", "times=3", "--option", "times=3"), "--option times=... is given twice."),
        (("--option", "l2=x", "--l2", "1"), "--l2 and --option l2=... are both given."),
        (("--option", "tmes=3"), "--option tmes is unknown. Did you mean --option times=... or --test?"),
        (("--option", "nothing=3"), "--option nothing is unknown. Options: "),
        (("--option", "out=x"), "--option out is no option of a strategy. Give it as an argument of its own, --out."),
        (("--preprocess", "max_length=8", "--max-length", "8"), "--max-length and --preprocess max_length=..."),
    ],
)
def test_an_option_is_told_as_it_was_given(
    duo: Any, command: Command, pictures: Path, tmp_path: Path, given: tuple[str, ...], said: str
):
    out = ("--out", tmp_path / "run", "--strategy", "duo/fixed", "--quiet")
    done = command("finetune", "vision/test-resnet", pictures, *out, *given)
    assert done.code == 2
    assert said in done.err


def test_events_can_be_read_back_and_hold_the_history(command: Command, pictures: Path, tmp_path: Path):
    from tensorboardX import proto

    out = tmp_path / "run"
    options = ("--strategy", "finetune", "--epochs", "2", "--batch", "8", "--quiet")
    assert command("finetune", "vision/test-resnet", pictures, "--out", out, *options).code == 0
    rows = [json.loads(line) for line in (out / "history.jsonl").read_text().splitlines()]
    [file] = out.glob("events.out.tfevents.*")
    content, at, found = file.read_bytes(), 0, {}
    while at < len(content):
        [length] = struct.unpack_from("<Q", content, at)
        event = proto.event_pb2.Event.FromString(content[at + 12 : at + 12 + length])
        at += length + 16
        found.update({(value.tag, event.step): value.simple_value for value in event.summary.value})
    for row in rows:
        assert found["validation/log_loss", row["steps"]] == pytest.approx(row["log_loss"], rel=1e-6)
        assert found["validation/accuracy", row["steps"]] == pytest.approx(row["accuracy"], rel=1e-6)
    assert ("train/loss", 1) in found


def test_progress_goes_to_stderr_and_quiet_silences_it(command: Command, pictures: Path, tmp_path: Path):
    arguments = ("finetune", "vision/test-vit", pictures, "--strategy", "finetune", "--epochs", "2", "--json")
    loud = command(*arguments, "--out", tmp_path / "loud")
    quiet = command(*arguments, "--out", tmp_path / "quiet", "--quiet")
    assert "Epoch 2/2" in loud.err
    assert json.loads(loud.out)["metrics"] == quiet.json["metrics"]


def test_every_option_reaches_the_run(command: Command, pictures: Path, tmp_path: Path):
    options = {"strategy": "finetune", "freeze": "last:1", "epochs": 1, "batch": 5, "lr": 0.002, "seed": 7}
    flags = [part for name, value in options.items() for part in (f"--{name}", value)]
    document = command(
        "finetune", "vision/test-resnet", pictures, "--out", tmp_path / "run", "--json", "--quiet", *flags
    ).json
    assert options.items() <= document["options"].items()


def test_preprocessing_and_columns_can_be_named(command: Command, texts: Path, recordings: Path, tmp_path: Path):
    table = tmp_path / "renamed.csv"
    table.write_text(texts.read_text().replace("text,label", "sentence,mood", 1))
    names = ("--text-column", "sentence", "--label-column", "mood", "--max-length", "8")
    command("finetune", "nlp/test-bert", table, "--out", tmp_path / "texts", "--json", "--quiet", *names)
    run = Run.load(tmp_path / "texts")
    assert (run.preprocess.max_length, run.task.labels) == (8, ("bad", "good"))
    options = ("--out", tmp_path / "sounds", "--seconds", "0.2", "--quiet")
    done = command("finetune", "speech/test-wav2vec2", recordings, *options)
    assert (done.code, done.err) == (0, "")
    assert Run.load(tmp_path / "sounds").preprocess.seconds == 0.2
    assert Run.load(tmp_path / "sounds").model().parts.example_inputs["audio"].shape == (2, 3200)


ENDLESS = ("--strategy", "finetune", "--epochs", "1000")


def kept(folder: Path) -> set[str]:
    """What a stopped command keeps to go on from; events without their time."""
    return {path.name.partition(".out")[0] for path in (folder / "run.unfinished").iterdir()}


def left_behind(zoo: Any, folder: Path) -> list[Path]:
    """Other files that a stopped command left, but for the one that importing onnxruntime makes.

    What a living process holds in the cache that all workers share is another test's, and gone in a while.
    """
    for _ in range(300):
        if not (found := files_left(zoo, folder)):
            break
        time.sleep(0.1)
    return found


def files_left(zoo: Any, folder: Path) -> list[Path]:
    """Those that are there now."""
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != ".ses"]
    files = [path for path in files if path.parent.name != "run.unfinished"]
    found = [path for path in zoo.folder.rglob("*") if path.suffix == ".part" or ".partial" in path.name]
    return files + [path for path in found if path.suffix != ".part" or not is_held(path)]


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_stops_it_and_leaves_a_checkpoint_and_no_temporary_files(
    command: Command,
    zoo: Any,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    number: signal.Signals,
    code: int,
):
    said = []

    def stop_in_the_second_epoch(line: str) -> None:
        said.append(line)
        if line.startswith("Epoch 2/"):
            signal.raise_signal(number)

    monkeypatch.setattr(loop, "say", stop_in_the_second_epoch)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = command("finetune", "vision/test-resnet", pictures, "--out", tmp_path / "run", *ENDLESS, "--quiet")
    signal.signal(signal.SIGINT, before)
    assert (done.code, done.out) == (code, "")
    name = "Ctrl-C" if number == signal.SIGINT else "SIGTERM"
    place = tmp_path / "run.unfinished"
    how = "Go on with the same command and --resume (in Python: resume=True)."
    assert done.err == f"Stopped by {name}. All up to step 2 is in {place}. {how}\n"
    assert list(tmp_path.iterdir()) == [tmp_path / "run.unfinished"]
    assert kept(tmp_path) == {"snapshot.safetensors", "history.jsonl", "events"}
    assert left_behind(zoo, tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_while_the_run_is_written_leaves_no_half_of_it(
    command: Command, zoo: Any, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
):
    save = tensors.save_file

    def save_and_stop(state: Any, path: Path) -> None:
        save(state, path)
        signal.raise_signal(number)

    monkeypatch.setattr(tensors, "save_file", save_and_stop)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    done = command("finetune", "vision/test-resnet", pictures, "--out", tmp_path / "run", "--quiet")
    signal.signal(signal.SIGINT, before)
    assert done.code in (130, 143)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.release
def test_sigterm_stops_a_real_process_which_says_how_to_go_on(zoo: Any, pictures: Path, tmp_path: Path):
    command = [sys.executable, "-m", "tlzoo", "finetune", "vision/test-resnet", str(pictures), *ENDLESS]
    (tmp_path / "tmp").mkdir()
    environment = {**os.environ, **zoo.environment, "TMPDIR": str(tmp_path / "tmp"), "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(
        [*command, "--out", str(tmp_path / "run")],
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stderr is not None
        assert any(line.startswith("Epoch 2/") for line in process.stderr)
        process.terminate()
        out, err = process.communicate(timeout=120)
    assert (process.returncode, out) == (143, "")
    assert "--resume" in err
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()
    assert "snapshot.safetensors" in kept(tmp_path)
    assert left_behind(zoo, tmp_path) == []


@pytest.mark.release
def test_a_real_process_writes_one_json_document_to_stdout_however_much_is_reported(
    zoo: Any, text_run: Any, texts: Path, tmp_path: Path
):
    command = [sys.executable, "-m", "tlzoo", "finetune", "nlp/test-bert", str(texts)]
    done = subprocess.run(
        [*command, "--out", str(tmp_path / "run"), "--json"],
        env={**os.environ, **zoo.environment},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout)["run"] == str(tmp_path / "run")
    assert done.stderr


@pytest.mark.parametrize(
    ("arguments", "names"),
    [
        (("--strategy", "magic"), ("--strategy magic is unknown", "probe", "finetune")),
        (("--strategy", "lorra"), ("--strategy lorra is unknown. Did you mean lora?",)),
        (
            ("--strategy", "finetune", "--monitor", "acuracy"),
            ("--monitor acuracy is no metric of image-classification. Did you mean accuracy?",),
        ),
        (
            ("--text-column", "foo"),
            ("--text-column foo has no effect: image-classification has no column role 'text'.", "--path-column NAME"),
        ),
        (("--freeze", "last:1"), ("--freeze last:1 contradicts --strategy probe", "Use --strategy finetune")),
        (("--strategy", "finetune", "--freeze", "some"), ("'some'", "until:<stage>")),
        (("--task", "text-classification"), ("text-classification", "image-classification")),
        (("--freeze", "frist:1"), ("Unknown freeze policy 'frist:1'.", "last:<n>")),
        (
            ("--strategy", "finetune", "--freeze", "last:0"),
            ("--freeze last:0 trains no stage. Give --freeze last:1 or more; --freeze all freezes",),
        ),
        (("--max-length", "9"), ("--max-length 9 has no effect with", "--preprocess NAME=VALUE: crop, interpolation")),
        (("--option", "a=3"), ("--option a is unknown: --option is for strategies of plugins. Options: --seed",)),
        (
            ("--strategy", "finetune", "--option", "epoch=3"),
            ("--option epoch is unknown: --option is for strategies of plugins. Did you mean --epochs",),
        ),
        (("--strategy", "finetune", "--epochs", "0"), ("--epochs cannot be 0", "1 or more")),
        (("--strategy", "finetune", "--lr", "fast"), ("--lr cannot be 'fast'", "0 or more", "auto")),
        (("--epochs", "many"), ("--epochs",)),
        (("--nonsense",), ("--nonsense",)),
    ],
)
def test_an_option_that_is_not_possible_is_answered_with_what_is(
    command: Command, pictures: Path, tmp_path: Path, arguments: tuple[str, ...], names: tuple[str, ...]
):
    done = command("finetune", "vision/test-resnet", pictures, "--out", tmp_path / "run", "--quiet", *arguments)
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
    assert [name for name in names if name not in done.err] == []
    assert list(tmp_path.iterdir()) == []


def test_a_window_that_is_too_long_is_refused(command: Command, recordings: Path, tmp_path: Path):
    out = ("--out", tmp_path / "run", "--seconds", "31", "--quiet")
    done = command("finetune", "speech/test-wav2vec2", recordings, *out)
    assert (done.code, done.err.count("\n")) == (2, 1)
    assert "--seconds 31.0 cannot be used. Give 30 or less." in done.err
