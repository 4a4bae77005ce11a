"""tlzoo's static int8 beside onnxruntime's QDQ quantiser: accuracy, agreement with fp32, size and speed.

    uv run python benchmarks/quantisers.py [--runs RUN ...] [--seconds 12] [--json FILE]

For each run of a convolutional network (by default EfficientNet-Lite0 and MobileNetV2 on the demonstration's digits):
both quantisers get the same ranges of activations, calibrated once, and search by the same error for the nodes that
stay in fp32; ONNX Runtime's also gets the nodes that tlzoo's search left. One thread, calls in turn.
"""

from __future__ import annotations

import argparse
import copy
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from children import machine
from figures import add_option, keep, write
from onnx import ModelProto

OPERATORS = ("Conv", "Gemm", "MatMul", "Add", "Relu", "Clip", "MaxPool")
CHECKPOINTS = ("vision/efficientnet-lite0", "vision/mobilenetv2")
BATCHES = (1, 32)

Arrays = list[dict[str, np.ndarray]]
Build = Callable[[frozenset[str]], ModelProto]


def trained(folder: Path) -> list[Path]:
    """Probes on the digits, with the preprocessing that each checkpoint comes with."""
    import tlzoo
    from tlzoo.demo.chain import DEMOS
    from tlzoo.weights import cache

    data = cache.root() / "demo-data" / "vision"
    DEMOS["vision"].prepare(data)
    return [tlzoo.finetune(name, data, out=folder / name.replace("/", "_")).path for name in CHECKPOINTS]


def graph_and_samples(path: Path, folder: Path) -> tuple[ModelProto, list[str], Arrays, Arrays, np.ndarray]:
    """The fp32 graph, its outputs that must stay, batches to calibrate on, held-out samples and their labels."""
    from tlzoo.exporting.context import make_context
    from tlzoo.exporting.variants import fp32_variant
    from tlzoo.runs.run import RunFolder

    context = make_context(RunFolder.load(path), None)
    _, full = fp32_variant(context, folder / "model.onnx", None)
    held, task = context.heldout, context.run.task
    test = [held.arrays(range(start, min(start + 16, len(held)))) for start in range(0, len(held), 16)]
    labels = np.array([task.labels.index(target) for target in held.sample_targets])
    names = [output.name for output in task.outputs if output.dtype.startswith("float")]
    return full.proto, names, context.calibration_arrays(), test, labels


def quantised(proto: ModelProto, names: Sequence[str], calibration: Arrays) -> dict[str, ModelProto]:
    """The candidates by title, each with the number of its nodes in fp32; what the searches took is printed."""
    from tlzoo.exporting.precision.reduce import _static
    from tlzoo.exporting.precision.sensitivity import Search, relative_error

    error = relative_error(proto, calibration, names)
    made = {"fp32": proto}
    ours, theirs = _static(proto, calibration), qdq_plans(proto, calibration)
    for title, plans in (("tlzoo", ours), ("onnxruntime, own search", theirs)):
        began = time.perf_counter()
        model, kept = Search(error).best(plans)
        print(f"  {title}: search {time.perf_counter() - began:.0f} s, in fp32 {' '.join(kept)}", flush=True)
        made[f"{title} ({len(kept)} in fp32)"] = model
        if title == "tlzoo":
            same = [build(frozenset(kept)) for _, build in theirs.values()]
    made["onnxruntime, tlzoo's nodes"] = min(same, key=lambda model: error(model, 128))
    return made


