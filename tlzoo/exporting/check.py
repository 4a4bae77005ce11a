"""The proof that an exported file equals the trained model, on held-out samples, through the runtime's own path.

Torch-free: `reference` holds the outputs of the torch model, computed now or when the file was exported.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tlzoo.artifact.manifest import OutputParity, Parity, ProofLimits
from tlzoo.errors import InputError, ParityError, first_line
from tlzoo.exporting.batches import BatchPart, plan_batches
from tlzoo.io.entry_points import REPORT_HINT
from tlzoo.io.texts import input_name
from tlzoo.options import Thresholds
from tlzoo.preprocess import row_lengths
from tlzoo.progress import Advance, progress
from tlzoo.runtime import Predictor
from tlzoo.tasks.agreement import differences
from tlzoo.tasks.base import Agreement, Task
from tlzoo.tasks.contract import compare
from tlzoo.tasks.rows import OutputCollector, Outputs, Rows, finite, select

NOT_WRITTEN_HINT = f"No file was written. {REPORT_HINT}"

THRESHOLDS = {
    "fp32": ProofLimits(difference=1e-4, agreement=1.0, drop=0.5),
    "fp16": ProofLimits(difference=0.02, agreement=0.99, drop=0.5),
    "int8": ProofLimits(difference=1.5, agreement=0.95, drop=0.5),
    "raw input": ProofLimits(difference=0.5, agreement=0.95, drop=0.5),
}
"""Default thresholds of each precision, and of graphs that resize pictures themselves."""


def default_thresholds(precision: str, raw_input: bool = False) -> ProofLimits:
    """The default thresholds of a precision; with `raw_input` the looser of both."""
    limits = [THRESHOLDS[precision], *([THRESHOLDS["raw input"]] if raw_input else [])]
    return ProofLimits(
        difference=max(one.difference for one in limits),
        agreement=min(one.agreement for one in limits),
        drop=max(one.drop for one in limits),
    )


def asked_limits(asked: Thresholds | None, precision: str, raw_input: bool) -> ProofLimits | None:
    """The limits that are asked for, completed by the defaults; `None` where none are."""
    if asked is None:
        return None
    return ProofLimits(**asked.over(default_thresholds(precision, raw_input).model_dump()))


@dataclass(frozen=True)
class Proof:
    """The figures, the file's outputs for all inputs, and the name of the one that differs most.

    `parts` and `cases` hold what the file gave for each of them: the task's outputs and the others that were asked for.
    """

    parity: Parity
    exported: Outputs
    worst: str
    parts: tuple[tuple[BatchPart, Outputs], ...] = ()
    cases: tuple[tuple[ArrayCase, Outputs], ...] = ()

    @property
    def tried(self) -> list[tuple[str, Outputs]]:
        """Where each part and case was tried, as a part of a sentence, and what the file gave."""
        return [
            *((part.where, outputs) for part, outputs in self.parts),
            *((case.where, outputs) for case, outputs in self.cases),
        ]


@dataclass(frozen=True)
class ArrayCase:
    """Arrays as the graph takes them, and torch's outputs for them, `embeddings` among them where it has them.

    `where` is a part of a sentence on them, such as `on silence`; `length` is in tokens or samples of audio, 0 where it
    is not what is tried. In int8 an `extreme` one need only give numbers: there, what lies outside the ranges of
    training samples is clipped.
    """

    where: str
    arrays: dict[str, np.ndarray]
    reference: dict[str, np.ndarray]
    length: int = 0
    extreme: bool = False


Measure = Callable[[Outputs], float]
"""The headline metric of a model's outputs for the inputs of a proof."""


@dataclass
class _Comparison:
    """The comparison so far: each input's largest difference per output, and whether its answer is the same."""

    scale: Mapping[str, float]
    worst: dict[str, np.ndarray]
    same: np.ndarray

    def add(self, found: Agreement) -> None:
        """Merge the agreement where the first inputs came in batches of another size."""
        for name, gaps in found.difference.items():
            self.worst[name] = np.maximum(self.worst[name], gaps)
        self.same = np.minimum(self.same, found.same)


