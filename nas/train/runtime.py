"""Execution of a job: number of threads, checkpoints, and errors that end one network.

All cores are often not the fastest: next to other programs the threads of an operation wait for the slowest
of them, and small operations gain nothing from more threads. The number of threads changes the order of
summation, so weights are equal to the last bit only with the same number.
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

from nas.remote import Remote
from nas.train.config import Precision, Recipe
from nas.train.data import Data
from nas.train.distributed import ALONE, Processes
from nas.train.images import DataError, InMemory
from nas.train.job import DONE, FAILED, INTERRUPTED, RUNNING, Accuracy, Job, JobState
from nas.train.loop import DivergedError, Training
from nas.train.model import Checkpoint, damaged_checkpoint
from search_spaces import Architecture

_STEPS = 3
"""Timed steps for each number of threads, after one for warm-up."""
_TIME_LIMIT = 0.5
"""Seconds after which no further step is timed for a number of threads."""
_MAX_MACS, _MAX_IMAGES = 0.3e9, 512
"""Largest multiply-adds of the forward pass, and images, of a timed step: a whole batch can take a minute."""
_TOLERANCE = 1.05
"""Fewer threads are chosen unless more are faster by this factor."""
_SWITCH_FACTOR = 1.5
"""A resumed training changes its number of threads only for this speed-up: the last bits change."""


def set_threads(
    requested: int | None,
    networks: Iterable[Architecture],
    data: Data,
    recipe: Recipe,
    device: torch.device,
    processes: Processes = ALONE,
    at_a_time: int = 1,
    before: int | None = None,
) -> int:
    """Set the number of threads of torch in all processes of the group.

    On a CPU the fastest number is measured unless one is requested; on a GPU torch's default is kept.

    Args:
        requested: The requested number, if any.
        networks: The networks, fitted to the data; the one with the most multiply-adds is measured.
        data: The data set; its images are not read.
        recipe: The recipe of the training.
        device: The device of the training.
        processes: The process group; each process uses an equal part of its node's cores.
        at_a_time: Number of networks trained in parallel, each with an equal part of the cores.
        before: The number of threads of an earlier part of the run.

    Returns:
        The number of threads.
    """
    number: int = requested or torch.get_num_threads()
    if not requested and device.type == "cpu":
        if processes.is_main:
            most = max(torch.get_num_threads() // (processes.here * at_a_time), 1)
            number = _choose_threads(networks, data, recipe, processes.count, most, before)
        number = processes.broadcast(number)
    torch.set_num_threads(number)
    if before not in (None, number) and device.type == "cpu" and processes.is_main:
        print(
            f"note: this run was trained with {before} threads and goes on with {number}: results may differ"
            f" in the last bits from those of an uninterrupted training; --threads {before} keeps them",
            file=sys.stderr,
        )
    return number


def _choose_threads(
    networks: Iterable[Architecture],
    data: Data,
    recipe: Recipe,
    processes: int,
    most: int,
    before: int | None,
) -> int:
    numbers = sorted({1, *(1 << power for power in range(most.bit_length())), most, before or 1})
    if len(numbers) == 1:
        return numbers[0]
    largest = max(dict.fromkeys(networks), key=_macs, default=None)
    if largest is None:
        return before or most
    return fastest(seconds_per_step(largest, data, recipe, processes, numbers), before)


def precision_note(precision: Precision, device: torch.device) -> str:
    """Why a precision is slow on a device; empty if it is not."""
    if precision != "bfloat16" or device.type != "cpu" or torch.backends.cpu.get_cpu_capability() != "AVX2":
        return ""
    return (
        "this processor has no AVX-512 and emulates bfloat16, several times as slow as float32:"
        " --set precision=float32"
    )


def _macs(network: Architecture) -> int:
    return int(network.figures().macs)


def fastest(seconds: dict[int, float], before: int | None = None) -> int:
    """The smallest number of threads that is nearly the fastest; `before`, unless it is much slower.

    >>> fastest({1: 1.02, 2: 1.0, 4: 3.0}), fastest({1: 2.0, 2: 1.0}), fastest({1: 1.4, 2: 1.0}, before=1)
    (1, 2, 1)
    """
    best = min(seconds.values())
    if before is not None and seconds[before] <= _SWITCH_FACTOR * best:
        return before
    return min(number for number, time in seconds.items() if time <= _TOLERANCE * best)


def seconds_per_step(
    network: Architecture, data: Data, recipe: Recipe, processes: int, numbers: Sequence[int]
) -> dict[int, float]:
    """Time of a training step on the CPU for several numbers of threads, in seconds: the minimum of a few.

    A step trains on a batch of synthetic images, reduced in size if a full batch takes long. The random state
    and the number of threads of this process stay unchanged.

    Args:
        network: The network, fitted to the data.
        data: The data set; only the shape of its images is used.
        recipe: The recipe of the training.
        processes: Number of processes among which a batch is divided.
        numbers: Numbers of threads.

    Returns:
        The time for each number; infinite if the training failed.
    """
    before = torch.get_num_threads()
    affordable = int(_MAX_MACS / max(_macs(network), 1))
    batch = max(min(recipe.batch_size // processes, affordable, _MAX_IMAGES), 2)
    images = (_STEPS + 1) * len(numbers) * batch
    pixels = torch.arange(256, dtype=torch.uint8).repeat(-(-data.channels * data.side**2 // 256))
    image = pixels[: data.channels * data.side**2].view(1, data.channels, data.side, data.side)
    synthetic = InMemory(image.repeat(images, 1, 1, 1), torch.arange(images) % len(data.classes))
    seconds: dict[int, float] = {}
    pending = list(numbers)
    marks: list[float] = []

    def after_step() -> bool:
        """Record the time; switch to the next number when enough steps are timed; True after the last."""
        marks.append(time.perf_counter())
        times = [later - earlier for earlier, later in pairwise(marks)]
        if times:
            seconds[pending[0]] = min(times)
        if len(times) == _STEPS or sum(times) > _TIME_LIMIT:
            pending.pop(0)
            marks.clear()
            if pending:
                torch.set_num_threads(pending[0])
        return not pending

    timing = replace(recipe, epochs=1, batch_size=batch, lr=0.0)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.set_num_threads(pending[0])
            training = Training(
                network,
                replace(data, train=synthetic, held_out=None),
                timing,
                0,
                torch.device("cpu"),
            )
            training.train_epoch(after_step)
    except (DivergedError, RuntimeError):
        pass  # the training of the network reports its errors, such as out of memory
    finally:
        torch.set_num_threads(before)
    return {number: seconds.get(number, float("inf")) for number in numbers}


Report: TypeAlias = Callable[[Job, JobState], None]
"""Called with the state of a job after each epoch and at its end."""
OnStep: TypeAlias = Callable[[Job, float], None]
"""Called after each step of a job with the epochs done, including the fraction of the current one."""


@dataclass(frozen=True)
class Execution:
    """Execution settings: they affect the speed of a training, not its results, apart from rounding.

    Attributes:
        device: The device of this process.
        processes: The process group.
        compiling: Whether to use torch.compile.
        minutes: Longest time between checkpoints.
        threads: Threads of torch on the CPU; measured if not given.
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
    path: Path | Remote,
    execution: Execution,
    stop: Callable[[], bool],
    report: Report,
    on_step: OnStep = lambda job, epochs: None,
) -> JobState:
    """Train a job, from its checkpoint if there is one, and save it.

    Args:
        job: The job.
        data: The data set, on the device.
        recipe: The recipe.
        path: Path of the checkpoint.
        execution: Execution settings.
        stop: Polled after each step; the progress is saved.
        report: Called with the state of the job after each epoch.
        on_step: Called with the progress of the job after each step.

    Returns:
        The state of the job: done, failed or interrupted.

    Raises:
        RequestError: The checkpoint is of another network, recipe or data set, or damaged.
    """
    checkpoint = Checkpoint.load(path) if path.exists() else None
    if checkpoint is not None:
        checkpoint.check(path, job, recipe, data)
        if checkpoint.job_state().status == DONE:
            return checkpoint.job_state()
    runner = _JobRunner(job, data, recipe, path, execution, checkpoint)
    try:
        # cuDNN's default, TF32, has 10 bits of mantissa: tables would not agree with exported networks.
        with torch.backends.cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            return runner.train(stop, report, on_step)
    except (DivergedError, OSError) as error:
        return runner.outcome.with_status(FAILED, str(error))
    except (DataError, RuntimeError) as error:
        # The other processes of a group would wait for this one, so torchrun has to end them all.
        if execution.processes.count > 1 or not _fails_one_network(error):
            raise
        return runner.outcome.with_status(FAILED, str(error))


