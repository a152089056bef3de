"""Queries: budgets such as "400M" or "380M:400M", the goal of a search, and the query that combines them."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation
from numbers import Integral, Real
from typing import Any, Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

import search_spaces
from nas import proxies
from nas.options import check, documented, option
from nas.tables import PEAK
from nas.values import UNITS, number_of_bytes
from search_spaces import Architecture, RequestError, Space
from search_spaces.architecture import Value
from search_spaces.cost import Column
from search_spaces.errors import checked_kind, did_you_mean, printable, shortened, shown
from search_spaces.spec import read_number

Written: TypeAlias = "str | int | float | tuple[float | None, float | None]"
"""A budget as users write it: a string, a cap, or a band as a pair."""

COSTS = ("flops", "macs", "params")
"""The costs that a budget can limit."""
ELEMENT_BYTES = (1, 2, 4, 8)
"""Bytes that an element of a tensor may have."""
DEFAULT_SCORE = "nn_mass"
"""The score of a query that names none."""

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
        least, most = self.written(self.least), self.written(self.most)
        if math.isinf(self.most):
            return f"{self.figure} at least {least}"
        if self.least <= 0:
            return f"{self.figure} at most {most}"
        return f"{self.figure} from {least} to {most}"

    def written(self, value: float) -> str:
        """A value of the figure, as text."""
        if math.isinf(value):
            return ""
        if self.figure == PEAK:
            return f"{exactly(value)}B"
        return exactly(value) if self.figure in (*COSTS, DEFAULT_SCORE) else f"{value:,.6g}"

    def meets(self, values: Any) -> Any:
        """Whether a value, or each value of a column, lies inside."""
        return (values >= self.least) & (values <= self.most)

    def violation(self, value: float) -> float:
        """How far a value lies outside, as a fraction of the violated end; at most 0 if it lies inside.

        >>> Bound("flops", most=400e6).violation(440e6), Bound("flops", 380e6, 400e6).violation(380e6)
        (0.10000000000000009, 0.0)
        """
        above = value / self.most - 1
        below = 1 - value / self.least if self.least > 0 else -math.inf
        return max(above, below)

    def fraction(self, values: Any) -> Any:
        """A value, or a column, as a fraction of the cap, or of the floor if there is no cap."""
        return values / (self.least if math.isinf(self.most) else self.most)


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


Direction: TypeAlias = Literal["maximize", "minimize"]
MAXIMIZE: Final = "maximize"
MINIMIZE: Final = "minimize"


@dataclass(frozen=True)
class Goal:
    """One or two objectives, and bounds that a network must meet.

    Attributes:
        optimise: Objectives with their directions; two objectives give a Pareto front.
        bounds: Bounds that must all hold.
        element_bytes: Bytes per element of a tensor, for a bound of peak memory.
    """

    optimise: tuple[tuple[str, Direction], ...]
    bounds: tuple[Bound, ...] = ()
    element_bytes: int = 4

    def __str__(self) -> str:
        aims = " and ".join(f"{direction} {figure}" for figure, direction in self.optimise)
        return aims + "".join(f", {bound}" for bound in self.bounds)

    def meets(self, figures: Mapping[str, Column]) -> NDArray[np.bool_]:
        """Which networks meet all bounds.

        Args:
            figures: Columns by name; they include flops and those of the bounds.
        """
        meets: NDArray[np.bool_] = np.ones(len(figures["flops"]), bool)
        for bound in self.bounds:
            meets &= bound.meets(figures[bound.figure])
        return meets

    def scored_by(self, score: str, more_is_better: bool) -> Goal:
        """The goal with another score as the first objective."""
        return replace(self, optimise=((score, MAXIMIZE if more_is_better else MINIMIZE), *self.optimise[1:]))

    @property
    def order(self) -> list[tuple[str, bool]]:
        """The columns that ranking sorts by, and whether each ascends; ties go to the cheaper network."""
        aims = [(figure, direction == MINIMIZE) for figure, direction in self.optimise]
        named = {figure for figure, _ in aims}
        ties = [("nn_mass", False), ("flops", True), ("params", True), ("arch", True)]
        return aims + [(column, ascends) for column, ascends in ties if column not in named]


def maximum_mass(budgets: tuple[Bound, ...]) -> Goal:
    """The goal of the largest NN-Mass inside budgets."""
    return Goal((("nn_mass", MAXIMIZE),), budgets)


def cheapest(cost: str, mass: float, budgets: tuple[Bound, ...]) -> Goal:
    """The goal of the least cost at an NN-Mass of at least `mass`, as the paper compresses networks."""
    return Goal(((cost, MINIMIZE),), (*budgets, Bound("nn_mass", least=mass)))


def front(cost: str, budgets: tuple[Bound, ...]) -> Goal:
    """The goal of the Pareto front of NN-Mass against a cost."""
    return Goal((("nn_mass", MAXIMIZE), (cost, MINIMIZE)), budgets)


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


def _pin(name: object, value: object) -> tuple[str, Value]:
    """Check a choice or constant and its value; a number of NumPy becomes one of Python."""
    checked_kind("fix", name, str, "names of choices and constants")
    checked_kind(f"fix: {name}", value, (str, Real, bool), "a number, a word, True or False")
    if isinstance(value, bool):
        return str(name), value
    if isinstance(value, Real):
        return str(name), int(value) if isinstance(value, Integral) else float(value)
    return str(name), str(value)


def _in_unit(what: str, value: Value, unit: str) -> float:
    """A value of a score, with or without its unit."""
    text = str(value).strip()
    number = text.removesuffix(unit).strip() if unit else text
    letter = number[-1:].upper()
    power = dict(UNITS).get(letter, 0)
    try:
        found = read_number(float, number[:-1] if power else number) * 10.0**power
    except ValueError:
        found = math.nan
    if not math.isfinite(found):
        raise RequestError(f"{what}: expected a number{f' in {unit}' if unit else ''}, such as 4{unit} or 9K")
    return found


def _in_bytes(what: str, value: Value) -> int:
    """A value of peak memory, in bytes."""
    size = number_of_bytes(str(value))
    if not 1 <= size <= _LARGEST:
        raise RequestError(f"{what}: expected a number of bytes from 1 to 1e18, such as 512KB or 512KiB")
    return math.floor(size)


def _fitted_names() -> str:
    return f"{', '.join(proxies.shipped())}, and files of nas fit; and peak-memory"


def with_space(values: dict[str, Any]) -> dict[str, Any]:
    """The values of a query, which must name a space.

    Raises:
        RequestError: They do not.
    """
    if "space" not in values:
        raise RequestError(f"give --space, one of {', '.join(search_spaces.names())}")
    return values


def as_fields(
    flops: Written | None,
    macs: Written | None,
    params: Written | None,
    like: str | Architecture | None = None,
    **others: Any,
) -> dict[str, Any]:
    """Arguments of Python as values of a query's fields; those that are None are left out.

    >>> as_fields("400M", None, None, fix={"width_mult": 1.0}, pareto=None)
    {'budgets': {'flops': '400M'}, 'fix': {'width_mult': 1.0}}

    Raises:
        TypeError: `like` is neither a string nor an architecture.
    """
    checked_kind("like", like, (str, Architecture, type(None)), "a reference or spec")
    written = dict(zip(COSTS, (flops, macs, params), strict=True))
    values = {
        "budgets": {cost: as_text(budget) for cost, budget in written.items() if budget is not None},
        "like": None if like is None else str(like),
        **others,
    }
    return {name: value for name, value in values.items() if value is not None}


@documented
@dataclass(frozen=True)
class Query:
    """The architectures of a space that a user requests.

    Raises:
        RequestError: Two fields contradict each other, or there is no such cost.
        TypeError: A field has a wrong type.
    """

    space: str = option(lambda: f"one of {', '.join(search_spaces.names())}")
    budgets: Mapping[str, str] = option(
        "cap or band of {key}, as 400M", default=dict, keys=COSTS, metavar="BUDGET"
    )
    fix: Mapping[str, Value] = option(
        "pin a choice or set a constant, as width_mult=1.0", default=dict, metavar="NAME=VALUE"
    )
    like: str | None = option(
        "find the cheapest networks of its base width with at least its NN-Mass",
        default=None,
        metavar="SPEC|REFERENCE",
    )
    minimize: str | None = option(
        "the cost that --like minimises", default=None, choices=COSTS, usual="flops"
    )
    across_widths: bool = option(
        "search all base widths, although NN-Mass does not compare widths", default=False
    )
    at_most: Mapping[str, Value] = option(
        "cap of peak memory, as peak-memory=512KB, or of a fitted score, as latency-zcu102=4ms",
        default=dict,
        flags=("--max",),
        metavar="SCORE=VALUE",
    )
    at_least: Mapping[str, Value] = option(
        "floor of a fitted score, as throughput-a100=9K",
        default=dict,
        flags=("--min",),
        metavar="SCORE=VALUE",
    )
    element_bytes: int = option(
        "bytes per element of a tensor, for --max peak-memory: 4 for float32, 1 for int8",
        default=4,
        choices=ELEMENT_BYTES,
    )
    pareto: str | None = option(
        "find the front of NN-Mass, or --score, against this cost", default=None, choices=COSTS
    )
    score: str = option(
        "rank by this score, a sum over stages, such as root_params, or a file of nas fit (list:"
        " docs/studies.md)",
        default=DEFAULT_SCORE,
        metavar="NAME",
    )

    def __post_init__(self) -> None:
        check(self)
        object.__setattr__(self, "fix", dict(_pin(name, value) for name, value in self.fix.items()))
        if self.like is not None and self.pareto is not None:
            raise RequestError("--like and --pareto exclude each other; leave out one of them")
        if self.like is None and self.minimize is not None:
            raise RequestError("--minimize needs --like; give --like as well")
        if self.like is not None and self.score != DEFAULT_SCORE:
            raise RequestError("--like looks for the cheapest networks of an NN-Mass; leave out --score")
        if self.score == self.pareto:
            raise RequestError(f"--pareto {self.pareto} against --score {self.score} is no front; choose two")
        for cost in self.budgets:
            checked_cost("budgets", cost)

    def bounds(self) -> tuple[Bound, ...]:
        """The budgets as bounds.

        Raises:
            RequestError: A budget cannot be parsed.
        """
        return tuple(parse_budget(cost, self.budgets[cost]) for cost in COSTS if cost in self.budgets)

    def resolve(self, space: Space | None = None) -> tuple[Space, Goal]:
        """The space to search, with choices pinned, and the goal.

        Args:
            space: The space, if it is not the one registered under the name.

        Raises:
            RequestError: A name or a value of the query is wrong.
        """
        space = (space or search_spaces.get(self.space)).fix(**self.fix)
        if self.like is None:
            bounds = (*self.bounds(), *self.limits(space))
            goal = front(self.pareto, bounds) if self.pareto else maximum_mass(bounds)
            goal = replace(goal, element_bytes=self.element_bytes)
            if self.score == DEFAULT_SCORE:
                return space, goal
            proxy = proxies.get(self.score)
            if proxy.fitted:
                proxy.fitted.check_family(space.architecture.family)
            return space, goal.scored_by(proxy.name, proxy.more_is_better)
        example = self.example(space)
        if not self.across_widths:
            space = self._at_width_of(space, example.choices())
        bounds = (*self.bounds(), *self.limits(space))
        goal = cheapest(self.minimize or "flops", float(example.figures().nn_mass), bounds)
        return space, replace(goal, element_bytes=self.element_bytes)

    def limits(self, space: Space) -> tuple[Bound, ...]:
        """The limits of peak memory and of fitted scores as bounds.

        Raises:
            RequestError: There is no such score, it is of another family, or a value is wrong.
        """
        found: dict[str, Bound] = {}
        for flag, limits in (("--max", self.at_most), ("--min", self.at_least)):
            for name, value in limits.items():
                if name.replace("-", "_") == PEAK:
                    if flag == "--min":
                        raise RequestError(f"--min {name}={value}: peak memory has a cap alone; write --max")
                    found[PEAK] = Bound(PEAK, most=_in_bytes(f"{flag} {name}={value}", value))
                    continue
                proxy = proxies.get(name)
                if proxy.fitted is None:
                    raise RequestError(f"{flag} {name} is not a fitted score; there are {_fitted_names()}")
                proxy.fitted.check_family(space.architecture.family)
                end = _in_unit(f"{flag} {name}={value}", value, proxy.fitted.unit)
                bound = found.get(proxy.name, Bound(proxy.name, -math.inf))
                found[proxy.name] = replace(bound, most=end) if flag == "--max" else replace(bound, least=end)
        for bound in found.values():
            if bound.least > bound.most:
                raise RequestError(f"--min {bound.figure}={bound.least:g} is above --max {bound.most:g}")
        return tuple(found.values())

    def example(self, space: Space) -> Architecture:
        """The architecture that `like` names, with the constants of the space.

        Raises:
            RequestError: There is no such architecture.
        """
        try:
            return dataclasses.replace(space.parse(str(self.like)), **space.constants)
        except RequestError as error:
            raise RequestError(f"--like: {error}") from None

    def _at_width_of(self, space: Space, choices: Mapping[str, Value]) -> Space:
        for name in space.base:
            if name in self.fix:
                continue
            try:
                space = space.fix(**{name: choices[name]})
            except RequestError as error:
                raise RequestError(
                    f"--like keeps the base width of {self.like}, and {error}; pin another with"
                    f" --fix {name}=..., or add --across-widths"
                ) from None
        return space
