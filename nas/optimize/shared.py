"""The study of a search in a storage of Optuna, run by many workers on one or more machines."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from nas.optimize.ledger import Ledger
from nas.optimize.processes import Order, new_token, run_workers
from nas.optimize.request import Request
from nas.optimize.sharing import Sharing
from nas.optimize.storage import GRACE, HEARTBEAT, Address, Link
from nas.optimize.study import REQUEST_ATTRIBUTE
from nas.optimize.trials import Trials, quiet
from nas.optimize.worker import StudyCopy, Worker
from nas.tables import Population
from search_spaces import RequestError
from search_spaces.errors import shown

_COMMAND_ATTRIBUTE = "command"
_BEGUN_ATTRIBUTE = "begun"
_PATIENCE = 10.0
"""Seconds to wait for the process that creates a study, before another takes over."""
_POLL_SECONDS = 0.1


class SharedStudy:
    """The completed trials of a study of many workers; it has the methods of `nas.optimize.study.Study`.

    Attributes:
        public: URL of the storage, without a password.
        name: Name of the study.
        scoring: Seconds spent on scoring in this process.
    """

    def __init__(self, trials: Trials, request: Request, sharing: Sharing, is_new: bool) -> None:
        """Join a study.

        Args:
            trials: What its trials have in common.
            request: Request of the search.
            sharing: Where it is.
            is_new: Whether to create it if it does not exist.

        Raises:
            RequestError: The storage refuses, or the study is of another search.
        """
        assert sharing.storage is not None
        self._trials, self._request, self._workers = trials, request, sharing.workers
        self._address = Address.of(sharing.storage)
        self.public, self.name = self._address.public, sharing.study or request.name()
        self.scoring = 0.0
        self._stop: Callable[[], bool] = lambda: False
        with quiet():
            directions = trials.directions if is_new else None
            self._link = Link(self._address, self.name, directions, lambda: self._stop())
            self._check()
            self._ledger = Ledger(self._link, trials)
            try:
                self._ledger.read()
            except (LookupError, ValueError, TypeError, AttributeError) as error:
                raise RequestError(
                    f"storage {self.public}: the study {self.name} is damaged ({shown(error)}); start another"
                    " with --study NAME"
                ) from None

    def _check(self) -> None:
        """Check that the study is of this search; a new one is marked so."""
        identity = self._trials.identity(self._request.sampler, self._request.seed)
        if self._link.is_new:
            self._link.set_attribute(_COMMAND_ATTRIBUTE, f"nas search {self._request.arguments()}")
            self._link.set_attribute(REQUEST_ATTRIBUTE, identity)
            return
        found = self._until(lambda: self._link.attribute(REQUEST_ATTRIBUTE))
        if found is None:
            self._link.set_attribute(REQUEST_ATTRIBUTE, identity)
        elif found != identity:
            command = self._link.attribute(_COMMAND_ATTRIBUTE)
            of = f"of another search ({command})" if command else "of something else"
            raise RequestError(
                f"storage {self.public}: the study {self.name} is {of}, or of a version with other spaces or"
                " defaults; give another name with --study NAME"
            )

    def _until(self, there: Callable[[], object]) -> object:
        """What the process that creates the study writes; None if it does not."""
        end = time.monotonic() + _PATIENCE
        while (found := there()) is None and time.monotonic() < end and not self._stop():
            time.sleep(_POLL_SECONDS)
        return found

    @property
    def trials(self) -> int:
        """Number of completed trials, of all workers."""
        return self._ledger.complete

    @property
    def population(self) -> Population:
        """The networks of all completed trials; the order does not depend on that of the trials."""
        return self._ledger.population()

    def run(
        self,
        trials: int,
        stop: Callable[[], bool] = lambda: False,
        on_trial: Callable[[], None] = lambda: None,
        on_block: Callable[[], None] = lambda: None,
        first: Population | None = None,
    ) -> None:
        """Run trials until so many are complete in the study, or until `stop` returns True.

        Args:
            trials: Total number of completed trials.
            stop: Polled between trials.
            on_trial: Called for each trial that any worker completes.
            on_block: Not called: the storage keeps all trials.
            first: Networks of the first trials of a new study.
        """
        self._stop = stop
        reported = self._ledger.complete

        def on_read() -> None:
            nonlocal reported
            for _ in range(min(self._ledger.complete, trials) - reported):
                on_trial()
            reported = max(reported, self._ledger.complete)

        if self._ledger.complete >= trials:
            return
        with quiet():
            self._begin(first)
            if self._workers == 1:
                self._work_here(trials, on_read)
                return
        scores = self._trials.scores
        known = {} if scores is None else scores.known
        order = Order(
            replace(self._request), known, self._address, self.name, (HEARTBEAT, GRACE), self._workers
        )
        run_workers(order, self._link, self._ledger, stop, on_read)

    def _work_here(self, trials: int, on_read: Callable[[], None]) -> None:
        """Run trials in this process."""
        request = self._request
        worker = Worker(
            self._link, self._ledger, self._trials, request.sampler, request.seed, 0, new_token(), self._stop
        )
        try:
            worker.work(trials, on_read)
        finally:
            self.scoring += worker.scoring

    def _begin(self, first: Population | None) -> None:
        """Queue the first networks, once."""
        if self._link.attribute(_BEGUN_ATTRIBUTE) is not None or (first is None and not self._link.is_new):
            return
        if not self._link.is_new and self._until(lambda: self._link.attribute(_BEGUN_ATTRIBUTE)) is not None:
            return
        self._ledger.read()
        copy = StudyCopy(self._trials)
        for row in [] if first is None else self._missing(first):
            self._link.create(copy.waiting(self._trials.values(row)), "")
        self._link.set_attribute(_BEGUN_ATTRIBUTE, True)

    def _missing(self, first: Population) -> list[Sequence[int]]:
        """The first networks without those that a process queued that has not ended it."""
        there = {str(self._trials.network(self._trials.row(one.params))) for one in self._ledger.everything()}
        rows = [tuple(row) for row in first.tolist()]
        return [row for row in rows if str(self._trials.network(row)) not in there]
