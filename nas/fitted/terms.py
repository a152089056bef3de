"""Terms of a fitted score: products of functions of choices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from nas.schema import Stored
from search_spaces import RequestError
from search_spaces.errors import listed, shown

Choice = bool | int | float | str


@dataclass(frozen=True)
class Basis(Stored):
    """Functions of the value of one choice: polynomials, with mean 0 over the networks of the fit.

    Attributes:
        choice: Name of the choice.
        seen: Values of the networks of the fit, ascending.
        logarithm: Whether polynomials are of the logarithm of the value. Those of words are of their place in
            `seen`.
        polynomials: Coefficients of each polynomial, from the constant upward.
    """

    choice: str
    seen: tuple[Choice, ...]
    logarithm: bool
    polynomials: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        if not self.seen or not all(self.polynomials):
            raise RequestError(f"the basis of {shown(self.choice)} is empty")
        words = sum(isinstance(value, str) for value in self.seen)
        if words not in (0, len(self.seen)) or list(self.seen) != sorted(set(self.seen)):
            raise RequestError(f"the values of {shown(self.choice)} do not ascend, or are words and numbers")
        if self.logarithm and (words or self.seen[0] <= 0):  # type: ignore[operator]  # a number
            raise RequestError(f"the values of {shown(self.choice)} have no logarithm")

    def of(self, value: Choice) -> tuple[float, ...]:
        """The functions of a value; zeros for words that the fit has not seen.

        A number outside the range of the fit has the functions of the nearest number inside: polynomials of
        few networks say nothing about others.
        """
        x = self.number(value)
        if not math.isfinite(x):
            return (0.0,) * len(self.polynomials)
        return tuple(_polynomial(coefficients, x) for coefficients in self.polynomials)

    def columns(self, values: Any) -> list[Any]:
        """The functions of a value or of a column of values, each as `of` gives it."""
        if np.ndim(values) == 0:
            return list(self.of(values.item() if isinstance(values, np.generic | np.ndarray) else values))
        different, inverse = np.unique(values, return_inverse=True)
        found = np.array([self.of(value) for value in different.tolist()]).reshape(len(different), -1)
        return [function[inverse].reshape(np.shape(values)) for function in found.T]

    def covers(self, value: Choice) -> bool:
        """Whether a value lies in the range of the fit."""
        if isinstance(self.seen[0], str) or isinstance(value, str):
            return value in self.seen
        return bool(self.seen[0] <= value <= self.seen[-1])  # type: ignore[operator]  # numbers

    def range_text(self) -> str:
        """The range of the fit, in words."""
        if isinstance(self.seen[0], str) or len(self.seen) == 1:
            return listed(map(str, self.seen))
        return f"{self.seen[0]} to {self.seen[-1]}"

    def number(self, value: Choice) -> float:
        """What polynomials are of: the value, its logarithm, or the place of a word; nan if it is unseen."""
        if isinstance(self.seen[0], str):
            return float(self.seen.index(value)) if value in self.seen else math.nan
        if isinstance(value, str):
            return math.nan
        inside = float(min(max(value, self.seen[0]), self.seen[-1]))
        return math.log(inside) if self.logarithm else inside


@dataclass(frozen=True)
class Interaction(Stored):
    """Terms of one or more choices: every product of one function of each.

    Attributes:
        choices: Names of the choices.
        coefficients: One per product, the functions of the last choice varying fastest.
    """

    choices: tuple[str, ...]
    coefficients: tuple[float, ...]


def _polynomial(coefficients: Sequence[float], x: float) -> float:
    """A polynomial at x, by Horner's rule."""
    value = 0.0
    for coefficient in reversed(coefficients):
        value = value * x + coefficient
    return value
