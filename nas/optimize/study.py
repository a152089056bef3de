"""The Optuna study: samplers by name, trials in blocks, and a journal that is saved atomically.

Each block starts a new sampler with a random state derived from the seed and the number of the block, and the
study stores all other state of the sampler. So a study cut back to the start of a block continues exactly as
without an interruption. The study is in Optuna's in-memory storage, the fastest, and each finished block is
copied to the journal: Optuna's own backends write to disk at every step of a trial, which takes longer than
the trial. `optuna.storages.journal.JournalFileBackend` and optuna-dashboard can read the file.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from optuna.samplers import BaseSampler, NSGAIISampler, QMCSampler, RandomSampler, TPESampler
from optuna.samplers.nsgaii import SBXCrossover
from optuna.storages import BaseStorage, InMemoryStorage, JournalStorage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import FrozenTrial, Trial, TrialState

from nas.files import read_whole, reason
from nas.goal import Goal
from nas.optimize.scores import Scores
from nas.optimize.trials import Trials, quiet
from nas.resolutions import Tables
from nas.tables import Population
from search_spaces import RequestError, Space
from search_spaces.errors import shown


def _nsga2(seed: int) -> BaseSampler:
    """NSGA-II with the best population size and crossover of a benchmark (docs/search.md)."""
    return NSGAIISampler(population_size=100, crossover=SBXCrossover(), seed=seed)


MAKERS: dict[str, Callable[..., BaseSampler]] = {
    "nsga2": _nsga2,
    "tpe": TPESampler,
    "random": RandomSampler,
    "qmc": QMCSampler,
}
"""The samplers by name, as in `nas.optimize.request.Sampler`; each takes a seed."""


def make(maker: Callable[..., BaseSampler], seed: int, *block: int) -> BaseSampler:
    """The sampler of a block of trials, with a random state derived from the seed and the block."""
    derived = int(np.random.SeedSequence([seed, *block]).generate_state(1)[0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return maker(seed=derived)


class Journal(BaseJournalBackend):
    """An Optuna journal in memory.

    Attributes:
        logs: The entries, oldest first.
    """

    def __init__(self, logs: list[dict[str, Any]] | None = None) -> None:
        self.logs = logs or []
        self._lines = [_line(log) for log in self.logs]

    @classmethod
    def load(cls, path: Path) -> Journal:
        """The journal of a file; an empty one if the file does not exist.

        Raises:
            RequestError: The file is damaged.
        """
        if not path.exists():
            return cls()
        logs = []
        try:
            content = read_whole(path)
        except OSError as error:
            raise RequestError(f"cannot read {path}: {reason(error)}") from None
        for number, line in enumerate(content.splitlines(), 1):
            try:
                log = json.loads(line)
                log["op_code"], log["worker_id"]
            except (ValueError, TypeError, KeyError, RecursionError):
                raise RequestError(f"{path} is damaged at line {number}; start a new run") from None
            logs.append(log)
        return cls(logs)

    def text(self) -> str:
        """The contents of the file; the inverse of `load`."""
        return "".join(self._lines)

    def cut_from_last(self, attribute: str) -> None:
        """Drop the last entry that set an attribute of the study, and all entries after it."""
        marks = [index for index, log in enumerate(self.logs) if attribute in log.get("user_attr", {})]
        if marks:
            del self.logs[marks[-1] :], self._lines[marks[-1] :]

    def read_logs(self, log_number_from: int) -> list[dict[str, Any]]:
        """The entries from a given number on."""
        return self.logs[log_number_from:]

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Add entries."""
        self.logs.extend(logs)
        self._lines.extend(map(_line, logs))


def _line(log: dict[str, Any]) -> str:
    return json.dumps(log, separators=(",", ":")) + "\n"


BLOCK = 200
"""Trials per block."""
_BLOCK_ATTRIBUTE = "block"
_BLIND = ("random", "qmc")
"""Samplers whose proposals do not depend on values."""
REQUEST_ATTRIBUTE = "asked"
"""Attribute of a study that keeps what search it is of."""
_NAME = "search"


