"""Queries: what a user asks of a space, parsed and checked once."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from numbers import Integral, Real
from typing import Any

import search_spaces
from nas import proxies
from nas.bounds import COSTS, Bound, Written, as_text, checked_cost, in_bytes, in_unit, parse_budget
from nas.fitted.score import SUFFIX, FittedScore
from nas.goal import MAXIMIZE, MINIMIZE, Goal, cheapest, front, maximum_mass
from nas.options import check, checked_values, documented, option
from nas.tables import PEAK
from nas.values import Range
from search_spaces import Architecture, RequestError, Space
from search_spaces.architecture import Value
from search_spaces.errors import checked_kind, did_you_mean, shown
from search_spaces.space import RESOLUTION

ELEMENT_BYTES = (1, 2, 4, 8)
"""Bytes that an element of a tensor may have."""
DEFAULT_SCORE = "nn_mass"
"""The score of a query that names none."""

_LARGEST_SIDE = 4096
"""The largest resolution of every family, in pixels."""
_MOST_SIDES = 32
"""Most resolutions of a search."""


def checked_axis(name: str, value: object) -> str:
    """The name of a cost or fitted score that a front can be against.

    Args:
        name: Name of the argument, for the message.
        value: A cost, a fitted score of the package, or the path of a fitted score's file.

    Raises:
        TypeError: The value is not a string.
        RequestError: There is no such cost or score.
    """
    checked_kind(name, value, str, f"a cost, one of {', '.join(COSTS)}, or a fitted score")
    text = str(value)
    if text in COSTS:
        return text
    proxy = proxies.get(text) if text.endswith(SUFFIX) else proxies.find(text)
    if proxy is None or proxy.fitted is None:
        hint = did_you_mean(text, (*COSTS, *proxies.shipped()))
        raise RequestError(
            f"{name} {shown(text)}: expected one of {', '.join((*COSTS, *proxies.shipped()))}, or a file of"
            f" nas fit{hint}"
        )
    return proxy.name


def _end(what: str, value: Value, score: FittedScore) -> float:
    """The value of a limit of a fitted score.

    Raises:
        RequestError: It is not a number, is in another unit, or is a fraction where percent is expected.
    """
    end = in_unit(what, value, score.unit)
    if score.unit == "%" and 0 < end < 1 and any(one.value > 1 for one in score.intervals):
        raise RequestError(f"{what}: expected percent; write {100 * end:g}%")
    return end


def check_fitted(flag: str, score: FittedScore, space: Space) -> None:
    """Check that a fitted score has values for the networks of a space.

    Raises:
        RequestError: It is of another family, or not of all resolutions of the space.
    """
    score.check_family(space.architecture)
    own = score.constants.get(RESOLUTION)
    if not score.sees(RESOLUTION) and any(side != own for side in space.resolutions):
        way = "leave out --resolutions"
        if score.unit == "%":
            way += ", or fit it with --resolution-effect"
        raise RequestError(f"{flag} {score.name} is fitted to networks at {own} pixels alone; {way}")
    effect = score.resolution
    if effect and (unknown := [side for side in space.resolutions if not effect.covers(float(side))]):
        raise RequestError(
            f"{flag} {score.name} is fitted to resolutions from {effect.least} to {effect.most} pixels; leave"
            f" out {', '.join(map(str, unknown))}"
        )


def check_ranks(score: str, space: Space) -> None:
    """Check that a score compares networks of all resolutions of a space.

    Raises:
        RequestError: It does not.
    """
    fitted = proxies.get(score).fitted
    if len(space.resolutions) < 2 or (fitted and fitted.sees(RESOLUTION)):
        return
    raise RequestError(
        f"{score} does not compare networks of different resolutions; rank by an accuracy that does, as"
        f" --score imagenet of mbconv, or give one, as --fix {RESOLUTION}={space.resolutions[-1]}"
    )


def checked_element(element_bytes: object) -> int:
    """Check a number of bytes per element of a tensor.

    Raises:
        TypeError: It is not a whole number.
        RequestError: It is none of `ELEMENT_BYTES`.
    """
    checked: int = checked_values(Query, {"element_bytes": element_bytes})["element_bytes"]
    return checked


def _pin(name: object, value: object) -> tuple[str, Value]:
    """Check a choice or constant and its value; a number of NumPy becomes one of Python."""
    checked_kind("fix", name, str, "names of choices and constants")
    checked_kind(f"fix: {name}", value, (str, Real, bool), "a number, a word, True or False")
    if isinstance(value, bool):
        return str(name), value
    if isinstance(value, Real):
        return str(name), int(value) if isinstance(value, Integral) else float(value)
    return str(name), str(value)


def _fitted_names() -> str:
    return f"{proxies.fitted_names()}; and peak-memory"


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
    resolutions: tuple[int, ...] = option(
        "sides of the images to choose from, in pixels, as 128,160,192,224",
        default=(),
        range=Range(1, _LARGEST_SIDE),
        metavar="PIXELS",
    )
    pareto: str | None = option(
        "find the front of NN-Mass, or --score, against flops, macs, params or a fitted score",
        default=None,
        metavar="COST",
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
        if self.pareto is not None:
            self._check_front(self.pareto)
        self._check_resolutions()
        for cost in self.budgets:
            checked_cost("budgets", cost)

    def _check_front(self, pareto: str) -> None:
        name = checked_axis("--pareto", pareto)
        if proxies.get(self.score).name == name:
            raise RequestError(f"--pareto {pareto} against --score {self.score} is no front; choose two")

    def _check_resolutions(self) -> None:
        if not self.resolutions:
            return
        written = ",".join(map(str, self.resolutions))
        if len(set(self.resolutions)) < len(self.resolutions):
            raise RequestError(f"--resolutions {written}: one is given twice; give each once")
        if len(self.resolutions) > _MOST_SIDES:
            raise RequestError(
                f"--resolutions gives {len(self.resolutions)} sides, expected at most {_MOST_SIDES}"
            )
        if RESOLUTION in self.fix:
            raise RequestError(
                f"--resolutions and --fix {RESOLUTION} exclude each other; leave out one of them"
            )
        if self.like is not None:
            raise RequestError("--like keeps the resolution of its network; leave out --resolutions")

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
        proxies.check_distinct((self.score, *self.at_most, *self.at_least, self.pareto or ""))
        space = (space or search_spaces.get(self.space)).fix(**self.fix)
        if self.resolutions and not space.resolutions:
            if RESOLUTION not in space.architecture.constant_names():
                raise RequestError(f"--resolutions: {space.name} has no images; leave it out")
            space = space.over(self.resolutions)
        if self.like is None:
            bounds = (*self.bounds(), *self.limits(space))
            goal = maximum_mass(bounds) if self.pareto is None else self._front(self.pareto, space, bounds)
            goal = replace(goal, element_bytes=self.element_bytes)
            if self.score == DEFAULT_SCORE:
                return space, goal
            proxy = proxies.get(self.score)
            if proxy.fitted:
                check_fitted("--score", proxy.fitted, space)
            return space, goal.scored_by(proxy.name, proxy.more_is_better)
        example = self.example(space)
        if not self.across_widths:
            space = self._at_width_of(space, example.choices())
        bounds = (*self.bounds(), *self.limits(space))
        goal = cheapest(self.minimize or "flops", float(example.figures().nn_mass), bounds)
        return space, replace(goal, element_bytes=self.element_bytes)

    def _front(self, pareto: str, space: Space, bounds: tuple[Bound, ...]) -> Goal:
        """The goal of a front against a cost or a fitted score.

        Raises:
            RequestError: The score is of another family or of one resolution.
        """
        if pareto in COSTS:
            return front(pareto, bounds)
        proxy = proxies.get(pareto)
        assert proxy.fitted  # as `checked_axis` found
        check_fitted("--pareto", proxy.fitted, space)
        return front(proxy.name, bounds, MAXIMIZE if proxy.more_is_better else MINIMIZE)

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
                    found[PEAK] = Bound(PEAK, most=in_bytes(f"{flag} {name}={value}", value))
                    continue
                proxy = proxies.get(name)
                if proxy.fitted is None:
                    raise RequestError(f"{flag} {name} is not a fitted score; there are {_fitted_names()}")
                check_fitted(flag, proxy.fitted, space)
                end = _end(f"{flag} {name}={value}", value, proxy.fitted)
                bound = found.get(proxy.name, Bound(proxy.name, -math.inf))
                found[proxy.name] = replace(bound, most=end) if flag == "--max" else replace(bound, least=end)
        for bound in found.values():
            if bound.least > bound.most:
                ends = f"--min {bound.figure}={bound.least:g} is above --max {bound.figure}={bound.most:g}"
                raise RequestError(f"{ends}; exchange them, or leave one out")
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
