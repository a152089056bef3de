"""What is proven about a search: the optimum it looked for, and how many architectures meet its budgets."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pandas as pd

from nas.budget import COSTS, exactly
from nas.exact.answers import front_against, inside_of, proven_best, proven_front
from nas.exact.inside import ROUGH
from nas.goal import MAXIMIZE, Goal
from nas.problem import Problem
from nas.scoring import FIGURES, Population
from nas.table import figures_of


@dataclass(frozen=True)
class Proof:
    """What no search can better.

    Attributes:
        best: The best value of the figure that the goal names first; missing where none is known.
        gap: The largest share by which another architecture could be better; 0 where `best` is proven.
        meeting: How many architectures meet the budgets.
        rounding: The largest share of a budget by which what was counted for `meeting` is off.
        networks: The best network, or none; of a goal of two figures the front's members, the cheapest first.
        members: Of a goal of two figures, the figures of the front's members.
    """

    best: float | None
    gap: float
    meeting: int
    rounding: float
    networks: Population
    members: list[tuple[float, ...]] | None = None

    @classmethod
    def of(cls, problem: Problem) -> Proof | None:
        """Prove what there is to find.

        Nothing is proven of a goal whose figures are no sums over stages, or of a front without NN-Mass.
        """
        goal = problem.goal
        of_front = len(goal.optimise) > 1
        if any(figure not in FIGURES for figure, _ in goal.optimise) or (of_front and not goal.trades_mass):
            return None
        proven = proven_front(problem) if of_front else proven_best(problem)
        members = None
        if of_front:
            members = _points(figures_of(problem.space, problem.tables, goal, proven.population), goal)
        inside = inside_of(problem, ROUGH)
        best = proven.values[-1 if of_front else 0] if proven.values else None  # a front: the cheapest first
        meeting = max(inside.count, len(proven.values))  # a rounded count may miss the last few
        return cls(best, proven.gap, meeting, inside.rounding, proven.population, members)

    def sentence(self, goal: Goal, found: pd.DataFrame) -> str:
        """How near a search has come."""
        there_are = f"({shortly(self.meeting)} architectures {_meeting(goal)})"
        if self.members is not None:
            matched = len(set(self.members) & set(_points(found, goal)))
            proven = "proven front" if self.gap == 0 else f"front, proven to {100 * self.gap:.2g}%,"
            return f"found {matched:,} of the {len(self.members):,} points of the {proven} {there_are}"
        (figure, direction), *_ = goal.optimise
        value = float(found[figure].iloc[0])
        if self.best is None:
            return f"best found {exactly(value)}; how much better others are is not proven {there_are}"
        extreme = "maximum" if direction == MAXIMIZE else "minimum"
        proven = f"the proven {extreme} {_shown(figure, self.best)}"
        if self.gap:
            proven = f"the {extreme} {_shown(figure, self.best)}, proven to {100 * self.gap:.2g}%"
        return f"best found {_shown(figure, value)} = {_share(value, self.best)} of {proven} {there_are}"

    def as_json(self) -> dict[str, Any]:
        """As plain values; of the members their number."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        del values["networks"]
        values["members"] = None if self.members is None else len(self.members)
        values["gap"] = self.gap if math.isfinite(self.gap) else None
        return values


def warm_start(problem: Problem, proof: Proof | None, most: int, seed: int = 0) -> Population:
    """Architectures to begin a search with, the optimum first where it is known.

    They are members of the exact front, evenly spread where they are many. For a goal of one figure it is the
    front of NN-Mass against the first cost that the goal names. Where a goal is not about NN-Mass and costs,
    or no front is found, they are even draws from inside the bounds.

    Args:
        seed: Seed of the draws.
    """
    if proof is None:
        return _draws(problem, most, seed)
    if not problem.goal.trades_mass:
        return np.concatenate([proof.networks, _draws(problem, most, seed)])[:most]
    members = proof.networks if proof.members is not None else _front_of_maximum(problem)
    if not len(members):
        return _draws(problem, most, seed)
    ends = (len(members) - 1, 0) if problem.goal.optimise[0][1] == MAXIMIZE else (0, len(members) - 1)
    spread = np.linspace(*ends, min(most, len(members))).round().astype(int)
    return np.asarray(members[spread])


def _draws(problem: Problem, count: int, seed: int) -> Population:
    """Networks from inside the bounds, any as likely as any other."""
    return problem.graph.population(inside_of(problem).draw(count, np.random.default_rng(seed)))


def _front_of_maximum(problem: Problem) -> Population:
    """The front that a goal of one figure lies on, the cheapest first."""
    aims = (figure for figure, _ in problem.goal.optimise)
    bounded = (bound.figure for bound in problem.goal.bounds)
    cost = next((figure for figure in (*aims, *bounded) if figure in COSTS), "flops")
    return front_against(problem, cost).population


def shortly(count: int) -> str:
    """A count in at most six characters.

    >>> shortly(1_551), shortly(372_108), shortly(396_833_146_141_334)
    ('1,551', '3.7e5', '4.0e14')
    """
    if count < 10_000:
        return f"{count:,}"
    mantissa, _, exponent = f"{count:.1e}".partition("e")
    return f"{mantissa}e{int(exponent)}"


def _points(figures: pd.DataFrame, goal: Goal) -> list[tuple[float, ...]]:
    """The two figures of a front's members."""
    return list(zip(*(figures[figure].tolist() for figure, _ in goal.optimise), strict=True))


def _share(value: float, best: float) -> str:
    """A value as a share of the best one; 100.0% only where they are equal.

    >>> _share(2810.99, 2811.0), _share(5, 5), _share(0, 0), _share(100_001, 100_000)
    ('99.9%', '100.0%', '100.0%', '100.1%')
    """
    if value == best or not best:
        return "100.0%" if value == best else "-"
    tenths = 1000 * value / best
    return f"{(math.floor(tenths) if tenths < 1000 else math.ceil(tenths)) / 10:.1f}%"


def _meeting(goal: Goal) -> str:
    if not goal.bounds:
        return "in the space"
    return "meet the " + ("budget" if all(bound.figure in COSTS for bound in goal.bounds) else "bounds")


def _shown(figure: str, value: float) -> str:
    return f"{value:.1f}" if figure == "nn_mass" else f"{int(value):,} {figure}"
