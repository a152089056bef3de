"""Several jobs side by side, each in a process with a device of its own."""

from __future__ import annotations

import multiprocessing
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

import torch

from nas.signals import interruptions
from nas.train.config import TrainConfig
from nas.train.folder import TrainFolder
from nas.train.job import FAILED, WAITING, Job, JobState
from nas.train.runtime import Execution, OnStep, Report, train

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

_ASKED_EVERY = 0.2
"""Seconds between two looks at whether to stop."""


_REPORTED_EVERY = 1.0
"""Seconds between two messages on how far an epoch is."""


@dataclass
class _Worker:
    """A process that trains one job after another on a device.

    Attributes:
        job: What it trains now.
        outcome: How far that has come.
    """

    device: torch.device
    process: BaseProcess
    ours: Connection
    job: Job | None = None
    outcome: JobState = field(default_factory=JobState)


def train_side_by_side(
    jobs: Sequence[Job],
    order: TrainConfig,
    folder: TrainFolder,
    execution: Execution,
    devices: Sequence[torch.device],
    workers: int | None,
    stop: Callable[[], bool],
    report: Report,
    on_step: OnStep,
) -> None:
    """Train jobs, as many at a time as there are devices.

    A process that dies takes only its own job with it, which ends as failed.

    Args:
        jobs: What to train.
        order: How, and on what data: each process reads them for itself.
        folder: Where checkpoints are.
        execution: Execution settings except the device; on a CPU with the number of threads per process.
        devices: One for each process; the same may be given several times.
        workers: Processes that read images for each of them; its share of the processors if not given.
        stop: Asked several times a second.
        report: Called with a job's outcome after each epoch and at its end.
        on_step: Called with the progress of a job, about once a second.
    """
    # Forked from a process that has imported what they need and has not touched a GPU.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    stopping = context.Event()
    readers = workers or max((os.cpu_count() or 1) // len(devices), 1)

    def started(device: torch.device) -> _Worker:
        ours, theirs = context.Pipe()
        here = replace(execution, device=device)
        given = (theirs, order, folder, here, readers, stopping)
        process = context.Process(target=_work, args=given)
        process.start()
        theirs.close()
        return _Worker(device, process, ours)

    waiting, busy = list(jobs), [started(device) for device in devices[: len(jobs)]]
    for worker in busy:
        _give(worker, waiting)
    while busy:
        if stop():
            stopping.set()
            waiting.clear()
        for connection in wait([worker.ours for worker in busy], timeout=_ASKED_EVERY):
            worker = next(worker for worker in busy if worker.ours is connection)
            try:
                ended, news = worker.ours.recv()
                assert worker.job is not None
                if isinstance(news, JobState):
                    worker.outcome = news
                    report(worker.job, news)
                else:
                    on_step(worker.job, news)
            except (EOFError, ConnectionError):
                worker.process.join()
                if worker.job is not None:
                    reason = f"its process ended with exit code {worker.process.exitcode}"
                    report(worker.job, worker.outcome.ended(FAILED, reason))
                busy.remove(worker)
                if waiting:
                    busy.append(started(worker.device))
                    _give(busy[-1], waiting)
            else:
                if ended:
                    _give(worker, waiting)


def _give(worker: _Worker, waiting: list[Job]) -> None:
    """Give a worker the next job; without one it ends."""
    worker.job, worker.outcome = (waiting.pop(0) if waiting else None), JobState(WAITING)
    worker.ours.send(worker.job)


def _work(
    ours: Connection,
    order: TrainConfig,
    folder: TrainFolder,
    execution: Execution,
    workers: int,
    stopping: Event,
) -> None:
    """Train the jobs that come, until none does or the parent is gone."""
    from nas.train.data import loaded

    if execution.device.type == "cpu":
        assert execution.threads is not None
        torch.set_num_threads(execution.threads)
    else:
        torch.cuda.set_device(execution.device)
    data = loaded(order, workers=workers).to(execution.device)
    parent = os.getppid()
    with interruptions() as interrupted:

        def stop() -> bool:
            return stopping.is_set() or interrupted() or os.getppid() != parent

        reported = 0.0

        def on_step(job: Job, epochs: float) -> None:
            nonlocal reported
            if time.monotonic() - reported > _REPORTED_EVERY or epochs == int(epochs):
                reported = time.monotonic()
                ours.send((False, epochs))

        while (job := ours.recv()) is not None:
            path = folder.checkpoint(job.name)
            outcome = train(
                job,
                data,
                order.values,
                path,
                execution,
                stop,
                lambda job, outcome: ours.send((False, outcome)),
                on_step,
            )
            ours.send((True, outcome))
