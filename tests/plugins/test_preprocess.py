"""Preprocessing that only a plugin knows: asked of it by the runtime, and held to what it must give."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tlzoo import finetune, load, plugins
from tlzoo.cli.deploy.predict import _input_spec
from tlzoo.data import Samples, endings_of, read
from tlzoo.data.dataset import make_dataset
from tlzoo.errors import HookError, InputError, PluginError
from tlzoo.plugins.preprocess import plugin_preprocessor
from tlzoo.runtime.inputs import named_inputs
from tlzoo.specs import PluginSpec
from tlzoo.tasks import make_task

OWN = """
    import numpy as np
    from tlzoo.errors import InputError
    from tlzoo.specs import PluginSpec

    def read(item):
        if isinstance(item, np.ndarray):
            return item
        try:
            return np.loadtxt(item, delimiter=",").astype(np.uint8).reshape(8, 8, 3)
        except ValueError as cause:
            raise InputError(f"{item} holds no numbers.", hint="Mend it.") from cause

    @hookimpl
    def make_preprocessor(spec):
        if spec.kind == "plugin":
            return lambda inputs: {"image": np.stack([read(item) for item in inputs])}
"""
SPEC = PluginSpec(plugin="toy", endings=(".csv",))


@pytest.fixture
def tables(tmp_path: Path) -> Path:
    """A folder per class of CSV files, each a sample of 64 rows."""
    random = np.random.default_rng(0)
    for label, level in (("dark", 60), ("light", 180)):
        (tmp_path / "data" / label).mkdir(parents=True)
        for number in range(12):
            rows = random.normal(level, 20, (64, 3)).clip(0, 255)
            np.savetxt(tmp_path / "data" / label / f"{number:02}.csv", rows, fmt="%d", delimiter=",")
    return tmp_path / "data"


def test_a_fourth_modality_is_trained_exported_and_predicted(toy: Callable[[str], str], tables: Path, tmp_path: Path):
    from tlzoo import registry

    given = registry.get(toy(OWN))
    checkpoint = given.model_copy(update={"tasks": ("table-classification",), "preprocess": SPEC})
    run = finetune(checkpoint, tables, out=tmp_path / "run")
    exported = run.export(tmp_path / "tables.onnx")
    predictor = load(tmp_path / "tables.onnx")
    assert predictor.task.name == "table-classification"
    assert exported.parity.top1_agreement == 1
    assert [answer.label for answer in predictor.predict(sorted(tables.glob("*/00.csv")))] == ["dark", "light"]
    (tmp_path / "bad.csv").write_text("no numbers")
    with pytest.raises(InputError, match=r"bad\.csv"):
        predictor.predict([tmp_path / "bad.csv"])
    wanted = _input_spec([], predictor, (), {}, text=False)
    assert [name for name, _ in named_inputs([str(tables / "dark")], wanted, [])] == sorted(
        map(str, tables.glob("dark/*.csv"))
    )
    assert [name for name, _ in named_inputs([str(tables / "dark" / "00.csv")], wanted, [])] == [
        str(tables / "dark" / "00.csv")
    ]


def test_a_folder_is_read_by_the_endings_that_the_plugin_names(tables: Path):
    samples = read(tables, make_task("table-classification"), endings=endings_of(SPEC)).train
    assert (len(samples), samples.modality) == (24, "table")


@pytest.fixture
def preprocessing(toy: Callable[[str], str]) -> Iterator[Callable[[str], Any]]:
    """What the runtime gets of a plugin whose hook returns this expression."""

    def make(expression: str) -> Any:
        toy(f"""
    import numpy as np

    @hookimpl
    def make_preprocessor(spec):
        return {expression}
""")
        return plugin_preprocessor(SPEC)

    yield make
    plugins.import_plugin.cache_clear()


@pytest.mark.parametrize("expression", ["7", "None"])
def test_a_hook_that_answers_with_no_callable_is_refused(preprocessing: Callable[[str], Any], expression: str):
    with pytest.raises(HookError, match=r"tlzoo-toy 1\.0|does not answer"):
        preprocessing(expression)


@pytest.mark.parametrize(
    "expression",
    [
        "lambda inputs: [1]",
        "lambda inputs: {'image': [1]}",
        "lambda inputs: {'image': np.zeros((2, 3))}",
        "lambda inputs: 1 / 0",
    ],
)
def test_what_a_plugin_makes_is_checked_before_it_is_used(preprocessing: Callable[[str], Any], expression: str):
    with pytest.raises(HookError, match=r"tlzoo-toy 1\.0"):
        preprocessing(expression)(["only one"])


def test_a_file_whose_plugin_is_not_here_says_what_to_install():
    with pytest.raises(PluginError) as error:
        plugin_preprocessor(PluginSpec(plugin="smell"))
    assert "tlzoo plugins install tlzoo-smell" in str(error.value)


CUTTING = """
    import numpy as np
    from tlzoo.plugin import PreparedArrays

    class Cutting:
        limit = (3, "lines")

        def __call__(self, inputs):
            rows = [open(item).read().splitlines() for item in inputs]
            longer = [len(each) > 3 for each in rows]
            return PreparedArrays({"lines": np.array([len(each[:3]) for each in rows])}, longer)

    @hookimpl
    def make_preprocessor(spec):
        return Cutting()
"""


def test_a_plugin_may_say_which_inputs_it_cuts(toy: Callable[[str], str], tables: Path):
    toy(CUTTING)
    files = [tables / "dark" / "00.csv", tables / "dark" / "01.csv"]
    files[1].write_text("1\n2\n3\n")
    samples = Samples(tuple(map(str, files)), None, "table")
    found = make_dataset(samples, make_task("table-classification"), plugin_preprocessor(SPEC)).cut()
    assert found is not None
    assert found.line() == "1 of 2 samples is longer than 3 lines; the rest is not read"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('limit = (3, "lines")', "limit = 3", "has the `limit` 3, which is no size and unit"),
        ("for each in rows]\n            return", "for each in rows[1:]]\n            return", "says of 1 inputs"),
    ],
)
def test_what_a_plugin_says_of_cut_inputs_is_checked(
    toy: Callable[[str], str], tables: Path, old: str, new: str, said: str
):
    toy(CUTTING.replace(old, new))
    samples = Samples(tuple(str(tables / "dark" / f"0{at}.csv") for at in range(2)), None, "table")
    with pytest.raises(HookError, match=re.escape(said)):
        make_dataset(samples, make_task("table-classification"), plugin_preprocessor(SPEC)).cut()
