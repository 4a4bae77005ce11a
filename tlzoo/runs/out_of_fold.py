"""What cross-validation answered for each sample, as a table in the run's folder."""

from __future__ import annotations

import csv
import io
from typing import Any

from tlzoo.data import SampleSplits
from tlzoo.io.texts import utf8_name
from tlzoo.runtime.results import table_cell
from tlzoo.tasks.base import DEFAULT_OPTIONS
from tlzoo.training.strategies.cross_validation import CrossValidated


def out_of_fold(found: CrossValidated, parts: SampleSplits) -> str:
    """A row for each sample that was cross-validated: where it was read, its part and group, its target, the fold that
    it was in, from 1, and what the probe of the other folds answers, in the columns of predictions."""
    task = found.data.task
    merged, contexts = found.data.merge_outputs(found.outputs)
    answers = [each.as_row() for each in task.decode(merged, contexts, DEFAULT_OPTIONS)]
    columns = [name for name in task.prediction.columns() if name != "input"]
    grouped = found.data.groups is not None
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(["sample", "part", *(["group"] if grouped else []), "target", "fold", *columns])
    whole = [(name, part, at) for name, part in parts.by_name().items() for at in range(len(part))]
    facts = zip(whole, found.data.sample_targets, found.fold_of, answers, strict=False)  # a given test part is no part
    for (name, part, at), target, fold, answer in facts:
        group = [part.groups[at]] if grouped else []
        cells: list[Any] = [part.name(at), name, *group, target, fold + 1, *(answer[column] for column in columns)]
        writer.writerow([table_cell(each) for each in cells])
    return utf8_name(stream.getvalue())
