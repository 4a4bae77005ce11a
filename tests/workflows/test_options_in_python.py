"""Options in Python: every spelling means the same, and what cannot be, or would do nothing, is refused by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

import tlzoo
from tlzoo.errors import RunError, UsageError
from tlzoo.runs.checks import choose

RESNET = "vision/test-resnet"


def test_keywords_a_mapping_and_a_dataclass_train_the_same(zoo: Any, pictures: Path, tmp_path: Path):
    quick = {"epochs": 1, "batch": 8, "rank": 2, "cache": False}
    ways: dict[str, dict[str, Any]] = {
        "keywords": {"strategy": "lora", **quick},
        "mapping": {"strategy": "lora", "options": {**quick, "cache": tlzoo.Cache(False)}},
        "dataclass": {"strategy": tlzoo.LoRA(epochs=1, batch=8, rank=2, cache=tlzoo.Cache(enabled=False))},
        "freeze": {"strategy": tlzoo.LoRA(epochs=1, batch=8), "freeze": "lora:2", "cache": False},
    }
    runs = {name: tlzoo.finetune(RESNET, pictures, out=tmp_path / name, **way) for name, way in ways.items()}
    weights = {name: load_file(tmp_path / name / "model.safetensors") for name in runs}
    first = runs.pop("keywords")
    assert {"strategy": "lora", "freeze": "lora:2", "rank": 2, "cache": False, "augment": "none"}.items() <= (
        json.loads((first.path / "run.json").read_text())["options"].items()
    )
    for name, run in runs.items():
        assert run.options == first.options
        for tensor, values in weights["keywords"].items():
            np.testing.assert_array_equal(weights[name][tensor], values)


def test_a_probe_of_a_given_strength_says_so_in_its_record(zoo: Any, pictures: Path, tmp_path: Path):
    run = tlzoo.finetune(RESNET, pictures, out=tmp_path / "run", strategy=tlzoo.Probe(l2=0.5))
    assert run.options["l2"] == 0.5
    assert run.options["epochs"] is None


@pytest.mark.parametrize(
    ("given", "parameter", "said"),
    [
        ({"epochs": 3}, "epochs", "`epochs` has no effect with `strategy='probe'`"),
        ({"epoch": 3, "strategy": "finetune"}, "epoch", "Did you mean `epochs`?"),
        ({"stratgy": "finetune"}, "stratgy", "Did you mean `strategy`"),
        ({"options": {"epochs": 0}, "strategy": "finetune"}, "epochs", "`epochs` cannot be 0. Give a whole number"),
        ({"strategy": "lora", "layer_decay": 0.5}, "layer_decay", "no effect with `strategy='lora'`"),
        ({"strategy": "lora", "rank": 4, "freeze": "lora:8"}, "freeze", "`freeze='lora:8'` contradicts `rank=4`"),
        ({"strategy": "finetune", "patience": 5}, "patience", "`patience=5` has no effect with `epochs=5`"),
        ({"strategy": "finetune", "cutmix": 0.2, "augment": "lite"}, "augment", "`augment` cannot be 'lite'"),
        ({"strategy": "finetune", "head": "deep"}, "head", "or leave `head` out"),
        ({"strategy": "auto", "freeze": "last:1"}, "freeze", "no effect with `strategy='auto'`"),
        ({"device": "tpu"}, "device", "Give auto, cpu, cuda"),
        ({"strategy": ""}, "strategy", "`strategy=''` is unknown"),
        ({"task": ""}, "task", "does not support the task ''"),
        ({"freeze": "", "strategy": "finetune"}, "freeze", "Unknown freeze policy ''"),
        ({"head": ""}, "head", "Unknown head ''"),
        ({"freeze": 3}, "freeze", "`freeze` cannot be 3"),
        ({"task": 3}, "task", "`task` cannot be 3"),
        ({"head": 3}, "head", "`head` cannot be 3"),
        ({"options": "epochs=3"}, "options", "Give a mapping such as"),
        ({"options": tlzoo.Finetune()}, "options", "are a `strategy`"),
        ({"options": {3: 4}}, "options", "`options` cannot be {3: 4}"),
        ({"preprocess": "crop"}, "preprocess", "`preprocess` cannot be 'crop'"),
        ({"preprocess": {"crop": 7.0}}, "preprocess", "`preprocess={'crop': 7.0}` cannot be used. Give 1 or less"),
        ({"columns": "x"}, "columns", "`columns` cannot be 'x'"),
        ({"columns": {"others": "x"}}, "columns", "`columns` cannot be"),
        ({"columns": {"label_column": 3}}, "columns", "`columns` cannot be"),
        ({"columns": {"label_column": "x"}}, "columns", "`columns={'label_column': 'x'}` has no effect"),
        ({"columns": {"label_column": "x", "others": {"label": "y"}}}, "columns", "twice: 'x' and 'y'"),
        ({"strategy": tlzoo.LoRA(rank=8), "freeze": "lora:4"}, "freeze", "`freeze='lora:4'` contradicts `rank=8`"),
        ({"strategy": tlzoo.Finetune(epochs=5), "epochs": 4}, "epochs", "given as 5 and as 4"),
        (
            {"strategy": "finetune", "augment": "light", "views": 3},
            "views",
            "`views=3` has no effect with `freeze='none'`",
        ),
        (
            {"strategy": "finetune", "freeze": "last:1", "augment": "light", "views": 3, "cache": False},
            "views",
            "`views=3` has no effect with `cache=False`",
        ),
        (
            {"strategy": "finetune", "freeze": "last:1", "augment": "light", "views": 3, "cutmix": 0.2},
            "views",
            "`views=3` has no effect with `cutmix=0.2`",
        ),
        ({"strategy": "finetune", "cache_gb": 3.0, "probe": False}, "cache_gb", "no effect with `freeze='none'`"),
        (
            {"strategy": "finetune", "cache_precision": "fp16", "probe": False},
            "cache_precision",
            "`cache_precision='fp16'` has no effect with `freeze='none'`",
        ),
        (
            {"strategy": "finetune", "freeze": "last:1", "augment": "light", "cache_gb": 3.0, "probe": False},
            "cache_gb",
            "`augment='light'`, which varies the inputs",
        ),
        *(
            ({"strategy": "finetune", "freeze": policy, "layer_decay": 0.5}, "layer_decay", f"`freeze={policy!r}`")
            for policy in ("all", "last:1", "lora:2")
        ),
        ({"strategy": "finetune", "freeze": "all", "l2_sp": 0.5}, "l2_sp", "`freeze='all'`"),
        ({"strategy": "finetune", "freeze": "last:0"}, "freeze", "`freeze='last:0'` trains no stage"),
        ({"freeze": "frist:1"}, "freeze", "Unknown freeze policy 'frist:1'"),
        ({"strategy": "lora", "freeze": "frist:1"}, "freeze", "Unknown freeze policy 'frist:1'"),
    ],
)
def test_what_cannot_be_is_refused_by_the_parameters_name(
    zoo: Any, pictures: Path, tmp_path: Path, given: dict[str, Any], parameter: str, said: str
):
    with pytest.raises(UsageError) as error:
        tlzoo.finetune(RESNET, pictures, out=tmp_path / "run", **given)
    assert error.value.parameter == parameter
    assert said in str(error.value)
    assert "--" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_views_that_save_no_time_are_said_to(
    zoo: Any, pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Every normalisation trains, from the first layer on: nothing in front of it is computed once."""
    given = {"freeze": "norm", "augment": "light", "views": 2, "epochs": 1, "max_steps": 1, "probe": False}
    run = tlzoo.finetune(RESNET, pictures, out=tmp_path / "run", strategy="finetune", **given)
    assert run.options["prefix"] is None
    assert "`views=2` saves no time: the same 2 views of each sample return." in capsys.readouterr().err


