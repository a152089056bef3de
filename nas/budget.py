"""Budgets: how much of a figure a network may use, as "400M", "3.7M", "380M:400M"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from search_spaces import RequestError
from search_spaces.errors import printable, shortened, shown

Written: TypeAlias = "str | int | float | tuple[float | None, float | None]"
"""A budget as users write it: text, a cap, or a band."""

COSTS = ("flops", "macs", "params")
"""The figures a budget may limit."""

_UNITS_SHOWN = (("K", 3), ("M", 6), ("G", 9), ("T", 12))
_UNITS = {"": 0, "B": 9, **dict(_UNITS_SHOWN)}
_LARGEST = 10**18
_QUANTITY = re.compile(
    r"(?P<number>[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?P<power>[eE]\+?[0-9]{1,2})?(?P<unit>[KMGBT]?)"
)


@dataclass(frozen=True)
class Bound:
    """The values a figure may have: at least `least`, at most `most`, both included.

    Attributes:
        figure: A column of the tables: nn_mass, flops, macs or params.
        least: Lower end.
        most: Upper end.
    """

    figure: str
    least: float = 0
    most: float = math.inf

    def __str__(self) -> str:
        if math.isinf(self.most):
            return f"{self.figure} at least {exactly(self.least)}"
        if self.least <= 0:
            return f"{self.figure} at most {exactly(self.most)}"
        return f"{self.figure} from {exactly(self.least)} to {exactly(self.most)}"

    def meets(self, values: Any) -> Any:
        """Whether a value, or each of a column, lies inside."""
        return (values >= self.least) & (values <= self.most)

    def violation(self, value: float) -> float:
        """How far a value lies outside, as a share of the end it passes; at most 0 inside.

        >>> Bound("flops", most=400e6).violation(440e6), Bound("flops", 380e6, 400e6).violation(380e6)
        (0.10000000000000009, 0.0)
        """
        above = value / self.most - 1
        below = 1 - value / self.least if self.least > 0 else -math.inf
        return max(above, below)

    def share(self, values: Any) -> Any:
        """A value, or a column, as a share of the cap, or of the floor where there is no cap."""
        return values / (self.least if math.isinf(self.most) else self.most)


def as_text(written: Written) -> str:
    """A budget as on the command line.

    >>> as_text((380e6, None)), as_text(400_000_000)
    ('380000000.0:', '400000000')
    """
    if isinstance(written, tuple):
        return ":".join("" if end is None else _written(end) for end in written)
    return _written(written)


def _written(end: object) -> str:
    try:
        return str(end)
    except ValueError:  # of a number with thousands of digits
        return shown(end)


def parse_budget(figure: str, written: Written) -> Bound:
    """The bound that a budget stands for.

    Raises:
        RequestError: It is not a budget.

    >>> parse_budget("flops", "380M:400M")
    Bound(figure='flops', least=380000000, most=400000000)
    >>> parse_budget("params", "3.7M")
    Bound(figure='params', least=0, most=3700000)
    """
    text = as_text(written)
    ends = text.strip().split(":")
    if len(ends) > 2 or not any(ends):
        raise _not_a_budget(figure, text)
    most = _parse_end(figure, text, ends[-1]) if ends[-1] else math.inf
    least = _parse_end(figure, text, ends[0]) if len(ends) == 2 and ends[0] else 0
    if least > most:
        raise RequestError(f"--{figure} {_shown(text)}: the band is reversed; write {ends[1]}:{ends[0]}")
    bound = Bound(figure, math.ceil(least), most if math.isinf(most) else math.floor(most))
    if bound.least > bound.most:
        raise RequestError(f"--{figure} {_shown(text)}: there is no whole number in the band; widen it")
    return bound


def _parse_end(figure: str, text: str, end: str) -> Any:
    match = _QUANTITY.fullmatch(end.strip().upper().replace("E", "e"))
    if not match:
        raise _not_a_budget(figure, text)
    try:
        number = Decimal(match["number"].replace("_", "") + (match["power"] or ""))
    except InvalidOperation:
        raise _not_a_budget(figure, text) from None
    value = number.scaleb(_UNITS[match["unit"]])
    if not 1 <= value <= _LARGEST:
        raise _not_a_budget(figure, text)
    return value


def _shown(text: str) -> str:
    """A budget as errors name it: as it was typed, in one line."""
    return shortened(printable(text), 80)


def _not_a_budget(figure: str, text: str) -> RequestError:
    return RequestError(
        f"--{figure} {_shown(text)}: expected a budget from 1 to 1e18, such as 400M, 3.7M, 1.2G or 400e6,"
        " or a band, such as 380M:400M"
    )


def exactly(value: float) -> str:
    """A figure to the last unit; an NN-Mass that is no whole number to one decimal.

    >>> exactly(400_000_000), exactly(3_700_000), exactly(300_000_001), exactly(1287.0)
    ('400M', '3.7M', '300,000,001', '1,287')
    """
    if value < 1e5 and not float(value).is_integer():
        return f"{value:,.1f}"
    for unit, power in reversed(_UNITS_SHOWN):
        if value >= 10**power and int(value) * 10 % 10**power == 0:
            whole, tenth = divmod(int(value) * 10 // 10**power, 10)
            return f"{whole:,}.{tenth}{unit}" if tenth else f"{whole:,}{unit}"
    return f"{int(value):,}"


def quantity(value: float) -> str:
    """A figure in at most six characters, right to four digits.

    >>> quantity(399_123_456), quantity(3_700_000), quantity(999_950), quantity(12)
    ('399.1M', '3.700M', '1.000M', '12')
    """
    rounded = float(f"{value:.3e}")
    for unit, power in reversed(_UNITS_SHOWN):
        if rounded >= 10**power:
            digits = 3 - int(math.log10(rounded / 10**power))
            return f"{rounded / 10**power:.{digits}f}{unit}"
    return f"{rounded:g}"
