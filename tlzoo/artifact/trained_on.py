"""Which samples a model was trained on, as a Bloom filter (Bloom 1970) over their contents. Torch-free.

It says of one content whether it was among those of training and validation: always yes where it was, and wrongly yes
once in a million where it was not. No sample can be read from it, but who has a sample can ask for it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from tlzoo.errors import ArtifactError

KEY = "tlzoo.trained_on"
RATE = 1e-6
"""How often a content is wrongly said to be one of them."""
MAX_HASHES = 64
LEAST_BITS = 1024
"""Of few contents a filter of its computed size fills unevenly, and is wrong more often than computed."""
_VERSION = 2


@dataclass(frozen=True)
class TrainedOn:
    """`count` contents in `bits`, each in the places that `hashes` numbers of its SHA-256 name."""

    bits: bytes
    hashes: int
    count: int

    @classmethod
    def of(cls, digests: Sequence[bytes]) -> TrainedOn:
        """The filter of these SHA-256 digests: 128 bytes, or about 3.6 for each."""
        different = set(digests)
        size = max(LEAST_BITS, math.ceil(-len(different) * math.log(RATE) / math.log(2) ** 2))
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
        bits = base64.b64encode(self.bits).decode("ascii")
        return json.dumps({"version": _VERSION, "count": self.count, "hashes": self.hashes, "bits": bits})

    @classmethod
    def from_json(cls, text: str) -> TrainedOn:
        """What `to_json` wrote; raises ValueError for anything else."""
        try:
            found = json.loads(text)
            version = found["version"]
            bits, hashes = base64.b64decode(found["bits"], validate=True), int(found["hashes"])
            count = int(found["count"])
        except (LookupError, TypeError, RecursionError) as cause:
            raise ValueError(str(cause)) from cause
        if version != _VERSION:
            raise ValueError(f"version {version}")
        if not bits or not 0 < hashes <= MAX_HASHES or count < 0:
            raise ValueError(f"{len(bits)} bytes, {hashes} hashes")
        return cls(bits, hashes, count)


def of_file(metadata: Mapping[str, str], path: str) -> TrainedOn | None:
    """The filter in an exported file's metadata; raises ArtifactError where it is broken."""
    text = metadata.get(KEY)
    try:
        return None if text is None else TrainedOn.from_json(text)
    except ValueError as cause:
        raise ArtifactError(
            f"{path} has a broken list of what it was trained on: {cause}.", hint="Export it again."
        ) from cause


def seen_note(known: TrainedOn | None, digests: Sequence[bytes]) -> str:
    """What to say of held-out samples with these digests that were trained on; empty where none was."""
    return seen_sentence(count_seen(known, digests), len(digests))


def count_seen(known: TrainedOn | None, digests: Sequence[bytes]) -> int | None:
    """How many samples with these digests were trained on; `None` where that is not known."""
    return None if known is None else sum(each in known for each in digests)


def seen_sentence(seen: int | None, samples: int) -> str:
    """What to say of held-out samples of which so many were trained on; empty where none was."""
    if not seen:
        return ""
    return (
        f"{seen} of these {samples} samples were trained on, so the figures are not those of new ones. "
        "Hold out others, or keep copies in one part."
    )


def _places(digest: bytes, hashes: int, size: int) -> Iterable[int]:
    """A place for each hash, independent of the others: two of them that share a stride would meet in a small table."""
    drawn = hashlib.shake_256(digest).digest(8 * hashes)
    return (int.from_bytes(drawn[at : at + 8], "little") % size for at in range(0, len(drawn), 8))
