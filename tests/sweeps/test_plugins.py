"""Bad plugins: whatever one does wherever it runs is named, put back, and changes no answer without a word."""

from __future__ import annotations

import gc
import json
import locale
import logging
import os
import random
import re
import shutil
import signal
import socket
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from shared_fixtures.duo_plugin import HERE
from sweeps.bad_plugins import GOOD_PREPROCESSING, PLACES, BadPlugin, bad_plugins

from tlzoo.io import stops

TRIALS, EACH = 140, 5
DESCENT = "--epochs 1 --batch 8 --lr 0.01 --quiet".split()
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
WHOSE = "(tlzoo-duo 1.0)"
WATCHED = ("hook", "network", "head", "loss", "preprocessing", "strategy", "format", "adaptation")
"""Places where what takes long is named."""
OWN = ("seeds", "torch's autocast", "torch's use of oneDNN and cuDNN")
"""What may change what the plugin's own code computes, in which it is not put back."""


def _cases() -> list[BadPlugin]:
    """Every wrong answer, and as many of the other faults as there is time for, in an order that mixes them."""
    source, found = random.Random(0), bad_plugins()
    source.shuffle(found)
    chosen = sorted(found, key=lambda bad: bad.kind != "returns")[: TRIALS * EACH]
    source.shuffle(chosen)
    return chosen


CASES = _cases()


@pytest.fixture
def duo_site(duo_copy: Path) -> Path:
    """A copy of the plugin that may be changed."""
    return duo_copy


