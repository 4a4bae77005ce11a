"""Token tagging: what is counted, what is answered, what passes for the same."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from seqeval.metrics import accuracy_score, f1_score, precision_score, recall_score
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from tlzoo.errors import DataError, UsageError
from tlzoo.interfaces import TextContext
from tlzoo.preprocess.text import TextPreprocessor
from tlzoo.specs import TextSpec
from tlzoo.tasks import make_task
from tlzoo.tasks.base import DecodeOptions, check_predict_options
from tlzoo.tasks.rows import IGNORED
from tlzoo.tasks.tokens.spans import group_words, join_words, word_offsets
from tlzoo.tasks.windows import Window, WindowOutputs

TASK: Any = make_task("text-tokens", ("O", "B-X", "I-X", "B-Y", "I-Y"))
TAGS = st.lists(st.sampled_from(TASK.labels), min_size=1, max_size=8)


def context(count: int) -> TextContext:
    """A text of words of two letters, a piece each, between the tokenizer's own pieces."""
    text = " ".join("ab" for _ in range(count))
    return TextContext(text, np.array([(0, 0), *((3 * at, 3 * at + 2) for at in range(count)), (0, 0)], np.int32))


def logits(tags: list[str]) -> np.ndarray:
    """Logits whose largest are those of the tags."""
    rows = [[3.0 if label == tag else 0.0 for label in TASK.labels] for tag in tags]
    return np.array([[0.0] * 5, *rows, [0.0] * 5], np.float32)


def target(tags: list[str]) -> list[list[Any]]:
    return join_words(["ab"] * len(tags), tags)[1]


@given(st.lists(st.tuples(TAGS, TAGS), min_size=1, max_size=6))
def test_metrics_are_seqevals(pairs: list[tuple[list[str], list[str]]]):
    right = [one for one, _ in pairs]
    found = [(other * 8)[: len(one)] for one, other in pairs]
    contexts = [context(len(tags)) for tags in right]
    outputs, targets = {"logits": [logits(tags) for tags in found]}, [target(tags) for tags in right]
    metrics = TASK.metrics(outputs, targets, contexts)
    for name, score in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        assert metrics[name] == pytest.approx(score(right, found, zero_division=0))
    plain = [TASK.collate([each], [where])["labels"][0] for each, where in zip(targets, contexts, strict=True)]
    names = [[TASK.labels[number] for number in row if number != IGNORED] for row in plain]
    assert metrics["token_accuracy"] == pytest.approx(accuracy_score(names, found))
    [drawn] = TASK.resample(outputs, targets, contexts, [np.arange(len(right))])
    assert drawn == pytest.approx(metrics["f1"])


@given(TAGS)
def test_a_target_decoded_from_its_own_tags_is_itself(tags: list[str]):
    [answer] = TASK.decode({"logits": [logits(tags)]}, [context(len(tags))])
    assert [[each["start"], each["end"], each["label"]] for each in answer.entities] == target(tags)


def test_only_the_first_piece_of_a_word_has_a_tag():
    where = TextContext("Novák met", np.array([(0, 0), (0, 2), (2, 5), (6, 9), (0, 0)], np.int32))
    [labels] = TASK.collate([[[0, 5, "X"]]], [where])["labels"]
    assert labels.tolist() == [IGNORED, 1, IGNORED, 0, IGNORED]


def test_the_score_is_the_mean_over_words_and_the_threshold_drops_entities():
    rows = np.zeros((4, 5), np.float32)
    rows[1, 1], rows[2, 2] = 4, 2
    [answer] = TASK.decode({"logits": [rows]}, [context(2)])
    shares = [np.exp(4) / (np.exp(4) + 4), np.exp(2) / (np.exp(2) + 4)]
    assert answer.entities == [{"start": 0, "end": 5, "label": "X", "score": pytest.approx(np.mean(shares))}]
    [none] = TASK.decode({"logits": [rows]}, [context(2)], DecodeOptions(threshold=0.9))
    assert none.entities == []
    with pytest.raises(UsageError, match="top_k"):
        check_predict_options(TASK, top_k=3)


def test_agreement_counts_tags_and_is_judged_by_the_logits_scale():
    one, other = logits(["O", "B-X", "I-X", "O"]), logits(["O", "B-X", "I-X", "B-Y"])
    found = TASK.agree({"logits": [other]}, {"logits": [one]}, 1e-4)
    assert found.same.tolist() == [pytest.approx(5 / 6)]
    assert found.scale["logits"] == pytest.approx(3 * 4 / 5)
    assert found.difference["logits"].tolist() == [3.0]
    shorter = TASK.agree({"logits": [one[:-1]]}, {"logits": [one]}, 1e-4)
    assert (shorter.same[0], shorter.difference["logits"][0]) == (0, np.inf)


