"""A question to a space, as it was asked: a value that can be stored, compared and resolved into a goal."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Integral, Real

import search_spaces
from nas.budget import COSTS, Bound, parse_budget
from nas.goal import Goal, cheapest, front, maximum_mass
from search_spaces import Architecture, RequestError, Space
from search_spaces.architecture import Value
from search_spaces.errors import checked_kind, shown


def checked_cost(name: str, value: object) -> None:
    """Refuse what is no cost.

    Raises:
        TypeError: It is no text.
        RequestError: There is no such cost.
    """
    checked_kind(name, value, str, f"a cost, one of {', '.join(COSTS)}")
    if value not in COSTS:
        raise RequestError(f"{name}: {shown(value)} is not a cost; the costs are {', '.join(COSTS)}")


def _pin(name: object, value: object) -> tuple[str, Value]:
    """A choice or constant and its value, of numpy's numbers as one of Python."""
    checked_kind("fix", name, str, "names of choices and constants")
    checked_kind(f"fix: {name}", value, (str, Real), "a number or a word")
    if isinstance(value, Real):
        return str(name), int(value) if isinstance(value, Integral) else float(value)
    return str(name), str(value)


@dataclass(frozen=True)
class Question:
    """Which architectures of a space are asked for.

    Attributes:
        space: Name of the space.
        budgets: Budgets by cost, as written.
        fix: Choices pinned and constants set.
        like: A reference or spec whose NN-Mass is to be reached at the least cost.
        minimize: The cost that `like` minimises; FLOPs where it is left out.
        across_widths: Let `like` leave the base width of what it is to be like.
        pareto: A cost, for a front of NN-Mass against it.
    """

    space: str
    budgets: Mapping[str, str] = field(default_factory=dict)
    fix: Mapping[str, Value] = field(default_factory=dict)
    like: str | None = None
    minimize: str | None = None
    across_widths: bool = False
    pareto: str | None = None

    def __post_init__(self) -> None:
        checked_kind("fix", self.fix, Mapping, "names with values, as width_mult=1.0")
        object.__setattr__(self, "fix", dict(_pin(name, value) for name, value in self.fix.items()))
        checked_kind("across_widths", self.across_widths, bool, "True or False")
        if self.like is not None and self.pareto is not None:
            raise RequestError("--like and --pareto are two different searches; give one of them")
        if self.like is None and (self.across_widths or self.minimize is not None):
            raise RequestError("--minimize and --across-widths say how --like compares; give --like as well")
        for name, cost in (
            ("minimize", self.minimize),
            ("pareto", self.pareto),
            *(("budgets", cost) for cost in self.budgets),
        ):
            if cost is not None:
                checked_cost(name, cost)

    def bounds(self) -> tuple[Bound, ...]:
        """The budgets, understood."""
        return tuple(parse_budget(cost, self.budgets[cost]) for cost in COSTS if cost in self.budgets)

    def resolve(self, space: Space | None = None) -> tuple[Space, Goal]:
        """The space to search and what to look for in it.

        Args:
            space: The space to ask, if it is not the one registered under the name.

        Raises:
            RequestError: A part of the question does not make sense.
        """
        space = (space or search_spaces.get(self.space)).fix(**self.fix)
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
