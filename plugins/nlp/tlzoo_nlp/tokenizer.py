"""The tokenizer of a weights folder, with all that its files say, as the text of one tokenizer.json."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tlzoo.errors import RegistryError, first_line
from tlzoo.plugin import TextSpec, Weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tokenizers import Tokenizer
    from transformers import PreTrainedConfig

VOCABULARIES = frozenset({"vocab.txt", "vocab.json", "spiece.model", "spm.model", "sentencepiece.bpe.model"})
RULES = ("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json")
"""What may say otherwise than tokenizer.json, and is heard."""
SENTENCE_RULES = tuple(
    f"sentence_{kind}_config.json"
    for kind in ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
)
"""Sentence-Transformers' file beside a network, which is named after the first networks that it knew."""
PAD_TOKENS = ("[PAD]", "<pad>")
_PLAIN_ARGUMENTS = frozenset({"cache_dir", "local_files_only", "revision", "token", "trust_remote_code", "use_fast"})
"""Of a tokenizer in Sentence-Transformers' file: where it comes from, which changes nothing here."""


def with_tokenizer(spec: TextSpec, weights: Weights, config: PreTrainedConfig) -> TextSpec:
    """`spec` with the folder's tokenizer filled in: its text, pad id, side of truncation, and whether text is lowered.

    With one of `RULES` it is what transformers makes of the folder, else its tokenizer.json as it stands. Raises
    RegistryError where the `tokenizers` library cannot run it, or it asks for what the network is not given here.
    """
    beside = sentence_rules({name: _document(weights, name) for name in SENTENCE_RULES if name in weights.files})
    text, side = _tokenizer_json(weights)
    tokenizer = _read(text)
    _check_types(tokenizer, config)
    known = int(config.vocab_size)
    more = max(tokenizer.get_vocab(with_added_tokens=True).values(), default=0) >= known
    found = {
        "tokenizer": text,
        "pad_id": _pad_id(tokenizer, weights, config),
        "known_tokens": known if more else None,
        "truncation_side": "left" if "left" in (side, spec.truncation_side) else "right",
        "lowercase": spec.lowercase or beside.get("do_lower_case") is True,
    }
    return spec.model_copy(update=found)


def sentence_rules(documents: Mapping[str, Mapping[str, Any]]) -> Mapping[str, Any]:
    """What the first of Sentence-Transformers' files says; raises RegistryError for arguments that are not followed."""
    name, found = next(((name, documents[name]) for name in SENTENCE_RULES if name in documents), ("", {}))
    for field in ("tokenizer_args", "processor_kwargs"):
        given = found.get(field)
        if asked := sorted(set(given if isinstance(given, dict) else ()) - _PLAIN_ARGUMENTS):
            raise RegistryError(
                f"{name} changes its tokenizer by {field}, which is not supported: {', '.join(asked)}.",
                hint="Save the tokenizer with these arguments (save_pretrained), or choose another checkpoint.",
            )
    return found


def _tokenizer_json(weights: Weights) -> tuple[str, str]:
    """The tokenizer.json, and the side at which its texts are cut."""
    names = weights.files.keys()
    if "tokenizer.json" in names and not names & set(RULES):
        text = weights.files["tokenizer.json"].read_text(encoding="utf-8")
        return text, str((_read(text).truncation or {}).get("direction", "right"))
    if "tokenizer.json" not in names and VOCABULARIES.isdisjoint(names):
        raise RegistryError(
            f"The files have no tokenizer: {', '.join(sorted(names))}.",
            hint="Add tokenizer.json, or the vocabulary, to the entry's files.",
        )
    tokenizer = _built(weights)
    if tokenizer.split_special_tokens:
        raise RegistryError(
            "tokenizer_config.json says split_special_tokens, which an exported file cannot hold.",
            hint="Choose another checkpoint, or remove it there.",
        )
    return str(tokenizer.backend_tokenizer.to_str()), str(tokenizer.truncation_side)


def _built(weights: Weights) -> Any:
    """The tokenizer that transformers makes of the folder, without code of it and without a word.

    Where its class is Python code by the model's type alone, the folder's tokenizer.json is used with its rules.
    """
    from transformers import AutoTokenizer, PreTrainedTokenizerFast
    from transformers.utils import logging

    named = any(_document(weights, name).get("tokenizer_class") for name in ("tokenizer_config.json", "config.json"))
    plain = "tokenizer.json" in weights.files and not named
    failures: list[Exception] = []
    verbosity = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        for kind in (AutoTokenizer, PreTrainedTokenizerFast) if plain else (AutoTokenizer,):
            try:
                made = kind.from_pretrained(weights.folder, local_files_only=True, trust_remote_code=False)
            except Exception as error:  # noqa: BLE001 - whatever the files make transformers raise
                failures.append(error)
                continue
            if made.is_fast:
                return made
            failures.append(TypeError(f"{type(made).__name__} is Python code, which an exported file cannot hold"))
    finally:
        logging.set_verbosity(verbosity)
    raise RegistryError(
        f"A tokenizer cannot be built from {', '.join(sorted(weights.files))}: {first_line(failures[0])}",
        hint="Choose a checkpoint whose tokenizer is a tokenizer.json.",
    ) from failures[0]


def _read(text: str) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_str(text)
    except Exception as cause:
        raise RegistryError(
            f"tokenizer.json cannot be read: {first_line(cause)}", hint="Correct the entry's files."
        ) from cause


def _check_types(tokenizer: Tokenizer, config: PreTrainedConfig) -> None:
    """Raise RegistryError where a text's tokens are not all of type 0, which the network is given for all of them."""
    kinds = getattr(config, "type_vocab_size", None) or 0
    try:
        types = set(tokenizer.encode("a").type_ids)
    except Exception:  # noqa: BLE001 - a vocabulary that lacks this word, which other texts may do without
        return
    if kinds > 1 and types - {0}:
        raise RegistryError(
            f"The tokenizer gives tokens of one text the types {sorted(types)}; only type 0 is supported.",
            hint="Choose another checkpoint.",
        )


def _pad_id(tokenizer: Tokenizer, weights: Weights, config: PreTrainedConfig) -> int:
    """The id of the padding token; GPT-2 and its like have none, and any id under a mask of 0 does: the end's.

    Asked in this order: the folder's tokenizer_config.json, the tokenizer.json's own padding, the usual names of
    the token, the model's configuration.
    """
    named = _declared_pad_token(weights)
    ids: list[Any] = [tokenizer.token_to_id(named)] if named else []
    ids += [(tokenizer.padding or {}).get("pad_id"), *map(tokenizer.token_to_id, PAD_TOKENS)]
    ids += [getattr(config, "pad_token_id", None), getattr(config, "eos_token_id", None)]
    return next((i for i in ids if isinstance(i, int) and 0 <= i < config.vocab_size), 0)


def _declared_pad_token(weights: Weights) -> str | None:
    token = _document(weights, "tokenizer_config.json").get("pad_token")
    named = token.get("content") if isinstance(token, dict) else token
    return named if isinstance(named, str) else None


def _document(weights: Weights, name: str) -> dict[str, Any]:
    """A JSON object of the folder; empty where there is none. Raises RegistryError for what is not one."""
    if name not in weights.files:
        return {}
    try:
        found = json.loads(weights.files[name].read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as cause:
        raise RegistryError(f"{name} cannot be read: {first_line(cause)}", hint="Correct the entry's files.") from cause
    if not isinstance(found, dict):
        raise RegistryError(f"{name} is no JSON object.", hint="Correct the entry's files.")
    return found