def prove(
    predictor: Predictor,
    inputs: Sequence[Any],
    reference: Outputs,
    *,
    thresholds: ProofLimits | None = None,
    measure: Measure | None = None,
    cases: Sequence[ArrayCase] = (),
    whole: int | None = None,
    drawn_from: int | None = None,
    extra: Sequence[str] = (),
) -> Proof:
    """Compare the file's outputs for raw `inputs` with torch's `reference`, at several batch sizes, and `cases`.

    Each input runs once; where that leaves room in 500, some of them again (see `plan_batches`).

    Raises ParityError naming the input that differs most when an output differs by more than the thresholds' share of
    its scale, when too many answers differ that are no ties, or, with `measure`, when the task's headline metric loses
    too much; the task says what scale and answer are. The default thresholds are those of fp32. `whole` is how many
    samples the inputs are windows of, `drawn_from` how many held-out samples there are where these are some of them;
    `extra` names outputs of the file beside the task's that are wanted of every part and case.
    """
    task, limits = predictor.task, thresholds or THRESHOLDS["fp32"]
    parts = plan_batches(len(inputs))
    with progress("Proof", sum(len(part.positions) for part in parts) + len(cases), "inputs") as advance:
        ran = [(part, _answers(predictor, inputs, part, extra, advance)) for part in parts]
        exported = _together(task, [pair for pair in ran if not pair[0].again], len(inputs))
        first = compare(task, exported, reference, limits.difference)
        found = _Comparison(
            first.scale, {name: rows.copy() for name, rows in first.difference.items()}, first.same.astype(float)
        )
        for part, answers in ran:
            for places in _rounds(part.positions) if part.again else ():
                mixed = _replaced(exported, part.positions[places], select(answers, places))
                found.add(compare(task, mixed, reference, limits.difference))
        # of outputs that are infinite the scale is, too
        tolerances = {
            name: limits.difference * scale if math.isfinite(scale) else 0.0 for name, scale in found.scale.items()
        }
        drop = metric_drop(task, measure(reference), measure(exported)) if measure and finite(exported).all() else 0.0
        parity = _parity(found, tolerances, limits, drop, parts, cases)
        parity = parity.model_copy(update={"whole": whole, "drawn_from": drawn_from})
        longest = 120 if task.modality == "text" else None  # of a path, every letter counts
        name = repr(input_name(inputs[parity.worst or 0], longest))
        _judge(parity, limits, name, task)
        tried = []
        for case in cases:
            tried.append((case, _case_outputs(predictor, case, extra)))
            gaps = _differences(task, *tried[-1], tolerances, extra)
            if not (case.extreme and predictor.manifest.precision == "int8"):
                _judge_case(case, gaps, _of_case(case, tolerances, limits.difference))
            advance(1)
    return Proof(parity, exported, name, tuple(ran), tuple(tried))


def _together(task: Task, ran: Sequence[tuple[BatchPart, Outputs]], count: int) -> dict[str, Rows]:
    """The task's outputs for all inputs, each of which is in one of the parts."""
    together: dict[str, Rows] = {}
    for output in task.outputs:
        kept: list[Any] = [None] * count
        for part, answers in ran:
            for at, row in zip(part.positions, answers[output.name], strict=True):
                kept[at] = row
        together[output.name] = kept if output.ragged else _stacked(kept)
    return together


def _rounds(positions: np.ndarray) -> list[np.ndarray]:
    """Places in `positions` so that no position is twice in a round, and each place in one."""
    seen: dict[int, int] = {}
    rounds: dict[int, list[int]] = {}
    for place, position in enumerate(positions.tolist()):
        seen[position] = seen.get(position, -1) + 1
        rounds.setdefault(seen[position], []).append(place)
    return [np.array(places) for places in rounds.values()]


def _stacked(rows: list[np.ndarray]) -> Rows:
    """Rows as one array where all are of one size."""
    return np.stack(rows) if len({np.shape(row) for row in rows}) == 1 else rows


def _replaced(every: Outputs, positions: np.ndarray, few: Outputs) -> dict[str, Rows]:
    """The outputs of all inputs with those at these positions replaced: their scale is that of all, not of the few."""
    mixed: dict[str, Rows] = {}
    for name, rows in every.items():
        kept = list(rows)
        for at, row in zip(positions.tolist(), few[name], strict=True):
            kept[at] = row
        mixed[name] = kept if isinstance(rows, list) else _stacked(kept)
    return mixed


def _parity(
    found: _Comparison,
    tolerances: Mapping[str, float],
    limits: ProofLimits,
    drop: float,
    parts: Sequence[BatchPart],
    cases: Sequence[ArrayCase],
) -> Parity:
    batches = tuple(sorted(part.size for part in parts if len(part.positions) >= part.size))
    each = {
        name: OutputParity(
            max_abs_diff=float(rows.max(initial=0.0)), scale=found.scale[name], tolerance=tolerances[name]
        )
        for name, rows in found.worst.items()
    }
    headline = max(each, key=lambda name: each[name].max_abs_diff / max(each[name].tolerance, 1e-300))
    worst = found.worst[headline]
    return Parity(
        samples=len(worst),
        batches=batches,
        lengths=tuple(case.length for case in cases if case.length),
        **each[headline].model_dump(),
        top1_agreement=float(found.same.mean()),
        worst=int(np.where(np.isfinite(worst), worst, np.inf).argmax()),
        drop=drop,
        thresholds=limits,
        outputs=each,
    )


