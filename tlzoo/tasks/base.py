"""What a task is: the one object that knows what a target is, how outputs are judged and what they answer. Torch-free.

Everything else (data, training, the cache, the proof, the runtime, exports, the conformance suite) goes through a
task's `outputs`, its methods and a prediction's `as_row`, and never asks which task it is.
"""

from __future__ import annotations

import json
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np

from tlzoo.errors import UsageError
from tlzoo.options.arguments import check_counts, check_shares, not_none, unknown_word
from tlzoo.tasks.agreement import agreement
from tlzoo.tasks.metrics import Direction
from tlzoo.tasks.rows import Output as Output
from tlzoo.tasks.rows import Outputs, select

if TYPE_CHECKING:
    from tlzoo.interfaces import Needs
    from tlzoo.tasks.row import Row
    from tlzoo.tasks.windows import Window, WindowOutputs

Target = Any
"""What a sample is labelled with: a string, a number, or lists and mappings of them."""


@dataclass(frozen=True)
class Input:
    """One input of a task: its name, and the column of a table that holds it where that is not the name."""

    name: str
    column: str = ""


DerivedOperator = Literal["Softmax", "Sigmoid"]


@dataclass(frozen=True)
class DerivedOutput:
    """An output that the graph makes of another, divided by the temperature: `operator` is ONNX's, on the last axis."""

    name: str
    source: str
    operator: DerivedOperator


@dataclass(frozen=True)
class Agreement:
    """How an exported file's outputs compare with the model's, sample by sample.

    `scale` is what differences of each output are judged by, `difference` float64 [N] the largest of each sample in
    each output. `same` [N] is the share of a sample's answers that are the same, ties aside: 0 or 1 where it has one.
    """

    scale: Mapping[str, float]
    difference: Mapping[str, np.ndarray]
    same: np.ndarray


@dataclass(frozen=True)
class OperatingPoint:
    """A threshold: what it was chosen for (`recall >= 0.9`), on how many samples, and the metric there with its
    interval."""

    threshold: float
    chosen_for: str
    samples: int
    metric: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DecodeOptions:
    """What `decode` is asked for; a task heeds those it `supports`.

    Logits are divided by `temperature`; answers hold the `top_k` likeliest labels (all where None), and labels from a
    probability of `threshold` on (the task's own rule where None).
    """

    temperature: float = 1.0
    top_k: int | None = None
    threshold: float | None = None


DEFAULT_OPTIONS = DecodeOptions()
_BESIDE = ("input", "embedding", "cut")
"""Fields of an answer that are no task's."""


@dataclass(frozen=True)
class Prediction:
    """One answer. `input` is the input as given (paths as strings; `None` for bytes and arrays).

    Tasks add fields of JSON's types; each is a column of a table of answers. `embedding` is float32 [D] where it was
    asked for. `cut` says that the input is longer than what the model reads of it; the answer is for its beginning.
    """

    input: str | None = field(default=None, kw_only=True)
    embedding: np.ndarray | None = field(default=None, compare=False, kw_only=True)
    cut: bool = field(default=False, compare=False, kw_only=True)
    error: ClassVar[str | None] = None

    @classmethod
    def columns(cls) -> tuple[str, ...]:
        """The names of its fields, `input` first."""
        return ("input", *(each.name for each in fields(cls) if each.name not in _BESIDE))

    def as_row(self) -> dict[str, Any]:
        """Its fields by name, as JSON holds them; `cut` is there where it is true."""
        row = {name: getattr(self, name) for name in self.columns()}
        embedding = {} if self.embedding is None else {"embedding": self.embedding.tolist()}
        return {**row, **embedding, **({"cut": True} if self.cut else {})}

    def as_line(self) -> dict[str, str]:
        """Its fields in short, for people."""
        return {name: _short(getattr(self, name)) for name in self.columns()}


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, list | tuple):
        return ";".join(map(_short, value))
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) else str(value)


