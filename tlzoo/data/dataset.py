"""A data set as models take it: raw inputs, targets, and the preprocessor that makes arrays of them. Torch-free."""

from __future__ import annotations

import re
from bisect import bisect
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import accumulate, pairwise
from typing import Any

import numpy as np

from tlzoo.data.label_checks import check_labels
from tlzoo.data.samples import Samples, content_digests
from tlzoo.errors import InputError
from tlzoo.io.inputs.report import CutCount
from tlzoo.preprocess import Preprocessor, limit_of, longer_in, row_lengths, with_contexts
from tlzoo.tasks.base import Target, Task
from tlzoo.tasks.contract import label_recalls_problem, metrics_problem, split_windows, task_error
from tlzoo.tasks.intervals import metric_interval
from tlzoo.tasks.merging import merge_windows
from tlzoo.tasks.rows import Outputs, select
from tlzoo.tasks.windows import Window

BLOCK = 32
NOUNS = {"text": "texts", "audio": "recordings"}
"""What samples of a modality are called where they are counted."""


@dataclass(frozen=True)
class TaskDataset:
    """`inputs` are paths or texts, `targets` what the task read of each, or `None` where there are no labels.

    Where the task takes long inputs in windows, each of these is an input with the target that lies in it; `windows`
    then has those of every sample, and `whole` the samples' own targets. `weights` say how much each input counts in
    training, a window as its sample, and `groups` which samples belong together; `None` where the data says neither.
    """

    inputs: Sequence[Any]
    targets: Sequence[Target] | None
    preprocessor: Preprocessor
    task: Task
    windows: Sequence[Sequence[Window]] | None = None
    whole: Sequence[Target] | None = None
    weights: Sequence[float] | None = None
    groups: Sequence[str] | None = None
    _lengths: dict[int, int] = field(default_factory=dict, init=False, repr=False, compare=False)
    _contexts: dict[int, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    _longer: dict[int, bool] = field(default_factory=dict, init=False, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.inputs)

    @property
    def modality(self) -> str:
        """`image`, `text`, `audio` or a plugin's own."""
        return self.task.modality

    @property
    def samples(self) -> int:
        """How many samples there are, whatever the number of their windows."""
        return len(self.inputs) if self.windows is None else len(self.windows)

    def distinct(self) -> int:
        """How many samples there are without copies; raises InputError for a file that cannot be read."""
        return len(set(self.contents()))

    def contents(self) -> list[Hashable]:
        """The content of each sample, as a digest."""
        digests = content_digests(self.inputs, self.modality)
        if self.windows is None:
            return list(digests)
        return [tuple(digests[start:end]) for start, end in pairwise(self._starts(self.windows))]

    def without_copies(self) -> list[int]:
        """The samples whose content no earlier one has with the same target."""
        labelled = zip(self.contents(), map(repr, self.sample_targets), strict=True)
        first = {each: at for at, each in reversed(list(enumerate(labelled)))}
        return sorted(first.values())

    def arrays(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """The preprocessed inputs at these positions, stacked."""
        inputs = [self.inputs[i] for i in positions]
        try:
            if self.task.contextual:
                arrays, contexts = with_contexts(self.preprocessor, inputs)
                self._contexts.update(zip(positions, contexts, strict=True))
            else:
                arrays = self.preprocessor(inputs)
        except InputError as error:
            raise self._with_place(error, positions) from error
        if (longer := longer_in(arrays)) is not None:
            self.note_longer(dict(zip(positions, longer, strict=True)))
        return arrays

    def longer(self) -> Mapping[int, bool]:
        """Whether an input is longer than what is read of it, by position, of those that were prepared so far."""
        return self._longer

    def note_longer(self, known: Mapping[int, bool]) -> None:
        """Remember it of inputs that were prepared elsewhere."""
        self._longer.update(known)

    def cut(self) -> CutCount | None:
        """How many samples are cut at the end; `None` where none can be, as of long ones there are windows, or where
        that cannot be known. What was not prepared before is prepared now."""
        limit = limit_of(self.preprocessor)
        if limit is None or self.task.overrides("windows"):
            return None
        with suppress(InputError):  # a file that is gone meanwhile
            self._prepare([at for at in range(len(self)) if at not in self._longer])
        if len(self._longer) < len(self):
            return None
        return CutCount(sum(self._longer.values()), len(self), *limit, NOUNS.get(self.modality, "samples"))

    def _with_place(self, error: InputError, positions: Sequence[int]) -> InputError:
        """The error with an input's number in the data, and the text's beginning, for that among those prepared."""

        def place(found: re.Match[str]) -> str:
            at = positions[int(found[1])]
            given = self.inputs[at]
            shown = f", {given[:40]!r}," if self.modality == "text" and isinstance(given, str) else ""
            return f"Input {at}{shown}"

        return InputError(re.sub(r"^Input (\d+)", place, error.message), hint=error.hint)

    def contexts(self, positions: Sequence[int]) -> list[Any]:
        """What preprocessing knows of the inputs at these positions; `None` for each where the task does not ask."""
        if not self.task.contextual:
            return [None] * len(positions)
        self._prepare([i for i in positions if i not in self._contexts])
        return [self._contexts[i] for i in positions]

    def lengths(self, positions: Sequence[int]) -> list[int] | None:
        """How long each padded input is; `None` where no output of the task varies in size, or nothing is padded."""
        if not any(output.ragged for output in self.task.outputs):
            return None
        self._prepare([i for i in positions if i not in self._lengths])
        return [self._lengths[i] for i in positions] if self._lengths else None

    def _prepare(self, positions: Sequence[int]) -> None:
        """Compute lengths and contexts in blocks; the arrays are discarded."""
        each = list(dict.fromkeys(positions))
        for at in range(0, len(each), BLOCK):
            few = each[at : at + BLOCK]
            lengths = row_lengths(self.arrays(few))
            if lengths is not None:
                self._lengths.update(zip(few, lengths.tolist(), strict=True))

    def collated(self, positions: Sequence[int]) -> dict[str, np.ndarray]:
        """The targets at these positions as arrays by name; raises DataError for a label the task does not know."""
        assert self.targets is not None
        return self.task.collate([self.targets[i] for i in positions], self.contexts(positions))

    def merge_outputs(self, outputs: Outputs) -> tuple[Outputs, list[Any]]:
        """The outputs and contexts of whole samples from those of their windows."""
        contexts = self.contexts(range(len(self)))
        if self.windows is None:
            return outputs, contexts
        return merge_windows(self.task, self.windows, outputs, contexts)

    @property
    def sample_targets(self) -> Sequence[Target]:
        """The targets of whole samples."""
        found = self.targets if self.windows is None else self.whole
        assert found is not None
        return found

    def notes(self) -> list[str]:
        """Notes for the user about samples that are cut or partly lost."""
        found = []
        if self.windows is not None:
            long = sum(len(each) > 1 for each in self.windows)
            found.append(
                f"{long} of {self.samples} samples are longer than the model's input: they are split into "
                f"{sum(len(each) for each in self.windows if len(each) > 1)} overlapping windows."
            )
        if self.targets is not None and self.task.overrides("notes"):
            found += self._task_notes(self.targets)
        return found

    def _task_notes(self, targets: Sequence[Target]) -> list[str]:
        notes: Any = self.task.notes(self.sample_targets, list(self._parts(targets)))
        found = list(notes) if isinstance(notes, Iterable) and not isinstance(notes, str) else [notes]
        if wrong := [note for note in found if not isinstance(note, str)] or (isinstance(notes, str) and [notes]):
            raise task_error(self.task, f"cannot be used: `notes` gives {wrong[0]!r}, not lines of text one by one.")
        return found

    def _parts(self, targets: Sequence[Target]) -> Iterator[list[tuple[Target, Any, int]]]:
        contexts, at = self.contexts(range(len(self))), 0
        for windows in self.windows or [[Window(given, 0)] for given in self.inputs]:
            yield [(targets[at + i], contexts[at + i], window.start) for i, window in enumerate(windows)]
            at += len(windows)

    def metrics(self, outputs: Outputs) -> dict[str, float]:
        """The task's metrics of a model's outputs for all inputs; raises HookError where a plugin's are no numbers."""
        merged, contexts = self.merge_outputs(outputs)
        found = self.task.metrics(merged, self.sample_targets, contexts)
        if self.task.plugin and (wrong := metrics_problem(self.task, found)):
            raise task_error(self.task, f"returns unusable metrics: {wrong}")
        return {name: float(value) for name, value in found.items()}

    def interval(self, outputs: Outputs, metrics: Mapping[str, float], seed: int = 0) -> dict[str, float | str | None]:
        """The 95 % confidence interval of the headline of these outputs' `metrics` (see `metric_interval`).

        A copy of a sample proves nothing that the sample does not: the interval is that of the samples without copies.
        Where samples have groups it is no narrower than that of groups.
        """
        merged, targets, contexts = self.independent(outputs)
        headline, value = self.task.headline, metrics[self.task.headline]
        if len(targets) < self.samples:
            value = float(self.task.metrics(merged, targets, contexts)[headline])
        return metric_interval(self.task, merged, targets, contexts, value, seed, self.independent_groups())

    def independent(self, outputs: Outputs) -> tuple[Outputs, Sequence[Target], list[Any]]:
        """Outputs, targets and contexts of the whole samples without copies: those that an interval may count."""
        merged, contexts = self.merge_outputs(outputs)
        different = self.without_copies()
        if len(different) == self.samples:
            return merged, self.sample_targets, contexts
        targets = [self.sample_targets[at] for at in different]
        return select(merged, different), targets, [contexts[at] for at in different]

    def independent_groups(self) -> list[str] | None:
        """The groups of the samples without copies; `None` where samples have none."""
        return None if self.groups is None else [self.groups[at] for at in self.without_copies()]

    def label_recalls(self, outputs: Outputs) -> Mapping[str, tuple[int, int]]:
        """Of each label, in how many of the samples that have it it is found, and how many have it.

        Raises HookError where a plugin's are no such numbers.
        """
        merged, contexts = self.merge_outputs(outputs)
        found = self.task.label_recalls(merged, self.sample_targets, contexts)
        if self.task.plugin and (wrong := label_recalls_problem(found)):
            raise task_error(self.task, wrong)
        return found

    def sample_of(self, position: int) -> int:
        """The sample that the input at a position is, or is a window of."""
        return position if self.windows is None else bisect(self._starts(self.windows), position) - 1

    @staticmethod
    def _starts(windows: Sequence[Sequence[Window]]) -> list[int]:
        return list(accumulate((len(each) for each in windows), initial=0))

    def first(self, count: int) -> TaskDataset:
        """The first samples, with all of their windows."""
        return self.subset(range(min(count, self.samples)))

    def subset(self, samples: Sequence[int]) -> TaskDataset:
        """These samples, with all of their windows."""
        at = self.places(samples)
        chosen = replace(
            self,
            inputs=[self.inputs[place] for place in at],
            targets=None if self.targets is None else [self.targets[place] for place in at],
            weights=None if self.weights is None else [self.weights[place] for place in at],
            groups=None if self.groups is None else [self.groups[each] for each in samples],
        )
        if self.windows is None:
            return chosen
        return replace(
            chosen,
            windows=[self.windows[each] for each in samples],
            whole=None if self.whole is None else [self.whole[each] for each in samples],
        )

    def places(self, samples: Sequence[int]) -> list[int]:
        """The positions of the inputs of these samples: themselves, or their windows."""
        if self.windows is None:
            return list(samples)
        starts = self._starts(self.windows)
        return [place for each in samples for place in range(starts[each], starts[each + 1])]


def cut_of(*datasets: TaskDataset) -> CutCount | None:
    """How many samples of these together are cut at the end; `None` where that cannot be, or is not known."""
    found = [each.cut() for each in datasets]
    known = [each for each in found if each is not None]
    if not known or len(known) < len(found):
        return None
    longer, samples = sum(each.longer for each in known), sum(each.samples for each in known)
    return replace(known[0], longer=longer, samples=samples)


def make_dataset(samples: Samples, task: Task, preprocessor: Preprocessor) -> TaskDataset:
    """Samples as the model takes them; raises DataError for a label the task does not know."""
    check_labels(samples, task)
    groups = samples.groups or None
    plain = TaskDataset(
        samples.inputs, samples.targets, preprocessor, task, weights=samples.weights or None, groups=groups
    )
    if not task.overrides("windows"):
        return plain
    windows = [split_windows(task, given, preprocessor) for given in samples.inputs]
    if all(len(each) == 1 for each in windows):
        return plain
    inputs = [window.input for each in windows for window in each]
    targets = None
    if samples.targets is not None:
        pairs = zip(samples.targets, windows, strict=True)
        targets = [task.cut(target, window) for target, each in pairs for window in each]
    weights = [weight for weight, each in zip(samples.weights, windows, strict=False) for _ in each] or None
    return TaskDataset(inputs, targets, preprocessor, task, windows, samples.targets, weights, groups)
