"""A training run: its jobs one after another or side by side, its tables and its figure."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from nas.columns import column
from nas.files import as_png, write_whole
from nas.runs import CHECKPOINTS, writing
from nas.train import job
from nas.train.config import TrainConfig
from nas.train.data import Data, all_fitted
from nas.train.folder import TrainFolder
from nas.train.job import DONE, FAILED, INTERRUPTED, Guess, Job, JobState, called
from nas.train.model import Checkpoint
from nas.train.progress import TensorBoardLogger
from nas.train.runtime import Execution, OnStep, Report, settle, train
from search_spaces import RequestError
from search_spaces.errors import shortened

_NAMED_AT_MOST = 12
_NAME = 60
"""Characters of a name; longer ones are cut in the middle."""


def draw(curves: pd.DataFrame, names: Mapping[Any, str], path: Path) -> None:
    """Draw the rows of curves.csv, where matplotlib is installed and there is something to draw.

    Args:
        curves: The rows.
        names: What the network of each row is called.
        path: Of the PNG.
    """
    if curves.empty or not importlib.util.find_spec("matplotlib"):
        return
    from matplotlib.figure import Figure

    jobs = curves.groupby(["row", "seed"], sort=False)
    lines = -(-len(jobs) // 2) if len(jobs) <= _NAMED_AT_MOST else 0
    figure = Figure(figsize=(9, 3.6 + 0.2 * lines), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    several = len(jobs) > curves["row"].nunique()
    for (row, seed), epochs in jobs:
        label = shortened(names[row], _NAME) + (f", seed {seed}" if several else "")
        loss.plot(epochs["number"], epochs["train_loss"], marker=".", linewidth=1.2, label=label)
        accuracy.plot(epochs["number"], epochs["top1"], marker=".", linewidth=1.2, label=label)
    loss.set(xlabel=column("number").label(), ylabel=column("train_loss").label())
    where = "held-out images" if (curves["tested_on"] == "held_out").any() else "test set"
    accuracy.set(xlabel=column("number").label(), ylabel=column("top1").label(f"on the {where}"))
    for axes in (loss, accuracy):
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        axes.xaxis.get_major_locator().set_params(integer=True)
    if len(jobs) <= _NAMED_AT_MOST:
        handles, labels = accuracy.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    write_whole(path, as_png(figure, dpi=120))


class TrainRun:
    """Networks being trained.

    Attributes:
        order: What was asked for.
        folder: Where everything is kept.
        outcomes: Each job with how far it has come.
        unsaved: Why the tables could not be written the last time, if so.
    """

    def __init__(self, order: TrainConfig, data: Data, execution: Execution) -> None:
        execution.processes.check(order.values.batch_size, len(data.train))
        self.order, self._execution, self.unsaved = order, execution, ""
        self._data = data
        self._guess = Guess.of(data)
        self.outcomes = {
            Job(row, architecture, seed): JobState()
            for row, architecture in enumerate(all_fitted(order, data), 1)
            for seed in order.seeds_of(row)
        }
        self._kept: dict[Job, dict[str, Any]] = {}
        self._settled = False

    @property
    def table(self) -> pd.DataFrame:
        """The table so far."""
        count = self._execution.processes.count
        device = f"{count} x {self._execution.device.type}" if count > 1 else str(self._execution.device)
        setting = {
            "dataset": self.order.dataset,
            "recipe": self.order.recipe,
            "device": device,
            "threads": self._execution.threads,
        }
        return job.table(self.outcomes, setting, self._guess, self._kept)

    def settle_threads(self, folder: TrainFolder, at_a_time: int = 1) -> None:
        """Set how many threads torch computes with, once; see `nas.train.runtime`.

        Args:
            folder: Where an earlier part of the run is.
            at_a_time: Networks trained side by side.
        """
        if self._settled:
            return
        threads = settle(
            self._execution.threads,
            (one.architecture for one, outcome in self.outcomes.items() if outcome.status != DONE),
            self._data,
            self.order.values,
            self._execution.device,
            self._execution.processes,
            at_a_time,
            folder.threads,
        )
        self._execution, self._settled = replace(self._execution, threads=threads), True
        folder.threads = threads

    def run(
        self,
        folder: TrainFolder,
        stop: Callable[[], bool] = lambda: False,
        report: Report = lambda job, outcome: None,
        on_step: OnStep = lambda job, epochs: None,
        devices: list[torch.device] | None = None,
        workers: int | None = None,
    ) -> None:
        """Train what is not done; where all is, nothing is written.

        Args:
            folder: Where everything is kept.
            stop: Asked after each step; what was done until then is kept.
            report: Called with a job's outcome after each epoch and at its end.
            on_step: Called after each step; about once per second where jobs run in parallel.
            devices: Run a job on each of these at a time; one may be named several times.
            workers: Processes that read images for each device.

        Raises:
            RequestError: What is in the folder is damaged, of another training, or in use by another command;
                or it cannot be written.
        """
        finished = folder.finished
        with nullcontext() if finished else folder.locked(self._execution.processes):
            self._take_up(folder)
            if not finished:
                self._train(folder, stop, report, on_step, devices, workers)

    def _train(
        self,
        folder: TrainFolder,
        stop: Callable[[], bool],
        report: Report,
        on_step: OnStep,
        devices: list[torch.device] | None,
        workers: int | None,
    ) -> None:
        self.settle_threads(folder, len(devices or (self._execution.device,)))
        if self._execution.processes.is_main:
            with writing(folder.path):
                (folder.path / CHECKPOINTS).mkdir(exist_ok=True)
            folder.save_state("running")
        board = TensorBoardLogger(folder.path / "tensorboard") if self._execution.processes.is_main else None

        def note(one: Job, outcome: JobState) -> None:
            self.outcomes[one] = outcome
            self._save_tables(folder)
            if board and outcome.epochs:
                board.add(one, outcome.epochs[-1])
            report(one, outcome)

        left = [one for one, outcome in self.outcomes.items() if outcome.status != DONE]
        if devices:
            from nas.train.parallel import train_side_by_side

            train_side_by_side(
                left, self.order, folder, self._execution, devices, workers, stop, note, on_step
            )
        else:
            data = self._data.to(self._execution.device)
            for one in left:
                if self._execution.processes.any(stop()):
                    break
                path = folder.checkpoint(one.name)
                note(one, train(one, data, self.order.values, path, self._execution, stop, note, on_step))
        ended = all(outcome.status in (DONE, FAILED) for outcome in self.outcomes.values())
        if self._execution.processes.is_main:
            self._save_tables(folder)
            try:
                names = {one.row: called(one.architecture) for one in self.outcomes}
                with writing(folder.path / "curves.png"):
                    draw(job.curves(self.outcomes), names, folder.path / "curves.png")
                folder.save_state("finished" if ended else "interrupted")
            except RequestError as error:
                self.unsaved = str(error)

    def _take_up(self, folder: TrainFolder) -> None:
        """Learn from the folder how far each job has come; what is done there stays as it is."""
        rows, epochs = folder.rows(), folder.epochs()
        for one in self.outcomes:
            key, path = (one.row, one.seed), folder.checkpoint(one.name)
            row = rows.get(key)
            if row and row["arch"] != str(one.architecture):
                raise RequestError(
                    f"{folder.trained} is of another network: row {one.row} is {row['arch']}, now"
                    f" {one.architecture}; start a new run"
                )
            if path.exists():
                kept = Checkpoint.load(path)
                kept.check(path, one, self.order.values, self._data)
                outcome = kept.so_far()
                self.outcomes[one] = outcome if outcome.status == DONE else outcome.ended(INTERRUPTED)
            done = self.outcomes[one].status == DONE
            if row and row["status"] == DONE:
                self._kept[one] = row
                if not done:
                    self.outcomes[one] = JobState.of_table(epochs.get(key, ()))
            elif row and row["status"] == FAILED and not done:
                self.outcomes[one] = self.outcomes[one].ended(FAILED, row["reason"])

    def _save_tables(self, folder: TrainFolder) -> None:
        if not self._execution.processes.is_main:
            return
        try:
            trained = self.table
            folder.save(folder.trained, trained)
            folder.save(folder.summary, job.summary(trained))
            folder.save(folder.curves, job.curves(self.outcomes))
            self.unsaved = ""
        except RequestError as error:
            # The network in training is not to blame: it goes on, and the next table may be written again.
            self.unsaved = str(error)
