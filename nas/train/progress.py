"""What is seen of a training while it runs: bars in a terminal, else a line an epoch; on standard error."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol

from nas.train.job import FAILED, Job, Outcome


class Progress(Protocol):
    """What is told of a training."""

    def report(self, job: Job, outcome: Outcome) -> None:
        """A job has come further."""

    def on_step(self, job: Job, epochs: float) -> None:
        """A job has done so many epochs and a part of one."""


@contextmanager
def shown(epochs: int, quiet: bool = False) -> Iterator[Progress]:
    """Show what is told: as bars where standard error is a terminal, else as lines; or not at all."""
    if quiet:
        yield _Nothing()
        return
    if not (sys.stderr.isatty() and importlib.util.find_spec("rich")):
        yield _Lines(epochs)
        return
    from rich.console import Console
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bars

    columns = (TextColumn("{task.description}"), BarColumn(20), TextColumn("{task.fields[said]}"))
    with Bars(*columns, TimeRemainingColumn(), console=Console(stderr=True)) as bars:
        yield _Bars(bars, epochs)


class _Nothing:
    def report(self, job: Job, outcome: Outcome) -> None:
        pass

    def on_step(self, job: Job, epochs: float) -> None:
        pass


class _Lines:
    def __init__(self, epochs: int) -> None:
        self._epochs = epochs
        self._told: dict[str, int] = {}

    def report(self, job: Job, outcome: Outcome) -> None:
        done, named = len(outcome.epochs), f"row {job.row} seed {job.seed}"
        if outcome.status == FAILED:
            print(f"{named} failed: {outcome.reason}", file=sys.stderr, flush=True)
        elif done > self._told.get(job.name, 0):
            left = sum(epoch.seconds for epoch in outcome.epochs) / done * (self._epochs - done)
            rest = f", about {timedelta(seconds=round(left))} left" if left >= 1 else ""
            print(f"{named} epoch {_said(outcome, self._epochs)}{rest}", file=sys.stderr, flush=True)
        self._told[job.name] = done

    def on_step(self, job: Job, epochs: float) -> None:
        pass


class _Bars:
    def __init__(self, bars: Any, epochs: int) -> None:
        self._bars, self._epochs = bars, epochs
        self._tasks: dict[str, Any] = {}

    def report(self, job: Job, outcome: Outcome) -> None:
        task = self._task(job)
        said = f"failed: {outcome.reason}" if outcome.status == FAILED else _said(outcome, self._epochs)
        self._bars.update(task, said=said, completed=len(outcome.epochs))

    def on_step(self, job: Job, epochs: float) -> None:
        self._bars.update(self._task(job), completed=epochs)

    def _task(self, job: Job) -> Any:
        if job.name not in self._tasks:
            named = f"row {job.row} seed {job.seed}"
            self._tasks[job.name] = self._bars.add_task(named, total=self._epochs, said="")
        return self._tasks[job.name]


def _said(outcome: Outcome, epochs: int) -> str:
    if not outcome.epochs:
        return f"0/{epochs}"
    last = outcome.epochs[-1]
    speed = f"{last.images_per_second:,.0f} images/s"
    where = "held-out " if last.tested_on == "held_out" else ""
    return f"{last.number}/{epochs} loss {last.train_loss:.3f} {where}top-1 {last.top1:.2f}% {speed}"