@pytest.fixture
def own(duo: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A checkpoint `duo/own`, whose preprocessing is the plugin's."""
    registry = json.loads((tmp_path / "registry.json").read_text())
    [means] = [one for one in registry["checkpoints"] if one["id"] == "duo/means"]
    spec = {"kind": "plugin", "plugin": "duo", "endings": [".png"]}
    registry["checkpoints"].append({**means, "id": "duo/own", "preprocess": spec})
    (tmp_path / "registry.json").write_text(json.dumps(registry))


@pytest.fixture
def plant(own: None, duo_site: Path, reload_duo: Callable[[], None]) -> Callable[[str, str], None]:
    """Makes the plugin as it was written again, but for this code at the end of a module."""

    def change(module: str = "plugin", code: str = "") -> None:
        for file in HERE.glob("*.py"):
            shutil.copy(file, duo_site / "tlzoo_duo" / file.name)
        shutil.rmtree(duo_site / "tlzoo_duo" / "__pycache__", ignore_errors=True)
        for name, more in (("plugin", GOOD_PREPROCESSING), (module, f"from dataclasses import replace\n{code}\n")):
            with (duo_site / "tlzoo_duo" / f"{name}.py").open("a") as file:
                file.write(more)
        reload_duo()

    return change


GOOD: dict[str, Any] = {}
"""What each command makes with the plugin as it was written."""


@pytest.fixture
def commands(
    plant: Any, once: Any, command: Any, numbers: Path, pictures: Path, picture_run: Any, tmp_path: Path
) -> dict[str, list[Any]]:
    """What gets to the places of `PLACES`; each writes `out`, if anything."""
    plant()
    shared = once.make("duo's run and file", lambda folder: _train_and_export(command, numbers, folder))
    out = ["--out", tmp_path / "out"]
    two = ["--task", "two", *DESCENT, *out]
    probe = ["--freeze", "all", "--strategy", "finetune"]
    return {
        "train": ["finetune", "duo/means", numbers, *two, *probe],
        "own": ["finetune", "duo/own", numbers, *two, *probe],
        "freeze": ["finetune", "duo/means", numbers, *two, "--freeze", "duo/bitfit", "--strategy", "finetune"],
        "head": ["finetune", "duo/means", pictures, "--head", "duo/cosine", *DESCENT, *probe, *out],
        "strategy": ["finetune", "duo/means", numbers, *two, "--strategy", "duo/head-only"],
        "adapt": ["adapt", picture_run.path, "--target", pictures, "--method", "duo/adabn", "--quiet", *out],
        "format": ["export", picture_run.path, "--format", "duo/named", "--quiet", *out],
        "export": ["export", shared / "run", "--quiet", "--out", tmp_path / "out.onnx"],
        "predict": ["predict", shared / "file.onnx", *sorted(shared.glob("*.png"))[:40], "--batch", 8],
        "lookup": ["finetune", "duo/unlisted", numbers, "--task", "none", *out],
    }


def _train_and_export(command: Any, numbers: Path, folder: Path) -> Path:
    for file in numbers.parent.glob("*.png"):
        shutil.copy(file, folder)
    shutil.copy(numbers, folder)
    two = ["--task", "two", "--freeze", "all", "--strategy", "finetune", *DESCENT]
    for made in (
        command("finetune", "duo/own", folder / numbers.name, *two, "--out", folder / "run"),
        command("export", folder / "run", "--out", folder / "file.onnx", "--quiet"),
    ):
        assert made.code == 0, made
    return folder


def answer(done: Any, out: Path) -> object:
    """What a command made, by what counts of it."""
    if (out / "model.safetensors").exists():
        return (out / "model.safetensors").read_bytes()
    found = [*out.glob("**/*.onnx"), *out.parent.glob("out.onnx")]
    return [file.stat().st_size for file in found] or done.out


@pytest.fixture
def whole_process() -> Iterator[Callable[[], dict[str, Any]]]:
    """What a process has one of, as it is once a command has begun; put back after the test."""
    before = process()
    stops.handle_signals()
    yield process
    torch.set_default_dtype(before["dtype"])
    torch.set_num_threads(before["threads"])
    torch.set_grad_enabled(before["grad"])
    torch.use_deterministic_algorithms(before["deterministic"])
    torch.set_float32_matmul_precision(before["products"])
    torch.set_autocast_enabled("cpu", before["autocast"])
    torch.autograd.set_detect_anomaly(before["anomalies"])
    np.seterr(**before["numpy"])
    for number, handler in zip(SIGNALS, before["handlers"], strict=True):
        signal.signal(number, handler)
    os.chdir(before["folder"])
    locale.setlocale(locale.LC_ALL, before["locale"])
    sys.setrecursionlimit(before["recursion"])
    logging.root.handlers[:] = before["logging"]
    for name in [name for name in os.environ if name.startswith("TLZOO_")]:
        del os.environ[name]
    os.environ.update(before["environment"])
    os.umask(before["umask"])
    socket.setdefaulttimeout(before["sockets"])
    sys.excepthook = before["excepthook"]
    torch.backends.mkldnn.enabled = before["mkldnn"]
    gc.enable()


def process() -> dict[str, Any]:
    return {
        "dtype": torch.get_default_dtype(),
        "threads": torch.get_num_threads(),
        "grad": torch.is_grad_enabled(),
        "deterministic": torch.are_deterministic_algorithms_enabled(),
        "products": torch.get_float32_matmul_precision(),
        "autocast": torch.is_autocast_enabled("cpu"),
        "anomalies": torch.is_anomaly_enabled(),
        "numpy": np.geterr(),
        "handlers": tuple(map(signal.getsignal, SIGNALS)),
        "filters": [one for one in warnings.filters if one[1] is one[3] is None],
        "folder": os.getcwd(),
        "locale": locale.setlocale(locale.LC_ALL),
        "recursion": sys.getrecursionlimit(),
        "streams": (sys.stdout, sys.stderr),
        "logging": list(logging.root.handlers),
        "umask": umask(),
        "sockets": socket.getdefaulttimeout(),
        "excepthook": sys.excepthook,
        "mkldnn": torch.backends.mkldnn.enabled,
        "collector": gc.isenabled(),
        "environment": {name: value for name, value in os.environ.items() if name.startswith("TLZOO_")},
    }


def umask() -> int:
    found = os.umask(0)
    os.umask(found)
    return found


@pytest.mark.sweep(TRIALS)
def test_a_bad_plugin_is_named_and_changes_nothing(
    plant: Any, commands: dict[str, list[Any]], command: Any, whole_process: Any, tmp_path: Path, trial: int
):
    wrong = []
    for bad in CASES[trial::TRIALS]:
        place = PLACES[bad.place]
        if place.command not in GOOD:
            plant(*((place.module, place.plant("pass")) if place.command == "lookup" else ()))
            GOOD[place.command] = _run(command, commands[place.command], tmp_path)[:2]
            assert GOOD[place.command][0].code == (2 if place.command == "lookup" else 0), GOOD[place.command]
        plant(place.module, place.plant(bad.body))
        with streams_of_a_program():
            before = whole_process()
            done, made, said = _run(command, commands[place.command], tmp_path, patiently=bad.fault == "hangs")
            after = whole_process()
        changed = [name for name in before if before[name] != after[name]]
        if problem := judged(bad, done, made, said, changed, *GOOD[place.command]):
            wrong.append(f"{bad}: {problem}\n  {done}\n  {said}")
    assert not wrong, "\n".join(wrong)


@contextmanager
def streams_of_a_program() -> Iterator[None]:
    """Have stdout and stderr the descriptors 1 and 2, which pytest's captured ones have not."""
    before = sys.stdout, sys.stderr
    with open(1, "w", 1, closefd=False) as stdout, open(2, "w", 1, closefd=False) as stderr:
        sys.stdout, sys.stderr = stdout, stderr
        try:
            yield
        finally:
            sys.stdout, sys.stderr = before


def _run(command: Any, arguments: list[Any], folder: Path, *, patiently: bool = False) -> tuple[Any, object, str]:
    with warnings.catch_warnings(record=True) as said, pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("always")
        if patiently:  # what takes a moment is named
            arguments = [one for one in arguments if one != "--quiet"]
            patch.setattr("tlzoo.progress.EVERY_S", 0.05)
            patch.setattr("tlzoo.progress.PATIENCE_S", 0.1)
        done = command(*arguments)
    made = answer(done, folder / "out")
    left = [path for path in folder.iterdir() if path.name.lstrip(".").startswith("out")]
    for path in left:
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return done, (made, sorted(path.name for path in left)), " ".join(str(one.message) for one in said)


def judged(bad: BadPlugin, done: Any, made: Any, said: str, changed: list[str], good: Any, good_made: Any) -> str:
    """What is wrong with how a command took a bad plugin; empty where all is right."""
    if changed:
        return f"changed: {changed}"
    if good.code and bad.kind not in ("raises", "returns"):
        *_, last = good.err.splitlines(keepends=True)
        return "" if done.code == good.code and done.err.endswith(last) else "another error"
    if "Bug:" in done.err.replace("'Bug: planted'", "").replace(": Bug: planted", "") or "Traceback" in done.err:
        return "told as a bug"
    if "planted" in done.out:
        return "stdout is not clean"
    if done.code == 2:
        if bad.kind in ("prints", "endures"):
            return "refused for something that is only rude"
        if WHOSE not in done.err:
            return "not named"
        if done.out or made[1] not in ([], ["out.unfinished"]):  # snapshots, to be resumed
            return f"left {done.out} {made[1]}"
        *before, last = done.err.splitlines()
        one_line = last.startswith("Error: ") and not any(line.startswith("Error: ") for line in before)
        return "" if one_line else "the error is not the last line"
    if done.code:
        return f"exit code {done.code}"
    if bad.kind in ("raises", "returns") and bad.fault != "returns []":
        return "no error"
    if (
        bad.fault == "hangs"
        and bad.place.startswith(WATCHED)
        and not re.search(r"tlzoo-duo 1.0\) takes long", done.err)
    ):
        return "silence is not named"
    if made != good_made and bad.fault not in OWN:
        return "another answer"
    return "not named" if bad.kind == "changes" and WHOSE not in said else ""
