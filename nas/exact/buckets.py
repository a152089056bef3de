"""Hash buckets that find which stored sums lie within a limit of a value, for several limits at once.

A sum b fits a value y if and only if b <= y <= b + width. Values fall into buckets of at least twice the
width, so y is in the bucket of b or in that of b + width, and b is stored under both. A hash combines the
buckets of all limits into one key, and two tables, each indexed by half the bits of a key, show whether a sum
with that key may exist (Bloom, "Space/time trade-offs in hash coding with allowable errors", 1970). Keys may
collide, so matches are to be compared with the limits.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise, product
from typing import Self

import numpy as np
from numpy.typing import NDArray

from nas.exact.graph import Limit

_FACTORS = (0x1E3779B97F4A7C15, 0x517CC1B727220A95, 0x2545F4914F6CDD1D)
"""Hash multipliers, one per hashed limit."""
_LEAST_BUCKETS = 4
"""A limit is hashed if its beginnings span at least this many buckets."""
_LEAST_BITS, _MOST_BITS = 8, 24
"""Bounds of the number of bits of an index into a table."""
_MATCHES_AT_ONCE = 1 << 20


@dataclass(frozen=True)
class Buckets:
    """The limits that are hashed, and the widths of their buckets.

    Attributes:
        numbers: Indices of the limits.
        shifts: For each limit the binary logarithm of the width of a bucket.
        widths: For each limit its upper end minus its lower end.
        bits: Bits of an index into a table; a key has twice as many.
    """

    numbers: tuple[int, ...]
    shifts: tuple[int, ...]
    widths: tuple[int, ...]
    bits: int

    @classmethod
    def of(cls, limits: Sequence[Limit], used: NDArray[np.int64]) -> Self:
        """Choose buckets for what beginnings use, with one row per limit and one column per beginning."""
        every = []
        for number, (limit, values) in enumerate(zip(limits, used, strict=True)):
            width = limit.ends[1] - limit.ends[0]
            shift = max(2 * width - 1, 0).bit_length()
            every.append((int(values.max() - values.min()) >> shift, number, shift, width))
        every.sort(reverse=True)
        chosen = [row for row in every[: len(_FACTORS)] if row[0] >= _LEAST_BUCKETS] or every[:1]
        _, numbers, shifts, widths = zip(*chosen, strict=True)
        bits = min(max((16 * used.shape[1]).bit_length(), _LEAST_BITS), _MOST_BITS)
        return cls(numbers, shifts, widths, bits)

    def entries(self, used: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.intp]]:
        """The keys under which beginnings are stored, and the beginning of each key."""
        keys, whose = [], []
        for moved in product((False, True), repeat=len(self.numbers)):
            apart = np.ones(used.shape[1], bool)
            for number, shift, width, far in zip(self.numbers, self.shifts, self.widths, moved, strict=True):
                if far:
                    apart &= used[number] >> shift != (used[number] + width) >> shift
            these = np.flatnonzero(apart)
            values = zip(self.numbers, self.widths, moved, strict=True)
            keys.append(self.keys([used[number, these] + width * far for number, width, far in values]))
            whose.append(these)
        return np.concatenate(keys), np.concatenate(whose)

    def keys(self, values: Sequence[NDArray[np.int64]]) -> NDArray[np.int64]:
        """The keys of values, one array per limit; the arrays are overwritten."""
        mixed = np.zeros(len(values[0]), np.int64)
        for value, shift, factor in zip(values, self.shifts, _FACTORS, strict=False):
            value >>= shift
            value *= factor
            mixed += value
        mixed >>= 64 - 2 * self.bits
        mixed &= (1 << 2 * self.bits) - 1
        return mixed

    def table(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """A table with the entries at `places` set."""
        entered = np.zeros(1 << self.bits, bool)
        entered[places] = True
        return entered

    def first(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """The indices of keys in the first table."""
        return keys >> self.bits

    def second(self, keys: NDArray[np.int64]) -> NDArray[np.int64]:
        """The indices of keys in the second table."""
        return keys & ((1 << self.bits) - 1)


def matched(
    keys: NDArray[np.int64], whose: NDArray[np.intp], queries: NDArray[np.int64], buckets: Buckets
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Yield pairs with equal keys in batches: the beginning and the query."""
    wanted = buckets.table(buckets.first(queries))
    kept = np.flatnonzero(wanted[buckets.first(keys)])
    kept = kept[np.argsort(keys[kept])]
    keys, whose = keys[kept], whose[kept]
    begin = np.searchsorted(keys, queries)
    counts = np.searchsorted(keys, queries, side="right") - begin
    total = np.cumsum(counts)
    full = np.arange(_MATCHES_AT_ONCE, total[-1] if len(total) else 0, _MATCHES_AT_ONCE)
    for start, stop in pairwise([0, *np.searchsorted(total, full).tolist(), len(queries)]):
        some = counts[start:stop]
        which = np.repeat(np.arange(start, stop), some)
        place = np.arange(len(which)) - np.repeat(np.cumsum(some) - some, some)
        yield whose[begin[which] + place], which
