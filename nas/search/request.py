"""A search as it was asked for: a value that can be stored, compared and resolved into a space and a goal."""

from __future__ import annotations

import dataclasses
import math
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import search_spaces
from nas.budget import COSTS, Bound, exactly, parse_budget
from nas.search.goal import Goal, cheapest, front, maximum_mass
from search_spaces import Architecture, RequestError, Space
from search_spaces.architecture import Value

DEFAULT_TRIALS = 2000
DEFAULT_SAMPLER = "nsga2"


@dataclass(frozen=True)
class Request:
    """Everything that decides a search's result, apart from versions.

    Attributes:
        space: Name of the space.
        budgets: Budgets by cost, as written.
        fix: Choices pinned and constants set.
        like: A reference or spec whose NN-Mass is to be reached at the least cost.
        minimize: The cost that `like` minimises; FLOPs where it is left out.
        across_widths: Let `like` leave the base width of what it is to be like.
        pareto: A cost, for a front of NN-Mass against it.
        sampler: Name of the Optuna sampler.
        trials: How many architectures are proposed.
        seed: Seed of the sampler.
    """

    space: str
    budgets: Mapping[str, str] = field(default_factory=dict)
    fix: Mapping[str, Value] = field(default_factory=dict)
    like: str | None = None
    minimize: str | None = None
    across_widths: bool = False
    pareto: str | None = None
    sampler: str = DEFAULT_SAMPLER
    trials: int = DEFAULT_TRIALS
    seed: int = 0

    def __post_init__(self) -> None:
        for name, value, least in (("trials", self.trials, 1), ("seed", self.seed, 0)):
            if not isinstance(value, int) or value < least:
                raise RequestError(f"{name} is {value!r}, expected a whole number of at least {least}")
        if self.like is not None and self.pareto is not None:
            raise RequestError("--like and --pareto are two different searches; give one of them")
        if self.like is None and (self.across_widths or self.minimize is not None):
            raise RequestError("--minimize and --across-widths say how --like compares; give --like as well")
        for cost in (self.minimize or "flops", self.pareto or "flops", *self.budgets):
            if cost not in COSTS:
                raise RequestError(f"{cost!r} is not a cost; the costs are {', '.join(COSTS)}")

    def as_json(self) -> dict[str, Any]:
        """The request as plain values; the inverse of `of_json`."""
        return dataclasses.asdict(self)

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """The request that `as_json` gave.

        Raises:
            TypeError: The values are not those of a request.
        """
        request = cls(**values)
        texts = (
            request.space,
            request.sampler,
            request.minimize or "",
            request.like or "",
            request.pareto or "",
        )
        if not all(isinstance(text, str) for text in (*texts, *request.budgets.values(), *request.fix)):
            raise TypeError("a text is expected where there is none")
        return request

    def bounds(self) -> tuple[Bound, ...]:
        """The budgets, understood."""
        return tuple(parse_budget(cost, self.budgets[cost]) for cost in COSTS if cost in self.budgets)

    def resolve(self) -> tuple[Space, Goal]:
        """The space to search and what to look for in it.

        Raises:
            RequestError: A part of the request does not make sense.
        """
        space = search_spaces.get(self.space).fix(**self.fix)
        if self.pareto:
            return space, front(self.pareto, self.bounds())
        if self.like is None:
            return space, maximum_mass(self.bounds())
        example = self.example(space)
        if not self.across_widths:
            space = self._at_width_of(space, example.choices())
        return space, cheapest(self.minimize or "flops", float(example.figures().nn_mass), self.bounds())

    def example(self, space: Space) -> Architecture:
        """The architecture that `like` names, with the constants of the space."""
        return dataclasses.replace(space.parse(self.like or ""), **space.constants)

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

    def arguments(self) -> str:
        """The request as arguments of the command."""
        words = ["--space", self.space]
        for cost, written in self.budgets.items():
            words += [f"--{cost}", written]
        for name, value in self.fix.items():
            words += ["--fix", f"{name}={value}"]
        if self.like:
            words += ["--like", self.like]
            words += ["--minimize", self.minimize] if self.minimize else []
            words += ["--across-widths"] * self.across_widths
        if self.pareto:
            words += ["--pareto", self.pareto]
        words += ["--sampler", self.sampler, "--trials", str(self.trials), "--seed", str(self.seed)]
        return shlex.join(words)

    def name(self) -> str:
        """A short name for the run's folder."""
        caps = [(bound.figure, bound.most) for bound in self.bounds() if not math.isinf(bound.most)]
        aim = [f"pareto-{self.pareto}"] if self.pareto else ["like"] if self.like else []
        return "-".join(
            [self.space, *aim, *(f"{cost}-{exactly(cap).replace(',', '')}" for cost, cap in caps)]
        )
