"""What commands about files print of what they found, and which options cannot be."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tlzoo.cli.deploy import bench, export, predict, verify
from tlzoo.cli.deploy.predict import InputCounts
from tlzoo.cli.train import evaluate
from tlzoo.errors import InputError, UsageError
from tlzoo.io.inputs.report import ReadReport
from tlzoo.options import Thresholds
from tlzoo.runtime.bench import BenchResult
from tlzoo.runtime.predictions import Failure
from tlzoo.tasks.classification.task import LabelPrediction


def refused(function: Any, *given: Any) -> tuple[str, str]:
    with pytest.raises(UsageError) as caught:
        function(*given)
    return caught.value.message, caught.value.hint


@pytest.mark.parametrize(("text", "numbers"), [("1", (1,)), ("1, 8,32 ", (1, 8, 32)), ("8,1,8", (8, 1)), ("007", (7,))])
def test_numbers_are_a_list(text: str, numbers: tuple[int, ...]):
    assert bench._numbers(text, "--batch") == numbers


@pytest.mark.parametrize("text", ["", "0", "1,", "1,0", "-1", "x", "1.5"])
def test_what_is_no_list_of_numbers_is_refused(text: str):
    assert refused(bench._numbers, text, "--batch") == (
        f"--batch cannot be {text!r}.", "Give whole numbers, 1 or more: --batch 1,8",
    )  # fmt: skip


def test_torch_is_measured_with_a_run():
    run = Path("run")
    assert bench._torch_run("", None) is None
    assert bench._torch_run("torch", run) == run
    assert refused(bench._torch_run, "jax", run) == ("--against cannot be 'jax'.", "Use --against torch.")
    assert refused(bench._torch_run, "torch", None)[1] == "Add --run RUN."
    assert refused(bench._torch_run, "", run) == ("--run has no effect without --against.", "Add --against torch.")


def test_a_plot_goes_to_a_new_picture(tmp_path: Path):
    for name in ("x.png", "x.SVG"):
        bench._check_plot(tmp_path / name)
    assert refused(bench._check_plot, tmp_path / "x.jpg") == (
        f"--out {tmp_path / 'x.jpg'} is not a file that can be plotted to.", "End it in .png or .svg.",
    )  # fmt: skip
    (tmp_path / "a.png").mkdir()
    assert refused(bench._check_plot, tmp_path / "a.png") == (
        f"{tmp_path / 'a.png'} cannot be written: it is a folder.", "Choose another --out.",
    )  # fmt: skip


def test_cells_have_four_digits():
    row = BenchResult("m", "fp32", "onnx", "cpu", 2, 8, "[3]", 7, 1.23456, 2.0, None, 12345.6, "note")
    assert bench._cells(row) == ["m", "fp32", "onnx", "cpu", 2, 8, "[3]", 7, "1.235", "2", None, "1.235e+04", "note"]
    assert list(bench._machine()) == ["machine", "system", "cores", "onnxruntime"]


def answers(*errors: str | None) -> Any:
    for number, error in enumerate(errors):
        yield SimpleNamespace(
            input=f"{number}.png",
            error=error,
            cut=number == 2,
            as_line=lambda n=number: {"input": n, "label": "x"},
            as_row=lambda n=number: {"n": n},
        )


def test_inputs_that_fail_are_counted_and_the_first_ten_named(capsys: pytest.CaptureFixture[str]):
    counts = InputCounts()
    assert len(list(counts.counted(answers(*[f"{n} fails." for n in range(12)], None)))) == 13
    counts.report()
    said = capsys.readouterr().err.splitlines()
    assert said == [*(f"Skipped: {n} fails." for n in range(10)), "12 of 13 inputs could not be read."]


@pytest.mark.parametrize(
    ("errors", "said"), [(["One."], "One."), (["One.", "Two."], "One. All 2 inputs fail."), ([], None), ([None], None)]
)
def test_where_all_inputs_fail_it_is_an_error(errors: list[Any], said: str | None, capsys: pytest.CaptureFixture[str]):
    counts = InputCounts()
    list(counts.counted(answers(*errors)))
    if said is None:
        counts.report()
    else:
        with pytest.raises(InputError) as caught:
            counts.report()
        assert str(caught.value) == said
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("form", "errors", "out"),
    [
        ("json", ["No."], ""),
        ("jsonl", [None, "No."], '{"n": 0}\n{"n": 1}\n'),
        ("lines", [None, "No.", None], "input\tlabel\n0\tx\n2\tx\n"),
        ("lines", ["No."], ""),
    ],
)
def test_answers_are_written_as_asked(form: str, errors: list[Any], out: str, capsys: pytest.CaptureFixture[str]):
    counts = InputCounts()
    predict._to_stdout(counts.counted(answers(*errors)), form, counts, ReadReport)
    assert capsys.readouterr().out == out


def test_json_is_one_document_of_the_answers_and_the_account(capsys: pytest.CaptureFixture[str]):
    counts = InputCounts()
    predict._to_stdout(counts.counted(answers(None, "No.", None)), "json", counts, ReadReport)
    document = json.loads(capsys.readouterr().out)
    assert document["predictions"] == [{"n": 0}, {"n": 1}, {"n": 2}]
    assert document["read"] == {**ReadReport().facts(), "broken": {"1.png": "No."}}
    assert (counts.total, counts.failed, counts.cut) == (3, 1, 1)
    predict._to_stdout(counts.counted(answers()), "json", InputCounts(), ReadReport)
    assert json.loads(capsys.readouterr().out)["predictions"] == []


@pytest.mark.parametrize(("count", "aligned"), [(1, True), (3, True), (4, False), (5, False)])
def test_on_a_terminal_few_answers_are_aligned(
    count: int, aligned: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(predict, "_TABLE", 4)
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    predict._print_lines(answers(*[None] * count))
    out = capsys.readouterr().out
    assert (out.count("\n"), "\t" not in out) == (count + 1, aligned)


def test_answers_have_the_names_of_their_inputs_and_errors_the_flags_of_the_command():
    asked: dict[str, Any] = {}
    hint = "Name its encoding, such as `columns={'encoding': 'cp1252'}`"

    def stream(values: Any, **options: Any) -> Any:
        asked.update(options)
        *texts, bad = values
        return [*(LabelPrediction("a", 0.9, {"a": 0.9}, input=text) for text in texts), Failure(bad, hint)]

    given = [("one.txt", "good"), ("good", "good"), ("bad.txt", "?")]
    found = list(predict._predictions(SimpleNamespace(stream=stream), given, batch=3))  # type: ignore[arg-type]
    assert ([each.input for each in found], asked) == (["one.txt", "good", "bad.txt"], {"batch": 3})
    assert [each.error for each in found] == [None, None, "Name its encoding, such as --encoding cp1252"]


def task(*inputs: tuple[str, str], roles: tuple[str, ...] = ()) -> Any:
    made = [SimpleNamespace(name=name, column=column) for name, column in inputs]
    return SimpleNamespace(inputs=made, all_roles=roles, name="t")


def test_a_column_is_that_of_the_only_input():
    one = task(("text", ""), roles=("text", "label"))
    assert predict._names(one, ["body"]) == {"text": "body"}
    assert predict._names(task(("x", "path")), ["file"]) == {"path": "file"}
    assert predict._names(one, ["a=b"]) == {"text": "a=b"}


SHARE = SimpleNamespace(found=3, n=4, low=0.25, high=None)


def result(**fields: Any) -> Any:
    interval = {"metric": "accuracy", "low": 0.5, "high": 0.75}
    plain = {"metrics": {"accuracy": 0.61234, "loss": 1.0}, "interval": interval, "n": 9, "trained_on": 0}
    return SimpleNamespace(**{**plain, "heldout": None, "heldout_interval": None, "labels": {}, **fields})


FIGURES = "accuracy\t0.6123\t95%: 0.5000 to 0.7500\nloss\t1.0000\nn\t9\n"


@pytest.mark.parametrize(
    ("fields", "rest"),
    [
        ({}, ""),
        ({"trained_on": 9}, "All of these 9 samples were trained on: the figures say nothing of new ones.\n"),
        (
            {"trained_on": 4, "heldout": {"loss": 2.0}},
            "4 of these 9 samples were trained on; on the 5 others:\nloss\t2.0000\n",
        ),
    ],
)
def test_figures_say_what_was_trained_on(fields: dict[str, Any], rest: str, capsys: pytest.CaptureFixture[str]):
    evaluate._print_figures(result(**fields))
    assert capsys.readouterr().out == FIGURES + rest


def test_without_an_interval_there_are_values_alone(capsys: pytest.CaptureFixture[str]):
    evaluate._print({"a": 0.5}, None)
    assert capsys.readouterr().out == "a\t0.5000\n"


@pytest.mark.parametrize(("count", "more"), [(0, 0), (10, 0), (11, 1)])
def test_ten_labels_are_shown(
    count: int, more: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    import tlzoo.workflows.evaluate as workflow

    found = result(labels={f"label {n}": SHARE for n in range(count)})
    monkeypatch.setattr(workflow, "evaluate", lambda model, data, columns, skip_broken: found)
    evaluate.evaluate(tmp_path / "m.onnx", tmp_path)
    lines = capsys.readouterr().out.removeprefix(FIGURES).splitlines()
    assert lines[:10] == [f"label {n}\trecall 3 of 4\t95%: 0.2500 or more" for n in range(min(count, 10))]
    assert lines[10:] == [f"These 10 of {count} labels have the lowest recall; --json has all."] * more


def test_a_proof_needs_data_and_a_seal_none(tmp_path: Path):
    assert refused(verify._check_seal, tmp_path, None, False, False)[0] == "DATA is missing."
    assert refused(verify._check_seal, tmp_path, tmp_path, True, False)[0] == "--seal takes no DATA."


@pytest.mark.parametrize("missing", [0, 2])
def test_a_proof_that_passes_is_told(
    missing: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
):
    import tlzoo.workflows.verify as workflow

    parity = SimpleNamespace(
        counted="9 samples", batches=(1, 2), top1_agreement=0.9876, max_abs_diff=1e-6, tolerance=1e-4
    )
    found = SimpleNamespace(
        parity=parity, worst="x.png", missing=missing, n=9, metrics={"a": 0.5}, exported_metrics={"a": 0.25},
        trained_on=None,
    )  # fmt: skip
    monkeypatch.setattr(workflow, "verify", lambda file, data, columns, skip_broken: found)
    verify.verify(tmp_path / "m.onnx", Path("DATA"))
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == (
        f"{tmp_path / 'm.onnx'} passes its proof: 9 samples at batches 1, 2, answers agree on 98.8%, outputs differ by "
        "1.0e-06 at most (1.0e-04 allowed), most on x.png"
    )
    lacking = [f"{missing} samples of the original proof are not in DATA"] if missing else []
    assert rest == [*lacking, "a\t0.5000 here, 9 samples\t0.2500 when exported"]


def exported(**fields: Any) -> Any:
    parity = SimpleNamespace(
        counted="9 samples", batches=(1, 2), lengths=(), top1_agreement=1.0, max_abs_diff=1e-6, tolerance=1e-4, drop=0.5
    )
    plain = {
        "file": "m.onnx", "bytes": 2_500_000, "precision": "int8", "parity": parity, "measured": None, "worst": "x",
        "calibration": None, "kept_fp32": (),
        "metrics": {"reference": {"a": 0.5, "b": 1}, "exported": {"a": 0.25, "b": 2}},
        "interval": SimpleNamespace(metric="b", level=0.95, low=0.0, high=1.0),
    }  # fmt: skip
    return SimpleNamespace(**{**plain, **fields})


def test_an_exports_proof_is_told(capsys: pytest.CaptureFixture[str]):
    export._print(exported(), "labels", "a")
    assert capsys.readouterr().out.splitlines() == [
        "m.onnx: 2.5 MB, int8",
        "Proof: 9 samples at batches 1, 2: labels agree on 100.0%, outputs differ by 1.0e-06 at most "
        "(1.0e-04 allowed), most on x",
        "a\t0.5000 trained\t0.2500 exported\t0.50 points lost",
        "b\t1.0000 trained\t2.0000 exported (95%: 0.0000 to 1.0000)",
    ]
    measured = SimpleNamespace(bytes=1, fp32_bytes=4, speedup=2.0, batch=8)
    calibration = SimpleNamespace(temperature=1.5, samples=7, ece_before=0.2, ece_after=0.1)
    parity = SimpleNamespace(**{**vars(exported().parity), "lengths": (3, 4), "drop": -0.25})
    more = exported(measured=measured, calibration=calibration, parity=parity, kept_fp32=("x", "y"), precision="fp32")
    export._print(more, "labels", "a")
    _, proof, first, _, *rest = capsys.readouterr().out.splitlines()
    assert proof.startswith("Proof: 9 samples at batches 1, 2, lengths 3, 4: labels agree")
    assert first == "a\t0.5000 trained\t0.2500 exported"
    assert rest == [
        "Compared with fp32: 0.25 x the size, 2.00 x the samples per second at batch 8 on this machine, "
        "2 nodes left in fp32",
        "Probabilities: temperature 1.500 from 7 validation samples; expected calibration error 0.2000 before, "
        "0.1000 after",
    ]
    export._print(exported(measured=measured), "labels", "a")
    assert capsys.readouterr().out.splitlines()[-1].endswith("at batch 8 on this machine")


@pytest.mark.parametrize(
    ("drop", "words"), [(0.0, "0.00 points lost"), (1.5, "1.50 points lost"), (-1.5, "1.50 points gained")]
)
def test_a_change_is_lost_or_gained(drop: float, words: str):
    assert export._change(drop) == words


def test_thresholds_are_those_that_are_given():
    assert export._thresholds(None, None, None) is None
    assert export._thresholds(0.1, 0.9, 0.0) == Thresholds(difference=0.1, agreement=0.9, drop=0.0)
    assert export._thresholds(None, None, 0.0) == Thresholds(drop=0.0)
    assert export._thresholds(None, 0.9, None) == Thresholds(agreement=0.9)
