"""Checks of the whole way: trained on samples, exported, proven, and used where torch cannot be imported."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import onnx

from tlzoo.data import endings_of, read_splits
from tlzoo.errors import TlzooError
from tlzoo.exporting.nodes import with_inner
from tlzoo.io.timings import Clock
from tlzoo.models.model import build_model
from tlzoo.models.onnx_export import eager_outputs
from tlzoo.options import Finetune, Probe, StrategyOptions, run_options
from tlzoo.runs.prepare import data_record, head_options, make_dataset_splits
from tlzoo.runs.trained import save_run
from tlzoo.runtime import load
from tlzoo.tasks.agreement import differences, largest_magnitude
from tlzoo.testing import without_torch
from tlzoo.testing.base import SuiteBase, cached, requires
from tlzoo.testing.without_torch import comparable
from tlzoo.training.strategies.base import TrainJob
from tlzoo.training.strategies.table import strategy_function
from tlzoo.workflows.run import Run

BATCHES = (1, 3, 5)
FEW = 6
LOOPS = {"Loop", "Scan"}
DOMAINS = {"", "ai.onnx", "com.microsoft"}


class Exporting(SuiteBase):
    """One run on the samples and its file."""

    @cached
    def run_folder(self) -> Run:
        """A run of a linear head on the frozen backbone; of the plugin's own head, one epoch, where it has one."""
        checkpoint, task = self.rebuildable(), self.task()
        data = self.data()
        parts = read_splits(data, None, self.blank(), {}, 0, endings_of(checkpoint.preprocess))
        head = head_options(task, parts, StrategyOptions())
        model = build_model(checkpoint, task, self.complete(self.built(self.first_output())), options=head)
        probe = model.head_name == "linear" and "probe" in task.supports
        options = Probe(device="cpu") if probe else Finetune(epochs=1, batch=8, device="cpu")
        with self.own_cache():
            sets = make_dataset_splits(parts, model)
            outcome = strategy_function(options.strategy)(TrainJob(model, "all", sets, options, head, Clock()))
            save_run(
                self.folder() / "run",
                outcome.model,
                sets.test,
                outcome.history,
                data=data_record(data, None, {}, options.seed, parts),
                options={"strategy": options.strategy, "freeze": "all", **run_options(options), **outcome.details},
                metrics=sets.test.metrics(outcome.outputs),
                frozen=outcome.frozen,
                seconds={},
            )
        return Run.load(self.folder() / "run")

    @cached
    def exported(self) -> Path:
        """The run's proven file."""
        run = self.run_folder()
        with self.own_cache():
            return run.export(self.folder() / "model.onnx").file

    @requires(
        "test_arrays_fit_the_example_inputs",
        "test_stages_hold_every_parameter_once",
        "test_a_sample_alone_gives_what_it_gives_in_a_batch",
        "test_its_config_rebuilds_it",
    )
    def test_the_export_equals_the_model(self) -> None:
        """A model trained on the samples exports, and the file equals it at batches of 1, 2, 3, 5 and 7.

        Fix: what torch or the proof names; a size written down as a constant in tracing is the usual cause. With an
        `export` hook of your own, trace with the example inputs' dynamic axes.
        """
        try:
            file = self.exported()
        except TlzooError as error:
            raise AssertionError(f"It cannot be trained and exported: {error}") from error
        run = self.run_folder()
        model, predictor = run.model(), load(file)
        data = run.dataset(run.splits().train)
        for batch in BATCHES:
            arrays = data.arrays(range(batch))
            expected, found = eager_outputs(model, arrays), predictor.run(arrays)
            for name, right in expected.items():
                difference = float(differences(found[name], right).max()) / largest_magnitude(right)
                assert difference <= self.tolerance, (
                    f"At a batch of {batch} the exported file's {name} differ from the model's by {difference:.1e} of "
                    "their scale."
                )

    @requires("test_the_export_equals_the_model")
    def test_the_file_is_portable(self) -> None:
        """The file is whole, its batch free; no loops, only operators of ONNX and com.microsoft.

        Fix: replace loops over steps by tensor operations, and custom operators by what ONNX has.
        """
        proto = onnx.load(self.exported(), load_external_data=False)
        outside = [t.name for t in proto.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL]
        assert not outside, f"The file keeps {outside[0]!r} in another file. Write one file."
        nodes = [node for part in (proto.graph, *proto.functions) for node in with_inner(part.node)]
        local = {function.domain for function in proto.functions}
        strange = sorted({node.domain for node in nodes} - DOMAINS - local)
        assert not strange, f"The file has operators of {strange[0]!r}, which no other runtime knows."
        loops = sorted({node.op_type for node in nodes} & LOOPS)
        if self.task().form == "loop":
            assert loops == ["Loop"], f"The task's form is a loop; the file has {' and '.join(loops) or 'none'}."
        else:
            assert not loops, f"The file has a {loops[0]}. Loops cannot be optimised; write it as tensor operations."
        for value in (*proto.graph.input, *proto.graph.output):
            first = value.type.tensor_type.shape.dim[0]
            assert first.dim_param, f"The batch of {value.name!r} is fixed to {first.dim_value}. Leave axis 0 dynamic."

    @requires("test_the_export_equals_the_model", "test_preprocessing_needs_no_torch")
    def test_the_file_predicts_without_torch(self) -> None:
        """`tlzoo.load(file).predict(inputs)` gives the same labels in a process where torch cannot be imported.

        Fix: as for preprocessing; nothing that a prediction runs may import torch, transformers, timm or onnx.
        """
        inputs: Sequence[str] = list(self.inputs()[:FEW])
        here = [comparable(answer) for answer in load(self.exported()).predict(inputs)]
        there = without_torch.run_without_torch(
            without_torch.predict, str(self.folder() / "cache"), path=str(self.exported()), inputs=inputs
        )
        assert not there["imported"], f"Predicting imports {', '.join(there['imported'])}, which need not be there."
        assert "error" not in there, f"Predicting fails where torch cannot be imported: {there['error']}"
        assert there["answers"] == here, f"Without torch the file answers {there['answers']}, here {here}."
