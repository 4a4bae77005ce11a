"""The hand-kept half of registry.json: which checkpoints, where their weights are, what they were trained on.

Sources of the facts: timm's pretrained configurations, the model cards of the repositories named, and the papers.
What could not be verified is left out. `build_registry.py` adds what can be derived.
"""

from __future__ import annotations

from checkpoints.entry import WHISPER_LANGUAGES, Entry
from checkpoints.nlp import NLP
from checkpoints.speech import SPEECH
from checkpoints.vision import VISION, VISION_BY_PACKAGE

__all__ = ["ENTRIES", "WHISPER_LANGUAGES", "Entry"]

ENTRIES: list[Entry] = [*VISION, *VISION_BY_PACKAGE, *NLP, *SPEECH]