def metric_drop(task: Task, before: float, after: float) -> float:
    """The drop of the headline metric in points (hundredths); for a metric in the targets' unit, in percent."""
    if task.better(task.headline) == "max":
        return 100 * (before - after)
    return 100 * (after - before) / max(before, 1e-12)


def _answers(
    predictor: Predictor, inputs: Sequence[Any], part: BatchPart, extra: Sequence[str], advance: Advance
) -> Outputs:
    given = [inputs[at] for at in part.positions]
    try:
        if extra:
            names = (*(output.name for output in predictor.task.outputs), *extra)
            answers = predictor.outputs(given, names, batch=part.size, finite=False)
        else:
            answers = predictor.outputs(given, batch=part.size, finite=False)
    except InputError:
        raise
    except Exception as cause:
        raise _fails(f"on held-out samples {part.where}", cause) from cause
    advance(len(given))
    return answers


def _case_outputs(predictor: Predictor, case: ArrayCase, extra: Sequence[str]) -> dict[str, np.ndarray]:
    declared = [output.name for output in predictor.task.outputs]
    try:
        return predictor.run(case.arrays, (*declared, *extra))
    except Exception as cause:
        raise _fails(case.where, cause) from cause


def _differences(
    task: Task, case: ArrayCase, found: Mapping[str, np.ndarray], names: Collection[str], extra: Sequence[str]
) -> dict[str, float]:
    """The largest difference of each of these outputs, padding aside; of the extra ones that they are numbers."""
    lengths, gaps = row_lengths(case.arrays), {}
    for output in task.outputs:
        if output.name not in names:
            continue
        for whose, rows in (("exported file", found), ("trained model", case.reference)):
            if not np.isfinite(rows[output.name]).all():
                raise ParityError(
                    f"{_sentence(case)} output {output.name!r} of the {whose} has NaN or infinity.",
                    hint=NOT_WRITTEN_HINT,
                )
        both = []
        for rows in (found, case.reference):
            kept = OutputCollector([output], len(rows[output.name]))
            places = range(len(rows[output.name]))
            kept.put(places, {output.name: rows[output.name]}, None if lengths is None else lengths.tolist())
            both.append(kept.outputs()[output.name])
        gaps[output.name] = float(differences(*both).max())
    for name in extra:
        if not np.isfinite(found[name]).all():
            raise ParityError(
                f"{_sentence(case)} output {name!r} of the exported file has NaN or infinity.", hint=NOT_WRITTEN_HINT
            )
    return gaps


def _sentence(case: ArrayCase) -> str:
    return case.where[0].upper() + case.where[1:]


def _of_case(case: ArrayCase, tolerances: Mapping[str, float], share: float) -> dict[str, float]:
    """What is allowed here: a share of the largest value among held-out samples, or of this case where that is more."""
    return {
        name: max(least, share * float(np.abs(case.reference[name]).max(initial=0.0)))
        for name, least in tolerances.items()
    }


def _judge_case(case: ArrayCase, found: Mapping[str, float], tolerances: Mapping[str, float]) -> None:
    for name, difference in found.items():
        if not difference <= tolerances[name]:
            raise ParityError(
                f"{_sentence(case)} the exported file differs from the trained model by {difference:.3g} "
                f"({tolerances[name]:.3g} allowed).",
                hint=NOT_WRITTEN_HINT,
            )


def _fails(where: str, cause: Exception) -> ParityError:
    return ParityError(f"The exported file fails {where}: {first_line(cause)}", hint=NOT_WRITTEN_HINT)


def _judge(parity: Parity, limits: ProofLimits, name: str, task: Task) -> None:
    if (
        parity.max_abs_diff <= parity.tolerance
        and all(each.max_abs_diff <= each.tolerance for each in parity.outputs.values())
        and parity.top1_agreement >= limits.agreement
        and parity.drop <= limits.drop
    ):
        return
    raise ParityError(
        f"The exported file differs from the trained model: outputs by up to {parity.max_abs_diff:.3g} "
        f"({parity.tolerance:.3g} allowed), answers agree on {parity.top1_agreement:.1%} of "
        f"{parity.counted} ({limits.agreement:.1%} required), {task.headline} drops by "
        f"{round(parity.drop, 2) + 0.0:.2f} points ({limits.drop:g} allowed); it differs most on {name}.",
        hint=NOT_WRITTEN_HINT,
    )