def test_a_tie_may_fall_either_way():
    one = logits(["O"])
    one[1, 1] = 3 - 1e-5
    other = one.copy()
    other[1, 1] = 3 + 1e-5
    assert TASK.agree({"logits": [other]}, {"logits": [one]}, 1e-2).same.tolist() == [1]


def test_tags_that_nearly_tie_are_no_tie_however_far_logits_may_be_off():
    one, other = logits(["O"]), logits(["O"])
    one[1, 1], other[1, 1] = 2.9, 3.1
    assert TASK.agree({"logits": [other]}, {"logits": [one]}, 1.5).same.tolist() == [pytest.approx(2 / 3)]


def test_windows_join_where_each_token_is_farther_from_an_end():
    text = "aa bb cc dd ee ff"
    first, second = Window("aa bb cc dd", 0), Window("cc dd ee ff", 6)
    places = np.array([(0, 0), (0, 2), (3, 5), (6, 8), (9, 11), (0, 0)], np.int32)
    parts = [
        WindowOutputs(window, {"logits": np.full((6, 5), at, np.float32) + np.arange(6)[:, None] / 10},
             TextContext(window.input, places))
        for at, window in enumerate((first, second))
    ]  # fmt: skip
    outputs, where = TASK.merge(parts)
    assert where.text == text
    assert where.offsets.tolist() == [[0, 2], [3, 5], [6, 8], [9, 11], [12, 14], [15, 17]]
    assert outputs["logits"][:, 0].round(1).tolist() == [0.1, 0.2, 0.3, 1.2, 1.3, 1.4]


def test_an_entity_that_a_window_holds_in_part_is_no_target_there():
    whole = [[0, 2, "X"], [3, 8, "Y"]]
    assert TASK.cut(whole, Window("aa bb", 0)) == [[0, 2, "X"], [3, 5, None]]
    assert TASK.cut(whole, Window("bb cc", 3)) == [[0, 5, "Y"]]


def test_what_is_cut_off_or_lies_inside_words_is_counted():
    whole = [[[0, 2, "X"], [3, 4, "Y"]], [[0, 5, "X"]], [[0, 2, "X"]]]
    parts = [
        [(whole[0], context(2), 0)],
        [(whole[1], context(1), 0)],
        [([[0, 2, "X"]], context(2), 0), ([[0, 2, "X"]], context(2), 0)],  # in both of two windows
    ]
    lines = list(TASK.notes(whole, parts))
    assert lines[0].startswith("1 of 4 entities are cut off")
    assert lines[1].startswith("1 of 4 entities begin or end inside a word")
    assert not list(TASK.notes([[[0, 2, "X"]]], [[([[0, 2, "X"]], context(2), 0)]]))


def test_labels_that_training_did_not_see_are_named():
    with pytest.raises(DataError, match="'Z'"):
        TASK.check_known([[[0, 2, "Z"]]])


def pieces(max_length: int) -> TextPreprocessor:
    """A WordPiece tokenizer of single characters, as BERT's reads Chinese and punctuation."""
    letters = "ab東京./,-?"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *letters, *(f"##{letter}" for letter in letters)]
    tokenizer = Tokenizer(models.WordPiece({each: at for at, each in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    return TextPreprocessor(TextSpec(max_length=max_length, pad_id=0, tokenizer=tokenizer.to_str()))


def merged(text: str, convert: TextPreprocessor) -> TextContext:
    windows = TASK.windows(text, convert) or [Window(text, 0)]
    _, contexts = convert.with_contexts([window.input for window in windows])
    zeros = [np.zeros((len(each.offsets), 5), np.float32) for each in contexts]
    parts = [WindowOutputs(*each) for each in zip(windows, [{"logits": each} for each in zeros], contexts, strict=True)]
    return TASK.merge(parts)[1]


@given(st.text(st.sampled_from("ab東京./,-? \n\u200d😀"), max_size=150))
def test_windows_have_every_token_once_and_the_words_of_the_whole_text(text: str):
    _, [whole] = pieces(400).with_contexts([text])
    joined = merged(text, pieces(12))
    real = whole.offsets[whole.offsets[:, 1] > whole.offsets[:, 0]]
    assert joined.offsets.tolist() == real.tolist()
    words = [word_offsets(each, group_words(each)) for each in (joined, whole)]
    assert words[0] == words[1]


@pytest.mark.parametrize("text", ["東京" * 40, "a.b/" * 40, "ab " * 60])
def test_windows_share_a_fourth_of_their_tokens_in_every_script(text: str):
    windows = TASK.windows(text, pieces(18))
    for before, after in pairwise(windows):
        shared = text[after.start : before.start + len(before.input)].replace(" ", "")
        assert 2 <= len(shared) <= 4
