"""`run.json`, the file that says what a run is: its fields, reading it and writing it. Torch-free."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any, Literal, NoReturn, NotRequired

from pydantic import ConfigDict, Field, ValidationError
from typing_extensions import TypedDict  # pydantic takes the standard library's from Python 3.12 on

from tlzoo import plugins
from tlzoo.data.columns import Columns
from tlzoo.errors import RunError
from tlzoo.io.files import SEAL, seal_of, sha256_of, write_json
from tlzoo.registry.schema import Checkpoint
from tlzoo.runs import seals
from tlzoo.specs import StrictModel, first_invalid

RUN_VERSION: Literal[3] = 3
"""Version 3 added the hashes of the other files, and the seal; 2 is read as well."""
RUN_FILE, PREPROCESS, TRAINED_ON = "run.json", "preprocess.json", "trained_on.json"
OUT_OF_FOLD = "out_of_fold.csv"
"""The answers of cross-validation, a row for each sample."""
MAY_BE_LEFT_OUT = ("files", "settings", "plugin", "baseline", "probe", "cross_validation")
"""Fields that are not written where they are empty."""
NEW_OF_DATA = ("read", "validation", "validation_fingerprint", "group_by", "groups")
"""Fields of the data's record that runs of older versions lack; they are not written where they are empty."""


class DataRecord(StrictModel):
    """Where the data came from, enough to read and split it again; fingerprints are sha256 of labels and contents.

    `test` and `validation` are the sets that were named; without one a part of `path` was held out. `n_train`,
    `n_validation` and `n_test` count samples, `groups` counts the groups of each part, which a column says or the
    files' paths by `group_by`. `read` says what was read and what left out, of `data` and of a `test` and a
    `validation` set.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    path: str
    test: str | None
    columns: Columns
    seed: int
    fingerprint: str
    heldout_fingerprint: str
    n_train: int = Field(ge=0)
    n_validation: int = Field(ge=0)
    n_test: int = Field(ge=0)
    read: dict[str, dict[str, Any]] = Field(default_factory=dict)
    validation: str | None = None
    validation_fingerprint: str | None = None
    group_by: str | None = None
    groups: dict[str, int] = Field(default_factory=dict)


class Interval(TypedDict):
    """The confidence interval of a metric over the test samples; `level` is 0.95. A side without a bound is null."""

    metric: str
    level: float
    low: float | None
    high: float | None


class Difference(Interval):
    """The difference of a metric between two models on the same samples, and its paired confidence interval."""

    value: float


class ProbeRecord(TypedDict):
    """What a probe of the same features reaches on the test samples, and how the run compares.

    `difference` is the run's headline metric minus the probe's; `verdict` says of the run that it is `better` or
    `worse`, or that the difference is within `chance`.
    """

    metrics: dict[str, float]
    difference: Difference
    verdict: Literal["better", "worse", "chance"]


class CrossValidationRecord(TypedDict):
    """What probes of the same kind reach on `n` samples, each answered by one of `folds` that had not seen it: all, or
    those of training and validation where the test samples were given."""

    metrics: dict[str, float]
    interval: Interval
    n: int
    folds: int


class FrozenRecord(TypedDict, total=False):
    """What stayed bit-identical in training: numbers of tensors and of scalars in parameters, one SHA-256 over all.

    `trained` counts the scalars that trained; `merged` says that adapters were added to the weights at the end.
    """

    tensors: int
    parameters: int
    digest: str
    identical: bool
    trained: int
    merged: bool


class ChangeRecord(TypedDict):
    """What adapting changed on labelled samples: the headline metric after minus before, and what that says of the
    adapted model: `better`, `worse` or within `chance`."""

    difference: Difference
    verdict: Literal["better", "worse", "chance"]


AdaptedRecord = TypedDict(
    "AdaptedRecord",
    {
        "method": str,
        "from": str,
        "target": str,
        "target_fingerprint": str,
        "n_target": int,
        "n_copies": NotRequired[int],
        "source_metrics_before": dict[str, float],
        "source_metrics_after": NotRequired[dict[str, float]],
        "source_change": NotRequired[ChangeRecord],
        "changed": NotRequired[float],
        "answers_before": NotRequired[dict[str, float]],
        "answers_after": NotRequired[dict[str, float]],
        "target_metrics_before": NotRequired[dict[str, float]],
        "target_metrics_after": NotRequired[dict[str, float]],
        "target_change": NotRequired[ChangeRecord],
        "n_labelled": NotRequired[int],
        "n_labelled_in_target": NotRequired[int],
        "read": NotRequired[dict[str, dict[str, Any]]],
    },
)
AdaptedRecord.__doc__ = """How a run was adapted: the run it was made `from`, the target data, and what it did.