def _fails_one_network(error: Exception) -> bool:
    """Whether an error fails one network and not the run: out of memory, a bad image, or a dead reader."""
    # torch's loader raises a plain RuntimeError, at any point of the program, when one of its workers dies.
    return isinstance(error, DataError | torch.OutOfMemoryError) or "DataLoader worker" in str(error)


class _JobRunner:
    """Trains a job and saves its checkpoints.

    Attributes:
        outcome: The state of the job.
    """

    def __init__(
        self,
        job: Job,
        data: Data,
        recipe: Recipe,
        path: Path | Remote,
        execution: Execution,
        checkpoint: Checkpoint | None,
    ) -> None:
        self._job, self._data, self._recipe, self._path, self._execution = job, data, recipe, path, execution
        self.outcome = checkpoint.job_state() if checkpoint else JobState()
        self._resumed_from = checkpoint.training if checkpoint else None
        self._best: dict[str, Tensor] | None = checkpoint.best if checkpoint else None

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
        if self._resumed_from is not None:
            try:
                training.load_state(self._resumed_from)
                if training.epoch >= epochs or training.step >= training.steps:
                    raise ValueError(f"epoch {training.epoch}, step {training.step}")
            except torch.OutOfMemoryError:
                raise
            except (RuntimeError, ValueError, TypeError, LookupError, AttributeError) as error:
                raise damaged_checkpoint(self._path, error) from None
        self._resumed_from = None  # frees its memory
        forward = training.forward
        compiled = "yes" if forward.compiled else forward.failure and f"failed: {forward.failure}"
        self.outcome = dataclasses.replace(self.outcome, compiled=compiled).with_status(RUNNING)
        saved = time.monotonic()

        def pause() -> bool:
            on_step(self._job, training.epoch + training.step / training.steps)
            return execution.processes.any(stop() or time.monotonic() - saved > 60 * execution.minutes)

        while training.epoch < epochs:
            epoch = training.run_epoch(pause)
            if epoch is not None:
                self.outcome = self.outcome.with_epoch(epoch)
                if self._data.held_out is not None and self.outcome.best == epoch:
                    self._best = _copied(training.tested.state_dict())
            stopped = execution.processes.any(stop()) and training.epoch < epochs
            if stopped:
                self.outcome = self.outcome.with_status(INTERRUPTED)
            if training.epoch < epochs:
                self._save(training.state())
            saved = time.monotonic()
            if stopped:
                return self.outcome
            if epoch is not None and training.epoch < epochs:
                report(self._job, self.outcome)
        return self._finish()

    def _finish(self) -> JobState:
        """Test the last and the best weights, if validation images were held out, and save the job."""
        if self._data.held_out is not None:
            model = self._training.tested
            last = _copied(model.state_dict())
            test = Accuracy(*self._training.test(self._data.test))
            model.load_state_dict(self._best or last)
            best = Accuracy(*self._training.test(self._data.test))
            model.load_state_dict(last)
            self.outcome = dataclasses.replace(self.outcome, test=test, best_test=best)
        outcome, self.outcome = self.outcome, self.outcome.with_status(DONE)
        try:
            self._save(None)
        except OSError:
            self.outcome = outcome
            raise
        return self.outcome

    def _save(self, training: dict[str, object] | None) -> None:
        """Write the checkpoint in the main process; a failure is raised in all processes."""
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
