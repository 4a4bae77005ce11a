"""Texts to token ids and masks, with the tokenizer that travels inside the model's file. Torch-free."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
from tokenizers import Tokenizer

from tlzoo.errors import ArtifactError, InputError
from tlzoo.specs import TextSpec

CHARACTERS_PER_TOKEN = 64
_LONE_SURROGATE = re.compile("[\ud800-\udfff]")


class TextPreprocessor:
    """A list of texts becomes `input_ids` and `attention_mask`, int64 [N, L], L the longest of the batch.

    A text is cut to `max_length` tokens (special tokens kept) and padded on the right with `pad_id`; padding and
    truncation that the tokenizer.json itself asks for are ignored. Only its first `64 * max_length` characters are
    looked at, which no writing system fills with so few tokens. A lone surrogate becomes U+FFFD. Every text gives at
    least one token under the mask: where a tokenizer without special tokens finds none, that is `pad_id`.

    Raises ArtifactError for a tokenizer that is missing, broken or needs more than `max_length` for special tokens.
    """

    def __init__(self, spec: TextSpec) -> None:
        self._tokenizer = _read_tokenizer(spec)
        self._pad_id = spec.pad_id
        self._characters = CHARACTERS_PER_TOKEN * spec.max_length

    def __call__(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        """Raises InputError, naming the position, for what is not a string."""
        if isinstance(texts, str):
            raise InputError("One text was given where a list of texts belongs.", hint="Put it in a list: [text]")
        clean = [self._clean(position, text) for position, text in enumerate(texts)]
        rows = [encoding.ids or [self._pad_id] for encoding in self._tokenizer.encode_batch_fast(clean)]
        length = max(map(len, rows), default=1)
        input_ids = np.full((len(rows), length), self._pad_id, dtype=np.int64)
        attention_mask = np.zeros((len(rows), length), dtype=np.int64)
        for position, row in enumerate(rows):
            input_ids[position, : len(row)] = row
            attention_mask[position, : len(row)] = 1
        return {"input_ids": input_ids, "attention_mask": attention_mask}

    def _clean(self, position: int, text: object) -> str:
        if not isinstance(text, str):
            raise InputError(
                f"Input {position} is not a text but {type(text).__name__}.", hint="Give strings; decode bytes first."
            )
        return _LONE_SURROGATE.sub("\ufffd", text[: self._characters])


def _read_tokenizer(spec: TextSpec) -> Tokenizer:
    if not spec.tokenizer:
        raise ArtifactError(
            "The text preprocessing has no tokenizer.",
            hint="Use what load_backbone returns with weights, or an exported file: both embed a tokenizer.json.",
        )
    try:
        tokenizer = Tokenizer.from_str(spec.tokenizer)
    except Exception as cause:
        raise ArtifactError(
            f"The embedded tokenizer cannot be read: {_first_line(cause)}.",
            hint="It must be the text of a whole tokenizer.json.",
        ) from cause
    special = tokenizer.num_special_tokens_to_add(False)
    if spec.max_length <= special:
        raise ArtifactError(
            f"max_length {spec.max_length} leaves no room beside the tokenizer's {special} special tokens.",
            hint=f"Set max_length to {special + 1} or more.",
        )
    tokenizer.no_padding()
    tokenizer.enable_truncation(spec.max_length)
    return tokenizer


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
