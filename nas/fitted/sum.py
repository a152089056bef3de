"""A fitted score as a sum over stages, in whole numbers of units.

A term counts at the stage that reads the last of its choices; the states of stage tables carry the others. So
searches by a fitted score are proven, as those by NN-Mass are.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from nas.fitted.score import FittedScore, side_of
from nas.sums import MOST_UNITS, Cells
from search_spaces import Architecture, RequestError
from search_spaces.chain import ChainArchitecture, KnownStages
from search_spaces.space import RESOLUTION

_ANY = 1 << 62
"""More units than any sum has."""


@dataclass(frozen=True)
class FittedSum:
    """A fitted score as a sum over stages.

    Attributes:
        score: The score.
        side: Resolution of the networks, in pixels; None for that of the fit.
        sign: 1, or -1 for sums that fall as the value grows.
    """

    score: FittedScore
    side: int | None = None
    sign: Literal[1, -1] = 1

    @property
    def name(self) -> str:
        """Name of the score."""
        return self.score.name

    def of(self, architecture: Architecture) -> float:
        """The predicted value of an architecture; nan for another family and for torchvision baselines."""
        if not isinstance(architecture, ChainArchitecture) or architecture.family != self.score.family:
            return math.nan
        total, known, before = 0, dict[str, Any](), set[str]()
        for place, stage in enumerate(KnownStages(architecture.chain()).of(architecture.choices())):
            known.update(stage.effective)
            total += int(self._units(known, before, first=place == 0))
            before = set(known)
        return float(replace(self, side=side_of(architecture)).value(total))

    def at(self, constants: Mapping[str, Any]) -> FittedSum:
        """The score of networks with these constants."""
        return replace(self, side=constants.get(RESOLUTION))

    def falling(self) -> FittedSum:
        """The same score, whose sums fall as the value grows."""
        return replace(self, sign=-1)

    def carried(self, read: Collection[str]) -> set[str]:
        """The choices among those read that terms of later stages need."""
        terms = [set(term.choices) for term in self.score.interactions]
        return {name for term in terms if not term <= set(read) for name in term & set(read)}

    def of_cells(self, cells: Cells) -> NDArray[np.int64]:
        """The terms of the cells of a stage table, in units."""
        units = self._units(cells.known, cells.read_before, cells.first)
        return np.broadcast_to(units, cells.count).astype(np.int64)

    def check(self, largest: int) -> None:
        """Check that floats represent all sums exactly.

        Raises:
            RequestError: They do not.
        """
        if largest >= MOST_UNITS:
            raise self._too_large()

    def _too_large(self) -> RequestError:
        return RequestError(f"the sums of score {self.name} are too large for this space; fit it again")

    def value(self, units: Any) -> Any:
        """The predicted value of a sum in units, or of a column of sums."""
        sums = np.ldexp(np.asarray(units, float), -self.score.bits)
        return self.score.at(self.score.link.value(self.sign * sums)[()], self.side)

    def units_of(self, values: Any) -> NDArray[np.int64]:
        """The sums, in units, of predicted values; the inverse of `value`."""
        sums = np.ldexp(self.score.link.sum(self.score.at_base(values, self.side)), self.score.bits)
        units: NDArray[np.int64] = self.sign * np.rint(sums).astype(np.int64)
        return units

    def units_within(self, least: float, most: float) -> tuple[int, int]:
        """The least and the largest sum, in units, whose values lie in a closed interval."""
        if self.sign < 0:
            low, high = replace(self, sign=1).units_within(least, most)
            return -high, -low
        return self._last(least, -1), self._last(most, 1)

    def _last(self, value: float, sign: int) -> int:
        """The last sum, upward for sign 1, downward for -1, whose value does not pass `value`.

        By bisection: far from 0 many sums have the same value, since floats are rounded.
        """
        if math.isinf(value):
            return _ANY if value > 0 else -_ANY
        within, beyond = -sign * _ANY, sign * _ANY
        while abs(beyond - within) > 1:
            middle = (within + beyond) // 2
            if sign * self.value(middle) <= sign * value:
                within = middle
            else:
                beyond = middle
        return within

    def _units(self, known: Mapping[str, Any], before: Collection[str], first: bool) -> Any:
        """The terms that the choices `known`, and not those read before alone, determine."""
        with np.errstate(over="ignore", invalid="ignore"):
            total = self._total(known, before, self.score.intercept if first else 0.0)
            units = np.rint(np.ldexp(total, self.score.bits))
        if not np.all(np.abs(units) < MOST_UNITS):
            raise self._too_large()
        return self.sign * units.astype(np.int64)

    def _total(self, known: Mapping[str, Any], before: Collection[str], start: float) -> Any:
        """The same as real numbers, added to a start."""
        total: Any = start
        functions: dict[str, list[Any]] = {}
        for term in self.score.interactions:
            choices = set(term.choices)
            if choices <= known.keys() and not choices <= set(before):
                for name in choices - functions.keys():
                    functions[name] = self.score.basis_of[name].columns(known[name])
                factors_of = product(*(functions[name] for name in term.choices))
                for coefficient, factors in zip(term.coefficients, factors_of, strict=True):
                    total = total + math.prod(factors, start=coefficient)
        return total
