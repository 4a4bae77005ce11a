"""Strategies, freeze policies, adaptation methods and formats of plugins that do wrong are named with their plugin."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

import tlzoo
from tlzoo.errors import HookError, PluginError
from tlzoo.plugins.extensions import find_extension

OPTIONS = {"epochs": 1, "batch": 8, "lr": 1e-2}


@pytest.fixture
def duo_site(duo_copy: Path) -> Path:
    """A copy of the plugin that may be changed."""
    return duo_copy


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise RuntimeError('lost my mind')", "failed: RuntimeError: lost my mind"),
        ("raise SystemExit(3)", "failed: SystemExit: 3"),
        ("return None", "returned NoneType, not a TrainResult"),
        *((f"from dataclasses import replace\n        from tlzoo.plugin import run_finetune\n"
           f"        result = run_finetune(job)\n        return replace(result, {change})", said)
          for change, said in (
              ("outputs={}", "returned the outputs []; the task declares ['sign', 'size']"),
              ("outputs={name: rows[:1] for name, rows in result.outputs.items()}", "returned outputs for 1 samples"),
              ("outputs={name: rows * float('nan') for name, rows in result.outputs.items()}", "NaN or infinity"),
              ("outputs={name: rows + 7 for name, rows in result.outputs.items()}", "differ from those of its model"),
              ("history=None", "whose `history` is NoneType, not list"),
              ("details={'seen': {1, 2}}", "details that are not JSON"),
          )),
    ],
)  # fmt: skip
def test_a_strategy_that_fails_or_answers_wrongly_is_named(
    faulty: Any, train: Any, tmp_path: Path, body: str, said: str
):
    faulty("plugin", f"@hookimpl\ndef register_strategies():\n    def train(job):\n        {body}\n\n"
                     "    return [Strategy('head-only', train)]")  # fmt: skip
    done = train("--strategy", "duo/head-only")
    assert done.code == 2, done.err
    assert "The strategy 'head-only' of plugin 'duo' (tlzoo-duo 1.0) " in done.err
    assert said in done.err
    shutil.rmtree(tmp_path / "run.unfinished", ignore_errors=True)  # of those that trained, to be resumed


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("policy='nonsense'", "has the unknown freeze policy 'nonsense'"),
        ("policy=3", "has the unknown freeze policy 3"),
        ("options=dict", "has the options <class 'dict'>, not a subclass of StrategyOptions"),
    ],
)
def test_a_strategy_declared_wrongly_is_named(faulty: Any, train: Any, given: str, said: str):
    faulty("plugin", f"@hookimpl\ndef register_strategies():\n    return [Strategy('odd', lambda job: None, {given})]")
    done = train("--strategy", "duo/odd")
    assert done.code == 2, done.err
    assert f"The strategy 'odd' of plugin 'duo' (tlzoo-duo 1.0) {said}" in done.err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Freeze(['head.sign.weight'])", "`trainable` is a list, not a frozenset of names"),
        ("Freeze(frozenset({'backbone.none'}))", "`trainable` has 'backbone.none', which the model does not have"),
        ("Freeze(frozenset({'head.sign.weight'}), frozenset({'none'}))", "`eval_modules` has 'none'"),
        ("Freeze(frozenset({'head.sign.weight'}), frozenset(), frozenset({3}))", "`eval_containers` has '3'"),
    ],
)
def test_a_freeze_policy_that_answers_wrongly_is_named(faulty: Any, train: Any, answer: str, said: str):
    faulty("plugin", f"from tlzoo.plugin import Freeze\n\n\n@hookimpl\ndef freeze(model, policy):\n    return {answer}")
    done = train("--freeze", "duo/odd")
    assert done.code == 2, done.err
    assert f"Freeze policy 'duo/odd' of plugin 'duo' (tlzoo-duo 1.0) cannot be used: {said}" in done.err


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("parameters[0].data.add_(1)", "it changes 'backbone.mix.weight'; only adapters may be added"),
        ("parameters[-1].mul_(2)", "it changes 'head.size.bias'; only adapters may be added"),
        ("parameters[0].data = parameters[0].data.half()", "it changes 'backbone.mix.weight'; only adapters"),
        ("model.head.size.bias = None", "it removes 'head.size.bias' from the model; only adapters may be added"),
        ("trainable = {found.pop()}",
         "it answers differently when it is asked again: `trainable` has 'head.sign.bias' only once"),
    ],
)  # fmt: skip
def test_a_freeze_policy_that_changes_the_model_or_its_mind_is_named(faulty: Any, train: Any, body: str, said: str):
    faulty(
        "plugin",
        f"""
