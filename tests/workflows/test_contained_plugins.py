"""What a plugin prints, changes of the process or takes long over leaves a command's answer as it is, and is named."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

import tlzoo

FORWARD = "_own = Means.forward\n\n\ndef forward(self, image):\n    {body}\n    return _own(self, image)\n\n\n"
HOOK = """
_own = load_backbone


@hookimpl
def load_backbone(checkpoint, weights, output):
    import os
    import signal
    import time

    import torch

    {body}
    return _own(checkpoint, weights, output)
"""
OPTIONS = "--strategy finetune --task two --epochs 1 --batch 8 --lr 0.01 --freeze all".split()


@pytest.fixture
def duo_site(duo_copy: Path) -> Path:
    """A copy of the plugin that may be changed."""
    return duo_copy


@pytest.fixture
def finetune(command: Any, numbers: Path, tmp_path: Path) -> Any:
    return lambda *more: command("finetune", "duo/means", numbers, "--out", tmp_path / "run", *OPTIONS, *more)


def forward(body: str) -> str:
    return FORWARD.format(body=body) + "Means.forward = forward"


def test_what_a_network_prints_goes_to_stderr(faulty: Any, finetune: Any):
    faulty("means", forward("print('printed')"))
    done = finetune()
    assert done.code == 0, done.err
    assert "printed" in done.err
    assert "printed" not in done.out
    assert done.out.startswith("Run ")


def test_a_network_that_exits_ends_no_command(faulty: Any, finetune: Any):
    faulty("means", forward("raise SystemExit(0)"))
    done = finetune()
    assert (done.code, done.out) == (2, "")
    assert "Plugin 'duo' (tlzoo-duo 1.0) failed in means.py" in done.err
    assert "SystemExit: 0" in done.err


@pytest.mark.parametrize(
    ("module", "code", "who"),
    [
        ("plugin", HOOK.format(body="torch.set_num_threads(7)"), "Hook 'load_backbone' of plugin 'duo'"),
        ("plugin", HOOK.format(body="os.chdir('/')"), "Hook 'load_backbone' of plugin 'duo'"),
        ("plugin", HOOK.format(body="signal.signal(signal.SIGTERM, signal.SIG_IGN)"), "Hook 'load_backbone' of plugin"),
        ("means", forward("torch.set_default_dtype(torch.float64)"), " of plugin 'duo'"),
        ("heads", "_forward = TwoLayers.forward\n\n\ndef forward(self, features):\n"
                  "    __import__('torch').set_default_dtype(__import__('torch').float64)\n"
                  "    return _forward(self, features)\n\n\nTwoLayers.forward = forward", " of plugin 'duo'"),
        ("tasks", "_metrics = Two.metrics\n\n\ndef metrics(self, *given):\n    __import__('os').chdir('/')\n"
                  "    return _metrics(self, *given)\n\n\nTwo.metrics = metrics", " of plugin 'duo'"),
    ],
)  # fmt: skip
def test_what_it_changes_of_the_process_is_put_back_and_said_once(
    faulty: Any, finetune: Any, module: str, code: str, who: str
):
    before = os.getcwd(), torch.get_default_dtype(), torch.get_num_threads()
    faulty(module, code)
    with pytest.warns(RuntimeWarning, match="it is put back") as warned:
        done = finetune()
    assert done.code == 0, done.err
    assert (os.getcwd(), torch.get_default_dtype(), torch.get_num_threads()) == before
    assert signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN
    [said] = [str(each.message) for each in warned if "it is put back" in str(each.message)]
    assert who in said
    assert "(tlzoo-duo 1.0)" in said


def test_a_hook_that_hangs_is_named(faulty: Any, finetune: Any, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("tlzoo.progress.EVERY_S", 0.1)
    monkeypatch.setattr("tlzoo.progress.PATIENCE_S", 0.3)
    faulty("plugin", HOOK.format(body="time.sleep(1)"))
    assert "Hook 'load_backbone' of plugin 'duo' (tlzoo-duo 1.0) takes long: " in finetune().err


@pytest.mark.parametrize("strategy", ["probe", pytest.param("finetune", marks=pytest.mark.release)])
def test_a_network_that_hangs_is_named_in_every_pass(
    faulty: Any, command: Any, numbers: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strategy: str
):
    monkeypatch.setattr("tlzoo.progress.EVERY_S", 0.02)
    monkeypatch.setattr("tlzoo.progress.PATIENCE_S", 0.1)
    slow = "__import__('sys').stderr.write('A pass begins.\\n')\n    __import__('time').sleep(0.3)"
    faulty("means", forward(slow))
    descent = [] if strategy == "probe" else ["--epochs", "1", "--batch", "8", "--no-probe"]
    options = ["--task", "image-regression", "--strategy", strategy, *descent]
    first, again = tmp_path / "first", tmp_path / "with-what-the-first-cached"
    for line in (
        *(("finetune", "duo/means", numbers, "--out", out, *options) for out in (first, again)),
        ("evaluate", first, numbers),
        ("export", first, "--out", tmp_path / "model.onnx"),
        ("adapt", first, "--target", numbers, "--out", tmp_path / "adapted"),
    ):
        done = command(*line)
        assert done.code == 0, done.err
        passes = done.err.split("A pass begins.")[1:]
        assert passes, line
        assert [text for text in passes if "of plugin 'duo' (tlzoo-duo 1.0) takes long" not in text] == [], line


def test_preprocessing_that_exits_or_changes_the_process_does_not_reach_a_program_that_predicts(faulty: Any, duo: Any):
    from tlzoo.plugins.preprocess import plugin_preprocessor
    from tlzoo.specs import PluginSpec

    faulty("plugin", "@hookimpl\ndef make_preprocessor(spec):\n    import numpy as np\n    import os\n\n"
                     "    def made(inputs):\n        os.chdir('/')\n        if inputs == ['end']:\n"
                     "            raise SystemExit(0)\n        return {'image': np.zeros((len(inputs), 2))}\n\n"
                     "    return made")  # fmt: skip
    made, before = plugin_preprocessor(PluginSpec(plugin="duo", endings=(".png",))), os.getcwd()
    with pytest.warns(RuntimeWarning, match=r"The preprocessing of plugin 'duo' \(tlzoo-duo 1.0\) changes the working"):
        assert made(["one"])["image"].shape == (1, 2)
    with pytest.raises(tlzoo.TlzooError, match=r"The preprocessing of plugin 'duo' .* failed: SystemExit: 0"):
        made(["end"])
    assert os.getcwd() == before
