"""A training run: its jobs one after another, each kept after every epoch and taken up where it stopped."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TypeAlias

import pandas as pd
import torch

import search_spaces
from nas.train import checkpoint, job
from nas.train.data import Data, load
from nas.train.fit import fitted
from nas.train.folder import TrainFolder
from nas.train.job import Job, Outcome
from nas.train.loop import DivergedError, Epoch, Training
from nas.train.order import Order

OnEpoch: TypeAlias = Callable[[Job, Epoch, int], None]


class TrainRun:
    """Networks being trained.

    Attributes:
        outcomes: Each job with how far it has come.
    """

    def __init__(self, order: Order, device: torch.device, download: bool = False) -> None:
        self.order, self.device, self.recipe = order, device, order.values
        whole = load(order.dataset, Path(order.data), download, order.side, order.limit)
        self.data: Data = whole.hold_out(order.holdout, seed=0)
        architectures = [fitted(search_spaces.parse(arch), self.data) for arch in order.archs]
        self.outcomes = {
            Job(row, architecture, seed): Outcome()
            for row, architecture in enumerate(architectures, 1)
            for seed in order.seeds
        }

    def run(
        self,
        folder: TrainFolder,
        stop: Callable[[], bool] = lambda: False,
        on_epoch: OnEpoch = lambda job, epoch, epochs: None,
    ) -> None:
        """Train what is not done.

        Args:
            folder: Where everything is kept.
            stop: Asked after each step; what was done until then is kept.
            on_epoch: Called after each epoch, with the number of epochs.
        """
        self._folder = folder
        for one, outcome in self.outcomes.items():
            if stop():
                break
            try:
                self._train(one, outcome, stop, on_epoch)
            except (DivergedError, OSError, torch.OutOfMemoryError) as error:
                outcome.status, outcome.reason = job.FAILED, " ".join(str(error).split())
            self._save_tables()
        ended = all(outcome.status in (job.DONE, job.FAILED) for outcome in self.outcomes.values())
        self._folder.save_state("finished" if ended else "interrupted")

    @property
    def table(self) -> pd.DataFrame:
        """The table so far."""
        return job.table(self.outcomes, self.order.dataset, self.order.recipe, str(self.device))

    def _train(self, one: Job, outcome: Outcome, stop: Callable[[], bool], on_epoch: OnEpoch) -> None:
        path = self._folder.checkpoint(one.name)
        training = Training(one.architecture, self.data, self.recipe, one.seed, self.device)
        if path.exists():
            kept = checkpoint.load(path, self.device)
            outcome.epochs = [Epoch(*values) for values in kept["epochs"]]
            training.take_up(kept["training"])
        outcome.status = job.RUNNING
        while training.epoch < self.recipe.epochs:
            epoch = training.run_epoch(stop)
            if epoch is not None:
                outcome.epochs.append(epoch)
            values = [list(dataclasses.astuple(done)) for done in outcome.epochs]
            state = {"training": training.state(), "epochs": values, "arch": str(one.architecture)}
            checkpoint.save(path, state)
            if epoch is not None:
                self._save_tables()
                on_epoch(one, epoch, self.recipe.epochs)
            if stop() and training.epoch < self.recipe.epochs:
                outcome.status = job.INTERRUPTED
                return
        if self.data.held_out is not None:
            outcome.test = training.test(self.data.test)
        outcome.status = job.DONE

    def _save_tables(self) -> None:
        trained = self.table
        self._folder.save(self._folder.trained, trained)
        self._folder.save(self._folder.summary, job.summary(trained))
        curves = [
            {"row": one.row, "seed": one.seed, **dataclasses.asdict(epoch)}
            for one, outcome in self.outcomes.items()
            for epoch in outcome.epochs
        ]
        self._folder.save(self._folder.curves, pd.DataFrame(curves))
