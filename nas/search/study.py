"""The study: Optuna proposes options, hears their figures, and can stop anywhere and go on the same.

Trials come in blocks. Each block starts a new sampler with a random state drawn from the seed and the block's
number, and what a sampler must remember is in the study; so a study cut back to the start of a block goes on
as if it had never stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import optuna
from optuna.storages import JournalStorage
from optuna.trial import FrozenTrial, Trial

from nas.search.goal import Goal
from nas.search.journal import Journal
from nas.search.samplers import make
from nas.stage_tables import Population, StageTables
from search_spaces import RequestError, Space
from search_spaces.architecture import Value
from search_spaces.space import Options

BLOCK = 200
_BLOCK_MARK = "block"


class Study:
    """A search under way.

    Attributes:
        rows: For each trial, the number of the option taken for each choice.
        scoring: Seconds spent on scoring.
    """

    def __init__(
        self, space: Space, tables: StageTables, goal: Goal, sampler: str, seed: int, journal: Journal
    ) -> None:
        make(sampler, seed, block=0)
        self._space, self._tables, self._goal = space, tables, goal
        self._sampler, self._seed, self._journal = sampler, seed, journal
        self._scales = {
            name: _Scale.of(options) for name, options in space.choices.items() if len(options) > 1
        }
        self.rows: list[tuple[int, ...]] = []
        self.scoring = 0.0
        self._open()

    def _open(self) -> None:
        with _quiet():
            try:
                self._study = optuna.create_study(
                    storage=JournalStorage(self._journal),
                    study_name="search",
                    directions=[direction for _, direction in self._goal.optimise],
                    load_if_exists=True,
                )
                trials = self._study.get_trials(deepcopy=False)
                self.rows = [self._row(trial.params) for trial in trials]
            except (KeyError, ValueError, TypeError, IndexError) as error:
                raise RequestError(f"the study is damaged ({error!r}); start a new run") from None

    @property
    def population(self) -> Population:
        """All trials so far, as a population."""
        return np.array(self.rows, dtype=np.uint16).reshape(len(self.rows), len(self._space.choices))

    def run(
        self,
        trials: int,
        stop: Callable[[], bool] = lambda: False,
        on_trial: Callable[[], None] = lambda: None,
        on_block: Callable[[], None] = lambda: None,
    ) -> None:
        """Go on until there are `trials` trials, the sampler has nothing left, or `stop` says so.

        Args:
            stop: Asked after each trial.
            on_trial: Called after each trial.
            on_block: Called after each block: what is saved now can be resumed without loss.
        """
        if len(self.rows) < trials and len(self.rows) % BLOCK:
            self._journal.cut_from_last(_BLOCK_MARK)
            self._open()

        def after_trial(study: optuna.Study, trial: FrozenTrial) -> None:
            on_trial()
            if stop():
                study.stop()

        with _quiet():
            while len(self.rows) < trials and not stop():
                block, wanted = divmod(len(self.rows), BLOCK)[0], min(BLOCK, trials - len(self.rows))
                self._study.set_user_attr(_BLOCK_MARK, block)
                self._study.sampler = make(self._sampler, self._seed, block)
                before = len(self.rows)
                with self._sampler_faults():
                    self._study.optimize(self._try, n_trials=wanted, callbacks=[after_trial])
                if len(self.rows) - before < wanted:
                    break
                on_block()

    @contextmanager
    def _sampler_faults(self) -> Iterator[None]:
        """Say in a line what a sampler lacks; Optuna finds out only when it proposes."""
        try:
            yield
        except ImportError as error:
            way = "pip install 'zero-cost-nas[samplers]'"
            raise RequestError(f"sampler {self._sampler!r} needs a package: {error}; {way}") from None
        except ValueError as error:
            if "multi-objective" not in str(error):
                raise
            raise RequestError(f"sampler {self._sampler!r} has no fronts; choose another") from None

    def _try(self, trial: Trial) -> tuple[float, ...]:
        self.rows.append(
            self._row({name: scale.suggest(trial, name) for name, scale in self._scales.items()})
        )
        start = time.perf_counter()
        figures = self._tables.score(np.array(self.rows[-1:]))
        self.scoring += time.perf_counter() - start
        for bound in self._goal.bounds:
            trial.set_constraint(str(bound), bound.violation(float(figures[bound.figure][0])))
        return tuple(float(figures[figure][0]) for figure, _ in self._goal.optimise)

    def _row(self, values: Mapping[str, Value]) -> tuple[int, ...]:
        scales = self._scales
        return tuple(
            scales[name].option(values[name]) if name in scales else 0 for name in self._space.choices
        )


@dataclass(frozen=True)
class _Scale:
    """How a choice is put to a sampler: as a number if its options are evenly spaced, else as categories."""

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
            taken: Value = trial.suggest_categorical(name, list(self.options))  # type: ignore[assignment]
            return taken
        if isinstance(low, int) and isinstance(high, int):
            return trial.suggest_int(name, low, high, step=int(self.step))
        return trial.suggest_float(name, float(low), float(high), step=self.step)

    def option(self, value: Value) -> int:
        """The number of the option that a suggested value means."""
        if not self.step:
            return self.options.index(value)
        return round((float(value) - float(self.options[0])) / self.step)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Optuna from reporting each trial."""
    verbosity = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(verbosity)
