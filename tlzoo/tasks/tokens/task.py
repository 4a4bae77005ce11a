"""Token tagging: entities of a text, each with its label and its place in characters."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import inf
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tlzoo.errors import DataError
from tlzoo.interfaces import Needs, TextContext
from tlzoo.tasks.agreement import EPSILON, TIE, single_output
from tlzoo.tasks.base import DEFAULT_OPTIONS, Agreement, DecodeOptions, DerivedOutput, Output, Prediction, Task
from tlzoo.tasks.calibration import binned_error, fit_temperature, multinomial_loss
from tlzoo.tasks.labels import class_numbers
from tlzoo.tasks.metrics import Direction
from tlzoo.tasks.probabilities import softmax
from tlzoo.tasks.row import Row
from tlzoo.tasks.rows import IGNORED, Outputs
from tlzoo.tasks.tokens.layouts import ENDINGS, conll, entities_in, samples
from tlzoo.tasks.tokens.spans import OUTSIDE, group_words, iob_entities, split_tag, word_offsets, word_tags
from tlzoo.tasks.windows import Window, WindowOutputs

OVERLAP = 4
"""Windows share a fourth of their tokens."""


@dataclass(frozen=True)
class EntitiesPrediction(Prediction):
    """The entities found: `start` and `end` (characters of the input, as Python counts them), `label`, `score`."""

    entities: list[dict[str, Any]]

    def as_line(self) -> dict[str, str]:
        """The input and its entities."""
        text = self.input or ""
        found = [f"{text[each['start'] : each['end']]} [{each['label']} {each['score']:.2f}]" for each in self.entities]
        return {"input": text, "entities": "; ".join(found)}


@dataclass(frozen=True)
class Tokens(Task):
    """`labels` are tags of IOB2 (Tjong Kim Sang & Veenstra 1999), O first, one for each piece of a text.

    A target is a list of [start, end, label], characters of the text. A word is judged by its first piece.
    """

    family: ClassVar[str] = "tokens"
    answers: ClassVar[str] = "tags"
    holds: ClassVar[str] = "tagged texts"
    modalities: ClassVar[frozenset[str] | None] = frozenset({"text"})
    needs: ClassVar[Needs] = "sequence"
    supports: ClassVar[frozenset[str]] = frozenset({"probe", "calibration", "label_smoothing", "threshold"})
    contextual: ClassVar[bool] = True
    columns: ClassVar[tuple[str, ...]] = ("entities",)
    roles: ClassVar[tuple[str, ...]] = ("tokens", "tags", "sentence", "word", "tag")
    endings: ClassVar[tuple[str, ...]] = ENDINGS
    headline: ClassVar[str] = "f1"
    monitor: ClassVar[str] = "log_loss"
    directions: ClassVar[Mapping[str, Direction]] = {
        "f1": "max",
        "precision": "max",
        "recall": "max",
        "token_accuracy": "max",
        "log_loss": "min",
    }
    ranges: ClassVar[Mapping[str, tuple[float, float]]] = {
        "f1": (0, 1),
        "precision": (0, 1),
        "recall": (0, 1),
        "token_accuracy": (0, 1),
        "log_loss": (0, inf),
    }
    prediction: ClassVar[type[Prediction]] = EntitiesPrediction
    derived: ClassVar[tuple[DerivedOutput, ...]] = (DerivedOutput("probabilities", "logits", "Softmax"),)
    resamples: ClassVar[int] = 2000
    head: ClassVar[str] = "tlzoo.tasks.tokens.head"
    page: ClassVar[Path | None] = Path(__file__).with_name("page.js")

    @property
    def outputs(self) -> tuple[Output, ...]:
        """`logits` [N, T, C] of T pieces."""
        return (Output("logits", ("batch", "tokens", len(self.labels)), labelled=True),)

    # -- data

    def layouts(self, path: Path) -> Iterator[Row] | None:
        """Files of CoNLL columns."""
        return conll(path) if path.name.lower().endswith(ENDINGS) else None

    def samples(self, rows: Sequence[Row]) -> Sequence[Row]:
        """Tables of texts, of lists of words, or of words."""
        return samples(rows)

    def read(self, row: Row) -> list[list[Any]]:
        """The entities in order; raises DataError for one that is out of the text or overlaps another."""
        return entities_in(row)

    def check(self, targets: Sequence[Any], place: Path) -> None:
        """One entity or more."""
        if not any(targets):
            raise DataError(
                f"{place} has no entity in any text.", hint="Add texts with entities, or tags other than O."
            )

    def fit(self, targets: Sequence[Any], column: str) -> Tokens:
        """O, and a tag for the beginning and the inside of each label that occurs, sorted."""
        known = sorted({label for target in targets for label in self.labels_in(target)})
        tags = (f"{prefix}-{label}" for label in known for prefix in "BI")
        return Tokens(self.name, (OUTSIDE, *tags))

    def labels_in(self, target: Any) -> Sequence[str]:
        """The labels of its entities, each once."""
        return sorted({label for _, _, label in target if label is not None})

    def check_known(self, targets: Sequence[Any]) -> None:
        """Raise DataError naming labels that the task does not have."""
        known = sorted({split_tag(tag)[1] for tag in self.labels} - {""})
        if known:
            class_numbers(known, [label for target in targets for label in self.labels_in(target)])

    def windows(self, input: Any, preprocessor: Any) -> Sequence[Window] | None:
        """A text of more tokens than the model takes, in parts that share a fourth of their tokens."""
        spans = getattr(preprocessor, "spans", None)
        if spans is None or not isinstance(input, str):
            return None
        found = spans(input, OVERLAP)
        return [Window(input[start:end], start) for start, end in found] if len(found) > 1 else None

    def cut(self, target: Any, window: Window) -> list[list[Any]]:
        """The entities in a window, those that it holds only in part without a label."""
        begin, stop = window.start, window.start + len(window.input)
        return [
            [max(start, begin) - begin, min(end, stop) - begin, label if begin <= start and end <= stop else None]
            for start, end, label in target
            if start < stop and end > begin
        ]

    def merge(self, parts: Sequence[WindowOutputs]) -> tuple[dict[str, np.ndarray], TextContext]:
        """Every token from the window in which it is farther from an end."""
        bounds = [(part.window.start, part.window.start + len(part.window.input)) for part in parts]
        middles = [(bounds[at][1] + bounds[at + 1][0]) // 2 for at in range(len(parts) - 1)]
        text, logits, offsets = "", [], []
        for at, part in enumerate(parts):
            text = text[: part.window.start].ljust(part.window.start) + part.window.input  # blanks are in no window
            low, high = middles[at - 1] if at else 0, middles[at] if at < len(middles) else len(text) + 1
            places = part.context.offsets + part.window.start
            real = part.context.offsets[:, 1] > part.context.offsets[:, 0]
            kept = real & (places[:, 0] >= low) & (places[:, 0] < high)
            logits.append(part.outputs["logits"][kept])
            offsets.append(places[kept])
        return {"logits": np.concatenate(logits)}, TextContext(text, np.concatenate(offsets))

    def notes(self, targets: Sequence[Any], parts: Sequence[Sequence[tuple[Any, Any, int]]]) -> Iterator[str]:
        """What of the entities is lost: cut off by the longest length or between windows, or ending inside words."""
        total = lost = inside = 0
        for whole, windows in zip(targets, parts, strict=True):
            seen: dict[tuple[int, int], bool] = {}
            for target, context, start in windows:
                spots = word_offsets(context, group_words(context))
                begins, ends = {begin for begin, _ in spots}, {stop for _, stop in spots}
                reached = max(ends, default=0)
                for entity in target:
                    if entity[2] is not None and entity[1] <= reached:
                        fits = entity[0] in begins and entity[1] in ends
                        seen[entity[0] + start, entity[1] + start] = fits
            total += len(whole)
            lost += sum((entity[0], entity[1]) not in seen for entity in whole)
            inside += sum(not fits for fits in seen.values())
        if lost:
            yield f"{lost} of {total} entities are cut off where a text or a window ends."
        if inside:
            yield f"{inside} of {total} entities begin or end inside a word; they are read as the whole word."

    def collate(self, targets: Sequence[Any], contexts: Sequence[Any]) -> dict[str, np.ndarray]:
        """`labels`, the numbers of tags int64 [N, T]: of the first piece of each word, -100 elsewhere."""
        numbers = {tag: number for number, tag in enumerate(self.labels)}
        longest = max((len(context.offsets) for context in contexts), default=0)
        found = np.full((len(targets), longest), IGNORED, dtype=np.int64)
        for row, target, context in zip(found, targets, contexts, strict=True):
            words = group_words(context)
            for word, tag in zip(words, word_tags(target, word_offsets(context, words)), strict=True):
                row[word[0]] = IGNORED if tag is None else numbers[tag]
        return {"labels": found}

    # -- measuring

    def metrics(self, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any]) -> dict[str, float]:
        """Precision, recall and F1 of whole entities, as seqeval counts them (0 where there is nothing to divide by);
        the share of words with the right tag, and their mean log loss (nats)."""
        counts = self._counts(outputs, targets, contexts).sum(axis=0)
        logits, labels, _ = self._words(outputs, targets, contexts)
        shares = softmax(logits) if len(logits) else np.ones((0, len(self.labels)))
        right = shares[np.arange(len(labels)), labels]
        return {
            "f1": _ratio(2 * counts[0], 2 * counts[0] + counts[1] + counts[2]),
            "precision": _ratio(counts[0], counts[0] + counts[1]),
            "recall": _ratio(counts[0], counts[0] + counts[2]),
            "token_accuracy": float((shares.argmax(axis=1) == labels).mean()) if len(labels) else 1.0,
            "log_loss": float(-np.log(np.maximum(right, 1e-15)).mean()) if len(labels) else 0.0,
        }

    def samplewise(self, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any]) -> np.ndarray:
        """Each text's F1; 1 where it has no entity and none is found."""
        hits, wrong, missed = self._counts(outputs, targets, contexts).T
        total = 2 * hits + wrong + missed
        result: np.ndarray = np.where(total > 0, 2 * hits / np.maximum(total, 1), 1.0)
        return result

    def resample(
        self, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any], draws: Iterable[np.ndarray]
    ) -> list[float]:
        """The F1 of each draw."""
        counts = self._counts(outputs, targets, contexts)
        found = []
        for drawn in draws:
            hits, wrong, missed = counts[drawn].sum(axis=0)
            found.append(_ratio(2 * hits, 2 * hits + wrong + missed))
        return found

    def agree(self, exported: Outputs, reference: Outputs, tolerance: float) -> Agreement:
        """The share of a text's tokens whose tag has a reference logit as large as the largest, a tie aside.

        The scale is the largest logit's distance from its token's mean.
        """
        scale = max(EPSILON, *(float(_centred(row).max(initial=0.0)) for row in reference["logits"]))
        same = [
            _same_tags(mine, right, min(tolerance, TIE) * scale)
            for mine, right in zip(exported["logits"], reference["logits"], strict=True)
        ]
        return Agreement(*single_output("logits", exported, reference, scale), np.array(same))

    # -- answering

    def decode(
        self, outputs: Outputs, contexts: Sequence[Any], options: DecodeOptions = DEFAULT_OPTIONS
    ) -> list[EntitiesPrediction]:
        """The entities of each text; an entity's score is the mean probability of its words' tags."""
        return [
            EntitiesPrediction(
                [each for each in found if options.threshold is None or each["score"] >= options.threshold]
            )
            for found in (
                self._entities(logits / np.float32(options.temperature), context)
                for logits, context in zip(outputs["logits"], contexts, strict=True)
            )
        ]

    def temperature(self, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any]) -> float:
        """See `fit_temperature`; every word counts, and those of a text stay together."""
        logits, labels, texts = self._words(outputs, targets, contexts)
        return fit_temperature(multinomial_loss(logits, labels), texts)

    def calibration_error(
        self, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any], temperature: float = 1.0
    ) -> float:
        """Each word's likeliest tag against how often it is right."""
        logits, labels, _ = self._words(outputs, targets, contexts)
        shares = softmax(logits / temperature)
        return binned_error(shares.max(axis=1), (shares.argmax(axis=1) == labels).astype(np.float64))

    def _words(
        self, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any]
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Logits [W, C] and tag numbers [W] of all words that have a tag, and the number of each one's text [W]."""
        labels = self.collate(targets, contexts)["labels"]
        kept = [row[: len(logits)] != IGNORED for row, logits in zip(labels, outputs["logits"], strict=True)]
        logits = [rows[chosen] for rows, chosen in zip(outputs["logits"], kept, strict=True)]
        numbers = [row[: len(chosen)][chosen] for row, chosen in zip(labels, kept, strict=True)]
        texts = np.repeat(np.arange(len(numbers)), [len(each) for each in numbers])
        return np.concatenate(logits).astype(np.float64), np.concatenate(numbers), texts

    def _entities(self, logits: np.ndarray, context: TextContext) -> list[dict[str, Any]]:
        words = group_words(context)
        if not words:
            return []
        spots, first = word_offsets(context, words), logits[[word[0] for word in words]]
        best, shares = first.argmax(axis=1), softmax(first).max(axis=1)
        return [
            {
                "start": spots[begin][0],
                "end": spots[after - 1][1],
                "label": label,
                "score": float(shares[begin:after].mean()),
            }
            for begin, after, label in iob_entities([self.labels[number] for number in best])
        ]

    def _counts(self, outputs: Outputs, targets: Sequence[Any], contexts: Sequence[Any]) -> np.ndarray:
        """Entities found, found wrongly and missed in each text, float64 [N, 3]."""
        rows = []
        for logits, target, context in zip(outputs["logits"], targets, contexts, strict=True):
            words = group_words(context)
            spots = word_offsets(context, words)
            tags = [OUTSIDE if tag is None else tag for tag in word_tags(target, spots)]
            right = set(iob_entities(tags))
            best = logits[[word[0] for word in words]].argmax(axis=1) if words else []
            found = set(iob_entities([self.labels[number] for number in best]))
            missed = len(right - found) + max(0, len(target) - len(right))  # those beyond the longest length
            rows.append((len(right & found), len(found - right), missed))
        return np.array(rows, dtype=np.float64).reshape(-1, 3)


def _ratio(part: float, whole: float) -> float:
    return float(part / whole) if whole else 0.0


def _centred(logits: np.ndarray) -> np.ndarray:
    result: np.ndarray = np.abs(logits - logits.mean(axis=-1, keepdims=True))
    return result


def _same_tags(exported: np.ndarray, reference: np.ndarray, tie: float) -> float:
    if exported.shape != reference.shape:
        return 0.0
    if not len(reference):
        return 1.0
    there = np.take_along_axis(reference, exported.argmax(axis=1)[:, None], axis=1)[:, 0]
    return float((there >= reference.max(axis=1) - tie).mean())