def test_what_has_an_effect_after_all_is_taken(zoo: Any):
    checkpoint = tlzoo.registry.get(RESNET)
    for freeze, given in (
        ("none", {"cache_gb": 3.0}),  # for the probe that is measured beside
        ("none", {"cache": False}),
        ("none", {"unfreeze_every": 1, "augment": "light", "views": 3}),
        ("last:1", {"cache_precision": "fp16", "probe": False}),
        ("last:1", {"augment": "light", "views": 3, "cache_gb": 3.0, "probe": False}),
        ("last:2", {"layer_decay": 0.5}),
        ("norm", {"layer_decay": 0.5}),
    ):
        assert choose(checkpoint, None, "finetune", freeze, None, given).policy == freeze


def test_a_place_that_is_taken_is_an_error_of_the_parameter_out(zoo: Any, pictures: Path, tmp_path: Path):
    with pytest.raises(RunError, match="Choose another `out`") as error:
        tlzoo.finetune(RESNET, pictures, out=tmp_path)
    assert error.value.parameter == "out"


@pytest.mark.parametrize(
    ("given", "parameter"),
    [
        ({"batch": (0,)}, "batch"),
        ({"batch": 2.5}, "batch"),
        ({"batch": ()}, "batch"),
        ({"batch": "8"}, "batch"),
        ({"batch": True}, "batch"),
        ({"threads": (-1,)}, "threads"),
        ({"threads": None}, "threads"),
        ({"seconds": -1}, "seconds"),
        ({"seconds": float("nan")}, "seconds"),
        ({"provider": ()}, "provider"),
        ({"provider": (3,)}, "provider"),
        ({"data": "a.jpg"}, "data"),
        ({"data": []}, "data"),
        ({"length": 0}, "length"),
        ({"length": 4}, "length"),
    ],
)
def test_what_cannot_be_measured_is_refused_by_name(picture_file: Any, given: dict[str, Any], parameter: str):
    with pytest.raises(UsageError) as error:
        tlzoo.bench(picture_file.path, **{"batch": 1, "seconds": 0.01, "threads": 1, **given})
    assert (error.value.parameter, error.value.hint != "") == (parameter, True)


