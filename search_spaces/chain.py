"""An architecture as a chain of stages, each described once from its input state and its own choices.

The cost of a stage depends only on the state that the previous stages leave (usually a width) and on its own
choices. One description therefore gives the costs of a network, its modules, and the tables that score whole
spaces.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from search_spaces.architecture import Architecture
from search_spaces.cost import Column, Figures, total
from search_spaces.layers import Part, outlined, through
from search_spaces.memory import Memory
from search_spaces.outline import Outline

if TYPE_CHECKING:
    from torch import nn

Values: TypeAlias = Mapping[str, Column]
"""Choices or states by name: one value each, or a column of values."""


def unchanged(entering: Values, chosen: Values) -> Values:
    """The choices themselves: every combination gives a different network."""
    return chosen


@dataclass(frozen=True)
class Stage:
    """One stage of a chain.

    Attributes:
        name: Name of its module.
        choices: Names of the choices it reads.
        describe: Maps the input state and the stage's choices to its parts and the output state. Keep only
            what later stages need in a state: tables grow with the number of states.
        canonical: Maps the same arguments to one representative of all choices that give the same network;
            needed only if a choice can be without effect.
    """

    name: str
    choices: tuple[str, ...]
    describe: Callable[[Values, Values], tuple[Sequence[Part], Values]]
    canonical: Callable[[Values, Values], Values] = unchanged


Chain: TypeAlias = tuple[Stage, ...]


@dataclass(frozen=True, eq=False)
class Described:
    """A stage of one or more networks, and the values computed of it so far.

    Attributes:
        name: Name of its module.
        effective: The choices that it reads, each replaced by the value that has the same effect.
        parts: Its parts.
        leaving: The output state.
    """

    name: str
    effective: Values
    parts: Sequence[Part]
    leaving: Values
    _known: dict[str, Any] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, stage: Stage, entering: Values, values: Values) -> Self:
        """A stage after an input state, given the choices of the whole network."""
        chosen = {name: values[name] for name in stage.choices}
        return cls(stage.name, stage.canonical(entering, chosen), *stage.describe(entering, chosen))

    def value(self, name: str, function: Callable[[Sequence[Part]], Any]) -> Any:
        """What a function of its parts gives, computed the first time."""
        if name not in self._known:
            self._known[name] = function(self.parts)
        return self._known[name]

    @property
    def figures(self) -> Figures:
        """NN-Mass, parameters and operations."""
        found: Figures = self.value("figures", figures_of)
        return found


def described(chain: Chain, values: Values) -> Iterator[Described]:
    """The stages of the networks of these choices, in order; a choice is one value, or a column of them."""
    state: Values = {}
    for stage in chain:
        found = Described.of(stage, state, values)
        yield found
        state = found.leaving


class KnownStages:
    """The stages of many networks of one chain: equal choices after equal states are described once."""

    def __init__(self, chain: Chain) -> None:
        self._chain = chain
        self._known: dict[tuple[Any, ...], Described] = {}

    def of(self, values: Values) -> list[Described]:
        """The stages of the network of these choices, in order."""
        state: Values = {}
        found = list[Described]()
        for stage in self._chain:
            key = (stage.name, *state.values(), *(values[name] for name in stage.choices))
            if key not in self._known:
                self._known[key] = Described.of(stage, state, values)
            found.append(self._known[key])
            state = found[-1].leaving
        return found


def figures_of(parts: Sequence[Part]) -> Figures:
    """The figures of a stage."""
    return total(part.figures() for part in parts)


class ChainArchitecture(Architecture):
    """An architecture whose costs and module follow from its chain of stages."""

    @abstractmethod
    def chain(self) -> Chain:
        """The stages, which are the same for all architectures with the same constants."""

    def figures(self) -> Figures:
        """NN-Mass, parameters and operations, in closed form."""
        return total(figures_of(parts) for parts in self.stages())

    def peak_memory(self, element_bytes: int = 4) -> int:
        """Peak activation memory for one input, in bytes, as `search_spaces.memory` defines it.

        Args:
            element_bytes: Bytes per element of a tensor: 4 for float32, 1 for int8.

        >>> import search_spaces
        >>> search_spaces.parse("mobilenet:mobilenet_v2").peak_memory()
        6021120
        """
        memory = Memory(math.prod(self.input_shape))
        for parts in self.stages():
            memory = through(parts, memory)
        return int(memory.peak) * element_bytes

    def stages(self) -> list[Sequence[Part]]:
        """The parts of each stage, in order."""
        return [stage.parts for stage in described(self.chain(), self.choices())]

    def outlines(self) -> list[Outline]:
        """The output and the blocks of each stage, in order."""
        found, before = [], Outline.of_input(self.input_shape)
        for parts in self.stages():
            before = outlined(parts, replace(before, blocks=()))
            found.append(before)
        return found

    def assemble(self) -> nn.Module:
        """Build the module, with the default initialisation of torch's layers."""
        from torch import nn

        from search_spaces.modules import sequence

        stages = described(self.chain(), self.choices())
        return nn.Sequential(OrderedDict((stage.name, sequence(stage.parts)) for stage in stages))

    def initialise(self, model: nn.Module) -> None:
        """Initialise the weights of a module of this family."""
        from search_spaces.modules import initialise_images

        initialise_images(model)
