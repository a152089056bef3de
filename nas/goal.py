"""The goal of a search: which figures to drive which way, inside which bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from nas.budget import COSTS, Bound
from search_spaces.figures import Column

Direction: TypeAlias = Literal["maximize", "minimize"]
MAXIMIZE: Final = "maximize"
MINIMIZE: Final = "minimize"


@dataclass(frozen=True)
class Goal:
    """Figures to optimise, and bounds that a network must meet.

    Attributes:
        optimise: Figures with their directions; two of them ask for a Pareto front.
        bounds: Bounds, all of which must hold.
    """

    optimise: tuple[tuple[str, Direction], ...]
    bounds: tuple[Bound, ...] = ()

    def __str__(self) -> str:
        aims = " and ".join(f"{direction} {figure}" for figure, direction in self.optimise)
        return aims + "".join(f", {bound}" for bound in self.bounds)

    def meets(self, figures: Mapping[str, Column]) -> NDArray[np.bool_]:
        """Which of some networks meet all bounds."""
        meets: NDArray[np.bool_] = np.ones(len(figures["flops"]), bool)
        for bound in self.bounds:
            meets &= bound.meets(figures[bound.figure])
        return meets

    @property
    def trades_mass(self) -> bool:
        """Whether it wants much NN-Mass or little of a cost, so that its answers are on a front of them."""
        return all(
            figure == "nn_mass" if direction == MAXIMIZE else figure in COSTS
            for figure, direction in self.optimise
        )

    def scored_by(self, score: str, more_is_better: bool) -> Goal:
        """The goal with another score in the place of the figure that it names first."""
        return replace(self, optimise=((score, MAXIMIZE if more_is_better else MINIMIZE), *self.optimise[1:]))

    @property
    def order(self) -> list[tuple[str, bool]]:
        """The columns that ranking sorts by, and whether each ascends; ties go to the cheaper network."""
        aims = [(figure, direction == MINIMIZE) for figure, direction in self.optimise]
        named = {figure for figure, _ in aims}
        ties = [("nn_mass", False), ("flops", True), ("params", True), ("arch", True)]
        return aims + [(column, ascends) for column, ascends in ties if column not in named]


def maximum_mass(budgets: tuple[Bound, ...]) -> Goal:
    """The largest NN-Mass inside budgets."""
    return Goal((("nn_mass", MAXIMIZE),), budgets)


def cheapest(cost: str, mass: float, budgets: tuple[Bound, ...]) -> Goal:
    """The least cost at no less than a given NN-Mass: how the paper compresses networks."""
    return Goal(((cost, MINIMIZE),), (*budgets, Bound("nn_mass", least=mass)))


def front(cost: str, budgets: tuple[Bound, ...]) -> Goal:
    """The Pareto front of NN-Mass against a cost."""
    return Goal((("nn_mass", MAXIMIZE), (cost, MINIMIZE)), budgets)