@pytest.mark.parametrize("files", [3, (), (3,), None])
def test_what_are_no_files_cannot_be_measured(files: Any):
    with pytest.raises(UsageError) as error:
        tlzoo.bench(files)
    assert error.value.parameter == "files"


def test_a_length_is_for_made_up_texts_alone(text_file: Any):
    [row] = tlzoo.bench(text_file.path, batch=1, threads=1, seconds=0.01, length=np.int64(5), provider="cpu")
    assert row.shape == "5"
    with pytest.raises(UsageError, match="`length=5` has no effect with `data`"):
        tlzoo.bench(text_file.path, batch=1, threads=1, seconds=0.01, length=5, data=["a fine film"])


def test_thresholds_of_auto_are_refused_in_python_as_on_the_command_line(
    zoo: Any, text_run: Any, tmp_path: Path, command: Any
):
    for thresholds in (tlzoo.Thresholds(drop=1), {"drop": 1}):
        with pytest.raises(UsageError, match="`precision='auto'`, which tries several") as error:
            tlzoo.export(text_run, tmp_path / "model.onnx", precision="auto", thresholds=thresholds)
        assert error.value.parameter == "thresholds"
    done = command("export", text_run.path, "--out", tmp_path / "model.onnx", "--precision", "auto", "--max-drop", "1")
    assert done.code == 2
    assert "--max-drop 1.0 cannot be combined with --precision auto" in done.err
    assert list(tmp_path.iterdir()) == []


def test_thresholds_that_are_left_out_are_those_of_the_precision(zoo: Any, text_run: Any, tmp_path: Path):
    file = tlzoo.export(text_run, tmp_path / "model.onnx", thresholds={"drop": 1})
    found = file.parity.thresholds
    assert found is not None
    assert (found.difference, found.agreement, found.drop) == (1e-4, 1.0, 1.0)


def test_a_run_is_evaluated_as_its_folder(zoo: Any, text_run: Any, texts: Path):
    assert tlzoo.evaluate(text_run, texts) == tlzoo.evaluate(text_run.path, texts)
    with pytest.raises(UsageError, match="Export it first") as error:
        tlzoo.verify(text_run, texts)  # type: ignore[arg-type]
    assert error.value.parameter == "file"


def test_a_column_that_is_not_read_is_refused_where_data_are_measured_too(
    zoo: Any, picture_run: Any, picture_file: Any, pictures: Path
):
    for verb, model in (
        (tlzoo.evaluate, picture_run.path),
        (tlzoo.evaluate, picture_file.path),
        (tlzoo.verify, picture_file.path),
    ):
        with pytest.raises(UsageError, match=r"`columns=\{'label_column': 'x'\}` has no effect") as error:
            verb(model, pictures, columns={"label_column": "x"})
        assert error.value.parameter == "columns"


def test_answers_of_another_kind_are_refused_by_the_arguments_name(text_file: Any):
    with pytest.raises(UsageError) as error:
        tlzoo.load(text_file.path, answers=tlzoo.ValuePrediction)
    assert (error.value.parameter, error.value.hint) == ("answers", "Leave `answers` out, or give LabelPrediction.")


def test_a_role_of_another_layout_than_the_tables_is_refused(zoo: Any, tagged: Path, tmp_path: Path, command: Any):
    with pytest.raises(UsageError, match="is read by its columns 'entities', 'text'") as error:
        tlzoo.finetune(
            "nlp/test-bert", tagged, out=tmp_path / "run", task="tokens", columns={"others": {"tags": "foo"}}
        )
    assert error.value.parameter == "columns"
    done = command(
        *("finetune", "nlp/test-bert", tagged, "--out", tmp_path / "run", "--task", "tokens", "--column", "tags=foo")
    )
    assert done.code == 2
    assert "Error: --column tags=foo has no effect: " in done.err


def test_a_text_longer_than_the_model_is_refused_by_the_flag(command: Any, texts: Path, tmp_path: Path):
    done = command("finetune", "nlp/test-bert", texts, "--out", tmp_path / "run", "--max-length", "600")
    assert done.code == 2
    assert "Use --max-length 64." in done.err


def test_keys_are_refused_by_their_argument(text_run: Any, text_file: Any, tmp_path: Path):
    for given, call in (
        ("trusted", lambda: tlzoo.load(text_file.path, trusted="no key")),
        ("sign", lambda: tlzoo.export(text_run, tmp_path / "model.onnx", sign=tmp_path / "none.pem")),
    ):
        with pytest.raises(UsageError) as error:
            call()
        assert error.value.parameter == given
