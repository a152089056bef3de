"""The request of a search: a query, and the settings of Optuna."""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple, Self, get_args

from nas import proxies
from nas.columns import of_search
from nas.exact.resolutions import AnyProblem, problem_of_goal
from nas.goal import Goal
from nas.optimize.evidence import evidence, smaller_images
from nas.optimize.width import KeptWidth, kept_width
from nas.options import checked_values, documented, option, words
from nas.proxies.subject import BATCH
from nas.query import DEFAULT_SCORE, Query, check_ranks
from nas.schema import Stored
from nas.values import MOST_IMAGES, MOST_ROWS, MOST_SEED, Range
from search_spaces import RequestError, Space
from search_spaces.space import RESOLUTION

DEFAULT_TRIALS = 1000
Sampler = Literal["nsga2", "tpe", "random", "qmc"]
"""Samplers of Optuna: the first two learn from earlier trials."""
DEFAULT_SAMPLER: Sampler = "nsga2"
MEASURED_TRIALS = 200
MEASURED_SAMPLER: Sampler = "tpe"
"""Defaults for measured scores, which are slow. In so few trials `nsga2` does not learn: its first population
is random, and enqueued architectures are not part of it."""
MOST_TRIALS = 1_000_000


class _Resolved(NamedTuple):
    """What a request means: the space with its pinned choices, the goal, and the base width to keep."""

    whole: Space
    goal: Goal
    width: KeptWidth | None

    @property
    def space(self) -> Space:
        """The space to search."""
        return self.whole.fix(**self.width.chosen.base) if self.width else self.whole


def defaults(score: str) -> tuple[Sampler, int]:
    """The default sampler and number of trials for a score.

    Raises:
        RequestError: The score is unknown.
    """
    closed = proxies.get(score).closed_form
    return (DEFAULT_SAMPLER, DEFAULT_TRIALS) if closed else (MEASURED_SAMPLER, MEASURED_TRIALS)


@documented
@dataclass(frozen=True)
class Request(Query, Stored):
    """All settings that affect the result of a search."""

    sampler: str = option(
        "Optuna's sampler",
        default=DEFAULT_SAMPLER,
        choices=get_args(Sampler),
        usual=f"{DEFAULT_SAMPLER}; {MEASURED_SAMPLER} if a score is measured",
    )
    trials: int = option(
        "architectures to propose",
        default=DEFAULT_TRIALS,
        range=Range(1, MOST_TRIALS),
        usual=f"{DEFAULT_TRIALS:,}; {MEASURED_TRIALS} if a score is measured",
    )
    seed: int = option("seed of the sampler and of measured scores", default=0, range=Range(0, MOST_SEED))
    warm_start: bool = option(
        "begin with a uniform random sample inside the budgets, if nothing can be proven", default=True
    )
    score: str = option(
        "rank by this score, such as depth, zen or synflow (list: docs/studies.md). Measured scores take"
        " 0.05 s to a few seconds per network, on Gaussian noise",
        default=DEFAULT_SCORE,
        metavar="NAME",
    )
    score_batch: int = option("batch size of measured scores", default=BATCH, range=Range(2, MOST_IMAGES))
    per_width: int | None = option(
        "keep at most K architectures of each base width, since NN-Mass does not compare widths",
        default=None,
        range=Range(1, MOST_ROWS),
        metavar="K",
        usual="all",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.per_width is not None and self.pareto is not None:
            raise RequestError("--per-width would thin out the front of --pareto; leave out one of them")
        if of_search(self.score):
            raise RequestError(f"--score {self.score}: the table has a column of that name; register another")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """A request from values by name; sampler and trials that are missing follow from the score.

        Raises:
            RequestError: The values contradict each other, or one is wrong.
            TypeError: A value has the wrong type.
        """
        values = checked_values(cls, values)
        sampler, trials = defaults(values.get("score", DEFAULT_SCORE))
        return cls(**{"sampler": sampler, "trials": trials, **values})

    def resolve(self, space: Space | None = None) -> tuple[Space, Goal]:
        """The space and the goal of the search.

        Raises:
            RequestError: A part of the request is invalid.
        """
        resolved = self._resolved if space is None else self._resolve(space)
        return resolved.space, resolved.goal

    @cached_property
    def _resolved(self) -> _Resolved:
        return self._resolve(None)

    def _resolve(self, space: Space | None) -> _Resolved:
        whole, goal = super().resolve(space)
        proxy = proxies.get(self.score)
        if proxy.closed_form and self.score_batch != BATCH:
            raise RequestError(
                f"--score-batch {self.score_batch}: {self.score} uses no images; give another --score"
            )
        everywhere = self.across_widths or self.like is not None or self.per_width is not None
        keeps_one = proxy.one_width and not everywhere
        width = kept_width(whole, goal.bounds, goal.element_bytes) if keeps_one else None
        resolved = _Resolved(whole, goal, width)
        if self.per_width is None:
            check_ranks(proxy.name, resolved.space)
        return resolved

    def problem(self) -> AnyProblem:
        """The problem to solve.

        Raises:
            RequestError: A part of the request is invalid, or no network meets its bounds.
        """
        space, goal = self.resolve()
        try:
            return problem_of_goal(space, goal)
        except RequestError as error:
            raise RequestError(". ".join(filter(None, (self._unmet(error), self.advice)))) from None

    def _unmet(self, error: RequestError) -> str:
        """The error of bounds that no network meets, with the way out if it is the kept width."""
        whole, goal, kept = self._resolved
        if kept is None:
            return str(error)
        try:
            problem_of_goal(whole, goal)
        except RequestError as error_of_all:
            return str(error_of_all)
        return f"{error}, at {kept.written}; --across-widths searches all"

    @property
    def advice(self) -> str | None:
        """Advice on the resolution, if the budget is small and the resolution is not given."""
        if RESOLUTION in self.fix or self.resolutions:
            return None
        return smaller_images(self._resolved.whole, self.bounds())

    @property
    def kept_width(self) -> KeptWidth | None:
        """The base width that the search keeps; None if it searches all that --fix leaves.

        Raises:
            RequestError: A part of the request is invalid.
        """
        return self._resolved.width

    @classmethod
    def upgraded(cls, values: Mapping[str, Any]) -> Mapping[str, Any]:
        """The values of any version, converted to this version."""
        return super().upgraded({"warm_start": False, **values})  # the first versions had no warm start

    def arguments(self) -> str:
        """The request as arguments of the command."""
        return shlex.join(words(self, always=("sampler", "trials", "seed")))

    def name(self) -> str:
        """A short name for the run's folder."""
        bounds = [
            f"{bound.figure}-{bound.written(bound.most)}"
            if bound.most < math.inf
            else f"{bound.figure}-from-{bound.written(bound.least)}"
            for bound in self._resolved.goal.bounds
            if bound.figure != DEFAULT_SCORE
        ]
        score = [proxies.get(self.score).name] if self.score != DEFAULT_SCORE else []
        aim = ["like"] if self.like else []
        if self.pareto is not None:
            aim = [f"pareto-{self._resolved.goal.optimise[1][0]}"]
        sides = ["resolutions"] if self.resolutions else []
        return "-".join([self.space, *score, *aim, *sides, *bounds]).replace(",", "")

    @property
    def evidence(self) -> str | None:
        """The evidence on the top-ranked network; None unless the goal is NN-Mass or a fitted score."""
        if score := proxies.get(self.score).fitted:
            return f"Evidence: {score.sentence(objective=True)}"
        if self.score != DEFAULT_SCORE or self.like is not None or self.pareto is not None:
            return None
        return evidence(self._resolved.whole, self.kept_width)
