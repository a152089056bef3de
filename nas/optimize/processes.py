"""The workers of a shared study on this machine, each in a process."""

from __future__ import annotations

import multiprocessing
import os
import platform
import secrets
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING

from nas import proxies
from nas.exact.resolutions import problem_of_goal
from nas.optimize.ledger import Ledger
from nas.optimize.request import Request
from nas.optimize.scores import Scores
from nas.optimize.storage import Address, Link, UnreachableError
from nas.optimize.trials import Trials, quiet
from nas.optimize.worker import Worker
from nas.signals import interruptions
from search_spaces import RequestError

if TYPE_CHECKING:
    from multiprocessing.synchronize import Event

_POLL_SECONDS = 0.25
"""Interval of reading the study and polling `stop`."""
_DEATHS = 3
"""How many workers may die, for each, before another trial is complete."""


@dataclass(frozen=True, repr=False)
class Order:
    """What a worker is to do.

    Attributes:
        request: Request of the search.
        known: Scores that are known.
        address: Address of the storage.
        name: Name of the study.
        timing: Seconds between signs of life of a trial, and without one until it is lost.
        workers: Number of workers on this machine.
    """

    request: Request
    known: dict[str, float]
    address: Address
    name: str
    timing: tuple[int, int]
    workers: int


def new_token() -> str:
    """A name for a worker that no other worker has."""
    return f"{platform.node()}:{secrets.token_hex(4)}"


@dataclass
class _Process:
    """A worker that runs.

    Attributes:
        index: Its number on this machine.
        token: Its name.
        process: The process.
        connection: This end of the pipe from it.
    """

    index: int
    token: str
    process: BaseProcess
    connection: Connection


def run_workers(
    order: Order, link: Link, ledger: Ledger, stop: Callable[[], bool], on_read: Callable[[], None]
) -> None:
    """Run workers until all trials are complete, or until `stop` returns True.

    If a worker dies, its trial is queued again, and another worker replaces it.

    Args:
        order: What they are to do.
        link: The study, for this process.
        ledger: The trials, for this process.
        stop: Polled several times a second.
        on_read: Called whenever the trials were read.

    Raises:
        RequestError: A worker raised it, or workers die one after another.
        RuntimeError: A worker failed.
    """
    context = multiprocessing.get_context("forkserver")
    # The fork server imports torch, which takes seconds, once for all workers.
    measured = not proxies.get(order.request.score).closed_form
    context.set_forkserver_preload([__name__, *(["torch"] if measured else [])])
    stopping = context.Event()

    def start(index: int) -> _Process:
        connection, remote = context.Pipe(duplex=False)
        token = new_token()
        process = context.Process(target=_run, args=(order, index, token, remote, stopping), daemon=True)
        process.start()
        remote.close()
        return _Process(index, token, process, connection)

    running = [start(index) for index in range(order.workers)]
    failure: Exception | None = None
    deaths, complete = 0, ledger.complete
    while running:
        if stop() or failure:
            stopping.set()
        ended = wait([one.process.sentinel for one in running], timeout=_POLL_SECONDS)
        for one in [one for one in running if one.process.sentinel in ended]:
            running.remove(one)
            one.process.join()
            problem = _failure_of(one)
            failure = failure or problem
            if problem is None and one.process.exitcode and not stopping.is_set():
                ledger.read()
                for trial in ledger.running(one.token):
                    link.run_again(trial)
                deaths = deaths + 1 if ledger.complete == complete else 1
                complete = ledger.complete
                if deaths > _DEATHS * order.workers:
                    failure = RequestError(
                        f"{deaths} workers ended with exit code {one.process.exitcode} before another trial"
                        " was complete, perhaps for want of memory; give fewer --workers, and go on"
                    )
                else:
                    running.append(start(one.index))
        if not (stopping.is_set() or failure):
            ledger.read()
            on_read()
    if failure:
        raise failure
    try:
        ledger.read()
        on_read()
    except UnreachableError:
        if not stop():
            raise


def _failure_of(one: _Process) -> Exception | None:
    """The error that ended a worker, if it sent one."""
    try:
        if one.connection.poll():
            kind, text = one.connection.recv()
            return RequestError(text) if kind == "request" else RuntimeError(f"a worker failed:\n{text}")
    except (EOFError, OSError):  # it died, perhaps within a message
        pass
    finally:
        one.connection.close()
    return None


def _run(order: Order, index: int, token: str, connection: Connection, stopping: Event) -> None:
    """Work until the trials are complete, or this command ends."""
    parent = os.getppid()
    with interruptions() as interrupted:

        def stop() -> bool:
            return stopping.is_set() or interrupted() or os.getppid() != parent

        try:
            worker = _worker(order, index, token, stop)
            worker.work(order.request.trials)
        except RequestError as error:
            if not stop():
                connection.send(("request", str(error)))
        except KeyboardInterrupt:
            pass
        except Exception:
            connection.send(("fault", traceback.format_exc()))


def _worker(order: Order, index: int, token: str, stop: Callable[[], bool]) -> Worker:
    request = order.request
    scores = Scores.of(request)
    if scores is not None:
        scores.known.update(order.known)
        if not scores.proxy.closed_form:
            _limit_threads(order.workers)
    space, goal = request.resolve()
    tables = problem_of_goal(space, goal, feasible=False).tables
    trials = Trials(space, tables, goal, scores)
    heartbeat, grace = order.timing
    with quiet():
        link = Link(order.address, order.name, None, stop, heartbeat, grace)
    ledger = Ledger(link, trials)
    return Worker(link, ledger, trials, request.sampler, request.seed, index, token, stop)


def _limit_threads(workers: int) -> None:
    """Divide the processors among the workers."""
    import torch

    torch.set_num_threads(max(torch.get_num_threads() // workers, 1))
