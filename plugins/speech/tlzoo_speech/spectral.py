"""Mel spectrograms as plain matrix products, so that any ONNX runtime computes them without an FFT operator."""

from __future__ import annotations

import numpy as np
import torch
from torch import nn
from transformers.audio_utils import mel_filter_bank

RATE = 16_000
WINDOW = 400  # samples: 25 ms
HOP = 160  # samples: 10 ms
_BINS = WINDOW // 2 + 1
_HOPS = -(-WINDOW // HOP)  # hops that one window touches


class MelPower(nn.Module):
    """Power mel spectrogram of 16 kHz sound: [N, HOP * (F - 1) + WINDOW] samples to [N, bands, F] frames.

    Hann windows of 25 ms every 10 ms, Slaney's mel scale and normalisation. The discrete Fourier transform is a
    product with fixed cosines and sines; a window is cut from whole hops, which costs no copy per frame.
    """

    def __init__(self, bands: int) -> None:
        super().__init__()
        self.register_buffer("transform", torch.from_numpy(_windowed_dft()), persistent=False)
        filters = mel_filter_bank(_BINS, bands, 0.0, RATE / 2, RATE, norm="slaney", mel_scale="slaney")
        self.register_buffer("filters", torch.from_numpy(filters.astype(np.float32)), persistent=False)

    def forward(self, samples: torch.Tensor) -> torch.Tensor:
        """[N, T] to [N, bands, F]."""
        frames = (samples.shape[1] - WINDOW) // HOP + 1
        missing = (frames + _HOPS - 1) * HOP - samples.shape[1]
        if missing > 0:
            samples = nn.functional.pad(samples, (0, missing))
        hops = samples[:, : (frames + _HOPS - 1) * HOP].reshape(-1, frames + _HOPS - 1, HOP)
        windows = torch.cat([hops[:, k : k + frames] for k in range(_HOPS)], dim=2)
        spectrum = windows @ self.transform
        power = spectrum[..., :_BINS].square() + spectrum[..., _BINS:].square()
        return (power @ self.filters).transpose(1, 2)


def _windowed_dft() -> np.ndarray:
    """[_HOPS * HOP, 2 * _BINS]: cosines then sines under a periodic Hann window, zero past the window's end."""
    time = np.arange(WINDOW)[:, None]
    angles = 2 * np.pi * (time * np.arange(_BINS) % WINDOW) / WINDOW
    window = 0.5 - 0.5 * np.cos(2 * np.pi * time / WINDOW)
    matrix = np.zeros((_HOPS * HOP, 2 * _BINS))
    matrix[:WINDOW] = np.concatenate([np.cos(angles), np.sin(angles)], axis=1) * window
    return matrix.astype(np.float32)
