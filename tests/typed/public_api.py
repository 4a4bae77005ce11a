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
    assert_type(tlzoo.bench("model.onnx", batch=(1, 2))[0].samples_per_s, float | None)
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
        print(answer.label if answer.error is None else answer.error)
    for either in predictor.stream(["a.jpg"]):
        print(either.error or either.label)
        _ = either.lable  # type: ignore[attr-defined]


def shorthands() -> None:
    """What stands for an Augment, a Cache or thresholds."""
    options = tlzoo.Finetune(augment="light", cache=False)
    assert_type(options.augmentation, tlzoo.Augment)
    assert_type(options.caching, tlzoo.Cache)
    assert_type(tlzoo.LoRA(augment=tlzoo.Augment("light")).augmentation.views, int)
    tlzoo.Finetune(augment="lite")  # type: ignore[arg-type]
    tlzoo.Finetune(cache="no")  # type: ignore[arg-type]
    tlzoo.export("run", "model.onnx", thresholds=tlzoo.Thresholds(drop=1))
    tlzoo.export("run", "model.onnx", thresholds={"drop": 1})
    tlzoo.Thresholds(loss=1)  # type: ignore[call-arg]
    tlzoo.bench("model.onnx", batch=8, threads=(1, 2), provider="cpu")


def runs() -> None:
    """What takes a run's folder takes the run."""
    run = tlzoo.finetune("id", "data", out="run")
    tlzoo.adapt(run, "other", out="adapted")
    tlzoo.evaluate(run, "data")
    tlzoo.bench("model.onnx", run=run)
