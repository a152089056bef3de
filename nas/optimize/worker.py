"""One worker of a shared study: it proposes networks, claims them, and measures those that it may.

A sampler proposes from a copy of the study in memory. The proposal becomes a trial of the storage in one
transaction, and numbers of trials follow the order of transactions. So if several workers propose one network
at the same time, each sees the trial with the smallest number, whose worker measures it, and the others wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from threading import Event, Thread
from typing import Any, Self

import optuna
from optuna.samplers import BaseSampler, QMCSampler, TPESampler
from optuna.storages import InMemoryStorage
from optuna.trial import FrozenTrial, TrialState

from nas.optimize.ledger import ARCH, CLAIM, SECONDS, Ledger
from nas.optimize.storage import Link
from nas.optimize.study import BLOCK, MAKERS, make
from nas.optimize.trials import Trials, quiet
from search_spaces import RequestError
from search_spaces.architecture import Value

_AMONG_OTHERS: dict[str, Callable[..., BaseSampler]] = {
    **MAKERS,
    "tpe": partial(TPESampler, constant_liar=True),  # keeps away from what others measure
    "qmc": partial(QMCSampler, scramble=True),  # another sequence for each worker
}
_PAUSES = (0.02, 0.5)
"""The first and the longest pause of a worker that waits for others, in seconds."""


class StudyCopy:
    """A copy of a study in memory, for a sampler."""

    def __init__(self, trials: Trials) -> None:
        self._trials = trials
        self._storage = InMemoryStorage()
        self._study = optuna.create_study(storage=self._storage, directions=trials.directions)
        self._numbers: dict[int, int] = {}

    def update(self, changed: Sequence[FrozenTrial]) -> None:
        """Copy trials of the storage that are new or have changed."""
        for trial in changed:
            number = self._numbers.get(trial.number)
            if number is None and trial.state in (TrialState.RUNNING, TrialState.COMPLETE):
                identifier = self._storage.create_new_trial(self._study._study_id, trial)
                self._numbers[trial.number] = self._storage.get_trial(identifier).number
            elif number is not None and trial.state.is_finished():
                values = trial.values if trial.state is TrialState.COMPLETE else None
                state = None if values is not None else TrialState.FAIL
                self._study.tell(number, values, state, skip_if_finished=True)

    def propose(self, sampler: BaseSampler) -> tuple[int, FrozenTrial]:
        """The number of a new trial here, and the trial with a network and its constraints."""
        self._study.sampler = sampler
        trial = self._study.ask()
        self._trials.constrain(trial, self._trials.figures(self._trials.suggest(trial)))
        return trial.number, self._storage.get_trial(trial._trial_id)

    def waiting(self, values: dict[str, Value]) -> FrozenTrial:
        """A trial with given values, as it waits for a worker."""
        self._study.enqueue_trial(values)
        _, proposed = self.propose(MAKERS["random"]())
        return self.template(proposed, TrialState.WAITING)

    def template(self, proposed: FrozenTrial, state: TrialState, **attributes: Any) -> FrozenTrial:
        """A proposed trial as it begins in the storage."""
        spec = str(self._trials.network(self._trials.row(proposed.params)))
        return optuna.create_trial(
            state=state,
            params=proposed.params,
            distributions=proposed.distributions,
            user_attrs={ARCH: spec, **attributes},
            system_attrs=proposed.system_attrs,
        )

    def bind(self, number: int, trial: FrozenTrial) -> None:
        """Note that a trial proposed here is one of the storage."""
        self._numbers[trial.number] = number


class Heartbeat:
    """A thread that gives signs of life of trials while they are measured."""

    def __init__(self, link: Link) -> None:
        self._link, self._trials, self._ended = link, dict[int, FrozenTrial](), Event()

    def __enter__(self) -> Self:
        self._ended = Event()
        Thread(target=self._run, args=(self._ended,), daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        self._ended.set()

    @contextmanager
    def of(self, trial: FrozenTrial) -> Iterator[None]:
        """Give signs of life of a trial during a block."""
        self._link.beat(trial)
        self._trials[trial.number] = trial
        try:
            yield
        finally:
            self._trials.pop(trial.number, None)

    def _run(self, ended: Event) -> None:
        while not ended.wait(self._link.heartbeat):
            for trial in list(self._trials.values()):
                with suppress(RequestError):  # the worker meets it itself
                    self._link.beat(trial)
        self._link.close()


class Worker:
    """A worker of a study.

    Args:
        link: The study.
        ledger: Its trials.
        trials: What they have in common.
        sampler: Name of the sampler.
        seed: Seed of the search.
        index: Number of the worker on this machine.
        token: A name that no other worker has.
        stop: Polled between trials.
    """

    def __init__(
        self,
        link: Link,
        ledger: Ledger,
        trials: Trials,
        sampler: str,
        seed: int,
        index: int,
        token: str,
        stop: Callable[[], bool],
    ) -> None:
        self._link, self._ledger, self._trials, self._stop = link, ledger, trials, stop
        self._maker, self._seed, self._index, self._token = _AMONG_OTHERS[sampler], seed, index, token
        with quiet():
            self._copy = StudyCopy(trials)
            self._copy.update(ledger.everything())
        self._heartbeat = Heartbeat(link)
        self._current = MAKERS["random"]()
        self._begun: list[int] = []
        self._first_seen: dict[int, float] = {}
        self._cared_at = time.monotonic()
        self.scoring = 0.0

    def work(self, total: int, on_read: Callable[[], None] = lambda: None) -> None:
        """Run trials until so many are complete in the study, or until `stop` returns True.

        Args:
            total: Number of completed trials of all workers.
            on_read: Called whenever the trials were read.
        """
        pause, longest = _PAUSES
        with quiet(), self._heartbeat:
            while not self._stop():
                self._read()
                on_read()
                if self._ledger.complete >= total:
                    break
                self._care()
                trial = self._next(total)
                if trial is not None:
                    self._run(trial)
                    pause = _PAUSES[0]
                else:
                    time.sleep(pause)
                    pause = min(2 * pause, longest)

    def _read(self) -> None:
        self._copy.update(self._ledger.read())

    def _next(self, total: int) -> FrozenTrial | None:
        """The next trial to run; None if there is none, as those that others run suffice."""
        for trial in self._ledger.waiting():
            if self._take(trial):
                return self._ledger[trial.number]
        return self._propose(total) if self._ledger.live < total else None

    def _claim(self) -> str:
        return f"{self._token}:{len(self._begun)}"

    def _take(self, trial: FrozenTrial) -> bool:
        if not self._link.take(trial, {CLAIM: self._claim()}):
            return False
        self._begun.append(trial.number)
        self._read()
        return True

    def _propose(self, total: int) -> FrozenTrial | None:
        """A new trial, claimed; None if meanwhile others have begun enough."""
        number, proposed = self._copy.propose(self._sampler())
        claim = self._claim()
        template = self._copy.template(proposed, TrialState.RUNNING, **{CLAIM: claim})
        identifier = self._link.create(template, claim)
        changed = self._ledger.read()
        trial = self._ledger.find(identifier)
        self._begun.append(trial.number)
        self._copy.bind(number, trial)
        self._copy.update(changed)
        if self._ledger.live_before(trial.number) >= total:
            self._link.finish(trial, None)
            return None
        return trial

    def _sampler(self) -> BaseSampler:
        """The sampler, new in each block; a trial's number makes it unlike those of all other workers."""
        begun = len(self._begun)
        if begun in (0, 1) or begun % BLOCK == 0:
            block = (self._begun[-1] + 1,) if begun else (self._ledger.live, self._index)
            self._current = make(self._maker, self._seed, *block)
        return self._current

    def _run(self, trial: FrozenTrial) -> None:
        """Find the value of a trial, and complete it."""
        if trial.state.is_finished():
            return  # the storage was away for so long that others have given it up
        try:
            figures = self._trials.figures(self._trials.row(trial.params))
            scores = self._trials.scores
            if scores is not None:
                value = scores.worst
                if self._trials.is_inside(figures):
                    with self._heartbeat.of(trial):
                        value = self._score(trial)
                figures[scores.proxy.name] = value
            self._link.finish(trial, self._trials.objectives(figures))
        except _AbandonedError:
            self._link.finish(trial, None)
        except BaseException:
            with suppress(RequestError):
                self._link.finish(trial, None)
            raise

    def _score(self, trial: FrozenTrial) -> float:
        """The score of a trial: measured here, or by the worker that has claimed the network before."""
        scores, spec = self._trials.scores, trial.user_attrs[ARCH]
        assert scores is not None
        pause, longest = _PAUSES
        while spec not in scores.known:
            holder = self._ledger.holder(trial)
            if holder is None or self._ledger[trial.number].state.is_finished():
                raise _AbandonedError
            if holder.number == trial.number:
                start = time.perf_counter()
                scores.measure(self._trials.network(self._trials.row(trial.params)))
                seconds = time.perf_counter() - start
                self.scoring += seconds
                self._link.describe(trial, SECONDS, round(seconds, 4))
            elif holder.state is TrialState.WAITING and self._take(holder):
                self._run(self._ledger[holder.number])
            elif self._stop():
                raise _AbandonedError
            else:
                time.sleep(pause)
                pause = min(2 * pause, longest)
                self._care()
            if spec not in scores.known:
                self._read()
        return scores.known[spec]

    def _care(self) -> None:
        """Let lost trials be run again.

        A worker that died between the creation of a trial and the first sign of life has left one that never
        becomes stale: whoever has seen it for long gives it a sign of life, once.
        """
        now = time.monotonic()
        if now - self._cared_at < self._link.heartbeat:
            return
        self._cared_at = now
        seen = self._first_seen
        self._first_seen = {number: seen.get(number, now) for number in self._ledger.unfinished}
        for number, since in self._first_seen.items():
            trial = self._ledger[number]
            if trial.state is TrialState.RUNNING and now - since > self._link.grace:
                self._first_seen[number] = float("inf")
                self._link.beat(trial)
        self._link.retry_lost()


class _AbandonedError(Exception):
    """The worker was stopped while it waited for a score, or others have given up the trial."""
