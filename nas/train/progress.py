"""What is seen of a training while it runs: bars or lines on standard error, curves in TensorBoard."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

from nas.train.job import FAILED, RUNNING, Epoch, Job, JobState


class TensorBoardLogger:
    """Writes the results of epochs for TensorBoard, if it is installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._added: dict[str, int] = {}
        self._there = importlib.util.find_spec("tensorboard") is not None

    def add(self, job: Job, epoch: Epoch) -> None:
        """Add an epoch, if it is a new one; where that cannot be written, no more is added."""
        try:
            self._add(job, epoch)
        except (OSError, ValueError):  # a full disk, or a path that is no text: curves.csv has all of it
            self._there = False

    def _add(self, job: Job, epoch: Epoch) -> None:
        if not self._there or self._added.get(job.name) == epoch.number:
            return
        self._added[job.name] = epoch.number
        from torch.utils.tensorboard.writer import SummaryWriter

        if job.name not in self._writers:
            self._writers[job.name] = SummaryWriter(self._folder / job.name, purge_step=epoch.number)
        for name, value in dataclasses.asdict(epoch).items():
            if name != "number" and isinstance(value, float):
                self._writers[job.name].add_scalar(name, value, epoch.number)
        self._writers[job.name].flush()


class Progress:
    """A listener to the progress of a training, which shows nothing by itself."""

    def report(self, job: Job, outcome: JobState) -> None:
        """A job has come further."""

    def on_step(self, job: Job, epochs: float) -> None:
        """A job has done so many epochs and a part of one."""


@contextmanager
def shown(epochs: int, quiet: bool = False, every: float = 10.0) -> Iterator[Progress]:
    """Show progress: as bars where standard error is a terminal, else as lines; or not at all.

    Args:
        epochs: Of each training.
        quiet: Show nothing.
        every: Seconds after which another line says where a training is, if there was none.
    """
    if quiet:
        yield Progress()
        return
    if not (sys.stderr.isatty() and importlib.util.find_spec("rich")):
        lines = _Lines(epochs)
        with lines.between(every):
            yield lines
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[state]}"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        yield _Bars(bars, epochs)


class _Lines(Progress):
    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._told: dict[str, int] = {}
        self._reached: dict[str, tuple[Job, float]] = {}
        self._last = time.monotonic()

    @contextmanager
    def between(self, every: float) -> Iterator[None]:
        """While a block runs, say where the trainings are whenever there was no line for so many seconds.

        A thread says it: a step, or what is done before the first one, may itself take longer.
        """
        ended, begun = Event(), time.monotonic()

        def watch() -> None:
            while not ended.wait(max(self._last + every - time.monotonic(), every / 100)):
                if time.monotonic() - self._last >= every:
                    self._say(self._whereabouts() or f"preparing, {time.monotonic() - begun:.0f} s")

        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def _whereabouts(self) -> str:
        found = []
        for job, epochs in list(self._reached.values()):
            part = epochs - self._told.get(job.name, 0)
            doing = "testing" if part >= 1 else f"{part:.0%}"
            number = min(self._told.get(job.name, 0) + 1, self._epochs)
            found.append(f"row {job.row} seed {job.seed} epoch {number}/{self._epochs}: {doing}")
        return ", ".join(found)

    def _say(self, line: str) -> None:
        self._last = time.monotonic()
        print(line, file=sys.stderr, flush=True)

    def report(self, job: Job, outcome: JobState) -> None:
        done, named = len(outcome.epochs), f"row {job.row} seed {job.seed}"
        if outcome.status == FAILED:
            self._say(f"{named} failed: {outcome.reason}")
        elif done > self._told.get(job.name, 0):
            left = sum(epoch.seconds for epoch in outcome.epochs) / done * (self._epochs - done)
            rest = f", about {timedelta(seconds=round(left))} left" if left >= 1 else ""
            self._say(f"{named} epoch {_state_of(outcome, self._epochs)}{rest}")
        self._told[job.name] = done
        if outcome.status != RUNNING:
            self._reached.pop(job.name, None)

    def on_step(self, job: Job, epochs: float) -> None:
        self._reached[job.name] = (job, epochs)


class _Bars(Progress):
    def __init__(self, bars: Any, epochs: int) -> None:
        self._bars, self._epochs = bars, epochs
        self._tasks: dict[str, Any] = {}

    def report(self, job: Job, outcome: JobState) -> None:
        task = self._task(job)
        state = f"failed: {outcome.reason}" if outcome.status == FAILED else _state_of(outcome, self._epochs)
        self._bars.update(task, state=state, completed=len(outcome.epochs))

    def on_step(self, job: Job, epochs: float) -> None:
        self._bars.update(self._task(job), completed=epochs)

    def _task(self, job: Job) -> Any:
        if job.name not in self._tasks:
            named = f"row {job.row} seed {job.seed}"
            self._tasks[job.name] = self._bars.add_task(named, total=self._epochs, state="")
        return self._tasks[job.name]


def _state_of(outcome: JobState, epochs: int) -> str:
    if not outcome.epochs:
        return f"0/{epochs}"
    last = outcome.epochs[-1]
    speed = f"{last.images_per_second:,.0f} images/s"
    where = "held-out " if last.tested_on == "held_out" else ""
    return f"{last.number}/{epochs} loss {last.train_loss:.3f} {where}top-1 {last.top1:.2f}% {speed}"