class Study:
    """The trials of a search.

    Attributes:
        rows: Option numbers of the network of each trial.
        scoring: Seconds spent on scoring.
    """

    def __init__(
        self,
        space: Space,
        tables: Tables,
        goal: Goal,
        sampler: str,
        seed: int,
        journal: Journal,
        scores: Scores | None = None,
    ) -> None:
        self._trials, self._scores = Trials(space, tables, goal, scores), scores
        self._sampler, self._seed, self._journal = sampler, seed, journal
        self._request = self._trials.identity(sampler, seed)
        self.rows: list[tuple[int, ...]] = []
        self.scoring = 0.0
        self._open()

    def _open(self) -> None:
        """Load the study of the journal; create one if the journal is empty."""
        self._memory = InMemoryStorage()
        with quiet():
            try:
                self._saved = JournalStorage(self._journal)
                if not self._journal.logs:
                    directions = self._trials.directions
                    study = optuna.create_study(storage=self._saved, study_name=_NAME, directions=directions)
                    study.set_user_attr(REQUEST_ATTRIBUTE, self._request)
                optuna.copy_study(
                    from_study_name=_NAME,
                    from_storage=self._saved,
                    to_storage=self._memory,
                    to_study_name=_NAME,
                )
                self._study = optuna.load_study(study_name=_NAME, storage=self._memory)
                self.rows = [self._trials.row(trial.params) for trial in self._completed()]
                if self._study.user_attrs.get(REQUEST_ATTRIBUTE) != self._request:
                    raise RequestError(
                        "the study is of another search, or of a version with other spaces or defaults; start"
                        " a new run"
                    )
                self._restore_scores()
            except RequestError:
                raise
            except (LookupError, ValueError, TypeError, AttributeError, AssertionError,
                    ArithmeticError) as error:  # fmt: skip
                raise RequestError(f"the study is damaged ({shown(error)}); start a new run") from None
        self._recorded = len(self.rows)

    def _restore_scores(self) -> None:
        """Add the scores of earlier trials to the known scores, so that nothing is measured twice."""
        if self._scores is None or not self.rows:
            return
        meets = self._trials.goal.meets(self._trials.tables.score(self.population))
        for row, inside, trial in zip(self.rows, meets, self._completed(), strict=True):
            if inside:
                self._scores.known[str(self._trials.network(row))] = trial.values[0]

    @property
    def trials(self) -> int:
        """Number of completed trials."""
        return len(self.rows)

    @property
    def population(self) -> Population:
        """The networks of all trials."""
        return self._trials.population(self.rows)

    def run(
        self,
        trials: int,
        stop: Callable[[], bool] = lambda: False,
        on_trial: Callable[[], None] = lambda: None,
        on_block: Callable[[], None] = lambda: None,
        first: Population | None = None,
    ) -> None:
        """Run trials until their total is `trials`, or until `stop` returns True.

        Args:
            trials: Total number of trials.
            stop: Polled after each trial.
            on_trial: Called after each trial; if scores are measured, the trial is in the journal already.
            on_block: Called after each block; a journal saved now is resumed without loss.
            first: Networks of the first trials; at most a block of them.
        """
        if len(self.rows) < trials and len(self.rows) % BLOCK:
            self._journal.cut_from_last(_BLOCK_ATTRIBUTE)
            self._open()

        def after_trial(study: optuna.Study, trial: FrozenTrial) -> None:
            if self._scores is not None:
                self._record()
            on_trial()
            if stop():
                study.stop()

        with quiet():
            while len(self.rows) < trials and not stop():
                block, count = len(self.rows) // BLOCK, min(BLOCK, trials - len(self.rows))
                self._saved.set_study_user_attr(self._study_id(self._saved), _BLOCK_ATTRIBUTE, block)
                self._study.sampler = make(MAKERS[self._sampler], self._seed, block)
                before = len(self.rows)
                for row in first if first is not None and not self.rows else ():
                    self._study.enqueue_trial(self._trials.values(row))
                self._study.optimize(self._try, n_trials=count, callbacks=[after_trial])
                self._record()
                if len(self.rows) - before < count:
                    break
                on_block()

    def foreseen(self, trials: int, first: Population | None = None) -> list[tuple[int, ...]]:
        """The rows of all trials, if the sampler does not look at values, else those of the first trials.

        Args:
            trials: Total number of trials.
            first: Networks of the first trials.
        """
        given = [tuple(map(int, row)) for row in (first if first is not None else ())]
        if self._sampler not in _BLIND:
            return given
        rows: list[tuple[int, ...]] = []
        with quiet():
            study = optuna.create_study(directions=self._trials.directions)
            for row in given:
                study.enqueue_trial(self._trials.values(row))
            while len(rows) < trials:
                if len(rows) % BLOCK == 0:
                    study.sampler = make(MAKERS[self._sampler], self._seed, len(rows) // BLOCK)
                trial = study.ask()
                rows.append(self._trials.suggest(trial))
                study.tell(trial, [0.0] * len(self._trials.directions))
        return rows

    @staticmethod
    def _study_id(storage: BaseStorage) -> int:
        return storage.get_study_id_from_name(_NAME)

    def _completed(self) -> list[FrozenTrial]:
        """The finished trials; others may be waiting after an interrupted warm start."""
        return self._study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))

    def _record(self) -> None:
        """Copy new trials and new state of the sampler to the journal."""
        saved = self._study_id(self._saved)
        for trial in self._completed()[self._recorded :]:
            self._saved.create_new_trial(saved, template_trial=trial)
        self._recorded = len(self.rows)
        stored = self._saved.get_study_system_attrs(saved)
        for name, value in self._memory.get_study_system_attrs(self._study_id(self._memory)).items():
            if stored.get(name) != value:
                self._saved.set_study_system_attr(saved, name, value)

    def _try(self, trial: Trial) -> tuple[float, ...]:
        self.rows.append(self._trials.suggest(trial))
        start = time.perf_counter()
        figures = self._trials.figures(self.rows[-1])
        if self._scores is not None:
            inside = self._trials.is_inside(figures)
            network = self._trials.network
            score = self._scores.measure(network(self.rows[-1])) if inside else self._scores.worst
            figures[self._scores.proxy.name] = score
        self.scoring += time.perf_counter() - start
        self._trials.constrain(trial, figures)
        return self._trials.objectives(figures)
