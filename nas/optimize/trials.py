"""A trial of a search: from a sampler's values to a network, its figures, its score and its constraints."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import optuna
from optuna.study import StudyDirection
from optuna.trial import Trial

from nas.fitted.sum import FittedSum
from nas.goal import Goal
from nas.optimize.scores import Scores
from nas.resolutions import Tables
from nas.tables import Population
from search_spaces import Architecture, Space
from search_spaces.architecture import Value
from search_spaces.space import Options


@dataclass(frozen=True)
class Trials:
    """What the trials of a search have in common.

    Attributes:
        space: The space.
        tables: The stage tables of the space.
        goal: Objectives and bounds.
        scores: The scores of networks, if the stage tables do not have them.
    """

    space: Space
    tables: Tables
    goal: Goal
    scores: Scores | None = None

    @cached_property
    def _scales(self) -> dict[str, _Scale]:
        return {name: _Scale.of(options) for name, options in self.space.choices.items() if len(options) > 1}

    @property
    def directions(self) -> list[StudyDirection]:
        """Optuna's direction of each objective."""
        return [StudyDirection[direction.upper()] for _, direction in self.goal.optimise]

    def identity(self, sampler: str, seed: int) -> str:
        """What makes two studies those of one search."""
        choices = {name: list(options) for name, options in self.space.choices.items()}
        measured = [] if self.scores is None else [self.scores.batch]
        fitted = [one.score.identity for one in self.tables.sums if isinstance(one, FittedSum)]
        constants = dict(self.space.constants)
        return json.dumps(
            [self.space.name, constants, choices, str(self.goal), sampler, seed, *measured, *fitted]
        )

    def suggest(self, trial: Trial) -> tuple[int, ...]:
        """The option numbers of the network that the sampler proposes for a trial."""
        return self.row({name: scale.suggest(trial, name) for name, scale in self._scales.items()})

    def figures(self, row: tuple[int, ...]) -> dict[str, float]:
        """The figures of a network in the stage tables."""
        columns = self.tables.score(np.array([row]))
        return {name: float(column[0]) for name, column in columns.items()}

    def is_inside(self, figures: Mapping[str, float]) -> bool:
        """Whether figures meet all bounds."""
        return all(bound.meets(figures[bound.figure]) for bound in self.goal.bounds)

    def constrain(self, trial: Trial, figures: Mapping[str, float]) -> None:
        """Record how far figures are outside the bounds, as constraints of a trial."""
        for bound in self.goal.bounds:
            trial.set_constraint(str(bound), bound.violation(figures[bound.figure]))

    def objectives(self, figures: Mapping[str, float]) -> tuple[float, ...]:
        """The values of the objectives."""
        return tuple(figures[figure] for figure, _ in self.goal.optimise)

    def network(self, row: tuple[int, ...]) -> Architecture:
        """The network of a row; rows that differ only in choices without effect give the same network."""
        return self.space.of_options(self.tables.canonical(np.array([row]))[0])

    def values(self, row: Sequence[int]) -> dict[str, Value]:
        """The sampler's values for a row of option numbers; the inverse of `row`."""
        options = zip(self.space.choices.items(), row, strict=True)
        return {name: choices[number] for (name, choices), number in options if name in self._scales}

    def row(self, values: Mapping[str, Value]) -> tuple[int, ...]:
        """The option numbers for a sampler's values.

        Raises:
            LookupError: A value is missing.
            ValueError: A value is no option.
        """
        scales = self._scales
        return tuple(
            scales[name].option(values[name]) if name in scales else 0 for name in self.space.choices
        )

    def population(self, rows: Sequence[tuple[int, ...]]) -> Population:
        """Rows of option numbers as an array."""
        return np.array(rows, dtype=np.uint16).reshape(len(rows), len(self.space.choices))


@dataclass(frozen=True)
class _Scale:
    """A choice as a parameter of a sampler: a number if its options are evenly spaced, else categories."""

    options: Options
    step: float

    @classmethod
    def of(cls, options: Options) -> _Scale:
        if any(isinstance(option, str) for option in options):
            return cls(options, 0)
        steps = np.diff(np.array(options, dtype=float))
        even = len(steps) > 0 and steps[0] > 0 and np.allclose(steps, steps[0])
        return cls(options, round(float(steps[0]), 6) if even else 0)

    def suggest(self, trial: Trial, name: str) -> Value:
        low, high = self.options[0], self.options[-1]
        if not self.step:
            value: Value = trial.suggest_categorical(name, list(self.options))  # type: ignore[assignment]
            return value
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high, step=int(self.step))
        return trial.suggest_float(name, float(low), float(high), step=self.step)

    def option(self, value: Value) -> int:
        """The option number of a suggested value."""
        if not self.step:
            return self.options.index(value)
        number = round((float(value) - float(self.options[0])) / self.step)
        if not 0 <= number < len(self.options):
            raise ValueError(f"{value} is no option")
        return number


@contextmanager
def quiet() -> Iterator[None]:
    """Silence Optuna's messages and warnings during a block."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    try:
        with warnings.catch_warnings():
            # Samplers without support for constraints warn in every trial.
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            yield
    finally:
        optuna.logging.set_verbosity(verbosity)