from tlzoo.plugin import Freeze
found = ['head.sign.weight', 'head.sign.bias']


@hookimpl
def freeze(model, policy):
    import torch

    parameters = list(model.parameters())
    trainable = {{'head.sign.weight'}}
    with torch.no_grad():
        {body}
    return Freeze(frozenset(trainable))
""",
    )
    done = train("--freeze", "duo/odd")
    assert done.code == 2, done.err
    assert f"Freeze policy 'duo/odd' of plugin 'duo' (tlzoo-duo 1.0) cannot be used: {said}" in done.err


def test_a_freeze_policy_may_add_adapters(faulty: Any, pictures: Path, tmp_path: Path):
    faulty(
        "plugin",
        """
@hookimpl
def freeze(model, policy):
    from tlzoo.models.freezing import core_freeze

    return core_freeze(model, 'lora:2')
""",
    )
    run = tlzoo.finetune(
        "vision/test-vit", pictures, out=tmp_path / "run", strategy="finetune", freeze="duo/own", options=OPTIONS
    )
    assert run.frozen["merged"]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise KeyError('mean')", "failed: KeyError: 'mean'"),
        ("return 3", "returned int, not a model"),
        ("return model.headless()", "returned a model whose head is Identity"),
        (
            "next(model.head.parameters()).data.fill_(float('nan'))\n    return model",
            "returned a model whose head.weight has NaN or infinity",
        ),
    ],
)
def test_an_adaptation_method_that_fails_or_answers_wrongly_is_named(
    faulty: Any, picture_run: Any, pictures: Path, tmp_path: Path, body: str, said: str
):
    faulty("networks", f"def adabn(model, source, target, options):\n    {body}")
    with pytest.raises(HookError) as error:
        tlzoo.adapt(picture_run.path, pictures, out=tmp_path / "adapted", method="duo/adabn")
    assert "The adaptation method 'adabn' of plugin 'duo' (tlzoo-duo 1.0) " in str(error.value)
    assert said in str(error.value)
    assert not (tmp_path / "adapted").exists()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("1 / 0", "failed: ZeroDivisionError"),
        ("None", "wrote 0 files named model.onnx"),
        ("(given[0] / 'more').symlink_to('/etc')", "wrote the link 'more'; a layout holds files and folders alone"),
    ],
)
def test_a_format_that_fails_or_writes_no_model_is_named(
    faulty: Any, command: Any, picture_run: Any, tmp_path: Path, body: str, said: str
):
    faulty("plugin", f"@hookimpl\ndef register_formats():\n    return [ExportFormat('named', lambda *given: {body})]")
    done = command("export", picture_run.path, "--out", tmp_path / "it", "--format", "duo/named", "--quiet")
    assert done.code == 2
    assert f"The format 'named' of plugin 'duo' (tlzoo-duo 1.0) {said}" in done.err
    assert not (tmp_path / "it").exists()


def test_a_name_of_the_core_that_a_plugin_declares_as_well_is_told(
    duo: Any, duo_site: Path, numbers: Path, tmp_path: Path
):
    entries = duo_site / "tlzoo_duo-1.0.dist-info" / "entry_points.txt"
    entries.write_text(entries.read_text().replace("head-only = duo", "finetune = duo"))
    with pytest.warns(RuntimeWarning, match=r"tlzoo-duo 1\.0 declares the strategy 'finetune', which is built in"):
        tlzoo.finetune(
            "duo/means", numbers, out=tmp_path / "run", task="two", strategy="finetune", freeze="all", options=OPTIONS
        )
    with pytest.raises(PluginError, match="strategy 'finetune' is declared by plugin 'duo'"):
        find_extension("strategies", "duo/finetune")
