"""A search space: the choices of a family of architectures, and the options of each choice."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from numbers import Integral, Real
from typing import Final, NamedTuple, TypeAlias

from search_spaces.architecture import Architecture, Value
from search_spaces.chain import Chain, ChainArchitecture
from search_spaces.errors import (
    RequestError,
    checked_kind,
    did_you_mean,
    listed,
    printable,
    shortened,
    shown,
)

Options: TypeAlias = tuple[Value, ...]

RESOLUTION: Final = "resolution"
"""The field of architectures that is the side of their images, in pixels."""


class Scaled(NamedTuple):
    """A baseline at a base width.

    Attributes:
        name: Name of the reference.
        base: The base width: values of the choices in `Space.base`.
        network: The reference with these values.
    """

    name: str
    base: Mapping[str, Value]
    network: Architecture


@dataclass(frozen=True)
class Space:
    """A family of architectures with the options of its choices.

    Attributes:
        name: Its name on the command line.
        architecture: The class of its architectures.
        choices: The options of every choice, in order; a choice with one option is fixed.
        references: Named architectures for comparison.
        base: The choices that set the base width. NN-Mass compares networks only if these are equal.
        baselines: Names of the references that decide which base width a search keeps: the largest at which
            one of them does not exceed the budget.
        base_widths: Base widths that a search may keep, where they are not all combinations of options.
        constants: Values of fields that a search does not vary, if they differ from the defaults.

    The resolution of images, a constant of architectures, is a choice of the spaces that `over` makes.
    """

    name: str
    architecture: type[ChainArchitecture]
    choices: Mapping[str, Options]
    references: Mapping[str, Architecture] = field(default_factory=dict)
    base: tuple[str, ...] = ()
    baselines: tuple[str, ...] = ()
    base_widths: tuple[Mapping[str, Value], ...] = ()
    constants: Mapping[str, Value] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Number of combinations of options; combinations that give the same network count separately."""
        return math.prod(len(options) for options in self.choices.values())

    def chain(self) -> Chain:
        """The chain of stages of its architectures."""
        return self.architecture(**self.constants).chain()

    def of_choices(self, choices: Mapping[str, Value]) -> Architecture:
        """Make the architecture with these choices.

        Raises:
            RequestError: A choice is missing or unknown, or its value is not allowed.
            TypeError: `choices` is not a mapping.
        """
        checked_kind("choices", choices, Mapping, "a mapping of names to values")
        constants = self.architecture.constant_names()
        lifted = {name: value for name, value in choices.items() if name in constants}
        own = {name: value for name, value in choices.items() if name not in lifted} if lifted else choices
        return self.architecture.of_choices(own, **{**self.constants, **lifted})

    def choices_of(self, architecture: Architecture) -> dict[str, Value]:
        """Values of the choices of the space for an architecture; the inverse of `of_choices`."""
        values = {**architecture.constants(), **architecture.choices()}
        return {name: values[name] for name in self.choices}

    def of_options(self, numbers: Iterable[int]) -> Architecture:
        """Make the architecture given by the index of an option, from 0, for each choice in order.

        Raises:
            RequestError: An index is out of range, or there are not as many as choices.
            TypeError: An index is not a whole number.
        """
        given = tuple(numbers) if isinstance(numbers, Iterable) else ()
        if len(given) != len(self.choices):
            raise RequestError(f"numbers is {shown(numbers)}, expected {len(self.choices)}, one per choice")
        taken = {}
        for (name, options), number in zip(self.choices.items(), given, strict=True):
            if type(number) is not int:
                checked_kind(f"numbers: {name}", number, Integral, "a whole number")
            if not 0 <= number < len(options):
                raise RequestError(
                    f"numbers: {name} is {shown(number)}, expected an index from 0 to {len(options) - 1}"
                )
            taken[name] = options[number]
        return self.of_choices(taken)

    @property
    def first(self) -> Architecture:
        """The architecture of the first option of each choice."""
        return self.of_options([0] * len(self.choices))

    def parse(self, text: str) -> Architecture:
        """Parse a spec or the name of a reference.

        Raises:
            RequestError: It is neither; the message gives the position of the error and the references.
            TypeError: `text` is not a string.
        """
        checked_kind("text", text, str, "a spec or the name of a reference")
        name = text.removeprefix(f"{self.architecture.family}:")
        if name in self.references:
            return self.references[name]
        try:
            return self.architecture.parse(text)
        except RequestError as error:
            hint = did_you_mean(name, self.references)
            known = ", ".join(self.references) or "none"
            raise RequestError(
                f"{error}; it is not a reference of {self.name} either ({known}){hint}"
            ) from None

    def fix(self, /, **values: Value) -> Space:
        """A copy with choices pinned to one option and constants set.

        Raises:
            RequestError: There is no such choice or constant, or the value is not one of its options.
            TypeError: A value is neither a number nor a string, nor True or False for a switch.

        >>> import search_spaces
        >>> search_spaces.get("mobilenet").fix(width_mult=1, resolution=192).size
        8640
        """
        choices, constants = dict(self.choices), dict(self.constants)
        names = self.architecture.constant_names()
        for name, value in values.items():
            if name in choices:
                choices[name] = (self._option(name, value),)
            if name in names:
                constants[name] = self.architecture(**{name: value}).constants()[name]
            elif name not in choices:
                known = (*choices, *names)
                hint = did_you_mean(name, known)
                raise RequestError(
                    f"{self.name} has no choice {shown(name)}{hint}; it has {', '.join(known)}"
                )
        return dataclasses.replace(
            self, choices=choices, constants=constants, references=self._references(constants)
        )

    def over(self, resolutions: Iterable[int]) -> Space:
        """A copy with the resolution of images as the first choice, which belongs to the base width.

        References get the largest resolution.

        Raises:
            RequestError: The architectures have no resolution, or cannot have one of these.

        >>> import search_spaces
        >>> small = search_spaces.get("mobilenet").fix(width_mult=1).over((128, 224))
        >>> small.size, str(small.of_options([0] * 16))
        (17280, 'mobilenet:w1.0_d1-2-2-2-2-2-1_r128')
        """
        if RESOLUTION not in self.architecture.constant_names():
            raise RequestError(f"{self.name} has no resolution; leave out resolutions")
        sides = tuple(
            sorted(int(self.fix(**{RESOLUTION: side}).constants[RESOLUTION]) for side in resolutions)
        )
        if not sides or len(set(sides)) < len(sides):
            raise RequestError(
                f"resolutions are {listed(map(str, sides))}, expected one or more different ones"
            )
        return dataclasses.replace(
            self,
            choices={RESOLUTION: tuple(sides), **self.choices},
            base=(RESOLUTION, *self.base),
            references=self._references({RESOLUTION: sides[-1]}),
        )

    def at(self, resolution: Value) -> Space:
        """A copy with one of its resolutions as a constant, which is no choice any more."""
        fixed = self.fix(**{RESOLUTION: resolution})
        choices = {name: options for name, options in self.choices.items() if name != RESOLUTION}
        base = tuple(name for name in self.base if name != RESOLUTION)
        return dataclasses.replace(fixed, choices=choices, base=base)

    @property
    def resolutions(self) -> tuple[Value, ...]:
        """The resolutions, if they are a choice of the space; otherwise none."""
        return self.choices.get(RESOLUTION, ())

    def _references(self, constants: Mapping[str, Value]) -> dict[str, Architecture]:
        return {name: dataclasses.replace(each, **constants) for name, each in self.references.items()}

    def scaled_baselines(self) -> Iterator[Scaled]:
        """Every baseline at every base width; a pinned choice keeps its option, a word that of the baseline.

        A baseline whose word is pinned to another is left out: a ResNet-50 of basic blocks is none.

        >>> import search_spaces
        >>> [scaled.base["width_mult"] for scaled in search_spaces.get("mobilenet").scaled_baselines()][:3]
        [0.35, 0.4, 0.45]
        """
        pinned = {name: self.choices[name][0] for name in self.base if len(self.choices[name]) == 1}
        for name in self.baselines:
            choices = self.choices_of(self.references[name])
            if any(isinstance(word, str) and choices[choice] != word for choice, word in pinned.items()):
                continue
            seen: list[Mapping[str, Value]] = []
            for width in self._widths(choices):
                base = {**width, **pinned}
                if base not in seen:
                    seen.append(base)
                    yield Scaled(name, base, self.of_choices({**choices, **base}))

    def _widths(self, choices: Mapping[str, Value]) -> Iterator[Mapping[str, Value]]:
        """The base widths of a baseline, at every resolution."""
        if not self.base_widths:
            yield from self._combinations(choices)
        for side in self.resolutions if self.base_widths else ():
            yield from ({RESOLUTION: side, **width} for width in self.base_widths)
        if not self.resolutions:
            yield from self.base_widths

    def _combinations(self, choices: Mapping[str, Value]) -> Iterator[Mapping[str, Value]]:
        """All options of the numbers among the base choices, with the words of `choices`."""
        options = [
            (choices[name],) if isinstance(choices[name], str) else self.choices[name] for name in self.base
        ]
        return (dict(zip(self.base, values, strict=True)) for values in product(*options))

    def _option(self, name: str, value: Value) -> Value:
        options = self.choices[name]
        kinds = (str, Real, bool) if isinstance(options[0], bool) else (str, Real)
        checked_kind(name, value, kinds, "one of its options")
        if value not in options:
            given = shortened(printable(value), 80) if isinstance(value, str) else shown(value)
            known = listed(map(str, options), 40)
            raise RequestError(f"{name}={given} is not an option of {self.name}; it has {known}")
        return options[options.index(value)]
