"""A training run: runs its jobs in sequence or in parallel, and writes its tables and plot."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from nas.columns import column
from nas.figures import plain
from nas.files import as_png, write_whole
from nas.remote import Remote
from nas.runs import Paced, writing
from nas.tasks import Again, Here, Launcher, Lost, Place
from nas.train import job
from nas.train.config import TrainConfig
from nas.train.data import Data, all_fitted
from nas.train.folder import TrainFolder
from nas.train.job import DONE, FAILED, INTERRUPTED, RUNNING, ChanceLevel, Job, JobState, display_name
from nas.train.model import Checkpoint
from nas.train.progress import TensorBoardLogger
from nas.train.runtime import Execution, OnStep, Report, set_threads
from nas.train.work import Trainings
from search_spaces import RequestError
from search_spaces.errors import shortened

_MAX_LEGEND = 12
"""Largest number of curves with a legend."""
_MAX_NAME = 60
"""Largest number of characters of a name; longer ones are shortened in the middle."""


def draw(curves: pd.DataFrame, names: Mapping[Any, str], path: Path) -> None:
    """Plot the rows of curves.csv, if there are any and matplotlib is installed.

    Args:
        curves: The rows.
        names: Name of the network of each row.
        path: Path of the PNG.
    """
    if curves.empty or not importlib.util.find_spec("matplotlib"):
        return
    from matplotlib.figure import Figure

    jobs = curves.groupby(["row", "seed"], sort=False)
    lines = -(-len(jobs) // 2) if len(jobs) <= _MAX_LEGEND else 0
    figure = Figure(figsize=(9, 3.6 + 0.2 * lines), layout="constrained")
    loss, accuracy = figure.subplots(1, 2)
    several = len(jobs) > curves["row"].nunique()
    for (row, seed), epochs in jobs:
        label = shortened(names[row], _MAX_NAME) + (f", seed {seed}" if several else "")
        loss.plot(epochs["number"], epochs["train_loss"], marker=".", linewidth=1.2, label=label)
        accuracy.plot(epochs["number"], epochs["top1"], marker=".", linewidth=1.2, label=label)
    loss.set(xlabel=column("number").label(), ylabel=column("train_loss").label())
    images = "held-out images" if (curves["tested_on"] == "held_out").any() else "test set"
    accuracy.set(xlabel=column("number").label(), ylabel=column("top1").label(f"on the {images}"))
    plain(loss, accuracy)
    for axes in (loss, accuracy):
        axes.xaxis.get_major_locator().set_params(integer=True)
    if len(jobs) <= _MAX_LEGEND:
        handles, labels = accuracy.get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside lower center", ncols=2, frameon=False, fontsize="small")
    write_whole(path, as_png(figure, dpi=120))


class TrainRun:
    """A training run.

    Attributes:
        config: Its configuration.
        outcomes: The state of each job.
        unsaved: Why the tables could not be written the last time; empty if they were.
    """

    def __init__(self, config: TrainConfig, data: Data, execution: Execution) -> None:
        self.config, self._execution, self.unsaved = config, execution, ""
        self._data = data
        self._chance = ChanceLevel.of(data)
        self.outcomes = {
            Job(row, architecture, seed): JobState()
            for row, architecture in enumerate(all_fitted(config, data), 1)
            for seed in config.seeds_of(row)
        }
        self._kept: dict[Job, dict[str, Any]] = {}
        self._threads_set = False

    @property
    def table(self) -> pd.DataFrame:
        """The current rows of trained.csv."""
        count = self._execution.processes.count
        device = f"{count} x {self._execution.device.type}" if count > 1 else str(self._execution.device)
        setting = {
            "dataset": self.config.dataset,
            "recipe": self.config.recipe,
            "device": device,
            "threads": self._execution.threads,
        }
        return job.table(self.outcomes, setting, self._chance, self._kept)

    def set_threads(self, folder: TrainFolder, at_a_time: int = 1) -> None:
        """Set the number of threads of torch, once; see `nas.train.runtime.set_threads`.

        Args:
            folder: Folder of the run; it stores the number.
            at_a_time: Number of networks trained in parallel.
        """
        if self._threads_set:
            return
        threads = set_threads(
            self._execution.threads,
            (one.architecture for one, outcome in self.outcomes.items() if outcome.status != DONE),
            self._data,
            self.config.values,
            self._execution.device,
            self._execution.processes,
            at_a_time,
            folder.threads,
        )
        self._execution, self._threads_set = replace(self._execution, threads=threads), True
        folder.threads = threads

    def run(
        self,
        folder: TrainFolder,
        stop: Callable[[], bool] = lambda: False,
        report: Report = lambda job, outcome: None,
        on_step: OnStep = lambda job, epochs: None,
        launcher: Launcher | None = None,
    ) -> None:
        """Train all unfinished jobs; if there are none, nothing is written.

        Args:
            folder: Folder of the run.
            stop: Polled after each step; the progress is saved.
            report: Called with the state of a job after each epoch and at its end.
            on_step: Called after each step; about once per second if jobs run in other processes.
            launcher: What runs the jobs; this process by default.

        Raises:
            RequestError: The folder is damaged, of another training, in use by another command, or cannot be
                written; or a machine lacks something.
        """
        finished = folder.finished
        with nullcontext() if finished else folder.locked(self._execution.processes):
            self._restore(folder)
            if not finished:
                processes = self._execution.processes
                here = Here(Place(str(self._execution.device)), processes.any)
                self._train(folder, stop, report, on_step, launcher or here)

    def _train(
        self,
        folder: TrainFolder,
        stop: Callable[[], bool],
        report: Report,
        on_step: OnStep,
        launcher: Launcher,
    ) -> None:
        self.set_threads(folder, launcher.at_a_time)
        if self._execution.processes.is_main:
            if isinstance(folder.checkpoints, Path):
                with writing(folder.checkpoints):
                    folder.checkpoints.mkdir(parents=True, exist_ok=True)
            folder.save_state("running")
        board = TensorBoardLogger(folder.path / "tensorboard") if self._execution.processes.is_main else None

        tables = Paced(partial(self._save_tables, folder))

        def note(one: Job, outcome: JobState) -> None:
            self.outcomes[one] = outcome
            tables.later()
            if board and outcome.epochs:
                board.add(one, outcome.epochs[-1])
                if outcome.status != RUNNING:
                    board.close(one)
            report(one, outcome)

        def on_message(one: Job, value: object) -> None:
            if isinstance(value, JobState):
                note(one, value)
            elif isinstance(value, Again):
                print(
                    f"note: row {one.row} seed {one.seed}: {value.reason}; it is tried again", file=sys.stderr
                )
            else:
                assert isinstance(value, float)
                on_step(one, value)

        remaining = [one for one, outcome in self.outcomes.items() if outcome.status != DONE]
        try:
            with self._work(folder, launcher) as work:
                for one, outcome in launcher.run(work, remaining, stop, on_message):
                    if isinstance(outcome, Lost):
                        outcome = self.outcomes[one].with_status(FAILED, outcome.reason)
                    note(one, outcome)
        except RequestError as error:
            raise RequestError(f"{error}; then run {folder.resume}") from None
        finally:
            self._conclude(folder)

    @contextmanager
    def _work(self, folder: TrainFolder, launcher: Launcher) -> Iterator[Trainings]:
        """The work for a launcher, during a block."""
        data = self._data if isinstance(launcher, Here) else None
        work = Trainings(self.config, folder.checkpoints, self._execution, data=data)
        if not launcher.elsewhere:
            yield work
            return
        shared = work.shared()
        try:
            yield shared
        finally:
            shared.end_sharing()

    def _conclude(self, folder: TrainFolder) -> None:
        """Write the tables, the plot and the state of a run that ended, in whatever way."""
        for one, outcome in self.outcomes.items():
            if outcome.status == RUNNING:
                self.outcomes[one] = outcome.with_status(INTERRUPTED)
        ended = all(outcome.status in (DONE, FAILED) for outcome in self.outcomes.values())
        if self._execution.processes.is_main:
            self._save_tables(folder)
            try:
                names = {one.row: display_name(one.architecture) for one in self.outcomes}
                with writing(folder.path / "curves.png"):
                    draw(job.curves(self.outcomes), names, folder.path / "curves.png")
                folder.save_state("finished" if ended else "interrupted")
            except RequestError as error:
                self.unsaved = str(error)

    def _restore(self, folder: TrainFolder) -> None:
        """Restore the state of each job from the folder; rows of finished jobs stay unchanged."""
        there = [folder.checkpoint(one.name).exists() for one in self.outcomes]
        self._execution.processes.check_equal(there, f"what is in {folder.path}")
        rows, epochs = folder.rows(), folder.epochs()
        for one in self.outcomes:
            key, path = (one.row, one.seed), folder.checkpoint(one.name)
            row = rows.get(key)
            if row and row["arch"] != str(one.architecture):
                raise RequestError(
                    f"{folder.trained} is of another network: row {one.row} is {row['arch']}, now"
                    f" {one.architecture}; start a new run"
                )
            # A finished one of a store is in the tables: to fetch thousands of them takes long.
            known = isinstance(path, Remote) and row is not None and row["status"] == DONE
            if not known and path.exists():
                checkpoint = Checkpoint.load(path)
                checkpoint.check(path, one, self.config.values, self._data)
                outcome = checkpoint.job_state()
                self.outcomes[one] = outcome if outcome.status == DONE else outcome.with_status(INTERRUPTED)
            done = self.outcomes[one].status == DONE
            if row and row["status"] == DONE:
                self._kept[one] = row
                if not done:
                    self.outcomes[one] = JobState.of_table(epochs.get(key, ()))
            elif row and row["status"] == FAILED and not done:
                self.outcomes[one] = self.outcomes[one].with_status(FAILED, row["reason"])

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
            # The training continues, and the next write may succeed.
            self.unsaved = str(error)
