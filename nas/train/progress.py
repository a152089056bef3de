"""Progress of a training: bars or lines on standard error, curves in TensorBoard."""

from __future__ import annotations

import dataclasses
import importlib.util
import math
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread
from typing import Any

from nas.train.job import FAILED, RUNNING, Epoch, Job, JobState


class TensorBoardLogger:
    """Writes the results of epochs to TensorBoard, if it is installed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._writers: dict[str, Any] = {}
        self._added: dict[str, int] = {}
        self._enabled = importlib.util.find_spec("tensorboard") is not None

    def add(self, job: Job, epoch: Epoch) -> None:
        """Add an epoch once; after a failed write nothing more is added."""
        try:
            self._add(job, epoch)
        except (OSError, ValueError):  # a full disk, or a path that is not UTF-8; curves.csv has the data
            self._enabled = False

    def close(self, job: Job) -> None:
        """End the file of a job: thousands of open files are more than a system allows."""
        if writer := self._writers.pop(job.name, None):
            with suppress(OSError, ValueError):
                writer.close()

    def _add(self, job: Job, epoch: Epoch) -> None:
        if not self._enabled or self._added.get(job.name) == epoch.number:
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
    """Callbacks for the progress of a training; this base class shows nothing."""

    def report(self, job: Job, outcome: JobState) -> None:
        """Called with the state of a job after each epoch and at its end."""

    def on_step(self, job: Job, epochs: float) -> None:
        """Called with the epochs done, including the fraction of the current one."""


@contextmanager
def progress_display(epochs: int, quiet: bool = False, every: float = 10.0) -> Iterator[Progress]:
    """Show progress during a block: bars if standard error is a terminal, else lines.

    Args:
        epochs: Number of epochs of each training.
        quiet: Show nothing.
        every: Longest time between lines, in seconds.
    """
    if quiet:
        yield Progress()
        return
    if not (sys.stderr.isatty() and importlib.util.find_spec("rich")):
        lines = _Lines(epochs)
        with lines.heartbeat(every):
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
        self._reported: dict[str, int] = {}
        self._positions: dict[str, tuple[Job, float]] = {}
        self._last = time.monotonic()

    @contextmanager
    def heartbeat(self, every: float) -> Iterator[None]:
        """During a block, print the current positions after each `every` seconds without a line.

        A thread prints them, since a single step, or the preparation of the first, may take longer.
        """
        ended, start = Event(), time.monotonic()

        def watch() -> None:
            while not ended.wait(max(self._last + every - time.monotonic(), every / 100)):
                if time.monotonic() - self._last >= every:
                    self._print(self._current() or f"preparing, {time.monotonic() - start:.0f} s")

        watcher = Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield
        finally:
            ended.set()
            watcher.join()

    def _current(self) -> str:
        parts = []
        for job, epochs in list(self._positions.values()):
            fraction = epochs - self._reported.get(job.name, 0)
            phase = "testing" if fraction >= 1 else f"{fraction:.0%}"
            number = min(self._reported.get(job.name, 0) + 1, self._epochs)
            parts.append(f"row {job.row} seed {job.seed} epoch {number}/{self._epochs}: {phase}")
        return ", ".join(parts)

    def _print(self, line: str) -> None:
        self._last = time.monotonic()
        print(line, file=sys.stderr, flush=True)

    def report(self, job: Job, outcome: JobState) -> None:
        done, name = len(outcome.epochs), f"row {job.row} seed {job.seed}"
        if outcome.status == FAILED:
            self._print(f"{name} failed: {outcome.reason}")
        elif done > self._reported.get(job.name, 0):
            seconds = sum(epoch.seconds for epoch in outcome.epochs) / done * (self._epochs - done)
            left = f", about {timedelta(seconds=round(seconds))} left" if seconds >= 1 else ""
            self._print(f"{name} epoch {_describe(outcome, self._epochs)}{left}")
        self._reported[job.name] = done
        if outcome.status != RUNNING:
            self._positions.pop(job.name, None)

    def on_step(self, job: Job, epochs: float) -> None:
        self._reported.setdefault(job.name, max(math.ceil(epochs) - 1, 0))  # a resumed training begins later
        self._positions[job.name] = (job, epochs)


class _Bars(Progress):
    def __init__(self, bars: Any, epochs: int) -> None:
        self._bars, self._epochs = bars, epochs
        self._tasks: dict[str, Any] = {}

    def report(self, job: Job, outcome: JobState) -> None:
        task = self._task(job)
        state = f"failed: {outcome.reason}" if outcome.status == FAILED else _describe(outcome, self._epochs)
        self._bars.update(task, state=state, completed=len(outcome.epochs))

    def on_step(self, job: Job, epochs: float) -> None:
        self._bars.update(self._task(job), completed=epochs)

    def _task(self, job: Job) -> Any:
        if job.name not in self._tasks:
            name = f"row {job.row} seed {job.seed}"
            self._tasks[job.name] = self._bars.add_task(name, total=self._epochs, state="")
        return self._tasks[job.name]


def _describe(outcome: JobState, epochs: int) -> str:
    if not outcome.epochs:
        return f"0/{epochs}"
    last = outcome.epochs[-1]
    speed = f"{last.images_per_second:,.0f} images/s"
    images = "held-out " if last.tested_on == "held_out" else ""
    return f"{last.number}/{epochs} loss {last.train_loss:.3f} {images}top-1 {last.top1:.2f}% {speed}"
