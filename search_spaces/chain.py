"""An architecture as a chain of stages: each described once, from what enters it and its own choices.

What a stage costs depends on the state the stages before it leave behind (a width, mostly) and on its own
choices, nothing else. So one description gives a network's figures, its modules, and the tables from which
whole spaces are scored.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from search_spaces.figures import Column
from search_spaces.layers import Part

Values: TypeAlias = Mapping[str, Column]
"""Choices or states by name: one value each, or a column."""


def as_chosen(entering: Values, chosen: Values) -> Values:
    """The choices as they are: each makes a network of its own."""
    return chosen


@dataclass(frozen=True)
class Stage:
    """One link of the chain.

    Attributes:
        name: What its module is called.
        choices: Names of the choices it reads.
        describe: From the state that enters and its own choices, the parts of the stage and the state that
            leaves. A state holds no more than later stages need: tables grow with the states there are.
        canonical: From the same two, the same choices for all that make the same network, where a choice
            can be without effect.
    """

    name: str
    choices: tuple[str, ...]
    describe: Callable[[Values, Values], tuple[Sequence[Part], Values]]
    canonical: Callable[[Values, Values], Values] = as_chosen


Chain: TypeAlias = tuple[Stage, ...]


def walk(chain: Chain, values: Values) -> Iterator[tuple[Stage, Sequence[Part]]]:
    """Each stage with its parts, for the choices in `values`."""
    state: Values = {}
    for stage in chain:
        parts, state = stage.describe(state, {name: values[name] for name in stage.choices})
        yield stage, parts