@dataclass(frozen=True)
class Task:
    """A task over fitted `labels`; `name` is its modality and its family, such as `image-classification`.

    Subclasses are frozen dataclasses; what they need beyond labels is fields with defaults, of JSON's types, which runs
    and exported files keep. `outputs` [N, ...] go by name everywhere; a sample whose size varies is an array of its own
    in a list (see `tlzoo.tasks.rows`). `contexts` holds what preprocessing knows of each sample, such as the places of
    a text's tokens; `None` for each where the task is not `contextual`.
    """

    name: str
    labels: tuple[str, ...] = ()

    family: ClassVar[str] = ""
    answers: ClassVar[str] = "answers"
    """What its answers are called in a sentence, such as `labels`."""
    holds: ClassVar[str] = "targets"
    """What its targets are called in a sentence, such as `several labels per sample`."""
    modalities: ClassVar[frozenset[str] | None] = None
    """The modalities it is for; `None` for any."""
    needs: ClassVar[Needs] = "vector"
    """What the backbone is asked for; of several kinds the head is given a mapping by name, and there is no probe."""
    form: ClassVar[Literal["once", "loop"]] = "once"
    supports: ClassVar[frozenset[str]] = frozenset()
    """Of: probe, calibration, class_weights, label_smoothing, mixup, augment, top_k, threshold."""
    contextual: ClassVar[bool] = False
    columns: ClassVar[tuple[str, ...]] = ("label",)
    """The columns that `read` looks at, by role: `label` may be called otherwise in a table."""
    roles: ClassVar[tuple[str, ...]] = ()
    """The columns that `samples` looks at besides, by role."""
    folders: ClassVar[bool] = False
    """Whether a folder may hold the samples of each label in a folder of their own."""
    endings: ClassVar[tuple[str, ...]] = ()
    """The endings of files that `layouts` reads, besides tables."""
    headline: ClassVar[str] = ""
    monitor: ClassVar[str] = ""
    directions: ClassVar[Mapping[str, Direction]] = {}
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {}
    """The least and the largest value of metrics, where they have any: their intervals stay within. One that is to grow
    from 0 to 1 is a share."""
    prediction: ClassVar[type[Prediction]] = Prediction
    derived: ClassVar[tuple[DerivedOutput, ...]] = ()
    resamples: ClassVar[int] = 200
    head: ClassVar[str] = ""
    """The module with `build_head(backbone, task, options)`, imported only when training; see `tlzoo.tasks.heads`."""
    page: ClassVar[Path | None] = None
    """The JavaScript module that shows its answers in the web page."""
    plugin: ClassVar[str] = ""
    """The plugin that brings it; empty for the core's own."""

    @classmethod
    def overrides(cls, method: str) -> bool:
        """Whether the task has a method of its own in place of the default, which may then be skipped."""
        return getattr(cls, method) is not getattr(Task, method)

    @property
    def modality(self) -> str:
        """`image`, `text`, `audio` or a plugin's own."""
        return self.name.partition("-")[0]

    @property
    def inputs(self) -> tuple[Input, ...]:
        """What a sample is made of; of several, a sample is a tuple in this order."""
        return (Input("text" if self.modality == "text" else "path"),)

    @property
    def outputs(self) -> tuple[Output, ...]:
        """What a model of this task gives, in order."""
        raise NotImplementedError

    @property
    def all_roles(self) -> tuple[str, ...]:
        """Every role that a column of its tables may have, and may be called otherwise."""
        return tuple(dict.fromkeys((*(each.column or each.name for each in self.inputs), *self.columns, *self.roles)))

    def settings(self) -> dict[str, Any]:
        """What it takes beside name and labels, as JSON holds it."""
        return {each.name: getattr(self, each.name) for each in fields(self) if each.name not in ("name", "labels")}

    # -- data

    def layouts(self, path: Path) -> Iterator[Row] | None:
        """The samples of a file in a form of the task's own, such as CoNLL; `None` where `path` has none of these."""
        return None

    def samples(self, rows: Sequence[Row]) -> Sequence[Row]:
        """The samples in the rows of a table: by default each row is one."""
        return rows

    def check_table(self, rows: Sequence[Row]) -> None:
        """Raise DataError for what only the rows of a whole labelled table show, such as cells with two meanings."""

    def read(self, row: Row) -> Target:
        """The target of one row; raises DataError naming its place where it has none that can be used."""
        raise NotImplementedError

    def check(self, targets: Sequence[Target], place: Path) -> None:
        """Raise DataError naming `place` where nothing can be learnt from training targets."""

    def check_known(self, targets: Sequence[Target]) -> None:
        """Raise DataError naming labels in targets that this task does not have; by default, what `collate` refuses."""
        if not self.contextual:
            self.collate(targets, [None] * len(targets))

    def fit(self, targets: Sequence[Target], column: str) -> Task:
        """The task with what it learns from training targets, such as its labels; `column` is what they are called."""
        raise NotImplementedError

    def group(self, target: Target) -> Hashable | None:
        """What a split keeps in proportion; `None` for nothing."""
        return None

    def labels_in(self, target: Target) -> Sequence[str]:
        """The labels in a target: each stays in the training part of a split, and no other may occur elsewhere."""
        return ()

    def merge_targets(self, targets: Sequence[Target]) -> Target | None:
        """The one target of rows with the same input; `None` where these cannot be one."""
        return None

    def windows(self, input: Any, preprocessor: Any) -> Sequence[Window] | None:
        """A long input in parts that overlap; `None` for one that is short, or where the task has no windows."""
        return None

    def cut(self, target: Target, window: Window) -> Target:
        """What of a target lies in a window."""
        return target

    def merge(self, parts: Sequence[WindowOutputs]) -> tuple[dict[str, np.ndarray], Any]:
        """The outputs of a whole input, and its context, from those of its windows.

        Every output of the task as an array without the batch; `embeddings` that are left out are the windows' mean.
        """
        raise NotImplementedError

    def collate(self, targets: Sequence[Target], contexts: Sequence[Any]) -> dict[str, np.ndarray]:
        """Arrays [N, ...] of these targets by name, as the loss takes them."""
        raise NotImplementedError

    def notes(self, targets: Sequence[Target], parts: Sequence[Sequence[tuple[Target, Any, int]]]) -> Iterator[str]:
        """What of the targets the model does not see: lines for people.

        `parts` has for each sample the target, the context and the start of every window, of most samples one.
        """
        yield from ()

    def head_options(self, targets: Sequence[Target]) -> dict[str, Any]:
        """What the head takes to know of the training targets."""
        return {}

    def balance(self, targets: Sequence[Target]) -> list[float]:
        """Weights of the labels that make up for how often each occurs in training."""
        raise UsageError(
            f"{self.name} has no classes to weight.", hint="Leave `class_weights` out.", parameter="class_weights"
        )

    # -- measuring

    def metrics(self, outputs: Outputs, targets: Sequence[Target], contexts: Sequence[Any]) -> dict[str, float]:
        """The metrics named in `directions`, `headline` among them."""
        raise NotImplementedError

    def prior_outputs(self, targets: Sequence[Target], count: int) -> Outputs | None:
        """The outputs for `count` samples of a model that knows how training targets are spread and sees no input;
        `None` where the task has none to compare with."""
        return None

    def samplewise(self, outputs: Outputs, targets: Sequence[Target], contexts: Sequence[Any]) -> np.ndarray:
        """A score of each sample, float64 [N], that moves with the headline: where that is to grow, more is better."""
        raise NotImplementedError

    def label_recalls(
        self, outputs: Outputs, targets: Sequence[Target], contexts: Sequence[Any]
    ) -> Mapping[str, tuple[int, int]]:
        """Of each label, in how many of the samples that have it it is found, and how many have it.

        Empty where there are none to count, or several of a label may be in one sample: shares of these are not of
        independent samples.
        """
        return {}

    def resample(
        self, outputs: Outputs, targets: Sequence[Target], contexts: Sequence[Any], draws: Iterable[np.ndarray]
    ) -> list[float]:
        """The headline of each draw: positions of samples, drawn with replacement."""
        return [
            self.metrics(select(outputs, drawn), [targets[i] for i in drawn], [contexts[i] for i in drawn])[
                self.headline
            ]
            for drawn in draws
        ]

    def better(self, metric: str) -> Direction:
        """Whether less (`min`) or more (`max`) of a metric is better; raises UsageError for a name that is none."""
        if metric not in self.directions:
            raise unknown_word("monitor", metric, self.directions, f"no metric of {self.name}")
        return self.directions[metric]

    def agree(self, exported: Outputs, reference: Outputs, tolerance: float) -> Agreement:
        """The proof's rule; `tolerance` is the largest difference allowed, as a share of an output's scale.

        By default the scale is the largest value, and answers are the same where no output differs by more.
        """
        return Agreement(*agreement(self.outputs, exported, reference, tolerance))

    # -- answering

    def answer_shares(self, outputs: Outputs, contexts: Sequence[Any]) -> dict[str, float]:
        """How often each label is the answer, as shares that add up to 1; empty where answers are no single labels."""
        return {}

    def decode(self, outputs: Outputs, contexts: Sequence[Any], options: DecodeOptions) -> Sequence[Prediction]:
        """One prediction per sample; probabilities are those of logits / options.temperature."""
        raise NotImplementedError

    def temperature(self, outputs: Outputs, targets: Sequence[Target], contexts: Sequence[Any]) -> float:
        """The temperature that calibrates probabilities, fitted on samples that training did not see."""
        raise NotImplementedError

    def calibration_error(
        self, outputs: Outputs, targets: Sequence[Target], contexts: Sequence[Any], temperature: float = 1.0
    ) -> float:
        """Expected calibration error of logits / temperature, 0..1."""
        raise NotImplementedError

    def operating_point(
        self, outputs: Outputs, targets: Sequence[Target], contexts: Sequence[Any]
    ) -> OperatingPoint | None:
        """A threshold chosen on validation samples, which exported files keep and predictions use; `None` for none."""
        return None


def check_predict_options(task: Task, **given: Any) -> None:
    """Raise UsageError for options of a prediction that a task's answers cannot hold, or values that cannot be."""
    for name, value in given.items():
        if value is not None and name not in task.supports:
            raise UsageError(f"{task.name} does not support `{name}`.", hint=f"Leave `{name}` out.", parameter=name)
    check_counts(**not_none(top_k=given.get("top_k")))
    check_shares(**not_none(threshold=given.get("threshold")))
