"""The terms that a fit may use, in levels of growing detail, and their values for networks."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations, pairwise, product
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from nas.fitted.terms import Basis
from search_spaces import Space
from search_spaces.chain import KnownStages

_DEGREE = 3
"""Largest degree of the polynomials of a choice."""
_MOST_CELLS = 1 << 18
"""Largest stage table that terms may lead to."""
_FEW = 2
"""Most choices of a base width of which there are pairs with all other choices."""
_SMALLER = 0.15
"""Expected size of the coefficient of a term that has one more choice or degree, as a fraction."""
_DIGITS = 6
"""Significant digits of stored coefficients of polynomials."""


@dataclass(frozen=True)
class Level:
    """The terms of one level of detail.

    Attributes:
        name: Its name, in words.
        degree: Largest degree of polynomials.
        groups: The choices of each term.
    """

    name: str
    degree: int
    groups: tuple[tuple[str, ...], ...]


def levels(space: Space, varied: Sequence[str]) -> list[Level]:
    """The levels of detail for a space, the simplest first.

    Args:
        varied: Names of the choices that vary among the networks of the fit.
    """
    stages = [
        tuple(name for name in stage.choices if name in varied)
        for stage in space.chain()
        if any(name in varied for name in stage.choices)
    ]
    own = tuple((name,) for stage in stages for name in stage)
    pairs = {pair: None for stage in stages for pair in combinations(stage, 2)}
    base = [name for name in space.base if name in varied] if len(space.base) <= _FEW else []
    wide = {(name, other): None for name in base for stage in stages for other in stage if other not in base}
    pairs |= {pair: None for pair in wide if pair[::-1] not in pairs}
    whole = tuple(
        group for stage in stages for size in range(3, len(stage) + 1) for group in combinations(stage, size)
    )
    near = tuple(pair for one, other in pairwise(stages) for pair in product(one, other) if pair not in pairs)
    found = (
        Level("one smooth term per choice", 1, own),
        Level("terms of single choices", _DEGREE, own),
        Level("pairs of choices of a stage", _DEGREE, (*own, *pairs)),
        Level("all choices of a stage", _DEGREE, (*own, *pairs, *whole)),
        Level("pairs of choices of a stage and of neighbouring stages", _DEGREE, (*own, *pairs, *near)),
        Level("all choices of a stage, pairs of neighbours", _DEGREE, (*own, *pairs, *whole, *near)),
    )
    different = {(level.degree, frozenset(level.groups)): level for level in reversed(found)}
    return [level for level in reversed(different.values()) if _cells(space, level) <= _MOST_CELLS]


def _cells(space: Space, level: Level) -> int:
    """An estimate of the cells of the largest stage table that a level leads to.

    The states of a table are the choices of earlier stages that terms need, and the base width.
    """
    largest, read = 0, set[str]()
    first: set[str] = set()
    before: set[str] = set()
    for stage in space.chain():
        own = set(stage.choices)
        needed = {
            name for group in level.groups if not set(group) <= read for name in read.intersection(group)
        }
        states = needed | ((first | before) & set(space.base))
        largest = max(largest, math.prod(len(space.choices[name]) for name in own | states))
        read, before, first = read | own, own, first or own
    return largest


def effects(known: KnownStages, rows: Sequence[Mapping[str, Any]]) -> pd.DataFrame:
    """The choices of networks, each replaced by the value that has the same effect."""
    return pd.DataFrame(
        [{name: value for stage in known.of(row) for name, value in stage.effective.items()} for row in rows]
    ).map(lambda value: value.item() if isinstance(value, np.generic) else value)


def bases(choices: pd.DataFrame) -> dict[str, Basis]:
    """A basis of each choice that varies: polynomials with mean 0 and variance 1 over the networks."""
    return {
        str(name): _basis(str(name), choices[name].tolist())
        for name in choices
        if choices[name].nunique() > 1
    }


def _basis(name: str, values: Sequence[Any]) -> Basis:
    seen = sorted(set(values))
    words = isinstance(seen[0], str)
    logarithm = not words and not isinstance(seen[0], bool) and seen[0] > 0
    empty = Basis(name, tuple(seen), logarithm, ())
    number = {value: empty.number(value) for value in seen}
    numbers = np.array([number[value] for value in values])
    degree = min(len(seen) - 1, len(seen) - 1 if words else _DEGREE)
    powers = np.vander(numbers, degree + 1, increasing=True)
    _, triangle = np.linalg.qr(powers)
    inverse = np.linalg.inv(triangle) * math.sqrt(len(values))
    polynomials = tuple(
        tuple(
            float(f"{value:.{_DIGITS}g}")
            for value in inverse[: power + 1, power] * np.sign(inverse[power, power])
        )
        for power in range(1, degree + 1)
    )
    return replace(empty, polynomials=polynomials)


def scales(level: Level, bases: Mapping[str, Basis]) -> NDArray[np.float64]:
    """The expected size of each term's coefficient, relative to that of a smooth term of one choice.

    Each further choice and each further degree reduces it. So a combination that few networks have is
    predicted from its parts, not drawn to the mean.
    """
    found = []
    for group in level.groups:
        degrees = [_degrees(bases[name])[: level.degree] for name in group]
        found += [_SMALLER ** (sum(powers) - 1) for powers in product(*degrees)]
    return np.array(found)


def _degrees(basis: Basis) -> list[int]:
    """The degree of each function of a choice; words have no order, and none is smoother than another."""
    words = isinstance(basis.seen[0], str)
    return [1 if words else power for power in range(1, len(basis.polynomials) + 1)]


def columns(
    level: Level, bases: Mapping[str, Basis], choices: pd.DataFrame
) -> Iterator[tuple[tuple[str, ...], NDArray[np.float64]]]:
    """The choices of each group of terms, and its values: shape (networks, terms)."""
    of_choice = {
        name: np.column_stack(basis.columns(choices[name].to_numpy())[: level.degree])
        for name, basis in bases.items()
    }
    for group in level.groups:
        values = np.ones((len(choices), 1))
        for name in group:
            values = (values[:, :, None] * of_choice[name][:, None, :]).reshape(len(choices), -1)
        yield group, values
