"""An architecture as a chain of stages: each described once, from what enters it and its own choices.

What a stage costs depends on the state the stages before it leave behind (a width, mostly) and on its own
choices, nothing else. So one description gives a network's figures, its modules, and the tables from which
whole spaces are scored.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from search_spaces.architecture import Architecture
from search_spaces.cost import Column, Figures, total
from search_spaces.layers import Part

if TYPE_CHECKING:
    from torch import nn

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


class ChainArchitecture(Architecture):
    """An architecture whose figures and module come from its chain of stages."""

    @abstractmethod
    def chain(self) -> Chain:
        """The stages of all architectures that share this one's constants."""

    def figures(self) -> Figures:
        """NN-Mass, parameters and operations, in closed form."""
        stages = walk(self.chain(), self.choices())
        return total(total(part.figures() for part in parts) for _, parts in stages)

    def assemble(self) -> nn.Module:
        """The module with its weights as torch's layers draw them."""
        from torch import nn

        from search_spaces.modules import sequence

        stages = walk(self.chain(), self.choices())
        return nn.Sequential(OrderedDict((stage.name, sequence(parts)) for stage, parts in stages))

    def initialise(self, model: nn.Module) -> None:
        """Draw the weights of a module of this family."""
        from search_spaces.modules import initialise_images

        initialise_images(model)
