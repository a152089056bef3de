"""One job, from its checkpoint or from the beginning, to its end, whatever that is."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from nas.train.checkpoint import Checkpoint, damaged
from nas.train.compiled import Compile
from nas.train.data import Data
from nas.train.images import DataError
from nas.train.job import DONE, FAILED, INTERRUPTED, RUNNING, Accuracy, Job, Outcome
from nas.train.loop import DivergedError, Training
from nas.train.processes import ALONE, Processes
from nas.train.recipe import Recipe

Report: TypeAlias = Callable[[Job, Outcome], None]
"""Told of a job's outcome after each epoch and at its end."""
OnStep: TypeAlias = Callable[[Job, float], None]
"""Told after each step of a job how many epochs have been done, with the part of the one under way."""


@dataclass(frozen=True)
class Means:
    """By what networks are trained: all that does not change what they become, but for rounding.

    Attributes:
        device: Where.
        processes: Together with whom.
        compiling: Whether to use torch.compile.
        minutes: Checkpoints are no further apart than this.
        threads: Of torch on the CPU; chosen by a measurement if not given.
    """

    device: torch.device
    processes: Processes = ALONE
    compiling: Compile = "auto"
    minutes: float = 10.0
    threads: int | None = None


def train(
    job: Job,
    data: Data,
    recipe: Recipe,
    path: Path,
    means: Means,
    stop: Callable[[], bool],
    report: Report,
    on_step: OnStep = lambda job, epochs: None,
) -> Outcome:
    """Train a job and keep it at `path`.

    Args:
        job: What to train.
        data: On the device.
        recipe: How.
        path: Its checkpoint, gone on from if it is there.
        means: By what.
        stop: Asked after each step; what was done until then is kept.
        report: Told after each epoch.
        on_step: Told after each step.

    Raises:
        RequestError: The checkpoint is of another network, recipe or data set, or damaged.
    """
    kept = Checkpoint.load(path) if path.exists() else None
    if kept is not None:
        kept.check(path, job, recipe, data)
        if kept.so_far().status == DONE:
            return kept.so_far()
    one = _One(job, data, recipe, path, means, kept)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            return one.train(stop, report, on_step)
    except (DivergedError, OSError) as error:
        return one.outcome.ended(FAILED, str(error))
    except (DataError, RuntimeError) as error:
        # Of several processes the others do not know of it, and would wait: torchrun ends them all.
        if means.processes.count > 1 or not _of_this_network(error):
            raise
        return one.outcome.ended(FAILED, str(error))


def _of_this_network(error: Exception) -> bool:
    """Whether an error ends one network and not the run: its memory, its images, or who reads them."""
    known = isinstance(error, DataError | torch.OutOfMemoryError)
    # torch's loader raises a plain RuntimeError, wherever the program is, when one of its workers dies.
    return known or "DataLoader worker" in str(error)


class _One:
    """A job being trained."""

    def __init__(
        self, job: Job, data: Data, recipe: Recipe, path: Path, means: Means, kept: Checkpoint | None
    ) -> None:
        self._job, self._data, self._recipe, self._path, self._means = job, data, recipe, path, means
        self.outcome = kept.so_far() if kept else Outcome()
        self._kept = kept
        self._best: dict[str, Tensor] | None = kept.best if kept else None

    def train(self, stop: Callable[[], bool], report: Report, on_step: OnStep) -> Outcome:
        means, epochs = self._means, self._recipe.epochs
        self._training = training = Training(
            self._job.architecture,
            self._data,
            self._recipe,
            self._job.seed,
            means.device,
            means.processes,
            means.compiling,
        )
        if self._kept is not None and self._kept.training is not None:
            try:
                training.take_up(self._kept.training)
                if training.epoch >= epochs or training.step >= training.steps:
                    raise ValueError(f"epoch {training.epoch}, step {training.step}")
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
                raise damaged(self._path, error) from None
        self._kept = None
        forward = training.forward
        compiled = "yes" if forward.compiled else forward.failure and f"failed: {forward.failure}"
        self.outcome = dataclasses.replace(self.outcome, compiled=compiled).ended(RUNNING)
        saved = time.monotonic()

        def pause() -> bool:
            on_step(self._job, training.epoch + training.step / training.steps)
            return means.processes.any(stop() or time.monotonic() - saved > 60 * means.minutes)

        while training.epoch < epochs:
            epoch = training.run_epoch(pause)
            if epoch is not None:
                self.outcome = self.outcome.after(epoch)
                if self._data.held_out is not None and self.outcome.best == epoch:
                    self._best = _copied(training.tested.state_dict())
            stopped = means.processes.any(stop()) and training.epoch < epochs
            if stopped:
                self.outcome = self.outcome.ended(INTERRUPTED)
            if training.epoch < epochs:
                self._save(training.state())
            saved = time.monotonic()
            if stopped:
                return self.outcome
            if epoch is not None and training.epoch < epochs:
                report(self._job, self.outcome)
        return self._finish()

    def _finish(self) -> Outcome:
        """Touch the test set, if others were held out, and keep the weights."""
        if self._data.held_out is not None:
            model = self._training.tested
            last = _copied(model.state_dict())
            test = Accuracy(*self._training.test(self._data.test))
            model.load_state_dict(self._best or last)
            best = Accuracy(*self._training.test(self._data.test))
            model.load_state_dict(last)
            self.outcome = dataclasses.replace(self.outcome, test=test, best_test=best)
        outcome, self.outcome = self.outcome, self.outcome.ended(DONE)
        try:
            self._save(None)
        except OSError:
            self.outcome = outcome
            raise
        return self.outcome

    def _save(self, training: dict[str, object] | None) -> None:
        """Write the checkpoint, in the first process; if that fails, it fails in all of them."""
        failure = ""
        if self._means.processes.first:
            model = self._training.tested
            checkpoint = Checkpoint(
                arch=str(self._job.architecture),
                recipe=dataclasses.asdict(self._recipe),
                classes=list(self._data.classes),
                side=self._data.side,
                images=len(self._data.train),
                outcome=self.outcome.as_values(),
                weights=model.state_dict(),
                best=self._best,
                training=training,
            )
            try:
                checkpoint.save(self._path)
            except OSError as error:
                failure = f"the checkpoint cannot be written: {error}"
        if failure := self._means.processes.told(failure):
            raise OSError(failure)


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in weights.items()}
