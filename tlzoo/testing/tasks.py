"""Checks of the task: its outputs are as declared, and its predictions and metrics are usable."""

from __future__ import annotations

import json
import math

import numpy as np
import torch

from tlzoo.errors import TlzooError
from tlzoo.models.model import TaskModel
from tlzoo.models.onnx_export import module_outputs
from tlzoo.plugins.tasks import task_of
from tlzoo.tasks import contract
from tlzoo.tasks.base import DecodeOptions
from tlzoo.tasks.rows import Outputs, select
from tlzoo.testing.base import SuiteBase, requires
from tlzoo.training.evaluation import batch_outputs

FEW = 6


class Tasks(SuiteBase):
    """The task that the suite names, else the checkpoint's first."""

    def _answered(self, model: TaskModel) -> Outputs:
        """A model's outputs for the first samples."""
        data = self.dataset(model)
        return batch_outputs(model, data, range(min(FEW, len(data))))

    def test_its_task_says_what_it_is(self) -> None:
        """The task names its outputs, each once and the batch first; its headline and monitor are among its directions.

        Fix: the class attributes of the task and its `outputs`.
        """
        wrong = contract.declaration_problem(self.task())
        assert not wrong, wrong

    def test_its_task_is_made_again_from_json(self) -> None:
        """Name, labels and settings, through JSON, make the same task again, as an exported file does.

        Fix: give the task's fields JSON's types (lists become tuples where the field is one in `__post_init__`).
        """
        task = self.task()
        settings = json.loads(json.dumps(task.settings()))
        again = task_of(task.name, task.labels, settings, task.plugin)
        assert again == task, f"From its settings {settings} comes {again}, not {task}."

    @requires("test_its_task_says_what_it_is", "test_declared_axes_vary", "test_arrays_fit_the_example_inputs")
    def test_its_outputs_are_as_declared(self) -> None:
        """A model gives the outputs that the task declares, in order, of their types and sizes; none is called as an
        input.

        Fix: `outputs` of the task, or the head.
        """
        model = self.model()
        data = self.dataset(model)
        positions = range(min(FEW, len(data)))
        arrays = data.arrays(positions)
        declared = model.task.outputs
        clash = [output.name for output in declared if output.name in arrays]
        assert not clash, f"An input and an output are called {clash[0]!r}."
        wrong = contract.outputs_problem(declared, module_outputs(model.eval(), arrays, model.plugins), len(positions))
        assert not wrong, wrong

    @requires("test_its_outputs_are_as_declared")
    def test_its_loss_reaches_the_head(self) -> None:
        """The loss of a batch is one finite number, and the head's parameters have gradients.

        Fix: `loss` of the head, and what `collate` gives it.
        """
        model = self.model()
        data = self.dataset(model)
        positions = range(min(FEW, len(data)))
        given = map(torch.from_numpy, data.arrays(positions).values())
        wrong = contract.collate_problem(data.collated(positions), len(positions))
        assert not wrong, wrong
        batch = {name: torch.from_numpy(array) for name, array in data.collated(positions).items()}
        loss = model.loss(model.named(model(*given)), batch)
        assert loss.ndim == 0, f"The loss has shape {list(loss.shape)}; it must be one number."
        assert math.isfinite(loss.item()), f"The loss of the samples is {loss.item()}."
        loss.backward()  # type: ignore[no-untyped-call]
        for name, parameter in model.head.named_parameters():
            assert parameter.grad is not None, f"No gradient reaches {name!r} of the head."

    @requires("test_its_outputs_are_as_declared")
    def test_its_answers_are_rows(self) -> None:
        """There is one prediction per sample, of the declared type, whose row has its columns and is JSON.

        Fix: `decode`, and the fields of the prediction.
        """
        model = self.model()
        outputs, contexts = self._answered(model), self._contexts(model)
        answers = model.task.decode(outputs, contexts, DecodeOptions())
        wrong = contract.predictions_problem(model.task, answers, len(contexts))
        assert not wrong, wrong

    @requires("test_its_outputs_are_as_declared")
    def test_its_proof_notices_another_model(self) -> None:
        """Outputs agree with themselves, and those of other samples or of an untrained copy do not pass for them.

        Fix: `agree` of the task: compare every output, and let no scale make a difference small.
        """
        model, other = self.model(), self.model()
        outputs = self._answered(model)
        same = model.task.agree(outputs, outputs, 1e-4)
        assert bool(np.all(same.same)), "Outputs do not agree with themselves."
        assert all(float(rows.max()) == 0 for rows in same.difference.values()), "Outputs differ from themselves."
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(torch.randn_like(parameter))
        strange = model.task.agree(self._answered(other), outputs, 1e-4)
        passes = all(
            float(rows.max()) <= 1e-4 * strange.scale[name] for name, rows in strange.difference.items()
        ) and bool(np.all(strange.same))
        assert not passes, "The outputs of a model of other weights pass for this one's."

    @requires("test_its_outputs_are_as_declared")
    def test_its_metrics_are_finite(self) -> None:
        """Metrics are those of `directions`, all finite; samples have finite scores, and labels are counted.

        Fix: `metrics`, `samplewise` and `label_recalls`.
        """
        model = self.model()
        outputs, targets, contexts = self._answered(model), self._targets(model), self._contexts(model)
        try:
            metrics = model.task.metrics(outputs, targets, contexts)
        except TlzooError as error:
            raise AssertionError(f"The metrics fail: {error}") from error
        wrong = contract.metrics_problem(model.task, metrics)
        assert not wrong, wrong
        wrong = contract.scores_problem(model.task.samplewise(outputs, targets, contexts), len(targets))
        assert not wrong, wrong
        wrong = contract.label_recalls_problem(model.task.label_recalls(outputs, targets, contexts))
        assert not wrong, wrong
        drawn = np.zeros(len(targets), dtype=int)
        [figure] = model.task.resample(outputs, targets, contexts, [drawn])
        alone = model.task.metrics(select(outputs, drawn), [targets[0]] * len(targets), [contexts[0]] * len(targets))
        assert math.isclose(figure, alone[model.task.headline], abs_tol=1e-6), (
            f"Of one sample drawn {len(targets)} times `resample` gives {figure}, `metrics` "
            f"{alone[model.task.headline]}."
        )

    def _contexts(self, model: TaskModel) -> list[object]:
        data = self.dataset(model)
        return data.contexts(range(min(FEW, len(data))))

    def _targets(self, model: TaskModel) -> list[object]:
        data = self.dataset(model)
        assert data.targets is not None
        return list(data.targets[: min(FEW, len(data))])
