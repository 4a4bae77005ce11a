"""The tokenizer of a weights folder as the text of one tokenizer.json, and its padding token."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tlzoo.errors import RegistryError, first_line
from tlzoo.plugin import TextSpec, Weights

if TYPE_CHECKING:
    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig

VOCABULARIES = frozenset({"vocab.txt", "vocab.json", "spiece.model", "spm.model", "sentencepiece.bpe.model"})
PAD_TOKENS = ("[PAD]", "<pad>")


def with_tokenizer(spec: TextSpec, weights: Weights, config: PreTrainedConfig) -> TextSpec:
    """`spec` with the folder's tokenizer and its pad id filled in.

    Raises RegistryError where the folder has no tokenizer that the `tokenizers` library can run.
    """
    text = _tokenizer_json(weights)
    tokenizer = _read(text)
    more = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0) >= config.vocab_size
    found = {"tokenizer": text, "pad_id": _pad_id(tokenizer, weights, config)}
    return spec.model_copy(update={**found, "known_tokens": config.vocab_size if more else None})


def _tokenizer_json(weights: Weights) -> str:
    if "tokenizer.json" in weights.files:
        return weights.files["tokenizer.json"].read_text(encoding="utf-8")
    if VOCABULARIES.isdisjoint(weights.files):
        raise RegistryError(
            f"The files have no tokenizer: {', '.join(sorted(weights.files))}.",
            hint="Add tokenizer.json, or the vocabulary, to the entry's files.",
        )
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(weights.folder, local_files_only=True, trust_remote_code=False)
        return str(tokenizer.backend_tokenizer.to_str())
    except Exception as cause:
        raise RegistryError(
            f"A tokenizer cannot be built from {', '.join(sorted(weights.files))}: {first_line(cause)}",
            hint="Add tokenizer.json to the entry's files.",
        ) from cause


def _read(text: str) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(text)
    except Exception as cause:
        raise RegistryError(
            f"tokenizer.json cannot be read: {first_line(cause)}", hint="Correct the entry's files."
        ) from cause


def _pad_id(tokenizer: Tokenizer, weights: Weights, config: PreTrainedConfig) -> int:
    """The id of the padding token; GPT-2 and its like have none, and any id under a mask of 0 does: the end's.

    Asked in this order: the folder's tokenizer_config.json, the tokenizer.json's own padding, the usual names of
    the token, the model's configuration.
    """
    named = _declared_pad_token(weights)
    ids: list[Any] = [tokenizer.token_to_id(named)] if named else []
    ids += [(tokenizer.padding or {}).get("pad_id"), *map(tokenizer.token_to_id, PAD_TOKENS)]
    ids += [config.pad_token_id, config.eos_token_id]
    return next((i for i in ids if isinstance(i, int) and 0 <= i < config.vocab_size), 0)


def _declared_pad_token(weights: Weights) -> str | None:
    if "tokenizer_config.json" not in weights.files:
        return None
    token = json.loads(weights.files["tokenizer_config.json"].read_text(encoding="utf-8")).get("pad_token")
    return token.get("content") if isinstance(token, dict) else token
