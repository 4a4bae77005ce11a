"""Small labelled data sets of the core's three modalities, broken inputs, a tokenizer of words. Torch-free."""

from __future__ import annotations

import json
import wave
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from tlzoo.specs import AudioSpec, ImageSpec, Preprocess, TextSpec

EACH = 12
"""Samples of each label: enough for a training, a validation and a test part."""
COLOURS = {"dark": (40, 30, 90), "light": (220, 190, 120)}
WORDS = {"bad": "awful dull poor sad".split(), "good": "bright fine great warm".split()}
FILLERS = "a book film of service story the was".split()
_TYPICAL = 30 * 16_000


def write(spec: Preprocess, folder: Path) -> Path:
    """Samples of two labels for this preprocessing: folders of pictures or recordings, or a CSV of texts."""
    match spec:
        case ImageSpec():
            return _pictures(folder)
        case TextSpec():
            return _texts(folder)
        case AudioSpec():
            return _recordings(folder, spec)
    raise AssertionError(
        f"The suite has no samples for preprocessing of kind {spec.kind!r}. "
        "Override `samples(self, folder)`: write a small labelled data set there and return its path."
    )


def _pictures(folder: Path) -> Path:
    random = np.random.default_rng(0)
    for label, colour in COLOURS.items():
        (folder / label).mkdir()
        for number in range(EACH):
            height, width = random.integers(40, 70, 2)
            pixels = random.normal(colour, 40, (height, width, 3)).clip(0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / label / f"{number:02}.png")
    return folder


def _texts(folder: Path) -> Path:
    random = np.random.default_rng(0)
    rows = ["text,label"]
    for label, words in WORDS.items():
        for _ in range(EACH):
            count = int(random.integers(1, 5))
            rows.append(" ".join([*random.choice(words, count), *random.choice(FILLERS, count)]) + f",{label}")
    (folder / "texts.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return folder / "texts.csv"


def _recordings(folder: Path, spec: AudioSpec) -> Path:
    random = np.random.default_rng(0)
    length = min(spec.seconds * spec.sample_rate, _TYPICAL)
    for label in ("noise", "tone"):
        (folder / label).mkdir()
        for number in range(EACH):
            time = np.arange(max(1, int(random.uniform(0.5, 1.2) * length))) / spec.sample_rate
            tone = 0.5 * np.sin(2 * np.pi * random.uniform(0.01, 0.1) * spec.sample_rate * time)
            sound = tone if label == "tone" else 0.3 * random.standard_normal(len(time))
            with wave.open(str(folder / label / f"{number:02}.wav"), "wb") as file:
                file.setparams((1, 2, spec.sample_rate, 0, "NONE", ""))
                file.writeframes((sound.clip(-1, 1) * 32767).astype("<i2").tobytes())
    return folder


def broken(spec: Preprocess, folder: Path, good: Any) -> list[Any]:
    """Inputs that no preprocessor can read; `good` is one that can be read, whose file's ending and bytes are used."""
    if isinstance(spec, TextSpec):
        return [None, b"bytes", 7]
    sound, folder = Path(good), folder / "broken"
    folder.mkdir(exist_ok=True)
    empty, noise = folder / f"empty{sound.suffix}", folder / f"noise{sound.suffix}"
    empty.write_bytes(b"")
    noise.write_bytes(np.random.default_rng(0).bytes(500))
    wrong: list[Any] = [b"", str(empty), str(noise), str(folder / f"missing{sound.suffix}")]
    if isinstance(spec, ImageSpec | AudioSpec):
        torn = folder / f"torn{sound.suffix}"
        torn.write_bytes(sound.read_bytes()[: sound.stat().st_size // 2])
        wrong.append(str(torn))
    return wrong


def word_tokenizer(spec: TextSpec, vocabulary: int) -> str:
    """The tokenizer.json of a tokenizer that knows the suite's words, every id below `vocabulary`."""
    words = ["[UNK]", *sorted({*FILLERS, *(word for kind in WORDS.values() for word in kind)})]
    ids = (number for number in range(vocabulary) if number != spec.pad_id)
    known = dict(zip(words, ids, strict=False))
    if not known:
        known = {"[UNK]": 0}
    model = {"type": "WordLevel", "vocab": known, "unk_token": "[UNK]"}
    document: dict[str, Any] = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": model,
    }
    return json.dumps(document)
