"""The examples in the hooks' docstrings work as they are, on small real objects."""

from __future__ import annotations

import doctest
import inspect
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tlzoo import errors, plugin
from tlzoo.plugins import hookspecs

HOOKS: dict[str, Callable[..., Any]] = {
    name: hook for name, hook in vars(hookspecs).items() if hasattr(hook, "tlzoo_spec")
}


def example_of(name: str) -> doctest.DocTest:
    return doctest.DocTestParser().get_doctest(HOOKS[name].__doc__ or "", {}, name, hookspecs.__file__, 0)


@pytest.fixture
def names(duo: Any, make_pictures: Callable[..., Path], picture_file: Any, tmp_path: Path) -> dict[str, Any]:
    """What the module's docstring says that the examples are given."""
    import torch
    from safetensors.torch import save_file

    from tlzoo import Finetune, registry
    from tlzoo.data import Samples, read_splits
    from tlzoo.data.dataset import make_dataset
    from tlzoo.interfaces import Weights
    from tlzoo.io.timings import Clock
    from tlzoo.plugins.preprocess import checkpoint_preprocessor
    from tlzoo.runs.prepare import prepare
    from tlzoo.tasks import make_task
    from tlzoo.training.strategies.base import TrainJob

    checkpoint = registry.get("duo/means")
    parts = read_splits(make_pictures(tmp_path / "pictures"), None, make_task("image-classification"), {}, 0)
    task = make_task("image-classification").fit(parts.train.targets or (), "label")
    options = Finetune(batch=8, epochs=3, seed=0)
    model, sets, about = prepare(checkpoint, task, parts, options)
    others = make_pictures(tmp_path / "others", 3, seed=7)
    pictures = Samples(tuple(map(str, sorted(others.rglob("*.png")))), None, "image")
    weights = tmp_path / "files"
    weights.mkdir()
    file = weights / "mix.safetensors"
    torch.manual_seed(0)
    linear = torch.nn.Linear(3, 12)
    save_file({f"mix.{name}": tensor for name, tensor in linear.state_dict().items()}, file)
    (folder := tmp_path / "empty").mkdir()
    public = {name: getattr(plugin, name) for name in plugin.__all__}
    return {
        **public,
        **{name: value for name, value in vars(errors).items() if inspect.isclass(value)},
        "checkpoint": checkpoint,
        "weights": Weights(weights, {file.name: file}),
        "backbone": model.parts,
        "task": task,
        "model": model.eval(),
        "source": sets.train,
        "target": make_dataset(pictures, task, checkpoint_preprocessor(checkpoint, model.parts.preprocess)),
        "job": TrainJob(model, "all", sets, options, about, Clock()),
        "exported": picture_file.path.read_bytes(),
        "manifest": picture_file.load().manifest,
        "folder": folder,
    }


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_is_shown_by_an_example_that_implements_it(name: str):
    shown = "".join(line.source for line in example_of(name).examples)
    arguments = ", ".join(inspect.signature(HOOKS[name]).parameters)
    assert f"@hookimpl\ndef {name}({arguments}):" in shown
    assert sum(bool(line.want) for line in example_of(name).examples) >= 1


@pytest.mark.parametrize("name", HOOKS)
def test_the_example_of_a_hook_works(name: str, names: dict[str, Any]):
    example = example_of(name)
    example.globs = dict(names)
    said: list[str] = []
    runner = doctest.DocTestRunner(optionflags=doctest.REPORT_ONLY_FIRST_FAILURE)
    runner.run(example, out=said.append)
    assert runner.failures == 0, "".join(said)


@pytest.mark.parametrize("name", HOOKS)
def test_a_hook_begins_with_one_line_that_says_what_it_is_given_or_returns(name: str):
    first, blank, *_ = inspect.cleandoc(HOOKS[name].__doc__ or "").splitlines()
    assert first.startswith(("Given ", "Return "))
    assert blank == ""


def test_the_examples_are_given_what_the_module_says(names: dict[str, Any]):
    listed = [line for line in (hookspecs.__doc__ or "").splitlines() if line.startswith("- ")]
    said = set(re.findall(r"`(\w+)`", "\n".join(listed)))
    assert said == set(names) - set(plugin.__all__) - set(vars(errors))


def test_the_specifications_stay_short_and_import_no_torch():
    source = Path(hookspecs.__file__).read_text(encoding="utf-8")
    assert len(source.splitlines()) < 400
    assert "\nimport torch" not in source.partition("@hookspec")[0]
