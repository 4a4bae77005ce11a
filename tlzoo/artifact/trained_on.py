"""Which samples a model was trained on, as a Bloom filter (Bloom 1970) over their contents. Torch-free.

It says of one content whether it was among those of training and validation: always yes where it was, and wrongly yes
once in a million where it was not. No sample can be read from it, but who has a sample can ask for it.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

KEY = "tlzoo.trained_on"
RATE = 1e-6
"""How often a content is wrongly said to be one of them."""
MAX_HASHES = 64


@dataclass(frozen=True)
class TrainedOn:
    """`count` contents in `bits`, each in the places that `hashes` numbers of its SHA-256 name."""

    bits: bytes
    hashes: int
    count: int

    @classmethod
    def of(cls, digests: Sequence[bytes]) -> TrainedOn:
        """The filter of these SHA-256 digests, about 3.6 bytes for each."""
        different = set(digests)
        size = max(8, math.ceil(-len(different) * math.log(RATE) / math.log(2) ** 2))
        hashes, bits = max(1, round(-math.log2(RATE))), bytearray(-(-size // 8))
        for each in different:
            for place in _places(each, hashes, 8 * len(bits)):
                bits[place >> 3] |= 1 << (place & 7)
        return cls(bytes(bits), hashes, len(different))

    def __contains__(self, digest: bytes) -> bool:
        places = _places(digest, self.hashes, 8 * len(self.bits))
        return all(self.bits[place >> 3] >> (place & 7) & 1 for place in places)

    def to_json(self) -> str:
        """As text, for a run folder and a file's metadata."""
        return json.dumps(
            {"count": self.count, "hashes": self.hashes, "bits": base64.b64encode(self.bits).decode("ascii")}
        )

    @classmethod
    def from_json(cls, text: str) -> TrainedOn:
        """What `to_json` wrote; raises ValueError for anything else."""
        try:
            found = json.loads(text)
            bits, hashes = base64.b64decode(found["bits"], validate=True), int(found["hashes"])
            count = int(found["count"])
        except (LookupError, TypeError, RecursionError) as cause:
            raise ValueError(str(cause)) from cause
        if not bits or not 0 < hashes <= MAX_HASHES or count < 0:
            raise ValueError(f"{len(bits)} bytes, {hashes} hashes")
        return cls(bits, hashes, count)


def _places(digest: bytes, hashes: int, size: int) -> Iterable[int]:
    """Kirsch & Mitzenmacher (2006): all from two halves of the digest."""
    first, second = int.from_bytes(digest[:8], "little"), int.from_bytes(digest[8:16], "little") | 1
    return ((first + at * second) % size for at in range(hashes))
