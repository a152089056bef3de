"""A training run: its jobs one after another or side by side, and the tables that are kept of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pandas as pd
import torch

from nas.train import job
from nas.train.board import Board
from nas.train.checkpoint import Checkpoint
from nas.train.data import Data, load
from nas.train.figure import draw
from nas.train.fit import all_fitted
from nas.train.folder import TrainFolder
from nas.train.job import DONE, FAILED, INTERRUPTED, Job, Outcome
from nas.train.one import Means, OnStep, Report, train
from nas.train.order import Order


def loaded(order: Order, download: bool = False, workers: int | None = None) -> Data:
    """The data set of an order, with what is held out.

    Raises:
        RequestError: There is no such data set, or it is not whole.
    """
    keep = order.keep
    if keep is None and order.values.crop == "resized" and (order.side or order.dataset == "imagenet"):
        keep = "disk"  # in memory only the middle of each image would be left to take parts of
    whole = load(order.dataset, Path(order.data), download, order.side, order.limit, keep, workers)
    return whole.hold_out(order.holdout, seed=0)


class TrainRun:
    """Networks being trained.

    Attributes:
        order: What was asked for.
        folder: Where everything is kept.
        outcomes: Each job with how far it has come.
        unsaved: Why the tables could not be written the last time, if so.
    """

    def __init__(self, order: Order, data: Data, means: Means) -> None:
        means.processes.check(order.values.batch, len(data.train))
        self.order, self._means, self.unsaved = order, means, ""
        self._data = data
        self.outcomes = {
            Job(row, architecture, seed): Outcome()
            for row, architecture in enumerate(all_fitted(order, data), 1)
            for seed in order.seeds_of(row)
        }

    @property
    def table(self) -> pd.DataFrame:
        """The table so far."""
        count = self._means.processes.count
        device = f"{count} x {self._means.device.type}" if count > 1 else str(self._means.device)
        return job.table(self.outcomes, self.order.dataset, self.order.recipe, device)

    def run(
        self,
        folder: TrainFolder,
        stop: Callable[[], bool] = lambda: False,
        report: Report = lambda job, outcome: None,
        on_step: OnStep = lambda job, epochs: None,
        devices: list[torch.device] | None = None,
        workers: int | None = None,
    ) -> None:
        """Train what is not done.

        Args:
            folder: Where everything is kept.
            stop: Asked after each step; what was done until then is kept.
            report: Told of a job's outcome after each epoch and at its end.
            on_step: Told after each step; not where jobs run side by side.
            devices: Run a job on each of these at a time; one may be named several times.
            workers: Processes that read images for each device.

        Raises:
            RequestError: A checkpoint in the folder is damaged, or of another training.
        """
        self._take_up(folder)
        board = Board(folder.path / "tensorboard") if self._means.processes.first else None

        def note(one: Job, outcome: Outcome) -> None:
            self.outcomes[one] = outcome
            self._save_tables(folder)
            if board and outcome.epochs:
                board.add(one, outcome.epochs[-1])
            report(one, outcome)

        if devices:
            from nas.train.parallel import train_side_by_side

            left = [one for one, outcome in self.outcomes.items() if outcome.status != DONE]
            train_side_by_side(left, self.order, folder, self._means, devices, workers, stop, note)
        else:
            data = self._data.to(self._means.device)
            for one in self.outcomes:
                if self._means.processes.any(stop()):
                    break
                path = folder.checkpoint(one.name)
                note(one, train(one, data, self.order.values, path, self._means, stop, note, on_step))
        ended = all(outcome.status in (DONE, FAILED) for outcome in self.outcomes.values())
        if self._means.processes.first:
            self._save_tables(folder)
            draw(job.curves(self.outcomes), folder.path / "curves.png")
            folder.save_state("finished" if ended else "interrupted")

    def _take_up(self, folder: TrainFolder) -> None:
        """Learn from the folder how far each job has come, before any table is written anew."""
        failures = folder.failures()
        for one in self.outcomes:
            path, reason = folder.checkpoint(one.name), failures.get((one.row, one.seed))
            if path.exists():
                kept = Checkpoint.load(path)
                kept.check(path, one, self.order.values, self._data)
                outcome = kept.so_far()
                self.outcomes[one] = outcome if outcome.status == DONE else outcome.ended(INTERRUPTED)
            if reason is not None:
                self.outcomes[one] = self.outcomes[one].ended(FAILED, reason)
        if self._means.processes.first:
            folder.save_state("running")

    def _save_tables(self, folder: TrainFolder) -> None:
        if not self._means.processes.first:
            return
        try:
            trained = self.table
            folder.save(folder.trained, trained)
            folder.save(folder.summary, job.summary(trained))
            folder.save(folder.curves, job.curves(self.outcomes))
            self.unsaved = ""
        except OSError as error:
            # The network in training is not to blame: it goes on, and the next table may be written again.
            self.unsaved = str(error)
