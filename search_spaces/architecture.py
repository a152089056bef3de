"""The base class of all architectures: a frozen value with a spec, costs and a module."""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeAlias

from search_spaces import spec
from search_spaces.cost import Figures
from search_spaces.errors import RequestError, checked_kind, shown

if TYPE_CHECKING:
    from torch import nn

Value: TypeAlias = int | float | str


@dataclass(frozen=True)
class Architecture(ABC):
    """A network of some family, described by its choices.

    A family is a frozen dataclass whose fields are made by `search_spaces.spec.choice`. A family that can be
    searched is a chain of stages: `search_spaces.chain.ChainArchitecture`.
    """

    family: ClassVar[str]
    """The name before the colon of a spec."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            object.__setattr__(self, field.name, spec.checked(self.family, field, getattr(self, field.name)))

    def __str__(self) -> str:
        return spec.write(self)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Parse a spec.

        Raises:
            RequestError: The spec does not parse; the message gives the position.
        """
        return spec.read(cls, text)

    @classmethod
    def constant_names(cls) -> tuple[str, ...]:
        """Names of the fields that a search does not vary, such as the resolution."""
        return tuple(field.name for field in dataclasses.fields(cls) if spec.settings(field).constant)

    def constants(self) -> dict[str, Value]:
        """Values of the fields that a search does not vary, by name."""
        return {name: getattr(self, name) for name in self.constant_names()}

    def choices(self) -> dict[str, Value]:
        """Values of the choices, by name; a field with one entry per stage gives one choice per entry."""
        values: dict[str, Value] = {}
        for field in dataclasses.fields(self):
            if not spec.settings(field).constant:
                names = spec.choice_names(field)
                value = getattr(self, field.name)
                values.update(zip(names, value if isinstance(value, tuple) else (value,), strict=True))
        return values

    @classmethod
    def of_choices(cls, choices: Mapping[str, Value], /, **constants: Value) -> Self:
        """Make the architecture with these choices; the inverse of `choices()`.

        Raises:
            RequestError: A choice is missing or unknown, or its value is not allowed.
            TypeError: `choices` is not a mapping.
        """
        checked_kind("choices", choices, Mapping, "values by name")
        left, fields = dict(choices), dict[str, Any](constants)
        for field in dataclasses.fields(cls):
            if not spec.settings(field).constant:
                try:
                    values = tuple(left.pop(name) for name in spec.choice_names(field))
                except KeyError as missing:
                    raise RequestError(f"choices: {missing} is missing; {cls.family} needs it") from None
                fields[field.name] = values if isinstance(field.default, tuple) else values[0]
        if left:
            raise RequestError(f"choices: {cls.family} has no {shown(next(iter(left)))}")
        return cls(**fields)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch dimension: RGB images of the constant `resolution`.

        A family whose inputs are not images overrides it.
        """
        side = int(self.constants()["resolution"])
        return (3, side, side)

    @abstractmethod
    def figures(self) -> Figures:
        """NN-Mass, parameters and operations of the network."""

    def build(self) -> nn.Module:
        """Build and initialise the module; the weights depend on torch's random state.

        Shape: (N, *input_shape) to (N, num_classes).
        """
        model = self.assemble()
        self.initialise(model)
        return model

    @abstractmethod
    def assemble(self) -> nn.Module:
        """Build the module, with the default initialisation of its layers."""

    @abstractmethod
    def initialise(self, model: nn.Module) -> None:
        """Initialise the weights of a module of this family."""
