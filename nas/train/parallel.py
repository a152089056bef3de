"""Training of several jobs in parallel, each in a worker process with its own device."""

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

_POLL_SECONDS = 0.2
"""Interval of polling `stop`."""
_REPORT_SECONDS = 1.0
"""Interval of messages on the progress of an epoch."""


@dataclass
class _Worker:
    """A process that trains one job after another on a device.

    Attributes:
        device: Its device.
        process: The process.
        connection: This end of the pipe to it.
        job: Its current job; None without one.
        outcome: State of that job.
    """

    device: torch.device
    process: BaseProcess
    connection: Connection
    job: Job | None = None
    outcome: JobState = field(default_factory=JobState)


def train_in_parallel(
    jobs: Sequence[Job],
    config: TrainConfig,
    folder: TrainFolder,
    execution: Execution,
    devices: Sequence[torch.device],
    workers: int | None,
    stop: Callable[[], bool],
    report: Report,
    on_step: OnStep,
) -> None:
    """Train jobs, as many at a time as there are devices.

    If a worker process dies, only its current job fails.

    Args:
        jobs: The jobs.
        config: Configuration of the training; each worker loads the data itself.
        folder: Folder of the run, for the checkpoints.
        execution: Execution settings except the device; on a CPU with the number of threads per worker.
        devices: The device of each worker; a device may be given several times.
        workers: Processes that read images, per device; the processors divided evenly if not given.
        stop: Polled several times a second.
        report: Called with the state of a job after each epoch and at its end.
        on_step: Called with the progress of a job, about once a second.
    """
    # The fork server has imported the modules, and has not initialised CUDA.
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([__name__])
    stopping = context.Event()
    readers = workers or max((os.cpu_count() or 1) // len(devices), 1)

    def start(device: torch.device) -> _Worker:
        connection, remote = context.Pipe()
        arguments = (remote, config, folder, replace(execution, device=device), readers, stopping)
        process = context.Process(target=_run_worker, args=arguments)
        process.start()
        remote.close()
        return _Worker(device, process, connection)

    pending, busy = list(jobs), [start(device) for device in devices[: len(jobs)]]
    for worker in busy:
        _send_next(worker, pending)
    while busy:
        if stop():
            stopping.set()
            pending.clear()
        for connection in wait([worker.connection for worker in busy], timeout=_POLL_SECONDS):
            worker = next(worker for worker in busy if worker.connection is connection)
            try:
                done, message = worker.connection.recv()
                assert worker.job is not None
                if isinstance(message, JobState):
                    worker.outcome = message
                    report(worker.job, message)
                else:
                    on_step(worker.job, message)
            except (EOFError, ConnectionError):
                worker.process.join()
                if worker.job is not None:
                    reason = f"its process ended with exit code {worker.process.exitcode}"
                    report(worker.job, worker.outcome.with_status(FAILED, reason))
                busy.remove(worker)
                if pending:
                    busy.append(start(worker.device))
                    _send_next(busy[-1], pending)
            else:
                if done:
                    _send_next(worker, pending)


def _send_next(worker: _Worker, pending: list[Job]) -> None:
    """Send the next job to a worker, or None, which ends it."""
    worker.job, worker.outcome = (pending.pop(0) if pending else None), JobState(WAITING)
    worker.connection.send(worker.job)


def _run_worker(
    connection: Connection,
    config: TrainConfig,
    folder: TrainFolder,
    execution: Execution,
    workers: int,
    stopping: Event,
) -> None:
    """Train the jobs received, until None arrives or the parent process ends."""
    from nas.train.data import load_for

    if execution.device.type == "cpu":
        assert execution.threads is not None
        torch.set_num_threads(execution.threads)
    else:
        torch.cuda.set_device(execution.device)
    data = load_for(config, workers=workers).to(execution.device)
    parent = os.getppid()
    with interruptions() as interrupted:

        def stop() -> bool:
            return stopping.is_set() or interrupted() or os.getppid() != parent

        reported = 0.0

        def on_step(job: Job, epochs: float) -> None:
            nonlocal reported
            if time.monotonic() - reported > _REPORT_SECONDS or epochs == int(epochs):
                reported = time.monotonic()
                connection.send((False, epochs))

        while (job := connection.recv()) is not None:
            path = folder.checkpoint(job.name)
            outcome = train(
                job,
                data,
                config.values,
                path,
                execution,
                stop,
                lambda job, outcome: connection.send((False, outcome)),
                on_step,
            )
            connection.send((True, outcome))
