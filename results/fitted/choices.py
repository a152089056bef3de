"""What rules choose under caps: proven, at random, and by a long search for the best of a judge."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas import proxies
from nas.bounds import Bound
from nas.exact.graph import Graph
from nas.exact.problem import Problem, proven_best
from nas.fitted.score import FittedScore
from nas.fitted.sum import FittedSum
from nas.goal import MAXIMIZE, MINIMIZE, Goal
from nas.statistics import Values
from nas.sums import Sum
from nas.tables import FIGURES, Population, StageTables
from search_spaces import Space

Judge = Callable[[Population], Values]
RANDOM = 200
"""Random networks whose mean stands for a random choice."""
NEARLY = 0.97
"""Random networks, and the first of an evolution, have at least this fraction of the cap."""
SEED = 0
DRAWS, AT_ONCE = 200, 50_000
"""Most draws of random networks, and networks per draw."""


@dataclass(frozen=True)
class Budget:
    """Caps with a name.

    Attributes:
        name: Its name in tables.
        bounds: The caps; the first is the one that random networks nearly reach.
        design: A network designed by hand that meets them; empty for none.
    """

    name: str
    bounds: tuple[Bound, ...]
    design: str = ""


@dataclass(frozen=True)
class Chooser:
    """A space with the tables of the sums that choose or limit.

    Attributes:
        space: The space.
        sums: Scores other than NN-Mass and costs.
    """

    space: Space
    sums: tuple[Sum, ...]

    @classmethod
    def of(cls, space: Space, scores: Sequence[FittedScore], names: Sequence[str] = ()) -> Chooser:
        """A chooser by fitted scores and by the closed forms of these names."""
        closed = [proxies.get(name).stage_sum for name in names]
        return cls(space, (*map(FittedSum, scores), *(one for one in closed if one)))

    def _problem(self, figure: str, bounds: tuple[Bound, ...]) -> Problem:
        named = {figure, *(bound.figure for bound in bounds)} - set(FIGURES)
        tables = StageTables.of(self.space, [one for one in self.sums if one.name in named])
        direction = MAXIMIZE if self._more_is_better(figure) else MINIMIZE
        return Problem(self.space, Goal(((figure, direction),), bounds), tables, Graph.of(tables))

    def _more_is_better(self, figure: str) -> bool:
        one = next((one for one in self.sums if one.name == figure), None)
        return one.score.more_is_better if isinstance(one, FittedSum) else True

    def best(self, figure: str, bounds: tuple[Bound, ...], k: int = 1) -> tuple[Population, float]:
        """The k networks of largest values inside bounds, and the gap of their proof."""
        found = proven_best(self._problem(figure, bounds), k)
        return found.population[:k], found.gap

    def random(self, bounds: tuple[Bound, ...], count: int) -> Population:
        """A uniform sample of the networks that nearly reach the first cap; fewer where they are rare."""
        first, *rest = bounds
        inside = self.meets((Bound(first.figure, NEARLY * first.most, first.most), *rest))
        generator, numbers = np.random.default_rng(SEED), len(self.space.choices)
        found: Population = np.zeros((0, numbers), np.uint8)
        for _ in range(DRAWS):
            drawn = (generator.random((AT_ONCE, numbers)) * self.options).astype(np.uint8)
            found = np.vstack([found, drawn[inside(drawn)]])
            if len(found) >= count:
                break
        return found[:count]

    @property
    def options(self) -> tuple[int, ...]:
        """Number of options of each choice."""
        return tuple(map(len, self.space.choices.values()))

    def meets(self, bounds: tuple[Bound, ...]) -> Callable[[Population], Any]:
        """A function that says for each row of a population whether it lies inside bounds."""
        tables = StageTables.of(self.space, self.sums)

        def inside(population: Population) -> Any:
            figures = tables.score(population)
            return np.logical_and.reduce([bound.meets(figures[bound.figure]) for bound in bounds])

        return inside


@dataclass(frozen=True)
class Evolution:
    """A long search for the network that a judge thinks best.

    Attributes:
        options: Number of options of each choice.
        judge: Value of each row of option numbers; more is better.
        inside: Whether each row lies inside the bounds.
        size: Size of the population.
        generations: Number of generations.
    """

    options: tuple[int, ...]
    judge: Judge
    inside: Callable[[Population], Any]
    size: int = 200
    generations: int = 120

    def run(self, first: Population, seed: int) -> Population:
        """The last population of a search, best first.

        Half of the children are crossed; each choice of a child is drawn again with a probability of
        1 / choices or three times that.
        """
        generator = np.random.default_rng(seed)
        population = self._best(first)
        for _ in range(self.generations):
            parents = population[generator.integers(len(population), size=(2, 2 * self.size))]
            crossed = generator.random(parents[0].shape) < 0.5
            crossed &= generator.random(2 * self.size)[:, None] < 0.5
            children = np.where(crossed, parents[1], parents[0])
            rate = generator.choice([1, 3], size=(2 * self.size, 1)) / len(self.options)
            drawn = (generator.random(children.shape) * self.options).astype(children.dtype)
            children = np.where(generator.random(children.shape) < rate, drawn, children)
            population = self._best(np.vstack([population, children[self.inside(children)]]))
        return population

    def climbed(self, start: Population) -> Population:
        """The network that no change of one or two choices improves, as one row; from the best of several."""
        current = self._best(start)[:1]
        while True:
            near = self._changed(current)
            better = self._best(np.vstack([current, near[self.inside(near)]]))[:1]
            if (better == current).all():
                return current
            current = better

    def _changed(self, current: Population) -> Population:
        """All networks that differ in one or two choices."""
        single = [
            (place, value)
            for place, count in enumerate(self.options)
            for value in range(count)
            if value != current[0, place]
        ]
        pairs = [(one, other) for one in single for other in single if one[0] <= other[0]]
        found = np.repeat(current, len(pairs), axis=0)
        for row, changes in zip(found, pairs, strict=True):
            for place, value in changes:
                row[place] = value
        return np.unique(found, axis=0)

    def _best(self, population: Population) -> Population:
        """The different networks of largest values."""
        different = np.unique(population, axis=0)
        return different[np.argsort(-self.judge(different), kind="stable")[: self.size]]


def judges_best(
    evolution: Evolution, first: Population, chosen: Population, seeds: Sequence[int]
) -> Population:
    """The best network for a judge that searches and climbs find, as one row.

    Args:
        first: Networks inside the bounds that searches begin with.
        chosen: Networks that climbs begin with, beside the results of the searches.
    """
    found = [evolution.climbed(evolution.run(first, seed)) for seed in seeds]
    found.append(evolution.climbed(chosen))
    every = np.vstack(found)
    return every[np.argmax(evolution.judge(every))][None]
