"""How a job is run: on which device, with how many threads, from its checkpoint to its end.

All cores are often not the fastest: where other programs run, the threads of one operation wait for the
slowest of them, and small operations gain nothing by more. With another number sums are added up in another
order, so weights are the same to the last bit only with the same one.
"""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import TypeAlias

import torch
from torch import Tensor

from nas.train.config import Recipe
from nas.train.data import Data
from nas.train.distributed import ALONE, Processes
from nas.train.images import DataError, InMemory
from nas.train.job import DONE, FAILED, INTERRUPTED, RUNNING, Accuracy, Job, JobState
from nas.train.loop import DivergedError, Training
from nas.train.model import Checkpoint, damaged
from search_spaces import Architecture

_STEPS = 3
"""Timed for each number, after a first one that is not."""
_LONG_ENOUGH = 0.5
"""Seconds of timed steps after which a number has had its turn."""
_MACS_A_STEP, _IMAGES_A_STEP = 0.3e9, 512
"""Multiply-adds, forward, and images of a measured step at most: a whole batch can take a minute."""
_AS_FAST = 1.05
"""Fewer threads are taken if more are not faster than by this."""
_MUCH_FASTER = 1.5
"""A training that goes on changes its number only to one so much faster: that changes the last bits."""


def settle(
    asked: int | None,
    networks: Iterable[Architecture],
    data: Data,
    recipe: Recipe,
    device: torch.device,
    processes: Processes = ALONE,
    at_a_time: int = 1,
    before: int | None = None,
) -> int:
    """Set the number of threads of this process, and of those that train together with it.

    On a GPU torch's own number is kept.

    Args:
        asked: The number, if it is given.
        networks: To be trained, fitted to the data; the one of most multiply-adds is measured.
        data: The data set; its images are not read.
        recipe: How they are trained.
        device: Where.
        processes: The process group; each process has its part of the cores.
        at_a_time: Networks trained side by side, each in a process with its share of the cores.
        before: The number with which an earlier part of the run was trained.

    Returns:
        The number, from 1.
    """
    number: int = asked or torch.get_num_threads()
    if not asked and device.type == "cpu":
        if processes.is_main:
            most = max(torch.get_num_threads() // (processes.count * at_a_time), 1)
            number = _chosen(networks, data, recipe, processes.count, most, before)
        number = processes.broadcast(number)
    torch.set_num_threads(number)
    if before not in (None, number) and device.type == "cpu" and processes.is_main:
        print(
            f"note: this run was trained with {before} threads and goes on with {number}: results may differ"
            f" in their last bits from those of an unbroken training; --threads {before} keeps them",
            file=sys.stderr,
        )
    return number


def _chosen(
    networks: Iterable[Architecture], data: Data, recipe: Recipe, share: int, most: int, before: int | None
) -> int:
    numbers = sorted({1, *(1 << power for power in range(most.bit_length())), most, before or 1})
    if len(numbers) == 1:
        return numbers[0]
    largest = max(dict.fromkeys(networks), key=_macs, default=None)
    if largest is None:
        return before or most
    return fastest(seconds_a_step(largest, data, recipe, share, numbers), before)


def _macs(network: Architecture) -> int:
    return int(network.figures().macs)


def fastest(seconds: dict[int, float], before: int | None = None) -> int:
    """The least number that is nearly as fast as the fastest; the one before, unless it is much slower.

    >>> fastest({1: 1.02, 2: 1.0, 4: 3.0}), fastest({1: 2.0, 2: 1.0}), fastest({1: 1.4, 2: 1.0}, before=1)
    (1, 2, 1)
    """
    best = min(seconds.values())
    if before is not None and seconds[before] <= _MUCH_FASTER * best:
        return before
    return min(number for number, taken in seconds.items() if taken <= _AS_FAST * best)


def seconds_a_step(
    network: Architecture, data: Data, recipe: Recipe, share: int, numbers: Sequence[int]
) -> dict[int, float]:
    """Seconds that a step of training takes on the CPU with each number of threads: the shortest of a few.

    The steps are of a batch, or of a part of one that does not take long, of made-up images. No random number
    of this process is used, and its number of threads is as before.

    Args:
        network: Fitted to the data.
        data: The data set, of which only the shape of images is looked at.
        recipe: How the network is trained.
        share: Processes that share a batch.
        numbers: Of threads.
    """
    before = torch.get_num_threads()
    affordable = int(_MACS_A_STEP / max(_macs(network), 1))
    batch = max(min(recipe.batch_size // share, affordable, _IMAGES_A_STEP), 2)
    images = (_STEPS + 1) * len(numbers) * batch
    pixels = torch.arange(256, dtype=torch.uint8).repeat(-(-data.channels * data.side**2 // 256))
    one = pixels[: data.channels * data.side**2].view(1, data.channels, data.side, data.side)
    made_up = InMemory(one.repeat(images, 1, 1, 1), torch.arange(images) % len(data.classes))
    seconds: dict[int, float] = {}
    turn: list[int] = list(numbers)
    marks: list[float] = []

    def note() -> bool:
        """Asked after each step: mark the time, and have the next number begin when this one is done."""
        marks.append(time.perf_counter())
        taken = [later - earlier for earlier, later in pairwise(marks)]
        if taken:
            seconds[turn[0]] = min(taken)
        if len(taken) == _STEPS or sum(taken) > _LONG_ENOUGH:
            turn.pop(0)
            marks.clear()
            if turn:
                torch.set_num_threads(turn[0])
        return not turn

    still = replace(recipe, epochs=1, batch_size=batch, lr=0.0)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(turn[0])
            training = Training(
                network,
                replace(data, train=made_up, held_out=None),
                still,
                0,
                torch.device("cpu"),
            )
            training.train_epoch(note)
    except (DivergedError, RuntimeError):
        pass  # errors of the network, such as memory, are reported where it is trained
    finally:
        torch.set_num_threads(before)
    return {number: seconds.get(number, float("inf")) for number in numbers}


Report: TypeAlias = Callable[[Job, JobState], None]
"""Called with a job's outcome after each epoch and at its end."""
OnStep: TypeAlias = Callable[[Job, float], None]
"""Called after each step of a job with the epochs done, including the fraction of the current one."""


@dataclass(frozen=True)
class Execution:
    """Execution settings: they affect the speed of a training, not its results, apart from rounding.

    Attributes:
        device: The device of this process.
        processes: The process group.
        compiling: Whether to use torch.compile.
        minutes: Checkpoints are no further apart than this.
        threads: Of torch on the CPU; chosen by a measurement if not given.
    """

    device: torch.device
    processes: Processes = ALONE
    compiling: bool = False
    minutes: float = 10.0
    threads: int | None = None


def train(
    job: Job,
    data: Data,
    recipe: Recipe,
    path: Path,
    execution: Execution,
    stop: Callable[[], bool],
    report: Report,
    on_step: OnStep = lambda job, epochs: None,
) -> JobState:
    """Train a job and keep it at `path`.

    Args:
        job: What to train.
        data: On the device.
        recipe: How.
        path: Its checkpoint, resumed from if it exists.
        execution: Execution settings.
        stop: Polled after each step; what was done so far is kept.
        report: Called after each epoch.
        on_step: Called after each step.

    Raises:
        RequestError: The checkpoint is of another network, recipe or data set, or damaged.
    """
    kept = Checkpoint.load(path) if path.exists() else None
    if kept is not None:
        kept.check(path, job, recipe, data)
        if kept.so_far().status == DONE:
            return kept.so_far()
    one = _One(job, data, recipe, path, execution, kept)
    try:
        with torch.backends.cudnn.flags(enabled=True, benchmark=True):
            return one.train(stop, report, on_step)
    except (DivergedError, OSError) as error:
        return one.outcome.ended(FAILED, str(error))
    except (DataError, RuntimeError) as error:
        # Of several processes the others do not know of it, and would wait: torchrun ends them all.
        if execution.processes.count > 1 or not _of_this_network(error):
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
        self, job: Job, data: Data, recipe: Recipe, path: Path, execution: Execution, kept: Checkpoint | None
    ) -> None:
        self._job, self._data, self._recipe, self._path, self._execution = job, data, recipe, path, execution
        self.outcome = kept.so_far() if kept else JobState()
        self._kept = kept
        self._best: dict[str, Tensor] | None = kept.best if kept else None

    def train(self, stop: Callable[[], bool], report: Report, on_step: OnStep) -> JobState:
        execution, epochs = self._execution, self._recipe.epochs
        self._training = training = Training(
            self._job.architecture,
            self._data,
            self._recipe,
            self._job.seed,
            execution.device,
            execution.processes,
            execution.compiling,
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
            return execution.processes.any(stop() or time.monotonic() - saved > 60 * execution.minutes)

        while training.epoch < epochs:
            epoch = training.run_epoch(pause)
            if epoch is not None:
                self.outcome = self.outcome.after(epoch)
                if self._data.held_out is not None and self.outcome.best == epoch:
                    self._best = _copied(training.tested.state_dict())
            stopped = execution.processes.any(stop()) and training.epoch < epochs
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

    def _finish(self) -> JobState:
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
        if self._execution.processes.is_main:
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
        if failure := self._execution.processes.broadcast(failure):
            raise OSError(failure)


def _copied(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.detach().cpu().clone() for name, value in weights.items()}
