"""Scores that are sums of a term over the stages of a network, in whole numbers.

A term is rounded to a whole number of units, and the score is the sum of these. Such sums do not depend on
their order, so the score of one network, the scores of populations and the proofs agree to the last bit, as
those of NN-Mass do. A term is always computed of one stage at a time, from numbers of Python: NumPy may round
the last bit of a function differently in a column.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from search_spaces import Architecture
from search_spaces.chain import ChainArchitecture, figures_of
from search_spaces.cost import Figures

Term: TypeAlias = Callable[[Figures], Any]
"""The contribution of a stage to a score, a finite number, from the figures of the stage."""

SCALE = 2**36
"""Default number of units per 1: a term is rounded by at most 7.3e-12."""

MOST_UNITS = 2**53
"""Floats represent whole numbers below this."""


@dataclass(frozen=True)
class Cells:
    """The cells of a stage table, as scores see them: one per combination of input state and options.

    Attributes:
        count: Number of cells.
        figures: Figures of the stage, with a number, or a column of `count` numbers, for each value.
        known: Choices of this stage and those that the states carry: values of each cell, without effect ones
            replaced.
        read_before: Names of the choices that earlier stages read.
        first: Whether it is the first stage.
    """

    count: int
    figures: Figures
    known: Mapping[str, Any]
    read_before: frozenset[str]
    first: bool


class Sum(Protocol):
    """A score that is a sum of whole numbers of units over stages, and an increasing function of the sum."""

    @property
    def name(self) -> str:
        """Name of the score."""

    def of(self, architecture: Architecture) -> float:
        """The score of an architecture; nan where it has none."""

    def at(self, constants: Mapping[str, Any]) -> Sum:
        """The score of networks with these constants."""

    def carried(self, read: Collection[str]) -> set[str]:
        """The choices among those read so far that later stages need."""

    def of_cells(self, cells: Cells) -> NDArray[np.int64]:
        """The terms of the cells of a stage table, in units."""

    def check(self, largest: int) -> None:
        """Check that floats represent all sums, of at most `largest` units, exactly."""

    def value(self, units: Any) -> Any:
        """The score of a sum in units, or of a column of sums."""

    def units_of(self, values: Any) -> NDArray[np.int64]:
        """The sums, in units, of scores; the inverse of `value`."""

    def units_within(self, least: float, most: float) -> tuple[int, int]:
        """The least and the largest sum, in units, whose scores lie in a closed interval."""


@dataclass(frozen=True)
class StageSum:
    """A score that is a sum of a term over stages, which depends on the figures of the stage.

    Attributes:
        name: Name of the score.
        term: The contribution of a stage.
        scale: Units per 1, a power of two. Sums of less than 2^53 units are floats without further rounding.

    >>> one = StageSum("root_flops", lambda stage: math.sqrt(stage.flops))
    >>> one.value(one.units(Figures(operators={"conv": 9})) + one.units(Figures()))
    3.0
    """

    name: str
    term: Term
    scale: int = SCALE
    _known: dict[tuple[Any, ...], int] = field(default_factory=dict, init=False, repr=False, compare=False)

    def of(self, architecture: Architecture) -> float:
        """The score of an architecture; nan for torchvision baselines, which have no stages."""
        if not isinstance(architecture, ChainArchitecture):
            return math.nan
        return float(self.value(sum(self.units(figures_of(parts)) for parts in architecture.stages())))

    def units(self, stage: Figures) -> int:
        """The term of a stage, in units.

        Raises:
            ValueError: The term is not a finite number.
        """
        operators = sorted((name, int(count)) for name, count in stage.operators.items())
        return self._of((int(stage.mass_units), int(stage.params), *operators))

    def at(self, constants: Mapping[str, Any]) -> StageSum:
        """The same: the figures of stages follow from the constants."""
        return self

    def carried(self, read: Collection[str]) -> set[str]:
        """None: a term depends on one stage."""
        return set()

    def of_cells(self, cells: Cells) -> NDArray[np.int64]:
        """The terms of the cells of a stage table, in units.

        Raises:
            ValueError: A term is not a finite number, or too large.
        """

        def column(values: Any) -> list[int]:
            whole: list[int] = np.broadcast_to(values, cells.count).tolist()
            return whole

        stages = cells.figures
        names = sorted(stages.operators)
        operators = [[(name, count) for count in column(stages.operators[name])] for name in names]
        rows = zip(column(stages.mass_units), column(stages.params), *operators, strict=True)
        units = [self._of(row) for row in rows]
        self.check(max(map(abs, units)))
        return np.array(units, np.int64)

    def check(self, largest: int) -> None:
        """Check that floats represent all sums exactly.

        Args:
            largest: An upper bound on the absolute values of sums, in units.

        Raises:
            ValueError: It is too large.
        """
        if largest >= MOST_UNITS:
            raise ValueError(
                f"sums of {self.name} are too large; register it with a scale below {self.scale}"
            )

    def value(self, units: Any) -> Any:
        """The score of a sum in units, or of a column of sums."""
        return units / self.scale

    def units_of(self, values: Any) -> NDArray[np.int64]:
        """The sums, in units, of scores; the inverse of `value`."""
        units: NDArray[np.int64] = np.rint(np.multiply(values, self.scale)).astype(np.int64)
        return units

    def units_within(self, least: float, most: float) -> tuple[int, int]:
        """The least and the largest sum, in units, whose scores lie in a closed interval."""
        return math.ceil(least * self.scale), math.floor(most * self.scale)

    def _of(self, stage: tuple[Any, ...]) -> int:
        """The term of a stage, given its mass in units, parameters, and pairs of operator and operations."""
        if stage not in self._known:
            mass, params, *operators = stage
            figures = Figures(mass, params, {name: count for name, count in operators if count})
            term = float(self.term(figures))
            if not math.isfinite(term):
                raise ValueError(f"the term of {self.name} is {term} for {figures}; terms must be finite")
            self._known[stage] = round(term * self.scale)
        return self._known[stage]
