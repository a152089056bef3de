"""Bounds of costs and scores, and how users write them: budgets such as "400M" or "380M:400M"."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, TypeAlias

from nas import proxies
from nas.tables import PEAK
from nas.values import UNITS, number_of_bytes
from search_spaces import RequestError
from search_spaces.architecture import Value
from search_spaces.errors import checked_kind, did_you_mean, printable, shortened, shown
from search_spaces.spec import read_number

Written: TypeAlias = "str | int | float | tuple[float | None, float | None]"
"""A budget as users write it: a string, a cap, or a band as a pair."""

COSTS = ("flops", "macs", "params")
"""The costs that a budget can limit."""
_UNITS = {"": 0, "B": 9, **dict(UNITS)}
_LARGEST = 10**18
_QUANTITY = re.compile(
    r"(?P<number>[0-9][0-9_]*\.?[0-9]*|\.[0-9]+)(?P<power>[eE]\+?[0-9]{1,2})?(?P<unit>[KMGBT]?)"
)


@dataclass(frozen=True)
class Bound:
    """A closed interval for NN-Mass, a cost, peak memory or a fitted score.

    Attributes:
        figure: Name of the column: nn_mass, flops, macs, params, peak_memory, or a fitted score.
        least: Lower end, included.
        most: Upper end, included.
    """

    figure: str
    least: float = 0
    most: float = math.inf

    def __str__(self) -> str:
        least, most = self.with_unit(self.least), self.with_unit(self.most)
        if math.isinf(self.most):
            return f"{self.figure} at least {least}"
        if not self._has_floor:
            return f"{self.figure} at most {most}"
        return f"{self.figure} from {least} to {most}"

    def written(self, value: float) -> str:
        """A value of the figure, as text."""
        if math.isinf(value):
            return ""
        if self.figure == PEAK:
            return f"{exactly(value)}B"
        return exactly(value) if self.figure in (*COSTS, "nn_mass") else f"{value:,.6g}"

    def with_unit(self, value: float) -> str:
        """A value of the figure, as text, with the unit of a fitted score."""
        fitted = proxies.is_fitted(self.figure) and proxies.get(self.figure).fitted
        return f"{self.written(value)} {fitted.unit if fitted else ''}".rstrip()

    def meets(self, values: Any) -> Any:
        """Whether a value, or each value of a column, lies inside."""
        return (values >= self.least) & (values <= self.most)

    def violation(self, value: float) -> float:
        """How far a value lies outside, as a fraction of the violated end; at most 0 if it lies inside.

        >>> Bound("flops", most=400e6).violation(440e6), Bound("flops", 380e6, 400e6).violation(380e6)
        (0.10000000000000009, 0.0)
        """
        below = _above(-value, -self.least) if self._has_floor else -math.inf
        return max(_above(value, self.most), below)

    @property
    def _has_floor(self) -> bool:
        """Whether the lower end excludes values; costs are positive, other scores may not be."""
        return self.least > (0 if self.figure in (*COSTS, "nn_mass", PEAK) else -math.inf)

    def fraction(self, values: Any) -> Any:
        """A value, or a column, as a fraction of the cap, or of the floor if there is no cap."""
        return values / (self.least if math.isinf(self.most) else self.most)


def _above(value: float, end: float) -> float:
    """How far a value lies above an end, as a fraction of its absolute value; of 1 if it is 0."""
    if end == 0:
        return value
    return value / end - 1 if end > 0 else 1 - value / end


def as_text(written: Written) -> str:
    """A budget as written on the command line.

    >>> as_text((380e6, None)), as_text(400_000_000)
    ('380000000.0:', '400000000')
    """
    if isinstance(written, tuple):
        return ":".join("" if end is None else _written(end) for end in written)
    return _written(written)


def _written(end: object) -> str:
    try:
        return str(end)
    except ValueError:  # an int with thousands of digits
        return shown(end)


def parse_budget(figure: str, written: Written) -> Bound:
    """Parse a budget.

    Raises:
        RequestError: It is not a budget, or the band contains no whole number.

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
    """A budget as messages print it: as written, in one line."""
    return shortened(printable(text), 80)


def _not_a_budget(figure: str, text: str) -> RequestError:
    return RequestError(
        f"--{figure} {_shown(text)}: expected a budget from 1 to 1e18, such as 400M, 3.7M, 1.2G or 400e6,"
        " or a band, such as 380M:400M"
    )


def exactly(value: float) -> str:
    """A value to the last unit; an NN-Mass that is not a whole number to one decimal.

    >>> exactly(400_000_000), exactly(3_700_000), exactly(300_000_001), exactly(1287.0)
    ('400M', '3.7M', '300,000,001', '1,287')
    """
    if value < 1e5 and not float(value).is_integer():
        return f"{value:,.1f}"
    for unit, power in reversed(UNITS):
        if value >= 10**power and int(value) * 10 % 10**power == 0:
            whole, tenth = divmod(int(value) * 10 // 10**power, 10)
            return f"{whole:,}.{tenth}{unit}" if tenth else f"{whole:,}{unit}"
    return f"{int(value):,}"


def checked_cost(name: str, value: object) -> None:
    """Check the name of a cost.

    Args:
        name: Name of the argument, for the message.

    Raises:
        TypeError: The value is not a string.
        RequestError: There is no such cost.
    """
    checked_kind(name, value, str, f"a cost, one of {', '.join(COSTS)}")
    if value not in COSTS:
        hint = did_you_mean(str(value), COSTS)
        raise RequestError(f"{name}: {shown(value)} is not a cost{hint}; the costs are {', '.join(COSTS)}")


def in_unit(what: str, value: Value, unit: str) -> float:
    """A value of a score, with or without its unit.

    Raises:
        RequestError: It is not a number, or is in another unit.
    """
    text = str(value).strip()
    number = text.removesuffix(unit).strip() if unit else text
    power = dict(UNITS).get("K" if number.endswith("k") else number[-1:], 0)  # "5m" of 5 ms is no million
    try:
        found = read_number(float, number[:-1] if power else number) * 10.0**power
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise RequestError(f"{what}: expected a number{f' in {unit}' if unit else ''}, such as 4{unit} or 9K")
    return found


def in_bytes(what: str, value: Value) -> int:
    """A value of peak memory, in bytes."""
    size = number_of_bytes(str(value))
    if not 1 <= size <= _LARGEST:
        raise RequestError(f"{what}: expected a number of bytes from 1 to 1e18, such as 512KB or 512KiB")
    return math.floor(size)
