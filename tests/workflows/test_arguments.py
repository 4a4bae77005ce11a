"""What the public functions are called with: an argument of another type is an error by its name, before any work."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tlzoo
import tlzoo.registry
from tlzoo.errors import ArtifactError, DataError, RunError, TlzooError, UnknownCheckpoint, UsageError

ID = "vision/test-resnet"
CALLS: list[tuple[str, Callable[[Any], Any], tuple[Any, ...]]] = [
    ("checkpoint", lambda wrong: tlzoo.finetune(wrong, "data", out="out"), (None, 3, "", b"vision/x", [ID])),
    ("data", lambda wrong: tlzoo.finetune(ID, wrong, out="out"), (None, 3, "", ["a"], b"data")),
    ("out", lambda wrong: tlzoo.finetune(ID, "data", out=wrong), (None, 3, "")),
    ("test", lambda wrong: tlzoo.finetune(ID, "data", out="out", test=wrong), (3, "", ["a"])),
    ("resume", lambda wrong: tlzoo.finetune(ID, "data", out="out", resume=wrong), ("yes", 1, None)),
    ("head", lambda wrong: tlzoo.finetune(ID, "data", out="out", head=wrong), (3, ["linear"])),
    ("options", lambda wrong: tlzoo.finetune(ID, "data", out="out", options=wrong), (3, [("epochs", 3)], {3: 3})),
    ("run", lambda wrong: tlzoo.adapt(wrong, "target", out="out"), (None, 3, "")),
    ("target", lambda wrong: tlzoo.adapt("run", wrong, out="out"), (None, 3, "")),
    ("out", lambda wrong: tlzoo.adapt("run", "target", out=wrong), (None, 3, "")),
    ("method", lambda wrong: tlzoo.adapt("run", "target", out="out", method=wrong), (None, 3)),
    ("run", lambda wrong: tlzoo.export(wrong, "model.onnx"), (None, 3, "")),
    ("out", lambda wrong: tlzoo.export("run", wrong), (None, 3, "")),
    ("data", lambda wrong: tlzoo.export("run", "model.onnx", data=wrong), (3, "")),
    ("precision", lambda wrong: tlzoo.export("run", "model.onnx", precision=wrong), (None, 16)),
    ("format", lambda wrong: tlzoo.export("run", "model.onnx", format=wrong), (None, 3)),
    ("raw_input", lambda wrong: tlzoo.export("run", "model.onnx", raw_input=wrong), (None, "no")),
    ("trained_on", lambda wrong: tlzoo.export("run", "model.onnx", trained_on=wrong), (None, "no")),
    ("model", lambda wrong: tlzoo.evaluate(wrong, "data"), (None, 3, "")),
    ("data", lambda wrong: tlzoo.evaluate("model.onnx", wrong), (None, 3, "")),
    ("file", lambda wrong: tlzoo.verify(wrong, "data"), (None, 3, "")),
    ("data", lambda wrong: tlzoo.verify("model.onnx", wrong), (None, 3, "")),
    ("path", lambda wrong: tlzoo.load(wrong), (None, 3, "")),
    ("files", lambda wrong: tlzoo.bench(wrong), (None, 3, ["", 3])),
]


@pytest.mark.parametrize(
    ("name", "call", "wrong"),
    [
        pytest.param(name, call, one, id=f"{at}-{name}-{one}")
        for at, (name, call, some) in enumerate(CALLS)
        for one in some
    ],
)
def test_an_argument_of_another_type_is_named(name: str, call: Callable[[Any], Any], wrong: Any):
    with pytest.raises(UsageError) as caught:
        call(wrong)
    assert caught.value.parameter == name
    assert caught.value.message == f"`{name}` cannot be {wrong!r}."
    assert caught.value.hint.startswith("Give ")


@pytest.mark.parametrize(
    ("call", "kind", "name"),
    [
        (lambda: tlzoo.finetune("vision/test-resent", "data", out="out"), UnknownCheckpoint, "checkpoint"),
        (lambda: tlzoo.finetune(ID, "no-such-data", out="out"), DataError, "data"),
        (lambda: tlzoo.finetune(ID, Path(__file__), out="out"), DataError, "data"),
    ],
)
def test_what_cannot_be_read_is_told_by_the_argument_that_named_it(
    zoo: Any, call: Callable[[], Any], kind: type[TlzooError], name: str
):
    with pytest.raises(kind) as caught:
        call()
    assert caught.value.parameter == name


def test_test_data_that_cannot_be_read_is_named_as_such(zoo: Any, pictures: Path):
    with pytest.raises(DataError, match="nowhere") as caught:
        tlzoo.finetune(ID, pictures, out="out", test="nowhere")
    assert caught.value.parameter == "test"


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tlzoo.Finetune(lr="3"), "`lr` cannot be '3'. Give a number, 0 or more, or auto."),  # type: ignore[arg-type]
        (lambda: tlzoo.Probe(device=3), "`device` cannot be 3. Give a text, such as 'auto'."),  # type: ignore[arg-type]
        (lambda: tlzoo.Cache(gb=-1), "`gb` cannot be -1. Give a number, 0 to 1000000."),
        (lambda: tlzoo.Cache(cache_gb=3), "Cache has no field `cache_gb`. Give `gb`."),  # type: ignore[call-arg]
        (lambda: tlzoo.Cache(False, gb=3.0), "`gb` has no effect with `enabled=False`. Leave one of them out."),
        (lambda: tlzoo.Augment(views=3), "`views` has no effect without `policy`. Add `policy='light'`."),
        (
            lambda: tlzoo.Finetune(augment="foo"),  # type: ignore[arg-type]
            "`augment` cannot be 'foo'. Give one of: none, light, light-noflip, strong, strong-noflip.",
        ),
        (
            lambda: tlzoo.LoRA(layer_decays=0.5),  # type: ignore[call-arg]
            "Unknown option `layer_decays`. Did you mean `layer_decay`, an option of finetune, lp-ft, auto?",
        ),
        (
            lambda: tlzoo.finetune(ID, "data", out="out", strategy="finetune", cache_gb=-1),
            "`cache_gb` cannot be -1. Give a number, 0 to 1000000.",
        ),
        (
            lambda: tlzoo.finetune(ID, "data", out="out", strategy="finetune", cache=False, cache_gb=3.0),
            "`cache_gb` has no effect with `cache=False`. Leave one of them out.",
        ),
        (
            lambda: tlzoo.finetune(ID, "data", out="out", strategy="Lora"),
            "`strategy='Lora'` is unknown. Did you mean lora?",
        ),
        (
            lambda: tlzoo.finetune(ID, "data", out="out", strategy="lora", freeze="lora:4:0.001"),
            "Freeze policy 'lora:4:0.001' does not have the form lora:<rank> or lora:<rank>:<alpha>. "
            "Try `freeze='lora:8'`; the rank is 1 to 256, the alpha 0.01 to 100000.",
        ),
    ],
)
def test_an_option_is_told_by_the_name_it_was_given(zoo: Any, make: Callable[[], Any], said: str):
    with pytest.raises(UsageError) as caught:
        make()
    assert str(caught.value) == said


def test_what_replace_fills_in_was_not_given(zoo: Any):
    options = dataclasses.replace(tlzoo.Finetune(), lr=1e-3)
    with pytest.raises(DataError, match="no-such-data"):
        tlzoo.finetune(ID, "no-such-data", out="out", strategy=options, epochs=3)
    with pytest.raises(UsageError, match="is given as"):
        tlzoo.finetune(ID, "no-such-data", out="out", strategy=options, lr=0.01)


@pytest.mark.release
def test_a_run_is_shown_in_one_line(picture_run: Any):
    assert repr(picture_run) == (
        f"<{type(picture_run).__name__} {str(picture_run.path)!r}: {picture_run.checkpoint.id}, image-classification, "
        f"accuracy={picture_run.metrics['accuracy']:.4f}>"
    )


@pytest.mark.parametrize(
    ("name", "call", "wrong"),
    [
        ("threads", lambda file, wrong: tlzoo.load(file, threads=wrong), ("2", 1.5, 0, True)),
        ("answers", lambda file, wrong: tlzoo.load(file, answers=wrong), (3, "label")),
        ("trusted", lambda file, wrong: tlzoo.load(file, trusted=wrong), (3, "")),
        ("id", lambda file, wrong: tlzoo.registry.get(wrong), (None, 3)),
        ("providers", lambda file, wrong: tlzoo.load(file, providers=wrong), (3, [3])),
        ("top_k", lambda file, wrong: tlzoo.load(file).predict([], top_k=wrong), ("1", 0, 1.5, True)),
        (
            "threshold",
            lambda file, wrong: tlzoo.load(file).predict([], threshold=wrong),
            ("0.5", 2, -0.1, float("nan")),
        ),
        ("batch", lambda file, wrong: tlzoo.load(file).predict([], batch=wrong), ("3", 0)),
        ("limit", lambda file, wrong: tlzoo.registry.find(limit=wrong), ("3", -1)),
        ("max_parameters", lambda file, wrong: tlzoo.registry.find(max_parameters=wrong), ("10M", -1)),
        ("modality", lambda file, wrong: tlzoo.registry.find(modality=wrong), (3, ["image"])),
        ("task", lambda file, wrong: tlzoo.registry.find(task=wrong), (3, [3])),
    ],
)
def test_numbers_and_names_of_the_runtime_and_the_registry_too(
    zoo: Any, picture_file: Any, name: str, call: Callable[[Path, Any], Any], wrong: tuple[Any, ...]
):
    for each in wrong:
        with pytest.raises(UsageError) as caught:
            call(picture_file.file, each)
        assert caught.value.parameter == name, each


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("run", lambda there: tlzoo.export(there, "out.onnx")),
        ("run", lambda there: tlzoo.adapt(there, there, out="out")),
        ("model", lambda there: tlzoo.evaluate(there, there)),
        ("model", lambda there: tlzoo.evaluate(there / "no.onnx", there)),
        ("model", lambda there: tlzoo.evaluate(there / "text.onnx", there)),
        ("file", lambda there: tlzoo.verify(there / "text.onnx", there)),
        ("path", lambda there: tlzoo.load(there / "text.onnx")),
        ("files", lambda there: tlzoo.bench(there / "text.onnx")),
    ],
)
def test_what_is_no_run_or_no_file_is_told_by_its_name(tmp_path: Path, name: str, call: Callable[[Path], Any]):
    (tmp_path / "text.onnx").write_text("not a model")
    with pytest.raises((RunError, ArtifactError)) as caught:
        call(tmp_path)
    assert caught.value.parameter == name


def test_the_run_beside_a_file_too(tmp_path: Path, picture_file: Any):
    with pytest.raises(RunError) as caught:
        tlzoo.bench(picture_file.file, run=tmp_path)
    assert caught.value.parameter == "run"


def test_a_field_of_a_nested_class_is_told_by_its_flat_name(zoo: Any):
    with pytest.raises(UsageError, match=r"Unknown option `gb`\. Give it as `cache_gb`\."):
        tlzoo.finetune(ID, "data", out="out", gb=3)
