"""Sets of rows as integers: row r is a member where bit r is set, so that & | and bit_count do the work.

Numbers are indexed bit by bit (O'Neil and Quass, "Improved query performance with variant indexes", 1997): `slices[i]`
holds the rows whose number has bit i set. A comparison or the k smallest then cost one pass over the slices, however
many rows there are to choose from.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from itertools import compress, count

_WORD = 8
_DIGITS = [bytes(48 + (byte >> bit & 1) for byte in range(256)) for bit in range(8)]
_TRUTH = bytes(int(byte == ord("1")) for byte in range(256))
_FEW = 2000


def bits_of(rows: Iterable[int], total: int) -> int:
    """The set of these rows, each below `total`."""
    digits = bytearray(b"0") * (total + 1)
    for row in rows:
        digits[row] = 49
    digits.reverse()
    return int(digits, 2)


def rows_of(bits: int) -> list[int]:
    """The rows of a set, ascending."""
    digits = bin(bits)[:1:-1]
    if bits.bit_count() > _FEW:
        return list(compress(count(), digits.encode().translate(_TRUTH)))
    rows, at = [], digits.find("1")
    while at >= 0:
        rows.append(at)
        at = digits.find("1", at + 1)
    return rows


def everything(total: int) -> int:
    """The set of the rows below `total`."""
    return (1 << total) - 1


def slices_of(values: Sequence[int]) -> list[int]:
    """The bit slices of each row's number, 0 <= number < 2**63, the lowest bit first."""
    numbers = array("Q", values)
    if numbers.itemsize != _WORD or not values:
        return []
    numbers.reverse()
    if _first_byte_is_highest():
        numbers.byteswap()
    raw = numbers.tobytes()
    wanted = max(values).bit_length()
    return [int(raw[bit // 8 :: _WORD].translate(_DIGITS[bit % 8]), 2) for bit in range(wanted)]


def below(slices: Sequence[int], present: int, limit: int) -> int:
    """The rows of `present` whose number is less than `limit`."""
    if limit <= 0:
        return 0
    if limit.bit_length() > len(slices):
        return present
    less, equal = 0, present
    for bit in range(len(slices) - 1, -1, -1):
        ones = equal & slices[bit]
        if limit >> bit & 1:
            less |= equal ^ ones
            equal = ones
        else:
            equal ^= ones
    return less


def smallest(slices: Sequence[int], bits: int, wanted: int) -> int:
    """The `wanted` rows of `bits` that have the smallest numbers; no two rows may have the same number."""
    if wanted <= 0:
        return 0
    if wanted >= bits.bit_count():
        return bits
    taken, open_ = 0, bits
    missing = wanted
    for bit in range(len(slices) - 1, -1, -1):
        ones = open_ & slices[bit]
        zeros = open_ ^ ones
        found = zeros.bit_count()
        if found > missing:
            open_ = zeros
        else:
            taken |= zeros
            missing -= found
            open_ = ones
        if not missing:
            return taken
    return taken | open_


def _first_byte_is_highest() -> bool:
    return array("H", [1]).tobytes()[0] == 0