`n_copies` of the target samples have the content of another. Metrics on the source's held-out samples before and after;
which share of the answers for the target `changed`, and how often each label was one. On `n_labelled` labelled samples
of the target, where there were any, the same metrics; `n_labelled_in_target` of them are among the target samples.
`read` says what was read and what left out, of the `target` and of a `test` set.
"""


class RunRecord(StrictModel):
    """What was trained, on which data, how, and with which metrics.

    `labels` are in the order of the logits; `settings` are the task's other fields, and `plugin` provides the task
    where the core does not. `options` are those of the command and what training decided itself; `metrics` are measured
    on the held-out samples, `baseline` those of answers that see no input, `probe` those of a probe of the same
    features, `cross_validation` those of probes on all samples; `seconds` says by what they were spent, `total` among
    them. `head` is `linear` for the task's own, `plugin` for the checkpoint's plugin's, `name/head` for another
    plugin's. `files` are the SHA-256 of the other files, `seal` is that of all these fields. A field that is not known
    is null.
    """

    model_config = ConfigDict(extra="ignore", frozen=True)

    version: Literal[2, 3] = RUN_VERSION
    task: str
    labels: tuple[str, ...]
    settings: dict[str, Any] = Field(default_factory=dict)
    plugin: str = ""
    checkpoint: Checkpoint
    interval: Interval | None = None
    baseline: dict[str, float] | None = None
    probe: ProbeRecord | None = None
    cross_validation: CrossValidationRecord | None = None
    frozen: FrozenRecord | None = None
    adapted: AdaptedRecord | None = None
    head: str = Field(pattern=r"^(linear|plugin|[^/]+/[^/]+)$")
    data: DataRecord
    options: dict[str, Any]
    metrics: dict[str, float]
    seconds: dict[str, float]
    versions: dict[str, str]
    files: dict[str, str] = Field(default_factory=dict)

    def document(self) -> dict[str, Any]:
        """The record as JSON holds it, without what a core task and the checkpoint leave empty."""
        checkpoint = self.checkpoint.model_dump(mode="json", exclude_none=True)
        whole = {**self.model_dump(mode="json"), "checkpoint": checkpoint}
        kept = {name: value for name, value in whole.items() if value or name not in MAY_BE_LEFT_OUT}
        kept["data"] = {name: value for name, value in kept["data"].items() if value or name not in NEW_OF_DATA}
        return kept if self.version < RUN_VERSION else {**kept, SEAL: seal_of(kept)}


def read_record(folder: Path) -> RunRecord:
    """Read a run folder's record; raises RunError when it is none, is damaged, or was written by another version."""
    file = folder / RUN_FILE
    if not file.is_file():
        raise _missing(folder)
    try:
        document = json.loads(file.read_text(encoding="utf-8").strip() or _raise("it is empty"))
        if not isinstance(document, dict):
            raise ValueError("it holds no JSON object")
        if document.get("version") not in (2, RUN_VERSION):
            raise RunError(
                f"{folder} has run version {document.get('version')}; this tlzoo reads 2 and {RUN_VERSION}.",
                hint="Use the tlzoo that wrote it, or train again.",
            )
        sealed = SEAL in document or document["version"] == RUN_VERSION
        if sealed and document.get(SEAL) != seal_of(document):
            raise seals.damaged_record(file, document.get("files"))
        return RunRecord.model_validate(document)
    except (ValueError, RecursionError, OSError) as cause:
        raise RunError(
            f"{folder / RUN_FILE} cannot be read: {short_reason(cause)}.",
            hint="Train again, or restore the folder.",
        ) from cause


def _raise(what: str) -> NoReturn:
    raise ValueError(what)


def looks_like_run(folder: Path) -> bool:
    """Whether a folder holds a run's record, or lacks only that."""
    return any(os.path.lexists(folder / name) for name in (RUN_FILE, PREPROCESS))


def _missing(folder: Path) -> RunError:
    """The error of a folder without a record."""
    if not looks_like_run(folder):
        return RunError(
            f"{folder} is not a run folder: it has no {RUN_FILE}.", hint="Make one: tlzoo finetune ID DATA --out RUN"
        )
    what = "is not a file" if os.path.lexists(folder / RUN_FILE) else "is missing"
    return RunError(
        f"{folder / RUN_FILE} {what}, without which the run cannot be used.",
        hint="Restore it from a copy, or train again. The weights alone can be had from model.safetensors.",
    )


def check_run(folder: Path) -> dict[Path, str]:
    """The SHA-256 of a run's record, which is sealed, and of every file that it names.

    Raises RunError as `read_record` does, for a file that is not what it was, and for a run of an older version, whose
    record has none.
    """
    record = read_record(folder)
    if not record.files:
        raise RunError(
            f"{folder} was written by an older version of tlzoo, without checksums.",
            hint="Train it again to have them.",
        )
    seals.check_files(folder, record.files, record.files)
    files = {folder / name: digest for name, digest in record.files.items()}
    return {folder / RUN_FILE: sha256_of(folder / RUN_FILE), **files}


def write_record(folder: Path, record: RunRecord) -> None:
    """Write a run folder's record, whole."""
    write_json(folder / RUN_FILE, record.document())


def short_reason(cause: Exception) -> str:
    """What an error says, on one line."""
    if isinstance(cause, ValidationError):
        return ": ".join(first_invalid(cause))
    if isinstance(cause, KeyError):
        return f"{cause} is missing"
    lines = [line.strip() for line in str(cause).strip().splitlines()]
    return " ".join(lines[:2]).rstrip(".") or type(cause).__name__


def upgraded(record: RunRecord) -> str:
    """Which plugins are installed in another version than a run was made with, as a sentence; empty for none."""
    now = {each.distribution: each.version for each in plugins.enabled_plugins()}
    changed = [
        f"{name} {version}, and {name} {now[name]} is installed"
        for name, version in record.versions.items()
        if now.get(name, version) != version
    ]
    return f"It was made with {'; '.join(changed)}. " if changed else ""
