"""Goals: what a search optimises, inside which bounds, and how networks are ordered by it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.bounds import COSTS, Bound
from nas.tables import PEAK
from search_spaces.cost import Column

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

    @property
    def tabulated_bytes(self) -> int | None:
        """Bytes per element, if peak memory is limited; otherwise None."""
        return self.element_bytes if any(bound.figure == PEAK for bound in self.bounds) else None

    def scored_by(self, score: str, more_is_better: bool) -> Goal:
        """The goal with another score as the first objective."""
        return replace(self, optimise=((score, MAXIMIZE if more_is_better else MINIMIZE), *self.optimise[1:]))

    @property
    def axes(self) -> tuple[str, str]:
        """What plots of the goal show across and up.

        Across is the second objective, or the first cost, or FLOPs; up the first objective.

        >>> from nas.bounds import parse_budget
        >>> Goal((("nn_mass", MAXIMIZE),), (parse_budget("params", "3M"),)).axes
        ('params', 'nn_mass')
        """
        score = self.optimise[0][0]
        if len(self.optimise) > 1:
            return self.optimise[1][0], score
        named = [*(bound.figure for bound in self.bounds), score]
        across = (figure for figure in (*named, "flops", "params") if figure in COSTS and figure != score)
        return next(across), score

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


def front(cost: str, budgets: tuple[Bound, ...], direction: Direction = MINIMIZE) -> Goal:
    """The goal of the Pareto front of NN-Mass against a cost, or against a score in its better direction."""
    return Goal((("nn_mass", MAXIMIZE), (cost, direction)), budgets)
