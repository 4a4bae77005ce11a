"""A run that was stopped at any moment ends in the bits of one that was not."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
from shared_fixtures.release import every_other

import tlzoo
from tlzoo.errors import RunError, TrainingError, WriteError
from tlzoo.runs.paths import unfinished_dir
from tlzoo.training import loop, resume
from tlzoo.workflows import train as workflow

Go = Callable[..., Any]
RESNET, VIT, BERT, WAV2VEC2 = "vision/test-resnet", "vision/test-vit", "nlp/test-bert", "speech/test-wav2vec2"


class Killed(BaseException):
    """The process is gone: nothing after this line runs."""


@contextmanager
def killed_after(step: int, *, saved: bool = True) -> Iterator[None]:
    """The run ends abruptly at this step, before or after its snapshot is written."""
    real = loop._after_step

    def end(under: Any) -> None:
        here = under.state.counts.step == step
        if here and not saved:
            raise Killed
        real(under)
        if here:
            raise Killed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_after_step", end)
        yield


@pytest.fixture
def go(zoo: Any, pictures: Path, texts: Path, recordings: Path) -> Go:
    """Fine-tunes a checkpoint into `out`, with a snapshot after every step."""
    data = {"vision": pictures, "nlp": texts, "speech": recordings}

    def finetune(checkpoint: str, out: Path, *, resume: bool = False, **given: Any) -> Any:
        how = {name: given.pop(name) for name in ("strategy", "freeze", "data") if name in given}
        options = {"epochs": 3, "batch": 8, "lr": 1e-3, "snapshot_every": 0, **given}
        source = how.pop("data", data[checkpoint.partition("/")[0]])
        return tlzoo.finetune(
            checkpoint, source, out=out, resume=resume, options=options, **{"strategy": "finetune", **how}
        )

    return finetune


def weights(folder: Path) -> bytes:
    return (folder / "model.safetensors").read_bytes()


def history(folder: Path) -> list[dict[str, float]]:
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


CASES = {
    "batch-norm": (RESNET, {"freeze": "last:1", "ema": 0.9}, (4, 9)),
    "stage-by-stage": (RESNET, {"unfreeze_every": 1, "l2_sp": 0.1}, (4,)),
    "dropout": (BERT, {"freeze": "last:1", "accumulate": 2, "epochs": 2}, (3, 5)),
    "adapters": (VIT, {"strategy": "lora", "freeze": "lora:2", "mixup": 0.4, "augment": "light"}, (5,)),
    "probe-first": (VIT, {"strategy": "lp-ft", "freeze": "last:1", "lr": "auto", "augment": "light", "views": 2}, (3,)),
    "speech": (WAV2VEC2, {"freeze": "until:projection", "max_steps": 5}, (5,)),
}


LONG = ("stage-by-stage", "dropout", "adapters", "probe-first", "speech")


@pytest.mark.parametrize("case", [pytest.param(case, marks=[pytest.mark.release] * (case in LONG)) for case in CASES])
def test_a_run_killed_at_several_steps_ends_in_the_same_bits(go: Go, tmp_path: Path, case: str):
    checkpoint, options, steps = CASES[case]
    go(checkpoint, tmp_path / "whole", **options)
    for number, step in enumerate(steps):
        with pytest.raises(Killed), killed_after(step, saved=number % 2 == 0):
            go(checkpoint, tmp_path / "parts", resume=number > 0, **options)
        assert (unfinished_dir(tmp_path / "parts") / "snapshot.safetensors").exists()
        assert not (tmp_path / "parts").exists()
    run = go(checkpoint, tmp_path / "parts", resume=True, **options)
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    assert history(tmp_path / "whole") == history(tmp_path / "parts")
    assert not unfinished_dir(tmp_path / "parts").exists()
    assert run.metrics == tlzoo.Run.load(tmp_path / "whole").metrics


@pytest.mark.parametrize(
    "ending", every_other([{"patience": 1, "lr": 1e-9, "ema": 0.999}, {"epochs": 2}, {"max_steps": 4}], 3)
)
def test_a_run_killed_after_its_last_epoch_trains_no_further(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: dict[str, Any]
):
    options = {"freeze": "last:1", **ending}
    go(RESNET, tmp_path / "whole", **options)
    with monkeypatch.context() as patch:
        patch.setattr(loop.TrainingState, "restore_best", killing)
        with pytest.raises(Killed):
            go(RESNET, tmp_path / "parts", **options)
    go(RESNET, tmp_path / "parts", resume=True, **options)
    assert weights(tmp_path / "whole") == weights(tmp_path / "parts")
    assert history(tmp_path / "whole") == history(tmp_path / "parts")


def killing(state: Any) -> None:
    raise Killed


@pytest.mark.release
def test_a_process_killed_at_any_moment_is_no_loss(go: Go, zoo: Any, pictures: Path, tmp_path: Path):
    options = {"freeze": "last:1", "epochs": 15, "lr": 1e-4}
    go(RESNET, tmp_path / "whole", **options)
    out = tmp_path / "parts"
    flags = [part for name, value in options.items() for part in (f"--{name}", str(value))]
    command = [sys.executable, "-m", "tlzoo", "finetune", RESNET, str(pictures), "--out", str(out), "--batch", "8"]
    command += ["--strategy", "finetune", "--snapshot-every", "0", "--quiet", *flags]
    written = unfinished_dir(out) / "snapshot.safetensors"

    def stopped(number: int, *more: str) -> int:
        before = written.stat().st_mtime_ns if written.exists() else None
        process = subprocess.Popen(command + list(more), env={**os.environ, **zoo.environment}, stderr=subprocess.PIPE)
        while not written.exists() or written.stat().st_mtime_ns == before:
            assert process.poll() is None, process.stderr.read()
            time.sleep(0.01)
        time.sleep(random.uniform(0, 0.1))
        process.send_signal(number)
        process.communicate()
        return process.returncode

    assert stopped(signal.SIGTERM) == 143
    first = steps_and_epochs(out)
    assert stopped(signal.SIGKILL, "--resume") == -signal.SIGKILL
    assert (0, 0) < first < steps_and_epochs(out) < (45, 15)
    go(RESNET, out, resume=True, **options)
    assert weights(tmp_path / "whole") == weights(out)


def steps_and_epochs(out: Path) -> tuple[int, int]:
    found = resume.load_snapshot(unfinished_dir(out))
    assert found is not None
    return found[1]["counts"]["step"], found[1]["counts"]["epoch"]


@pytest.fixture
def halfway(go: Go, tmp_path: Path) -> Path:
    """Where a run goes that was killed in its second epoch."""
    with pytest.raises(Killed), killed_after(4):
        go(RESNET, tmp_path / "run", freeze="last:1")
    return tmp_path / "run"


def test_a_run_under_way_is_neither_overwritten_nor_resumed_as_another(
    go: Go, halfway: Path, make_pictures: Callable[..., Path]
):
    kept = (unfinished_dir(halfway) / "snapshot.safetensors").read_bytes()
    with pytest.raises(RunError, match="unfinished") as refused:
        go(RESNET, halfway, freeze="last:1")
    assert "`resume=True`" in refused.value.hint
    others = {
        "batch": {"batch": 6},
        "seed": {"seed": 1},
        "ema": {"ema": 0.5},
        "freeze policy": {"freeze": "last:2"},
        "strategy": {"strategy": "lp-ft"},
        "data": {"data": make_pictures(halfway.parent / "others", 10)},
    }
    for named, other in others.items():
        with pytest.raises(RunError, match=f"another.* {named}"):
            go(RESNET, halfway, resume=True, **{"freeze": "last:1", **other})
    with pytest.raises(RunError, match="another checkpoint"):
        go(VIT, halfway, resume=True, freeze="last:1")
    assert kept == (unfinished_dir(halfway) / "snapshot.safetensors").read_bytes()


def test_another_rate_may_take_over(go: Go, halfway: Path, tmp_path: Path):
    shutil.copytree(unfinished_dir(halfway), unfinished_dir(tmp_path / "same"))
    go(RESNET, tmp_path / "same", freeze="last:1", resume=True)
    run = go(RESNET, halfway, freeze="last:1", resume=True, lr=1e-4)
    assert run.options["lr"] == 1e-4
    assert weights(halfway) != weights(tmp_path / "same")
    assert history(halfway)[0] == history(tmp_path / "same")[0]


def test_options_without_effect_on_the_weights_may_differ(go: Go, halfway: Path, tmp_path: Path):
    go(RESNET, tmp_path / "whole", freeze="last:1")
    go(RESNET, halfway, freeze="last:1", resume=True, snapshot_every=1e6, cache_gb=1.0)
    assert weights(tmp_path / "whole") == weights(halfway)


def test_a_damaged_snapshot_is_refused_by_name(go: Go, halfway: Path):
    file = unfinished_dir(halfway) / "snapshot.safetensors"
    file.write_bytes(file.read_bytes()[:1000])
    with pytest.raises(RunError, match=r"snapshot\.safetensors"):
        go(RESNET, halfway, freeze="last:1", resume=True)


def test_a_full_disk_keeps_the_snapshot_before(go: Go, halfway: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    folder = unfinished_dir(halfway)
    kept = (folder / "snapshot.safetensors").read_bytes()

    def full(tensors: Any, path: Path, metadata: Any) -> None:
        Path(path).write_bytes(b"the beginning of it")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(resume, "save_file", full)
        with pytest.raises(TrainingError, match="No space left on device; the previous snapshot is intact") as error:
            go(RESNET, halfway, freeze="last:1", resume=True)
        with pytest.raises(TrainingError, match="there is no previous snapshot"):
            go(RESNET, tmp_path / "new", freeze="last:1")
    assert "`resume=True`" in error.value.hint
    assert kept == (folder / "snapshot.safetensors").read_bytes()
    assert not [path for path in folder.iterdir() if path.name.endswith(".part")]
    assert not unfinished_dir(tmp_path / "new").exists()
    go(RESNET, halfway, freeze="last:1", resume=True)


def test_snapshots_that_cannot_be_removed_are_said_and_the_run_is_whole(
    go: Go, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
):
    rename = Path.rename

    def broken(path: Path, target: Any) -> Path:
        if path.name.endswith(".unfinished"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return rename(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", broken)
        run = go(RESNET, tmp_path / "run", freeze="last:1")
    assert f"{unfinished_dir(run.path)} cannot be removed; nothing of it is needed" in capfd.readouterr().err
    assert tlzoo.Run.load(run.path).metrics == run.metrics


def test_a_run_that_does_not_fit_on_the_disk_is_saved_when_it_is_resumed(
    go: Go, halfway: Path, monkeypatch: pytest.MonkeyPatch
):
    def full(path: Path, *_: Any, **__: Any) -> None:
        raise WriteError(path / "model.safetensors", errno.ENOSPC)

    with monkeypatch.context() as patch:
        patch.setattr(workflow, "save_run", full)
        with pytest.raises(WriteError, match=r"model\.safetensors cannot be written: No space left") as raised:
            go(RESNET, halfway, freeze="last:1", resume=True)
    assert raised.value.hint.endswith("then continue with `resume=True`.")
    assert not halfway.exists()
    go(RESNET, halfway, freeze="last:1", resume=True)
    assert [path.name for path in halfway.parent.iterdir()] == [halfway.name]


@contextmanager
def nan_from(step: int) -> Iterator[None]:
    """From this step on (from 1) the loss is no number."""
    real = loop.batch_loss
    calls = iter(range(1, 10**6))

    def loss(*given: Any) -> torch.Tensor:
        return real(*given) * (float("nan") if next(calls) >= step else 1.0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "batch_loss", loss)
        yield


def test_a_loss_that_is_not_finite_keeps_the_last_good_snapshot(go: Go, tmp_path: Path):
    out = tmp_path / "run"
    with pytest.raises(TrainingError, match="became nan at step 5") as error, nan_from(5):
        go(RESNET, out, freeze="last:1", snapshot_every=1e6)
    assert str(unfinished_dir(out)) in error.value.message
    assert "`resume=True`" in error.value.hint
    assert "`lr`" in error.value.hint
    found = resume.load_snapshot(unfinished_dir(out))
    assert found is not None
    assert found[1]["counts"]["step"] == 3
    assert all(tensor.isfinite().all() for tensor in found[0].values())
    run = go(RESNET, out, freeze="last:1", snapshot_every=1e6, resume=True, lr=1e-4)
    assert len(history(run.path)) == 3


def test_a_loss_that_is_no_number_from_the_start_leaves_nothing(go: Go, tmp_path: Path):
    with pytest.raises(TrainingError, match="became nan at step 1") as error, nan_from(1):
        go(RESNET, tmp_path / "run", freeze="last:1")
    assert "`resume=True`" not in error.value.hint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("number", "code"), every_other([(signal.SIGTERM, 143), (signal.SIGINT, 130)]))
def test_being_asked_to_stop_finishes_the_step_and_says_how_to_go_on(
    command: Callable[..., Any], go: Go, pictures: Path, tmp_path: Path, number: int, code: int
):
    real = loop._after_step

    def interrupted(under: Any) -> None:
        if under.state.counts.step == 5:
            os.kill(os.getpid(), number)
        real(under)

    arguments = ["finetune", RESNET, pictures, "--out", tmp_path / "run", "--strategy", "finetune", "--freeze"]
    arguments += ["last:1", "--batch", 8, "--epochs", 3, "--lr", 1e-3, "--snapshot-every", 0]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loop, "_after_step", interrupted)
        done = command(*arguments)
    assert code == done.code
    assert "--resume" in done.err
    found = resume.load_snapshot(unfinished_dir(tmp_path / "run"))
    assert found is not None
    assert found[1]["counts"]["step"] == 5
    assert command(*arguments, "--resume", "--quiet").code == 0
    go(RESNET, tmp_path / "whole", freeze="last:1")
    assert weights(tmp_path / "whole") == weights(tmp_path / "run")


def test_a_run_without_what_cannot_be_decoded_goes_on_without_it(zoo: Any, pictures: Path, tmp_path: Path):
    data = Path(shutil.copytree(pictures, tmp_path / "torn"))
    torn = sorted(data.rglob("*.png"))[3]
    torn.write_bytes(torn.read_bytes()[:200])

    def go_on(**more: Any) -> tlzoo.Run:
        options = {"epochs": 2, "batch": 8, "lr": 1e-3, "snapshot_every": 0}
        how: Any = {"strategy": "finetune", "freeze": "last:1", "options": options}
        return tlzoo.finetune(RESNET, data, out=tmp_path / "run", **how, **more)

    with pytest.raises(Killed), killed_after(2):
        go_on(skip_broken=0.1)
    with pytest.raises(RunError, match="another data"):
        go_on(resume=True)
    run = go_on(resume=True, skip_broken=0.1)
    assert set(run.data.read["data"]["broken"]) == {str(torn)}