def qdq_plans(proto: ModelProto, calibration: Arrays) -> dict[str, tuple[list[str], Build]]:
    """What `_static` gives, with ONNX Runtime's quantiser; a node's Relu or Clip stays in fp32 with it."""
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer
    from onnxruntime.quantization.quant_utils import save_and_reload_model_with_shape_infer

    from tlzoo.exporting.precision import static
    from tlzoo.exporting.precision.graph import consumers, copy_of
    from tlzoo.exporting.precision.ranges import METHODS, ActivationStats, collect_stats
    from tlzoo.exporting.precision.reduce import CALIBRATED_ON, _first

    places, takers = static.quantizable_nodes(proto.graph), consumers(proto.graph)
    inferred = save_and_reload_model_with_shape_infer(copy_of(proto))
    values = (*inferred.graph.value_info, *inferred.graph.input, *inferred.graph.output)
    floats = {value.name for value in values if value.type.tensor_type.elem_type == 1}
    ends = {name for node in proto.graph.node if node.op_type in OPERATORS for name in (*node.input, *node.output)}
    seen = collect_stats(proto, sorted(ends & floats), _first(calibration, CALIBRATED_ON))
    after = {
        place.name: [n for n in takers[place.node.output[0]] if n.op_type in static.ACTIVATIONS] for place in places
    }

    def plan(method: Callable[[ActivationStats], tuple[float, float]]) -> Build:
        found = {name: tuple(np.float32(end) for end in method(stats)) for name, stats in seen.items()}
        ranges = TensorsData(CalibrationMethod.MinMax, found)

        def build(kept: frozenset[str]) -> ModelProto:
            left = [*kept, *(name for node in kept for name in after[node])]
            model = save_and_reload_model_with_shape_infer(copy_of(proto))
            types = QuantType.QInt8, QuantType.QUInt8
            made = QDQQuantizer(model, True, False, *types, copy.deepcopy(ranges), [], left, list(OPERATORS), {})
            made.quantize_model()
            return made.model.model

        return build

    return {name: ([place.name for place in places], plan(method)) for name, method in METHODS.items()}


def report(
    run: str, made: Mapping[str, ModelProto], names: Sequence[str], test: Arrays, labels: np.ndarray, seconds: float
) -> None:
    """A row of each: accuracy, same answers as fp32, MB, and the median of its speed over fp32 in the same turn."""
    from tlzoo.runtime.session import open_session, run_session
    from tlzoo.runtime.timing import time_interleaved

    sessions = {title: open_session(model.SerializeToString(), 1) for title, model in made.items()}
    answers = {
        title: np.concatenate([run_session(session, batch, names)[0] for batch in test]).argmax(axis=1)
        for title, session in sessions.items()
    }
    ratios: dict[str, list[str]] = {title: [] for title in made}
    for size in BATCHES:
        arrays = {name: np.resize(array, (size, *array.shape[1:])) for name, array in test[0].items()}
        runs = {title: partial(run_session, session, arrays, names) for title, session in sessions.items()}
        times = time_interleaved(runs, seconds=seconds)
        for title, calls in times.items():
            low, middle, high = np.quantile(np.array(times["fp32"]) / np.array(calls), (0.25, 0.5, 0.75))
            ratios[title].append(f"{middle:.2f} ({low:.2f}-{high:.2f})")
            keep(f"{run}, {title}, batch {size}, fp32's time over its", middle, "ratio")
    for title, answered in answers.items():
        right, same = (answered == labels).mean(), (answered == answers["fp32"]).mean()
        size = made[title].ByteSize() / 1e6
        keep(f"{run}, {title}, size", size, "MB")
        keep(f"{run}, {title}, accuracy", right, "share")
        print(f"  {title:<36}{right:>7.4f}{same:>8.3f}{size:>7.2f} MB  {'  '.join(ratios[title])}", flush=True)


def main() -> None:
    """Measure each run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=Path, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=12.0, help="of calls, per candidate and batch")
    add_option(parser)
    arguments = parser.parse_args()
    print(machine())
    with tempfile.TemporaryDirectory() as folder:
        for path in arguments.runs or trained(Path(folder)):
            print(path.name, flush=True)
            proto, names, calibration, test, labels = graph_and_samples(path, Path(folder))
            report(path.name, quantised(proto, names, calibration), names, test, labels, arguments.seconds)
    write(arguments.json)


if __name__ == "__main__":
    main()
