"""What a plugin registers and does wrong is told to be the plugin's, before anything is spent on it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from shared_fixtures.release import every_other

import tlzoo

OPTIONS = {"epochs": 1, "batch": 8, "lr": 1e-2}


@pytest.fixture
def duo_site(duo_copy: Path) -> Path:
    """A copy of the plugin that may be changed."""
    return duo_copy


def raising(method: str) -> str:
    return f"def broken(*given, **named):\n    raise RuntimeError('lost my mind')\n\n\nTwo.{method} = broken"


@pytest.mark.parametrize(
    ("module", "code"),
    [
        *(("tasks", raising(name)) for name in ("read", "fit", "collate", "metrics", "samplewise", "decode", "check")),
        ("heads", "def build_head(backbone, task, options):\n    return 1 / 0"),
        ("heads", "TwoLayers.forward = lambda self, features: features.nothing"),
        ("heads", "def loss(outputs, batch):\n    return batch['none']\n\n\n"
                  "def build_head(backbone, task, options):\n    return Head(TwoLayers(12), loss)"),
    ],
)  # fmt: skip
def test_an_error_inside_names_plugin_file_and_line(faulty: Any, train: Any, module: str, code: str):
    faulty(module, code)
    done = train()
    assert done.code == 2, done.err
    assert "Plugin 'duo' (tlzoo-duo 1.0) failed in " in done.err
    assert f"{module}.py, line " in done.err
    assert "--debug" in done.err


def test_python_is_told_the_plugin_too(faulty: Any, numbers: Path, tmp_path: Path):
    faulty("tasks", raising("read"))
    with pytest.raises(
        tlzoo.TlzooError, match=r"Plugin 'duo' \(tlzoo-duo 1.0\) failed in tasks.py, line .*lost my mind"
    ):
        tlzoo.finetune("duo/means", numbers, out=tmp_path / "run", task="two", strategy="finetune")


@pytest.mark.release
def test_a_plugin_that_prints_leaves_stdout_to_the_document(faulty: Any, command: Any, numbers: Path, tmp_path: Path):
    faulty("heads", "print('at import')\n_head = build_head\n\n\ndef build_head(*given):\n    print('head')\n"
                    "    return _head(*given)")  # fmt: skip
    options = ("--task", "two", "--strategy", "finetune", "--epochs", "1", "--batch", "8", "--freeze", "all", "--quiet")
    done = command("finetune", "duo/means", numbers, "--out", tmp_path / "run", *options, "--json")
    assert json.loads(done.out)["task"] == "image-two"
    assert done.err == "at import\nhead\n"


def test_a_plugin_that_ends_the_program_is_named(faulty: Any, train: Any):
    faulty("tasks", "def gone(*given):\n    raise SystemExit(0)\n\n\nTwo.decode = gone")
    done = train()
    assert (done.code, "Plugin 'duo' (tlzoo-duo 1.0) failed in tasks.py, line " in done.err) == (2, True)
    assert "SystemExit: 0" in done.err


@pytest.mark.parametrize("method", ["read", "fit", "collate", "metrics", "decode", "outputs"])
@pytest.mark.parametrize(
    "error", ["type('Odd', (BaseException,), {})('gone')", "GeneratorExit('gone')", "StopIteration('gone')"]
)
def test_an_error_that_is_no_exception_or_ends_a_generator_is_named_with_its_method(
    faulty: Any, train: Any, method: str, error: str
):
    decorated = f"property({method}_broken)" if method == "outputs" else f"{method}_broken"
    faulty("tasks", f"def {method}_broken(*given, **named):\n    raise {error}\n\n\nTwo.{method} = {decorated}")
    done = train()
    assert done.code == 2, done.err
    assert "Plugin 'duo' (tlzoo-duo 1.0) failed in tasks.py, line " in done.err
    assert f"in {method}_broken: " in done.err
    assert "gone" in done.err


def test_debug_shows_the_whole_trace(faulty: Any, train: Any):
    faulty("tasks", raising("collate"))
    assert "Traceback" in train("--debug").err


@pytest.mark.parametrize(
    ("module", "code", "said"),
    every_other([
        ("tasks", "Two.outputs = property(lambda self: (Output('sign', ('batch', 3)), Output('size', ('batch',))))",
         "'sign' has shape [4, 2]; the task declares ['batch', 3]"),
        ("tasks", "Two.outputs = property(lambda self: (Output('sign', ('batch', 2)),))",
         "returns 2 outputs; the task declares 1"),
        ("tasks", "Two.outputs = property(lambda self: (Output('sign', ('batch', 2)), "
                  "Output('size', ('batch',), 'int64')))", "is float32; the task declares int64"),
        *(("tasks", f"Two.outputs = property(lambda self: (Output({name!r}, ('batch', 2)), "
                    "Output('size', ('batch',))))", said)
          for name, said in (
              ("embeddings", "An output is called 'embeddings', as exported files call the features"),
              ("", "An output is called ''; a name is a letter and up to 63"),
              ("image", "An output is called 'image', as an input of the model is"),
              ("size", "Two outputs have the same name: size, size"),
              ("a b", "An output is called 'a b'; a name"),
              ("a/b", "An output is called 'a/b'; a name"),
              ("a\nb", "a name is a letter"),
              ("a.b", "An output is called 'a.b'; a name"),
              ("é", "An output is called 'é'; a name"),
              ("1st", "An output is called '1st'; a name"),
              ("x" * 300, "a name is a letter"),
              (None, "An output is called None; a name"),
          )),
        *(("tasks", f"from tlzoo.tasks.base import DerivedOutput\nTwo.derived = ({derived},)", said)
          for derived, said in (
              ("DerivedOutput('size', 'sign', 'Softmax')", "Two outputs have the same name: sign, size, size"),
              ("DerivedOutput('embeddings', 'sign', 'Softmax')", "An output is called 'embeddings'"),
              ("DerivedOutput('image', 'sign', 'Softmax')", "An output is called 'image'"),
          )),
        *(("tasks", f"Two.outputs = property(lambda self: (Output('sign', {given}), Output('size', ('batch',))))", said)
          for given, said in (
              ("('batch', 2), 'banana'", "'sign' is of the type 'banana', not one of: float16"),
              ("['batch', 2]", "The first axis of 'sign' is ['batch', 2], not batch"),
              ("('batch', 'batch')", "'sign' has an axis called 'batch'"),
              ("('batch', '')", "'sign' has an axis called ''"),
              ("('batch', 2.0)", "'sign' has the axis 2.0, neither a name nor a size"),
          )),
        ("tasks", "Two.outputs = property(lambda self: ['sign'])", "not a tuple of Output"),
        ("tasks", "Two.outputs = property(lambda self: ())", "The task has no outputs"),
        ("tasks", "Two.fit = lambda self, targets, column: None", "`fit` returns None, not a Two named 'image-two'"),
        ("tasks", "Two.fit = lambda self, targets, column: Two('image-other', ('minus', 'plus'))", "named"),
        ("tasks", "Two.fit = lambda self, targets, column: Two(self.name, (1, 2))", "not a tuple of strings"),
        ("tasks", "Two.fit = lambda self, targets, column: Two(self.name, ('a', 'a'))", "a label twice"),
        ("tasks", "Two.fit = lambda self, targets, column: Two(self.name, ('a', 'b'), np.float32(1))",
         "do not survive JSON"),
        ("tasks", "Two.fit = lambda self, targets, column: Two(self.name, ('a', 'b'), (1, 2))", "as JSON"),
        ("tasks", "Two.collate = lambda self, targets, contexts: "
                  "{'sign': np.array(targets, object), 'size': np.zeros(len(targets))}", "of the type object"),
        ("tasks", "from tlzoo.tasks.base import DerivedOutput\nTwo.derived = (DerivedOutput('p', 'none', 'Softmax'),)",
         "has an unknown source or operator"),
        ("tasks", "Two.form = 'twice'", "neither once nor loop"),
        ("tasks", "Two.needs = 'vectors'", "`needs` has 'vectors'"),
        ("tasks", "Two.prediction = None", "not a subclass of Prediction"),
        ("tasks", "Two.columns = 'label'", "`columns` is 'label', not a tuple of strings"),
        ("tasks", "Two.modalities = 'image'", "not a frozenset"),
        ("tasks", "Two.directions = ['accuracy']", "not a mapping of metrics"),
        ("tasks", "Two.plugin = ''", "belongs to plugin ''"),
        ("tasks", "Two.head = ''", "cannot be imported"),
        ("tasks", "Two.read = lambda self, row: None", "returned None from `read` for line 2"),
        ("tasks", "Two.supports = 'augment'", "not a frozenset of: "),
        ("tasks", "Two.supports = frozenset({'foo'})", "not a frozenset of: "),
        ("tasks", "Two.headline = 'none'", "headline 'none' is not among"),
        ("tasks", "Two.collate = lambda self, targets, contexts: {'sign': np.zeros(3, np.int64), "
                  "'size': np.zeros(len(targets), np.float32)}", "'sign' of shape [3] for 4 samples"),
        ("tasks", "Two.collate = lambda self, targets, contexts: [1]", "returns list, not a mapping"),
        ("tasks", "Two.metrics = lambda self, *given: {'accuracy': 1.0}", "`directions` names accuracy, error"),
        ("tasks", "Two.metrics = lambda self, *given: {'accuracy': 1.0, 'error': float('nan')}",
         "The metric error is nan"),
        ("tasks", "Two.samplewise = lambda self, *given: np.zeros((2, 2))", "scores of shape (2, 2) for 4 samples"),
        ("tasks", "Two.decode = lambda self, *given: []", "returns 0 predictions for 4 samples"),
        ("tasks", "Two.decode = lambda self, outputs, contexts, options: [{}] * len(contexts)",
         "A prediction is dict, not TwoPrediction"),
        ("tasks", "Two.decode = lambda self, outputs, contexts, options: "
                  "[TwoPrediction('plus', size) for size in outputs['size']]", "A row is not JSON"),
        ("tasks", "Two.samples = lambda self, rows: None", "`samples` returns NoneType, not a sequence of Row"),
        ("tasks", "Two.samples = lambda self, rows: []", "`samples` returns no rows"),
        ("tasks", "Two.samples = lambda self, rows: [1, 2, 3]", "`samples` returns a sequence of int, not of Row"),
        ("tasks", "Two.layouts = lambda self, path: 3", "`layouts` returns int, not rows"),
        ("tasks", "Two.layouts = lambda self, path: [3]", "`layouts` returns a sequence of int, not of Row"),
        ("tasks", "Two.group = lambda self, target: [1]", "`group` returns [1], which is not hashable"),
        ("tasks", "Two.head_options = lambda self, targets: None", "`head_options` returns NoneType, not a dict"),
        ("tasks", "Two.notes = lambda self, *given: None", "`notes` gives None, not lines of text"),
        ("tasks", "Two.notes = lambda self, *given: 'abc'", "`notes` gives 'abc', not lines of text"),
        ("tasks", "Two.notes = lambda self, *given: [3]", "`notes` gives 3, not lines of text"),
        ("tasks", "Two.agree = lambda self, *given: None", "`agree` returns NoneType, not an Agreement"),
        ("tasks", "from tlzoo.plugin import Agreement\nTwo.agree = lambda self, *given: Agreement({}, {}, np.ones(4))",
         "`agree` returns no scale or no difference of the output 'sign'"),
        ("tasks", "from tlzoo.plugin import Agreement\nTwo.agree = lambda self, *given: "
                  "Agreement({'sign': 1, 'size': 1}, {'sign': np.zeros(1), 'size': np.zeros(1)}, np.ones(4))",
         "`agree` returns differences of 'sign' of shape [1] for 4 samples"),
        ("tasks", "Two.labels_in = lambda self, target: 3", "`labels_in` returns int, not a sequence of strings"),
        ("tasks", "Two.labels_in = lambda self, target: [3]", "`labels_in` returns 3, which is not a string"),
        ("tasks", "Two.inputs = property(lambda self: ('path',))", "`inputs` is ('path',), not a tuple of Input"),
        ("tasks", "Two.windows = lambda self, input, preprocessor: 'abc'\nTwo.merge = lambda self, parts: parts",
         "`windows` returns str"),
        ("tasks", "Two.windows = lambda self, input, preprocessor: []", "It has `windows` and no `merge`"),
        ("tasks", "del Two.decode", "It has no `decode`"),
        ("tasks", "Two.outputs = property(lambda self: (Output('sign', ('batch', 0)), Output('size', ('batch',))))",
         "`fit` leaves the output 'sign' with the axes ['batch', 0]"),
        ("tasks", "_collate = Two.collate\nTwo.collate = lambda self, targets, contexts: "
                  "{**_collate(self, targets, contexts), 'size': np.full(len(targets), np.nan, np.float32)}",
         "The loss of the first 38 samples is nan"),
        *(("heads", f"def build_head(backbone, task, options):\n    return {body}",
           f"`build_head` of its head module 'tlzoo_duo.heads' returns {said}")
          for body, said in (
              ("None", "NoneType, not a Head"),
              ("TwoLayers(12)", "TwoLayers, not a Head"),
              ("Head(None, print)", "a Head whose `module` is NoneType, not a torch.nn.Module"),
              ("Head(TwoLayers(12), 3)", "a Head whose `loss` is int, not a function"),
          )),
        ("heads", "del build_head", "its head module 'tlzoo_duo.heads' defines no `build_head`"),
        *(("heads", f"class Wrong(TwoLayers):\n    def forward(self, features):\n        {body}\n\n\n"
                    "def build_head(backbone, task, options):\n    return Head(Wrong(12), lambda *given: 0)", said)
          for body, said in (
              ("return None", "The head returns NoneType, not a tensor"),
              ("return {'sign': 3}", "The head returns dict, not a tensor"),
              ("return super().forward(features.mul_(2))", "The head changes its input in place"),
              ("return tuple(one * float('nan') for one in super().forward(features))", "'sign' has NaN or infinity"),
              ("return tuple(one.double() for one in super().forward(features))", "is float64"),
          )),
        ("heads", "def build_head(backbone, task, options):\n    head = TwoLayers(12).double()\n"
                  "    return Head(head, lambda *given: 0)", "failed in heads.py, line 23, in TwoLayers.forward"),
        ("heads", "def build_head(backbone, task, options):\n"
                  "    return Head(TwoLayers(12), lambda outputs, batch: outputs['size'].mean() * float('nan'))",
         "The loss of the first 38 samples is nan"),
        ("heads", "def build_head(backbone, task, options):\n"
                  "    return Head(TwoLayers(12), lambda outputs, batch: outputs['size'])",
         "The loss is of shape [4]"),
        ("heads", "def build_head(backbone, task, options):\n"
                  "    return Head(TwoLayers(12), lambda outputs, batch: outputs['size'].mean().detach())",
         "No gradient of the loss reaches the head"),
    ]),
)  # fmt: skip
def test_what_is_not_as_it_must_be_is_said_before_training(faulty: Any, train: Any, module: str, code: str, said: str):
    faulty(module, code)
    done = train()
    assert done.code == 2, done.err
    assert "lugin 'duo' (tlzoo-duo 1.0)" in done.err
    assert said in done.err
    assert "Epoch 1" not in done.err


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "its head module 'tlzoo_duo.heads' defines no `objective`"),
        ("def objective(task, options):\n    return None", "returns NoneType, not an Objective"),
        ("from tlzoo.tasks.heads import Objective\n\n\ndef objective(task, options):\n"
         "    return Objective('size', 1, 'size')",
         "it supports a probe, but the head of 'tlzoo_duo.heads' is TwoLayers, not torch.nn.Linear"),
    ],
)  # fmt: skip
def test_what_a_probe_of_a_task_lacks_is_named(
    faulty: Any, command: Any, numbers: Path, tmp_path: Path, code: str, said: str
):
    faulty("tasks", "Two.supports = frozenset({'probe'})")
    faulty("heads", code)
    done = command(
        "finetune", "duo/means", numbers, "--out", tmp_path / "run", "--task", "two", "--quiet", "--strategy", "probe"
    )
    assert done.code == 2, done.err
    assert "The task image-two of plugin 'duo' (tlzoo-duo 1.0) cannot be used: " in done.err
    assert said in done.err


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ("Head(None, print)", "a Head whose `module` is NoneType, not a torch.nn.Module"),
        ("Head(3, None)", "a Head whose `module` is int"),
    ],
)
def test_a_head_of_a_hook_that_is_none_is_named(faulty: Any, train: Any, answer: str, said: str):
    faulty("plugin", f"@hookimpl\ndef build_head(backbone, task, options):\n    from tlzoo.plugin import Head\n\n"
                     f"    return {answer}")  # fmt: skip
    done = train("--head", "duo/cosine")
    assert (done.code, f"Hook 'build_head' of plugin 'duo' (tlzoo-duo 1.0) returned {said}" in done.err) == (2, True)


def test_figures_of_the_interval_that_are_no_numbers_are_refused(faulty: Any, train: Any, tmp_path: Path):
    faulty("tasks", "Two.resample = lambda self, outputs, targets, contexts, draws: [float('nan') for _ in draws]")
    done = train()
    assert (done.code, "`resample` returns 200 values for 200 draws, 200 of them not finite" in done.err) == (2, True)
    shutil.rmtree(tmp_path / "run.unfinished")  # what is trained is kept: it can be gone on with


def test_numbers_of_numpy_are_metrics_as_well(faulty: Any, duo: Any, numbers: Path, tmp_path: Path):
    faulty("tasks", "_own = Two.metrics\nTwo.metrics = lambda self, *given: "
                    "{name: np.float32(value) for name, value in _own(self, *given).items()}")  # fmt: skip
    run = tlzoo.finetune(
        "duo/means", numbers, out=tmp_path / "run", task="two", strategy="finetune", freeze="all", options=OPTIONS
    )
    assert {type(value) for value in run.metrics.values()} == {float}


def test_a_task_for_other_inputs_says_which(faulty: Any, train: Any):
    faulty("tasks", "Two.modalities = frozenset({'audio', 'text'})")
    done = train()
    assert (done.code, "The task 'two' is for audio, text, not for image." in done.err) == (2, True)


def test_a_metric_that_is_no_number_on_other_samples_is_refused_too(faulty: Any, train: Any):
    faulty("tasks", "Two.metrics = lambda self, outputs, targets, contexts: "
                    "{'accuracy': 1.0, 'error': 1.0 if len(targets) <= 4 else float('inf')}")  # fmt: skip
    done = train()
    assert (
        done.code,
        "image-two of plugin 'duo' (tlzoo-duo 1.0) returns unusable metrics: The metric error is inf" in done.err,
    ) == (2, True)
