"""Sounds as files of any format, made by libsndfile."""

from __future__ import annotations

import io

import numpy as np
import soundfile

RATE = 16_000


def chirp(seconds: float, rate: int = RATE, falling: bool = False) -> np.ndarray:
    """A rising tone, float32 of -0.5 to 0.5."""
    time = np.arange(round(seconds * rate)) / rate
    samples = (0.5 * np.sin(2 * np.pi * (200 + 300 * time) * time)).astype(np.float32)
    return samples[::-1].copy() if falling else samples


def encoded(samples: np.ndarray, kind: str, subtype: str | None = None, rate: int = RATE, **options: object) -> bytes:
    """Samples [T] or [T, C] as the bytes of a file."""
    file = io.BytesIO()
    soundfile.write(file, samples, rate, format=kind, subtype=subtype, **options)
    return file.getvalue()
