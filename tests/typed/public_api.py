"""What an editor knows of the public interface; mypy checks it, nothing runs it."""

from typing import assert_type

import tlzoo
from tlzoo.runtime.predictions import CorePrediction, Failure


def train() -> None:
    """Options are known by strategy, and results by function."""
    run = tlzoo.finetune(
        "id", "data", out="run", strategy=tlzoo.LoRA(rank=16, augment=tlzoo.Augment("light")), epochs=3
    )
    assert_type(run, tlzoo.Run)
    assert_type(tlzoo.adapt(run, "other", out="adapted"), tlzoo.Run)
    assert_type(tlzoo.evaluate("run", "data").metrics, dict[str, float])
    assert_type(tlzoo.verify("model.onnx", "data").missing, int)
    assert_type(run.export("model.onnx", precision="int8").bytes, int)
    assert_type(tlzoo.export(run, "model.onnx").bytes, int)
    assert_type(tlzoo.bench("model.onnx", batches=(1, 2))[0].samples_per_s, float | None)
    tlzoo.Probe(epochs=3)  # type: ignore[call-arg]
    tlzoo.LoRA(rank="16")  # type: ignore[arg-type]
    run.export("model.onnx", precison="int8")  # type: ignore[call-arg]


def predict() -> None:
    """Answers have the names of the core's tasks, or exactly those of one."""
    predictor = tlzoo.load("model.onnx")
    answers = predictor.predict(["a.jpg"])
    assert_type(answers, list[CorePrediction])
    assert_type(answers[0].label, str | None)
    assert_type(answers[0].value, float)
    _ = answers[0].lable  # type: ignore[attr-defined]
    exact = tlzoo.load("model.onnx", answers=tlzoo.LabelPrediction)
    assert_type(exact.predict("a.jpg"), list[tlzoo.LabelPrediction])
    _ = exact.predict("a.jpg")[0].value  # type: ignore[attr-defined]
    for answer in exact.stream(["a.jpg"]):
        assert_type(answer, tlzoo.LabelPrediction | Failure)
