"""The recipe of the kernels' file, in plain Python: the same bytes on every machine. Nobody trained what it makes.

ROCKET (Dempster, Petitjean & Webb 2020, arXiv 1910.13051) classifies series by what thousands of random convolutions
answer. Here, too: weights from a normal distribution, mean-centred; biases uniform from -1 to 1. Other than there, all
kernels have length 9 (as MiniRocket's, Dempster, Schmidt & Webb 2021) and dilations are 1, 2, 4, 8 and 16.

Only `Random.random` and sums are used, which are exact everywhere: a normal number is the sum of twelve uniform ones
less 6 (Irwin-Hall), for a logarithm's last bit differs between machines.
"""

from __future__ import annotations

import json
import struct
from random import Random

FILE = "weights/rocket.safetensors"
SEED = 1910_13051
DILATIONS = (1, 2, 4, 8, 16)
PER_DILATION = 2000
LENGTH = 9
MOST_CHANNELS = 16
PARTS = ("weight", "bias", "channels")
_SHARE = 0.25
"""Of several channels a kernel reads about this share, each with a sign of its own."""


def make_file() -> bytes:
    """The whole safetensors file: for each dilation `weight` [2000, 1, 9], `bias` [2000], `channels` int8 [2000, 16].

    `channels` is 0 where a kernel does not read a channel, else the sign with which it does.
    """
    random = Random(SEED)
    header: dict[str, dict[str, object]] = {}
    data = bytearray()
    for dilation in DILATIONS:
        kernels = [_kernel(random) for _ in range(PER_DILATION)]
        biases = [2 * random.random() - 1 for _ in range(PER_DILATION)]
        channels = [_sign(random) for _ in range(PER_DILATION * MOST_CHANNELS)]
        for name, kind, shape, packed in (
            ("weight", "F32", [PER_DILATION, 1, LENGTH], _floats([tap for kernel in kernels for tap in kernel])),
            ("bias", "F32", [PER_DILATION], _floats(biases)),
            ("channels", "I8", [PER_DILATION, MOST_CHANNELS], struct.pack(f"<{len(channels)}b", *channels)),
        ):
            header[f"{dilation}.{name}"] = {
                "dtype": kind,
                "shape": shape,
                "data_offsets": [len(data), len(data) + len(packed)],
            }
            data += packed
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + bytes(data)


def _kernel(random: Random) -> list[float]:
    taps = [_normal(random) for _ in range(LENGTH)]
    middle = _sum(taps) / LENGTH
    return [tap - middle for tap in taps]


def _normal(random: Random) -> float:
    return _sum([random.random() for _ in range(12)]) - 6


def _sum(numbers: list[float]) -> float:
    """One after the other: since Python 3.12 `sum` rounds better, and so to other bits."""
    total = 0.0
    for number in numbers:
        total += number
    return total


def _sign(random: Random) -> int:
    drawn = random.random()
    return 0 if drawn >= _SHARE else 1 if drawn < _SHARE / 2 else -1


def _floats(numbers: list[float]) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)
