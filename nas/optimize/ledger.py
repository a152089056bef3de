"""The trials of a shared study as last read: how many there are, and who measures which network."""

from __future__ import annotations

from collections import defaultdict

from optuna.trial import FrozenTrial, TrialState

from nas.optimize.storage import Link
from nas.optimize.trials import Trials
from nas.tables import Population

ARCH = "arch"
"""User attribute of a trial: the spec of its network."""
CLAIM = "claim"
"""User attribute of a trial: the worker that runs it, and a number of its own."""
SECONDS = "seconds"
"""User attribute of a trial whose worker has measured the score: how long that took."""
_LIVE = (TrialState.COMPLETE, TrialState.RUNNING, TrialState.WAITING)


class Ledger:
    """The trials of a study that searches have proposed; those of others, without a network, are left alone.

    Attributes:
        complete: Number of completed trials.
        unfinished: Numbers of running and waiting trials.
    """

    def __init__(self, link: Link, trials: Trials) -> None:
        self._link, self._trials = link, trials
        self._all: list[FrozenTrial] = []
        self._of_network: dict[str, list[int]] = defaultdict(list)
        self._rows: list[tuple[int, ...]] = []
        self.complete = 0
        self.unfinished: set[int] = set()

    def __getitem__(self, number: int) -> FrozenTrial:
        return self._all[number]

    def read(self) -> list[FrozenTrial]:
        """Read what is new; gives the trials that are new or have changed, by number.

        Raises:
            ValueError: A trial is not of this search.
        """
        new, before = self._link.trials(), len(self._all)
        self._all = new
        changed = [
            new[number]
            for number in (*sorted(self.unfinished), *range(before, len(new)))
            if ARCH in new[number].user_attrs
        ]
        for trial in changed:
            if trial.number >= before:
                self._of_network[trial.user_attrs[ARCH]].append(trial.number)
                self.unfinished.add(trial.number)
            if trial.state.is_finished():
                self.unfinished.discard(trial.number)
            if trial.state is TrialState.COMPLETE:
                self._complete(trial)
        return changed

    def _complete(self, trial: FrozenTrial) -> None:
        self._rows.append(self._trials.row(trial.params))
        self.complete += 1
        if self._trials.scores is not None and all(amount <= 0 for amount in trial.constraints.values()):
            self._trials.scores.known[trial.user_attrs[ARCH]] = trial.values[0]

    @property
    def live(self) -> int:
        """Number of trials that are complete, or will be if no worker dies."""
        return self.complete + len(self.unfinished)

    def live_before(self, number: int) -> int:
        """Number of those with smaller numbers."""
        later = (trial for trial in self._all[number:] if ARCH in trial.user_attrs)
        return self.live - sum(trial.state in _LIVE for trial in later)

    def find(self, identifier: int) -> FrozenTrial:
        """The trial of an identifier, among the last ones."""
        return next(trial for trial in reversed(self._all) if trial._trial_id == identifier)

    def everything(self) -> list[FrozenTrial]:
        """All trials, by number."""
        return [trial for trial in self._all if ARCH in trial.user_attrs]

    def waiting(self) -> list[FrozenTrial]:
        """The trials that wait for a worker, by number."""
        unfinished = (self._all[number] for number in sorted(self.unfinished))
        return [trial for trial in unfinished if trial.state is TrialState.WAITING]

    def running(self, worker: str) -> list[FrozenTrial]:
        """The trials that a worker runs."""
        unfinished = (self._all[number] for number in sorted(self.unfinished))
        return [
            trial
            for trial in unfinished
            if trial.state is TrialState.RUNNING and trial.user_attrs.get(CLAIM, "").startswith(f"{worker}:")
        ]

    def holder(self, trial: FrozenTrial) -> FrozenTrial | None:
        """The trial whose worker measures the network of a trial: the first of all that have not failed."""
        trials = (self._all[number] for number in self._of_network[trial.user_attrs[ARCH]])
        return next((one for one in trials if one.state in _LIVE), None)

    def population(self) -> Population:
        """The networks of all completed trials; the order does not depend on that of the trials."""
        return self._trials.population(sorted(self._rows))
